// SPDX-License-Identifier: MIT
/*
 * userptr-test: the cases that one program in the guest can judge alone.
 *
 * usage: userptr-test CASE | --list | --group GROUP
 *
 * Exit code of a case: 0 pass, 1 fail, 77 skip, 99 error; the reason is printed.
 * --group runs the cases of a group, each in a process of its own, and prints
 * "pass CASE", "fail CASE", "skip CASE" or "error CASE" after what it printed. The
 * GPU behind the backend must be softgpu.
 */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ut.h"

static const struct ut_case *const tables[] = {
	ut_create_cases, ut_bind_cases, ut_exec_cases, ut_limit_cases, ut_scenario_cases,
	ut_memory_cases, ut_process_cases, ut_va_cases, ut_style_cases, ut_async_cases,
	ut_blits_cases, ut_share_cases, ut_gpus_cases, ut_mm_cases, ut_stress_cases, ut_fail_cases, ut_apart_cases,
};

#define NR_TABLES	(sizeof(tables) / sizeof(tables[0]))

static bool for_scenarios(const struct ut_case *table)
{
	return table == ut_scenario_cases || table == ut_apart_cases;
}

static void list(void)
{
	const struct ut_case *c;
	size_t t;

	for (t = 0; t < NR_TABLES; t++)
		for (c = tables[t]; c->name && !for_scenarios(tables[t]); c++)
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

static const char *word_of(int status)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return "pass";
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		return "skip";
	if (WIFEXITED(status) && WEXITSTATUS(status) == 99)
		return "error";
	return "fail";
}

/* Returns how to end: 0 if no case failed or could not be run. */
static int run_group(const struct ut_case *c)
{
	int status, result = 0;
	pid_t child;

	for (; c->name; c++) {
		fflush(stdout);
		child = fork();
		if (child == 0) {
			c->run();
			exit(0);
		}
		if (child < 0 || waitpid(child, &status, 0) != child)
			ut_error("fork");
		printf("%s %s\n", word_of(status), c->name);
		if (strcmp(word_of(status), "pass") && strcmp(word_of(status), "skip"))
			result = 1;
	}
	return result;
}

static const struct {
	const char *name;
	const struct ut_case *cases;
} groups[] = {
	{ "create", ut_create_cases },
	{ "bind", ut_bind_cases },
	{ "exec", ut_exec_cases },
	{ "limit", ut_limit_cases },
	{ "memory", ut_memory_cases },
	{ "process", ut_process_cases },
	{ "va", ut_va_cases },
	{ "style", ut_style_cases },
	{ "async", ut_async_cases },
	{ "blits", ut_blits_cases },
	{ "share", ut_share_cases },
	{ "gpus", ut_gpus_cases },
	{ "mm", ut_mm_cases },
	{ "stress", ut_stress_cases },
	{ "fail", ut_fail_cases },
};

static int run_group_named(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (!strcmp(name, groups[i].name))
			return run_group(groups[i].cases);
	fprintf(stderr, "userptr-test: no group %s\n", name);
	return 99;
}

int main(int argc, char **argv)
{
	const struct ut_case *c;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 3 && !strcmp(argv[1], "--group"))
		return run_group_named(argv[2]);
	if (argc != 2) {
		fprintf(stderr, "usage: userptr-test CASE | --list | --group GROUP\n");
		return 99;
	}
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
