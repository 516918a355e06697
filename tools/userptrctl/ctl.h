/* SPDX-License-Identifier: MIT */
/*
 * userptrctl: writes and reads the xenstore nodes of userptr devices as xl does
 * for other devices, and asks the daemon for its counters.
 *
 * Commands return an exit code: 0 done, 1 failed (said on stderr), 2 wrong
 * usage, 3 no such domain or device, 4 no daemon, 5 timed out.
 */
#ifndef XU_CTL_H
#define XU_CTL_H

#include <stdbool.h>
#include <stdint.h>
#include <xenstore.h>

#include "store.h"

enum ctl_exit {
	CTL_OK = 0,
	CTL_FAILED = 1,
	CTL_USAGE = 2,
	CTL_NO_ENTRY = 3,
	CTL_NO_DAEMON = 4,
	CTL_TIMEOUT = 5,
};

struct ctl {
	struct xs_handle *xs;
	bool json;
	bool force;
	bool svg;
	bool once;
	unsigned int interval_ms;
	unsigned int timeout_s;
	char **args;		/* behind the command */
	int nr_args;
};

/* Both ends of one device. */
struct ctl_device {
	uint32_t domid;
	uint32_t devid;
	uint32_t backend;
	char front[STORE_PATH_LEN];
	char back[STORE_PATH_LEN];
	char libxl[STORE_PATH_LEN];
};

int ctl_attach(struct ctl *ctl);
int ctl_detach(struct ctl *ctl);
int ctl_list(struct ctl *ctl);
int ctl_stat(struct ctl *ctl);
int ctl_migrate(struct ctl *ctl);
int ctl_policy(struct ctl *ctl);
int ctl_map(struct ctl *ctl);
int ctl_top(struct ctl *ctl);
int ctl_replay(struct ctl *ctl);

/** ctl_error() - one line on stderr; returns @code */
int ctl_error(enum ctl_exit code, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/**
 * ctl_find_domain() - id of a domain given by number or name
 *
 * A number is taken as it is where the store does not say whether there is such
 * a domain, as in a driver domain. Returns 0 or -ENOENT.
 */
int ctl_find_domain(struct ctl *ctl, const char *name, uint32_t *domid);

/** ctl_own_domid() - of the domain that this program runs in */
uint32_t ctl_own_domid(struct ctl *ctl);

/** ctl_device_paths() - fill the paths from the three numbers */
void ctl_device_paths(struct ctl_device *device);

/** ctl_find_device() - an attached device; 0, -ENOENT, or -errno of the store */
int ctl_find_device(struct ctl *ctl, uint32_t domid, uint32_t devid,
		    struct ctl_device *device);

#endif /* XU_CTL_H */
