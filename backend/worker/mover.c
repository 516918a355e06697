// SPDX-License-Identifier: MIT
/*
 * Each function performs one op of the engine by calls of the module or the
 * GPU. No decision is made here. VRAM of a chunk is an object on a file of the
 * mover's own; each VM of the guest that maps it has a handle of its own.
 */
#include "mover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hash.h"
#include "log.h"
#include "module.h"
#include "mover-ops.h"
#include "probe.h"
#include "userptrif.h"

/* The VRAM of one chunk. */
struct mover_vram {
	UT_hash_handle hh;
	uint64_t key;		/* obj << 32 | first page */
	uint32_t handle;	/* in mover->own */
	/* For the address space of that life; of an earlier one it is nothing. */
	uint32_t vm_handle[MIG_MAX_VMS];
	uint32_t vm_life[MIG_MAX_VMS];
};

static uint64_t vram_key(const struct mig_op *op)
{
	return (uint64_t)op->obj << 32 | op->first;
}

static struct mover_vram *vram_find(struct mover *mover,
				    const struct mig_op *op)
{
	uint64_t key = vram_key(op);
	struct mover_vram *vram;

	HASH_FIND(hh, mover->vram, &key, sizeof(key), vram);
	return vram;
}

int mover_init(struct mover *mover, struct work_env *env, int node,
	       struct journal *journal)
{
	int ret;

	memset(mover, 0, sizeof(*mover));
	mover->env = env;
	mover->journal = journal;
	mover->ram = calloc(env->max_objects, sizeof(*mover->ram));
	mover->ops = calloc(MOVER_MAX_PAGES, sizeof(*mover->ops));
	if (!mover->ram || !mover->ops)
		return -ENOMEM;
	ret = env->gpu->vm_open(node, &mover->own);
	if (!ret)
		ret = env->gpu->move->prepare(mover->own);
	if (!ret && journal)
		journal_set_vm(journal, env->gpu->move->id(mover->own));
	return ret;
}

void mover_adopt_ram(struct mover *mover, uint32_t obj, uint32_t handle)
{
	mover->ram[obj] = handle;
}

static int vram_add(struct mover *mover, uint64_t key, uint32_t handle)
{
	struct mover_vram *vram = calloc(1, sizeof(*vram));

	if (!vram)
		return -ENOMEM;
	vram->key = key;
	vram->handle = handle;
	HASH_ADD(hh, mover->vram, key, sizeof(vram->key), vram);
	if (hash_added(vram))
		return 0;
	free(vram);
	return -ENOMEM;
}

int mover_adopt_vram(struct mover *mover, uint32_t obj, uint32_t first,
		     uint32_t handle)
{
	return vram_add(mover, (uint64_t)obj << 32 | first, handle);
}

void mover_fini(struct mover *mover)
{
	struct mover_vram *vram, *next;

	HASH_ITER(hh, mover->vram, vram, next) {
		HASH_DEL(mover->vram, vram);
		free(vram);
	}
	/* It takes its handles along. */
	if (mover->own)
		mover->env->gpu->vm_close(mover->own);
	mover->own = NULL;
	free(mover->ram);
	free(mover->ops);
}

static uint32_t move_status(int error)
{
	if (!error)
		return MIG_OK;
	return error == -ENOSPC || error == -ENOMEM ? MIG_NO_VRAM : MIG_FAILED;
}

static int vram_note(struct mover *mover, const struct mig_op *op,
		     uint32_t handle)
{
	if (!mover->journal)
		return 0;
	return journal_set_vram(mover->journal, op->obj, op->first, handle);
}

static int move_alloc(struct mover *mover, struct move *move)
{
	uint64_t size = (uint64_t)move->op.nr * XENUSERPTR_PAGE_SIZE;
	const struct mig_op *op = &move->op;
	uint32_t handle;
	int ret;

	if (vram_find(mover, op))
		return 0;	/* allocated before a worker died */
	ret = mover->env->gpu->move->alloc(mover->own, size, &handle);
	if (ret)
		return ret;
	ret = vram_note(mover, op, handle);
	if (ret)
		goto err_close;
	ret = vram_add(mover, vram_key(op), handle);
	if (!ret)
		return 0;
	(void)vram_note(mover, op, 0);
err_close:
	mover->env->gpu->close(mover->own, handle);
	return ret;
}

/* A VM that is closed has closed its handles. */
static void vram_close_handles(struct mover *mover, struct mover_vram *vram)
{
	struct work_env *env = mover->env;
	struct gpu_vm *gpu_vm;
	uint32_t vm;

	for (vm = 0; vm < MIG_MAX_VMS && vm < env->max_vms; vm++) {
		if (!vram->vm_handle[vm])
			continue;
		gpu_vm = work_vm_get(env, vm, vram->vm_life[vm]);
		if (!gpu_vm)
			continue;
		env->gpu->close(gpu_vm, vram->vm_handle[vm]);
		work_vm_put(env);
	}
}

static int move_free_vram(struct mover *mover, struct move *move)
{
	struct mover_vram *vram = vram_find(mover, &move->op);

	if (!vram)
		return 0;
	vram_close_handles(mover, vram);
	/* Forgotten, then closed: the number may be another's soon. */
	if (!vram_note(mover, &move->op, 0))
		mover->env->gpu->close(mover->own, vram->handle);
	HASH_DEL(mover->vram, vram);
	free(vram);
	return 0;
}

/* The handle by which the VM reaches what is to be bound. */
static int bind_handle(struct mover *mover, const struct mig_op *op,
		       const struct move_list *list, struct gpu_vm *gpu_vm,
		       uint32_t *handle)
{
	struct mover_vram *vram;
	uint32_t vm = list->vm;
	int ret = 0;

	if (!(op->flags & MIG_OP_VRAM)) {
		*handle = work_vm_handle(mover->env, vm, op->obj);
		return *handle ? 0 : -EIO;
	}
	vram = vram_find(mover, op);
	if (!vram)
		return -EIO;
	if (vram->vm_life[vm] != list->life)
		vram->vm_handle[vm] = 0;
	vram->vm_life[vm] = list->life;
	if (!vram->vm_handle[vm])
		ret = mover->env->gpu->move->share(mover->own, vram->handle,
						   gpu_vm,
						   &vram->vm_handle[vm]);
	*handle = vram->vm_handle[vm];
	return ret;
}

/* In VRAM the chunk begins at 0, at home it is a part of the object. */
static void bind_fill(const struct mig_op *op, const struct move_list *list,
		      uint32_t handle, struct gpu_bind *binds)
{
	uint64_t base = op->flags & MIG_OP_VRAM ?
			(uint64_t)op->first * XENUSERPTR_PAGE_SIZE : 0;
	uint32_t i;

	for (i = 0; i < list->nr; i++) {
		binds[i].length = list->binds[i].length;
		binds[i].gpu_va = list->binds[i].gpu_va;
		binds[i].op = XENUSERPTR_BIND_UNMAP;
		if (op->type == MIG_OP_UNBIND)
			continue;
		binds[i].op = XENUSERPTR_BIND_MAP;
		binds[i].flags = list->binds[i].flags;
		binds[i].handle = handle;
		binds[i].offset = list->binds[i].offset - base;
	}
}

static int bind_list(struct mover *mover, const struct mig_op *op,
		     const struct move_list *list, struct gpu_vm *gpu_vm)
{
	struct gpu_bind *binds;
	uint32_t handle = 0, failed;
	int ret = 0;

	if (op->type == MIG_OP_BIND)
		ret = bind_handle(mover, op, list, gpu_vm, &handle);
	if (ret)
		return ret;
	binds = calloc(list->nr, sizeof(*binds));
	if (!binds)
		return -ENOMEM;
	bind_fill(op, list, handle, binds);
	ret = mover->env->gpu->bind(gpu_vm, binds, list->nr, &failed);
	free(binds);
	return ret;
}

/* One bind call a VM. All are tried: what can be taken away is. */
static int move_bind(struct mover *mover, struct move *move)
{
	struct gpu_vm *gpu_vm;
	uint32_t i;
	int ret = 0;

	for (i = 0; i < move->nr_lists; i++) {
		int one;

		if (!move->lists[i].nr)
			continue;
		gpu_vm = work_vm_get(mover->env, move->lists[i].vm,
				     move->lists[i].life);
		if (!gpu_vm)
			continue;
		one = bind_list(mover, &move->op, &move->lists[i], gpu_vm);
		work_vm_put(mover->env);
		ret = ret ? ret : one;
	}
	return ret == -ENOMEM ? -EIO : ret;
}

static int copy_slot(struct mover *mover, uint32_t *slot)
{
	*slot = (uint32_t)__builtin_ffs((int)~mover->copies);
	if (!*slot)
		return -EBUSY;
	--*slot;
	mover->copies |= 1U << *slot;
	return 0;
}

static int copy_ram(struct mover *mover, uint32_t obj, uint32_t *handle)
{
	struct work_env *env = mover->env;
	int ret = 0;

	if (!mover->ram[obj])
		ret = env->gpu->import(mover->own, work_dmabuf(env, obj),
				       &mover->ram[obj]);
	*handle = mover->ram[obj];
	/* From here on the pages stay mapped as long as the GPU's file is open. */
	if (!ret && mover->journal)
		journal_set_ram(mover->journal, obj, *handle);
	return ret;
}

/*
 * The import is what keeps the pages mapped when this process dies, and pages that
 * are unmapped while they are revoked lose their contents: so it comes first.
 */
static int move_prepare(struct mover *mover, struct move *move)
{
	uint32_t ram;
	int ret = copy_ram(mover, move->op.obj, &ram);

	return ret ? ret : move_alloc(mover, move);
}

static int copy_start(struct mover *mover, struct move *move)
{
	uint64_t offset = (uint64_t)move->op.first * XENUSERPTR_PAGE_SIZE;
	struct mover_vram *vram = vram_find(mover, &move->op);
	struct gpu_copy copy = {
		.slot = move->slot,
		.length = (uint64_t)move->op.nr * XENUSERPTR_PAGE_SIZE,
	};
	uint32_t ram;
	int ret;

	if (!vram)
		return -EIO;
	ret = copy_ram(mover, move->op.obj, &ram);
	if (ret)
		return ret;
	if (move->op.flags & MIG_OP_VRAM) {
		copy.src = ram;
		copy.src_offset = offset;
		copy.dst = vram->handle;
	} else {
		copy.src = vram->handle;
		copy.dst = ram;
		copy.dst_offset = offset;
	}
	return mover->env->gpu->move->copy(mover->own, &copy, &move->fence);
}

/*
 * Revoked pages are mapped by the module still, so it can write them; the VRAM is
 * read through its BAR. A chunk is bounded, so the mover's thread is kept shortly.
 */
static int copy_by_cpu(struct mover *mover, const struct move *move)
{
	const struct gpu_move_ops *ops = mover->env->gpu->move;
	uint64_t size = (uint64_t)move->op.nr * XENUSERPTR_PAGE_SIZE;
	struct mover_vram *vram = vram_find(mover, &move->op);
	uint32_t ram;
	int dmabuf, ret;
	void *from;

	if (!vram || move->op.flags & MIG_OP_VRAM)
		return -EIO;
	ret = copy_ram(mover, move->op.obj, &ram);
	if (ret)
		return ret;
	ret = ops->export(mover->own, ram, &dmabuf);
	if (ret)
		return ret;
	ret = ops->map(mover->own, vram->handle, size, &from);
	if (!ret) {
		ret = module_write(mover->env->module, dmabuf, move->op.first,
				   move->op.nr, from);
		ops->unmap(from, size);
	}
	close(dmabuf);
	return ret;
}

static int move_copy(struct mover *mover, struct move *move)
{
	int ret;

	if (move->op.flags & MIG_OP_CPU)
		return copy_by_cpu(mover, move);
	ret = copy_slot(mover, &move->slot);
	if (ret)
		return ret;
	ret = copy_start(mover, move);
	if (ret)
		mover->copies &= ~(1U << move->slot);
	return ret;
}

/* A slot that still maps something is never used again. */
static void move_copied(struct mover *mover, struct move *move)
{
	if (mover->env->gpu->move->copy_end(mover->own, move->slot))
		move->status = MIG_FAILED;
	else
		mover->copies &= ~(1U << move->slot);
}

static int move_vm(struct mover *mover, struct move *move)
{
	const struct gpu_move_ops *ops = mover->env->gpu->move;
	struct gpu_vm *gpu_vm = work_vm_get(mover->env, move->op.vm, move->life);
	int ret;

	if (!gpu_vm)
		return -ENOENT;
	if (move->op.type == MIG_OP_STOP)
		ret = ops->stop(gpu_vm, &move->fence);
	else if (move->op.type == MIG_OP_KILL)
		ret = ops->kill(gpu_vm);
	else
		ret = ops->resume(gpu_vm);
	work_vm_put(mover->env);
	return ret;
}

static int move_forget(struct mover *mover, const struct move *move)
{
	uint32_t handle = mover->ram[move->op.obj];

	mover->ram[move->op.obj] = 0;
	if (mover->journal)
		journal_set_ram(mover->journal, move->op.obj, 0);
	return handle ? mover->env->gpu->close(mover->own, handle) : 0;
}

static void move_pages(struct mover *mover, struct move *move)
{
	const uint32_t *grefs = work_grefs(mover->env, move->op.obj);

	if (!grefs) {
		move->status = MIG_FAILED;
		return;
	}
	move->status = mover_pages(mover->env->module, &move->op,
				   grefs + move->op.first,
				   mover->ram[move->op.obj] != 0, mover->ops,
				   &move->extra_refs);
}

static void move_op(struct mover *mover, struct move *move)
{
	int ret = 0;

	switch (move->op.type) {
	case MIG_OP_ALLOC:
		ret = move_prepare(mover, move);
		break;
	case MIG_OP_FREE:
		ret = move_free_vram(mover, move);
		break;
	case MIG_OP_ARM:
	case MIG_OP_REVOKE:
	case MIG_OP_QUERY:
	case MIG_OP_RESTORE:
		move_pages(mover, move);
		return;
	case MIG_OP_UNBIND:
	case MIG_OP_BIND:
		ret = move_bind(mover, move);
		break;
	case MIG_OP_COPY:
		ret = move_copy(mover, move);
		break;
	case MIG_OP_STOP:
	case MIG_OP_KILL:
	case MIG_OP_RESUME:
		ret = move_vm(mover, move);
		break;
	case MIG_OP_KILL_COPIES:
		ret = mover->env->gpu->move->kill(mover->own);
		break;
	case MIG_OP_CLOSE:
		work_vm_drop(mover->env, move->op.vm, move->life);
		break;
	case MIG_OP_TELL:
	case MIG_OP_READY:
	case MIG_NR_OPS:
		ret = -EINVAL;	/* the event loop performs these itself */
		break;
	}
	move->status = move_status(ret);
	if (ret)
		log_debug("migration op %u of object %u page %u, VM %u: %s",
			  move->op.type, move->op.obj, move->op.first,
			  move->op.vm, strerror(-ret));
}

void mover_run(void *context, struct work *work)
{
	struct mover *mover = context;
	struct move *move = work->move;

	switch (move->kind) {
	case MOVE_OP:
		PROBE4(mig_op_start, move->op.type, move->op.id, move->op.obj,
		       move->op.first);
		move_op(mover, move);
		PROBE3(mig_op_end, move->op.type, move->op.id, move->status);
		break;
	case MOVE_COPIED:
		move_copied(mover, move);
		break;
	case MOVE_FORGET:
		move->status = move_status(move_forget(mover, move));
		break;
	}
}

void move_free(struct move *move)
{
	uint32_t i;

	if (!move)
		return;
	for (i = 0; i < move->nr_lists; i++)
		free(move->lists[i].binds);
	free(move);
}
