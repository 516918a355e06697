// SPDX-License-Identifier: MIT
/* See moverworld.h. */
#include "moverworld.h"

#include "cm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake-fail.h"
#include "fake-gpu.h"
#include "fake-xen.h"
#include "ipc.h"

static struct worker_status status;
struct work_env env;
struct mover mover;
static int files[2];

static struct xen_userptrif_dir dir;
unsigned int fail_nth;
uint32_t life;
bool has_failed;
uint32_t chunk_first, chunk_nr;

uint32_t grefs_of_object(uint32_t page)
{
	return 100 + page;
}

void op(enum core_op_type type)
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
void vm_open(void)
{
	struct ipc_files_rsp rsp = { 0 };
	int node = eventfd(0, EFD_CLOEXEC);

	assert_int_equal(ipc_send(files[1], &rsp, sizeof(rsp), &node, 1), 0);
	close(node);
	op(CORE_OP_VM_OPEN);
	life = work_vm_life(&env, 0);
}

/* An object that is mapped, and a VM that has imported it. */
void world_make(void)
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
	chunk_first = FIRST;
	chunk_nr = PAGES;
}

void world_end(void)
{
	mover_fini(&mover);
	work_fini(&env);
	close(files[0]);
	close(files[1]);
	assert_int_equal(fake_gpu.vms, 0);
	assert_int_equal(fake_gpu.imports, 0);
}

/* Runs an op; returns its status. Fences are looked at and closed. */
uint32_t run(enum mig_op_type type, uint32_t flags, struct move *out)
{
	struct move *move = calloc(1, sizeof(*move) + sizeof(move->lists[0]));
	struct work work = { .kind = WORK_MOVE, .move = move };
	uint32_t result;

	assert_non_null(move);
	move->op.type = type;
	move->op.obj = OBJ;
	move->op.first = chunk_first;
	move->op.nr = chunk_nr;
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
uint32_t forgotten(void)
{
	struct move move = { .kind = MOVE_FORGET, .op.obj = OBJ };
	struct work work = { .kind = WORK_MOVE, .move = &move };

	mover_run(&mover, &work);
	return move.status;
}

uint8_t page_state(uint32_t page)
{
	return fake_module.rev_state[grefs_of_object(FIRST + page)];
}
