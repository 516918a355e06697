// SPDX-License-Identifier: MIT
/*
 * The table of the code and the table of DESIGN.md are the same, and the table
 * is sound: whatever waits for an op knows what its end means, whatever waits
 * for anything else has a deadline, every state can be reached and left.
 * Run from the top of the tree.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "chunk.h"

#define BEGIN	"<!-- chunk table: begin -->\n"
#define END	"<!-- chunk table: end -->\n"
#define MAX	32768U

static const struct chunk_step *step(uint32_t state, uint32_t event)
{
	return &chunk_steps[state][event];
}

static bool accepts(uint32_t state, uint32_t event)
{
	return step(state, event)->action != CHUNK_REFUSE;
}

static const char *newest_name(uint32_t newest)
{
	static const char *const names[] = {
		[NEWEST_HOME] = "home", [NEWEST_VRAM] = "VRAM",
		[NEWEST_BOTH] = "both", [NEWEST_FLAG] = "VRAM, or both",
		[NEWEST_NOWHERE] = "-",
	};

	return names[newest];
}

static void print_states(FILE *out)
{
	uint32_t s;

	fprintf(out, "| state | newest contents | a new worker goes on in |\n");
	fprintf(out, "| --- | --- | --- |\n");
	for (s = 0; s < CHUNK_NR_STATES; s++)
		fprintf(out, "| %s | %s | %s |\n", chunk_facts[s].name,
			newest_name(chunk_facts[s].newest),
			chunk_facts[chunk_facts[s].recover].name);
}

static void print_steps(FILE *out)
{
	uint32_t s, e;

	fprintf(out, "\n| state | event | next | action |\n");
	fprintf(out, "| --- | --- | --- | --- |\n");
	for (s = 0; s < CHUNK_NR_STATES; s++)
		for (e = 0; e < CHUNK_NR_EVENTS; e++)
			if (accepts(s, e))
				fprintf(out, "| %s | %s | %s | %s |\n",
					chunk_facts[s].name,
					chunk_event_name(e),
					chunk_facts[step(s, e)->next].name,
					chunk_action_name(step(s, e)->action));
}

static char *file_read(const char *path)
{
	FILE *in = fopen(path, "r");
	char *text = calloc(1, 16 * MAX);

	assert_non_null(text);
	if (!in)
		fail_msg("no %s here: run it from the top of the tree", path);
	assert_true(fread(text, 1, 16 * MAX - 1, in) > 0);
	fclose(in);
	return text;
}

/* On a difference the new text is printed, to be put into the document. */
static void document_agrees(void **state)
{
	char *text = file_read("DESIGN.md"), *begin, *end;
	char *table = calloc(1, MAX);
	FILE *out = fmemopen(table, MAX, "w");

	(void)state;
	assert_non_null(out);
	print_states(out);
	print_steps(out);
	fclose(out);
	begin = strstr(text, BEGIN);
	end = strstr(text, END);
	if (begin && end)
		*end = 0;
	if (!begin || !end || strcmp(begin + strlen(BEGIN), table)) {
		fprintf(stderr, "DESIGN.md must have:\n%s%s%s", BEGIN, table,
			END);
		fail();
	}
	free(table);
	free(text);
}

static void ops_have_ends(void **state)
{
	uint32_t s;

	(void)state;
	for (s = 0; s < CHUNK_NR_STATES; s++) {
		bool op = chunk_facts[s].op != NO_OP;

		assert_int_equal(accepts(s, CHUNK_EV_DONE), op);
		assert_true(!op || accepts(s, CHUNK_EV_FAIL) ||
			    chunk_facts[s].op == MIG_OP_UNBIND);
		/* While an op is in flight nothing else moves the chunk. */
		if (op && accepts(s, CHUNK_EV_WANTED))
			assert_int_equal(step(s, CHUNK_EV_WANTED)->next, s);
		if (op && accepts(s, CHUNK_EV_GONE))
			assert_int_equal(step(s, CHUNK_EV_GONE)->next, s);
	}
}

static void waits_have_deadlines(void **state)
{
	uint32_t s;

	(void)state;
	for (s = CHUNK_NR_REST; s < CHUNK_NR_STATES; s++)
		if (chunk_facts[s].op == NO_OP)
			assert_true(accepts(s, CHUNK_EV_TIME_DRAIN) ||
				    accepts(s, CHUNK_EV_TIME_STOP) ||
				    accepts(s, CHUNK_EV_TIME_LOST));
}

/* A want is heard in every state but those that nothing is ever in. */
static void wants_are_heard(void **state)
{
	uint32_t s;

	(void)state;
	for (s = 0; s < CHUNK_NR_STATES; s++) {
		bool reserved = s == CHUNK_MAPPED || s == CHUNK_HOST;

		assert_int_equal(accepts(s, CHUNK_EV_WANTED), !reserved);
		assert_int_equal(accepts(s, CHUNK_EV_GONE), !reserved);
	}
}

static void reach(uint32_t s, bool *seen)
{
	uint32_t e;

	if (seen[s])
		return;
	seen[s] = true;
	for (e = 0; e < CHUNK_NR_EVENTS; e++)
		if (accepts(s, e))
			reach(step(s, e)->next, seen);
}

static void states_are_reached(void **state)
{
	uint32_t s, r;

	(void)state;
	for (s = 0; s < CHUNK_NR_STATES; s++) {
		bool seen[CHUNK_NR_STATES] = { false };
		bool reserved = s == CHUNK_MAPPED || s == CHUNK_HOST;
		bool rest = false;

		reach(s, seen);
		for (r = 0; r < CHUNK_NR_REST; r++)
			rest |= seen[r];
		assert_true(rest);
		memset(seen, 0, sizeof(seen));
		reach(CHUNK_HOME, seen);
		assert_int_equal(seen[s], !reserved);
	}
}

/* Before the commit point the home frames hold the newest contents. */
static void commit_point(void **state)
{
	uint32_t s;

	(void)state;
	for (s = CHUNK_ALLOCATING; s <= CHUNK_BINDING_OUT; s++) {
		assert_true(chunk_facts[s].newest == NEWEST_HOME ||
			    chunk_facts[s].newest == NEWEST_BOTH);
		assert_false(accepts(s, CHUNK_EV_TIME_KILL));
		assert_false(accepts(s, CHUNK_EV_TIME_LOST));
	}
}

static void names(void **state)
{
	uint32_t i;

	(void)state;
	for (i = 0; i < CHUNK_NR_EVENTS; i++)
		assert_non_null(chunk_event_name(i));
	for (i = 0; i < CHUNK_NR_ACTIONS; i++)
		assert_non_null(chunk_action_name(i));
	for (i = 0; i < MIG_NR_WHYS; i++)
		assert_true(strlen(mig_why_text(i)) > 0);
	assert_string_equal(mig_why_text(MIG_NR_WHYS), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(document_agrees),
		cmocka_unit_test(ops_have_ends),
		cmocka_unit_test(waits_have_deadlines),
		cmocka_unit_test(wants_are_heard),
		cmocka_unit_test(states_are_reached),
		cmocka_unit_test(commit_point),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests_name("chunk-table", tests, NULL, NULL);
}
