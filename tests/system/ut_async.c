// SPDX-License-Identifier: MIT
/*
 * VM_BIND with fences: it returns before the change is done, waits for what it was told
 * to, happens in the order of the calls, and says when it is over.
 */
#include <errno.h>
#include <string.h>

#include <xf86drm.h>

#include "ut_mem.h"

#define GATE_PAGE	0	/* of the object: the word that the first job waits for */
#define NR_POINTS	6

/* A job that waits for a word, so that the program decides when its fence signals. */
struct gate {
	struct ut_mem m;
	uint32_t fence;
};

static void gate_open(struct gate *g)
{
	ut_mem_open(&g->m);
	gpu_cmd_poll(&g->m.cmd, UT_GPU_VA + GATE_PAGE * UT_PAGE, 1, ~0U);
	UT_ERRNO(__ut_exec(&g->m.ut, 0, UT_CMD_VA, gpu_cmd_octets(&g->m.cmd), &g->fence), 0);
	/* The other jobs' commands come behind it. */
	gpu_cmd_begin(&g->m.cmd, (char *)g->m.batch.memory + UT_PAGE, UT_PAGE);
}

static void gate_lift(struct gate *g)
{
	*(volatile uint32_t *)(g->m.memory + GATE_PAGE * UT_PAGE) = 1;
}

static uint32_t syncobj_new(int fd)
{
	uint32_t syncobj;

	if (drmSyncobjCreate(fd, 0, &syncobj))
		ut_error("drmSyncobjCreate");
	return syncobj;
}

static bool has_signalled(int fd, uint32_t syncobj)
{
	return !drmSyncobjWait(fd, &syncobj, 1, 0, 0, NULL);
}

/* Bind a page of the object at UT_OUT_VA, or unbind it if @page is negative. */
static int bind_with(struct ut_mem *m, int page, const struct drm_xen_userptr_sync *syncs,
		     uint32_t nr)
{
	struct drm_xen_userptr_bind_op op = {
		.op = page < 0 ? DRM_XEN_USERPTR_BIND_UNMAP : DRM_XEN_USERPTR_BIND_MAP,
		.handle = page < 0 ? 0 : m->handle, .offset = page < 0 ? 0 : page * UT_PAGE,
		.length = UT_PAGE, .gpu_va = UT_OUT_VA,
	};
	struct drm_xen_userptr_vm_bind arg = {
		.vm_id = m->ut.vm, .ops = (uintptr_t)&op, .nr_ops = 1,
		.syncs = (uintptr_t)syncs, .nr_syncs = nr,
	};

	return drmIoctl(m->ut.fd, DRM_IOCTL_XEN_USERPTR_VM_BIND, &arg) ? -errno : 0;
}

static struct drm_xen_userptr_sync wait_for(uint32_t syncobj)
{
	return (struct drm_xen_userptr_sync){ .handle = syncobj };
}

static struct drm_xen_userptr_sync signal_at_end(uint32_t syncobj)
{
	return (struct drm_xen_userptr_sync){ .handle = syncobj,
					      .flags = DRM_XEN_USERPTR_SYNC_SIGNAL };
}

/* A job on the other engine that fills the page at UT_OUT_VA; waits for @in if not 0. */
static uint32_t fill_out(struct ut_mem *m, uint32_t value, uint32_t in)
{
	uint32_t out = syncobj_new(m->ut.fd);
	struct drm_xen_userptr_sync syncs[] = { signal_at_end(out), wait_for(in) };
	size_t before = gpu_cmd_octets(&m->cmd);
	struct drm_xen_userptr_exec exec = {
		.vm_id = m->ut.vm, .engine = 1, .cmd_va = UT_CMD_VA + UT_PAGE + before,
		.syncs = (uintptr_t)syncs, .nr_syncs = in ? 2 : 1,
	};

	gpu_cmd_fill(&m->cmd, UT_OUT_VA, value, UT_PAGE);
	exec.cmd_length = gpu_cmd_octets(&m->cmd) - before;
	UT_CHECK(!drmIoctl(m->ut.fd, DRM_IOCTL_XEN_USERPTR_EXEC, &exec), "EXEC: %s",
		 strerror(errno));
	return out;
}

/* The bind is not done before its in-fence, and a job that waits for it finds it done. */
static void bind_in_and_out_fence(void)
{
	struct drm_xen_userptr_sync syncs[2];
	uint32_t bound, early, late;
	struct gate g;

	gate_open(&g);
	bound = syncobj_new(g.m.ut.fd);
	syncs[0] = wait_for(g.fence);
	syncs[1] = signal_at_end(bound);
	UT_ERRNO(bind_with(&g.m, 3, syncs, 2), 0);
	late = fill_out(&g.m, 0x333, bound);
	early = fill_out(&g.m, 0x111, 0);
	/* One engine does its jobs in turn, so the second is behind the first. */
	UT_CHECK(!has_signalled(g.m.ut.fd, bound), "the bind did not wait");
	UT_CHECK(!has_signalled(g.m.ut.fd, late), "the job did not wait for the bind");
	UT_CHECK(ut_mem_word(&g.m, 3) == 0, "the page is bound already");
	gate_lift(&g);
	UT_ERRNO(ut_fence_wait(g.m.ut.fd, late), 0);
	UT_ERRNO(ut_fence_wait(g.m.ut.fd, early), 0);
	UT_ERRNO(ut_fence_wait(g.m.ut.fd, bound), 0);
	UT_ERRNO(ut_fence_wait(g.m.ut.fd, g.fence), 0);
	UT_CHECK(ut_mem_word(&g.m, 3) == 0x111, "the page holds %#x", ut_mem_word(&g.m, 3));
	ut_close(&g.m.ut);
}

/* Only the first waits; the second is behind it all the same, and so its page is there. */
static void bind_in_order(void)
{
	struct drm_xen_userptr_sync syncs[2];
	uint32_t first, second, job;
	struct gate g;

	gate_open(&g);
	first = syncobj_new(g.m.ut.fd);
	second = syncobj_new(g.m.ut.fd);
	syncs[0] = wait_for(g.fence);
	syncs[1] = signal_at_end(first);
	UT_ERRNO(bind_with(&g.m, 4, syncs, 2), 0);
	syncs[0] = signal_at_end(second);
	UT_ERRNO(bind_with(&g.m, 5, syncs, 1), 0);
	UT_CHECK(!has_signalled(g.m.ut.fd, second), "the second bind overtook the first");
	gate_lift(&g);
	job = fill_out(&g.m, 0x555, second);
	UT_ERRNO(ut_fence_wait(g.m.ut.fd, job), 0);
	UT_CHECK(has_signalled(g.m.ut.fd, first), "the first bind is not over");
	UT_CHECK(ut_mem_word(&g.m, 4) == 0 && ut_mem_word(&g.m, 5) == 0x555, "pages hold %#x, %#x",
		 ut_mem_word(&g.m, 4), ut_mem_word(&g.m, 5));
	ut_close(&g.m.ut);
}

/* Each bind waits for a point of a timeline and signals the next. */
static void bind_timeline(void)
{
	struct drm_xen_userptr_sync syncs[2];
	uint32_t timeline, job, file_sync;
	uint64_t point = NR_POINTS;
	struct gate g;

	gate_open(&g);
	timeline = syncobj_new(g.m.ut.fd);
	UT_CHECK(!drmSyncobjTransfer(g.m.ut.fd, timeline, 1, g.fence, 0, 0), "transfer: %s",
		 strerror(errno));
	for (uint32_t i = 1; i < NR_POINTS; i++) {
		syncs[0] = (struct drm_xen_userptr_sync){
			.handle = timeline, .flags = DRM_XEN_USERPTR_SYNC_TIMELINE, .point = i,
		};
		syncs[1] = (struct drm_xen_userptr_sync){
			.handle = timeline, .point = i + 1,
			.flags = DRM_XEN_USERPTR_SYNC_TIMELINE | DRM_XEN_USERPTR_SYNC_SIGNAL,
		};
		UT_ERRNO(bind_with(&g.m, (int)i, syncs, 2), 0);
	}
	UT_CHECK(drmSyncobjTimelineWait(g.m.ut.fd, &timeline, &point, 1, 0, 0, NULL),
		 "the last point has signalled");
	gate_lift(&g);
	file_sync = syncobj_new(g.m.ut.fd);
	UT_CHECK(!drmSyncobjTransfer(g.m.ut.fd, file_sync, 0, timeline, NR_POINTS, 0),
		 "transfer: %s", strerror(errno));
	job = fill_out(&g.m, 0x777, file_sync);
	UT_ERRNO(ut_fence_wait(g.m.ut.fd, job), 0);
	UT_CHECK(ut_mem_word(&g.m, NR_POINTS - 1) == 0x777 && ut_mem_word(&g.m, 1) == 0,
		 "not the last of the binds");
	ut_close(&g.m.ut);
}

/* What is wrong is said by the call: no fence, and what was bound stays. */
static void bind_error_before_fence(void)
{
	struct drm_xen_userptr_sync syncs[2];
	uint32_t out, job;
	struct gate g;

	gate_open(&g);
	UT_ERRNO(__ut_mem_map_page(&g.m, 6), 0);
	out = syncobj_new(g.m.ut.fd);
	syncs[0] = wait_for(g.fence);
	syncs[1] = signal_at_end(out);
	UT_ERRNO(bind_with(&g.m, UT_MEM_PAGES, syncs, 2), -EINVAL);
	syncs[1].handle = 4711;
	UT_ERRNO(bind_with(&g.m, 2, syncs, 2), -ENOENT);
	UT_CHECK(!has_signalled(g.m.ut.fd, out) && errno == EINVAL, "a fence came: %s",
		 strerror(errno));
	gate_lift(&g);
	job = fill_out(&g.m, 0x888, 0);
	UT_ERRNO(ut_fence_wait(g.m.ut.fd, job), 0);
	UT_CHECK(ut_mem_word(&g.m, 6) == 0x888 && ut_mem_word(&g.m, 2) == 0, "the bind that was there");
	ut_close(&g.m.ut);
}

/* Unbound behind a job's fence: the job ends well, a later one finds nothing. */
static void unbind_behind_job(void)
{
	struct drm_xen_userptr_sync syncs[2];
	uint32_t unbound, first, late;
	struct gate g;

	gate_open(&g);
	UT_ERRNO(__ut_mem_map_page(&g.m, 7), 0);
	first = fill_out(&g.m, 0x99, g.fence);
	unbound = syncobj_new(g.m.ut.fd);
	syncs[0] = wait_for(first);
	syncs[1] = signal_at_end(unbound);
	UT_ERRNO(bind_with(&g.m, -1, syncs, 2), 0);
	gate_lift(&g);
	UT_ERRNO(ut_fence_wait(g.m.ut.fd, unbound), 0);
	UT_ERRNO(ut_fence_wait(g.m.ut.fd, first), 0);
	UT_CHECK(ut_mem_word(&g.m, 7) == 0x99, "the job did not find its page");
	late = fill_out(&g.m, 0xaa, 0);
	UT_ERRNO(ut_fence_wait(g.m.ut.fd, late), -EFAULT);
	ut_close(&g.m.ut);
}

const struct ut_case ut_async_cases[] = {
	{ "bind_in_and_out_fence", bind_in_and_out_fence },
	{ "bind_in_order", bind_in_order },
	{ "bind_timeline", bind_timeline },
	{ "bind_error_before_fence", bind_error_before_fence },
	{ "unbind_behind_job", unbind_behind_job },
	{ NULL, NULL },
};
