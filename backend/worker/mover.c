// SPDX-License-Identifier: MIT
/*
 * Each function performs one op of the engine by calls of the module or the
 * GPU. No decision is made here. What it copies has its place in an address
 * space of the mover's own (mover-place.c), so a copy is one submission.
 */
#include "mover.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "module.h"
#include "mover-armed.h"
#include "mover-copy.h"
#include "mover-ops.h"
#include "mover-place.h"
#include "probe.h"
#include "userptrif.h"

/* Chunks whose mappings are changed in one call, and how many of each at most. */
#define BATCH_MOVES	GPU_PLACES_MAX
#define BATCH_BINDS	32U

/* 128 MiB: an eighth of what the hypervisor allows a guest by default. */
#define MAX_IDLE	(1U << 15)

int mover_init(struct mover *mover, struct work_env *env, int node,
	       struct journal *journal)
{
	int ret;

	memset(mover, 0, sizeof(*mover));
	mover->env = env;
	mover->journal = journal;
	mover->max_idle = MAX_IDLE;
	space_init(&mover->space, env->gpu->move->place_start,
		   env->gpu->move->place_end, XENUSERPTR_PAGE_SIZE);
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

void mover_fini(struct mover *mover)
{
	mover_drop_places(mover);
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
	vram = mover_vram(mover, op);
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

static void move_pages(struct mover *mover, struct move *move)
{
	const uint32_t *grefs = work_grefs(mover->env, move->op.obj);

	if (!grefs) {
		move->status = MIG_FAILED;
		return;
	}
	move->status = mover_armed(mover, &move->op, grefs, &move->extra_refs);
}

static void move_op(struct mover *mover, struct move *move)
{
	const struct mig_op *op = &move->op;
	int ret = 0;

	switch (move->op.type) {
	case MIG_OP_ALLOC:
		ret = mover_alloc(mover, &op, 1);
		break;
	case MIG_OP_FREE:
		mover_free(mover, &op, 1);
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
		ret = mover_copy(mover, &move, 1);
		break;
	case MIG_OP_STOP:
	case MIG_OP_KILL:
	case MIG_OP_RESUME:
		ret = move_vm(mover, move);
		break;
	case MIG_OP_KILL_COPIES:
		ret = mover->env->gpu->move->kill(mover->own);
		/* What copies on must not meet what has its VRAM next. */
		mover_stop_sparing(mover);
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

/* ---- several chunks at once ---- */

static bool is_bind(const struct move *move)
{
	return move->kind == MOVE_OP && (move->op.type == MIG_OP_BIND ||
					 move->op.type == MIG_OP_UNBIND);
}

static bool is_gpu_copy(const struct move *move)
{
	return move->kind == MOVE_OP && move->op.type == MIG_OP_COPY &&
	       !(move->op.flags & MIG_OP_CPU);
}

static bool is_place(const struct move *move)
{
	return move->kind == MOVE_OP && (move->op.type == MIG_OP_ALLOC ||
					 move->op.type == MIG_OP_FREE);
}

static bool may_batch(const struct move *move)
{
	return is_place(move) || is_gpu_copy(move) ||
	       (is_bind(move) && move->nr_lists == 1 &&
		move->lists[0].nr <= BATCH_BINDS);
}

/* Changes of one address space, or copies, that wait one behind the other. */
static bool goes_with(const struct work *work, const struct work *next)
{
	const struct move *first = work->move, *second = next->move;

	if (next->kind != WORK_MOVE || !may_batch(second))
		return false;
	if (is_place(first))
		return second->op.type == first->op.type;
	if (is_gpu_copy(first))
		return is_gpu_copy(second);
	return is_bind(second) &&
	       first->lists[0].vm == second->lists[0].vm &&
	       first->lists[0].life == second->lists[0].life;
}

static uint32_t batch_take(struct mover *mover, struct work *work,
			   struct move **moves)
{
	struct work *more;
	uint32_t max, nr = 1;

	moves[0] = work->move;
	if (!mover->thread || !may_batch(moves[0]))
		return nr;
	max = is_gpu_copy(moves[0]) ? GPU_COPIES_MAX : BATCH_MOVES;
	while (nr < max &&
	       (more = helper_more(mover->thread, work, goes_with)))
		moves[nr++] = more->move;
	return nr;
}

/* All of them in one call, or none. */
static int batch_fill(struct mover *mover, struct gpu_vm *gpu_vm,
		      struct move **moves, uint32_t nr, struct gpu_bind *binds,
		      uint32_t *nr_binds)
{
	uint32_t i, handle = 0;
	int ret = 0;

	*nr_binds = 0;
	for (i = 0; !ret && i < nr; i++) {
		const struct move_list *list = &moves[i]->lists[0];

		if (moves[i]->op.type == MIG_OP_BIND)
			ret = bind_handle(mover, &moves[i]->op, list, gpu_vm,
					  &handle);
		bind_fill(&moves[i]->op, list, handle, binds + *nr_binds);
		*nr_binds += list->nr;
	}
	return ret;
}

static int batch_bind(struct mover *mover, struct move **moves, uint32_t nr)
{
	struct gpu_vm *gpu_vm = work_vm_get(mover->env, moves[0]->lists[0].vm,
					    moves[0]->lists[0].life);
	struct gpu_bind *binds;
	uint32_t total, failed;
	int ret;

	if (!gpu_vm)
		return 0;
	binds = calloc((size_t)BATCH_MOVES * BATCH_BINDS, sizeof(*binds));
	ret = binds ? batch_fill(mover, gpu_vm, moves, nr, binds, &total) :
		      -ENOMEM;
	if (!ret && total)
		ret = mover->env->gpu->bind(gpu_vm, binds, total, &failed);
	free(binds);
	work_vm_put(mover->env);
	return ret;
}

static int batch_place(struct mover *mover, struct move **moves, uint32_t nr)
{
	const struct mig_op *ops[BATCH_MOVES];
	uint32_t i;

	for (i = 0; i < nr; i++)
		ops[i] = &moves[i]->op;
	if (moves[0]->op.type == MIG_OP_ALLOC)
		return mover_alloc(mover, ops, nr);
	mover_free(mover, ops, nr);
	return 0;
}

static int batch_perform(struct mover *mover, struct move **moves, uint32_t nr)
{
	if (is_place(moves[0]))
		return batch_place(mover, moves, nr);
	if (is_gpu_copy(moves[0]))
		return mover_copy(mover, moves, nr);
	return batch_bind(mover, moves, nr);
}

/* A call that fails has changed nothing: then each alone says which it was. */
static void batch_run(struct mover *mover, struct move **moves, uint32_t nr)
{
	int ret = -EAGAIN;
	uint32_t i;

	for (i = 0; i < nr; i++)
		PROBE4(mig_op_start, moves[i]->op.type, moves[i]->op.id,
		       moves[i]->op.obj, moves[i]->op.first);
	if (nr > 1)
		ret = batch_perform(mover, moves, nr);
	for (i = 0; i < nr; i++) {
		moves[i]->status = MIG_OK;
		if (ret)
			move_op(mover, moves[i]);
		PROBE3(mig_op_end, moves[i]->op.type, moves[i]->op.id,
		       moves[i]->status);
	}
}

/*
 * Deadlines run until the loop watches it or knows that there is nothing to watch, and
 * until it looks again for references that somebody else has.
 */
static bool is_urgent(const struct move *move)
{
	bool has_fence = move->op.type == MIG_OP_COPY ||
			 move->op.type == MIG_OP_STOP;

	return move->fence >= 0 || move->extra_refs ||
	       (has_fence && move->status != MIG_OK);
}

static bool moves_run(struct mover *mover, struct work *work)
{
	struct move *moves[BATCH_MOVES];
	uint32_t i, nr = batch_take(mover, work, moves);
	bool urgent = false;

	batch_run(mover, moves, nr);
	for (i = 0; i < nr; i++)
		urgent |= is_urgent(moves[i]);
	return urgent;
}

void mover_run(void *context, struct work *work)
{
	struct mover *mover = context;
	struct move *move = work->move;

	switch (move->kind) {
	case MOVE_OP:
		work->is_urgent = moves_run(mover, work);
		break;
	case MOVE_ALIVE:
		mover_alive(mover->env->module, move->gref);
		break;
	case MOVE_REST:
		/* What others may wait for goes first. */
		mover_drop_spares(mover);
		mover_disarm_idle(mover);
		break;
	case MOVE_FORGET:
		move->status = move_status(mover_forget(mover, move->op.obj));
		/* A request waits for it, and not for what is behind. */
		work->is_urgent = true;
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
