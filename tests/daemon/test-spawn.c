// SPDX-License-Identifier: MIT
/*
 * The broker and its workers, which are processes of this program: one that talks
 * without end, in the hands of its guest, keeps it from seeing no other's end.
 */
#include "cm.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/sockios.h>

#include "broker.h"
#include "fake-gpu.h"
#include "gpu.h"
#include "journal.h"
#include "module.h"

#define TALKER	1U	/* devid */
#define MORTAL	2U
#define ASKER	3U
#define WAITER	4U	/* until the broker hangs up */
#define REASON	"could not"
#define ROUNDS	16U	/* of the loop: fewer than messages that fit in */

#define OTHER_GPU "/dev/full"

static const struct gpu_ops other_ops = { .driver = "other" };
static struct broker broker;
static unsigned int nr_gone;
static struct ipc_report gone_report;
static int gone_code;
static unsigned int nr_extended;	/* times that systemd was told to wait */

/* ---- what spawn.c needs of others ---- */

int gpu_select(const char *key, char *path, size_t size,
	       const struct gpu_ops **ops)
{
	int node;

	/* Devices that each machine has; OTHER_GPU is of another driver. */
	snprintf(path, size, "%s", key);
	*ops = strcmp(key, OTHER_GPU) ? &fake_gpu_ops : &other_ops;
	node = open(path, O_RDWR | O_CLOEXEC);
	return node < 0 ? -errno : node;
}

const struct gpu_ops *gpu_find_ops(const char *driver)
{
	(void)driver;
	return &fake_gpu_ops;
}

int module_open(uint16_t domid, uint64_t max_pages)
{
	(void)domid;
	(void)max_pages;
	return eventfd(0, EFD_CLOEXEC);
}

bool module_is_revocable(void)
{
	return true;
}

int journal_create(const struct core_limits *limits)
{
	(void)limits;
	return eventfd(0, EFD_CLOEXEC);
}

void device_worker_ready(struct device *device)
{
	(void)device;
}

void device_worker_gone(struct device *device, int code, int status)
{
	(void)code;
	gone_report = device->report;
	gone_code = status;
	nr_gone++;
	worker_release(device);
}

void broker_needs_time(const struct broker *needy, uint64_t usec)
{
	assert_ptr_equal(needy, &broker);
	assert_int_equal(usec, broker.rescue_us);
	nr_extended++;
}

void control_drop(struct device *device)
{
	(void)device;
}

void control_answer(struct device *device, const struct ipc_report *report)
{
	(void)device;
	(void)report;
}

/* ---- the workers ---- */

/* Asks for a GPU; the device that it got, or 0 and *@error. */
static dev_t ask_gpu(uint32_t gpu, int *error)
{
	const struct ipc_files_req req = { .what = IPC_FILES_OPEN_GPU,
					   .gpu = gpu };
	struct ipc_files_rsp rsp = { 0 };
	struct stat status;
	int node;

	if (ipc_send(IPC_FD_FILES, &req, sizeof(req), NULL, 0) ||
	    ipc_recv(IPC_FD_FILES, &rsp, sizeof(rsp), &node, 1) != 1 ||
	    fstat(node, &status)) {
		*error = rsp.error;
		return 0;
	}
	*error = 0;
	return status.st_rdev;
}

/* Two there are, and they differ; what is said of more is checked. */
static bool gpus_are_right(void)
{
	static const uint32_t none[] = { 2, XENUSERPTR_MAX_GPUS, UINT32_MAX };
	dev_t first, second;
	size_t i;
	int error;

	first = ask_gpu(0, &error);
	second = ask_gpu(1, &error);
	if (!first || !second || first == second)
		return false;
	for (i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		if (ask_gpu(none[i], &error) || error != -ENODEV)
			return false;
	return true;
}

static int worker_main(void)
{
	struct ipc_report report = { .type = IPC_REPORT_FAILED, .error = -EIO };
	int fds[IPC_START_NR_FDS];
	struct ipc_start start;

	if (ipc_recv(IPC_FD_CONTROL, &start, sizeof(start), fds,
		     IPC_START_NR_FDS) != IPC_START_NR_FDS)
		return 1;
	strcpy(report.text, REASON);
	if (start.devid == ASKER)
		return start.nr_gpus == 2 && gpus_are_right() ? 9 : 3;
	if (start.devid == WAITER)
		return ipc_recv(IPC_FD_CONTROL, &start, sizeof(start), NULL, 0) ? 8 : 0;
	do {
		if (ipc_send(IPC_FD_CONTROL, &report, sizeof(report), NULL, 0))
			return 2;
	} while (start.devid == TALKER);
	return 7;
}

static int device_try(struct device *device, uint32_t devid, const char *keys,
		      const char **why)
{
	struct ipc_frontend frontend = { 0 };

	memset(device, 0, sizeof(*device));
	device->broker = &broker;
	device->devid = devid;
	device->control = device->files = -1;
	memset(device->kept, -1, sizeof(device->kept));
	assert_int_equal(config_parse_gpus(keys, &device->config.gpus), 0);
	return worker_spawn(device, &frontend, why);
}

static void device_start(struct device *device, uint32_t devid,
			 const char *keys)
{
	const char *why = "";

	assert_int_equal(device_try(device, devid, keys, &why), 0);
}

static int octets_waiting(int sock)
{
	int octets = 0;

	assert_int_equal(ioctl(sock, SIOCINQ, &octets), 0);
	return octets;
}

/* It goes on as soon as there is room again. */
static void wait_until_full(int sock)
{
	int before;

	do {
		before = octets_waiting(sock);
		usleep(50000);
	} while (!before || octets_waiting(sock) != before);
	assert_true(before > (int)(2 * ROUNDS * sizeof(struct ipc_report)));
}

static void test_one_talks_the_other_ends(void **state)
{
	struct device talker, mortal;
	unsigned int nr;
	siginfo_t info;

	(void)state;
	device_start(&talker, TALKER, "/dev/null");
	device_start(&mortal, MORTAL, "/dev/null");
	/* It has ended, and the other one has said as much as there is room for. */
	assert_int_equal(waitid(P_PID, (id_t)mortal.pid, &info,
				WEXITED | WNOWAIT), 0);
	wait_until_full(talker.control);
	for (nr = 0; nr < ROUNDS && !nr_gone; nr++)
		assert_true(sd_event_run(broker.loop, 1000000) >= 0);
	assert_int_equal(nr_gone, 1);
	assert_int_equal(mortal.pid, 0);
	assert_int_equal(gone_code, 7);
	/* The reason before the end. */
	assert_int_equal(gone_report.type, IPC_REPORT_FAILED);
	assert_string_equal(gone_report.text, REASON);
	worker_kill(&talker);
	worker_forget(&talker);
	worker_forget(&mortal);
}

/* A worker gets files of the GPUs of its device, and of no other. */
static void test_files_of_each_gpu(void **state)
{
	struct device asker;
	unsigned int nr;

	(void)state;
	device_start(&asker, ASKER, "/dev/null,/dev/zero");
	for (nr = 0; nr < ROUNDS && !nr_gone; nr++)
		assert_true(sd_event_run(broker.loop, 5000000) >= 0);
	assert_int_equal(nr_gone, 1);
	assert_int_equal(gone_code, 9);
	worker_forget(&asker);
}

static void test_gpus_that_do_not_fit(void **state)
{
	static const struct {
		const char *keys;
		int error;
		const char *why;
	} bad[] = {
		{ "/dev/null,/dev/zero,/dev/../dev/null", -EEXIST,
		  "a GPU is named twice" },
		{ "/dev/null,/dev/full", -EXDEV,
		  "the GPUs have different drivers" },
		{ "/dev/null,/dev/nothing", -ENOENT, "GPU" },
		{ "/dev/nothing", -ENOENT, "GPU" },
	};
	int before = eventfd(0, EFD_CLOEXEC), after;
	struct device device;
	const char *why;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(device_try(&device, MORTAL, bad[i].keys, &why),
				 bad[i].error);
		assert_string_equal(why, bad[i].why);
	}
	/* Nothing was left open. */
	close(before);
	after = eventfd(0, EFD_CLOEXEC);
	assert_int_equal(after, before);
	close(after);
}

/* A worker that has died, and its rescuer. */
static void rescuer_start(struct device *device)
{
	device_start(device, WAITER, "/dev/null");
	worker_kill(device);
	nr_extended = 0;
	assert_int_equal(worker_rescue(device), 0);
	assert_int_equal(nr_extended, 1);
	/* The test says what the rescuer would. */
	assert_int_equal(mprotect(device->status, sizeof(*device->status),
				  PROT_READ | PROT_WRITE), 0);
}

static void limit_passes(void)
{
	assert_true(sd_event_run(broker.loop, UINT64_MAX) > 0);
}

static void assert_killed(struct device *device)
{
	while (!nr_gone)
		limit_passes();
	assert_int_equal(gone_code, SIGKILL);
	assert_true(device->is_late);
	worker_forget(device);
}

/* As long as something comes home, is lost, or is on its way, there is more to be had. */
static void test_rescuer_that_is_slow(void **state)
{
	_Atomic uint64_t *steps[4];
	struct device device;
	unsigned int nr;

	(void)state;
	rescuer_start(&device);
	steps[0] = &device.status->mig_home;
	steps[1] = &device.status->mig_lost;
	steps[2] = &device.status->time[0].count;
	steps[3] = &device.status->time[MIG_NR_TIMES - 1].count;
	for (nr = 1; nr < 5; nr++) {
		status_add(steps[nr - 1], 1);
		limit_passes();
		assert_int_equal(nr_gone, 0);
		assert_false(device.is_late);
		assert_int_equal(nr_extended, 1 + nr);
	}
	assert_killed(&device);
	assert_int_equal(nr_extended, 5);
}

/* It may be lying. */
static void test_rescuer_without_end(void **state)
{
	struct device device;

	(void)state;
	broker.rescue_max_us = 0;
	rescuer_start(&device);
	status_add(&device.status->mig_home, 1);
	assert_killed(&device);
}

static int setup(void **state)
{
	sigset_t set;

	(void)state;
	nr_gone = 0;
	broker.rescue_us = 20000;
	broker.rescue_max_us = UINT32_MAX;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	assert_int_equal(sigprocmask(SIG_BLOCK, &set, NULL), 0);
	assert_true(sd_event_new(&broker.loop) >= 0);
	broker.lock = eventfd(0, EFD_CLOEXEC);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	sd_event_unref(broker.loop);
	close(broker.lock);
	return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(test_one_talks_the_other_ends),
		T(test_files_of_each_gpu),
		T(test_gpus_that_do_not_fit),
		T(test_rescuer_that_is_slow),
		T(test_rescuer_without_end),
	};

	if (argc > 1 && !strcmp(argv[1], "--worker"))
		return worker_main();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
