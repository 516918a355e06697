// SPDX-License-Identifier: MIT
/*
 * Feeds the engine of migration: records of the module, time, and what the core
 * does. One event in, all its ops out, in their order (migrator-ops.c).
 */
#include "migrator.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "chunk.h"
#include "ipc.h"
#include "log.h"
#include "mover-spare.h"
#include "probe.h"
#include "route.h"
#include "vatree.h"

/* Ops fetched from the engine at a time. */
#define MIGRATOR_BATCH	16U

/*
 * Of as many chunks the mover may have ended a step before the loop hears of it: their
 * next steps wait behind those of the others anyway. Requests of the guest do not: while
 * one waits for chunks the loop hears of each step.
 */
#define MIGRATOR_UNTOLD	8U

/* ---- events to the engine ---- */

int migrator_timer(struct migrator *m)
{
	uint64_t at = mig_next_time(m->engine), alive = alive_time(m);
	struct itimerspec when = { 0 };

	if (alive < at)
		at = alive;

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

static void time_fill(struct worker_time *to, const struct mig_time *from)
{
	uint32_t i;

	status_put(&to->count, from->count);
	status_put(&to->sum_us, from->sum_us);
	status_put(&to->max_us, from->max_us);
	for (i = 0; i < MIG_BUCKETS; i++)
		status_put(&to->bucket[i], from->bucket[i]);
}

static void status_fill(struct migrator *m)
{
	const struct mig_stats *stats = mig_stats(m->engine);
	uint32_t i;

	status_put(&m->status->mig_out, stats->pages_out);
	status_put(&m->status->mig_home, stats->pages_home);
	status_put(&m->status->mig_wants, stats->wants);
	status_put(&m->status->mig_revokes, stats->revokes);
	status_put(&m->status->mig_rollbacks, stats->rollbacks);
	status_put(&m->status->mig_evictions, stats->evictions);
	status_put(&m->status->mig_bounces, stats->bounces);
	status_put(&m->status->mig_stops, stats->stops);
	status_put(&m->status->mig_kills, stats->kills);
	status_put(&m->status->mig_copy_kills, stats->copy_kills);
	status_put(&m->status->mig_cpu_copies, stats->cpu_copies);
	status_put(&m->status->mig_discards, stats->discards);
	status_put(&m->status->mig_vram_now, mig_vram_used(m->engine));
	if (m->timed == stats->timed)
		return;
	m->timed = stats->timed;
	for (i = 0; i < MIG_NR_TIMES; i++)
		time_fill(&m->status->time[i], &stats->time[i]);
}

static int ops_perform(struct migrator *m, const struct mig_op *ops,
		       unsigned int nr)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < nr; i++)
		ret = migrator_perform(m, &ops[i]);
	return ret;
}

static int ops_drain(struct migrator *m, const struct mig_event *ev)
{
	struct mig_op ops[MIGRATOR_BATCH];
	unsigned int nr;
	int more, ret;

	recorder_event(&m->recorder, ev);
	do {
		more = mig_step(m->engine, ev, ops, MIGRATOR_BATCH, &nr);
		if (more < 0)
			return more;
		recorder_ops(&m->recorder, ops, nr);
		if (m->journal)
			journal_step(m->journal, m->engine);
		ret = ops_perform(m, ops, nr);
		if (ret)
			return ret;
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

	ev->us = clock_us();
	ev->now = ev->us / 1000;
	m->alive_now = ev->now;
	PROBE4(mig_event, ev->type, ev->obj, ev->first, ev->nr);
	helper_hold(&m->thread);
	ret = ops_drain(m, ev);
	helper_release(&m->thread);
	if (!ret)
		ret = gate_released(m);
	if (!ret)
		ret = alive_look(m);
	if (!ret)
		ret = migrator_timer(m);
	helper_tell_late(&m->thread, m->asks || m->gates ? 0 : MIGRATOR_UNTOLD);
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
	if (type == MIG_EV_WANT)
		PROBE3(want, gref, ev.obj, ev.first);
	else
		PROBE3(gone, gref, ev.obj, ev.first);
	return migrator_feed(m, &ev);
}

int migrator_want(struct migrator *m, uint32_t gref)
{
	int ret = record_feed(m, MIG_EV_WANT, gref);

	alive_wanted(m);
	return ret ? ret : migrator_timer(m);
}

int migrator_lost(struct migrator *m, uint32_t gref)
{
	return record_feed(m, MIG_EV_GONE, gref);
}

/* ---- what the core does ---- */

int migrator_alias(struct migrator *m, const struct core_span *run)
{
	struct mig_event ev = {
		.type = MIG_EV_ALIAS,
		.obj = run->obj,
		.first = run->first,
		.nr = run->nr,
	};

	return run->nr && m->object[run->obj] != OBJECT_UNKNOWN ?
	       migrator_feed(m, &ev) : 0;
}

/* Pages of one object in a row are one event. */
static void on_alias(void *context, enum grefs_side side, uint32_t obj,
		     uint32_t page)
{
	struct migrator *m = context;
	struct core_span *run = &m->alias[side];
	int ret;

	if (run->nr && run->obj == obj && run->first + run->nr == page) {
		run->nr++;
		return;
	}
	ret = migrator_alias(m, run);
	if (ret)
		m->error = ret;
	*run = (struct core_span){ obj, page, 1 };
}

/* Feeds the runs that are not fed yet. */
static int aliases_end(struct migrator *m)
{
	unsigned int side;
	int ret = m->error;

	for (side = 0; side < GREFS_NR_SIDES; side++) {
		if (!ret)
			ret = migrator_alias(m, &m->alias[side]);
		m->alias[side].nr = 0;
	}
	return ret;
}

/* Of a VM that is closed meanwhile everything counts as done. */
int migrator_vm_closed(struct migrator *m, uint32_t vm)
{
	struct mig_event ev = { .type = MIG_EV_VM_DEL, .vm = vm };

	if (vm >= MIG_MAX_VMS || !(m->vms >> vm & 1))
		return 0;
	m->vms &= ~(UINT64_C(1) << vm);
	m->vm_life[vm] = 0;
	return migrator_feed(m, &ev);
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
	int ret = 0;

	if (m->journal)
		ret = journal_add(m->journal, op->obj,
				  work_grefs(m->env, op->obj), op->nr);
	if (!ret)
		ret = migrator_feed(m, &ev);
	if (ret)
		return ret;
	m->object[op->obj] = OBJECT_KNOWN;
	m->error = 0;
	ret = grefs_add(&m->grefs, op->obj, work_grefs(m->env, op->obj), op->nr,
			on_alias, m);
	return ret ? ret : aliases_end(m);
}

static int vm_opened(struct migrator *m, uint32_t vm, uint32_t gpu)
{
	struct mig_event ev = {
		.type = MIG_EV_VM_ADD,
		.vm = vm,
		.gpu = gpu,
		.flags = m->vm_flags,
	};
	int ret;

	if (vm >= MIG_MAX_VMS)
		return 0;
	m->vm_life[vm] = work_vm_life(m->env, vm);
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
		return vm_opened(m, work->op.vm, work->op.gpu);
	if (work->op.type == CORE_OP_VM_CLOSE)
		return migrator_vm_closed(m, work->op.vm);
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
	if (m->stays_home && place != MIG_PLACE_RAM)
		return -EBUSY;
	return migrator_feed(m, &ev);
}

/*
 * What was brought home stays there with a policy that moves nothing by itself, and
 * what could not be stopped in time is asked again.
 */
static int settings_feed(struct migrator *m)
{
	struct mig_settings settings = m->settings;
	struct mig_event ev = {
		.type = MIG_EV_SETTINGS,
		.settings = &settings,
	};

	if (m->stays_home) {
		settings.policy = MIG_POLICY_MANUAL;
		settings.home_gpus = UINT32_MAX;
	}
	return migrator_feed(m, &ev);
}

int migrator_set(struct migrator *m, const struct mig_settings *settings)
{
	if (!mig_settings_valid(settings))
		return -EINVAL;
	m->settings = *settings;
	return settings_feed(m);
}

int migrator_leave_home(struct migrator *m)
{
	if (!m->stays_home || m->coming_home)
		return 0;
	m->stays_home = false;
	return settings_feed(m);
}

bool migrator_has_lost(const struct migrator *m)
{
	uint32_t obj;

	for (obj = 0; obj < m->env->max_objects; obj++)
		if (m->object[obj] == OBJECT_LOST)
			return true;
	return false;
}

uint32_t migrator_pages(const struct migrator *m, uint32_t obj)
{
	struct mig_pages pages;

	mig_pages(m->engine, obj, &pages);
	return pages.home + pages.vram + pages.lost;
}

/* By hand, each object. */
int migrator_bring_home(struct migrator *m)
{
	uint32_t obj;
	int ret;

	m->stays_home = true;
	helper_hold(&m->thread);
	ret = settings_feed(m);
	for (obj = 0; !ret && obj < m->env->max_objects; obj++) {
		if (m->object[obj] == OBJECT_UNKNOWN)
			continue;
		ret = migrator_move(m, obj, 0, migrator_pages(m, obj),
				    MIG_PLACE_RAM);
	}
	helper_release(&m->thread);
	m->coming_home = true;
	return ret ? ret : home_check(m);
}

/* ---- start ---- */

static int recorder_start(struct migrator *m, const struct mig_limits *limits)
{
	int fd = work_ask_file(m->env->files, IPC_FILES_OPEN_TRACE, 0);
	int ret;

	if (fd < 0)
		return fd;
	ret = recorder_init(&m->recorder, fd, limits, &m->settings);
	close(fd);
	return ret;
}

/*
 * A BIND asks once for each object that it touches, and each VM may have one under
 * way; together they have no more than the core has records of mappings. The next
 * one of a VM asks before the last one has let go. Each other request asks once,
 * but for MAP (gate.c).
 */
static uint32_t asks_needed(const struct core_limits *limits)
{
	uint64_t pairs = (uint64_t)limits->max_vms * limits->max_objects;
	uint64_t records = va_records_need(limits->max_mappings);
	uint64_t nr = (pairs < records ? pairs : records) +
		      2 * (uint64_t)limits->max_objects + limits->max_requests;

	return nr < MIG_MAX_CHUNKS ? (uint32_t)nr : MIG_MAX_CHUNKS;
}

static int engine_init(struct migrator *m, const struct core_limits *limits)
{
	const struct mig_limits mig_limits = {
		.max_pages = core_max_kept(limits),
		.max_objects = limits->max_objects,
		.max_asks = asks_needed(limits),
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
	if (m->core)
		core_attach_mig(m->core, m->engine);
	return m->is_recording ? recorder_start(m, &mig_limits) : 0;
}

int migrator_init(struct migrator *m, const struct core_limits *limits,
		  int node)
{
	int ret;

	m->rest_at = MIG_NEVER;
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
	ret = mover_init(&m->mover, m->env, node, m->journal);
	/* A rescuer gives all back. */
	mover_spare_limit(&m->mover, m->core ? m->settings.vram_pages : 0);
	m->mover.thread = &m->thread;
	return ret ? ret : helper_start(&m->thread, mover_run, &m->mover);
}
