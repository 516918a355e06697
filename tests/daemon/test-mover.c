// SPDX-License-Identifier: MIT
/*
 * The mover's ops against a fake module and GPU. One chunk's way out and home,
 * with each single call failing in turn: nothing leaks, and each failure has
 * the status by which the engine knows what to do.
 */
#include "cm.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake-fail.h"
#include "fake-gpu.h"
#include "fake-xen.h"
#include "ipc.h"
#include "mover.h"
#include "work.h"

#define OBJ	1U
#define PAGES	16U
#define FIRST	32U	/* page of the chunk in the object */

static struct worker_status status;
static struct work_env env;
static struct mover mover;
static int files[2];

static struct xen_userptrif_dir dir;
static unsigned int fail_nth;	/* call of the next op, 0: none */
static uint32_t life;		/* of the VM that ops are for */
static bool has_failed;

static uint32_t grefs_of_object(uint32_t page)
{
	return 100 + page;
}

static void op(enum core_op_type type)
{
	struct work work = { .kind = WORK_OP };

	work.op.type = type;
	work.op.obj = OBJ;
	work.op.nr = 64;
	work.op.gref_directory = 1;
	work_run(&env, &work);
	assert_int_equal(work.status, XENUSERPTR_STATUS_OK);
}

/* The broker's answer is there before it is asked. */
static void vm_open(void)
{
	struct ipc_files_rsp rsp = { 0 };
	int node = eventfd(0, EFD_CLOEXEC);

	assert_int_equal(ipc_send(files[1], &rsp, sizeof(rsp), &node, 1), 0);
	close(node);
	op(CORE_OP_VM_OPEN);
	life = work_vm_life(&env, 0);
}

/* An object that is mapped, and a VM that has imported it. */
static void world_make(void)
{
	uint32_t i;

	memset(&env, 0, sizeof(env));
	memset(&fake_gpu, 0, sizeof(fake_gpu));
	memset(&fake_module, 0, sizeof(fake_module));
	for (i = 0; i < 64; i++)
		dir.gref[i] = grefs_of_object(i);
	fake_grant_clear();
	fake_grant(1, &dir);
	env.gpu = &fake_gpu_ops;
	env.reader.status = &status;
	env.status = &status;
	env.max_objects = 4;
	env.max_vms = 2;
	env.keep_grefs = true;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, files), 0);
	env.files = files[0];
	assert_int_equal(work_init(&env), 0);
	op(CORE_OP_READ_DIR);
	op(CORE_OP_MAP);
	vm_open();
	op(CORE_OP_IMPORT);
	assert_int_equal(mover_init(&mover, &env, eventfd(0, EFD_CLOEXEC),
				    NULL), 0);
	mover.max_idle = 0;
}

static void world_end(void)
{
	mover_fini(&mover);
	work_fini(&env);
	close(files[0]);
	close(files[1]);
	assert_int_equal(fake_gpu.vms, 0);
	assert_int_equal(fake_gpu.imports, 0);
}

/* Runs an op; returns its status. Fences are looked at and closed. */
static uint32_t run(enum mig_op_type type, uint32_t flags, struct move *out)
{
	struct move *move = calloc(1, sizeof(*move) + sizeof(move->lists[0]));
	struct work work = { .kind = WORK_MOVE, .move = move };
	uint32_t result;

	assert_non_null(move);
	move->op.type = type;
	move->op.obj = OBJ;
	move->op.first = FIRST;
	move->op.nr = PAGES;
	move->op.flags = flags;
	move->fence = -1;
	move->life = life;
	if (type == MIG_OP_BIND || type == MIG_OP_UNBIND) {
		move->nr_lists = 1;
		move->lists[0].nr = 1;
		move->lists[0].life = life;
		move->lists[0].binds = calloc(1, sizeof(struct core_bind));
		assert_non_null(move->lists[0].binds);
		move->lists[0].binds[0].offset = (FIRST + 2) * 4096;
		move->lists[0].binds[0].length = 4096;
		move->lists[0].binds[0].gpu_va = 0x100000;
	}
	fake_fail_set(fail_nth);
	mover_run(&mover, &work);
	has_failed = fake_fail_hit();
	fake_fail_set(0);
	if (out)
		*out = *move;
	if (move->fence >= 0)
		close(move->fence);
	result = move->status;
	move_free(move);
	return result;
}

/* The object's import goes, and its place. */
static uint32_t forgotten(void)
{
	struct move move = { .kind = MOVE_FORGET, .op.obj = OBJ };
	struct work work = { .kind = WORK_MOVE, .move = &move };

	mover_run(&mover, &work);
	return move.status;
}

static uint8_t page_state(uint32_t page)
{
	return fake_module.rev_state[grefs_of_object(FIRST + page)];
}

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

static struct work *bind_submit(struct helper *helper, uint32_t first, uint32_t vm)
{
	struct move *move = calloc(1, sizeof(*move) + sizeof(move->lists[0]));
	struct work *work = calloc(1, sizeof(*work));

	assert_non_null(move);
	assert_non_null(work);
	move->op.type = MIG_OP_UNBIND;
	move->op.obj = OBJ;
	move->op.first = first;
	move->op.nr = PAGES;
	move->status = MIG_FAILED;
	move->nr_lists = 1;
	move->lists[0].vm = vm;
	move->lists[0].life = work_vm_life(&env, vm);
	move->lists[0].nr = 1;
	move->lists[0].binds = calloc(1, sizeof(struct core_bind));
	assert_non_null(move->lists[0].binds);
	move->lists[0].binds[0].gpu_va = (uint64_t)first << 12;
	work->kind = WORK_MOVE;
	work->fence = -1;
	work->move = move;
	helper_submit(helper, work);
	return work;
}

/* Runs when all are submitted. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static void gated_run(void *context, struct work *work)
{
	pthread_mutex_lock(&gate);
	mover_run(context, work);
	pthread_mutex_unlock(&gate);
}

/* How many of the works say so? In the order in which they were submitted. */
static unsigned int works_end(struct helper *helper, struct work **works,
			      unsigned int nr, uint32_t wanted)
{
	struct work *work;
	unsigned int i = 0, found = 0;

	while (i < nr) {
		work = helper_take(helper);
		if (!work)
			continue;
		assert_ptr_equal(work, works[i]);
		found += work->move->status == wanted;
		move_free(work->move);
		free(work);
		i++;
	}
	return found;
}

/* Changes of one address space that wait behind each other are one call. */
static void binds_go_together(void **state)
{
	struct work *works[6];
	struct helper helper;
	unsigned int i, binds;

	(void)state;
	world_make();
	assert_int_equal(helper_start(&helper, gated_run, &mover), 0);
	mover.thread = &helper;
	for (fail_nth = 0; fail_nth < 2; fail_nth++) {
		pthread_mutex_lock(&gate);
		binds = fake_gpu.binds;
		for (i = 0; i < 6; i++)
			works[i] = bind_submit(&helper, i * PAGES, 0);
		fake_fail_set(fail_nth);
		pthread_mutex_unlock(&gate);
		assert_int_equal(works_end(&helper, works, 6, MIG_OK), 6);
		/* One that fails as a whole is repeated, each alone. */
		assert_int_equal(fake_gpu.binds - binds, fail_nth ? 6 : 1);
	}
	fail_nth = 0;
	fake_fail_set(0);
	helper_stop(&helper);
	mover.thread = NULL;
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
	assert_int_equal(run(MIG_OP_FREE, 0, NULL), MIG_OK);
	world_end();
}

/* One page says no: none stays armed, and the chunk knows why. */
static void arm_is_all_or_nothing(void **state)
{
	(void)state;
	world_make();
	fake_module.refuse_gref = grefs_of_object(FIRST + 7);
	fake_module.refuse_status = -14;	/* GNTST_not_allowed */
	assert_int_equal(run(MIG_OP_ARM, 0, NULL), MIG_NOT_ALLOWED);
	assert_int_equal(page_state(0), FAKE_REV_NONE);
	assert_int_equal(page_state(15), FAKE_REV_NONE);
	fake_module.refuse_status = -15;	/* GNTST_alias */
	assert_int_equal(run(MIG_OP_ARM, 0, NULL), MIG_ALIASED);
	fake_module.refuse_gref = 0;
	assert_int_equal(run(MIG_OP_ARM, 0, NULL), MIG_OK);
	assert_int_equal(run(MIG_OP_RESTORE, 0, NULL), MIG_OK);
	world_end();
}

/* The pages of a chunk that came home are armed still, and are not armed twice. */
static void comes_home_armed(uint32_t max_idle)
{
	world_make();
	mover.max_idle = max_idle;
	assert_int_equal(run(MIG_OP_ALLOC, 0, NULL), MIG_OK);
	assert_int_equal(run(MIG_OP_ARM, 0, NULL), MIG_OK);
	assert_int_equal(run(MIG_OP_REVOKE, 0, NULL), MIG_OK);
	assert_int_equal(run(MIG_OP_RESTORE, 0, NULL), MIG_OK);
}

static void stays_armed(void **state)
{
	uint32_t calls;

	(void)state;
	comes_home_armed(PAGES);
	assert_int_equal(page_state(15), FAKE_REV_HOME);
	assert_int_equal(mover.nr_idle, PAGES);
	calls = fake_module.ops_calls;
	assert_int_equal(run(MIG_OP_ARM, 0, NULL), MIG_OK);
	assert_int_equal(fake_module.ops_calls, calls);
	assert_int_equal(run(MIG_OP_REVOKE, 0, NULL), MIG_OK);
	assert_int_equal(mover.nr_idle, 0);
	assert_int_equal(page_state(15), FAKE_REV_REVOKED);
	assert_int_equal(run(MIG_OP_RESTORE, 0, NULL), MIG_OK);
	assert_int_equal(mover.nr_idle, PAGES);
	assert_int_equal(forgotten(), MIG_OK);
	assert_int_equal(mover.nr_idle, 0);
	world_end();
}

static void only_so_many_stay_armed(void **state)
{
	(void)state;
	comes_home_armed(PAGES - 1);
	assert_int_equal(page_state(15), FAKE_REV_NONE);
	assert_int_equal(mover.nr_idle, 0);
	world_end();
}

/* Contents that are given up end it. */
static void lost_is_disarmed(void **state)
{
	(void)state;
	comes_home_armed(PAGES);
	assert_int_equal(run(MIG_OP_REVOKE, 0, NULL), MIG_OK);
	assert_int_equal(run(MIG_OP_RESTORE, MIG_OP_LOST, NULL), MIG_OK);
	assert_int_equal(page_state(15), FAKE_REV_NONE);
	assert_int_equal(mover.nr_idle, 0);
	world_end();
}

/* It was unmapped meanwhile: it is armed once more, and no page is left revoked by halves. */
static void no_longer_armed(void **state)
{
	uint32_t page;

	(void)state;
	comes_home_armed(PAGES);
	for (page = 0; page < PAGES; page += 2)
		fake_module.rev_state[grefs_of_object(FIRST + page)] = FAKE_REV_NONE;
	assert_int_equal(run(MIG_OP_ARM, 0, NULL), MIG_OK);
	assert_int_equal(run(MIG_OP_REVOKE, 0, NULL), MIG_OK);
	for (page = 0; page < PAGES; page++)
		assert_int_equal(page_state(page), FAKE_REV_REVOKED);
	assert_int_equal(run(MIG_OP_RESTORE, 0, NULL), MIG_OK);
	assert_int_equal(mover.nr_idle, PAGES);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(out_and_home),
		cmocka_unit_test(each_call_fails),
		cmocka_unit_test(place_stays),
		cmocka_unit_test(binds_go_together),
		cmocka_unit_test(home_by_cpu),
		cmocka_unit_test(arm_is_all_or_nothing),
		cmocka_unit_test(stays_armed),
		cmocka_unit_test(only_so_many_stay_armed),
		cmocka_unit_test(lost_is_disarmed),
		cmocka_unit_test(no_longer_armed),
		cmocka_unit_test(vm_is_closed),
		cmocka_unit_test(slot_is_used_again),
		cmocka_unit_test(handle_goes_with_its_vm),
	};

	return cmocka_run_group_tests_name("mover", tests, NULL, NULL);
}
