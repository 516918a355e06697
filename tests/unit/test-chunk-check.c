// SPDX-License-Identifier: MIT
/* mig_check() sees damage: each kind, with the number of its invariant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "fake.h"
#include "internal.h"
#include "migworld.h"

#define BOTH (MIG_VM_PREEMPT | MIG_VM_KILL)

enum { AT_HOME, AT_DEVICE, AT_SHARED, AT_COPYING, NR_AT };

/* Slots of the objects' chunks, by what they are doing. */
static uint32_t slot_of[NR_AT];

static void place(struct world *w, uint32_t obj, uint32_t access)
{
	world_obj(w, obj, 1, 0);
	world_map(w, 0, obj, 0, 1, access);
	world_settle(w);
	slot_of[obj] = mig_chunk_find(w->mig, obj, 0);
}

static struct world *busy_world(void)
{
	struct world *w = world_new(NULL);
	unsigned int i;

	world_vm(w, 0, 0, BOTH);
	world_vm(w, 1, 0, BOTH);
	for (i = 0; i < NR_AT; i++)
		place(w, i, i == AT_SHARED ? MIG_ACCESS_READ :
					     MIG_ACCESS_WRITE);
	world_exec(w, 0);
	world_move(w, AT_DEVICE, 0, 1, MIG_PLACE_VRAM, 0);
	world_move(w, AT_SHARED, 0, 1, MIG_PLACE_VRAM, 0);
	world_settle(w);
	world_wait(w, 1000);
	world_move(w, AT_COPYING, 0, 1, MIG_PLACE_VRAM, 0);
	while (world_state(w, AT_COPYING, 0) != CHUNK_COPYING_OUT)
		if (w->nr_pending)
			world_complete(w, 0, MIG_OK);
		else
			world_try_stop(w, 0);
	return w;
}

static struct chunk *at(struct mig *m, uint32_t what)
{
	return &m->chunk[slot_of[what]];
}

/* Damage: name, invariant, statement. The engine is "m". */
#define DAMAGES(D) \
	D(copy_guest_writes, 3, at(m, AT_COPYING)->guest = MIG_ACCESS_WRITE) \
	D(copy_guest_reads, 3, at(m, AT_COPYING)->guest = MIG_ACCESS_READ) \
	D(copy_mapped_home, 3, at(m, AT_COPYING)->at_home = 1) \
	D(copy_mapped_vram, 3, at(m, AT_COPYING)->at_vram = 1) \
	D(copy_vm_runs, 3, m->vm[0].state = MIG_VM_RUNNING) \
	D(copy_not_held, 3, at(m, AT_COPYING)->stopping = 0) \
	D(device_guest_reads, 9, at(m, AT_DEVICE)->guest = MIG_ACCESS_READ) \
	D(device_at_home, 9, m->vm[1].state = MIG_VM_RUNNING; \
		at(m, AT_DEVICE)->at_home = 2) \
	D(device_clean, 9, at(m, AT_DEVICE)->clean = true) \
	D(shared_guest_writes, 9, \
		at(m, AT_SHARED)->guest = MIG_ACCESS_WRITE) \
	D(shared_writer, 9, at(m, AT_SHARED)->writers = 1) \
	D(shared_at_home, 9, at(m, AT_SHARED)->at_home = 1) \
	D(shared_not_clean, 9, at(m, AT_SHARED)->clean = false) \
	D(home_in_vram, 9, at(m, AT_HOME)->at_vram = 2) \
	D(home_not_clean, 9, at(m, AT_HOME)->clean = false) \
	D(home_revoked, 7, at(m, AT_HOME)->guest = MIG_ACCESS_READ) \
	D(home_mapped_state, 7, at(m, AT_HOME)->state = CHUNK_MAPPED) \
	D(op_lost, 7, at(m, AT_COPYING)->emitted = false) \
	D(active_lost, 7, at(m, AT_COPYING)->on[LIST_ACTIVE] = false) \
	D(rest_active, 7, at(m, AT_HOME)->on[LIST_ACTIVE] = true) \
	D(due_without_op, 7, at(m, AT_HOME)->on[LIST_DUE] = true) \
	D(stop_done_not_told, 7, at(m, AT_COPYING)->state = CHUNK_STOPPING; \
		at(m, AT_COPYING)->emitted = false) \
	D(want_forgotten, 10, at(m, AT_DEVICE)->hurry = true) \
	D(ask_forgotten, 10, m->ask[0].used = true; m->ask[0].ready = false; \
		m->ask[0].pending = 0; m->ask[0].nr = 1; \
		m->ask[0].kind = MIG_ASK_HOME) \
	D(writer_no_user, 5, at(m, AT_HOME)->writers = 2) \
	D(bad_count, 5, at(m, AT_HOME)->bad = 1) \
	D(vm_bad_count, 5, m->vm[0].bad++) \
	D(vm_holders, 5, m->vm[0].holders++) \
	D(vm_stopped_for_nobody, 5, m->vm[1].state = MIG_VM_STOPPED) \
	D(vram, 5, m->vram_used++) \
	D(active, 5, m->active.nr++) \
	D(due, 5, m->due[DUE_SOON].nr++) \
	D(copies, 5, m->copies++) \
	D(held_for_nothing, 7, at(m, AT_COPYING)->on[LIST_DUE] = true; \
		at(m, AT_COPYING)->emitted = false; m->due[DUE_HELD].nr++) \
	D(leaving, 5, m->leaving++) \
	D(lost_vram, 5, m->lost_vram++) \
	D(chunks, 5, m->chunk_pool.used++) \
	D(holds, 5, at(m, AT_HOME)->holds++) \
	D(asks, 5, m->ask_pool.used++)

#define D(name, number, damage) \
	static void damage_##name(struct mig *m) { damage; }
DAMAGES(D)
#undef D

#define D(name, number, damage) { #name, number, damage_##name },
static const struct {
	const char *name;
	int number;
	void (*damage)(struct mig *m);
} damages[] = { DAMAGES(D) };
#undef D

static void check_sees_damage(void **state)
{
	struct world *w = busy_world();
	size_t size = mig_size(&w->limits);
	void *good = malloc(size);
	unsigned int i, missed = 0;

	(void)state;
	assert_non_null(good);
	memcpy(good, w->mem, size);
	for (i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		int number;

		assert_int_equal(mig_check(w->mig), 0);
		damages[i].damage(w->mig);
		number = mig_check(w->mig);
		if (number != damages[i].number) {
			print_error("%s: %d, not %d\n", damages[i].name,
				    number, damages[i].number);
			missed++;
		}
		memcpy(w->mem, good, size);
	}
	free(good);
	assert_int_equal(missed, 0);
	world_end(w);
	world_free(w);
}

/* The request core's check includes the engine's, and QUERY what it says. */
static void core_knows_engine(void **state)
{
	struct world *w = busy_world();
	struct fake *fake = fake_new(NULL, NULL);
	uint16_t id;

	(void)state;
	core_attach_mig(fake->core, w->mig);
	fake_obj_create(fake, 7, 1, 0);
	fake_obj_create(fake, 8, 1, 0);
	fake_run(fake);
	id = fake_query(fake, XENUSERPTR_QUERY_OBJECT, 7);
	fake_run(fake);
	assert_int_equal(fake->rsp[id].u.object.pages_home, 1);
	id = fake_query(fake, XENUSERPTR_QUERY_OBJECT, 8);
	fake_run(fake);
	assert_int_equal(fake->rsp[id].u.object.pages_home, 0);
	id = fake_query(fake, XENUSERPTR_QUERY_MEMORY, 0);
	fake_run(fake);
	assert_int_equal(fake->rsp[id].u.memory.vram_used, 3 * FAKE_PAGE);
	assert_int_equal(core_check(fake->core), 0);
	at(w->mig, AT_DEVICE)->guest = MIG_ACCESS_READ;
	assert_int_equal(core_check(fake->core), 9);
	at(w->mig, AT_DEVICE)->guest = MIG_ACCESS_NONE;
	fake_free(fake);
	world_end(w);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(check_sees_damage),
		cmocka_unit_test(core_knows_engine),
	};

	return cmocka_run_group_tests_name("chunk-check", tests, NULL, NULL);
}
