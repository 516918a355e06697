/* SPDX-License-Identifier: MIT */
/*
 * Fakes of Xen's libraries and of the backend's module: a store in memory,
 * granted pages in memory, dma-bufs that are eventfds.
 */
#ifndef FAKE_XEN_H
#define FAKE_XEN_H

#include <stdbool.h>
#include <stdint.h>

#define FAKE_MAX_GREFS	256

/** fake_store_set() - a node; @value NULL removes it; @len < 0: strlen() */
void fake_store_set(const char *path, const char *value, int len);
void fake_store_clear(void);

/** fake_store_deny() - a node that cannot be read, for this reason: EACCES, EIO */
void fake_store_deny(const char *path, int error);

/** fake_store_conflict() - the next @times commits find a conflict */
void fake_store_conflict(unsigned int times);

/** fake_grant() - make @page readable as @gref, or end the grant with NULL */
void fake_grant(uint32_t gref, const void *page);
void fake_grant_clear(void);

/* As GNTREV_STATE_*. */
#define FAKE_REV_NONE		0
#define FAKE_REV_HOME		1
#define FAKE_REV_REVOKED	3

/* What the fake module did. */
struct fake_module {
	unsigned int alive;	/* dma-bufs */
	uint32_t nr;		/* pages of the last MAP */
	uint32_t flags;
	uint64_t cookie;
	uint32_t first_gref;
	uint32_t last_gref;
	uint32_t trim_first;	/* of the last TRIM */
	uint32_t trim_nr;
	uint32_t write_first;	/* of the last WRITE */
	uint32_t write_nr;
	unsigned int ops_calls;
	uint8_t rev_state[FAKE_MAX_GREFS];
	uint32_t max_armed;	/* grefs; 0: any number */
	uint32_t refuse_gref;	/* ARM of it says ... */
	int32_t refuse_status;
};
extern struct fake_module fake_module;

#endif /* FAKE_XEN_H */
