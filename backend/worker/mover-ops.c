// SPDX-License-Identifier: MIT
/*
 * Pages of a chunk -> one call of the module with an operation for each. What
 * the statuses of single pages mean for the chunk is in one table per op.
 */
#include "mover-ops.h"

#include <string.h>
#include <xen/grant_table.h>

#include "log.h"
#include "xen_revocable.h"

static uint8_t page_cmd(enum mig_op_type type)
{
	switch (type) {
	case MIG_OP_ARM:
		return XEN_USERPTR_BACK_ARM;
	case MIG_OP_REVOKE:
		return XEN_USERPTR_BACK_REVOKE;
	case MIG_OP_RESTORE:
		return XEN_USERPTR_BACK_RESTORE;
	default: /* callers pass only the four */
		return XEN_USERPTR_BACK_QUERY;
	}
}

static uint8_t page_flags(const struct mig_op *op, bool stay)
{
	if (op->type == MIG_OP_REVOKE && op->flags & MIG_OP_WRITES)
		return XEN_USERPTR_BACK_OP_WRITES;
	if (op->type != MIG_OP_RESTORE)
		return 0;
	return (stay ? 0 : XEN_USERPTR_BACK_OP_DISARM) |
	       (op->flags & MIG_OP_LOST ? XEN_USERPTR_BACK_OP_LOST : 0);
}

static int pages_run(int module, uint8_t cmd, uint8_t flags,
		     const uint32_t *grefs, uint32_t nr,
		     struct xen_userptr_back_op *ops)
{
	uint32_t i;

	memset(ops, 0, nr * sizeof(*ops));
	for (i = 0; i < nr; i++) {
		ops[i].gref = grefs[i];
		ops[i].cmd = cmd;
		ops[i].flags = flags;
	}
	return module_ops(module, ops, nr);
}

/* A page that is home, or that the guest gave up, needs no restoring. */
static bool page_is_home(const struct xen_userptr_back_op *op, bool stayed)
{
	return (op->state == GNTREV_STATE_none && stayed) ||
	       op->state == GNTREV_STATE_home ||
	       op->state == GNTREV_STATE_gone;
}

static uint32_t page_status(const struct xen_userptr_back_op *op, bool stayed)
{
	if (op->status == GNTST_okay)
		return MIG_OK;
	if (op->cmd == XEN_USERPTR_BACK_RESTORE && page_is_home(op, stayed))
		return MIG_OK;
	if (op->cmd != XEN_USERPTR_BACK_ARM)
		return MIG_FAILED;
	if (op->status == GNTST_alias)
		return MIG_ALIASED;
	if (op->status == GNTST_not_allowed || op->status == GNTST_unsupported)
		return MIG_NOT_ALLOWED;
	return MIG_FAILED;
}

/* The first page that says no decides for the chunk. */
static uint32_t pages_status(const struct xen_userptr_back_op *ops, uint32_t nr,
			     bool stayed)
{
	uint32_t i, status;

	for (i = 0; i < nr; i++) {
		status = page_status(&ops[i], stayed);
		if (status == MIG_OK)
			continue;
		log_debug("gref %u: command %u: status %d, state %u",
			  ops[i].gref, ops[i].cmd, ops[i].status, ops[i].state);
		return status;
	}
	return MIG_OK;
}

/* Those that were home before may be armed still. */
static bool pages_all_restored(const struct xen_userptr_back_op *ops,
			       uint32_t nr)
{
	uint32_t i;

	for (i = 0; i < nr; i++)
		if (ops[i].status != GNTST_okay)
			return false;
	return true;
}

static uint32_t pages_refs(const struct xen_userptr_back_op *ops, uint32_t nr)
{
	uint32_t i, refs = 0;

	for (i = 0; i < nr; i++)
		if (__builtin_add_overflow(refs, ops[i].extra_refs, &refs))
			return UINT32_MAX;
	return refs;
}

uint32_t mover_pages(int module, const struct mig_op *op, const uint32_t *grefs,
		     bool stayed, bool stay, struct xen_userptr_back_op *ops,
		     uint32_t *extra_refs)
{
	uint32_t status = MIG_FAILED;
	int ret;

	if (!op->nr || op->nr > MOVER_MAX_PAGES)
		return MIG_FAILED;
	ret = pages_run(module, page_cmd(op->type), page_flags(op, stay), grefs,
			op->nr, ops);
	if (!ret)
		status = pages_status(ops, op->nr, stayed);
	else
		log_debug("operations on %u grefs: %s", op->nr, strerror(-ret));
	/* REVOKE counts as well as QUERY does, for nobody else maps through these grefs. */
	if ((op->type == MIG_OP_QUERY || op->type == MIG_OP_REVOKE) &&
	    status == MIG_OK)
		*extra_refs = pages_refs(ops, op->nr);
	/* What it says of a page that was never armed does not matter. */
	if ((op->type == MIG_OP_ARM && status != MIG_OK) ||
	    (op->type == MIG_OP_RESTORE && status == MIG_OK && !stay &&
	     !pages_all_restored(ops, op->nr)))
		(void)pages_run(module, XEN_USERPTR_BACK_DISARM, 0, grefs,
				op->nr, ops);
	return status;
}

/* What it answers does not matter: that it was asked does. */
void mover_alive(int module, uint32_t gref)
{
	struct xen_userptr_back_op op;

	(void)pages_run(module, XEN_USERPTR_BACK_QUERY, 0, &gref, 1, &op);
}
