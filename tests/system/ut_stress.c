// SPDX-License-Identifier: MIT
/*
 * Many at once: threads that register, objects that come and go, one after another or
 * over each other, quotas used to the end, and calls made of random numbers.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include <xf86drm.h>

#include "ut_mem.h"

#define NR_THREADS	4
#define THREAD_ROUNDS	8
#define MANY		24
#define FUZZ_CALLS	1500

/* Address spaces of a closed file go by themselves, and there may be few. */
static void vm_create(struct ut *ut)
{
	int tries, ret = -EDQUOT;

	for (tries = 0; tries < 3000 && ret == -EDQUOT; tries++) {
		ret = __ut_vm_create(ut->fd, &ut->vm);
		if (ret)
			usleep(10000);
	}
	UT_ERRNO(ret, 0);
}

/* ------------------------------------------------------ one after another */

enum many {
	ONCE_MORE,		/* closed properly each time */
	REBIND,			/* the next is bound over the one before */
	INVALIDATE,		/* the memory goes while it is registered and bound */
};

static void *memory_again(void *old)
{
	void *at = mmap(old, MANY * UT_PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | (old ? MAP_FIXED : 0), -1, 0);

	UT_CHECK(at != MAP_FAILED, "mmap: %s", strerror(errno));
	return at;
}

static void many_round(struct ut_batch *batch, struct gpu_cmd *cmd,
		       const unsigned char *memory, uint32_t value)
{
	size_t i;

	gpu_cmd_begin(cmd, batch->memory, UT_PAGE);
	gpu_cmd_fill(cmd, UT_GPU_VA, value, MANY * UT_PAGE);
	UT_ERRNO(ut_run(batch, cmd), 0);
	for (i = 0; i < MANY * UT_PAGE; i += UT_PAGE)
		UT_CHECK(*(volatile const uint32_t *)(memory + i) == value, "round %u, at %#zx", value, i);
}

static void many(enum many how, unsigned int rounds)
{
	unsigned char *memory = NULL;
	uint32_t handle[MANY];
	struct ut_batch batch;
	struct gpu_cmd cmd;
	struct ut ut;
	unsigned int i;

	ut_open(&ut);
	ut_batch_open(&batch, &ut, &cmd);
	for (i = 0; i < rounds; i++) {
		memory = memory_again(how == INVALIDATE ? memory : NULL);
		handle[i] = ut_create_one(ut.fd, memory, MANY * UT_PAGE, 0);
		ut_map(&ut, handle[i], MANY * UT_PAGE, UT_GPU_VA);
		many_round(&batch, &cmd, memory, i + 1);
		if (how == ONCE_MORE) {
			UT_ERRNO(__ut_unmap(&ut, UT_GPU_VA, MANY * UT_PAGE), 0);
			ut_destroy(ut.fd, handle[i]);
		} else if (how == REBIND && i) {
			ut_destroy(ut.fd, handle[i - 1]);
			many_round(&batch, &cmd, memory, i + 100);
		}
	}
	ut_close(&ut);
}

static void once_userptr(void)
{
	many(ONCE_MORE, 1);
}

static void many_userptr(void)
{
	many(ONCE_MORE, MANY);
}

static void once_userptr_rebind(void)
{
	many(REBIND, 2);
}

static void once_userptr_invalidate(void)
{
	many(INVALIDATE, 2);
}

static void many_userptr_rebind(void)
{
	many(REBIND, MANY);
}

static void many_userptr_invalidate(void)
{
	many(INVALIDATE, MANY);
}

static void *replace_thread(void *memory)
{
	memset(memory_again(memory), 0xaa, MANY * UT_PAGE);
	return NULL;
}

/* A thread replaces the memory while a job for it is sent: the new one is not written. */
static void race_round(struct ut *ut, const struct gpu_cmd *cmd)
{
	unsigned char *memory = memory_again(NULL);
	uint32_t handle = ut_create_one(ut->fd, memory, MANY * UT_PAGE, 0), syncobj;
	int ret, error = 0;
	pthread_t thread;
	size_t i;

	ut_map(ut, handle, MANY * UT_PAGE, UT_GPU_VA);
	if (pthread_create(&thread, NULL, replace_thread, memory))
		ut_error("pthread_create");
	ret = __ut_exec(ut, 0, UT_CMD_VA, gpu_cmd_octets(cmd), &syncobj);
	UT_CHECK(ret == 0 || ret == -ESTALE, "EXEC: %d", ret);
	pthread_join(thread, NULL);
	if (!ret)
		error = ut_fence_wait(ut->fd, syncobj);
	UT_CHECK(error == 0 || error == -EFAULT, "the fence says %d", error);
	for (i = 0; i < MANY * UT_PAGE; i++)
		UT_CHECK(memory[i] == 0xaa, "the GPU wrote to new memory at %zu", i);
	ut_destroy(ut->fd, handle);
	munmap(memory, MANY * UT_PAGE);
}

static void race(unsigned int rounds)
{
	struct ut_batch batch;
	struct gpu_cmd cmd;
	struct ut ut;

	ut_open(&ut);
	ut_batch_open(&batch, &ut, &cmd);
	gpu_cmd_fill(&cmd, UT_GPU_VA, 0x55, MANY * UT_PAGE);
	while (rounds--)
		race_round(&ut, &cmd);
	ut_close(&ut);
}

static void once_userptr_invalidate_race(void)
{
	race(1);
}

static void many_userptr_invalidate_race(void)
{
	race(MANY);
}

/* The same address twice: two objects, each of which works without the other. */
static void memory_register_same_ptr(void)
{
	uint32_t again;
	struct ut_mem m;

	ut_mem_open(&m);
	again = ut_create_one(m.ut.fd, m.memory, UT_MEM_PAGES * UT_PAGE, 0);
	UT_CHECK(again != m.handle, "one handle for both");
	ut_map(&m.ut, again, UT_MEM_PAGES * UT_PAGE, UT_OUT_VA);
	ut_destroy(m.ut.fd, m.handle);
	gpu_cmd_fill(&m.cmd, UT_OUT_VA, 0x1234, UT_MEM_PAGES * UT_PAGE);
	UT_ERRNO(ut_run(&m.batch, &m.cmd), 0);
	UT_CHECK(ut_mem_word(&m, 5) == 0x1234, "the second object does not work alone");
	ut_close(&m.ut);
}

/* -------------------------------------------------------------- threads */

struct thread {
	pthread_t id;
	unsigned int nr;
	int fd;				/* shared by all */
	char why[64];			/* empty: well */
};

/* Each with an address space of its own, all through one file. */
static void thread_round(struct thread *t, unsigned int round)
{
	uint32_t value = t->nr * 1000 + round, handle;
	unsigned char *memory = ut_pages(UT_MEM_PAGES);
	struct ut ut = { .fd = t->fd };
	struct ut_batch batch;
	struct gpu_cmd cmd;

	vm_create(&ut);
	ut_batch_open(&batch, &ut, &cmd);
	handle = ut_create_one(ut.fd, memory, UT_MEM_PAGES * UT_PAGE, 0);
	ut_map(&ut, handle, UT_MEM_PAGES * UT_PAGE, UT_GPU_VA);
	gpu_cmd_fill(&cmd, UT_GPU_VA, value, UT_MEM_PAGES * UT_PAGE);
	UT_ERRNO(ut_run(&batch, &cmd), 0);
	if (*(volatile uint32_t *)(memory + 7 * UT_PAGE) != value)
		snprintf(t->why, sizeof(t->why), "round %u holds %#x", round,
			 *(volatile uint32_t *)(memory + 7 * UT_PAGE));
	ut_batch_close(&batch);
	if (round & 1)
		ut_destroy(ut.fd, handle);
	munmap(memory, UT_MEM_PAGES * UT_PAGE);
	if (!(round & 1))
		ut_destroy(ut.fd, handle);
	UT_ERRNO(__ut_vm_destroy(ut.fd, ut.vm), 0);
}

static void *thread_run(void *arg)
{
	struct thread *t = arg;
	unsigned int i;

	for (i = 1; i <= THREAD_ROUNDS && !t->why[0]; i++)
		thread_round(t, i);
	return NULL;
}

static void multi_thread_register_userptr(void)
{
	struct thread thread[NR_THREADS] = { 0 };
	int fd = ut_node_open();
	unsigned int i;

	for (i = 0; i < NR_THREADS; i++) {
		thread[i].nr = i + 1;
		thread[i].fd = fd;
		if (pthread_create(&thread[i].id, NULL, thread_run, &thread[i]))
			ut_error("pthread_create");
	}
	for (i = 0; i < NR_THREADS; i++) {
		pthread_join(thread[i].id, NULL);
		UT_CHECK(!thread[i].why[0], "thread %u: %s", i, thread[i].why);
	}
	close(fd);
}

/* --------------------------------------------------------------- quotas */

/* To the last page, and again after one object was let go. */
static void quota_exhausted(void)
{
	enum { CHUNK = 4096, MAX = 128 };
	unsigned char *memory = ut_pages(CHUNK);
	struct drm_xen_userptr_info info;
	uint32_t handle[MAX], nr;
	int fd = ut_node_open();
	int ret = 0;

	UT_ERRNO(__ut_info(fd, &info), 0);
	if (info.max_pages / CHUNK >= MAX)
		ut_skip("the quota of pages is too large");
	for (nr = 0; nr < MAX && !ret; nr += !ret)
		ret = __ut_create_one(fd, memory, CHUNK * UT_PAGE, 0, &handle[nr]);
	UT_CHECK(ret == -EDQUOT && nr == info.max_pages / CHUNK, "after %u objects: %d", nr, ret);
	UT_ERRNO(__ut_info(fd, &info), 0);
	UT_CHECK(info.used_pages == (uint64_t)nr * CHUNK, "INFO says %llu pages", info.used_pages);
	/* Still the same, not one more. */
	UT_ERRNO(__ut_create_one(fd, memory, CHUNK * UT_PAGE, 0, &handle[nr]), -EDQUOT);
	ut_destroy(fd, handle[0]);
	UT_ERRNO(__ut_create_one(fd, memory, CHUNK * UT_PAGE, 0, &handle[0]), 0);
	close(fd);
	/* A user with too many pages on their way out may not register more. */
	UT_CHECK(ut_wait_pinned(0), "%lu pages stay pinned", ut_pinned_pages());
}

/* Whoever lets go and registers again has room, however late the backend hears of it. */
static void quota_changes_hands(void)
{
	enum { CHUNK = 4096, ROUNDS = 300 };
	unsigned char *memory = ut_pages(CHUNK);
	struct drm_xen_userptr_info info;
	uint32_t handle, last, i;
	int fd = ut_node_open();

	UT_ERRNO(__ut_info(fd, &info), 0);
	for (i = 0; i < (info.max_pages - 1) / CHUNK; i++)
		UT_ERRNO(__ut_create_one(fd, memory, CHUNK * UT_PAGE, 0, &handle), 0);
	if ((info.max_pages - 1) % CHUNK)
		UT_ERRNO(__ut_create_one(fd, memory, (info.max_pages - 1) % CHUNK * UT_PAGE, 0,
					 &handle), 0);
	UT_ERRNO(__ut_create_one(fd, memory, UT_PAGE, 0, &last), 0);
	for (i = 0; i < ROUNDS; i++) {
		ut_destroy(fd, last);
		UT_ERRNO(__ut_create_one(fd, memory, UT_PAGE, 0, &last), 0);
	}
	close(fd);
	UT_CHECK(ut_wait_pinned(0), "%lu pages stay pinned", ut_pinned_pages());
}

/* --------------------------------------------------------------- random */

static uint64_t random_state;

static uint64_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* Numbers that are likely to be near something: small, page-aligned, at the ends. */
static uint64_t random_number(const uint64_t *known, unsigned int nr)
{
	switch (random_next() % 6) {
	case 0: return random_next() % 4;
	case 1: return random_next() % 64 * UT_PAGE;
	case 2: return ~0ULL - random_next() % 3 * UT_PAGE;
	case 3: return 1ULL << random_next() % 64;
	case 4: return random_next();
	default: return known[random_next() % nr];
	}
}

static const unsigned long fuzz_calls[] = {
	DRM_IOCTL_XEN_USERPTR_INFO, DRM_IOCTL_XEN_USERPTR_VM_CREATE,
	DRM_IOCTL_XEN_USERPTR_VM_DESTROY, DRM_IOCTL_XEN_USERPTR_CREATE,
	DRM_IOCTL_XEN_USERPTR_VM_BIND, DRM_IOCTL_XEN_USERPTR_EXEC,
	DRM_IOCTL_XEN_USERPTR_ADVISE,
};

/* Any words as arguments: some work, most are refused, none does harm. */
static void fuzz(struct ut_mem *m, unsigned int *worked)
{
	unsigned char *own = ut_pages(64);
	uint64_t known[] = {
		(uintptr_t)own, (uintptr_t)(own + 32 * UT_PAGE), m->handle, m->ut.vm, UT_GPU_VA,
		UT_CMD_VA, UT_OUT_VA, UT_PAGE, 1ULL << 32 | 1, m->handle | (uint64_t)UT_PAGE << 32,
	};
	unsigned int i, k, nr = sizeof(known) / sizeof(known[0]);
	uint64_t words[64];

	for (i = 0; i < FUZZ_CALLS; i++) {
		/* What the arguments may point at is random too. */
		for (k = 0; k < 32; k++)
			((uint64_t *)(void *)own)[k] = random_number(known, nr);
		for (k = 0; k < 64; k++)
			words[k] = random_number(known, nr);
		*worked += !drmIoctl(m->ut.fd, fuzz_calls[random_next() % 7], words);
	}
}

static void random_seed(void)
{
	const char *seed = getenv("UT_SEED");

	if (seed)
		random_state = strtoull(seed, NULL, 0);
	else if (getrandom(&random_state, 8, 0) != 8)
		ut_error("getrandom");
	random_state |= 1;
	printf("seed %#llx\n", (unsigned long long)random_state);
}

static void userptr_fuzzing(void)
{
	struct ut_mem m, after;
	unsigned int worked = 0;

	random_seed();
	ut_mem_open(&m);
	fuzz(&m, &worked);
	printf("%u of %u calls worked\n", worked, FUZZ_CALLS);
	ut_close(&m.ut);
	after.ut.fd = ut_node_open();
	vm_create(&after.ut);
	UT_ERRNO(__ut_vm_destroy(after.ut.fd, after.ut.vm), 0);
	close(after.ut.fd);
	ut_mem_open(&after);
	ut_mem_fill(&after, 0, UT_MEM_PAGES, 0x900d);
	UT_ERRNO(ut_run(&after.batch, &after.cmd), 0);
	UT_CHECK(ut_mem_word(&after, 7) == 0x900d, "nothing works any more");
	ut_close(&after.ut);
}

/* What is gone as a whole while EXEC looks whether it is still the same: EXEC ends. */
static void exec_after_munmap(void)
{
	uint32_t syncobj;
	unsigned int i;
	struct ut_mem m;
	int ret;

	ut_open(&m.ut);
	ut_batch_open(&m.batch, &m.ut, &m.cmd);
	for (i = 0; i < 100; i++) {
		ut_mem_bind(&m, ut_pages(UT_MEM_PAGES), UT_MEM_PAGES * UT_PAGE);
		/* Work that does not need the object. */
		ut_mem_begin(&m);
		gpu_cmd_fill(&m.cmd, UT_CMD_VA + 3 * UT_PAGE, i, 8);
		UT_CHECK(!madvise(m.memory, UT_PAGE, MADV_DONTNEED), "madvise");
		UT_CHECK(!munmap(m.memory, UT_MEM_PAGES * UT_PAGE), "munmap");
		ret = __ut_exec(&m.ut, 0, UT_CMD_VA, gpu_cmd_octets(&m.cmd), &syncobj);
		UT_CHECK(ret == 0 || ret == -ESTALE, "EXEC: %d", ret);
		if (!ret)
			UT_ERRNO(ut_fence_wait(m.ut.fd, syncobj), 0);
		ut_destroy(m.ut.fd, m.handle);
	}
	ut_close(&m.ut);
}

const struct ut_case ut_stress_cases[] = {
	{ "exec_after_munmap", exec_after_munmap },
	{ "once_userptr", once_userptr },
	{ "many_userptr", many_userptr },
	{ "once_userptr_rebind", once_userptr_rebind },
	{ "once_userptr_invalidate", once_userptr_invalidate },
	{ "once_userptr_invalidate_race", once_userptr_invalidate_race },
	{ "many_userptr_rebind", many_userptr_rebind },
	{ "many_userptr_invalidate", many_userptr_invalidate },
	{ "many_userptr_invalidate_race", many_userptr_invalidate_race },
	{ "memory_register_same_ptr", memory_register_same_ptr },
	{ "multi_thread_register_userptr", multi_thread_register_userptr },
	{ "quota_exhausted", quota_exhausted },
	{ "quota_changes_hands", quota_changes_hands },
	{ "userptr_fuzzing", userptr_fuzzing },
	{ NULL, NULL },
};
