// SPDX-License-Identifier: MIT
/*
 * What happens to registered memory while it is registered: unmapped in parts
 * and as a whole, moved, discarded, split. Each case looks from both ends: the
 * CPU's view and what the GPU sees.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ut_mem.h"

static void open_close(void)
{
	struct drm_xen_userptr_info info;
	int i, fd;

	for (i = 0; i < 50; i++) {
		fd = ut_node_open();
		UT_ERRNO(__ut_info(fd, &info), 0);
		close(fd);
	}
}

/* What the CPU wrote before EXEC is what the GPU reads. */
static void bind_read(void)
{
	unsigned char *out = ut_pages(UT_MEM_PAGES);
	uint32_t handle;
	struct ut_mem m;
	size_t i;

	ut_mem_open(&m);
	handle = ut_create_one(m.ut.fd, out, UT_MEM_PAGES * UT_PAGE, 0);
	ut_map(&m.ut, handle, UT_MEM_PAGES * UT_PAGE, UT_OUT_VA);
	for (i = 0; i < UT_MEM_PAGES * UT_PAGE; i++)
		m.memory[i] = (unsigned char)(i * 31 + i / 4096);
	gpu_cmd_copy(&m.cmd, UT_OUT_VA, UT_GPU_VA, UT_MEM_PAGES * UT_PAGE);
	UT_ERRNO(ut_run(&m.batch, &m.cmd), 0);
	UT_CHECK(!memcmp(out, m.memory, UT_MEM_PAGES * UT_PAGE), "the copy differs");
	ut_close(&m.ut);
}

static void bind_write(void)
{
	struct ut_mem m;
	size_t i;

	ut_mem_open(&m);
	ut_mem_fill(&m, 0, UT_MEM_PAGES, 0x01020304);
	UT_ERRNO(ut_run(&m.batch, &m.cmd), 0);
	for (i = 0; i < UT_MEM_PAGES * UT_PAGE; i += 4)
		UT_CHECK(*(uint32_t *)(m.memory + i) == 0x01020304, "at %zu", i);
	ut_close(&m.ut);
}

/* The program takes its own access away: the object stays, and so does the data. */
static void bind_prot_none(void)
{
	struct ut_mem m;

	ut_mem_open(&m);
	UT_CHECK(!mprotect(m.memory, UT_MEM_PAGES * UT_PAGE, PROT_NONE), "mprotect");
	ut_mem_fill(&m, 0, UT_MEM_PAGES, 77);
	UT_ERRNO(ut_run(&m.batch, &m.cmd), 0);
	UT_CHECK(!mprotect(m.memory, UT_MEM_PAGES * UT_PAGE, PROT_READ), "mprotect back");
	UT_CHECK(ut_mem_word(&m, UT_MEM_PAGES - 1) == 77, "the GPU's data is not there");
	ut_close(&m.ut);
}

static void bind_after_munmap(void)
{
	uint32_t handle;
	struct ut_mem m;

	ut_mem_open(&m);
	ut_mem_drop(&m, 0, UT_MEM_PAGES);
	UT_ERRNO(__ut_mem_map_page(&m, 0), -ESTALE);
	UT_ERRNO(__ut_create_one(m.ut.fd, m.memory, UT_PAGE, 0, &handle), -EFAULT);
	ut_close(&m.ut);
}

/* One object at two addresses is the same memory. */
static void double_bind(void)
{
	struct ut_mem m;

	ut_mem_open(&m);
	ut_map(&m.ut, m.handle, UT_MEM_PAGES * UT_PAGE, UT_OUT_VA);
	gpu_cmd_inc(&m.cmd, UT_GPU_VA, 1, UT_MEM_PAGES * UT_PAGE / 4);
	gpu_cmd_inc(&m.cmd, UT_OUT_VA, 2, UT_MEM_PAGES * UT_PAGE / 4);
	UT_ERRNO(ut_run(&m.batch, &m.cmd), 0);
	UT_CHECK(ut_mem_word(&m, 3) == 3, "two increments left %u", ut_mem_word(&m, 3));
	ut_close(&m.ut);
}

static void partial_unmap(void)
{
	struct ut_mem m;

	ut_mem_open(&m);
	ut_mem_drop(&m, 3, 2);
	ut_mem_check_kept(&m, 0xff & ~0x18, 0x100);
	ut_close(&m.ut);
}

static void partial_unmap_front(void)
{
	struct ut_mem m;

	ut_mem_open(&m);
	ut_mem_drop(&m, 0, 3);
	ut_mem_check_kept(&m, 0xf8, 0x200);
	ut_close(&m.ut);
}

static void partial_unmap_end(void)
{
	struct ut_mem m;

	ut_mem_open(&m);
	ut_mem_drop(&m, 7, 1);
	ut_mem_check_kept(&m, 0x7f, 0x300);
	ut_close(&m.ut);
}

/* In many steps, with work in between, until nothing is left. */
static void partial_unmap_many(void)
{
	static const unsigned char order[UT_MEM_PAGES] = { 5, 0, 7, 2, 3, 6, 1, 4 };
	unsigned int i, kept = 0xff;
	struct ut_mem m;

	ut_mem_open(&m);
	for (i = 0; i < UT_MEM_PAGES - 1; i++) {
		ut_mem_drop(&m, order[i], 1);
		kept &= ~(1u << order[i]);
		ut_mem_check_kept(&m, kept, 0x1000 * (i + 1));
	}
	ut_mem_drop(&m, order[i], 1);
	UT_ERRNO(__ut_mem_map_page(&m, order[i]), -ESTALE);
	ut_close(&m.ut);
}

/* What is gone is collected while the rest is in use. */
static void partial_unmap_frees(void)
{
	unsigned char *memory = ut_pages(64);
	struct ut_batch batch;
	struct gpu_cmd cmd;
	uint32_t handle, other;
	unsigned long base;
	struct ut ut;

	ut_open(&ut);
	ut_batch_open(&batch, &ut, &cmd);
	base = ut_pinned_pages();
	handle = ut_create_one(ut.fd, memory, 64 * UT_PAGE, 0);
	ut_map(&ut, handle, 64 * UT_PAGE, UT_GPU_VA);
	UT_CHECK(!munmap(memory + 2 * UT_PAGE, 30 * UT_PAGE), "munmap");
	UT_CHECK(ut_wait_pinned(base + 34), "%lu pages pinned", ut_pinned_pages() - base);
	/* A page in two objects is kept for the other, until that loses it too. */
	other = ut_create_one(ut.fd, memory + 32 * UT_PAGE, 32 * UT_PAGE, 0);
	ut_map(&ut, other, 32 * UT_PAGE, UT_OUT_VA);
	UT_CHECK(!munmap(memory + 40 * UT_PAGE, 16 * UT_PAGE), "munmap");
	UT_CHECK(ut_wait_pinned(base + 18 + 16), "%lu pages pinned", ut_pinned_pages() - base);
	gpu_cmd_fill(&cmd, UT_GPU_VA, 5, 2 * UT_PAGE);
	gpu_cmd_fill(&cmd, UT_GPU_VA + 32 * UT_PAGE, 6, 8 * UT_PAGE);
	gpu_cmd_inc(&cmd, UT_OUT_VA + 24 * UT_PAGE, 7, 8 * UT_PAGE / 4);
	/* What is gone is blank: no fault, and nobody's memory. */
	gpu_cmd_fill(&cmd, UT_GPU_VA + 10 * UT_PAGE, 8, UT_PAGE);
	UT_ERRNO(ut_run(&batch, &cmd), 0);
	UT_CHECK(*(uint32_t *)(memory + UT_PAGE) == 5, "the front");
	UT_CHECK(*(uint32_t *)(memory + 39 * UT_PAGE) == 6, "the middle");
	UT_CHECK(*(uint32_t *)(memory + 63 * UT_PAGE) == 7, "the end");
	ut_destroy(ut.fd, other);
	UT_CHECK(ut_wait_pinned(base + 18), "%lu pages pinned", ut_pinned_pages() - base);
	ut_destroy(ut.fd, handle);
	UT_CHECK(ut_wait_pinned(base), "%lu pages pinned", ut_pinned_pages() - base);
	ut_close(&ut);
}

/* Unmapping every range of a scattered object, one by one, releases it. */
static void unmap_all_ranges(void)
{
	struct drm_xen_userptr_range range[16];
	struct drm_xen_userptr_create create;
	unsigned int i;
	struct ut_mem m;

	ut_mem_open(&m);
	for (i = 0; i < 16; i++)
		range[i] = (struct drm_xen_userptr_range){
			.addr = (uintptr_t)ut_pages(3), .length = 3 * UT_PAGE,
		};
	UT_ERRNO(__ut_create(m.ut.fd, range, 16, 0, &create), 0);
	UT_CHECK(ut_pinned_pages() == UT_MEM_PAGES + 4 + 48, "%lu pages pinned", ut_pinned_pages());
	for (i = 0; i < 16; i++)
		munmap((void *)(uintptr_t)range[(i * 7) % 16].addr, 3 * UT_PAGE);
	UT_CHECK(ut_wait_pinned(UT_MEM_PAGES + 4), "%lu pages stay pinned", ut_pinned_pages());
	ut_close(&m.ut);
}

/* Moved memory is gone from its old address; the data is at the new one. */
static void mremap_moves(void)
{
	unsigned char *place, *moved;
	uint32_t handle;
	struct ut_mem m;

	ut_mem_open(&m);
	ut_mem_fill(&m, 0, UT_MEM_PAGES, 0x55);
	UT_ERRNO(ut_run(&m.batch, &m.cmd), 0);
	place = ut_pages(UT_MEM_PAGES);
	moved = mremap(m.memory, UT_MEM_PAGES * UT_PAGE, UT_MEM_PAGES * UT_PAGE,
		       MREMAP_MAYMOVE | MREMAP_FIXED, place);
	UT_CHECK(moved == place, "mremap: %s", strerror(errno));
	UT_CHECK(moved[0] == 0x55 && moved[7 * UT_PAGE] == 0x55, "the data did not move along");
	UT_ERRNO(__ut_mem_map_page(&m, 0), -ESTALE);
	handle = ut_create_one(m.ut.fd, moved, UT_MEM_PAGES * UT_PAGE, 0);
	ut_map(&m.ut, handle, UT_MEM_PAGES * UT_PAGE, UT_OUT_VA);
	ut_mem_begin(&m);
	gpu_cmd_fill(&m.cmd, UT_OUT_VA, 0x66, UT_PAGE);
	UT_ERRNO(ut_run(&m.batch, &m.cmd), 0);
	UT_CHECK(moved[0] == 0x66, "the new object does not work");
	ut_close(&m.ut);
}

static void partial_remap(void)
{
	unsigned char *place = ut_pages(2);
	struct ut_mem m;

	ut_mem_open(&m);
	UT_CHECK(mremap(m.memory + 2 * UT_PAGE, 2 * UT_PAGE, 2 * UT_PAGE,
			MREMAP_MAYMOVE | MREMAP_FIXED, place) == place, "mremap");
	ut_mem_check_kept(&m, 0xff & ~0x0c, 0x700);
	UT_CHECK(place[0] == 0, "memory that moved away was written");
	ut_close(&m.ut);
}

/* New pages at an old address are not what was registered: EXEC says so. */
static void madvise_dontneed(void)
{
	uint32_t handle, syncobj;
	struct ut_mem m;

	ut_mem_open(&m);
	UT_CHECK(!madvise(m.memory + UT_PAGE, UT_PAGE, MADV_DONTNEED), "madvise");
	ut_mem_fill(&m, 0, 1, 1);
	UT_ERRNO(__ut_exec(&m.ut, 0, UT_CMD_VA, gpu_cmd_octets(&m.cmd), &syncobj), -ESTALE);
	UT_CHECK(ut_mem_word(&m, 0) == 0, "the job ran");
	ut_destroy(m.ut.fd, m.handle);
	handle = ut_create_one(m.ut.fd, m.memory, UT_MEM_PAGES * UT_PAGE, 0);
	ut_map(&m.ut, handle, UT_MEM_PAGES * UT_PAGE, UT_GPU_VA);
	UT_ERRNO(ut_run(&m.batch, &m.cmd), 0);
	UT_CHECK(ut_mem_word(&m, 0) == 1, "after registering again");
	ut_close(&m.ut);
}

/* What is unmapped does not make what was discarded and refilled elsewhere stale. */
static void dontneed_of_gone_part(void)
{
	struct ut_mem m;

	ut_mem_open(&m);
	ut_mem_drop(&m, 4, 2);
	UT_CHECK(mmap(m.memory + 4 * UT_PAGE, 2 * UT_PAGE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
		 m.memory + 4 * UT_PAGE, "mmap");
	memset(m.memory + 4 * UT_PAGE, 0, 2 * UT_PAGE);
	UT_CHECK(!madvise(m.memory + 4 * UT_PAGE, UT_PAGE, MADV_DONTNEED), "madvise");
	ut_mem_check_kept(&m, 0xff & ~0x30, 0x900);
	UT_CHECK(ut_mem_word(&m, 4) == 0 && ut_mem_word(&m, 5) == 0, "new memory was written");
	ut_close(&m.ut);
}

static void map_fixed_over(struct ut_mem *m)
{
	void *at = mmap(m->memory, UT_MEM_PAGES * UT_PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	UT_CHECK(at == m->memory, "mmap: %s", strerror(errno));
	memset(m->memory, UT_MEM_NEW, UT_MEM_PAGES * UT_PAGE);
}

static void map_fixed_invalidate(void)
{
	struct ut_mem m;

	ut_mem_open(&m);
	map_fixed_over(&m);
	UT_ERRNO(__ut_mem_map_page(&m, 0), -ESTALE);
	ut_mem_check_new(&m);
	ut_close(&m.ut);
}

/* The same while a job is on its way to write there. */
static void map_fixed_invalidate_busy(void)
{
	uint32_t syncobj;
	struct ut_mem m;
	int error;

	ut_mem_open(&m);
	gpu_cmd_busy(&m.cmd, UT_SOME_TIME_NS);
	ut_mem_fill(&m, 0, UT_MEM_PAGES, 0x77);
	UT_ERRNO(__ut_exec(&m.ut, 0, UT_CMD_VA, gpu_cmd_octets(&m.cmd), &syncobj), 0);
	map_fixed_over(&m);
	error = ut_fence_wait(m.ut.fd, syncobj);
	UT_CHECK(error == 0 || error == -EFAULT, "the fence says %d", error);
	ut_mem_check_new(&m);
	ut_close(&m.ut);
}

/* A file that is shared: the GPU's data is in the file. */
static void file_backed(void)
{
	int file = memfd_create("ut", 0);
	uint32_t word = 0;
	struct ut_mem m;
	void *at;

	if (file < 0 || ftruncate(file, UT_MEM_PAGES * UT_PAGE))
		ut_error("memfd");
	at = mmap(NULL, UT_MEM_PAGES * UT_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	UT_CHECK(at != MAP_FAILED, "mmap");
	ut_mem_open_at(&m, at);
	ut_mem_fill(&m, 5, 1, 0xf11e);
	UT_ERRNO(ut_run(&m.batch, &m.cmd), 0);
	UT_CHECK(pread(file, &word, 4, 5 * UT_PAGE) == 4 && word == 0xf11e, "file: %#x", word);
	word = 0xcafe;
	UT_CHECK(pwrite(file, &word, 4, 6 * UT_PAGE) == 4, "pwrite");
	ut_mem_begin(&m);
	gpu_cmd_copy(&m.cmd, UT_GPU_VA, UT_GPU_VA + 6 * UT_PAGE, 4);
	UT_ERRNO(ut_run(&m.batch, &m.cmd), 0);
	UT_CHECK(ut_mem_word(&m, 0) == 0xcafe, "the GPU read %#x", ut_mem_word(&m, 0));
	ut_close(&m.ut);
}

/* Parts of a large page may be unmapped; the kernel splits it. */
static void huge_split(void)
{
	const size_t huge = 2 << 20;
	unsigned char *at = mmap(NULL, 3 * huge, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct ut_mem m;

	UT_CHECK(at != MAP_FAILED, "mmap");
	at = (unsigned char *)(((uintptr_t)at + huge - 1) & ~(huge - 1));
	madvise(at, 2 * huge, MADV_HUGEPAGE);
	memset(at, 1, 2 * huge);
	ut_mem_open_size(&m, at, 2 * huge);
	UT_CHECK(!munmap(at + huge / 2, UT_PAGE), "munmap");
	gpu_cmd_fill(&m.cmd, UT_GPU_VA, 3, huge / 2);
	gpu_cmd_fill(&m.cmd, UT_GPU_VA + huge / 2 + UT_PAGE, 4, huge);
	UT_ERRNO(ut_run(&m.batch, &m.cmd), 0);
	UT_CHECK(at[0] == 3 && at[huge / 2 - 4] == 3, "before the hole");
	UT_CHECK(at[huge / 2 + UT_PAGE] == 4 && at[huge + 4096] == 4, "behind the hole");
	ut_close(&m.ut);
}

const struct ut_case ut_memory_cases[] = {
	{ "open_close", open_close },
	{ "bind_read", bind_read },
	{ "bind_write", bind_write },
	{ "bind_prot_none", bind_prot_none },
	{ "bind_after_munmap", bind_after_munmap },
	{ "double_bind", double_bind },
	{ "partial_unmap", partial_unmap },
	{ "partial_unmap_front", partial_unmap_front },
	{ "partial_unmap_end", partial_unmap_end },
	{ "partial_unmap_many", partial_unmap_many },
	{ "partial_unmap_frees", partial_unmap_frees },
	{ "unmap_all_ranges", unmap_all_ranges },
	{ "mremap", mremap_moves },
	{ "partial_remap", partial_remap },
	{ "madvise_dontneed", madvise_dontneed },
	{ "dontneed_of_gone_part", dontneed_of_gone_part },
	{ "map_fixed_invalidate", map_fixed_invalidate },
	{ "map_fixed_invalidate_busy", map_fixed_invalidate_busy },
	{ "file_backed", file_backed },
	{ "huge_split", huge_split },
	{ NULL, NULL },
};
