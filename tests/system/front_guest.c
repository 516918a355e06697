// SPDX-License-Identifier: MIT
/*
 * front-guest: the guest's side of front.scn. Each command does one thing
 * with the render node and prints what came of it as numbers.
 *
 * usage: front-guest COMMAND [NUMBER [NUMBER]]
 *
 *   register PAGES       register, check the charge, unregister
 *   hold PAGES           register, print "held", wait for ever
 *   half PAGES           the same after the second half was unmapped
 *   loop PAGES ROUNDS    register and unregister again and again
 *   job CODE [COUNT]     jobs of this code (fake.h); prints the fence's errno
 *   stuck COUNT          queue jobs that do not end, print "queued", wait
 *   order                two engines: a job waits for another's fence
 *   chain                one such job, without a limit of time
 *   bind OPS             one VM_BIND of so many operations
 *   survive CODE         job; then every call must say ENODEV
 *   unmap PAGES          register, munmap, bind must say ESTALE
 *   discard PAGES        register, bind, MADV_DONTNEED, EXEC must say ESTALE
 *   partly PAGES         the same without a change of the pages
 *   lost                 contents get lost; those who asked are told
 *
 * Exit code: 0 as expected, 1 not, 99 could not try.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xf86drm.h>

#include "xenuserptr.h"

#define CMD_VA		0x100000ULL
#define DATA_VA		0x10000000ULL
#define TIMEOUT_NS	60000000000LL

static struct xuptr_device *device;
static uint32_t vm;

static int want(const char *what, int got, int expected)
{
	printf("%s: %d\n", what, got);
	if (got == expected)
		return 0;
	printf("wanted %d\n", expected);
	return 1;
}

static void must(const char *what, int err)
{
	if (!err)
		return;
	printf("%s: %d\n", what, err);
	exit(99);
}

static unsigned long pinned_kib(void)
{
	FILE *status = fopen("/proc/self/status", "r");
	unsigned long kib = 0;
	char line[128];

	while (status && fgets(line, sizeof(line), status))
		if (sscanf(line, "VmPin: %lu", &kib) == 1)
			break;
	if (status)
		fclose(status);
	return kib;
}

static void *pages_make(size_t nr)
{
	void *memory = mmap(NULL, nr * XUPTR_PAGE_SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		must("mmap", -errno);
	memset(memory, 0x5a, nr * XUPTR_PAGE_SIZE);
	return memory;
}

static uint32_t pages_register(void *memory, size_t nr)
{
	uint32_t object;

	must("register", xuptr_register_one(device, memory,
					    nr * XUPTR_PAGE_SIZE, 0, &object));
	return object;
}

static int do_register(size_t nr)
{
	void *memory = pages_make(nr);
	uint32_t object = pages_register(memory, nr);

	if (want("VmPin", (int)pinned_kib(), (int)nr * 4))
		return 1;
	must("unregister", xuptr_unregister(device, object));
	return want("VmPin", (int)pinned_kib(), 0);
}

static void __attribute__((noreturn)) do_hold(size_t nr, size_t unmap)
{
	char *memory = pages_make(nr);

	pages_register(memory, nr);
	munmap(memory + (nr - unmap) * XUPTR_PAGE_SIZE, unmap * XUPTR_PAGE_SIZE);
	puts("held");
	for (;;)
		pause();
}

static int do_loop(size_t nr, size_t rounds)
{
	void *memory = pages_make(nr);
	size_t i;

	for (i = 0; i < rounds; i++)
		must("unregister",
		     xuptr_unregister(device, pages_register(memory, nr)));
	return 0;
}

static int job_queue(uint32_t engine, uint64_t code, uint32_t wait_for,
		     uint32_t *syncobj)
{
	struct xuptr_sync sync[2] = { { .signal = 1 }, { .syncobj = wait_for } };
	int err;

	must("fence_create", xuptr_fence_create(device, syncobj));
	sync[0].syncobj = *syncobj;
	err = xuptr_exec(device, vm, engine, CMD_VA + code, 64, sync,
			 wait_for ? 2 : 1);
	if (err)
		xuptr_fence_destroy(device, *syncobj);
	return err;
}

static int do_job(uint64_t code, size_t count)
{
	uint32_t *syncobj = calloc(count, sizeof(*syncobj));
	int err = 0;
	size_t i;

	if (!syncobj)
		must("calloc", -ENOMEM);
	must("vm_create", xuptr_vm_create(device, &vm));
	for (i = 0; i < count; i++)
		must("exec", job_queue(0, code, 0, &syncobj[i]));
	for (i = 0; i < count; i++)
		err = xuptr_fence_wait(device, syncobj[i], TIMEOUT_NS);
	printf("fence %d\n", err);
	free(syncobj);
	return 0;
}

static void __attribute__((noreturn)) do_stuck(size_t count)
{
	uint32_t syncobj;
	size_t i;

	must("vm_create", xuptr_vm_create(device, &vm));
	for (i = 0; i < count; i++)
		must("exec", job_queue(0, 3, 0, &syncobj));
	puts("queued");
	for (;;)
		pause();
}

/*
 * Engine 1 waits for a job of engine 0 that never ends by itself: it stays
 * unsent, both end when the VM goes, and a job after them on another VM works.
 */
static int do_chain(void)
{
	uint32_t first, second;

	must("vm_create", xuptr_vm_create(device, &vm));
	must("exec", job_queue(0, 0, 0, &first));
	must("exec", job_queue(1, 0, first, &second));
	puts("queued");
	return want("second", xuptr_fence_wait(device, second, -1), 0);
}

static int do_order(void)
{
	uint32_t first, second;

	must("vm_create", xuptr_vm_create(device, &vm));
	must("exec", job_queue(0, 3, 0, &first));
	must("exec", job_queue(1, 0, first, &second));
	if (want("early", xuptr_fence_wait(device, second, 300000000),
		 -ETIMEDOUT))
		return 1;
	must("vm_destroy", xuptr_vm_destroy(device, vm));
	if (want("first", xuptr_fence_wait(device, first, TIMEOUT_NS),
		 -ECANCELED) ||
	    want("second", xuptr_fence_wait(device, second, TIMEOUT_NS),
		 -ECANCELED))
		return 1;
	must("vm_create", xuptr_vm_create(device, &vm));
	must("exec", job_queue(0, 0, 0, &first));
	must("exec", job_queue(1, 0, first, &second));
	return want("after", xuptr_fence_wait(device, second, TIMEOUT_NS), 0);
}

static int do_bind(size_t nr)
{
	struct xuptr_bind *ops = calloc(nr, sizeof(*ops));
	uint32_t object = pages_register(pages_make(1), 1);
	size_t i;

	if (!ops)
		must("calloc", -ENOMEM);
	must("vm_create", xuptr_vm_create(device, &vm));
	for (i = 0; i < nr; i++) {
		ops[i].op = XUPTR_OP_MAP;
		ops[i].object = object;
		ops[i].length = XUPTR_PAGE_SIZE;
		ops[i].gpu_va = DATA_VA + i * XUPTR_PAGE_SIZE;
	}
	return want("bind", xuptr_bind(device, vm, ops, (uint32_t)nr, NULL, 0,
				       NULL), 0);
}

static int do_survive(uint64_t code)
{
	void *memory = pages_make(4);
	uint32_t object = pages_register(memory, 4), syncobj, more;
	struct xuptr_info info;

	must("vm_create", xuptr_vm_create(device, &vm));
	must("exec", job_queue(0, 0, 0, &syncobj));
	must("wait", xuptr_fence_wait(device, syncobj, TIMEOUT_NS));
	must("exec", job_queue(0, code, 0, &syncobj));
	if (want("fence", xuptr_fence_wait(device, syncobj, TIMEOUT_NS), -EIO))
		return 1;
	if (want("exec", job_queue(0, 0, 0, &syncobj), -ENODEV) ||
	    want("map", xuptr_map(device, vm, object, 0, XUPTR_PAGE_SIZE,
				  DATA_VA, 0), -ENODEV))
		return 1;
	xuptr_unregister(device, object);
	/* Until the backend offers a new connection, and then it works again. */
	while (xuptr_get_info(device, &info, sizeof(info)) == -ENODEV)
		usleep(20000);
	must("register", xuptr_register_one(device, memory, XUPTR_PAGE_SIZE, 0,
					    &more));
	return 0;
}

static int do_unmap(size_t nr)
{
	void *memory = pages_make(nr);
	uint32_t object = pages_register(memory, nr);
	int tries, err;

	must("vm_create", xuptr_vm_create(device, &vm));
	munmap(memory, nr * XUPTR_PAGE_SIZE);
	err = xuptr_map(device, vm, object, 0, XUPTR_PAGE_SIZE, DATA_VA, 0);
	/* The release is started by the munmap and made by a work item. */
	for (tries = 0; tries < 500 && pinned_kib(); tries++)
		usleep(10000);
	return want("map", err, -ESTALE) || want("VmPin", (int)pinned_kib(), 0);
}

static int do_discard(size_t nr, int change)
{
	char *memory = pages_make(nr);
	uint32_t object = pages_register(memory, nr), syncobj;

	must("vm_create", xuptr_vm_create(device, &vm));
	must("map", xuptr_map(device, vm, object, 0, nr * XUPTR_PAGE_SIZE,
			      DATA_VA, 0));
	must("exec", job_queue(0, 0, 0, &syncobj));
	madvise(memory + XUPTR_PAGE_SIZE, XUPTR_PAGE_SIZE,
		change ? MADV_DONTNEED : MADV_COLD);
	if (want("exec", job_queue(0, 0, 0, &syncobj), change ? -ESTALE : 0))
		return 1;
	must("unregister", xuptr_unregister(device, object));
	pages_register(memory, nr);
	return want("exec", job_queue(0, 0, 0, &syncobj), 0);
}

#define LOST_PAGES	8U
#define LOST_ROOM	128	/* events that a file keeps unread */

static volatile sig_atomic_t signals;

static void on_signal(int number)
{
	(void)number;
	signals = signals + 1;
}

/* Jobs of code 4 lose pages 1 and 2 of every object. */
static int lose(unsigned int times)
{
	uint32_t syncobj;
	int err = -ENODATA;

	while (times-- && err == -ENODATA) {
		must("exec", job_queue(0, 4, 0, &syncobj));
		err = xuptr_fence_wait(device, syncobj, TIMEOUT_NS);
		must("fence_destroy", xuptr_fence_destroy(device, syncobj));
	}
	return want("fence", err, -ENODATA);
}

static int told(uint32_t object, uint32_t flags, uint64_t offset,
		uint64_t length)
{
	struct xuptr_lost lost = { 0 };

	return want("told", xuptr_lost_read(device, TIMEOUT_NS, &lost), 0) ||
	       want("object", (int)lost.object, (int)object) ||
	       want("flags", (int)lost.flags, (int)flags) ||
	       want("offset", (int)lost.offset, (int)offset) ||
	       want("length", (int)lost.length, (int)length);
}

static int told_no_more(void)
{
	struct xuptr_lost lost;

	return want("told more", xuptr_lost_read(device, 0, &lost), -ETIMEDOUT);
}

static int next_is(uint32_t object, uint64_t from, int err, uint64_t offset,
		   uint64_t length)
{
	uint64_t got = 0;

	if (want("next", xuptr_lost_next(device, object, &from, &got), err))
		return 1;
	return !err && (want("offset", (int)from, (int)offset) ||
			want("length", (int)got, (int)length));
}

static int lost_asked(uint32_t object)
{
	return told_no_more() ||
	       next_is(object, 0, 0, LOST_PAGES * XUPTR_PAGE_SIZE, 0) ||
	       next_is(object, 5, -EINVAL, 0, 0) ||
	       next_is(object + 1000, 0, -ENOENT, 0, 0) || lose(1) ||
	       told(object, 0, XUPTR_PAGE_SIZE, 2 * XUPTR_PAGE_SIZE) ||
	       want("signals", (int)signals, 1) || told_no_more();
}

/* Who reads nothing is signalled, and told later that there was more. */
static int lost_unread(uint32_t object)
{
	int i, bad = lose(LOST_ROOM + 20);

	for (i = 0; !bad && i < LOST_ROOM; i++)
		bad = told(object, 0, XUPTR_PAGE_SIZE, 2 * XUPTR_PAGE_SIZE);
	return bad || told_no_more() ||
	       want("signals", (int)signals, LOST_ROOM + 21) || lose(1) ||
	       told(object, XUPTR_LOST_MISSED, XUPTR_PAGE_SIZE,
		    2 * XUPTR_PAGE_SIZE);
}

static int do_lost(void)
{
	uint32_t asked, other, syncobj;
	size_t size = LOST_PAGES * XUPTR_PAGE_SIZE;

	signal(SIGUSR2, on_signal);
	must("signal", xuptr_lost_signal(device, SIGUSR2));
	must("register", xuptr_register_one(device, pages_make(LOST_PAGES),
					    size, XUPTR_TELL_LOST, &asked));
	other = pages_register(pages_make(LOST_PAGES), LOST_PAGES);
	must("vm_create", xuptr_vm_create(device, &vm));
	if (lost_asked(asked) ||
	    next_is(other, 0, 0, XUPTR_PAGE_SIZE, 2 * XUPTR_PAGE_SIZE) ||
	    next_is(other, 2 * XUPTR_PAGE_SIZE, 0, 2 * XUPTR_PAGE_SIZE,
		    XUPTR_PAGE_SIZE) ||
	    next_is(other, 3 * XUPTR_PAGE_SIZE, 0, size, 0) ||
	    lost_unread(asked))
		return 1;
	/* It breaks the protocol, and the connection ends. */
	must("exec", job_queue(0, 20, 0, &syncobj));
	return told(asked, XUPTR_LOST_CONNECTION, 0, size) || told_no_more() ||
	       next_is(other, 0, -ENODEV, 0, 0);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	size_t first = argc > 2 ? strtoul(argv[2], NULL, 0) : 1;
	size_t second = argc > 3 ? strtoul(argv[3], NULL, 0) : 1;

	setvbuf(stdout, NULL, _IOLBF, 0);
	must("open", xuptr_open(NULL, &device));
	if (!strcmp(what, "register"))
		return do_register(first);
	if (!strcmp(what, "hold"))
		do_hold(first, 0);
	if (!strcmp(what, "half"))
		do_hold(first, first / 2);
	if (!strcmp(what, "loop"))
		return do_loop(first, second);
	if (!strcmp(what, "job"))
		return do_job(first, second);
	if (!strcmp(what, "stuck"))
		do_stuck(first);
	if (!strcmp(what, "order"))
		return do_order();
	if (!strcmp(what, "chain"))
		return do_chain();
	if (!strcmp(what, "bind"))
		return do_bind(first);
	if (!strcmp(what, "survive"))
		return do_survive(first);
	if (!strcmp(what, "unmap"))
		return do_unmap(first);
	if (!strcmp(what, "discard"))
		return do_discard(first, 1);
	if (!strcmp(what, "partly"))
		return do_discard(first, 0);
	if (!strcmp(what, "lost"))
		return do_lost();
	fprintf(stderr, "front-guest: no command %s\n", what);
	return 99;
}
