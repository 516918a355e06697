// SPDX-License-Identifier: MIT
/*
 * Carries the engine's ops to the mover and what becomes of them back to the
 * engine: by migrator_on_mover(), or by a fence that the loop watches.
 */
#include "migrator.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "jobs.h"
#include "log.h"
#include "probe.h"
#include "route.h"

/* Mappings of a chunk fetched from the core at a time. */
#define MIGRATOR_BINDS	64U

/* A STOP, or COPYs of one submission, whose fence has not signalled. */
struct migrator_fence {
	struct migrator *migrator;
	sd_event_source *source;
	struct mig_op op[GPU_COPIES_MAX];
	uint32_t nr;
	uint32_t slot;		/* of the first; the others' follow */
	int fd;
};

static bool is_op(const struct move *move, enum mig_op_type type)
{
	return move->kind == MOVE_OP && move->op.type == type;
}

static bool is_told_to_vm(const struct move *move)
{
	return is_op(move, MIG_OP_STOP) || is_op(move, MIG_OP_KILL) ||
	       is_op(move, MIG_OP_RESUME);
}

/*
 * Deadlines of a guest that waits run while STOPs and KILLs are queued: they get before
 * what may take long, as copies by the CPU do. What VMs are told stays in its order, so
 * RESUMEs go along: the chunks for which a VM stood still are through with it.
 */
static bool vm_op_passes(const struct work *work, const struct work *queued)
{
	const struct move *move = queued->move;

	(void)work;
	return !is_told_to_vm(move) && !is_op(move, MIG_OP_CLOSE);
}

/* Its deadline runs too. */
static bool gpu_copy_passes(const struct work *work, const struct work *queued)
{
	const struct move *move = queued->move;

	(void)work;
	return is_op(move, MIG_OP_COPY) && move->op.flags & MIG_OP_CPU;
}

static work_passes move_passes(const struct move *move)
{
	if (is_told_to_vm(move))
		return vm_op_passes;
	if (is_op(move, MIG_OP_COPY) && !(move->op.flags & MIG_OP_CPU))
		return gpu_copy_passes;
	return NULL;
}

static int move_submit(struct migrator *m, struct move *move)
{
	struct work *work = calloc(1, sizeof(*work));

	if (!work) {
		move_free(move);
		return -ENOMEM;
	}
	work->kind = WORK_MOVE;
	work->fence = -1;
	work->move = move;
	work->passes = move_passes(move);
	move->fence = -1;
	helper_submit(&m->thread, work);
	return 0;
}

static struct move *move_make(enum move_kind kind, const struct mig_op *op,
			      uint32_t nr_lists)
{
	struct move *move = calloc(1, sizeof(*move) +
				   nr_lists * sizeof(move->lists[0]));

	if (!move)
		return NULL;
	move->kind = kind;
	move->op = *op;
	move->nr_lists = nr_lists;
	return move;
}

/* All mappings of the chunk in one VM, in a list of its own. */
static int list_fill(const struct migrator *m, const struct mig_op *op,
		     struct move_list *list)
{
	struct core_bind *binds;
	uint32_t got;

	/* A rescuer's address spaces went with the worker. */
	if (!m->core)
		return 0;
	do {
		binds = realloc(list->binds, (list->nr + MIGRATOR_BINDS) *
				sizeof(*binds));
		if (!binds)
			return -ENOMEM;
		list->binds = binds;
		got = core_chunk_binds(m->core, list->vm, op->obj, op->first,
				       op->nr, list->nr, binds + list->nr,
				       MIGRATOR_BINDS);
		list->nr += got;
	} while (got == MIGRATOR_BINDS);
	return 0;
}

static int submit_binds(struct migrator *m, const struct mig_op *op)
{
	uint32_t nr = (uint32_t)__builtin_popcountll(op->vms);
	struct move *move = move_make(MOVE_OP, op, nr);
	uint64_t vms = op->vms;
	uint32_t i;
	int ret = 0;

	if (!move)
		return -ENOMEM;
	for (i = 0; !ret && i < nr; i++) {
		move->lists[i].vm = (uint32_t)__builtin_ctzll(vms);
		vms &= vms - 1;
		move->lists[i].life = m->vm_life[move->lists[i].vm];
		ret = list_fill(m, op, &move->lists[i]);
	}
	if (!ret)
		return move_submit(m, move);
	move_free(move);
	return ret;
}

static int submit_plain(struct migrator *m, const struct mig_op *op)
{
	struct move *move = move_make(MOVE_OP, op, 0);

	if (!move)
		return -ENOMEM;
	/* By the time that it is performed another VM may have the slot. */
	if (op->vm < MIG_MAX_VMS)
		move->life = m->vm_life[op->vm];
	return move_submit(m, move);
}

int migrator_forget(struct migrator *m, const struct core_op *op)
{
	const struct mig_op forget = { .obj = op->obj };
	struct move *move = move_make(MOVE_FORGET, &forget, 0);

	if (!move)
		return -ENOMEM;
	move->core_op = op->id;
	return move_submit(m, move);
}

int migrator_submit_alive(struct migrator *m, uint32_t gref)
{
	const struct mig_op none = { 0 };
	struct move *move = move_make(MOVE_ALIVE, &none, 0);

	if (!move)
		return -ENOMEM;
	move->gref = gref;
	return move_submit(m, move);
}

int migrator_submit_rest(struct migrator *m)
{
	const struct mig_op none = { 0 };
	struct move *move = move_make(MOVE_REST, &none, 0);

	return move ? move_submit(m, move) : -ENOMEM;
}

/* The guest learns that contents are gone; its later fences say so too. */
static int migrator_tell(struct migrator *m, const struct mig_op *op)
{
	struct core_op event;

	if (m->object[op->obj] == OBJECT_UNKNOWN)
		return 0;
	m->object[op->obj] = OBJECT_LOST;
	status_add(&m->status->mig_lost, op->nr);
	log_warn("object %u: pages %u to %u are lost", op->obj, op->first,
		 op->first + op->nr - 1);
	PROBE3(lost, op->obj, op->first, op->nr);
	if (!m->core)
		return 0;
	core_lost_event(m->core, op->obj, op->first, op->nr, &event);
	return route_perform(m->route, &event);
}

int migrator_perform(struct migrator *m, const struct mig_op *op)
{
	PROBE5(mig_op, op->type, op->id, op->obj, op->first, op->nr);
	switch (op->type) {
	case MIG_OP_UNBIND:
	case MIG_OP_BIND:
		return submit_binds(m, op);
	case MIG_OP_TELL:
		return migrator_tell(m, op);
	case MIG_OP_READY:
		return gate_ready(m, op->token, op->status);
	case MIG_OP_ALLOC:
	case MIG_OP_FREE:
	case MIG_OP_ARM:
	case MIG_OP_REVOKE:
	case MIG_OP_QUERY:
	case MIG_OP_RESTORE:
	case MIG_OP_COPY:
	case MIG_OP_STOP:
	case MIG_OP_KILL:
	case MIG_OP_RESUME:
	case MIG_OP_CLOSE:
	case MIG_OP_KILL_COPIES:
		return submit_plain(m, op);
	case MIG_NR_OPS:
		break;
	}
	return -EINVAL;
}

static int feed_done(struct migrator *m, const struct move *move)
{
	struct mig_event ev = {
		.type = MIG_EV_DONE,
		.id = move->op.id,
		.status = move->status,
		.extra_refs = move->extra_refs,
		.flags = move->op.type == MIG_OP_REVOKE ? MIG_DONE_REFS : 0,
	};

	PROBE3(mig_done, move->op.type, move->op.id, move->status);
	return migrator_feed(m, &ev);
}

static int feed_stopped(struct migrator *m, const struct mig_op *op,
			uint32_t status)
{
	struct mig_event ev = {
		.type = MIG_EV_STOPPED,
		.vm = op->vm,
		.id = op->id,
		.status = status,
	};

	if (status == MIG_OK)
		PROBE2(mig_stopped, op->vm, op->id);
	return m->vms >> op->vm & 1 ? migrator_feed(m, &ev) : 0;
}

/* One that failed stands for all: each may be the one. */
static int feed_copied(struct migrator *m, const struct migrator_fence *fence,
		       int error)
{
	struct move move = { .status = error ? MIG_FAILED : MIG_OK };
	uint32_t i;
	int ret = 0;

	for (i = 0; i < fence->nr; i++)
		mover_copied(&m->mover, fence->slot + i);
	helper_hold(&m->thread);
	for (i = 0; !ret && i < fence->nr; i++) {
		PROBE2(mig_copied, fence->op[i].id, error);
		move.op = fence->op[i];
		ret = feed_done(m, &move);
	}
	helper_release(&m->thread);
	return ret;
}

static int on_fence(sd_event_source *source, int fd, uint32_t revents,
		    void *context)
{
	struct migrator_fence *fence = context;
	struct migrator *m = fence->migrator;
	int error = jobs_read_fence(fd);
	int ret;

	(void)source;
	(void)revents;
	if (error == 1)
		return 0;
	if (fence->op[0].type == MIG_OP_STOP)
		ret = feed_stopped(m, &fence->op[0], MIG_OK);
	else
		ret = feed_copied(m, fence, error);
	sd_event_source_disable_unref(fence->source);
	close(fence->fd);
	free(fence);
	if (ret < 0)
		sd_event_exit(m->loop, ret);
	return 0;
}

static int fence_watch(struct migrator *m, const struct move *move)
{
	struct migrator_fence *fence = calloc(1, sizeof(*fence));
	int ret = -ENOMEM;

	if (!fence)
		goto err_close;
	fence->migrator = m;
	fence->op[fence->nr++] = move->op;
	fence->slot = move->slot;
	fence->fd = move->fence;
	m->last_fence = fence;
	ret = sd_event_add_io(m->loop, &fence->source, move->fence, EPOLLIN,
			      on_fence, fence);
	if (ret >= 0)
		return sd_event_source_set_priority(fence->source, 0);
	free(fence);
err_close:
	close(move->fence);
	return ret;
}

/*
 * It comes right behind the moves of its submission, whose fence cannot have been
 * looked at in between: moves that were performed together are taken together.
 */
static void fence_join(struct migrator *m, const struct move *move)
{
	struct migrator_fence *fence = m->last_fence;

	fence->op[fence->nr++] = move->op;
}

static int op_ended(struct migrator *m, const struct move *move)
{
	switch (move->op.type) {
	case MIG_OP_STOP:
		if (move->fence >= 0)
			return fence_watch(m, move);
		return feed_stopped(m, &move->op, MIG_FAILED);
	case MIG_OP_COPY:
		if (move->fence >= 0)
			return fence_watch(m, move);
		if (!move->is_joined)
			return feed_done(m, move);
		fence_join(m, move);
		return 0;
	case MIG_OP_ALLOC:
	case MIG_OP_ARM:
	case MIG_OP_REVOKE:
	case MIG_OP_QUERY:
	case MIG_OP_RESTORE:
	case MIG_OP_UNBIND:
	case MIG_OP_BIND:
		return feed_done(m, move);
	case MIG_OP_CLOSE:
		/* The guest may have closed it, and opened another. */
		return m->vm_life[move->op.vm] == move->life ?
		       migrator_vm_closed(m, move->op.vm) : 0;
	case MIG_OP_FREE:
	case MIG_OP_KILL:
	case MIG_OP_RESUME:
	case MIG_OP_KILL_COPIES:
	case MIG_OP_TELL:
	case MIG_OP_READY:
	case MIG_NR_OPS:
		break;
	}
	return 0;
}

static int forgotten(struct migrator *m, const struct move *move)
{
	struct work work = { .kind = WORK_OP };

	/* What the GPU still reaches cannot be unmapped: the guest may ask again. */
	if (move->status != MIG_OK) {
		work.kind = WORK_REFUSE;
		work.status = XENUSERPTR_STATUS_IO;
	}
	work.op.type = CORE_OP_UNMAP;
	work.op.id = move->core_op;
	work.op.obj = move->op.obj;
	return route_submit(m->route, &work);
}

int migrator_on_mover(struct migrator *m)
{
	struct work *work;
	int ret = 0;

	helper_clear(&m->thread);
	helper_hold(&m->thread);
	while (!ret && (work = helper_take(&m->thread))) {
		struct move *move = work->move;

		if (move->kind == MOVE_FORGET)
			ret = forgotten(m, move);
		else if (move->kind == MOVE_ALIVE)
			ret = alive_done(m);
		else if (move->kind == MOVE_OP)
			ret = op_ended(m, move);
		move_free(move);
		free(work);
	}
	helper_release(&m->thread);
	return ret;
}
