// SPDX-License-Identifier: MIT
/*
 * The life of a worker: receive the start message, set up, close the sandbox,
 * serve, say why it ended. Started by broker/spawn.c.
 */
#include "worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "log.h"
#include "sandbox.h"

void worker_report(enum ipc_report_type type, int error, const char *text)
{
	struct ipc_report report = { .type = type, .error = error };
	int ret;

	snprintf(report.text, sizeof(report.text), "%s", text);
	ret = ipc_send(IPC_FD_CONTROL, &report, sizeof(report), NULL, 0);
	if (ret)
		log_warn("cannot tell the broker: %s: %s", text,
			 strerror(-error));
}

static int worker_receive(struct worker *worker, int *fds)
{
	struct worker_status *status;
	char who[32];
	int ret;

	ret = ipc_recv(IPC_FD_CONTROL, &worker->start, sizeof(worker->start),
		       fds, IPC_START_NR_FDS);
	if (ret != IPC_START_NR_FDS)
		return ret < 0 ? ret : -EBADMSG;
	snprintf(who, sizeof(who), "userptrd-%u.%u", worker->start.domid,
		 worker->start.devid);
	log_init(who, worker->start.debug != 0);
	prctl(PR_SET_NAME, who);
	worker->module = fds[IPC_START_MODULE];
	ret = journal_open(&worker->journal, fds[IPC_START_JOURNAL],
			   &worker->start.limits);
	if (ret)
		return ret;
	status = mmap(NULL, sizeof(*status), PROT_READ | PROT_WRITE, MAP_SHARED,
		      fds[IPC_START_STATUS], 0);
	if (status == MAP_FAILED)
		return -errno;
	close(fds[IPC_START_STATUS]);
	worker->status = status;
	return 0;
}

static int worker_start(struct worker *worker, const char **why)
{
	int fds[IPC_START_NR_FDS];
	int ret;

	*why = "no start message from the broker";
	ret = worker_receive(worker, fds);
	if (ret)
		return ret;
	if (!worker->start.rescue)
		ret = worker_setup(worker, fds[IPC_START_GPU], why);
	else
		ret = rescue_setup(worker, fds[IPC_START_GPU], why);
	close(fds[IPC_START_GPU]);
	if (ret)
		return ret;
	*why = "cannot give up privileges";
	ret = sandbox_drop();
	if (!ret && !worker->start.rescue)
		ret = worker_serve_init(worker, why);
	else if (!ret)
		ret = rescue_init(worker, why);
	if (ret)
		return ret;
	*why = "cannot close the sandbox";
	return sandbox_enter(worker->start.sandbox_log != 0);
}

/* What an end of the connection looks like to an administrator. */
static const char *worker_reason(int error)
{
	switch (error) {
	case -EPROTO:
		return "the frontend broke the protocol";
	case -ENODEV:
		return "the guest is gone";
	case -ENOMEM:
		return "out of memory";
	case -EBADMSG:
	case -EINVAL:
		return "the journal makes no sense";
	case -ETIMEDOUT:
		return "the connection did not end in time";
	default:
		return "the connection failed";
	}
}

int worker_main(void)
{
	static struct worker worker;
	const char *why;
	int ret;

	log_init("userptrd-worker", false);
	signal(SIGINT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	ret = worker_start(&worker, &why);
	if (ret) {
		worker_report(IPC_REPORT_FAILED, ret, why);
		return EXIT_FAILURE;
	}
	worker_report(IPC_REPORT_READY, 0, "");
	ret = worker.start.rescue ? rescue_run(&worker) :
				    worker_serve(&worker);
	if (ret < 0)
		worker_report(IPC_REPORT_FAILED, ret, worker_reason(ret));
	/* The kernel gives back what is left, in the right order. */
	_exit(ret < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}
