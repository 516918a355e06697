/* SPDX-License-Identifier: MIT */
/*
 * What outlives a worker: a memfd that the broker keeps. The engine's records
 * (migrate.h) in it are written before the ops of a step are performed, so that
 * after the worker's death another process (rescue.c) knows where the data of
 * each chunk is and brings it home.
 *
 * A worker can die between any two instructions. The records of one step go to
 * a redo list first; the number of its entries is the commit. All other
 * words are written when either value of them is right.
 *
 * Its writer may have been in the hands of a guest: a reader believes nothing.
 */
#ifndef XU_JOURNAL_H
#define XU_JOURNAL_H

#include <stdint.h>
#include <sys/types.h>

#include "core.h"
#include "migrate.h"

struct journal_head;
struct journal_redo;
struct journal_object;

/* Handles: the mover's thread, but journal_trim(); the rest: the event loop's. */
struct journal {
	int fd;
	struct journal_head *head;	/* start of the mapping */
	uint8_t *records;
	struct journal_redo *redo;
	struct journal_object *objects;
	uint32_t nr_records;
	uint32_t max_objects;
	uint64_t max_pages;
	uint64_t pages_at;		/* offsets in the file */
};

/* A page of an object: where it is from, and where the chunk that begins here is. */
struct journal_page {
	uint32_t gref;
	uint32_t vram;		/* handle on the GPU's file; 0: none */
};

/** journal_create() - an empty one for these limits; a descriptor, or -errno */
int journal_create(const struct core_limits *limits);

/**
 * journal_open() - map it
 * @fd: of journal_create() with the same limits; the journal's on success
 *
 * Returns 0, -EBADMSG (not of these limits), or -errno.
 */
int journal_open(struct journal *journal, int fd,
		 const struct core_limits *limits);

/** journal_close() - unmap and close; the broker has the file still */
void journal_close(struct journal *journal);

/** journal_step() - write down what the engine has changed */
void journal_step(struct journal *journal, struct mig *mig);

/** journal_set_vm() - the GPU address space that copies, by the GPU's number */
void journal_set_vm(struct journal *journal, uint32_t id);
uint32_t journal_vm(const struct journal *journal);

/** journal_set_copying() - copies of a process that died go on for ever */
void journal_set_copying(struct journal *journal);

/** journal_add() - an object's grefs, before anything of it moves; or -errno */
int journal_add(struct journal *journal, uint32_t obj, const uint32_t *grefs,
		uint32_t nr);
/**
 * journal_trim() - these pages are the guest's alone; or -errno
 *
 * Their chunks are home. What the journal says of them is zero from then on; a handle
 * on VRAM that is kept for a VM goes with the GPU's file.
 */
int journal_trim(struct journal *journal, uint32_t obj, uint32_t first,
		 uint32_t nr);
/** journal_del() - nothing of it is away */
void journal_del(struct journal *journal, uint32_t obj);

/** journal_set_ram() - the object's handle on the GPU's file; 0: none */
void journal_set_ram(struct journal *journal, uint32_t obj, uint32_t handle);
uint32_t journal_ram(const struct journal *journal, uint32_t obj);

/** journal_set_vram() - of the chunk that begins at page @first; or -errno */
int journal_set_vram(struct journal *journal, uint32_t obj, uint32_t first,
		     uint32_t handle);

/**
 * journal_recover() - finish the last step, and give the engine all of it
 *
 * As mig_recover().
 */
int journal_recover(struct journal *journal, struct mig *mig, uint64_t now);

/**
 * journal_pages() - all pages of an object
 * @pages: (out) @nr of them, the caller's to free
 *
 * Returns 0, -ENOENT (there is no such object), -EBADMSG, or -errno.
 */
int journal_pages(const struct journal *journal, uint32_t obj,
		  struct journal_page **pages, uint32_t *nr);

#endif /* XU_JOURNAL_H */
