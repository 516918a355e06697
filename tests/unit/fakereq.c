// SPDX-License-Identifier: MIT
/* Requests for the fake's guest; see fake.h. Single-threaded. */
#include <string.h>

#include "fake.h"

struct xen_userptrif_req fake_req(uint8_t operation, uint16_t id)
{
	struct xen_userptrif_req req;

	memset(&req, 0, sizeof(req));
	req.operation = operation;
	req.id = id;
	return req;
}

static uint16_t fake_send(struct fake *fake, struct xen_userptrif_req *req)
{
	while (fake->in_flight[fake->next_id])
		fake->next_id++;
	req->id = fake->next_id++;
	FAKE_ASSERT(fake_request(fake, req) == 0);
	return req->id;
}

uint16_t fake_vm_create(struct fake *fake, uint32_t vm)
{
	return fake_vm_create_on(fake, vm, 0);
}

uint16_t fake_vm_create_on(struct fake *fake, uint32_t vm, uint32_t gpu)
{
	struct xen_userptrif_req req = fake_req(XENUSERPTR_OP_VM_CREATE, 0);

	req.op.vm_create.vm_id = vm;
	req.op.vm_create.gpu = gpu;
	return fake_send(fake, &req);
}

uint16_t fake_vm_destroy(struct fake *fake, uint32_t vm)
{
	struct xen_userptrif_req req = fake_req(XENUSERPTR_OP_VM_DESTROY, 0);

	req.op.vm_destroy.vm_id = vm;
	return fake_send(fake, &req);
}

uint16_t fake_obj_create(struct fake *fake, uint32_t obj, uint32_t nr_pages,
			 uint32_t flags)
{
	struct xen_userptrif_req req = fake_req(XENUSERPTR_OP_OBJ_CREATE, 0);

	req.op.obj_create.obj_id = obj;
	req.op.obj_create.flags = flags;
	req.op.obj_create.nr_pages = nr_pages;
	req.op.obj_create.gref_directory = 1;
	return fake_send(fake, &req);
}

uint16_t fake_obj_destroy(struct fake *fake, uint32_t obj)
{
	struct xen_userptrif_req req = fake_req(XENUSERPTR_OP_OBJ_DESTROY, 0);

	req.op.obj_destroy.obj_id = obj;
	return fake_send(fake, &req);
}

uint16_t fake_obj_trim(struct fake *fake, uint32_t obj, uint32_t first,
		       uint32_t nr)
{
	struct xen_userptrif_req req = fake_req(XENUSERPTR_OP_OBJ_TRIM, 0);

	req.op.obj_trim.obj_id = obj;
	req.op.obj_trim.first_page = first;
	req.op.obj_trim.nr_pages = nr;
	return fake_send(fake, &req);
}

uint16_t fake_bind(struct fake *fake, uint32_t vm,
		   const struct xen_userptrif_bind_op *op)
{
	struct xen_userptrif_req req = fake_req(XENUSERPTR_OP_VM_BIND, 0);

	req.op.vm_bind.vm_id = vm;
	req.op.vm_bind.nr_ops = 1;
	req.op.vm_bind.op = *op;
	return fake_send(fake, &req);
}

uint16_t fake_bind_list(struct fake *fake, uint32_t vm, uint32_t list,
			const struct xen_userptrif_bind_op *ops, uint32_t nr)
{
	struct xen_userptrif_req req = fake_req(XENUSERPTR_OP_VM_BIND, 0);

	req.op.vm_bind.vm_id = vm;
	req.op.vm_bind.flags = XENUSERPTR_VM_BIND_INDIRECT;
	req.op.vm_bind.nr_ops = nr;
	req.op.vm_bind.gref_directory = list;

	FAKE_ASSERT(list && list < FAKE_LISTS);
	fake->list[list] = ops;
	return fake_send(fake, &req);
}

uint16_t fake_exec(struct fake *fake, uint32_t vm, uint32_t engine,
		   uint32_t timeline, uint64_t seqno)
{
	struct xen_userptrif_req req = fake_req(XENUSERPTR_OP_EXEC, 0);

	req.op.exec.vm_id = vm;
	req.op.exec.engine = engine;
	req.op.exec.cmd_va = FAKE_VA_START;
	req.op.exec.cmd_length = 64;
	req.op.exec.timeline = timeline;
	req.op.exec.seqno = seqno;
	return fake_send(fake, &req);
}

uint16_t fake_query(struct fake *fake, uint32_t what, uint32_t obj)
{
	struct xen_userptrif_req req = fake_req(XENUSERPTR_OP_QUERY, 0);

	req.op.query.what = what;
	req.op.query.obj_id = obj;
	return fake_send(fake, &req);
}

struct xen_userptrif_bind_op fake_map(uint32_t obj, uint32_t offset_page,
				      uint32_t nr_pages, uint32_t va_page,
				      uint32_t flags)
{
	return (struct xen_userptrif_bind_op){
		.op = XENUSERPTR_BIND_MAP,
		.flags = flags,
		.obj_id = obj,
		.offset = (uint64_t)offset_page * FAKE_PAGE,
		.length = (uint64_t)nr_pages * FAKE_PAGE,
		.gpu_va = FAKE_VA_START + (uint64_t)va_page * FAKE_PAGE,
	};
}

struct xen_userptrif_bind_op fake_unmap(uint32_t nr_pages, uint32_t va_page)
{
	return (struct xen_userptrif_bind_op){
		.op = XENUSERPTR_BIND_UNMAP,
		.length = (uint64_t)nr_pages * FAKE_PAGE,
		.gpu_va = FAKE_VA_START + (uint64_t)va_page * FAKE_PAGE,
	};
}

struct xen_userptrif_bind_op fake_map_null(uint32_t nr_pages, uint32_t va_page)
{
	struct xen_userptrif_bind_op op = fake_unmap(nr_pages, va_page);

	op.op = XENUSERPTR_BIND_MAP_NULL;
	return op;
}

bool fake_answered(struct fake *fake, uint16_t id)
{
	return fake->answered[id];
}

uint32_t fake_status(struct fake *fake, uint16_t id)
{
	FAKE_ASSERT(fake->answered[id]);
	return fake->rsp[id].status;
}
