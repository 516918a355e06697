// SPDX-License-Identifier: MIT
/*
 * Runs commands in a guest for dom0's test scripts, through xenstore alone, so
 * that it works whatever the subject of the test does to disk, network and
 * grants.
 *
 * A job is a directory data/rig/ID below the guest's own node: dom0 writes
 * "cmd"; the guest writes "out/N" (pieces of output in order) and at the end
 * "rc". dom0 removes the directory; the guest takes a vanished running job as
 * the wish to kill it. Every wait is a watch.
 *
 * rig-agent serve                         in the guest, for ever
 * rig-agent run DOMID SECONDS CMD         in dom0; exit code of CMD, 124 when it
 *                                         took too long, 125 when the guest is gone
 * rig-agent node PATH SECONDS [VALUE]     wait until the node exists (and has VALUE)
 * rig-agent gone DOMID SECONDS            wait until the domain is released
 * rig-agent report                        in dom0: stdin to the host, by QEMU's
 *                                         debug port, which needs no interrupt
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <xenstore.h>

#define MAX_JOBS 8
#define REPORT_PORT 0x3e0
#define PIECE_BYTES 1024
#define MAX_PIECES 256
#define PATH_BYTES 128

struct job {
	bool used;
	char id[32];
	pid_t pid;
	int pidfd;
	int out;
	unsigned int pieces;
};

static struct job jobs[MAX_JOBS];
static struct xs_handle *xs;

static bool node_write(const char *path, const void *data, size_t len)
{
	return xs_write(xs, XBT_NULL, path, data, (unsigned int)len);
}

/* A child that leads its own process group, so that all of it can be killed. */
static bool job_spawn(struct job *job, const char *cmd)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC))
		return false;
	job->pid = fork();
	if (job->pid == 0) {
		setpgid(0, 0);
		dup2(fds[1], STDOUT_FILENO);
		dup2(fds[1], STDERR_FILENO);
		execl("/bin/sh", "sh", "-c", cmd, (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	if (job->pid < 0) {
		close(fds[0]);
		return false;
	}
	job->out = fds[0];
	job->pidfd = (int)syscall(SYS_pidfd_open, job->pid, 0);
	if (job->pidfd < 0) {
		kill(-job->pid, SIGKILL);
		waitpid(job->pid, NULL, 0);
		close(job->out);
		return false;
	}
	fcntl(job->out, F_SETFL, O_NONBLOCK);
	return true;
}

static struct job *job_find(const char *id)
{
	for (struct job *j = jobs; j < jobs + MAX_JOBS; j++)
		if (j->used && strcmp(j->id, id) == 0)
			return j;
	return NULL;
}

static void job_start(const char *id, const char *cmd)
{
	struct job *job = jobs;

	while (job < jobs + MAX_JOBS && job->used)
		job++;
	if (job == jobs + MAX_JOBS || strlen(id) >= sizeof(job->id)) {
		fprintf(stderr, "rig-agent: no room for job %s\n", id);
		return;
	}
	memset(job, 0, sizeof(*job));
	snprintf(job->id, sizeof(job->id), "%s", id);
	job->used = job_spawn(job, cmd);
	if (!job->used)
		fprintf(stderr, "rig-agent: fork: %s\n", strerror(errno));
}

/* Also to our own output, which is the guest's console and ends in its log. */
static void job_drain(struct job *job)
{
	char buf[PIECE_BYTES], path[PATH_BYTES];
	ssize_t n;

	while ((n = read(job->out, buf, sizeof(buf))) > 0) {
		if (write(STDOUT_FILENO, buf, (size_t)n) < 0)
			continue;
		if (job->pieces == MAX_PIECES)
			continue;
		snprintf(path, sizeof(path), "data/rig/%s/out/%u", job->id,
			 job->pieces++);
		node_write(path, buf, (size_t)n);
	}
	if (n == 0) {
		close(job->out);
		job->out = -1;
	}
}

static void job_finish(struct job *job)
{
	char path[PATH_BYTES], text[16];
	int status = 0, rc;

	waitpid(job->pid, &status, 0);
	if (job->out >= 0)
		job_drain(job);
	rc = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	snprintf(path, sizeof(path), "data/rig/%s/rc", job->id);
	snprintf(text, sizeof(text), "%d", rc);
	node_write(path, text, strlen(text));
	if (job->out >= 0)
		close(job->out);
	close(job->pidfd);
	job->used = false;
}

/* dom0 wrote or removed something below data/rig. */
static void serve_watch(void)
{
	unsigned int n;
	char **event = xs_read_watch(xs, &n);
	char id[32], path[PATH_BYTES], *cmd;
	struct job *job;

	if (!event)
		return;
	if (sscanf(event[XS_WATCH_PATH], "data/rig/%31[0-9]", id) == 1) {
		snprintf(path, sizeof(path), "data/rig/%s/cmd", id);
		cmd = xs_read(xs, XBT_NULL, path, NULL);
		job = job_find(id);
		if (cmd && !job && strstr(event[XS_WATCH_PATH], "/cmd"))
			job_start(id, cmd);
		if (!cmd && errno == ENOENT && job)
			kill(-job->pid, SIGKILL);
		free(cmd);
	}
	free(event);
}

static int serve(void)
{
	struct pollfd fds[1 + 2 * MAX_JOBS];

	if (!xs_watch(xs, "data/rig", "rig")) {
		perror("rig-agent: watch");
		return 1;
	}
	node_write("data/rig-ready", "1", 1);
	for (;;) {
		fds[0] = (struct pollfd){ xs_fileno(xs), POLLIN, 0 };
		for (int i = 0; i < MAX_JOBS; i++) {
			fds[1 + 2 * i].fd = jobs[i].used ? jobs[i].out : -1;
			fds[2 + 2 * i].fd = jobs[i].used ? jobs[i].pidfd : -1;
			fds[1 + 2 * i].events = POLLIN;
			fds[2 + 2 * i].events = POLLIN;
		}
		if (poll(fds, 1 + 2 * MAX_JOBS, -1) < 0)
			continue;
		if (fds[0].revents)
			serve_watch();
		for (int i = 0; i < MAX_JOBS; i++) {
			if (fds[1 + 2 * i].revents && jobs[i].out >= 0)
				job_drain(&jobs[i]);
			if (fds[2 + 2 * i].revents & POLLIN)
				job_finish(&jobs[i]);
		}
	}
}

/* ---- dom0's side ---- */

static char *node_read(const char *base, const char *leaf, unsigned int *len)
{
	char path[PATH_BYTES + 32];

	snprintf(path, sizeof(path), "%s/%s", base, leaf);
	return xs_read(xs, XBT_NULL, path, len);
}

static void pieces_print(const char *base, unsigned int *next)
{
	char leaf[32], *data;
	unsigned int len;

	for (;; (*next)++) {
		snprintf(leaf, sizeof(leaf), "out/%u", *next);
		data = node_read(base, leaf, &len);
		if (!data)
			break;
		fwrite(data, 1, len, stdout);
		free(data);
	}
	fflush(stdout);
}

/* Milliseconds until the deadline, never negative. */
static int time_left(const struct timespec *deadline)
{
	struct timespec now;
	long long ms;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ms = (deadline->tv_sec - now.tv_sec) * 1000LL +
	     (deadline->tv_nsec - now.tv_nsec) / 1000000;
	return ms > 0 ? (int)ms : 0;
}

/* One watch event, or false at the deadline. */
static bool wait_event(const struct timespec *deadline)
{
	struct pollfd fd = { xs_fileno(xs), POLLIN, 0 };
	unsigned int n;
	char **event;

	if (poll(&fd, 1, time_left(deadline)) <= 0)
		return false;
	event = xs_read_watch(xs, &n);
	free(event);
	return true;
}

static int job_wait(const char *base, unsigned int domid,
		    const struct timespec *deadline)
{
	unsigned int next = 0;
	char *rc;
	int code;

	for (;;) {
		rc = node_read(base, "rc", NULL);
		pieces_print(base, &next);
		if (rc) {
			code = atoi(rc);
			free(rc);
			return code;
		}
		if (!xs_is_domain_introduced(xs, domid)) {
			fprintf(stderr, "rig-agent: domain %u is gone\n", domid);
			return 125;
		}
		if (!wait_event(deadline)) {
			fprintf(stderr, "rig-agent: time limit\n");
			return 124;
		}
	}
}

static struct timespec deadline_after(const char *seconds)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += atoi(seconds);
	return t;
}

static int run(unsigned int domid, const struct timespec *deadline,
	       const char *cmd)
{
	char base[PATH_BYTES], path[PATH_BYTES + 8];
	int code;

	snprintf(base, sizeof(base), "/local/domain/%u/data/rig/%d", domid,
		 getpid());
	snprintf(path, sizeof(path), "%s/cmd", base);
	if (!xs_watch(xs, base, "job") || !xs_watch(xs, "@releaseDomain", "gone") ||
	    !xs_is_domain_introduced(xs, domid) ||
	    !node_write(path, cmd, strlen(cmd))) {
		fprintf(stderr, "rig-agent: cannot reach domain %u\n", domid);
		return 125;
	}
	code = job_wait(base, domid, deadline);
	xs_rm(xs, XBT_NULL, base);
	return code;
}

static int wait_node(const char *path, const struct timespec *deadline,
		     const char *want)
{
	char *value;
	bool match;

	if (!xs_watch(xs, path, "node"))
		return 125;
	do {
		value = xs_read(xs, XBT_NULL, path, NULL);
		match = value && (!want || strcmp(value, want) == 0);
		free(value);
		if (match)
			return 0;
	} while (wait_event(deadline));
	return 124;
}

static int wait_gone(unsigned int domid, const struct timespec *deadline)
{
	if (!xs_watch(xs, "@releaseDomain", "gone"))
		return 125;
	while (xs_is_domain_introduced(xs, domid))
		if (!wait_event(deadline))
			return 124;
	return 0;
}

static int report(void)
{
	int port = open("/dev/port", O_RDWR), c;

	if (port < 0) {
		perror("rig-agent: /dev/port");
		return 1;
	}
	while ((c = getchar()) != EOF)
		if (pwrite(port, &(char){ (char)c }, 1, REPORT_PORT) != 1)
			return 1;
	return 0;
}

static int usage(void)
{
	fprintf(stderr, "usage: rig-agent serve | run DOMID SECONDS CMD |\n"
		"       node PATH SECONDS [VALUE] | gone DOMID SECONDS | report\n");
	return 2;
}

int main(int argc, char **argv)
{
	struct timespec deadline = deadline_after(argc > 3 ? argv[3] : "0");
	unsigned int domid = argc > 2 ? (unsigned int)atoi(argv[2]) : 0;

	if (argc < 2)
		return usage();
	if (argc == 2 && strcmp(argv[1], "report") == 0)
		return report();
	xs = xs_open(0);
	if (!xs) {
		perror("rig-agent: xenstore");
		return 125;
	}
	if (argc == 2 && strcmp(argv[1], "serve") == 0)
		return serve();
	if (argc == 5 && strcmp(argv[1], "run") == 0)
		return run(domid, &deadline, argv[4]);
	if ((argc == 4 || argc == 5) && strcmp(argv[1], "node") == 0)
		return wait_node(argv[2], &deadline, argc == 5 ? argv[4] : NULL);
	if (argc == 4 && strcmp(argv[1], "gone") == 0)
		return wait_gone(domid, &deadline);
	return usage();
}
