// SPDX-License-Identifier: MIT
/*
 * core_step(): the only entry for events. Finds what an event belongs to,
 * then runs what became ready, one op per run, as far as there is room.
 * Decides nothing about requests. Single-threaded.
 */
#include <errno.h>
#include <string.h>

#include "internal.h"

/* What each phase does when it runs and when its op is DONE. */
static const struct phase_ops phases[NR_PHASES] = {
	[PHASE_RESPOND]    = { request_respond_run, NULL },
	[PHASE_READ_DIR]   = { obj_read_dir_run, obj_read_dir_done },
	[PHASE_MAP]        = { obj_map_run, obj_map_done },
	[PHASE_RELEASE]    = { NULL, NULL },
	[PHASE_UNMAP]      = { obj_unmap_run, obj_unmap_done },
	[PHASE_TRIM]       = { obj_trim_run, obj_trim_done },
	[PHASE_VM_OPEN]    = { vm_open_run, vm_open_done },
	[PHASE_VM_CLOSE]   = { vm_close_run, vm_close_done },
	[PHASE_VM_JOBS]    = { NULL, NULL },
	[PHASE_BIND_START] = { bind_start_run, bind_start_done },
	[PHASE_BIND]       = { bind_run, bind_done },
	[PHASE_EXEC]       = { exec_run, exec_done },
};

void queue_init(struct queue *queue)
{
	queue->head = NONE;
	queue->tail = NONE;
}

struct item *item_get(struct core *core, uint32_t item)
{
	uint32_t slot = ITEM_SLOT(item);

	switch (ITEM_KIND(item)) {
	case ITEM_REQUEST:
		return &core->req[slot].item;
	case ITEM_IMPORT:
		return &core->import[slot].item;
	case ITEM_TIMELINE:
		return &core->timeline[slot].item;
	}
	return NULL;
}

void queue_push(struct core *core, struct queue *queue, uint32_t item,
		enum place place)
{
	struct item *it = item_get(core, item);

	it->next = NONE;
	it->place = place;
	if (queue->head == NONE)
		queue->head = item;
	else
		item_get(core, queue->tail)->next = item;
	queue->tail = item;
}

uint32_t queue_pop(struct core *core, struct queue *queue)
{
	uint32_t item = queue->head;
	struct item *it;

	if (item == NONE)
		return NONE;
	it = item_get(core, item);
	queue->head = it->next;
	it->place = PLACE_IDLE;
	return item;
}

void item_ready(struct core *core, uint32_t item)
{
	queue_push(core, &core->ready, item, PLACE_READY);
}

void op_begin(struct core *core, struct core_op *op, enum core_op_type type,
	      uint32_t item)
{
	op->type = type;
	op->id = item;
	item_get(core, item)->place = PLACE_OP;
}

uint32_t status_clean(uint32_t status)
{
	return status <= XENUSERPTR_STATUS_BUSY ? status : XENUSERPTR_STATUS_IO;
}

static bool item_run(struct core *core, uint32_t item, struct core_op *op)
{
	uint32_t slot = ITEM_SLOT(item);

	switch (ITEM_KIND(item)) {
	case ITEM_REQUEST:
		return phases[core->req[slot].phase].run(core, slot, op);
	case ITEM_IMPORT:
		return import_run(core, slot, op);
	case ITEM_TIMELINE:
		return timeline_run(core, slot, op);
	}
	return false;
}

/* Is this the id of an op in flight? */
static bool op_known(const struct core *core, uint32_t id)
{
	uint32_t slot = ITEM_SLOT(id);

	switch (ITEM_KIND(id)) {
	case ITEM_REQUEST:
		return slot < core->req_pool.fresh &&
		       core->req[slot].item.place == PLACE_OP;
	case ITEM_IMPORT:
		return slot < core->import_pool.fresh &&
		       core->import[slot].item.place == PLACE_OP;
	}
	return false;
}

static int op_done(struct core *core, const struct core_event *ev)
{
	uint32_t slot = ITEM_SLOT(ev->op_id);

	if (!op_known(core, ev->op_id))
		return -EINVAL;
	if (ITEM_KIND(ev->op_id) == ITEM_IMPORT)
		return import_done(core, slot, ev);
	return phases[core->req[slot].phase].done(core, slot, ev);
}

static int event_take(struct core *core, const struct core_event *ev)
{
	switch (ev->type) {
	case CORE_EV_REQUEST:
		return request_accept(core, ev->untrusted_req);
	case CORE_EV_DONE:
		return op_done(core, ev);
	case CORE_EV_JOB:
		return job_ended(core, ev);
	case CORE_EV_UNMAPPED:
		return obj_unmapped(core, ev->obj);
	}
	return -EINVAL;
}

int core_step(struct core *core, const struct core_event *ev,
	      struct core_op *ops, unsigned int max_ops, unsigned int *nr_ops)
{
	unsigned int nr = 0;
	int ret;

	*nr_ops = 0;
	if (core->dead)
		return -EPROTO;
	if (ev) {
		ret = event_take(core, ev);
		core->dead = ret == -EPROTO;
		if (ret)
			return ret;
	}
	while (nr < max_ops) {
		uint32_t item = queue_pop(core, &core->ready);

		if (item == NONE)
			break;
		memset(&ops[nr], 0, sizeof(ops[nr]));
		nr += item_run(core, item, &ops[nr]);
	}
	*nr_ops = nr;
	return core->ready.head != NONE;
}
