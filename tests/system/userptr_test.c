// SPDX-License-Identifier: MIT
/*
 * userptr-test: the cases that one program in the guest can judge alone.
 *
 * usage: userptr-test CASE | --list
 *
 * Exit code: 0 pass, 1 fail, 77 skip, 99 error; the reason is printed. The
 * GPU behind the backend must be softgpu.
 */
#include <string.h>

#include "ut.h"

static const struct ut_case *const tables[] = {
	ut_create_cases, ut_bind_cases, ut_exec_cases, ut_limit_cases, ut_scenario_cases,
};

#define NR_TABLES	(sizeof(tables) / sizeof(tables[0]))

static void list(void)
{
	const struct ut_case *c;
	size_t t;

	for (t = 0; t < NR_TABLES; t++)
		for (c = tables[t]; c->name && tables[t] != ut_scenario_cases; c++)
			puts(c->name);
}

static const struct ut_case *find(const char *name)
{
	const struct ut_case *c;
	size_t t;

	for (t = 0; t < NR_TABLES; t++)
		for (c = tables[t]; c->name; c++)
			if (!strcmp(name, c->name))
				return c;
	return NULL;
}

int main(int argc, char **argv)
{
	const struct ut_case *c;

	if (argc != 2) {
		fprintf(stderr, "usage: userptr-test CASE | --list\n");
		return 99;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!strcmp(argv[1], "--list")) {
		list();
		return 0;
	}
	c = find(argv[1]);
	if (!c) {
		fprintf(stderr, "userptr-test: no case %s\n", argv[1]);
		return 99;
	}
	c->run();
	return 0;
}
