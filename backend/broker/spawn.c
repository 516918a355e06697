// SPDX-License-Identifier: MIT
/*
 * Starts, stops and reaps workers. A worker is a fresh image of this program
 * with three descriptors; all else comes in its start message.
 */
#include "broker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gpu.h"
#include "journal.h"
#include "module.h"
#include "rundir.h"

/* A worker that was told to end and does not is killed. */
#define SPAWN_STOP_US	5000000U

/*
 * Before all else, for there are only so many ends. All else takes turns: no guest and
 * no worker, which may be its guest's, can say so much that others wait for ever.
 */
#define SPAWN_ENDS	(-10)
/* Of one that has ended: more than an honest one has left unread. */
#define SPAWN_LAST_REPORTS 4U

static void spawn_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* In the child: exactly the descriptors of enum IPC_FD_*, then the image. */
static void __attribute__((noreturn)) spawn_child(int control, int files,
						  int lock)
{
	const int from[] = { control, files, lock };
	char *const argv[] = { (char[]){ "userptrd" }, (char[]){ "--worker" },
			       NULL };
	int high[3];
	sigset_t none;
	int i;

	/* First out of the way: targets and sources may overlap. */
	for (i = 0; i < 3; i++) {
		high[i] = fcntl(from[i], F_DUPFD, IPC_FD_END);
		if (high[i] < 0)
			_exit(127);
	}
	for (i = 0; i < 3; i++)
		if (dup2(high[i], IPC_FD_CONTROL + i) < 0)
			_exit(127);
	if (close_range(IPC_FD_END, ~0U, 0) < 0)
		_exit(127);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execv("/proc/self/exe", argv);
	_exit(127);
}

static int spawn_status_page(struct device *device)
{
	void *page;
	int fd, ret;

	fd = memfd_create("userptrd-status", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	/* A worker that shrank it would crash its reader. */
	if (ftruncate(fd, sizeof(struct worker_status)) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		goto err_close;
	page = mmap(NULL, sizeof(struct worker_status), PROT_READ, MAP_SHARED,
		    fd, 0);
	if (page == MAP_FAILED)
		goto err_close;
	device->status = page;
	return fd;

err_close:
	ret = -errno;
	close(fd);
	return ret;
}

/* The descriptors of the start message, in their order. */
static int spawn_open(struct device *device, int *fds, const char **why)
{
	fds[IPC_START_GPU] = gpus_select(device, why);
	if (fds[IPC_START_GPU] < 0)
		return fds[IPC_START_GPU];
	*why = "/dev/xen/userptr-back";
	fds[IPC_START_MODULE] = module_open((uint16_t)device->domid,
					    device->config.limits.max_pages);
	if (fds[IPC_START_MODULE] < 0)
		return fds[IPC_START_MODULE];
	*why = "journal";
	fds[IPC_START_JOURNAL] = journal_create(&device->config.limits);
	if (fds[IPC_START_JOURNAL] < 0)
		return fds[IPC_START_JOURNAL];
	*why = "page of counters";
	fds[IPC_START_STATUS] = spawn_status_page(device);
	return fds[IPC_START_STATUS] < 0 ? fds[IPC_START_STATUS] : 0;
}

static void spawn_fill_start(struct device *device,
			     const struct ipc_frontend *frontend)
{
	struct ipc_start *start = &device->start;

	memset(start, 0, sizeof(*start));
	start->domid = device->domid;
	start->devid = device->devid;
	start->frontend = *frontend;
	start->limits = device->config.limits;
	start->nr_gpus = device->config.gpus.nr;
	start->max_vram = device->config.max_vram;
	start->trace = device->config.trace;
	start->settings = device->config.settings;
	start->revocable = module_is_revocable();
	start->debug = device->broker->debug;
	start->sandbox_log = device->broker->sandbox_log;
	snprintf(start->gpu_driver, sizeof(start->gpu_driver), "%s",
		 device->gpu_driver);
}

static int spawn_take_report(struct device *device)
{
	struct ipc_report untrusted_report;
	int ret;

	ret = ipc_recv(device->control, &untrusted_report,
		       sizeof(untrusted_report), NULL, 0);
	if (ret < 0)
		return ret;
	if (untrusted_report.type == IPC_REPORT_READY) {
		device_worker_ready(device);
	} else if (untrusted_report.type == IPC_REPORT_ANSWER) {
		control_answer(device, &untrusted_report);
	} else {
		untrusted_report.type = IPC_REPORT_FAILED;
		untrusted_report.text[IPC_TEXT_LEN - 1] = '\0';
		if (untrusted_report.error >= 0)
			untrusted_report.error = -EIO;
		device->report = untrusted_report;
	}
	return 0;
}

static int spawn_on_control(sd_event_source *source, int fd, uint32_t revents,
			    void *context)
{
	struct device *device = context;
	int ret = spawn_take_report(device);

	(void)fd;
	(void)revents;
	if (ret < 0 && ret != -EAGAIN) {
		/* It has ended, or talks nonsense; the reaper has the rest. */
		sd_event_source_set_enabled(source, SD_EVENT_OFF);
		if (ret == -EBADMSG)
			kill(device->pid, SIGKILL);
	}
	return 0;
}

/*
 * In memory, and of its full size from the start: the worker maps it and gives
 * the descriptor up. One that serves its guest gets none.
 */
static int spawn_open_trace(const struct device *device)
{
	char path[64];
	int fd, ret;

	if (!device->config.trace || device->state != DEV_STARTING)
		return -EPERM;
	snprintf(path, sizeof(path), RUNDIR_TRACE, device->domid,
		 device->devid);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
		  0600);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)((2 + device->config.trace) * MIG_TRACE)) == 0)
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

static int spawn_open_file(const struct device *device,
			   const struct ipc_files_req *untrusted_req)
{
	switch (untrusted_req->what) {
	case IPC_FILES_OPEN_TRACE:
		return spawn_open_trace(device);
	case IPC_FILES_OPEN_GPU:
		return gpus_open(device, untrusted_req->gpu);
	default:
		return -EINVAL;
	}
}

/* One more open file, of a GPU that was chosen at the start or for the trace. */
static int spawn_on_files(sd_event_source *source, int fd, uint32_t revents,
			  void *context)
{
	struct device *device = context;
	struct ipc_files_rsp rsp = { 0 };
	struct ipc_files_req untrusted_req;
	int ret, node = -1;

	(void)revents;
	ret = ipc_recv(fd, &untrusted_req, sizeof(untrusted_req), NULL, 0);
	if (!ret) {
		node = spawn_open_file(device, &untrusted_req);
		rsp.error = node < 0 ? node : 0;
		ret = ipc_send(fd, &rsp, sizeof(rsp), &node, node >= 0);
	}
	spawn_close(&node);
	if (ret < 0)
		sd_event_source_set_enabled(source, SD_EVENT_OFF);
	return 0;
}

/* The reason before the end: what it has said last is still to be read. */
static int spawn_on_child(sd_event_source *source, const siginfo_t *info,
			  void *context)
{
	struct device *device = context;
	unsigned int i = 0;

	(void)source;
	while (i++ < SPAWN_LAST_REPORTS && !spawn_take_report(device))
		;
	device_worker_gone(device, info->si_code, info->si_status);
	return 0;
}

static int spawn_watch(struct device *device)
{
	sd_event *loop = device->broker->loop;
	int ret;

	ret = sd_event_add_child(loop, &device->child_source, device->pid,
				 WEXITED, spawn_on_child, device);
	if (ret >= 0)
		ret = sd_event_add_io(loop, &device->control_source,
				      device->control, EPOLLIN,
				      spawn_on_control, device);
	if (ret >= 0)
		ret = sd_event_add_io(loop, &device->files_source,
				      device->files, EPOLLIN, spawn_on_files,
				      device);
	if (ret >= 0)
		ret = sd_event_source_set_priority(device->child_source,
						   SPAWN_ENDS);
	return ret < 0 ? ret : 0;
}

static int spawn_fork(struct device *device)
{
	int control[2], files[2], ret;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) < 0)
		return -errno;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, files) < 0) {
		ret = -errno;
		goto err_control;
	}
	device->pid = fork();
	if (device->pid == 0)
		spawn_child(control[1], files[1], device->broker->lock);
	if (device->pid < 0) {
		ret = -errno;
		device->pid = 0;
		goto err_files;
	}
	close(control[1]);
	close(files[1]);
	/* The broker waits for no worker. */
	fcntl(control[0], F_SETFL, O_NONBLOCK);
	fcntl(files[0], F_SETFL, O_NONBLOCK);
	device->control = control[0];
	device->files = files[0];
	return 0;

err_files:
	close(files[0]);
	close(files[1]);
err_control:
	close(control[0]);
	close(control[1]);
	return ret;
}

static int spawn_start(struct device *device, const int *fds)
{
	int ret;

	memset(&device->report, 0, sizeof(device->report));
	ret = spawn_fork(device);
	if (!ret)
		ret = spawn_watch(device);
	if (!ret)
		ret = ipc_send(device->control, &device->start,
			       sizeof(device->start), fds, IPC_START_NR_FDS);
	if (ret) {
		worker_kill(device);
		worker_release(device);
	}
	return ret;
}

int worker_spawn(struct device *device, const struct ipc_frontend *frontend,
		 const char **why)
{
	int ret;

	ret = spawn_open(device, device->kept, why);
	if (!ret) {
		*why = "process";
		spawn_fill_start(device, frontend);
		ret = spawn_start(device, device->kept);
	}
	/* The page is mapped, and a rescuer has one of its own. */
	spawn_close(&device->kept[IPC_START_STATUS]);
	if (ret)
		worker_forget(device);
	return ret;
}

void worker_forget(struct device *device)
{
	int i;

	for (i = 0; i < IPC_START_NR_FDS; i++)
		spawn_close(&device->kept[i]);
}

/* Steps of chunks that were timed count too: many chunks go together. */
static uint64_t rescue_steps(const struct worker_status *status)
{
	uint64_t steps = status_get(&status->mig_home) +
			 status_get(&status->mig_lost);
	unsigned int i;

	for (i = 0; i < MIG_NR_TIMES; i++)
		steps += status_get(&status->time[i].count);
	return steps;
}

/* Is it nearer to its end than when last looked at? */
static bool rescue_goes_on(struct device *device)
{
	uint64_t before = device->rescued;

	if (!device->start.rescue || clock_us() >= device->rescue_end_us)
		return false;
	device->rescued = rescue_steps(device->status);
	return device->rescued != before;
}

/* All that is left may have to come home by the CPU, which takes its time. */
static int spawn_wait_on(struct device *device)
{
	uint64_t usec = device->broker->rescue_us;
	int ret;

	broker_needs_time(device->broker, usec);
	ret = sd_event_source_set_time_relative(device->kill_timer, usec);
	return ret < 0 ? ret :
		sd_event_source_set_enabled(device->kill_timer,
					    SD_EVENT_ONESHOT);
}

static int spawn_on_kill_timer(sd_event_source *source, uint64_t usec,
			       void *context)
{
	struct device *device = context;

	(void)source;
	(void)usec;
	if (rescue_goes_on(device) && spawn_wait_on(device) >= 0)
		return 0;
	log_warn("%u.%u: worker %d does not end, killed", device->domid,
		 device->devid, (int)device->pid);
	device->is_late = true;
	kill(device->pid, SIGKILL);
	return 0;
}

static void spawn_limit(struct device *device, uint64_t usec)
{
	int ret;

	ret = sd_event_add_time_relative(device->broker->loop,
					 &device->kill_timer, CLOCK_MONOTONIC,
					 usec, 0, spawn_on_kill_timer, device);
	if (ret < 0)
		kill(device->pid, SIGKILL);
}

void worker_stop(struct device *device)
{
	if (device->pid <= 0)
		return;
	spawn_limit(device, SPAWN_STOP_US);
	shutdown(device->control, SHUT_WR);
}

static void rescue_limit(struct device *device)
{
	const struct broker *broker = device->broker;

	device->rescued = 0;
	/* All that there are for one worker, together. */
	if (device->rescuers == 1)
		device->rescue_end_us = clock_us() + broker->rescue_max_us;
	broker_needs_time(broker, broker->rescue_us);
	spawn_limit(device, broker->rescue_us);
}

int worker_rescue(struct device *device)
{
	const struct gpu_ops *gpu = gpu_find_ops(device->gpu_driver);
	int ret;

	if (!device->start.revocable || !gpu || !gpu->move ||
	    device->kept[IPC_START_MODULE] < 0)
		return -ENOENT;
	device->kept[IPC_START_STATUS] = spawn_status_page(device);
	if (device->kept[IPC_START_STATUS] < 0)
		return device->kept[IPC_START_STATUS];
	device->start.rescue = 1;
	device->rescuers++;
	ret = spawn_start(device, device->kept);
	spawn_close(&device->kept[IPC_START_STATUS]);
	if (!ret)
		rescue_limit(device);
	return ret;
}

void worker_kill(struct device *device)
{
	if (device->pid <= 0)
		return;
	sd_event_source_disable_unref(device->child_source);
	device->child_source = NULL;
	kill(device->pid, SIGKILL);
	while (waitpid(device->pid, NULL, 0) < 0 && errno == EINTR)
		;
	worker_release(device);
}

void worker_release(struct device *device)
{
	sd_event_source_disable_unref(device->control_source);
	sd_event_source_disable_unref(device->files_source);
	sd_event_source_disable_unref(device->child_source);
	sd_event_source_disable_unref(device->kill_timer);
	device->control_source = NULL;
	device->files_source = NULL;
	device->child_source = NULL;
	device->kill_timer = NULL;
	spawn_close(&device->control);
	spawn_close(&device->files);
	if (device->status)
		munmap(device->status, sizeof(*device->status));
	device->status = NULL;
	device->pid = 0;
	control_drop(device);
}
