// SPDX-License-Identifier: MIT
/*
 * Feeds the engine of migration and carries its ops to the mover. One event in,
 * all its ops out, in their order. An op that is answered is answered through
 * migrator_on_mover(), or by a fence that the loop watches.
 */
#include "migrator.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "jobs.h"
#include "log.h"
#include "route.h"

/* Ops fetched from the engine at a time. */
#define MIGRATOR_BATCH	16U
/* Mappings of a chunk fetched from the core at a time. */
#define MIGRATOR_BINDS	64U

/* A STOP or a COPY whose fence has not signalled. */
struct migrator_fence {
	struct migrator *migrator;
	sd_event_source *source;
	struct mig_op op;
	uint32_t slot;
	int fd;
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- ops to the mover ---- */

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

	return move ? move_submit(m, move) : -ENOMEM;
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
	core_lost_event(m->core, op->obj, op->first, op->nr, &event);
	return route_perform(m->route, &event);
}

static int migrator_perform(struct migrator *m, const struct mig_op *op)
{
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
		return submit_plain(m, op);
	case MIG_NR_OPS:
		break;
	}
	return -EINVAL;
}

/* ---- events to the engine ---- */

static int timer_set(struct migrator *m)
{
	uint64_t at = mig_next_time(m->engine);
	struct itimerspec when = { 0 };

	if (at == m->timer_at)
		return 0;
	m->timer_at = at;
	if (at != MIG_NEVER) {
		when.it_value.tv_sec = (time_t)(at / 1000);
		when.it_value.tv_nsec = (long)(at % 1000) * 1000000;
		/* Zero would switch it off. */
		if (!at)
			when.it_value.tv_nsec = 1;
	}
	return timerfd_settime(m->timer, TFD_TIMER_ABSTIME, &when, NULL) < 0 ?
	       -errno : 0;
}

static void status_fill(struct migrator *m)
{
	const struct mig_stats *stats = mig_stats(m->engine);

	m->status->mig_out = stats->pages_out;
	m->status->mig_home = stats->pages_home;
	m->status->mig_wants = stats->wants;
	m->status->mig_revokes = stats->revokes;
	m->status->mig_rollbacks = stats->rollbacks;
	m->status->mig_stops = stats->stops;
	m->status->mig_kills = stats->kills;
	m->status->mig_vram_now = mig_vram_used(m->engine);
}

static int ops_drain(struct migrator *m, const struct mig_event *ev)
{
	struct mig_op ops[MIGRATOR_BATCH];
	unsigned int nr, i;
	int more, ret;

	do {
		more = mig_step(m->engine, ev, ops, MIGRATOR_BATCH, &nr);
		if (more < 0)
			return more;
		for (i = 0; i < nr; i++) {
			ret = migrator_perform(m, &ops[i]);
			if (ret)
				return ret;
		}
		ev = NULL;
	} while (more);
	return 0;
}

/* Home, all of it, and nothing on its way. */
static int home_check(struct migrator *m)
{
	if (!m->coming_home || mig_vram_used(m->engine) ||
	    !mig_idle(m->engine))
		return 0;
	m->coming_home = false;
	return m->home(m->context);
}

int migrator_feed(struct migrator *m, struct mig_event *ev)
{
	int ret;

	ev->now = now_ms();
	ret = ops_drain(m, ev);
	if (!ret)
		ret = gate_released(m);
	if (!ret)
		ret = timer_set(m);
	status_fill(m);
	if (ret)
		log_warn("migration event %u of object %u page %u: %s",
			 ev->type, ev->obj, ev->first, strerror(-ret));
	return ret ? ret : home_check(m);
}

int migrator_on_timer(struct migrator *m)
{
	struct mig_event ev = { .type = MIG_EV_TIME };
	uint64_t times;

	if (read(m->timer, &times, sizeof(times)) < 0 && errno != EAGAIN)
		return -errno;
	m->timer_at = MIG_NEVER;
	return migrator_feed(m, &ev);
}

/* Stale records are possible: the page may belong to nobody any more. */
static int record_feed(struct migrator *m, enum mig_event_type type,
		       uint32_t gref)
{
	struct mig_event ev = { .type = type };

	if (!grefs_find(&m->grefs, gref, &ev.obj, &ev.first) ||
	    m->object[ev.obj] == OBJECT_UNKNOWN)
		return 0;
	return migrator_feed(m, &ev);
}

int migrator_want(struct migrator *m, uint32_t gref)
{
	return record_feed(m, MIG_EV_WANT, gref);
}

int migrator_lost(struct migrator *m, uint32_t gref)
{
	return record_feed(m, MIG_EV_GONE, gref);
}

/* ---- what came back ---- */

static int feed_done(struct migrator *m, const struct move *move)
{
	struct mig_event ev = {
		.type = MIG_EV_DONE,
		.id = move->op.id,
		.status = move->status,
		.extra_refs = move->extra_refs,
	};

	return migrator_feed(m, &ev);
}

static int feed_stopped(struct migrator *m, const struct mig_op *op)
{
	struct mig_event ev = {
		.type = MIG_EV_STOPPED,
		.vm = op->vm,
		.id = op->id,
	};

	return m->vms >> op->vm & 1 ? migrator_feed(m, &ev) : 0;
}

static int copied_submit(struct migrator *m, const struct migrator_fence *fence,
			 int error)
{
	struct move *move = move_make(MOVE_COPIED, &fence->op, 0);

	if (!move)
		return -ENOMEM;
	move->slot = fence->slot;
	move->status = error ? MIG_FAILED : MIG_OK;
	return move_submit(m, move);
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
	if (fence->op.type == MIG_OP_STOP)
		ret = feed_stopped(m, &fence->op);
	else
		ret = copied_submit(m, fence, error);
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
	fence->op = move->op;
	fence->slot = move->slot;
	fence->fd = move->fence;
	ret = sd_event_add_io(m->loop, &fence->source, move->fence, EPOLLIN,
			      on_fence, fence);
	if (ret >= 0)
		return sd_event_source_set_priority(fence->source, 0);
	free(fence);
err_close:
	close(move->fence);
	return ret;
}

/* Of a VM that is closed meanwhile everything counts as done. */
static int vm_closed(struct migrator *m, uint32_t vm)
{
	struct mig_event ev = { .type = MIG_EV_VM_DEL, .vm = vm };

	if (vm >= MIG_MAX_VMS || !(m->vms >> vm & 1))
		return 0;
	m->vms &= ~(UINT64_C(1) << vm);
	return migrator_feed(m, &ev);
}

static int op_ended(struct migrator *m, const struct move *move)
{
	switch (move->op.type) {
	case MIG_OP_STOP:
		if (move->fence >= 0)
			return fence_watch(m, move);
		/* One that cannot be asked is left to the deadlines. */
		return 0;
	case MIG_OP_COPY:
		if (move->fence >= 0)
			return fence_watch(m, move);
		return feed_done(m, move);
	case MIG_OP_ALLOC:
	case MIG_OP_ARM:
	case MIG_OP_REVOKE:
	case MIG_OP_QUERY:
	case MIG_OP_RESTORE:
	case MIG_OP_UNBIND:
	case MIG_OP_BIND:
		return feed_done(m, move);
	case MIG_OP_CLOSE:
		return vm_closed(m, move->op.vm);
	case MIG_OP_FREE:
	case MIG_OP_KILL:
	case MIG_OP_RESUME:
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
	while (!ret && (work = helper_take(&m->thread))) {
		struct move *move = work->move;

		if (move->kind == MOVE_FORGET)
			ret = forgotten(m, move);
		else if (move->kind == MOVE_COPIED)
			ret = feed_done(m, move);
		else
			ret = op_ended(m, move);
		move_free(move);
		free(work);
	}
	return ret;
}

/* ---- what the core does ---- */

static void on_alias(void *context, uint32_t obj, uint32_t page)
{
	struct migrator *m = context;
	struct mig_event ev = {
		.type = MIG_EV_ALIAS,
		.obj = obj,
		.first = page,
		.nr = 1,
	};
	int ret = 0;

	if (m->object[obj] != OBJECT_UNKNOWN)
		ret = migrator_feed(m, &ev);
	if (ret)
		m->error = ret;
}

static int object_mapped(struct migrator *m, const struct core_op *op)
{
	struct mig_event ev = {
		.type = MIG_EV_OBJ_ADD,
		.obj = op->obj,
		.nr = op->nr,
		.flags = op->flags & XENUSERPTR_OBJ_READONLY ?
			 MIG_OBJ_READONLY : 0,
	};
	int ret;

	ret = migrator_feed(m, &ev);
	if (ret)
		return ret;
	m->object[op->obj] = OBJECT_KNOWN;
	m->error = 0;
	ret = grefs_add(&m->grefs, op->obj, work_grefs(m->env, op->obj), op->nr,
			on_alias, m);
	return ret ? ret : m->error;
}

static int vm_opened(struct migrator *m, uint32_t vm)
{
	struct mig_event ev = {
		.type = MIG_EV_VM_ADD,
		.vm = vm,
		.flags = m->vm_flags,
	};
	int ret;

	if (vm >= MIG_MAX_VMS)
		return 0;
	ret = migrator_feed(m, &ev);
	if (!ret)
		m->vms |= UINT64_C(1) << vm;
	return ret;
}

int migrator_before_done(struct migrator *m, const struct work *work)
{
	if (work->status != XENUSERPTR_STATUS_OK)
		return 0;
	if (work->op.type == CORE_OP_MAP)
		return object_mapped(m, &work->op);
	if (work->op.type == CORE_OP_VM_OPEN)
		return vm_opened(m, work->op.vm);
	if (work->op.type == CORE_OP_VM_CLOSE)
		return vm_closed(m, work->op.vm);
	return 0;
}

int migrator_after_done(struct migrator *m, const struct work *work)
{
	return gate_done(m, work);
}

int migrator_op(struct migrator *m, const struct core_op *op)
{
	return gate_op(m, op);
}

static bool maps_lost(const struct migrator *m, uint32_t vm)
{
	uint32_t obj;

	for (obj = 0; obj < m->env->max_objects; obj++)
		if (m->object[obj] == OBJECT_LOST &&
		    core_chunk_access(m->core, vm, obj, 0, UINT32_MAX))
			return true;
	return false;
}

int migrator_job_end(struct migrator *m, uint32_t vm, uint32_t *status)
{
	struct mig_event ev = { .type = MIG_EV_JOB_END, .vm = vm };

	if (m->status->mig_lost && maps_lost(m, vm))
		*status = XENUSERPTR_STATUS_LOST;
	if (vm >= MIG_MAX_VMS || !(m->vms >> vm & 1))
		return 0;
	return migrator_feed(m, &ev);
}

int migrator_advise(struct migrator *m, const struct xen_userptrif_advise *req)
{
	uint64_t end = req->offset + req->length + XENUSERPTR_PAGE_SIZE - 1;
	struct mig_event ev = {
		.type = MIG_EV_ADVISE,
		.obj = core_object_slot(m->core, req->obj_id),
		.first = (uint32_t)(req->offset / XENUSERPTR_PAGE_SIZE),
		.advice = req->advice,
	};

	if (ev.obj == UINT32_MAX || m->object[ev.obj] == OBJECT_UNKNOWN)
		return 0;
	ev.nr = (uint32_t)(end / XENUSERPTR_PAGE_SIZE) - ev.first;
	return migrator_feed(m, &ev);
}

int migrator_move(struct migrator *m, uint32_t obj, uint32_t first, uint32_t nr,
		  uint32_t place)
{
	struct mig_event ev = {
		.type = MIG_EV_MOVE,
		.obj = obj,
		.first = first,
		.nr = nr,
		.place = place,
	};

	if (obj >= m->env->max_objects || m->object[obj] == OBJECT_UNKNOWN)
		return -ENOENT;
	return migrator_feed(m, &ev);
}

int migrator_set(struct migrator *m, const struct mig_settings *settings)
{
	struct mig_event ev = {
		.type = MIG_EV_SETTINGS,
		.settings = settings,
	};

	if (!mig_settings_valid(settings))
		return -EINVAL;
	m->settings = *settings;
	return migrator_feed(m, &ev);
}

/* By hand, each object, with a policy that moves nothing by itself. */
int migrator_bring_home(struct migrator *m)
{
	struct mig_settings settings = m->settings;
	struct mig_event ev = {
		.type = MIG_EV_SETTINGS,
		.settings = &settings,
	};
	struct mig_pages pages;
	uint32_t obj;
	int ret;

	settings.policy = MIG_POLICY_MANUAL;
	ret = migrator_feed(m, &ev);
	for (obj = 0; !ret && obj < m->env->max_objects; obj++) {
		if (m->object[obj] == OBJECT_UNKNOWN)
			continue;
		mig_pages(m->engine, obj, &pages);
		ret = migrator_move(m, obj, 0,
				    pages.home + pages.vram + pages.lost,
				    MIG_PLACE_RAM);
	}
	m->coming_home = true;
	return ret ? ret : home_check(m);
}

/* ---- start ---- */

static int engine_init(struct migrator *m, const struct core_limits *limits)
{
	const struct mig_limits mig_limits = {
		.max_pages = limits->max_pages,
		.max_objects = limits->max_objects,
		.max_asks = limits->max_requests + limits->max_objects,
		.hash_seed = limits->hash_seed,
	};
	size_t size = mig_size(&mig_limits);
	void *mem;

	if (!size)
		return -ERANGE;
	mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		return -errno;
	m->engine = mig_init(mem, &mig_limits, &m->settings);
	if (!m->engine)
		return -ERANGE;
	core_attach_mig(m->core, m->engine);
	return 0;
}

int migrator_init(struct migrator *m, const struct core_limits *limits,
		  int node)
{
	int ret;

	m->timer_at = MIG_NEVER;
	m->object = calloc(limits->max_objects, sizeof(*m->object));
	if (!m->object)
		return -ENOMEM;
	ret = engine_init(m, limits);
	if (ret)
		return ret;
	m->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (m->timer < 0)
		return -errno;
	ret = mover_init(&m->mover, m->env, node);
	return ret ? ret : helper_start(&m->thread, mover_run, &m->mover);
}
