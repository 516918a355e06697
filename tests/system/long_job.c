// SPDX-License-Identifier: MIT
/*
 * long-job: keeps the GPU busy on this program's own memory while the test
 * does something to the backend, then says how the job ended.
 *
 * usage: long-job SECONDS [FILE]
 *
 * Writes FILE when the job is queued. Prints "ended: " and the name of the
 * job's error, "Success" if there was none. Exit code: 0 the job ended, in
 * whatever way; 99 it could not be queued.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gpu_cmd.h"
#include "program.h"
#include "xenuserptr.h"

#define PAGE	((size_t)XUPTR_PAGE_SIZE)
#define VA_CMD	0x000010000000ULL

static void say_queued(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		err(99, "%s", path);
	close(fd);
}

int main(int argc, char **argv)
{
	struct xuptr_sync done = { .signal = 1 };
	struct xuptr_device *device;
	uint32_t vm, object;
	struct gpu_cmd cmd;
	void *memory;
	int ret;

	if (argc < 2)
		errx(99, "usage: long-job SECONDS [FILE]");
	memory = aligned_alloc(PAGE, PAGE);
	if (!memory)
		err(99, "aligned_alloc");
	gpu_cmd_begin(&cmd, memory, PAGE);
	gpu_cmd_busy(&cmd, strtoull(argv[1], NULL, 10) * 1000000000ULL);
	need(xuptr_open(NULL, &device), "xuptr_open");
	need(xuptr_vm_create(device, &vm), "xuptr_vm_create");
	need(xuptr_register_one(device, memory, PAGE, 0, &object),
	     "xuptr_register_one");
	need(xuptr_map(device, vm, object, 0, PAGE, VA_CMD, 0), "xuptr_map");
	need(xuptr_fence_create(device, &done.syncobj), "xuptr_fence_create");
	need(xuptr_exec(device, vm, 0, VA_CMD, gpu_cmd_octets(&cmd), &done, 1),
	     "xuptr_exec");
	if (argc > 2)
		say_queued(argv[2]);
	ret = xuptr_fence_wait(device, done.syncobj, -1);
	printf("ended: %s\n", strerror(-ret));
	xuptr_close(device);
	free(memory);
	return 0;
}
