// SPDX-License-Identifier: MIT
/*
 * The floor that Xen sets: what a bare libxengnttab map and unmap costs.
 *
 * usage: bench-gnttab DOMID GREFS-FILE ROUNDS
 *
 * Maps all grant references of the file (one a line) in one call, unmaps them,
 * and prints the seconds of each round.
 */
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <xengnttab.h>

#include "program.h"

#define MAX_GREFS 65536

static uint32_t grefs[MAX_GREFS];

static uint32_t grefs_load(const char *path)
{
	FILE *file = fopen(path, "r");
	uint32_t nr = 0;

	if (!file)
		err(99, "%s", path);
	while (nr < MAX_GREFS && fscanf(file, "%u", &grefs[nr]) == 1)
		nr++;
	fclose(file);
	if (!nr)
		errx(99, "%s: no grant references", path);
	return nr;
}

int main(int argc, char **argv)
{
	unsigned long rounds;
	xengnttab_handle *gnttab;
	uint32_t domid, nr;
	double start;
	void *at;

	if (argc != 4)
		errx(99, "usage: %s DOMID GREFS-FILE ROUNDS", argv[0]);
	domid = (uint32_t)strtoul(argv[1], NULL, 10);
	nr = grefs_load(argv[2]);
	gnttab = xengnttab_open(NULL, 0);
	if (!gnttab)
		err(99, "xengnttab_open");
	for (rounds = strtoul(argv[3], NULL, 10); rounds; rounds--) {
		start = now();
		at = xengnttab_map_domain_grant_refs(gnttab, nr, domid, grefs,
						     PROT_READ | PROT_WRITE);
		if (!at)
			err(99, "map of %u grants", nr);
		if (xengnttab_unmap(gnttab, at, nr))
			err(99, "unmap of %u grants", nr);
		printf("%.6f\n", now() - start);
	}
	xengnttab_close(gnttab);
	return 0;
}
