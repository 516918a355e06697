// SPDX-License-Identifier: MIT
/*
 * Requests at the gate between core and engine, with the fakes: what many of them
 * want at once. Nothing is away here, so the engine says yes at once, and holds
 * what it was asked for until the op has ended.
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
#include "migrator.h"
#include "moverdrain.h"
#include "route.h"
#include "work.h"

#define OBJECTS	16U
#define VMS	2U
#define DIRS	3U		/* pages of a directory */
#define DIR_GREFS 1023U
#define GREF(n)	(100 + (n))
#define VA(n)	(0x100000 + (n) * 0x1000ULL)

static const struct core_limits limits = {
	.max_pages = 2048,
	.max_objects = OBJECTS,
	.max_vms = VMS,
	.max_mappings = 64,
	.max_jobs = 4,
	.max_requests = 4,
	.max_bind_ops = OBJECTS,
};

struct world {
	_Alignas(4096) unsigned char ring_page[4096];
	struct xen_userptrif_evt_page evt_page;
	_Alignas(4096) struct xen_userptrif_fence_page fence_page;
	struct xen_userptrif_dir dir[DIRS];
	struct xen_userptrif_dir bind_dir;
	_Alignas(8) unsigned char bind_page[4096];
	struct ring_packets_front_ring front;
	uint16_t next_id;
	struct ring ring;
	struct events events;
	struct helper helper;
	struct work_env env;
	struct worker_status status;
	struct route route;
	struct migrator m;
	void *core_mem;
	int sock[2];
};

static struct world *w;

/* A broker that opens the GPU for both VMs, in advance. */
static void files_init(void)
{
	struct ipc_files_rsp rsp = { 0 };
	unsigned int i;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, w->sock), 0);
	for (i = 0; i < VMS; i++) {
		int node = eventfd(0, EFD_CLOEXEC);

		assert_int_equal(ipc_send(w->sock[1], &rsp, sizeof(rsp), &node,
					  1), 0);
		close(node);
	}
	w->env.files = w->sock[0];
}

static int on_home(void *context)
{
	(void)context;
	return route_home(&w->route);
}

static void migrator_start(void)
{
	struct migrator *m = &w->m;

	m->core = w->route.core;
	m->route = &w->route;
	m->env = &w->env;
	m->status = &w->status;
	m->settings = mig_settings_default;
	m->home = on_home;
	w->route.migrator = m;
	assert_int_equal(migrator_init(m, &limits, eventfd(0, EFD_CLOEXEC)), 0);
}

static int setup(void **state)
{
	struct core_gpu gpu;
	struct gpu_caps caps;
	size_t size = (core_size(&limits) + 63) & ~(size_t)63;

	(void)state;
	w = aligned_alloc(4096, (sizeof(*w) + 4095) & ~(size_t)4095);
	assert_non_null(w);
	memset(w, 0, sizeof(*w));
	fake_fail_set(0);
	memset(&fake_gpu, 0, sizeof(fake_gpu));
	memset(&fake_module, 0, sizeof(fake_module));
	XEN_FRONT_RING_INIT(&w->front, (struct ring_packets_sring *)(void *)
			    w->ring_page, 4096);
	fake_gpu_ops.info(-1, &gpu, &caps);
	gpu.nr_gpus = 2;
	w->core_mem = aligned_alloc(64, size);
	assert_non_null(w->core_mem);
	memset(w->core_mem, 0, size);
	w->route.core = core_init(w->core_mem, &limits, &gpu);
	assert_non_null(w->route.core);
	w->route.ring = &w->ring;
	w->route.events = &w->events;
	w->route.helper = &w->helper;
	w->route.status = &w->status;
	ring_init(&w->ring, w->ring_page, 0);
	assert_int_equal(events_init(&w->events, &w->evt_page, &w->fence_page,
				     8), 0);
	w->env.gpu = &fake_gpu_ops;
	w->env.reader.status = &w->status;
	w->env.status = &w->status;
	w->env.module = -1;
	w->env.max_objects = OBJECTS;
	w->env.max_vms = VMS;
	w->env.keep_grefs = true;
	files_init();
	assert_int_equal(work_init(&w->env), 0);
	assert_int_equal(helper_start(&w->helper, work_run, &w->env), 0);
	migrator_start();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	mover_drain(&w->m);
	helper_stop(&w->helper);
	helper_stop(&w->m.thread);
	grefs_fini(&w->m.grefs);
	mover_fini(&w->m.mover);
	work_fini(&w->env);
	free(w->m.object);
	close(w->m.timer);
	events_fini(&w->events);
	close(w->sock[0]);
	close(w->sock[1]);
	free(w->core_mem);
	free(w);
	return 0;
}

/* Until nothing is under way; what ends at once in its order. */
static int pump(void)
{
	struct pollfd pollfd = { .fd = w->helper.done_fd, .events = POLLIN };
	struct work *work;
	int ret = 0;

	while (!ret && w->route.in_flight) {
		assert_int_equal(poll(&pollfd, 1, 10000), 1);
		helper_clear(&w->helper);
		while (!ret && (work = helper_take(&w->helper)))
			ret = route_done(&w->route, work);
	}
	return ret;
}

/* Without waiting for its end. */
static int request_begin(struct xen_userptrif_req *req)
{
	req->id = w->next_id++;
	*RING_GET_REQUEST(&w->front, w->front.req_prod_pvt) = *req;
	w->front.req_prod_pvt++;
	RING_PUSH_REQUESTS(&w->front);
	assert_int_equal(ring_take(&w->ring, req), 1);
	return route_request(&w->route, req);
}

static int request_run(struct xen_userptrif_req *req)
{
	int ret = request_begin(req);

	return ret ? ret : pump();
}

/* The next one. */
static uint32_t answer(void)
{
	ring_push(&w->ring);
	assert_true(w->front.rsp_cons != w->front.sring->rsp_prod);
	return RING_GET_RESPONSE(&w->front, w->front.rsp_cons++)->status;
}

/* All answers so far say OK. */
static void assert_answered(void)
{
	ring_push(&w->ring);
	assert_int_equal(w->front.sring->rsp_prod, w->next_id);
	while (w->front.rsp_cons != w->front.sring->rsp_prod)
		assert_int_equal(answer(), XENUSERPTR_STATUS_OK);
}

static void call(struct xen_userptrif_req *req)
{
	assert_int_equal(request_run(req), 0);
	assert_answered();
}

static void call_vm_create(uint32_t vm)
{
	struct xen_userptrif_req req = { .operation = XENUSERPTR_OP_VM_CREATE };

	req.op.vm_create.vm_id = vm;
	call(&req);
}

static int create(uint32_t obj, uint32_t gref, uint32_t nr)
{
	struct xen_userptrif_req req = { .operation = XENUSERPTR_OP_OBJ_CREATE };
	uint32_t i;

	memset(w->dir, 0, sizeof(w->dir));
	for (i = 0; i < nr; i++)
		w->dir[i / DIR_GREFS].gref[i % DIR_GREFS] = gref + i;
	fake_grant_clear();
	for (i = 0; i < DIRS; i++) {
		fake_grant(i + 1, &w->dir[i]);
		w->dir[i].next = nr > (i + 1) * DIR_GREFS ? i + 2 : 0;
	}
	req.op.obj_create.obj_id = obj;
	req.op.obj_create.nr_pages = nr;
	req.op.obj_create.gref_directory = 1;
	return request_run(&req);
}

static void call_create(uint32_t obj, uint32_t gref, uint32_t nr)
{
	assert_int_equal(create(obj, gref, nr), 0);
	assert_int_equal(answer(), XENUSERPTR_STATUS_OK);
}

/* A page of each object. */
static void call_bind_all(uint32_t vm)
{
	struct xen_userptrif_req req = { .operation = XENUSERPTR_OP_VM_BIND };
	uint32_t i;

	for (i = 0; i < OBJECTS; i++) {
		struct xen_userptrif_bind_op op = {
			.op = XENUSERPTR_BIND_MAP, .obj_id = i + 1,
			.length = 4096, .gpu_va = VA(i),
		};

		memcpy(w->bind_page + i * sizeof(op), &op, sizeof(op));
	}
	fake_grant_clear();
	w->bind_dir.gref[0] = 4;
	fake_grant(3, &w->bind_dir);
	fake_grant(4, w->bind_page);
	req.op.vm_bind.vm_id = vm;
	req.op.vm_bind.flags = XENUSERPTR_VM_BIND_INDIRECT;
	req.op.vm_bind.nr_ops = OBJECTS;
	req.op.vm_bind.gref_directory = 3;
	call(&req);
}

static struct xen_userptrif_req unmap_all(uint32_t vm)
{
	struct xen_userptrif_req req = { .operation = XENUSERPTR_OP_VM_BIND };

	req.op.vm_bind.vm_id = vm;
	req.op.vm_bind.nr_ops = 1;
	req.op.vm_bind.op.op = XENUSERPTR_BIND_UNMAP;
	req.op.vm_bind.op.gpu_va = VA(0);
	req.op.vm_bind.op.length = OBJECTS * 4096ULL;
	return req;
}

/*
 * Objects of which all was given back still have their places in the tables of the
 * engine: the guest is told when these are full. Many chunks an object.
 */
static void test_given_back_again_and_again(void **state)
{
	struct xen_userptrif_req trim = { .operation = XENUSERPTR_OP_OBJ_TRIM };
	const uint32_t nr = (uint32_t)limits.max_pages - 1;
	uint32_t i, status = XENUSERPTR_STATUS_OK;

	(void)state;
	trim.op.obj_trim.nr_pages = nr;
	for (i = 0; status == XENUSERPTR_STATUS_OK && i < OBJECTS; i++) {
		assert_int_equal(create(i + 1, GREF(i * nr), nr), 0);
		status = answer();
		if (status != XENUSERPTR_STATUS_OK)
			break;
		trim.op.obj_trim.obj_id = i + 1;
		call(&trim);
	}
	assert_int_equal(status, XENUSERPTR_STATUS_QUOTA);
	assert_int_equal(i, 2);
	call_create(OBJECTS, GREF(i * nr), 2);
}

/* The mover forgets it before the module unmaps it, and the module says when it has. */
static void call_destroy(uint32_t obj)
{
	struct xen_userptrif_req req = { .operation = XENUSERPTR_OP_OBJ_DESTROY };
	struct pollfd pollfd = { .fd = w->m.thread.done_fd, .events = POLLIN };

	req.op.obj_destroy.obj_id = obj;
	assert_int_equal(request_run(&req), 0);
	assert_int_equal(poll(&pollfd, 1, 10000), 1);
	assert_int_equal(migrator_on_mover(&w->m), 0);
	assert_int_equal(pump(), 0);
	assert_int_equal(route_unmapped(&w->route, fake_module.cookie), 0);
	assert_answered();
}

/* What a MAP of another object's pages has asked for is given back each time. */
static void test_shared_pages_again_and_again(void **state)
{
	uint32_t i;

	(void)state;
	call_create(1, GREF(0), 1);
	for (i = 0; i < 2 * OBJECTS; i++) {
		call_create(2, GREF(0), 1);
		assert_int_equal(w->m.map_asks, 0);
		call_destroy(2);
	}
	assert_true(w->m.next_token >= 2 * OBJECTS);
	assert_null(w->m.asks);
}

/* Each of several VMs changes the mappings of all objects at the same time. */
static void test_all_objects_in_all_vms(void **state)
{
	struct xen_userptrif_req req;
	uint32_t i;

	(void)state;
	for (i = 0; i < OBJECTS; i++)
		call_create(i + 1, GREF(i), 1);
	for (i = 0; i < VMS; i++) {
		call_vm_create(i + 1);
		call_bind_all(i + 1);
	}
	for (i = 0; i < VMS; i++) {
		req = unmap_all(i + 1);
		assert_int_equal(request_begin(&req), 0);
		assert_int_equal(request_begin(&req), 0);
	}
	assert_int_equal(pump(), 0);
	assert_answered();
	assert_null(w->m.gates);
	assert_null(w->m.asks);
}

/* Of these pages of an object, none may leave home; the others may. */
static void assert_stay(uint32_t obj, uint32_t first, uint32_t nr, uint32_t all)
{
	const uint32_t slot = core_object_slot(w->route.core, obj);
	struct mig_chunk_info chunk;
	uint32_t page;

	for (page = 0; page < all; page++) {
		assert_int_equal(mig_chunk_get(w->m.engine, slot, page, &chunk),
				 0);
		assert_int_equal(chunk.why == MIG_WHY_ALIAS,
				 page >= first && page < first + nr);
	}
}

/* Pages of two objects, in any order, and a page twice in one. */
static void test_shared_pages_stay(void **state)
{
	(void)state;
	call_create(1, GREF(0), 12);
	call_create(2, GREF(100), 12);
	call_create(3, GREF(8), 12);
	assert_stay(1, 8, 4, 12);
	assert_stay(2, 0, 0, 12);
	assert_stay(3, 0, 4, 12);
	call_create(4, GREF(95), 14);
	assert_stay(2, 0, 9, 12);
	assert_stay(4, 5, 9, 14);
}

/* On its way out, as far as the mover has done nothing yet. */
static void leave(uint32_t obj)
{
	const uint32_t slot = core_object_slot(w->route.core, obj);

	assert_int_equal(migrator_move(&w->m, slot, 0, 1, MIG_PLACE_VRAM), 0);
	assert_false(mig_idle(w->m.engine));
}

static void come_home(uint32_t obj)
{
	const uint32_t slot = core_object_slot(w->route.core, obj);

	assert_int_equal(migrator_move(&w->m, slot, 0, 1, MIG_PLACE_RAM), 0);
	while (!mig_idle(w->m.engine))
		mover_pump(&w->m);
}

/* Each one is told when all is home, and not before. */
static void test_quiesced_twice(void **state)
{
	struct xen_userptrif_req req = { .operation = XENUSERPTR_OP_QUIESCE };
	uint16_t first;

	(void)state;
	call_create(1, GREF(0), 1);
	leave(1);
	first = w->next_id;
	assert_int_equal(request_run(&req), 0);
	assert_int_equal(request_run(&req), 0);
	ring_push(&w->ring);
	assert_int_equal(w->front.sring->rsp_prod, first);
	while (!mig_idle(w->m.engine))
		mover_pump(&w->m);
	assert_answered();
	call(&req);
}

/* Of an address space that there is not, for it matters only that it was sent. */
static void exec(uint32_t flags)
{
	struct xen_userptrif_req req = { .operation = XENUSERPTR_OP_EXEC };

	req.op.exec.flags = flags;
	req.op.exec.vm_id = 77;
	req.op.exec.seqno = w->next_id;
	assert_int_equal(request_run(&req), 0);
	assert_int_equal(answer(), XENUSERPTR_STATUS_NO_ENTRY);
}

/* A job that the guest sends while it is suspended lets nothing leave home. */
static void test_exec_that_stays(void **state)
{
	struct xen_userptrif_req quiesce = { .operation = XENUSERPTR_OP_QUIESCE };

	(void)state;
	assert_int_equal(request_run(&quiesce), 0);
	assert_int_equal(answer(), XENUSERPTR_STATUS_OK);
	assert_true(w->m.stays_home);
	exec(XENUSERPTR_EXEC_STAY);
	assert_true(w->m.stays_home);
	exec(0);
	assert_false(w->m.stays_home);
}

/* Whose contents are gone is not for the answer to say. */
static void test_quiesced_with_loss(void **state)
{
	struct xen_userptrif_req req = { .operation = XENUSERPTR_OP_QUIESCE };
	struct xen_userptrif_rsp *rsp;

	(void)state;
	call_create(1, GREF(0), 1);
	w->m.object[core_object_slot(w->route.core, 1)] = OBJECT_LOST;
	assert_int_equal(request_run(&req), 0);
	ring_push(&w->ring);
	rsp = RING_GET_RESPONSE(&w->front, w->front.rsp_cons);
	assert_int_equal(answer(), XENUSERPTR_STATUS_LOST);
	assert_int_equal(rsp->u.error_index, UINT32_MAX);
}

static uint32_t destroy(uint32_t obj)
{
	struct xen_userptrif_req req = { .operation = XENUSERPTR_OP_OBJ_DESTROY };

	req.op.obj_destroy.obj_id = obj;
	assert_int_equal(request_run(&req), 0);
	mover_pump(&w->m);
	assert_int_equal(pump(), 0);
	ring_push(&w->ring);
	if (w->front.rsp_cons == w->front.sring->rsp_prod)
		assert_int_equal(route_unmapped(&w->route,
						fake_module.cookie), 0);
	return answer();
}

/*
 * What the GPU still reaches is not unmapped, and nobody waits for that: the guest is
 * told, and may try again.
 */
static void test_not_forgotten(void **state)
{
	unsigned int places;

	(void)state;
	call_create(1, GREF(0), 1);
	leave(1);
	come_home(1);
	mover_drain(&w->m);
	places = fake_gpu.places;
	fake_gpu.keeps_places = true;
	assert_int_equal(destroy(1), XENUSERPTR_STATUS_IO);
	assert_int_equal(destroy(1), XENUSERPTR_STATUS_IO);
	fake_gpu.keeps_places = false;
	assert_int_equal(destroy(1), XENUSERPTR_STATUS_OK);
	assert_int_equal(fake_gpu.places, places - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_all_objects_in_all_vms,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_given_back_again_and_again,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_shared_pages_stay,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_quiesced_twice,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_quiesced_with_loss,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_exec_that_stays,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_forgotten,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_shared_pages_again_and_again,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
