// SPDX-License-Identifier: MIT
/*
 * What a worker needs before its sandbox closes: the frontend's pages, the
 * event channel, the GPU's properties, and the core in memory of its own.
 */
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "gpu.h"
#include "log.h"

/* Descriptors beside objects, jobs and address spaces. */
#define WORKER_SPARE_FDS	192U

static int setup_open_xen(struct worker *worker, const char **why)
{
	*why = "cannot open /dev/xen/gntdev";
	worker->gnttab = xengnttab_open(NULL, 0);
	if (!worker->gnttab)
		return errno ? -errno : -ENODEV;
	*why = "cannot open /dev/xen/evtchn";
	worker->evtchn = xenevtchn_open(NULL, 0);
	if (!worker->evtchn)
		return errno ? -errno : -ENODEV;
	*why = "cannot restrict the event channel device to the guest";
	if (xenevtchn_restrict(worker->evtchn,
			       (domid_t)worker->start.domid) < 0)
		return -errno;
	return 0;
}

static void *setup_map_page(struct worker *worker, uint32_t gref)
{
	return xengnttab_map_grant_ref(worker->gnttab, worker->start.domid,
				       gref, PROT_READ | PROT_WRITE);
}

static int setup_map(struct worker *worker, const char **why)
{
	struct ipc_frontend *frontend = &worker->start.frontend;
	uint32_t nr = 1U << frontend->ring_order;

	*why = "cannot map the request ring";
	worker->ring_pages = xengnttab_map_domain_grant_refs(worker->gnttab,
			nr, worker->start.domid, frontend->ring_ref,
			PROT_READ | PROT_WRITE);
	if (!worker->ring_pages)
		return errno ? -errno : -EIO;
	*why = "cannot map the event page";
	worker->evt_page = setup_map_page(worker, frontend->evt_ref);
	if (!worker->evt_page)
		return errno ? -errno : -EIO;
	*why = "cannot map the fence page";
	worker->fence_page = setup_map_page(worker, frontend->fence_ref);
	if (!worker->fence_page)
		return errno ? -errno : -EIO;
	return 0;
}

static int setup_bind_channel(struct worker *worker, const char **why)
{
	xenevtchn_port_or_error_t port;

	*why = "cannot bind the event channel";
	port = xenevtchn_bind_interdomain(worker->evtchn, worker->start.domid,
					  worker->start.frontend.event_channel);
	if (port < 0)
		return -errno;
	worker->port = (evtchn_port_t)port;
	return 0;
}

/* The series is there, and the GPU can stop, copy and bind VRAM. */
static int setup_moving(struct worker *worker, int gpu_node,
			const struct gpu_caps *caps)
{
	struct mig_settings *settings = &worker->start.settings;

	worker->move_node = fcntl(gpu_node, F_DUPFD_CLOEXEC, 0);
	if (worker->move_node < 0)
		return -errno;
	worker->gpu.features |= XENUSERPTR_FEATURE_REVOCABLE |
				XENUSERPTR_FEATURE_MIGRATION;
	settings->vram_pages = worker->gpu.vram_total / XENUSERPTR_PAGE_SIZE;
	settings->vram_page = caps->vram_page / XENUSERPTR_PAGE_SIZE;
	/* The mover has a place for copies on the first GPU alone. */
	settings->home_gpus = ~1U;
	if (!settings->vram_page)
		settings->vram_page = 1;
	worker->migrator.vm_flags = (caps->preempt ? MIG_VM_PREEMPT : 0) |
				    (caps->kill ? MIG_VM_KILL : 0);
	worker->route.migrator = &worker->migrator;
	return 0;
}

/* The quotas of the toolstack, as far as ring and GPU allow. */
int worker_setup_gpu(struct worker *worker, int gpu_node, const char **why)
{
	struct core_limits *limits = &worker->start.limits;
	struct gpu_caps caps = { 0 };
	int ret;

	*why = "no adapter for this GPU";
	worker->start.gpu_driver[sizeof(worker->start.gpu_driver) - 1] = '\0';
	worker->env.gpu = gpu_find_ops(worker->start.gpu_driver);
	if (!worker->env.gpu)
		return -EOPNOTSUPP;
	*why = "the GPU does not answer";
	ret = worker->env.gpu->info(gpu_node, &worker->gpu, &caps);
	if (ret)
		return ret;
	worker->gpu.nr_gpus = worker->start.nr_gpus;
	if (worker->gpu.vram_total > worker->start.max_vram)
		worker->gpu.vram_total = worker->start.max_vram;
	if (worker->start.revocable && worker->env.gpu->move) {
		*why = "cannot open the GPU for moving memory";
		ret = setup_moving(worker, gpu_node, &caps);
	}
	if (ret)
		return ret;
	limits->max_bind_ops = caps.max_bind_ops < XENUSERPTR_MAX_BIND_OPS ?
			       caps.max_bind_ops : XENUSERPTR_MAX_BIND_OPS;
	return 0;
}

/* The guest is told of the first; its jobs must mean the same on each. */
static int setup_other_gpus(const struct worker *worker, int gpu_node,
			    const char **why)
{
	uint32_t i;
	int node, ret = 0;

	for (i = 1; !ret && i < worker->start.nr_gpus; i++) {
		*why = "cannot open another GPU of this device";
		node = work_ask_file(IPC_FD_FILES, IPC_FILES_OPEN_GPU, i);
		if (node < 0)
			return node;
		*why = "the GPUs of this device are not alike";
		ret = gpu_compare(worker->env.gpu, gpu_node, node);
		close(node);
	}
	return ret;
}

/* Ids of the guest are hashed: it must not be able to choose collisions. */
static int setup_seed(struct core_limits *limits)
{
	ssize_t got = getrandom(&limits->hash_seed, sizeof(limits->hash_seed),
				0);

	return got == (ssize_t)sizeof(limits->hash_seed) ? 0 : -EIO;
}

/* A core that large may use some memory for its speed. */
#define HUGE_PAGES_FROM	((size_t)64 << 20)

/* Fresh pages: what the guest does not use of its limits is never touched. */
static int setup_core(struct worker *worker, const char **why)
{
	size_t size;
	void *mem;

	*why = "no random numbers";
	if (setup_seed(&worker->start.limits))
		return -EIO;
	*why = "the limits of this device are impossible";
	size = core_size(&worker->start.limits);
	if (!size)
		return -ERANGE;
	*why = "no memory for the limits of this device";
	mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		return -errno;
	/* It only makes address spaces with very many mappings faster. */
	if (size >= HUGE_PAGES_FROM)
		madvise(mem, size, MADV_HUGEPAGE);
	*why = "the limits of this device are impossible";
	worker->route.core = core_init(mem, &worker->start.limits, &worker->gpu);
	return worker->route.core ? 0 : -ERANGE;
}

/* Enough descriptors for what the quotas allow, and no more. */
int worker_limit_fds(const struct core_limits *limits, const char **why)
{
	struct rlimit limit;

	*why = "cannot set the limit of open files";
	limit.rlim_cur = (rlim_t)limits->max_objects + limits->max_jobs +
			 limits->max_vms + WORKER_SPARE_FDS;
	limit.rlim_max = limit.rlim_cur;
	return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? 0 : -errno;
}

int worker_setup(struct worker *worker, int gpu_node, const char **why)
{
	int ret;

	ret = setup_open_xen(worker, why);
	if (!ret)
		ret = setup_map(worker, why);
	if (ret)
		return ret;
	ring_init(&worker->ring, worker->ring_pages,
		  worker->start.frontend.ring_order);
	ret = setup_bind_channel(worker, why);
	worker->start.limits.max_requests = ring_size(&worker->ring);
	if (!ret)
		ret = worker_setup_gpu(worker, gpu_node, why);
	if (!ret)
		ret = setup_other_gpus(worker, gpu_node, why);
	if (!ret)
		ret = setup_core(worker, why);
	if (!ret)
		ret = worker_limit_fds(&worker->start.limits, why);
	return ret;
}
