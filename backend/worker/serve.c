// SPDX-License-Identifier: MIT
/*
 * The worker's event loop: event channel, module records, job fences, the
 * helper's answers, the broker. What was shown to the guest is pushed and
 * notified once per round, by the post source.
 */
#include "worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "log.h"
#include "module.h"
#include "sandbox.h"

/* Ring packets of one round: no guest keeps the loop from other sources. */
#define SERVE_REQUESTS	64U
/* Module records of one round. */
#define SERVE_RECORDS	64U
/* How long the end of a connection waits for the fences of killed jobs. */
#define SERVE_END_S	4

/* What runs first when several sources are ready. */
enum serve_priority {
	SERVE_BROKER = -20,
	SERVE_MOVES = -5,
	SERVE_FENCES = 0,
	/*
	 * Deadlines: after what says that they were kept. If this domain did not
	 * run for a while, both are there at once.
	 */
	SERVE_DEADLINES = 3,
	SERVE_RECORD = 5,
	SERVE_HELPER = 10,
	SERVE_RING = 20,
};

/* Ends the loop if @ret is an error; for use as the last call of a handler. */
static int serve_check(struct worker *worker, int ret)
{
	if (ret < 0)
		sd_event_exit(worker->loop, ret);
	return 0;
}

static int serve_requests(struct worker *worker)
{
	struct xen_userptrif_req untrusted_req;
	unsigned int i;
	int ret;

	ret = events_flush(&worker->events);
	if (ret || worker->is_ending)
		return ret;
	for (i = 0; i < SERVE_REQUESTS; i++) {
		if (events_waiting(&worker->events))
			return 0;
		ret = ring_take(&worker->ring, &untrusted_req);
		if (ret == 0 && !ring_arm(&worker->ring))
			return 0;
		if (ret < 0)
			return ret;
		if (ret > 0)
			ret = route_request(&worker->route, &untrusted_req);
		if (ret)
			return ret;
	}
	return sd_event_source_set_enabled(worker->again, SD_EVENT_ONESHOT);
}

static int serve_on_again(sd_event_source *source, void *context)
{
	struct worker *worker = context;

	(void)source;
	return serve_check(worker, serve_requests(worker));
}

static int serve_on_channel(sd_event_source *source, int fd, uint32_t revents,
			    void *context)
{
	struct worker *worker = context;
	xenevtchn_port_or_error_t port;

	(void)source;
	(void)fd;
	(void)revents;
	port = xenevtchn_pending(worker->evtchn);
	if (port < 0)
		return serve_check(worker, errno == EAGAIN ? 0 : -errno);
	status_add(&worker->status->wakeups, 1);
	if (xenevtchn_unmask(worker->evtchn, (evtchn_port_t)port) < 0)
		return serve_check(worker, -errno);
	return serve_check(worker, serve_requests(worker));
}

static int serve_record(struct worker *worker,
			const struct xen_userptr_back_record *record)
{
	switch (record->type) {
	case XEN_USERPTR_BACK_UNMAPPED:
		return route_unmapped(&worker->route, record->cookie);
	case XEN_USERPTR_BACK_WANT:
		return worker->route.migrator ?
		       migrator_want(worker->route.migrator, record->gref) : 0;
	case XEN_USERPTR_BACK_LOST:
		return worker->route.migrator ?
		       migrator_lost(worker->route.migrator, record->gref) : 0;
	case XEN_USERPTR_BACK_GONE:
		return -ENODEV;
	default:
		log_warn("unknown record %u of the module", record->type);
		return 0;
	}
}

static int serve_on_record(sd_event_source *source, int fd, uint32_t revents,
			   void *context)
{
	struct xen_userptr_back_record record;
	struct worker *worker = context;
	unsigned int i;
	int ret = 1;

	(void)source;
	(void)revents;
	for (i = 0; i < SERVE_RECORDS && ret > 0; i++) {
		ret = module_read(fd, &record);
		if (ret > 0) {
			int end = serve_record(worker, &record);

			if (end)
				return serve_check(worker, end);
		}
	}
	return serve_check(worker, ret);
}

/*
 * After the last fence of a connection that ends there is nothing to do. Not before all is
 * home: an end in order tells the broker that there is nothing to rescue.
 */
static void serve_check_end(struct worker *worker)
{
	if (worker->is_closing && !worker->route.in_flight && !worker->jobs.used)
		sd_event_exit(worker->loop, 0);
}

static int serve_on_helper(sd_event_source *source, int fd, uint32_t revents,
			   void *context)
{
	struct worker *worker = context;
	struct work *work;
	int ret = 0;

	(void)source;
	(void)fd;
	(void)revents;
	helper_clear(&worker->helper);
	while (!ret && (work = helper_take(&worker->helper)))
		ret = route_done(&worker->route, work);
	serve_check_end(worker);
	return serve_check(worker, ret);
}

static int serve_job_queued(void *context, const struct work *work)
{
	struct worker *worker = context;

	return jobs_add(&worker->jobs, work->op.job, work->op.vm, work->cookie,
			work->fence);
}

/* For a fault the helper asks where it was; all else is told at once. */
static int serve_job_ended(void *context, uint32_t job, uint32_t vm,
			   uint64_t cookie, int error)
{
	struct worker *worker = context;
	struct work work = { .kind = WORK_FAULT, .cookie = cookie };
	uint32_t status = gpu_job_status(error);
	int ret = 0;

	work.op.job = job;
	work.op.vm = vm;
	if (worker->route.migrator)
		ret = migrator_job_end(worker->route.migrator, vm, &status);
	if (ret)
		return serve_check(worker, ret);
	if (status == XENUSERPTR_STATUS_GPU_FAULT)
		ret = route_submit(&worker->route, &work);
	else
		ret = route_job(&worker->route, job, status, 0);
	serve_check_end(worker);
	return serve_check(worker, ret);
}

static int serve_on_end_timer(sd_event_source *source, int fd,
			      uint32_t revents, void *context)
{
	struct worker *worker = context;

	(void)source;
	(void)fd;
	(void)revents;
	log_warn("%u jobs did not end in time", worker->jobs.used);
	/* What is not home yet is a rescuer's. */
	return serve_check(worker, -ETIMEDOUT);
}

static int serve_on_mover(sd_event_source *source, int fd, uint32_t revents,
			  void *context)
{
	struct worker *worker = context;

	(void)source;
	(void)fd;
	(void)revents;
	return serve_check(worker, migrator_on_mover(&worker->migrator));
}

static int serve_on_move_timer(sd_event_source *source, int fd,
			       uint32_t revents, void *context)
{
	struct worker *worker = context;

	(void)source;
	(void)fd;
	(void)revents;
	return serve_check(worker, migrator_on_timer(&worker->migrator));
}

/* Nothing is away any more: now the jobs can go. */
static int serve_home(void *context)
{
	struct work work = { .kind = WORK_CLOSE_ALL };
	struct worker *worker = context;

	if (!worker->is_ending)
		return route_home(&worker->route);
	worker->is_closing = true;
	return route_submit(&worker->route, &work);
}

/*
 * The broker closed its end, or is dead: the connection is over. What is in
 * VRAM comes home, then jobs are ended, so that the guest's programs see an
 * error and not silence.
 */
static int serve_end(struct worker *worker)
{
	const struct itimerspec limit = { .it_value.tv_sec = SERVE_END_S };

	worker->is_ending = true;
	if (timerfd_settime(worker->end_timer, 0, &limit, NULL) < 0)
		return -errno;
	return worker->route.migrator ?
	       migrator_bring_home(&worker->migrator) : serve_home(worker);
}

static int serve_on_broker(sd_event_source *source, int fd, uint32_t revents,
			   void *context)
{
	struct worker *worker = context;
	struct ipc_control request;
	int ret;

	(void)revents;
	ret = ipc_recv(fd, &request, sizeof(request), NULL, 0);
	if (ret == 0)
		return serve_check(worker, control_take(&worker->control,
							&request));
	sd_event_source_set_enabled(source, SD_EVENT_OFF);
	return serve_check(worker, serve_end(worker));
}

/* Shows the guest what this round produced; one notification for all. */
static int serve_push(struct worker *worker)
{
	bool notify;
	int ret;

	ret = events_flush(&worker->events);
	notify = ring_push(&worker->ring);
	if (events_news(&worker->events))
		notify = true;
	worker->status->events = worker->events.shown;
	worker->status->events_held = worker->events.held;
	if (ret || !notify)
		return ret;
	status_add(&worker->status->notifies, 1);
	if (xenevtchn_notify(worker->evtchn, worker->port) < 0)
		return -errno;
	return 0;
}

static int serve_on_post(sd_event_source *source, void *context)
{
	struct worker *worker = context;
	int ret = worker->is_ending ? 0 : control_poll(&worker->control);

	(void)source;
	return serve_check(worker, ret ? ret : serve_push(worker));
}

static int serve_add_io(struct worker *worker, int fd, int priority,
			sd_event_io_handler_t handler)
{
	sd_event_source *source;
	int ret;

	ret = sd_event_add_io(worker->loop, &source, fd, EPOLLIN, handler,
			      worker);
	if (ret < 0)
		return ret;
	ret = sd_event_source_set_priority(source, priority);
	if (ret >= 0)
		ret = sd_event_source_set_floating(source, 1);
	sd_event_source_unref(source);
	return ret;
}

/* Nothing wakes the worker for requests that were there before the channel. */
static int serve_add_again(struct worker *worker)
{
	int ret;

	ret = sd_event_add_defer(worker->loop, &worker->again, serve_on_again,
				 worker);
	if (ret < 0)
		return ret;
	return sd_event_source_set_priority(worker->again, SERVE_RING);
}

/*
 * A timerfd of our own, made before it is needed: sd-event opens files when it
 * arms its first timer, which the sandbox does not allow.
 */
static int serve_add_end_timer(struct worker *worker)
{
	worker->end_timer = timerfd_create(CLOCK_MONOTONIC,
					   TFD_CLOEXEC | TFD_NONBLOCK);
	if (worker->end_timer < 0)
		return -errno;
	return serve_add_io(worker, worker->end_timer, SERVE_BROKER,
			    serve_on_end_timer);
}

int worker_add_migrator(struct worker *worker)
{
	int ret;

	ret = serve_add_io(worker, worker->migrator.timer, SERVE_DEADLINES,
			   serve_on_move_timer);
	if (ret >= 0)
		ret = serve_add_io(worker, worker->migrator.thread.done_fd,
				   SERVE_MOVES, serve_on_mover);
	return ret < 0 ? ret : 0;
}

static int serve_add_sources(struct worker *worker)
{
	int ret;

	ret = serve_add_io(worker, IPC_FD_CONTROL, SERVE_BROKER,
			   serve_on_broker);
	if (ret >= 0)
		ret = serve_add_io(worker, worker->module, SERVE_RECORD,
				   serve_on_record);
	if (ret >= 0)
		ret = serve_add_io(worker, worker->helper.done_fd,
				   SERVE_HELPER, serve_on_helper);
	if (ret >= 0)
		ret = serve_add_io(worker, xenevtchn_fd(worker->evtchn),
				   SERVE_RING, serve_on_channel);
	if (ret >= 0)
		ret = serve_add_end_timer(worker);
	if (ret >= 0 && worker->route.migrator)
		ret = worker_add_migrator(worker);
	if (ret >= 0)
		ret = serve_add_again(worker);
	if (ret >= 0)
		ret = sd_event_add_post(worker->loop, NULL, serve_on_post,
					worker);
	return ret < 0 ? ret : 0;
}

static int serve_init_tables(struct worker *worker)
{
	struct core_limits *limits = &worker->start.limits;
	int ret;

	worker->env.reader.module = worker->module;
	worker->env.reader.status = worker->status;
	worker->env.status = worker->status;
	worker->env.module = worker->module;
	worker->env.files = IPC_FD_FILES;
	worker->env.max_objects = limits->max_objects;
	worker->env.max_vms = limits->max_vms;
	worker->env.keep_grefs = worker->route.migrator != NULL;
	worker->route.ring = &worker->ring;
	worker->route.events = &worker->events;
	worker->route.helper = &worker->helper;
	worker->route.status = worker->status;
	worker->route.job_queued = serve_job_queued;
	worker->route.context = worker;
	worker->jobs.loop = worker->loop;
	worker->jobs.ended = serve_job_ended;
	worker->jobs.context = worker;
	ret = work_init(&worker->env);
	if (!ret)
		ret = jobs_init(&worker->jobs, limits->max_jobs);
	if (!ret)
		ret = events_init(&worker->events, worker->evt_page,
				  worker->fence_page, limits->max_jobs);
	return ret;
}

/* Filled in by worker_setup(): caps and settings. */
static int serve_init_migrator(struct worker *worker)
{
	struct migrator *m = &worker->migrator;

	worker->control.core = worker->route.core;
	worker->control.max_objects = worker->start.limits.max_objects;
	worker->control.migrator = worker->route.migrator;
	if (!worker->route.migrator)
		return 0;
	m->core = worker->route.core;
	m->route = &worker->route;
	m->env = &worker->env;
	m->status = worker->status;
	m->loop = worker->loop;
	m->settings = worker->start.settings;
	m->is_recording = worker->start.trace != 0;
	m->journal = &worker->journal;
	m->home = serve_home;
	m->context = worker;
	return migrator_init(m, &worker->start.limits, worker->move_node);
}

int worker_serve_init(struct worker *worker, const char **why)
{
	int ret;

	*why = "cannot make the event loop";
	ret = sd_event_new(&worker->loop);
	if (ret < 0)
		return ret;
	*why = "no memory for the limits of this device";
	ret = serve_init_tables(worker);
	if (ret)
		return ret;
	*why = "cannot make what moves memory";
	ret = serve_init_migrator(worker);
	if (ret)
		return ret;
	*why = "cannot make the helper thread";
	ret = helper_start(&worker->helper, work_run, &worker->env);
	if (ret)
		return ret;
	*why = "cannot fill the event loop";
	return serve_add_sources(worker);
}

/* A loop that ends skips its post sources: the last answers are shown here. */
int worker_serve(struct worker *worker)
{
	int ret = sd_event_loop(worker->loop);

	return ret < 0 ? ret : serve_push(worker);
}
