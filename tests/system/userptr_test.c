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
	ut_create_cases, ut_bind_cases, ut_exec_cases, ut_limit_cases,
};

#define FOR_EACH_CASE(t, c) \
	for (t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) \
		for (c = tables[t]; c->name; c++)

int main(int argc, char **argv)
{
	const struct ut_case *c;
	size_t t;

	if (argc != 2) {
		fprintf(stderr, "usage: userptr-test CASE | --list\n");
		return 99;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	FOR_EACH_CASE(t, c) {
		if (!strcmp(argv[1], "--list")) {
			puts(c->name);
		} else if (!strcmp(argv[1], c->name)) {
			c->run();
			return 0;
		}
	}
	if (!strcmp(argv[1], "--list"))
		return 0;
	fprintf(stderr, "userptr-test: no case %s\n", argv[1]);
	return 99;
}
