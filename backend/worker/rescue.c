// SPDX-License-Identifier: MIT
/*
 * After the death of a worker: another process takes the module's file, the
 * GPU's file and the journal from the broker, and carries walk B on until all
 * data is home. The connection is not carried on: its address spaces were
 * closed with the worker, its jobs ended, and the frontend begins again.
 */
#include "worker.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "log.h"
#include "module.h"

/* Longest wait for the copies of the worker that died, and again after a kill. */
#define RESCUE_STOP_MS	500

/*
 * A copy that goes on would write over what the guest writes after its page
 * was restored. Of a GPU that neither stops nor kills what it copied home is
 * given up, and the rest goes its way.
 */
static int copies_stop(struct worker *worker)
{
	const struct gpu_move_ops *ops = worker->env.gpu->move;
	uint32_t id = journal_vm(&worker->journal);
	struct pollfd fence = { .events = POLLIN };
	int ret;

	ret = ops->stop_left(worker->move_node, id, &fence.fd);
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	ret = poll(&fence, 1, RESCUE_STOP_MS);
	if (!ret && !ops->kill_left(worker->move_node, id))
		ret = poll(&fence, 1, RESCUE_STOP_MS);
	close(fence.fd);
	if (ret < 0)
		return -errno;
	if (!ret) {
		log_warn("the GPU does not stop copying");
		journal_set_copying(&worker->journal);
	}
	return 0;
}

int rescue_setup(struct worker *worker, int gpu_node, const char **why)
{
	int ret;

	ret = worker_setup_gpu(worker, gpu_node, why);
	if (ret)
		return ret;
	*why = "this GPU does not move memory";
	if (!worker->route.migrator)
		return -EOPNOTSUPP;
	*why = "the GPU cannot be asked to stop copying";
	ret = copies_stop(worker);
	if (!ret)
		ret = worker_limit_fds(&worker->start.limits, why);
	return ret;
}

/* All is on its way home already: a want changes nothing. */
static int rescue_on_record(sd_event_source *source, int fd, uint32_t revents,
			    void *context)
{
	struct xen_userptr_back_record record;
	struct worker *worker = context;
	int ret;

	(void)source;
	(void)revents;
	ret = module_read(fd, &record);
	if (ret > 0 && record.type == XEN_USERPTR_BACK_LOST)
		ret = migrator_lost(&worker->migrator, record.gref);
	else if (ret > 0 && record.type == XEN_USERPTR_BACK_GONE)
		ret = -ENODEV;
	if (ret < 0)
		sd_event_exit(worker->loop, ret);
	return 0;
}

static int rescue_home(void *context)
{
	struct worker *worker = context;

	return sd_event_exit(worker->loop, 0);
}

static int rescue_init_migrator(struct worker *worker)
{
	struct migrator *m = &worker->migrator;

	m->env = &worker->env;
	m->status = worker->status;
	m->journal = &worker->journal;
	m->loop = worker->loop;
	m->settings = worker->start.settings;
	/* Nothing leaves home here. */
	m->settings.policy = MIG_POLICY_MANUAL;
	m->settings.home_gpus = UINT32_MAX;
	m->home = rescue_home;
	m->context = worker;
	return migrator_init(m, &worker->start.limits, worker->move_node);
}

static int rescue_init_env(struct worker *worker)
{
	struct work_env *env = &worker->env;

	env->status = worker->status;
	env->module = worker->module;
	env->max_objects = worker->start.limits.max_objects;
	env->max_vms = worker->start.limits.max_vms;
	return work_init(env);
}

int rescue_init(struct worker *worker, const char **why)
{
	int ret;

	*why = "cannot make the event loop";
	ret = sd_event_new(&worker->loop);
	if (ret < 0)
		return ret;
	*why = "cannot make what moves memory";
	ret = rescue_init_env(worker);
	if (!ret)
		ret = rescue_init_migrator(worker);
	if (ret)
		return ret;
	*why = "cannot fill the event loop";
	ret = worker_add_migrator(worker);
	if (!ret)
		ret = sd_event_add_io(worker->loop, NULL, worker->module,
				      EPOLLIN, rescue_on_record, worker);
	return ret < 0 ? ret : 0;
}

/*
 * What the module gave back while nobody was there. migrator_recover() has said that
 * somebody lives, so from here on the module waits again (want_timeout_ms).
 */
static int records_before(struct worker *worker)
{
	struct xen_userptr_back_record record;
	int ret = 0, more;

	while (!ret && (more = module_read(worker->module, &record))) {
		if (more < 0)
			return more;
		if (record.type == XEN_USERPTR_BACK_GONE)
			return -ENODEV;
		if (record.type == XEN_USERPTR_BACK_LOST)
			ret = migrator_lost_before(&worker->migrator,
						   record.gref);
	}
	return ret;
}

int rescue_run(struct worker *worker)
{
	uint64_t lost;
	int ret;

	ret = migrator_recover(&worker->migrator);
	if (!ret)
		ret = records_before(worker);
	if (!ret)
		ret = migrator_rescue(&worker->migrator);
	if (!ret)
		ret = sd_event_loop(worker->loop);
	if (ret < 0)
		return ret;
	lost = worker->status->mig_lost;
	log_info("%llu pages came home, %llu are lost",
		 (unsigned long long)worker->status->mig_home,
		 (unsigned long long)lost);
	return lost ? -EIO : 0;
}
