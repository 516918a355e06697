// SPDX-License-Identifier: MIT
/*
 * The broker and its workers, which are processes of this program: one that talks
 * without end, in the hands of its guest, keeps it from seeing no other's end.
 */
#include "cm.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
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
#define REASON	"could not"
#define ROUNDS	16U	/* of the loop: fewer than messages that fit in */

static struct broker broker;
static unsigned int nr_gone;
static struct ipc_report gone_report;
static int gone_code;

/* ---- what spawn.c needs of others ---- */

int gpu_select(const char *key, char *path, size_t size,
	       const struct gpu_ops **ops)
{
	(void)key;
	path[0] = '\0';
	(void)size;
	*ops = &fake_gpu_ops;
	return eventfd(0, EFD_CLOEXEC);
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

static int worker_main(void)
{
	struct ipc_report report = { .type = IPC_REPORT_FAILED, .error = -EIO };
	int fds[IPC_START_NR_FDS];
	struct ipc_start start;

	if (ipc_recv(IPC_FD_CONTROL, &start, sizeof(start), fds,
		     IPC_START_NR_FDS) != IPC_START_NR_FDS)
		return 1;
	strcpy(report.text, REASON);
	do {
		if (ipc_send(IPC_FD_CONTROL, &report, sizeof(report), NULL, 0))
			return 2;
	} while (start.devid == TALKER);
	return 7;
}

static void device_start(struct device *device, uint32_t devid)
{
	struct ipc_frontend frontend = { 0 };
	const char *why = "";

	memset(device, 0, sizeof(*device));
	device->broker = &broker;
	device->devid = devid;
	device->control = device->files = device->asker = -1;
	memset(device->kept, -1, sizeof(device->kept));
	assert_int_equal(worker_spawn(device, &frontend, &why), 0);
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
	sigset_t set;

	(void)state;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	assert_int_equal(sigprocmask(SIG_BLOCK, &set, NULL), 0);
	assert_true(sd_event_new(&broker.loop) >= 0);
	broker.lock = eventfd(0, EFD_CLOEXEC);
	device_start(&talker, TALKER);
	device_start(&mortal, MORTAL);
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
	sd_event_unref(broker.loop);
	close(broker.lock);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_talks_the_other_ends),
	};

	if (argc > 1 && !strcmp(argv[1], "--worker"))
		return worker_main();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
