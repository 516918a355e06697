// SPDX-License-Identifier: MIT
/*
 * The backend's side of the tests of revocable grants, run in dom0.
 *
 * rv-backend [-r|-n] [-o ram|SYSFS-DIRECTORY] DOMID TEST [ARGUMENT...] -- GREF...
 *
 *   script STEP...   see rv-script.c
 *   cycles N SEED    take pages away and give them back in batches, N in all, while
 *                    the guest works on them
 *   threads N SECONDS SEED
 *                    N threads doing that for some time, each on its own pages
 *   states           every operation in every state
 *   refuse STATUS    arming each page is refused with this status
 *   bench N          times of batches, N times
 *   race SECONDS SEED WHICH
 *                    others map and copy the page while it is revoked; see rv-race.c
 *   armrace SEED     pages are unmapped while they are armed; see rv-arm.c
 *   latency N        the time from REVOKE to the end of the want, N times
 *   percentiles N    how long REVOKE of all pages takes, N times
 *   answer N         revoke page 0, tell the guest's module by page 1 to touch it, and
 *                    answer its want, N times
 *
 * -r maps the pages read-only, -n does not: another process does. -o gives each page
 * memory that may stand in for it: RAM of dom0, or BAR 2 of a PCI device.
 */
#include "rv-script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void run_test(int argc, char **argv, enum other kind)
{
	const char *name = argv[0];
	uint64_t a[4] = { 0, 10, 1, 1 };
	int i;

	for (i = 1; i < argc && i < 4; i++)
		a[i] = strtoull(argv[i], NULL, 0);
	if (!strcmp(name, "script")) {
		script_run(argc - 1, argv + 1);
	} else if (!strcmp(name, "cycles")) {
		channel_open();
		arm_all();
		cycle_threads(1, a[1], 100000, a[2], kind);
	} else if (!strcmp(name, "threads")) {
		channel_open();
		arm_all();
		cycle_threads(a[1], ~0ULL, a[2], a[3], kind);
	} else if (!strcmp(name, "race")) {
		race_run(a[1], a[2], a[3]);
	} else if (!strcmp(name, "armrace")) {
		race_arm(a[1]);
	} else if (!case_run(argc, argv)) {
		die("no test %s", name);
	}
}

int main(int argc, char **argv)
{
	enum other kind = OTHER_NONE;
	const char *resource = NULL;
	bool writable = true, map = true;
	int i, c, first, args;

	while ((c = getopt(argc, argv, "+rno:")) != -1) {
		if (c == 'r') {
			writable = false;
		} else if (c == 'n') {
			map = false;
		} else if (c == 'o') {
			kind = strcmp(optarg, "ram") ? OTHER_MMIO : OTHER_RAM;
			resource = optarg;
		} else {
			die("usage: rv-backend [-r|-n] [-o ram|DIRECTORY] DOMID TEST ... -- GREF...");
		}
	}
	first = optind + 1;
	for (args = first; args < argc && strcmp(argv[args], "--"); args++)
		;
	if (args >= argc || args == first)
		die("usage: rv-backend [-r|-n] [-o ram|DIRECTORY] DOMID TEST ... -- GREF...");
	domid = strtoul(argv[optind], NULL, 0);
	for (i = args + 1; i < argc && nr_pages < MAX_PAGES; i++)
		pages[nr_pages++].gref = strtoul(argv[i], NULL, 0);
	gnttab_open();
	if (map)
		map_pages(writable);
	others_open(kind, resource);
	run_test(args - first, argv + first, kind);
	printf("ok\n");
	return 0;
}
