// SPDX-License-Identifier: MIT
/*
 * A worker's event loop, from a guest's first request to the end that the broker asks
 * for, with fakes of Xen, module and GPU: whom it answers, and when it may end in order.
 */
#include "cm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake-gpu.h"
#include "fake-xen.h"
#include "module.h"
#include "moverdrain.h"
#include "worker.h"

#define OBJ	5U
#define VM	3U
#define PAGES	64U
#define GREF	100U
#define VA	0x100000U
#define ROUNDS	1000U	/* of the loop, more than anything here takes */
#define ROUND_US 20000U

struct guest {
	_Alignas(4096) unsigned char ring_page[4096];
	struct xen_userptrif_evt_page evt_page;
	_Alignas(4096) struct xen_userptrif_fence_page fence_page;
	struct xen_userptrif_dir dir;
	struct ring_packets_front_ring front;
	uint16_t next_id;
};

static struct guest guest;
static struct worker worker;
static struct worker_status status;
static void *core_mem;
static int broker_sock, files_sock;
static int channel;		/* its event channel */

/* ---- Xen, the module, and jobs that end when a test says so ---- */

int xenevtchn_fd(xenevtchn_handle *xce)
{
	(void)xce;
	return channel;
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *xce)
{
	eventfd_t value;

	(void)xce;
	return eventfd_read(channel, &value) ? -1 : 1;
}

int xenevtchn_unmask(xenevtchn_handle *xce, evtchn_port_t port)
{
	(void)xce;
	(void)port;
	return 0;
}

int xenevtchn_notify(xenevtchn_handle *xce, evtchn_port_t port)
{
	(void)xce;
	(void)port;
	return 0;
}

int module_read(int module, struct xen_userptr_back_record *record)
{
	(void)module;
	(void)record;
	return 0;
}

/* The one that runs. */
static struct {
	uint32_t slot, vm;
	uint64_t cookie;
	int fence;
} job;

int jobs_init(struct jobs *jobs, uint32_t max_jobs)
{
	jobs->max_jobs = max_jobs;
	return 0;
}

int jobs_add(struct jobs *jobs, uint32_t slot, uint32_t vm, uint64_t cookie,
	     int fence)
{
	job.slot = slot;
	job.vm = vm;
	job.cookie = cookie;
	job.fence = fence;
	jobs->used++;
	return 0;
}

int jobs_read_fence(int fence)
{
	(void)fence;
	return 0;
}

/* Of gpu.c, which needs a GPU's library: all jobs end well here. */
uint32_t gpu_job_status(int error)
{
	assert_int_equal(error, 0);
	return XENUSERPTR_STATUS_OK;
}

static void job_ends(void)
{
	worker.jobs.used--;
	close(job.fence);
	assert_int_equal(worker.jobs.ended(worker.jobs.context, job.slot, job.vm,
					   job.cookie, 0), 0);
}

/* ---- the world around it ---- */

static const struct core_limits limits = {
	.max_pages = 1024,
	.max_objects = 4,
	.max_vms = 2,
	.max_mappings = 16,
	.max_jobs = 4,
	.max_bind_ops = 4,
};

static void core_start(void)
{
	struct core_limits *its = &worker.start.limits;
	struct gpu_caps caps;
	size_t size;

	*its = limits;
	its->max_requests = ring_size(&worker.ring);
	fake_gpu_ops.info(-1, &worker.gpu, &caps);
	worker.gpu.nr_gpus = 1;
	size = (core_size(its) + 63) & ~(size_t)63;
	core_mem = aligned_alloc(64, size);
	assert_non_null(core_mem);
	memset(core_mem, 0, size);
	worker.route.core = core_init(core_mem, its, &worker.gpu);
	assert_non_null(worker.route.core);
}

/* Descriptors that a worker is born with; the file of its only VM waits already. */
static void broker_start(void)
{
	struct ipc_files_rsp rsp = { 0 };
	int control[2], files[2], node = eventfd(0, EFD_CLOEXEC);

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, control), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, files), 0);
	assert_int_equal(dup2(control[1], IPC_FD_CONTROL), IPC_FD_CONTROL);
	assert_int_equal(dup2(files[1], IPC_FD_FILES), IPC_FD_FILES);
	close(control[1]);
	close(files[1]);
	broker_sock = control[0];
	files_sock = files[0];
	assert_int_equal(fcntl(broker_sock, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(ipc_send(files_sock, &rsp, sizeof(rsp), &node, 1), 0);
	close(node);
}

static int setup(void **state)
{
	const char *why = "";

	(void)state;
	memset(&guest, 0, sizeof(guest));
	memset(&worker, 0, sizeof(worker));
	memset(&status, 0, sizeof(status));
	memset(&fake_gpu, 0, sizeof(fake_gpu));
	memset(&fake_module, 0, sizeof(fake_module));
	XEN_FRONT_RING_INIT(&guest.front, (struct ring_packets_sring *)(void *)
			    guest.ring_page, 4096);
	ring_init(&worker.ring, guest.ring_page, 0);
	worker.evt_page = &guest.evt_page;
	worker.fence_page = &guest.fence_page;
	worker.status = &status;
	worker.env.gpu = &fake_gpu_ops;
	worker.start.settings = mig_settings_default;
	worker.start.settings.vram_pages = 1024;
	worker.start.settings.vram_page = 1;
	worker.migrator.vm_flags = MIG_VM_PREEMPT | MIG_VM_KILL;
	worker.route.migrator = &worker.migrator;
	core_start();
	broker_start();
	channel = eventfd(0, EFD_CLOEXEC);
	worker.module = eventfd(0, EFD_CLOEXEC);
	worker.move_node = eventfd(0, EFD_CLOEXEC);
	assert_int_equal(journal_open(&worker.journal, journal_create(&worker.start.limits),
				      &worker.start.limits), 0);
	assert_int_equal(worker_serve_init(&worker, &why), 0);
	return 0;
}

static int teardown(void **state)
{
	struct migrator *m = &worker.migrator;

	(void)state;
	mover_drain(m);
	helper_stop(&worker.helper);
	helper_stop(&m->thread);
	sd_event_source_unref(worker.again);
	sd_event_unref(worker.loop);
	grefs_fini(&m->grefs);
	mover_fini(&m->mover);
	work_fini(&worker.env);
	free(m->object);
	close(m->timer);
	journal_close(&worker.journal);
	events_fini(&worker.events);
	close(worker.end_timer);
	close(worker.module);
	close(channel);
	close(broker_sock);
	close(files_sock);
	free(core_mem);
	return 0;
}

static void round_of_loop(void)
{
	assert_true(sd_event_run(worker.loop, ROUND_US) >= 0);
}

static bool has_ended(void)
{
	return sd_event_get_state(worker.loop) == SD_EVENT_FINISHED;
}

static int ended_with(void)
{
	int code = -1;
	unsigned int i;

	for (i = 0; i < ROUNDS && !has_ended(); i++)
		round_of_loop();
	assert_true(has_ended());
	sd_event_get_exit_code(worker.loop, &code);
	return code;
}

/* ---- the guest ---- */

static uint32_t call(struct xen_userptrif_req *req)
{
	RING_IDX before = guest.front.sring->rsp_prod;
	unsigned int i;

	req->id = guest.next_id++;
	*RING_GET_REQUEST(&guest.front, guest.front.req_prod_pvt) = *req;
	guest.front.req_prod_pvt++;
	RING_PUSH_REQUESTS(&guest.front);
	assert_int_equal(eventfd_write(channel, 1), 0);
	for (i = 0; i < ROUNDS && guest.front.sring->rsp_prod == before; i++)
		round_of_loop();
	assert_int_equal(guest.front.sring->rsp_prod, before + 1);
	return RING_GET_RESPONSE(&guest.front, before)->status;
}

static void call_create(void)
{
	struct xen_userptrif_req req = { .operation = XENUSERPTR_OP_OBJ_CREATE };
	uint32_t i;

	for (i = 0; i < PAGES; i++)
		guest.dir.gref[i] = GREF + i;
	fake_grant_clear();
	fake_grant(1, &guest.dir);
	req.op.obj_create.obj_id = OBJ;
	req.op.obj_create.nr_pages = PAGES;
	req.op.obj_create.gref_directory = 1;
	assert_int_equal(call(&req), XENUSERPTR_STATUS_OK);
}

static void call_bind(void)
{
	struct xen_userptrif_req req = { .operation = XENUSERPTR_OP_VM_BIND };
	struct xen_userptrif_bind_op *op = &req.op.vm_bind.op;

	req.op.vm_bind.vm_id = VM;
	req.op.vm_bind.nr_ops = 1;
	op->op = XENUSERPTR_BIND_MAP;
	op->obj_id = OBJ;
	op->length = PAGES * 4096ULL;
	op->gpu_va = VA;
	assert_int_equal(call(&req), XENUSERPTR_STATUS_OK);
}

static void call_exec(void)
{
	struct xen_userptrif_req req = { .operation = XENUSERPTR_OP_EXEC };

	req.op.exec.vm_id = VM;
	req.op.exec.engine = 1;
	req.op.exec.cmd_va = VA;
	req.op.exec.cmd_length = 64;
	req.op.exec.timeline = 9;
	req.op.exec.seqno = 7;
	assert_int_equal(call(&req), XENUSERPTR_STATUS_OK);
	assert_int_equal(worker.jobs.used, 1);
}

/* With all of OBJ in a VM. */
static void guest_starts(void)
{
	struct xen_userptrif_req req = { .operation = XENUSERPTR_OP_VM_CREATE };

	req.op.vm_create.vm_id = VM;
	assert_int_equal(call(&req), XENUSERPTR_STATUS_OK);
	call_create();
	call_bind();
}

static unsigned int pages_away(void)
{
	unsigned int i, nr = 0;

	for (i = 0; i < PAGES; i++)
		nr += fake_module.rev_state[GREF + i] == FAKE_REV_REVOKED;
	return nr;
}

/* ---- the broker ---- */

static void ask(uint32_t tag, uint32_t type, enum mig_place place)
{
	const struct ipc_control control = { .type = type, .tag = tag, .place = place,
					     .obj_id = type == IPC_CONTROL_MOVE ? OBJ : 0 };

	assert_int_equal(ipc_send(broker_sock, &control, sizeof(control), NULL, 0), 0);
}

/* The next answer is to @tag, without an error. */
static void told(uint32_t tag)
{
	struct ipc_report report;
	unsigned int i;
	int ret = -EAGAIN;

	for (i = 0; i < ROUNDS && ret == -EAGAIN; i++) {
		round_of_loop();
		ret = ipc_recv(broker_sock, &report, sizeof(report), NULL, 0);
	}
	assert_int_equal(ret, 0);
	assert_int_equal(report.type, IPC_REPORT_ANSWER);
	assert_int_equal(report.tag, tag);
	assert_int_equal(report.error, 0);
}

static void told_no_more(void)
{
	struct ipc_report report;

	round_of_loop();
	assert_int_equal(ipc_recv(broker_sock, &report, sizeof(report), NULL, 0), -EAGAIN);
}

static void broker_ends_it(void)
{
	assert_int_equal(shutdown(broker_sock, SHUT_WR), 0);
}

/* From now on copies do not end. */
static void gpu_hangs(void)
{
	fake_gpu.hangs = true;
	fake_gpu.copy_fence = -1;
}

static void wait_for_copy(void)
{
	unsigned int i;

	for (i = 0; i < ROUNDS && fake_gpu.copy_fence < 0; i++)
		round_of_loop();
	assert_true(fake_gpu.copy_fence >= 0);
}

static void gpu_goes_on(void)
{
	fake_gpu.hangs = false;
	assert_int_equal(eventfd_write(fake_gpu.copy_fence, 1), 0);
}

/* ---- tests ---- */

static void ends_without_moving(void **state)
{
	(void)state;
	guest_starts();
	broker_ends_it();
	assert_int_equal(ended_with(), 0);
}

/* Its jobs are killed with their VMs, and the guest has to hear of it. */
static void ends_after_the_last_job(void **state)
{
	unsigned int i;

	(void)state;
	guest_starts();
	call_exec();
	broker_ends_it();
	for (i = 0; i < ROUNDS && fake_gpu.vms > 1; i++)
		round_of_loop();
	round_of_loop();
	assert_false(has_ended());
	job_ends();
	assert_int_equal(ended_with(), 0);
	assert_int_equal(guest.fence_page.seqno[9], 7);
}

/*
 * The last job ends, and the last call, while data is on its way home: an end in order
 * now would be taken for "nothing is left", and nobody would rescue it.
 */
static void ends_when_all_is_home(void **state)
{
	unsigned int i;

	(void)state;
	guest_starts();
	ask(1, IPC_CONTROL_MOVE, MIG_PLACE_VRAM);
	told(1);
	assert_int_equal(pages_away(), PAGES);
	call_exec();
	gpu_hangs();
	broker_ends_it();
	wait_for_copy();
	job_ends();
	for (i = 0; i < 5; i++)
		round_of_loop();
	assert_int_equal(pages_away(), PAGES);
	assert_false(has_ended());
	gpu_goes_on();
	assert_int_equal(ended_with(), 0);
	assert_int_equal(pages_away(), 0);
}

/* Whoever asked for the first move has hung up: the next one is not refused for that. */
static void a_move_that_nobody_waits_for(void **state)
{
	(void)state;
	guest_starts();
	gpu_hangs();
	ask(1, IPC_CONTROL_MOVE, MIG_PLACE_VRAM);
	wait_for_copy();
	told_no_more();
	ask(2, IPC_CONTROL_MOVE, MIG_PLACE_RAM);
	ask(3, IPC_CONTROL_OBJECTS, 0);
	told(3);
	gpu_goes_on();
	told(2);
	told_no_more();
	assert_int_equal(pages_away(), 0);
	broker_ends_it();
	assert_int_equal(ended_with(), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(ends_without_moving),
		TEST(ends_after_the_last_job),
		TEST(ends_when_all_is_home),
		TEST(a_move_that_nobody_waits_for),
	};

	/* Their numbers are not for anybody else. */
	if (dup2(STDIN_FILENO, IPC_FD_CONTROL) < 0 || dup2(STDIN_FILENO, IPC_FD_FILES) < 0)
		return EXIT_FAILURE;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
