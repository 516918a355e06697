// SPDX-License-Identifier: MIT
/*
 * From the ring to the adapters and back: the real core, router, helper thread
 * and directory walk, with a fake guest, module and GPU. The scenario is one
 * program's life; it is run with each single call of the fakes failing.
 */
#include "cm.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake-fail.h"
#include "fake-gpu.h"
#include "fake-xen.h"
#include "ipc.h"
#include "route.h"
#include "work.h"

#define PAGES	2000U		/* two directory pages */
#define BINDS	150U		/* two pages of operations */
#define GREF(n)	(1000 + (n))

/* A broker that hands out descriptors, as a thread. */
struct files {
	pthread_t thread;
	int sock[2];
	uint32_t gpu;		/* of the last one that was asked for */
};

struct guest {
	_Alignas(4096) unsigned char ring_page[4096];
	struct xen_userptrif_evt_page evt_page;
	_Alignas(4096) struct xen_userptrif_fence_page fence_page;
	struct xen_userptrif_dir dir[2];
	struct xen_userptrif_dir bind_dir;
	_Alignas(8) unsigned char bind_page[2][4096];
	struct ring_packets_front_ring front;
	uint16_t next_id;
};

static struct guest guest;
static struct ring ring;
static struct events events;
static struct helper helper;
static struct work_env env;
static struct worker_status status;
static struct route route;
static struct files files;
static void *core_mem;
/* Jobs queued, by slot: fence and cookie. */
static struct { int fence; uint64_t cookie; uint32_t vm; } jobs[8];
static unsigned int nr_jobs;

static void *files_main(void *arg)
{
	struct files *f = arg;
	struct ipc_files_req req;

	while (ipc_recv(f->sock[1], &req, sizeof(req), NULL, 0) == 0) {
		struct ipc_files_rsp rsp = { 0 };
		int node = -1;

		f->gpu = req.gpu;
		if (fake_fail())
			rsp.error = -EACCES;
		else
			node = eventfd(0, EFD_CLOEXEC);
		ipc_send(f->sock[1], &rsp, sizeof(rsp), &node, node >= 0);
		if (node >= 0)
			close(node);
	}
	return NULL;
}

static int on_job(void *context, const struct work *work)
{
	(void)context;
	assert_true(work->op.job < 8 && jobs[work->op.job].fence < 0);
	jobs[work->op.job].fence = work->fence;
	jobs[work->op.job].cookie = work->cookie;
	jobs[work->op.job].vm = work->op.vm;
	nr_jobs++;
	return 0;
}

static void guest_init(void)
{
	uint32_t i;

	memset(&guest, 0, sizeof(guest));
	XEN_FRONT_RING_INIT(&guest.front,
			    (struct ring_packets_sring *)(void *)
			    guest.ring_page, 4096);
	fake_grant_clear();
	fake_grant(1, &guest.dir[0]);
	fake_grant(2, &guest.dir[1]);
	fake_grant(3, &guest.bind_dir);
	fake_grant(4, guest.bind_page[0]);
	fake_grant(5, guest.bind_page[1]);
	guest.dir[0].next = 2;
	for (i = 0; i < PAGES; i++)
		guest.dir[i / 1023].gref[i % 1023] = GREF(i);
	guest.bind_dir.gref[0] = 4;
	guest.bind_dir.gref[1] = 5;
}

static void env_init(void)
{
	memset(&env, 0, sizeof(env));
	env.gpu = &fake_gpu_ops;
	env.reader.status = &status;
	env.status = &status;
	env.module = -1;
	env.files = files.sock[0];
	env.max_objects = 4;
	env.max_vms = 2;
	assert_int_equal(work_init(&env), 0);
}

static int route_setup(void **state)
{
	struct core_limits limits = {
		.max_pages = 4096, .max_objects = 4, .max_vms = 2,
		.max_mappings = 1024, .max_jobs = 8, .max_requests = 32,
		.max_bind_ops = 1024,
	};
	struct core_gpu gpu;
	struct gpu_caps caps;
	size_t size = (core_size(&limits) + 63) & ~(size_t)63, i;

	(void)state;
	fake_fail_set(0);
	memset(&status, 0, sizeof(status));
	memset(&fake_gpu, 0, sizeof(fake_gpu));
	memset(&fake_module, 0, sizeof(fake_module));
	nr_jobs = 0;
	for (i = 0; i < 8; i++)
		jobs[i].fence = -1;
	guest_init();
	fake_gpu_ops.info(-1, &gpu, &caps);
	gpu.nr_gpus = 2;
	core_mem = aligned_alloc(64, size);
	assert_non_null(core_mem);
	memset(core_mem, 0, size);
	route = (struct route){ .core = core_init(core_mem, &limits, &gpu),
				.ring = &ring, .events = &events,
				.helper = &helper, .status = &status,
				.job_queued = on_job };
	assert_non_null(route.core);
	ring_init(&ring, guest.ring_page, 0);
	assert_int_equal(events_init(&events, &guest.evt_page,
				     &guest.fence_page, 8), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, files.sock),
			 0);
	assert_int_equal(pthread_create(&files.thread, NULL, files_main,
					&files), 0);
	env_init();
	assert_int_equal(helper_start(&helper, work_run, &env), 0);
	return 0;
}

static int route_teardown(void **state)
{
	size_t i;

	(void)state;
	fake_fail_set(0);
	helper_stop(&helper);
	work_fini(&env);
	for (i = 0; i < 8; i++)
		if (jobs[i].fence >= 0)
			close(jobs[i].fence);
	shutdown(files.sock[0], SHUT_RDWR);
	pthread_join(files.thread, NULL);
	close(files.sock[0]);
	close(files.sock[1]);
	events_fini(&events);
	free(core_mem);
	assert_int_equal(fake_gpu.vms, 0);
	assert_int_equal(fake_gpu.imports, 0);
	return 0;
}

/* The loop of serve.c without its sources: until nothing is under way. */
static int pump(void)
{
	struct pollfd pollfd = { .fd = helper.done_fd, .events = POLLIN };
	struct work *work;
	int ret = 0;

	while (!ret && route.in_flight) {
		assert_int_equal(poll(&pollfd, 1, 10000), 1);
		helper_clear(&helper);
		while (!ret && (work = helper_take(&helper)))
			ret = route_done(&route, work);
	}
	assert_int_equal(core_check(route.core), ret == -EPROTO ?
			 core_check(route.core) : 0);
	return ret;
}

/* The module's record, as soon as the dma-buf is gone. */
static int tell_unmapped(void)
{
	if (!fake_module.alive || status.objects_now)
		return 0;
	fake_module.alive--;
	return route_unmapped(&route, fake_module.cookie);
}

/* Sends one request, runs until it is answered; its status or -errno. */
static int call(struct xen_userptrif_req *req)
{
	struct xen_userptrif_req copy;
	RING_IDX before = guest.front.sring->rsp_prod;
	int ret;

	req->id = guest.next_id++;
	*RING_GET_REQUEST(&guest.front, guest.front.req_prod_pvt) = *req;
	guest.front.req_prod_pvt++;
	RING_PUSH_REQUESTS(&guest.front);
	assert_int_equal(ring_take(&ring, &copy), 1);
	ret = route_request(&route, &copy);
	if (!ret)
		ret = pump();
	if (!ret && req->operation == XENUSERPTR_OP_OBJ_DESTROY)
		ret = tell_unmapped();
	if (!ret)
		ret = pump();
	if (ret)
		return ret;
	ring_push(&ring);
	assert_int_equal(guest.front.sring->rsp_prod, before + 1);
	assert_int_equal(RING_GET_RESPONSE(&guest.front, before)->id, req->id);
	return (int)RING_GET_RESPONSE(&guest.front, before)->status;
}

static int call_vm(uint8_t operation, uint32_t vm)
{
	struct xen_userptrif_req req = { .operation = operation };

	req.op.vm_create.vm_id = vm;
	return call(&req);
}

static int call_create(uint32_t obj, uint32_t nr, uint32_t flags)
{
	struct xen_userptrif_req req = { .operation =
					 XENUSERPTR_OP_OBJ_CREATE };

	req.op.obj_create.obj_id = obj;
	req.op.obj_create.nr_pages = nr;
	req.op.obj_create.flags = flags;
	req.op.obj_create.gref_directory = 1;
	return call(&req);
}

static int call_destroy(uint32_t obj)
{
	struct xen_userptrif_req req = { .operation =
					 XENUSERPTR_OP_OBJ_DESTROY };

	req.op.obj_destroy.obj_id = obj;
	return call(&req);
}

static int call_trim(uint32_t obj, uint32_t first, uint32_t nr)
{
	struct xen_userptrif_req req = { .operation = XENUSERPTR_OP_OBJ_TRIM };

	req.op.obj_trim.obj_id = obj;
	req.op.obj_trim.first_page = first;
	req.op.obj_trim.nr_pages = nr;
	return call(&req);
}

static void fill_binds(uint32_t obj)
{
	uint32_t i;

	for (i = 0; i < BINDS; i++) {
		struct xen_userptrif_bind_op op = {
			.op = XENUSERPTR_BIND_MAP, .obj_id = obj,
			.offset = i * 4096ULL, .length = 4096,
			.gpu_va = 0x100000 + i * 8192ULL,
		};

		memcpy(guest.bind_page[i / 102] + i % 102 * sizeof(op), &op,
		       sizeof(op));
	}
}

static int call_bind(uint32_t vm, uint32_t obj)
{
	struct xen_userptrif_req req = { .operation = XENUSERPTR_OP_VM_BIND };

	fill_binds(obj);
	req.op.vm_bind.vm_id = vm;
	req.op.vm_bind.flags = XENUSERPTR_VM_BIND_INDIRECT;
	req.op.vm_bind.nr_ops = BINDS;
	req.op.vm_bind.gref_directory = 3;
	return call(&req);
}

static int call_exec(uint32_t vm, uint64_t seqno)
{
	struct xen_userptrif_req req = { .operation = XENUSERPTR_OP_EXEC };

	req.op.exec.vm_id = vm;
	req.op.exec.engine = 1;
	req.op.exec.cmd_va = 0x100000;
	req.op.exec.cmd_length = 64;
	req.op.exec.timeline = 9;
	req.op.exec.seqno = seqno;
	return call(&req);
}

/* Ends all queued jobs; a fault takes the way through the helper. */
static int end_jobs(bool fault)
{
	struct work work = { .kind = WORK_FAULT };
	uint32_t i;
	int ret = 0;

	for (i = 0; !ret && i < 8; i++) {
		if (jobs[i].fence < 0)
			continue;
		close(jobs[i].fence);
		jobs[i].fence = -1;
		work.op.job = i;
		work.op.vm = jobs[i].vm;
		work.cookie = jobs[i].cookie;
		if (fault)
			ret = route_submit(&route, &work);
		else
			ret = route_job(&route, i, XENUSERPTR_STATUS_OK, 0);
	}
	return ret ? ret : pump();
}

/* A program's life; -errno if the connection broke. */
static int life(unsigned int *nr_ok)
{
	int ret[8], i;

	ret[0] = call_vm(XENUSERPTR_OP_VM_CREATE, 3);
	ret[1] = ret[0] < 0 ? ret[0] : call_create(5, PAGES, 0);
	ret[2] = ret[1] < 0 ? ret[1] : call_bind(3, 5);
	ret[3] = ret[2] < 0 ? ret[2] : call_exec(3, 7);
	ret[4] = ret[3] < 0 ? ret[3] : end_jobs(false);
	ret[5] = ret[4] < 0 ? ret[4] : call_trim(5, 2, 10);
	ret[6] = ret[5] < 0 ? ret[5] : call_destroy(5);
	ret[7] = ret[6] < 0 ? ret[6] : call_vm(XENUSERPTR_OP_VM_DESTROY, 3);
	for (i = 0, *nr_ok = 0; i < 8; i++)
		*nr_ok += ret[i] == 0;
	return ret[7] < 0 ? ret[7] : 0;
}

static void a_life_without_failure(void **state)
{
	unsigned int nr_ok;

	(void)state;
	assert_int_equal(life(&nr_ok), 0);
	assert_int_equal(nr_ok, 8);
	assert_int_equal(fake_module.nr, PAGES);
	assert_int_equal(fake_module.first_gref, GREF(0));
	assert_int_equal(fake_module.last_gref, GREF(PAGES - 1));
	assert_int_equal(guest.fence_page.seqno[9], 7);
	assert_int_equal(guest.evt_page.prod, 0);
	assert_int_equal(status.copy_pages, 2 + 1 + 2);
	assert_int_equal(status.copy_used, sizeof(uint32_t) * (PAGES + 2 + 2 + 1));
	assert_int_equal(status.requests, status.responses);
	assert_int_equal(status.objects_now, 0);
	assert_int_equal(status.imports_now, 0);
	assert_int_equal(status.vms_now, 0);
	assert_int_equal(status.jobs_now, 0);
}

/*
 * Whatever fails: each request has one answer or the connection ends, and
 * nothing is left when the guest lets go (or route_teardown() does).
 */
static void a_life_with_each_failure(void **state)
{
	unsigned int nth = 0, nr_ok, answered = 0;
	int ret;

	route_teardown(state);
	do {
		route_setup(state);
		fake_fail_set(++nth);
		ret = life(&nr_ok);
		if (fake_fail_hit() && ret == 0) {
			answered++;
			assert_int_equal(status.requests, status.responses);
			fake_fail_set(0);
			/* What failed on the way out is let go again. */
			call_destroy(5);
			call_vm(XENUSERPTR_OP_VM_DESTROY, 3);
			assert_int_equal(status.objects_now, 0);
			assert_int_equal(status.vms_now, 0);
			fake_fail_set(1000000);
		}
		if (ret)
			assert_int_equal(ret, -ENOMEM);
		if (!fake_fail_hit() && ret == 0 && nr_ok == 8)
			break;
		route_teardown(state);
	} while (nth < 1000);
	assert_true(nth > 20 && nth < 1000);
	assert_true(answered > 10);
	print_message("%u calls failed in turn, %u were answered\n", nth - 1,
		      answered);
}

static void a_fault_says_where(void **state)
{
	(void)state;
	call_vm(XENUSERPTR_OP_VM_CREATE, 3);
	assert_int_equal(call_exec(3, 1), XENUSERPTR_STATUS_OK);
	assert_int_equal(fake_gpu.last_job.engine, 1);
	assert_int_equal(end_jobs(true), 0);
	assert_int_equal(guest.evt_page.prod, 1);
	assert_int_equal(guest.evt_page.ring[0].op.fence.status,
			 XENUSERPTR_STATUS_GPU_FAULT);
	assert_true(guest.evt_page.ring[0].op.fence.fault_va == 0xfa017000);
	assert_int_equal(guest.fence_page.seqno[9], 1);
}

static void readonly_reaches_the_module(void **state)
{
	(void)state;
	memset(&guest.dir[0], 0, sizeof(guest.dir[0]));
	guest.dir[0].gref[0] = guest.dir[0].gref[1] = guest.dir[0].gref[2] = 9;
	assert_int_equal(call_create(1, 3, XENUSERPTR_OBJ_READONLY),
			 XENUSERPTR_STATUS_OK);
	assert_int_equal(fake_module.flags, 1);
	assert_int_equal(call_destroy(1), XENUSERPTR_STATUS_OK);
}

static void a_page_that_cannot_be_read(void **state)
{
	(void)state;
	fake_grant(2, NULL);
	assert_int_equal(call_create(1, PAGES, 0),
			 XENUSERPTR_STATUS_BAD_GREF);
	assert_int_equal(call_create(1, 1023, 0), -EPROTO); /* next is not 0 */
}

static void a_list_with_octets_behind_it(void **state)
{
	(void)state;
	call_vm(XENUSERPTR_OP_VM_CREATE, 3);
	call_create(5, PAGES, 0);
	guest.bind_page[1][4095] = 1;
	assert_int_equal(call_bind(3, 5), -EPROTO);
	fake_module.alive = 0;
}

static void a_chain_that_bites_its_tail(void **state)
{
	(void)state;
	guest.dir[1].next = 1;
	assert_int_equal(call_create(1, PAGES, 0), -EPROTO);
}

static void the_end_closes_all(void **state)
{
	struct work work = { .kind = WORK_CLOSE_ALL };

	(void)state;
	call_vm(XENUSERPTR_OP_VM_CREATE, 3);
	call_vm(XENUSERPTR_OP_VM_CREATE, 4);
	assert_int_equal(fake_gpu.vms, 2);
	assert_int_equal(route_submit(&route, &work), 0);
	assert_int_equal(pump(), 0);
	assert_int_equal(fake_gpu.vms, 0);
	/* Work that comes late meets a closed address space. */
	assert_int_equal(call_exec(3, 1), XENUSERPTR_STATUS_IO);
}

static unsigned int vms_in_bind;

static void drop_vm(void)
{
	work_vm_drop(&env, 0, work_vm_life(&env, 0));
	assert_null(work_vm_get(&env, 0, work_vm_life(&env, 0)));
	vms_in_bind = fake_gpu.vms;
}

/* The mover closes an address space of which the helper changes the mappings. */
static void dropped_while_it_is_used(void **state)
{
	(void)state;
	call_vm(XENUSERPTR_OP_VM_CREATE, 3);
	call_create(5, PAGES, 0);
	fake_gpu.on_bind = drop_vm;
	assert_int_equal(call_bind(3, 5), XENUSERPTR_STATUS_OK);
	assert_int_equal(vms_in_bind, 1);
	assert_int_equal(fake_gpu.vms, 0);
	assert_int_equal(call_exec(3, 1), XENUSERPTR_STATUS_IO);
	assert_int_equal(call_vm(XENUSERPTR_OP_VM_DESTROY, 3),
			 XENUSERPTR_STATUS_OK);
	fake_gpu.on_bind = NULL;
	call_vm(XENUSERPTR_OP_VM_CREATE, 4);
	assert_int_equal(fake_gpu.vms, 1);
	assert_int_equal(call_bind(4, 5), XENUSERPTR_STATUS_OK);
	assert_int_equal(call_destroy(5), XENUSERPTR_STATUS_OK);
}

/* The broker is asked for a file of the GPU that the program chose. */
static void each_vm_on_its_gpu(void **state)
{
	struct xen_userptrif_req req = { .operation = XENUSERPTR_OP_VM_CREATE };

	(void)state;
	req.op.vm_create.vm_id = 3;
	req.op.vm_create.gpu = 1;
	assert_int_equal(call(&req), XENUSERPTR_STATUS_OK);
	assert_int_equal(files.gpu, 1);
	req.op.vm_create.vm_id = 4;
	req.op.vm_create.gpu = 0;
	assert_int_equal(call(&req), XENUSERPTR_STATUS_OK);
	assert_int_equal(files.gpu, 0);
	req.op.vm_create.vm_id = 5;
	req.op.vm_create.gpu = 2;
	assert_int_equal(call(&req), XENUSERPTR_STATUS_INVALID);
	assert_int_equal(fake_gpu.vms, 2);
}

#define route_test(name) \
	cmocka_unit_test_setup_teardown(name, route_setup, route_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		route_test(a_life_without_failure),
		route_test(a_life_with_each_failure),
		route_test(a_fault_says_where),
		route_test(readonly_reaches_the_module),
		route_test(a_page_that_cannot_be_read),
		route_test(a_list_with_octets_behind_it),
		route_test(a_chain_that_bites_its_tail),
		route_test(the_end_closes_all),
		route_test(dropped_while_it_is_used),
		route_test(each_vm_on_its_gpu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
