// SPDX-License-Identifier: MIT
/*
 * userptrd: the backend daemon. This file reads the options, makes sure that
 * there is one broker only, and becomes a broker or a worker.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker.h"
#include "rundir.h"
#include "worker.h"


enum userptrd_option {
	OPT_WORKER = 256,
	OPT_SANDBOX_LOG,
	OPT_KEEP_TRYING,
};

static const struct option userptrd_options[] = {
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ "debug", no_argument, NULL, 'd' },
	{ "sandbox-log", no_argument, NULL, OPT_SANDBOX_LOG },
	{ "keep-trying", no_argument, NULL, OPT_KEEP_TRYING },
	{ "worker", no_argument, NULL, OPT_WORKER },
	{ NULL, 0, NULL, 0 },
};

static void userptrd_help(FILE *out)
{
	fputs("usage: userptrd [--debug] [--sandbox-log] [--keep-trying]\n"
	      "\n"
	      "Lets guests of this Xen host use the GPU of this domain on their own memory.\n"
	      "Stays in the foreground and logs to standard error.\n"
	      "\n"
	      "  -d, --debug        log every step\n"
	      "      --sandbox-log  log what a worker's sandbox would kill, and let it pass\n"
	      "      --keep-trying  serve a device again however often its worker died\n"
	      "  -h, --help         this text\n"
	      "  -V, --version      the version\n", out);
}

/*
 * Workers hold the lock too: a new broker begins when the last process of the
 * old one is gone, and so never meets a connection that is still served.
 */
static int userptrd_lock(void)
{
	int lock;

	if (mkdir(RUNDIR, 0700) < 0 && errno != EEXIST)
		goto err;
	lock = open(RUNDIR_LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (lock < 0)
		goto err;
	if (flock(lock, LOCK_EX | LOCK_NB) == 0)
		return lock;
	log_info("waiting for the end of another userptrd");
	if (flock(lock, LOCK_EX) == 0)
		return lock;
	close(lock);
err:
	log_err("cannot lock %s: %s", RUNDIR_LOCK, strerror(errno));
	return -errno;
}

static int userptrd_run(struct broker *broker)
{
	int ret;

	log_init("userptrd", broker->debug);
	broker->lock = userptrd_lock();
	if (broker->lock < 0)
		return EXIT_FAILURE;
	ret = broker_init(broker);
	if (!ret)
		ret = broker_run(broker);
	if (ret < 0)
		log_err("ends: %s", strerror(-ret));
	broker_fini(broker);
	return ret < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	static struct broker broker;
	int option;

	while ((option = getopt_long(argc, argv, "hVd", userptrd_options,
				     NULL)) != -1) {
		switch (option) {
		case 'h':
			userptrd_help(stdout);
			return EXIT_SUCCESS;
		case 'V':
			puts("userptrd " XU_VERSION);
			return EXIT_SUCCESS;
		case 'd':
			broker.debug = true;
			break;
		case OPT_SANDBOX_LOG:
			broker.sandbox_log = true;
			break;
		case OPT_KEEP_TRYING:
			broker.keep_trying = true;
			break;
		case OPT_WORKER:
			return worker_main();
		default:
			userptrd_help(stderr);
			return 2;
		}
	}
	if (optind != argc) {
		userptrd_help(stderr);
		return 2;
	}
	return userptrd_run(&broker);
}
