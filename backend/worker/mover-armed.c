// SPDX-License-Identifier: MIT
/*
 * Which pages stay armed while they are home. Arming and disarming take as long as
 * revoking and restoring, and what has moved once moves again: so a chunk that comes
 * home stays armed for a while (alive.c), as long as that is so of few pages. Armed
 * pages count against limits of the hypervisor, of the guest and of the host, and
 * nobody else can arm them: so they are disarmed before an ARM fails for such a reason.
 *
 * The bits are what this process believes. Pages that were unmapped meanwhile are
 * armed no more; then REVOKE fails, and the chunk is armed once more.
 */
#include "mover-armed.h"

#include <stdlib.h>

#include "mover-ops.h"
#include "mover-place.h"
#include "work.h"

static bool is_armed(const struct mover_ram *ram, uint32_t page)
{
	return ram->armed[page / 64] >> page % 64 & 1;
}

static uint32_t bits_set(const struct mover_ram *ram, const struct mig_op *op)
{
	uint32_t page, nr = 0;

	if (!ram->armed)
		return 0;
	for (page = op->first; page < op->first + op->nr; page++)
		nr += is_armed(ram, page);
	return nr;
}

static void bits_clear(struct mover *mover, const struct mig_op *op)
{
	struct mover_ram *ram = &mover->ram[op->obj];
	uint32_t page;

	mover->nr_idle -= bits_set(ram, op);
	for (page = op->first; ram->armed && page < op->first + op->nr; page++)
		ram->armed[page / 64] &= ~(UINT64_C(1) << page % 64);
}

static void bits_fill(struct mover *mover, const struct mig_op *op)
{
	struct mover_ram *ram = &mover->ram[op->obj];
	uint32_t page;

	mover->nr_idle += op->nr - bits_set(ram, op);
	for (page = op->first; page < op->first + op->nr; page++)
		ram->armed[page / 64] |= UINT64_C(1) << page % 64;
}

/* Without memory for the bits it is disarmed as well. */
static bool may_stay(struct mover *mover, const struct mig_op *op)
{
	struct mover_ram *ram = &mover->ram[op->obj];

	if (op->flags & MIG_OP_LOST || op->nr > mover->max_idle ||
	    mover->nr_idle > mover->max_idle - op->nr)
		return false;
	if (!ram->armed) {
		ram->nr_pages = work_pages(mover->env, op->obj);
		ram->armed = calloc(ram->nr_pages / 64 + 1, sizeof(*ram->armed));
	}
	return ram->armed;
}

static uint32_t pages(struct mover *mover, const struct mig_op *op,
		      enum mig_op_type type, bool stay, const uint32_t *grefs,
		      uint32_t *extra_refs)
{
	struct mig_op one = *op;

	one.type = type;
	return mover_pages(mover->env->module, &one, grefs + op->first,
			   mover->ram[op->obj].handle != 0, stay, mover->ops,
			   extra_refs);
}

/* Pages that are armed, from op->first on; none is left: 0. */
static uint32_t run_find(const struct mover_ram *ram, struct mig_op *op)
{
	while (op->first < ram->nr_pages && !is_armed(ram, op->first))
		op->first++;
	for (op->nr = 0; op->nr < MOVER_MAX_PAGES; op->nr++)
		if (op->first + op->nr >= ram->nr_pages ||
		    !is_armed(ram, op->first + op->nr))
			break;
	return op->nr;
}

static void disarm(struct mover *mover, uint32_t obj)
{
	const uint32_t *grefs = work_grefs(mover->env, obj);
	struct mover_ram *ram = &mover->ram[obj];
	struct mig_op op = { .obj = obj };
	uint32_t none;

	while (grefs && ram->armed && run_find(ram, &op)) {
		bits_clear(mover, &op);
		/* To restore what is home does nothing but disarm it. */
		(void)pages(mover, &op, MIG_OP_RESTORE, false, grefs, &none);
	}
}

void mover_disarm_idle(struct mover *mover)
{
	uint32_t obj;

	for (obj = 0; mover->nr_idle && obj < mover->env->max_objects; obj++)
		disarm(mover, obj);
}

static uint32_t arm(struct mover *mover, const struct mig_op *op,
		    const uint32_t *grefs, uint32_t *extra_refs)
{
	uint32_t status;

	if (bits_set(&mover->ram[op->obj], op) == op->nr)
		return MIG_OK;
	bits_clear(mover, op);
	status = pages(mover, op, MIG_OP_ARM, false, grefs, extra_refs);
	if (status == MIG_OK || !mover->nr_idle)
		return status;
	mover_disarm_idle(mover);
	return pages(mover, op, MIG_OP_ARM, false, grefs, extra_refs);
}

static uint32_t revoke(struct mover *mover, const struct mig_op *op,
		       const uint32_t *grefs, uint32_t *extra_refs)
{
	bool stayed = bits_set(&mover->ram[op->obj], op) != 0;
	uint32_t status;

	bits_clear(mover, op);
	status = pages(mover, op, MIG_OP_REVOKE, false, grefs, extra_refs);
	if (status == MIG_OK || !stayed)
		return status;
	status = pages(mover, op, MIG_OP_RESTORE, false, grefs, extra_refs);
	if (status == MIG_OK)
		status = pages(mover, op, MIG_OP_ARM, false, grefs, extra_refs);
	if (status == MIG_OK)
		status = pages(mover, op, MIG_OP_REVOKE, false, grefs,
			       extra_refs);
	return status;
}

static uint32_t restore(struct mover *mover, const struct mig_op *op,
			const uint32_t *grefs, uint32_t *extra_refs)
{
	bool stay = may_stay(mover, op);
	uint32_t status = pages(mover, op, MIG_OP_RESTORE, stay, grefs,
				extra_refs);

	if (status == MIG_OK && stay)
		bits_fill(mover, op);
	return status;
}

uint32_t mover_armed(struct mover *mover, const struct mig_op *op,
		     const uint32_t *grefs, uint32_t *extra_refs)
{
	switch (op->type) {
	case MIG_OP_ARM:
		return arm(mover, op, grefs, extra_refs);
	case MIG_OP_REVOKE:
		return revoke(mover, op, grefs, extra_refs);
	case MIG_OP_RESTORE:
		return restore(mover, op, grefs, extra_refs);
	default: /* callers pass only the four */
		return pages(mover, op, MIG_OP_QUERY, false, grefs, extra_refs);
	}
}

void mover_armed_forget(struct mover *mover, uint32_t obj)
{
	struct mover_ram *ram = &mover->ram[obj];
	struct mig_op all = { .obj = obj };

	if (!ram->armed)
		return;
	all.nr = ram->nr_pages;
	mover->nr_idle -= bits_set(ram, &all);
	free(ram->armed);
	ram->armed = NULL;
}
