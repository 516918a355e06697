/* SPDX-License-Identifier: MIT */
/*
 * What the mover has on its file of the GPU: imports of the guest's objects and
 * the VRAM of chunks, each with a handle and a place in the mover's own
 * address space as long as it lives. The mover's thread alone.
 */
#ifndef XU_MOVER_PLACE_H
#define XU_MOVER_PLACE_H

#include "hash.h"
#include "mover.h"

/* An object of the guest. */
struct mover_ram {
	uint32_t handle;	/* 0: not imported */
	struct space_range *place; /* or NULL */
	uint64_t *armed;	/* bits of pages that are home and armed; or NULL */
	uint32_t nr_pages;	/* that have a bit */
};

/* The VRAM of one chunk, or of none. */
struct mover_vram {
	UT_hash_handle hh;
	uint64_t key;		/* obj << 32 | first page */
	struct mover_vram *next; /* of mover.spare */
	uint32_t nr;		/* pages; 0: another process knew */
	uint32_t handle;
	struct space_range *place; /* or NULL */
	/* For the address space of that life; of an earlier one it is nothing. */
	uint32_t vm_handle[MIG_MAX_VMS];
	uint32_t vm_life[MIG_MAX_VMS];
};

/**
 * mover_alloc() - VRAM for the chunks of @ops, each in its place
 * @nr: at most GPU_PLACES_MAX
 *
 * All or none. One change of the mover's address space. Returns 0 or -errno.
 */
int mover_alloc(struct mover *mover, const struct mig_op *const *ops,
		uint32_t nr);
/** mover_free() - nothing maps it any more; some stays as spare. None is no error */
void mover_free(struct mover *mover, const struct mig_op *const *ops,
		uint32_t nr);
/** mover_drop_spares() - give back what no chunk has */
void mover_drop_spares(struct mover *mover);
/** mover_stop_sparing() - from here on none is kept */
void mover_stop_sparing(struct mover *mover);
/** mover_vram() - what mover_alloc() made, or NULL */
struct mover_vram *mover_vram(struct mover *mover, const struct mig_op *op);

/** mover_import() - of an object, made when it is needed first; or -errno */
int mover_import(struct mover *mover, uint32_t obj, uint32_t *handle);
/** mover_forget() - take the object's import away, before it is unmapped */
int mover_forget(struct mover *mover, uint32_t obj);

/** mover_places() - addresses of the chunk of @op in both memories; or -errno */
int mover_places(struct mover *mover, const struct mig_op *op, uint64_t *vram,
		 uint64_t *ram);

/** mover_drop_places() - free what is known of all; the file is closed next */
void mover_drop_places(struct mover *mover);

#endif /* XU_MOVER_PLACE_H */
