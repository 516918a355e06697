// SPDX-License-Identifier: MIT
/*
 * store-storm: writes a node of xenstore, with the value that it has, until SIGTERM
 * or SIGINT, then prints how often. Every write is an event, none a change.
 *
 * usage: store-storm PATH
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xenstore.h>

static volatile sig_atomic_t told_to_stop;

static void on_signal(int sig)
{
	(void)sig;
	told_to_stop = 1;
}

static int error(const char *what)
{
	fprintf(stderr, "store-storm: %s: %s\n", what, strerror(errno));
	return 99;
}

static int storm(const char *path, uint64_t *count)
{
	struct xs_handle *xs = xs_open(0);
	unsigned int len;
	char *value = xs ? xs_read(xs, XBT_NULL, path, &len) : NULL;

	if (!value)
		return error(path);
	for (; !told_to_stop; ++*count)
		if (!xs_write(xs, XBT_NULL, path, value, len))
			return error(path);
	free(value);
	xs_close(xs);
	return 0;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	uint64_t count = 0;
	int ret;

	if (sigaction(SIGTERM, &action, NULL) || sigaction(SIGINT, &action, NULL))
		return error("signals");
	if (argc != 2) {
		fprintf(stderr, "usage: store-storm PATH\n");
		return 99;
	}
	ret = storm(argv[1], &count);
	if (!ret)
		printf("%" PRIu64 "\n", count);
	return ret;
}
