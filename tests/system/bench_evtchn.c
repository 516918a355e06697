// SPDX-License-Identifier: MIT
/*
 * The floor of a round trip between two domains: an event channel, a program at each end,
 * nothing else.
 *
 * usage: bench-evtchn serve DOMID        in dom0: prints its port, then answers
 *        bench-evtchn ping PORT ROUNDS   in the guest: prints the median of the seconds of
 *                                        a round trip as "sample evtchn_round_trip SECONDS"
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenevtchn.h>

#include "program.h"

#define MAX_ROUNDS	10000

static xenevtchn_handle *evtchn;

static void event_take(void)
{
	xenevtchn_port_or_error_t port = xenevtchn_pending(evtchn);

	if (port < 0 || xenevtchn_unmask(evtchn, (evtchn_port_t)port))
		err(99, "event channel");
}

static void __attribute__((noreturn)) serve(uint32_t domid)
{
	xenevtchn_port_or_error_t port = xenevtchn_bind_unbound_port(evtchn, domid);

	if (port < 0)
		err(99, "bind_unbound_port");
	printf("%d\n", port);
	fflush(stdout);
	for (;;) {
		event_take();
		if (xenevtchn_notify(evtchn, (evtchn_port_t)port))
			err(99, "notify");
	}
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void ping(evtchn_port_t remote, unsigned long rounds)
{
	xenevtchn_port_or_error_t port = xenevtchn_bind_interdomain(evtchn, 0, remote);
	static double took[MAX_ROUNDS];
	unsigned long i;
	double start;

	if (port < 0 || !rounds || rounds > MAX_ROUNDS)
		err(99, "bind_interdomain");
	/* A port that was just bound is pending. */
	event_take();
	for (i = 0; i < rounds; i++) {
		start = now();
		if (xenevtchn_notify(evtchn, (evtchn_port_t)port))
			err(99, "notify");
		event_take();
		took[i] = now() - start;
	}
	qsort(took, rounds, sizeof(took[0]), by_size);
	printf("sample evtchn_round_trip %.6f\n", took[rounds / 2]);
}

int main(int argc, char **argv)
{
	evtchn = xenevtchn_open(NULL, 0);
	if (!evtchn)
		err(99, "xenevtchn_open");
	if (argc == 3 && !strcmp(argv[1], "serve"))
		serve((uint32_t)strtoul(argv[2], NULL, 10));
	if (argc != 4 || strcmp(argv[1], "ping"))
		errx(99, "usage: %s serve DOMID | ping PORT ROUNDS", argv[0]);
	ping((evtchn_port_t)strtoul(argv[2], NULL, 10), strtoul(argv[3], NULL, 10));
	xenevtchn_close(evtchn);
	return 0;
}
