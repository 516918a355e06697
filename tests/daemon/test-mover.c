// SPDX-License-Identifier: MIT
/*
 * The mover's ops against a fake module and GPU. One chunk's way out and home,
 * with each single call failing in turn: nothing leaks, and each failure has
 * the status by which the engine knows what to do.
 */
#include "cm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fake-fail.h"
#include "fake-gpu.h"
#include "fake-xen.h"
#include "moverworld.h"

static void out_and_home(void **state)
{
	/* The object's place is behind the chunk's VRAM. */
	const uint64_t ram = FAKE_PLACE_START + (PAGES + FIRST) * 4096;
	struct move move;

	(void)state;
	world_make();
	assert_int_equal(run(MIG_OP_ALLOC, 0, NULL), MIG_OK);
	assert_int_equal(run(MIG_OP_ARM, 0, NULL), MIG_OK);
	assert_int_equal(run(MIG_OP_REVOKE, 0, NULL), MIG_OK);
	assert_int_equal(page_state(15), FAKE_REV_REVOKED);
	assert_int_equal(page_state(16), FAKE_REV_NONE);
	assert_int_equal(run(MIG_OP_QUERY, 0, &move), MIG_OK);
	assert_int_equal(move.extra_refs, 0);
	assert_int_equal(run(MIG_OP_STOP, 0, &move), MIG_OK);
	assert_true(move.fence >= 0);
	assert_int_equal(run(MIG_OP_UNBIND, 0, NULL), MIG_OK);
	assert_int_equal(run(MIG_OP_COPY, MIG_OP_VRAM, &move), MIG_OK);
	assert_int_equal(fake_gpu.last_copy.src, ram);
	assert_int_equal(fake_gpu.last_copy.dst, FAKE_PLACE_START);
	mover_copied(&mover, move.slot);
	assert_int_equal(run(MIG_OP_BIND, MIG_OP_VRAM, NULL), MIG_OK);
	assert_int_equal(fake_gpu.last_bind.offset, 2 * 4096);
	assert_int_equal(run(MIG_OP_RESUME, 0, NULL), MIG_OK);
	assert_int_equal(run(MIG_OP_COPY, 0, &move), MIG_OK);
	assert_int_equal(fake_gpu.last_copy.src, FAKE_PLACE_START);
	assert_int_equal(fake_gpu.last_copy.dst, ram);
	mover_copied(&mover, move.slot);
	assert_int_equal(run(MIG_OP_BIND, 0, NULL), MIG_OK);
	assert_int_equal(fake_gpu.last_bind.offset, (FIRST + 2) * 4096);
	assert_int_equal(run(MIG_OP_RESTORE, 0, NULL), MIG_OK);
	assert_int_equal(page_state(0), FAKE_REV_NONE);
	assert_int_equal(fake_gpu.places, 2);
	assert_int_equal(run(MIG_OP_FREE, 0, NULL), MIG_OK);
	assert_int_equal(fake_gpu.places, 1);
	assert_int_equal(forgotten(), MIG_OK);
	assert_int_equal(fake_gpu.places, 0);
	assert_int_equal(fake_gpu.copies, 2);
	assert_int_equal(mover.copies, 0);
	assert_int_equal(fake_gpu.stopped, 0);
	world_end();
}

/* What cannot be taken out of its place never gets another's address. */
static void place_stays(void **state)
{
	struct move move;

	(void)state;
	world_make();
	assert_int_equal(run(MIG_OP_ALLOC, 0, NULL), MIG_OK);
	fail_nth = 1;
	assert_int_equal(run(MIG_OP_FREE, 0, NULL), MIG_OK);
	assert_true(has_failed);
	fail_nth = 0;
	assert_int_equal(fake_gpu.vram, 0);
	assert_int_equal(run(MIG_OP_ALLOC, 0, NULL), MIG_OK);
	assert_int_equal(run(MIG_OP_COPY, MIG_OP_VRAM, &move), MIG_OK);
	assert_int_equal(fake_gpu.last_copy.dst, FAKE_PLACE_START + (PAGES + 64) * 4096);
	world_end();
}

/* Each op with each of its calls failing: a status, no leak, and it can be repeated. */
static void each_call_fails(void **state)
{
	static const struct { enum mig_op_type type; uint32_t flags; } ops[] = {
		{ MIG_OP_ALLOC, 0 }, { MIG_OP_ARM, 0 }, { MIG_OP_REVOKE, 0 },
		{ MIG_OP_QUERY, 0 }, { MIG_OP_STOP, 0 }, { MIG_OP_KILL, 0 },
		{ MIG_OP_UNBIND, 0 }, { MIG_OP_COPY, MIG_OP_VRAM },
		{ MIG_OP_BIND, MIG_OP_VRAM }, { MIG_OP_COPY, 0 },
		{ MIG_OP_COPY, MIG_OP_CPU }, { MIG_OP_KILL_COPIES, 0 },
		{ MIG_OP_BIND, 0 }, { MIG_OP_RESTORE, 0 },
	};
	unsigned int nth, failures = 0;
	struct move move;
	size_t i;

	(void)state;
	world_make();
	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		for (nth = 1; ; nth++) {
			uint32_t result;

			fail_nth = nth;
			result = run(ops[i].type, ops[i].flags, &move);
			if (move.fence >= 0 && ops[i].type == MIG_OP_COPY)
				mover_copied(&mover, move.slot);
			if (!has_failed)
				break;
			failures++;
			if (ops[i].type == MIG_OP_ALLOC)
				assert_int_equal(result, MIG_NO_VRAM);
		}
		fail_nth = 0;
		assert_int_equal(run(ops[i].type, ops[i].flags, &move), MIG_OK);
		if (ops[i].type == MIG_OP_COPY && move.fence >= 0)
			mover_copied(&mover, move.slot);
	}
	assert_int_equal(fake_gpu.maps, 0);
	assert_true(failures > 15);
	assert_int_equal(run(MIG_OP_FREE, 0, NULL), MIG_OK);
	world_end();
}

/* The GPU fails: the CPU puts the chunk's contents into its pages. */
static void home_by_cpu(void **state)
{
	struct move move;

	(void)state;
	world_make();
	assert_int_equal(run(MIG_OP_ALLOC, 0, NULL), MIG_OK);
	assert_int_equal(run(MIG_OP_COPY, MIG_OP_CPU, &move), MIG_OK);
	assert_int_equal(move.fence, -1);
	assert_int_equal(fake_module.write_first, FIRST);
	assert_int_equal(fake_module.write_nr, PAGES);
	assert_int_equal(fake_gpu.copies, 0);
	assert_int_equal(fake_gpu.places, 2);
	assert_int_equal(fake_gpu.maps, 0);
	fake_gpu.is_gone = true;
	assert_int_equal(run(MIG_OP_COPY, MIG_OP_CPU, &move), MIG_FAILED);
	assert_int_equal(fake_gpu.maps, 0);
	fake_gpu.is_gone = false;
	assert_int_equal(run(MIG_OP_FREE, 0, NULL), MIG_OK);
	world_end();
}

/* What a VM had is gone with it: later ops count it as done. */
static void vm_is_closed(void **state)
{
	(void)state;
	world_make();
	assert_int_equal(run(MIG_OP_ALLOC, 0, NULL), MIG_OK);
	assert_int_equal(run(MIG_OP_BIND, MIG_OP_VRAM, NULL), MIG_OK);
	assert_int_equal(run(MIG_OP_CLOSE, 0, NULL), MIG_OK);
	assert_int_equal(run(MIG_OP_UNBIND, 0, NULL), MIG_OK);
	assert_int_equal(run(MIG_OP_BIND, 0, NULL), MIG_OK);
	assert_int_equal(run(MIG_OP_STOP, 0, NULL), MIG_FAILED);
	assert_int_equal(run(MIG_OP_FREE, 0, NULL), MIG_OK);
	world_end();
}

/* What was meant for a VM never reaches the next one in its slot. */
static void slot_is_used_again(void **state)
{
	static const enum mig_op_type ops[] = {
		MIG_OP_STOP, MIG_OP_KILL, MIG_OP_RESUME,
	};
	unsigned int binds, imports;
	uint32_t old, i;

	(void)state;
	world_make();
	old = life;
	assert_int_equal(run(MIG_OP_ALLOC, 0, NULL), MIG_OK);
	op(CORE_OP_VM_CLOSE);
	vm_open();
	op(CORE_OP_IMPORT);
	life = old;
	binds = fake_gpu.binds;
	imports = fake_gpu.imports;
	assert_int_equal(run(MIG_OP_BIND, MIG_OP_VRAM, NULL), MIG_OK);
	assert_int_equal(run(MIG_OP_UNBIND, 0, NULL), MIG_OK);
	assert_int_equal(run(MIG_OP_BIND, 0, NULL), MIG_OK);
	assert_int_equal(fake_gpu.binds, binds);
	assert_int_equal(fake_gpu.imports, imports);
	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		assert_int_equal(run(ops[i], 0, NULL), MIG_FAILED);
	assert_int_equal(fake_gpu.stopped, 0);
	assert_int_equal(run(MIG_OP_CLOSE, 0, NULL), MIG_OK);
	assert_int_equal(fake_gpu.vms, 2);
	assert_int_equal(run(MIG_OP_FREE, 0, NULL), MIG_OK);
	world_end();
}

/* A handle for VRAM is the VM's, not its slot's. */
static void handle_goes_with_its_vm(void **state)
{
	unsigned int imports;

	(void)state;
	world_make();
	assert_int_equal(run(MIG_OP_ALLOC, 0, NULL), MIG_OK);
	assert_int_equal(run(MIG_OP_BIND, MIG_OP_VRAM, NULL), MIG_OK);
	op(CORE_OP_VM_CLOSE);
	vm_open();
	op(CORE_OP_IMPORT);
	imports = fake_gpu.imports;
	assert_int_equal(run(MIG_OP_BIND, MIG_OP_VRAM, NULL), MIG_OK);
	assert_int_equal(fake_gpu.imports, imports + 1);
	op(CORE_OP_VM_CLOSE);
	vm_open();
	op(CORE_OP_IMPORT);
	imports = fake_gpu.imports;
	/* The chunk's own handle goes, and nothing of the new VM. */
	assert_int_equal(run(MIG_OP_FREE, 0, NULL), MIG_OK);
	assert_int_equal(fake_gpu.imports, imports - 1);
	world_end();
}

/* Tables without room are none: ops name their objects by number. */
static void needs_bounds(void **state)
{
	struct work_env none = { .max_vms = 2 };

	(void)state;
	assert_int_equal(work_init(&none), -EINVAL);
	none = (struct work_env){ .max_objects = 4 };
	assert_int_equal(work_init(&none), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(needs_bounds),
		cmocka_unit_test(out_and_home),
		cmocka_unit_test(each_call_fails),
		cmocka_unit_test(place_stays),
		cmocka_unit_test(home_by_cpu),
		cmocka_unit_test(vm_is_closed),
		cmocka_unit_test(slot_is_used_again),
		cmocka_unit_test(handle_goes_with_its_vm),
	};

	return cmocka_run_group_tests_name("mover", tests, NULL, NULL);
}
