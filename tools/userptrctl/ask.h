/* SPDX-License-Identifier: MIT */
/* One request to a worker, by way of the daemon's control socket. */
#ifndef XU_CTL_ASK_H
#define XU_CTL_ASK_H

#include "ctl.h"
#include "ipc.h"

struct json_object;

/**
 * ask_device() - fill in domain and device from "DOMAIN" or "DOMAIN/DEVID"
 *
 * The argument is changed. Returns an exit code.
 */
int ask_device(struct ctl *ctl, char *text, struct ipc_request *request);

/** ask_number() - a number of at most 32 bits, or an exit code and a message */
int ask_number(const char *text, const char *what, uint32_t *number);

/**
 * ask() - send, and wait for the answer, at most the command's time
 *
 * Returns an exit code; on CTL_OK the worker has agreed.
 */
int ask(struct ctl *ctl, const struct ipc_request *request,
	struct ipc_report *report);

/**
 * ask_quietly() - the same without a word
 *
 * Returns 0, the worker's or the daemon's -errno, -EIO (nobody answers), or
 * -EBADMSG (an answer without sense).
 */
int ask_quietly(struct ctl *ctl, const struct ipc_request *request,
		struct ipc_report *report);

/** answer_fits() - does an answer without error make sense for what was asked? */
bool answer_fits(const struct ipc_control *asked,
		 const struct ipc_report *report);

/** map_json() - a run of pages of an answer; the caller's */
struct json_object *map_json(const struct ipc_entry *run);

#endif /* XU_CTL_ASK_H */
