// SPDX-License-Identifier: MIT
/*
 * Parts that scenarios put together: what one guest does while another one, the module in
 * dom0 or the other end's death interferes. They print "running" when they are.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "ut_mem.h"

#define SECRET		0x5ec4e7u

/*
 * One of two guests: a secret in memory that the GPU has at UT_GPU_VA, and jobs on it,
 * until the file /tmp/stop is there; then it must be as it was.
 */
static void isolated_owner(void)
{
	struct ut_mem m;
	uint32_t page;

	ut_mem_open(&m);
	ut_mem_fill(&m, 0, UT_MEM_PAGES, SECRET);
	UT_ERRNO(ut_run(&m.batch, &m.cmd), 0);
	puts("running");
	while (access("/tmp/stop", F_OK)) {
		ut_mem_begin(&m);
		gpu_cmd_inc(&m.cmd, UT_GPU_VA, 1, UT_MEM_PAGES * UT_PAGE / 4);
		gpu_cmd_inc(&m.cmd, UT_GPU_VA, ~0u, UT_MEM_PAGES * UT_PAGE / 4);
		UT_ERRNO(ut_run(&m.batch, &m.cmd), 0);
	}
	for (page = 0; page < UT_MEM_PAGES; page++)
		UT_CHECK(ut_mem_word(&m, page) == SECRET, "page %u holds %#x", page,
			 ut_mem_word(&m, page));
	ut_close(&m.ut);
}

/* The other: nothing is where the owner has its memory, and what it binds there is its own. */
static void isolated_other(void)
{
	unsigned char *memory = ut_pages(UT_MEM_PAGES);
	struct ut_batch batch;
	struct gpu_cmd cmd;
	uint32_t handle;
	struct ut ut;
	size_t i;

	ut_open(&ut);
	ut_batch_open(&batch, &ut, &cmd);
	handle = ut_create_one(ut.fd, memory, UT_MEM_PAGES * UT_PAGE, 0);
	ut_map(&ut, handle, UT_MEM_PAGES * UT_PAGE, UT_OUT_VA);
	gpu_cmd_copy(&cmd, UT_OUT_VA, UT_GPU_VA, UT_PAGE);
	UT_ERRNO(ut_run(&batch, &cmd), -EFAULT);
	gpu_cmd_begin(&cmd, batch.memory, UT_PAGE);
	gpu_cmd_fill(&cmd, UT_GPU_VA, 0xbad, UT_PAGE);
	UT_ERRNO(ut_run(&batch, &cmd), -EFAULT);
	ut_map(&ut, handle, UT_MEM_PAGES * UT_PAGE, UT_GPU_VA);
	for (i = 0; i < UT_MEM_PAGES * UT_PAGE; i++)
		UT_CHECK(!memory[i], "octet %zu of the other guest: %#x", i, memory[i]);
	gpu_cmd_begin(&cmd, batch.memory, UT_PAGE);
	gpu_cmd_inc(&cmd, UT_GPU_VA, 3, UT_MEM_PAGES * UT_PAGE / 4);
	UT_ERRNO(ut_run(&batch, &cmd), 0);
	for (i = 0; i < UT_MEM_PAGES * UT_PAGE; i += 4)
		UT_CHECK(*(volatile uint32_t *)(memory + i) == 3, "at %#zx", i);
	ut_close(&ut);
}

/* A job that takes too long, for the GPU to kill; the other guest must not notice. */
static void isolated_hang(void)
{
	struct ut_mem m;
	int ret;

	ut_mem_open(&m);
	gpu_cmd_poll(&m.cmd, UT_GPU_VA, 1, ~0u);
	ret = ut_run(&m.batch, &m.cmd);
	UT_CHECK(ret == -ETIME || ret == -ECANCELED, "the job ended with %d", ret);
	ut_close(&m.ut);
}

/*
 * A program that lives through the guest's save and restore: registered before; after
 * /tmp/go it is told that all is lost, registers again and goes on.
 */
static void restored(void)
{
	uint32_t syncobj;
	struct ut_mem m, again;
	int ret;

	ut_mem_open(&m);
	ut_mem_fill(&m, 0, UT_MEM_PAGES, 0xa11);
	UT_ERRNO(ut_run(&m.batch, &m.cmd), 0);
	puts("running");
	while (access("/tmp/go", F_OK))
		usleep(100000);
	UT_CHECK(ut_mem_word(&m, 7) == 0xa11, "the data is gone: %#x", ut_mem_word(&m, 7));
	ret = __ut_exec(&m.ut, 0, UT_CMD_VA, gpu_cmd_octets(&m.cmd), &syncobj);
	UT_CHECK(ret == -ENODEV, "a job on the old connection: %d", ret);
	UT_ERRNO(__ut_mem_map_page(&m, 0), -ENODEV);
	UT_CHECK(ut_wait_pinned(0), "%lu pages stay pinned", ut_pinned_pages());
	ut_mem_open_at(&again, m.memory);
	ut_mem_fill(&again, 0, UT_MEM_PAGES, 0xa12);
	UT_ERRNO(ut_run(&again.batch, &again.cmd), 0);
	UT_CHECK(ut_mem_word(&again, 7) == 0xa12, "the new object does not work");
	ut_close(&again.ut);
	ut_close(&m.ut);
	puts("passed");
}

/* The same when the guest only was suspended: nothing was lost, nobody notices. */
static void resumed(void)
{
	struct ut_mem m;

	ut_mem_open(&m);
	puts("running");
	while (access("/tmp/go", F_OK))
		usleep(100000);
	ut_mem_fill(&m, 0, UT_MEM_PAGES, 0xa13);
	UT_ERRNO(ut_run(&m.batch, &m.cmd), 0);
	UT_CHECK(ut_mem_word(&m, 7) == 0xa13, "the object does not work");
	ut_close(&m.ut);
	puts("passed");
}

const struct ut_case ut_apart_cases[] = {
	{ "fail_once", ut_fail_once },
	{ "isolated_owner", isolated_owner },
	{ "isolated_other", isolated_other },
	{ "isolated_hang", isolated_hang },
	{ "restored", restored },
	{ "resumed", resumed },
	{ NULL, NULL },
};
