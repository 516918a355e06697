// SPDX-License-Identifier: MIT
/*
 * COPY of walk B: by the GPU's copy engine, several chunks in one submission, or
 * by the CPU if that engine fails.
 */
#include "mover-copy.h"

#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

#include "module.h"
#include "mover-place.h"
#include "userptrif.h"

_Static_assert(MIG_MAX_COPIES <= GPU_COPIES, "each copy that the engine begins has a slot");

/* @nr slots, one behind the other. The loop gives them back. */
static int copy_slots(struct mover *mover, uint32_t nr, uint32_t *slot)
{
	uint32_t taken = atomic_load(&mover->copies);
	uint32_t mask = (1U << nr) - 1, first;

	for (first = 0; first + nr <= GPU_COPIES; first++) {
		if (taken & mask << first)
			continue;
		atomic_fetch_or(&mover->copies, mask << first);
		*slot = first;
		return 0;
	}
	return -EBUSY;
}

static void copy_slots_put(struct mover *mover, uint32_t slot, uint32_t nr)
{
	while (nr--)
		mover_copied(mover, slot + nr);
}

void mover_copied(struct mover *mover, uint32_t slot)
{
	atomic_fetch_and(&mover->copies, ~(1U << slot));
}

static int copy_fill(struct mover *mover, const struct mig_op *op,
		     struct gpu_copy *copy)
{
	uint64_t vram, ram;
	int ret;

	ret = mover_places(mover, op, &vram, &ram);
	if (ret)
		return ret;
	copy->src = op->flags & MIG_OP_VRAM ? ram : vram;
	copy->dst = op->flags & MIG_OP_VRAM ? vram : ram;
	copy->length = (uint64_t)op->nr * XENUSERPTR_PAGE_SIZE;
	return 0;
}

/* The engine performs them in their order and ends them together. */
static int copy_by_gpu(struct mover *mover, struct move **moves, uint32_t nr)
{
	struct gpu_copy copies[GPU_COPIES_MAX];
	uint32_t i, slot;
	int ret;

	ret = copy_slots(mover, nr, &slot);
	if (ret)
		return ret;
	for (i = 0; !ret && i < nr; i++)
		ret = copy_fill(mover, &moves[i]->op, &copies[i]);
	if (!ret) {
		ret = mover->env->gpu->move->copy(mover->own, slot, copies, nr,
						  &moves[0]->fence);
		/* It may have begun, and be killed as what nobody can watch. */
		if (ret)
			mover_stop_sparing(mover);
	}
	if (ret) {
		copy_slots_put(mover, slot, nr);
		return ret;
	}
	for (i = 0; i < nr; i++) {
		moves[i]->slot = slot + i;
		moves[i]->is_joined = i > 0;
	}
	return 0;
}

/*
 * Revoked pages are mapped by the module still, so it can write them; the VRAM is
 * read through its BAR. A chunk is bounded, so the mover's thread is kept shortly.
 */
static int copy_by_cpu(struct mover *mover, const struct move *move)
{
	const struct gpu_move_ops *ops = mover->env->gpu->move;
	uint64_t size = (uint64_t)move->op.nr * XENUSERPTR_PAGE_SIZE;
	struct mover_vram *vram = mover_vram(mover, &move->op);
	uint32_t ram;
	int dmabuf, ret, err;
	void *from;

	if (!vram || move->op.flags & MIG_OP_VRAM)
		return -EIO;
	ret = mover_import(mover, move->op.obj, &ram);
	if (ret)
		return ret;
	ret = ops->export(mover->own, ram, &dmabuf);
	if (ret)
		return ret;
	ret = ops->map(mover->own, vram->handle, size, &from);
	if (!ret) {
		ret = module_write(mover->env->module, dmabuf, move->op.first,
				   move->op.nr, from);
		err = ops->unmap(mover->own, vram->handle, from, size);
		ret = ret ? ret : err;
	}
	close(dmabuf);
	return ret;
}

int mover_copy(struct mover *mover, struct move **moves, uint32_t nr)
{
	if (moves[0]->op.flags & MIG_OP_CPU)
		return copy_by_cpu(mover, moves[0]);
	return copy_by_gpu(mover, moves, nr);
}
