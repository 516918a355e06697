// SPDX-License-Identifier: MIT
/*
 * VRAM that stays for the next chunk: who gets it, when it is given back, and when
 * none may stay.
 */
#include "cm.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "fake-fail.h"
#include "fake-gpu.h"
#include "mover-spare.h"
#include "moverworld.h"

static const struct core_limits limits = {
	.max_pages = 64,
	.max_objects = 4,
	.max_vms = 2,
	.max_mappings = 64,
	.max_jobs = 8,
	.max_requests = 8,
	.max_bind_ops = 8,
};

/* With the VRAM of one chunk spare, which a VM had bound. */
static void spare_make(uint64_t vram_pages)
{
	world_make();
	mover_spare_limit(&mover, vram_pages);
	assert_int_equal(run(MIG_OP_ALLOC, 0, NULL), MIG_OK);
	assert_int_equal(run(MIG_OP_BIND, MIG_OP_VRAM, NULL), MIG_OK);
	assert_int_equal(run(MIG_OP_FREE, 0, NULL), MIG_OK);
}

static void rest(void)
{
	struct move move = { .kind = MOVE_REST };
	struct work work = { .kind = WORK_MOVE, .move = &move };

	mover_run(&mover, &work);
}

/* Its place and its handles stay with it. */
static void next_chunk_takes_it(void **state)
{
	unsigned int calls, imports;
	struct move move;

	(void)state;
	spare_make(1024);
	assert_int_equal(fake_gpu.vram, 1);
	calls = fake_gpu.place_calls;
	imports = fake_gpu.imports;
	chunk_first = FIRST - PAGES;
	assert_int_equal(run(MIG_OP_ALLOC, 0, NULL), MIG_OK);
	assert_int_equal(run(MIG_OP_BIND, MIG_OP_VRAM, NULL), MIG_OK);
	assert_int_equal(fake_gpu.vram, 1);
	assert_int_equal(fake_gpu.place_calls, calls);
	assert_int_equal(fake_gpu.imports, imports);
	assert_int_equal(run(MIG_OP_COPY, MIG_OP_VRAM, &move), MIG_OK);
	assert_int_equal(fake_gpu.last_copy.dst, FAKE_PLACE_START);
	mover_copied(&mover, move.slot);
	/* The chunk that had it has none. */
	chunk_first = FIRST;
	assert_int_equal(run(MIG_OP_COPY, 0, NULL), MIG_FAILED);
	assert_int_equal(run(MIG_OP_ALLOC, 0, NULL), MIG_OK);
	assert_int_equal(fake_gpu.vram, 2);
	world_end();
}

static void another_size_does_not(void **state)
{
	(void)state;
	spare_make(1024);
	chunk_nr = PAGES / 2;
	assert_int_equal(run(MIG_OP_ALLOC, 0, NULL), MIG_OK);
	assert_int_equal(fake_gpu.vram, 2);
	chunk_nr = PAGES;
	chunk_first = FIRST - PAGES;
	assert_int_equal(run(MIG_OP_ALLOC, 0, NULL), MIG_OK);
	assert_int_equal(fake_gpu.vram, 2);
	world_end();
}

static void rest_gives_it_back(void **state)
{
	unsigned int imports;

	(void)state;
	spare_make(1024);
	imports = fake_gpu.imports;
	rest();
	assert_int_equal(fake_gpu.vram, 0);
	/* The mover's handle and the VM's. */
	assert_int_equal(fake_gpu.imports, imports - 2);
	assert_int_equal(fake_gpu.places, 1);
	assert_int_equal(mover.nr_spare, 0);
	rest();
	world_end();
}

/* A GPU without memory, and a guest at its limit: first what is spare goes. */
static void goes_before_alloc_fails(void **state)
{
	(void)state;
	spare_make(1024);
	chunk_nr = PAGES / 2;
	fail_nth = 2;	/* behind the entry of the table */
	assert_int_equal(run(MIG_OP_ALLOC, 0, NULL), MIG_OK);
	assert_true(has_failed);
	fail_nth = 0;
	assert_int_equal(fake_gpu.vram, 1);
	world_end();
}

static void counts_for_the_guest(void **state)
{
	(void)state;
	spare_make(2 * PAGES);
	chunk_nr = PAGES / 2;
	assert_int_equal(run(MIG_OP_ALLOC, 0, NULL), MIG_OK);
	assert_int_equal(fake_gpu.vram, 2);
	chunk_first = FIRST - PAGES;
	chunk_nr = PAGES + 1;
	assert_int_equal(run(MIG_OP_ALLOC, 0, NULL), MIG_OK);
	assert_int_equal(fake_gpu.vram, 2);
	assert_int_equal(mover.nr_spare, 0);
	world_end();
}

/* At most half of what the guest may have is spare. */
static void only_so_much_stays(void **state)
{
	(void)state;
	spare_make(2 * PAGES - 1);
	assert_int_equal(fake_gpu.vram, 0);
	world_end();
	spare_make(2 * PAGES);
	assert_int_equal(run(MIG_OP_ALLOC, 0, NULL), MIG_OK);
	chunk_first = FIRST - PAGES;
	assert_int_equal(run(MIG_OP_ALLOC, 0, NULL), MIG_OK);
	assert_int_equal(run(MIG_OP_FREE, 0, NULL), MIG_OK);
	chunk_first = FIRST;
	assert_int_equal(run(MIG_OP_FREE, 0, NULL), MIG_OK);
	assert_int_equal(fake_gpu.vram, 1);
	assert_int_equal(mover.nr_vram, 0);
	world_end();
}

/* A copy that goes on after the kill must not write what is another chunk's. */
static void none_after_a_kill(void **state)
{
	(void)state;
	spare_make(1024);
	assert_int_equal(run(MIG_OP_KILL_COPIES, 0, NULL), MIG_OK);
	assert_int_equal(fake_gpu.vram, 0);
	assert_int_equal(fake_gpu.places, 1);
	assert_int_equal(run(MIG_OP_ALLOC, 0, NULL), MIG_OK);
	assert_int_equal(run(MIG_OP_FREE, 0, NULL), MIG_OK);
	assert_int_equal(fake_gpu.vram, 0);
	world_end();
}

/* The VM that had a handle is closed, and another is in its slot. */
static void handle_of_a_gone_vm(void **state)
{
	unsigned int imports;

	(void)state;
	spare_make(1024);
	op(CORE_OP_VM_CLOSE);
	vm_open();
	op(CORE_OP_IMPORT);
	imports = fake_gpu.imports;
	assert_int_equal(run(MIG_OP_ALLOC, 0, NULL), MIG_OK);
	assert_int_equal(run(MIG_OP_BIND, MIG_OP_VRAM, NULL), MIG_OK);
	assert_int_equal(fake_gpu.imports, imports + 1);
	assert_int_equal(run(MIG_OP_FREE, 0, NULL), MIG_OK);
	world_end();
}

/* Its jobs may run on, and reach what they were bound to. */
static void none_of_a_vm_that_is_closed(void **state)
{
	(void)state;
	world_make();
	mover_spare_limit(&mover, 1024);
	assert_int_equal(run(MIG_OP_ALLOC, 0, NULL), MIG_OK);
	assert_int_equal(run(MIG_OP_BIND, MIG_OP_VRAM, NULL), MIG_OK);
	op(CORE_OP_VM_CLOSE);
	assert_int_equal(run(MIG_OP_FREE, 0, NULL), MIG_OK);
	assert_int_equal(fake_gpu.vram, 0);
	world_end();
}

/* What was submitted may run though nobody can watch it. */
static void none_after_a_copy_failed(void **state)
{
	struct move move;

	(void)state;
	spare_make(1024);
	chunk_first = FIRST - PAGES;
	chunk_nr = PAGES / 2;
	assert_int_equal(run(MIG_OP_ALLOC, 0, NULL), MIG_OK);
	fail_nth = 1;
	assert_int_equal(run(MIG_OP_COPY, MIG_OP_VRAM, &move), MIG_FAILED);
	assert_true(has_failed);
	fail_nth = 0;
	assert_int_equal(fake_gpu.vram, 1);
	assert_int_equal(run(MIG_OP_FREE, 0, NULL), MIG_OK);
	assert_int_equal(fake_gpu.vram, 0);
	world_end();
}

/* Small ones too are only so many. */
static void only_so_many_stay(void **state)
{
	uint32_t i;

	(void)state;
	spare_make(1024);
	chunk_nr = 1;
	for (chunk_first = 0; chunk_first < 40; chunk_first++)
		assert_int_equal(run(MIG_OP_ALLOC, 0, NULL), MIG_OK);
	for (i = 0; i < 40; i++) {
		chunk_first = i;
		assert_int_equal(run(MIG_OP_FREE, 0, NULL), MIG_OK);
	}
	assert_int_equal(fake_gpu.vram, 32);
	rest();
	assert_int_equal(fake_gpu.vram, 0);
	assert_int_equal(mover.nr_spares, 0);
	assert_int_equal(fake_gpu.places, 1);
	world_end();
}

/* A journal that cannot be written names it still: its number may not be another's. */
static void not_while_the_journal_names_it(void **state)
{
	struct journal journal;
	uint32_t grefs[64];
	int fd, readable;
	uint32_t i;

	(void)state;
	for (i = 0; i < 64; i++)
		grefs[i] = grefs_of_object(i);
	fd = journal_create(&limits);
	assert_true(fd >= 0);
	assert_int_equal(journal_open(&journal, fd, &limits), 0);
	assert_int_equal(journal_add(&journal, OBJ, grefs, 64), 0);
	world_make();
	mover_spare_limit(&mover, 1024);
	mover.journal = &journal;
	assert_int_equal(run(MIG_OP_ALLOC, 0, NULL), MIG_OK);
	assert_int_equal(run(MIG_OP_BIND, MIG_OP_VRAM, NULL), MIG_OK);
	readable = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(readable >= 0);
	journal.fd = readable;
	assert_int_equal(run(MIG_OP_FREE, 0, NULL), MIG_OK);
	journal.fd = fd;
	close(readable);
	assert_int_equal(mover.nr_spares, 0);
	assert_int_equal(mover.nr_vram, 0);
	/* The mover's file has it open, no VM's has. */
	assert_int_equal(fake_gpu.vram, 1);
	assert_int_equal(fake_gpu.places, 1);
	assert_int_equal(run(MIG_OP_ALLOC, 0, NULL), MIG_OK);
	assert_int_equal(fake_gpu.vram, 2);
	mover.journal = NULL;
	world_end();
	journal_close(&journal);
}

/* ALLOC with something spare, each of its calls failing: nothing leaks, and it works next. */
static void each_call_fails(void **state)
{
	unsigned int nth = 0, failures = 0;
	uint32_t result;

	(void)state;
	do {
		spare_make(1024);
		assert_int_equal(forgotten(), MIG_OK);
		fail_nth = ++nth;
		result = run(MIG_OP_ALLOC, 0, NULL);
		assert_int_equal(result, has_failed ? MIG_NO_VRAM : MIG_OK);
		failures += has_failed;
		fail_nth = 0;
		assert_int_equal(run(MIG_OP_ALLOC, 0, NULL), MIG_OK);
		assert_int_equal(fake_gpu.vram, 1);
		world_end();
	} while (failures == nth);
	assert_true(failures > 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(next_chunk_takes_it),
		cmocka_unit_test(another_size_does_not),
		cmocka_unit_test(rest_gives_it_back),
		cmocka_unit_test(goes_before_alloc_fails),
		cmocka_unit_test(counts_for_the_guest),
		cmocka_unit_test(only_so_much_stays),
		cmocka_unit_test(none_after_a_kill),
		cmocka_unit_test(handle_of_a_gone_vm),
		cmocka_unit_test(none_of_a_vm_that_is_closed),
		cmocka_unit_test(none_after_a_copy_failed),
		cmocka_unit_test(only_so_many_stay),
		cmocka_unit_test(not_while_the_journal_names_it),
		cmocka_unit_test(each_call_fails),
	};

	return cmocka_run_group_tests_name("spare", tests, NULL, NULL);
}
