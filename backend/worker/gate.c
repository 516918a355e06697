// SPDX-License-Identifier: MIT
/*
 * The gate between the core and the helper: an op of the core that changes who
 * maps pages waits until the engine holds these at home, and lets them go when
 * the core has taken the change in. An EXEC waits until its VM can reach all
 * that it maps. The release of an object waits until nothing of it is away.
 * A MAP of pages that another object has too waits until they are home, since no
 * revoked page can be mapped, and they stay there from then on.
 *
 * Everything is asked to be home, also what is only unmapped: asks that want
 * the same never wait for each other in a circle.
 */
#include "migrator.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "chunk.h"
#include "hash.h"
#include "log.h"
#include "probe.h"
#include "route.h"

struct gate_ask {
	UT_hash_handle hh;
	uint32_t token;
	struct gate *gate;
	struct gate_ask *next;	/* of m->let_go */
};

struct gate {
	UT_hash_handle hh;
	struct gate *next;	/* of m->released */
	struct core_op op;
	uint32_t waiting;	/* asks that are not ready */
	bool failed;		/* something is lost */
	bool passed;		/* op was submitted */
	uint32_t nr;
	uint32_t *tokens;
	struct core_span *spans; /* merged: one an object */
};

static void gate_free(struct migrator *m, struct gate *gate)
{
	HASH_DEL(m->gates, gate);
	free(gate->tokens);
	free(gate->spans);
	free(gate);
}

static int submit(struct migrator *m, const struct core_op *op)
{
	struct work work = { .kind = WORK_OP, .op = *op };

	return route_submit(m->route, &work);
}

static int refuse(struct migrator *m, const struct core_op *op)
{
	struct work work = {
		.kind = WORK_REFUSE,
		.op = *op,
		.status = XENUSERPTR_STATUS_LOST,
	};

	return route_submit(m->route, &work);
}

/* ---- which pages ---- */

static int span_compare(const void *a, const void *b)
{
	const struct core_span *x = a, *y = b;

	return x->obj < y->obj ? -1 : x->obj > y->obj;
}

/* One span for each object that the engine knows, from first to last page. */
static uint32_t spans_merge(const struct migrator *m, struct core_span *spans,
			    uint32_t nr)
{
	uint32_t i, out = 0;

	qsort(spans, nr, sizeof(*spans), span_compare);
	for (i = 0; i < nr; i++) {
		uint32_t end = spans[i].first + spans[i].nr;

		if (m->object[spans[i].obj] == OBJECT_UNKNOWN)
			continue;
		if (out && spans[out - 1].obj == spans[i].obj) {
			struct core_span *last = &spans[out - 1];
			uint32_t last_end = last->first + last->nr;

			if (spans[i].first < last->first)
				last->first = spans[i].first;
			last->nr = (end > last_end ? end : last_end) -
				   last->first;
		} else {
			spans[out++] = spans[i];
		}
	}
	return out;
}

static int gate_spans(struct migrator *m, struct gate *gate)
{
	const struct core_op *op = &gate->op;
	uint32_t nr = 1;

	if (op->type == CORE_OP_BIND)
		nr = core_bind_spans(m->core, op->vm, NULL, 0);
	gate->spans = calloc(nr ? nr : 1, sizeof(*gate->spans));
	if (!gate->spans)
		return -ENOMEM;
	if (op->type == CORE_OP_BIND)
		core_bind_spans(m->core, op->vm, gate->spans, nr);
	else
		gate->spans[0] = (struct core_span){ op->obj, op->first,
						     op->nr };
	gate->nr = spans_merge(m, gate->spans, nr);
	return 0;
}

/* ---- ask ---- */

static int ask_one(struct migrator *m, struct gate *gate, struct mig_event *ev,
		   uint32_t *token)
{
	struct gate_ask *ask = calloc(1, sizeof(*ask));

	if (!ask)
		return -ENOMEM;
	ask->gate = gate;
	ask->token = m->next_token++;
	*token = ask->token;
	HASH_ADD(hh, m->asks, token, sizeof(ask->token), ask);
	if (!hash_added(ask)) {
		free(ask);
		return -ENOMEM;
	}
	ev->type = MIG_EV_ASK;
	ev->token = ask->token;
	return migrator_feed(m, ev);
}

/*
 * The asks of all MAPs together are limited, since a MAP may ask for any number of
 * objects: one that gets none does without, for its pages come home by themselves
 * or cannot be mapped. So nobody else ever lacks one.
 */
static bool map_may_ask(struct migrator *m, const struct gate *gate)
{
	if (gate->op.type != CORE_OP_MAP)
		return true;
	if (m->map_asks >= m->env->max_objects)
		return false;
	m->map_asks++;
	return true;
}

/* One more than there are asks waits, so that no answer ends the loop early. */
static int ask_spans(struct migrator *m, struct gate *gate, enum mig_ask kind)
{
	uint32_t i;
	int ret = 0;

	gate->tokens = calloc(gate->nr, sizeof(*gate->tokens));
	if (!gate->tokens)
		return -ENOMEM;
	gate->waiting = gate->nr + 1;
	for (i = 0; !ret && i < gate->nr; i++) {
		struct mig_event ev = {
			.kind = kind,
			.obj = gate->spans[i].obj,
			.first = gate->spans[i].first,
			.nr = gate->spans[i].nr,
		};

		if (map_may_ask(m, gate))
			ret = ask_one(m, gate, &ev, &gate->tokens[i]);
		else
			gate->waiting--;
	}
	return ret;
}

static int gate_pass(struct migrator *m, struct gate *gate);

static int gate_answer(struct migrator *m, struct gate *gate)
{
	return --gate->waiting ? 0 : gate_pass(m, gate);
}

static struct gate *gate_make(struct migrator *m, const struct core_op *op)
{
	struct gate *gate = calloc(1, sizeof(*gate));

	if (!gate)
		return NULL;
	gate->op = *op;
	HASH_ADD(hh, m->gates, op.id, sizeof(gate->op.id), gate);
	PROBE3(gate_wait, op->type, op->id, op->vm);
	if (hash_added(gate))
		return gate;
	free(gate);
	return NULL;
}

static int gate_exec(struct migrator *m, const struct core_op *op)
{
	struct mig_event ev = { .kind = MIG_ASK_EXEC, .vm = op->vm };
	struct gate *gate;
	uint32_t token;

	if (op->vm >= MIG_MAX_VMS || !(m->vms >> op->vm & 1))
		return submit(m, op);
	gate = gate_make(m, op);
	if (!gate)
		return -ENOMEM;
	gate->waiting = 1;
	return ask_one(m, gate, &ev, &token);
}

/*
 * What the guest has discarded is told before it is sent home. The first that comes
 * by for an object that is destroyed is one that unbinds it.
 */
static int gate_discard(struct migrator *m, const struct gate *gate)
{
	struct mig_event ev = { .type = MIG_EV_DISCARD };
	bool trimmed = gate->op.type == CORE_OP_TRIM &&
		       gate->op.flags & XENUSERPTR_TRIM_DISCARD;
	uint32_t i;
	int ret = 0;

	for (i = 0; !ret && i < gate->nr; i++) {
		bool destroyed = core_object_discarded(m->core,
						       gate->spans[i].obj);

		if (!trimmed && !destroyed)
			continue;
		ev.obj = gate->spans[i].obj;
		ev.first = destroyed ? 0 : gate->spans[i].first;
		ev.nr = destroyed ? migrator_pages(m, ev.obj) :
				    gate->spans[i].nr;
		ret = migrator_feed(m, &ev);
	}
	return ret;
}

static int gate_pages(struct migrator *m, const struct core_op *op)
{
	enum mig_ask kind = op->type == CORE_OP_UNMAP ? MIG_ASK_RELEASE :
							MIG_ASK_HOME;
	struct gate *gate = gate_make(m, op);
	int ret;

	if (!gate)
		return -ENOMEM;
	if (op->type == CORE_OP_UNMAP) {
		gate->op.first = 0;
		/* What was given back by a TRIM stays home anyway. */
		gate->op.nr = migrator_pages(m, op->obj);
	}
	ret = gate_spans(m, gate);
	if (ret)
		return ret;
	if (!gate->nr) {
		gate_free(m, gate);
		/* It may be one that could not be forgotten the last time. */
		return op->type == CORE_OP_UNMAP ? migrator_forget(m, op) :
						   submit(m, op);
	}
	ret = gate_discard(m, gate);
	if (!ret)
		ret = ask_spans(m, gate, kind);
	if (!ret)
		ret = gate_answer(m, gate);
	return ret ? ret : gate_released(m);
}

/* Runs of pages of other objects that are among those to map; spans may be NULL. */
static uint32_t map_spans(const struct migrator *m, const struct core_op *op,
			  struct core_span *spans)
{
	const uint32_t *grefs = work_grefs(m->env, op->obj);
	struct core_span run = { 0 };
	uint32_t i, obj, page, nr = 0;

	for (i = 0; i < op->nr; i++) {
		if (!grefs_find(&m->grefs, grefs[i], &obj, &page) ||
		    m->object[obj] == OBJECT_UNKNOWN)
			continue;
		if (nr && run.obj == obj && run.first + run.nr == page) {
			run.nr++;
		} else {
			run = (struct core_span){ obj, page, 1 };
			nr++;
		}
		if (spans)
			spans[nr - 1] = run;
	}
	return nr;
}

/* They will be in two objects, so they stay home. */
static int map_aliases(struct migrator *m, const struct core_span *spans,
		       uint32_t nr)
{
	uint32_t i;
	int ret = 0;

	for (i = 0; !ret && i < nr; i++)
		ret = migrator_alias(m, &spans[i]);
	return ret;
}

static int gate_map(struct migrator *m, const struct core_op *op)
{
	uint32_t nr = map_spans(m, op, NULL);
	struct gate *gate;
	int ret;

	if (!nr)
		return submit(m, op);
	gate = gate_make(m, op);
	if (!gate)
		return -ENOMEM;
	gate->spans = calloc(nr, sizeof(*gate->spans));
	if (!gate->spans)
		return -ENOMEM;
	map_spans(m, op, gate->spans);
	ret = map_aliases(m, gate->spans, nr);
	gate->nr = spans_merge(m, gate->spans, nr);
	if (!ret)
		ret = ask_spans(m, gate, MIG_ASK_HOME);
	if (!ret)
		ret = gate_answer(m, gate);
	return ret ? ret : gate_released(m);
}

int gate_op(struct migrator *m, const struct core_op *op)
{
	switch (op->type) {
	case CORE_OP_EXEC:
		return gate_exec(m, op);
	case CORE_OP_MAP:
		return gate_map(m, op);
	case CORE_OP_BIND:
	case CORE_OP_TRIM:
	case CORE_OP_UNMAP:
		return gate_pages(m, op);
	case CORE_OP_READ_DIR:
	case CORE_OP_READ_BIND:
	case CORE_OP_VM_OPEN:
	case CORE_OP_VM_CLOSE:
	case CORE_OP_IMPORT:
	case CORE_OP_CLOSE:
	case CORE_OP_RESPOND:
	case CORE_OP_EVENT:
	case CORE_OP_FENCE:
		break;
	}
	return submit(m, op);
}

/* ---- ready ---- */

static bool maps_something(const struct core_op *op)
{
	uint32_t i;

	for (i = 0; i < op->nr; i++)
		if (op->binds[i].op == XENUSERPTR_BIND_MAP)
			return true;
	return false;
}

/* What is lost can be unmapped and released, and nothing else. */
static int gate_pass(struct migrator *m, struct gate *gate)
{
	const struct core_op *op = &gate->op;

	gate->passed = true;
	PROBE3(gate_pass, op->type, op->id, gate->failed);
	if (op->type == CORE_OP_UNMAP) {
		gate->next = m->released;
		m->released = gate;
		return 0;
	}
	if (!gate->failed)
		return submit(m, op);
	if (op->type == CORE_OP_EXEC ||
	    (op->type == CORE_OP_BIND && maps_something(op)))
		return refuse(m, op);
	return submit(m, op);
}

int gate_ready(struct migrator *m, uint32_t token, uint32_t status)
{
	struct gate_ask *ask;
	struct gate *gate;

	HASH_FIND(hh, m->asks, &token, sizeof(token), ask);
	if (!ask)
		return -EINVAL;
	gate = ask->gate;
	HASH_DEL(m->asks, ask);
	if (gate->op.type == CORE_OP_MAP) {
		/* What stays home need not be held, least of all for a release. */
		ask->next = m->let_go;
		m->let_go = ask;
	} else {
		free(ask);
	}
	gate->failed |= status != MIG_OK;
	return gate_answer(m, gate);
}

static int object_release(struct migrator *m, struct gate *gate)
{
	struct mig_event ev = {
		.type = MIG_EV_OBJ_DEL,
		.obj = gate->op.obj,
	};
	int ret;

	grefs_remove(&m->grefs, work_grefs(m->env, ev.obj), gate->op.nr);
	m->object[ev.obj] = OBJECT_UNKNOWN;
	ret = migrator_feed(m, &ev);
	if (m->journal)
		journal_del(m->journal, ev.obj);
	if (!ret)
		ret = migrator_forget(m, &gate->op);
	gate_free(m, gate);
	return ret;
}

static int asks_let_go(struct migrator *m)
{
	struct mig_event ev = { .type = MIG_EV_LET_GO };
	struct gate_ask *ask;
	int ret = 0;

	while (!ret && (ask = m->let_go)) {
		m->let_go = ask->next;
		ev.token = ask->token;
		free(ask);
		m->map_asks--;
		ret = migrator_feed(m, &ev);
	}
	return ret;
}

int gate_released(struct migrator *m)
{
	struct gate *gate;
	int ret = asks_let_go(m);

	while (!ret && (gate = m->released)) {
		m->released = gate->next;
		ret = object_release(m, gate);
	}
	return ret;
}

/* ---- done ---- */

static int chunk_uses(struct migrator *m, uint32_t vm,
		      const struct core_span *span,
		      const struct mig_chunk_info *chunk)
{
	struct mig_event ev = {
		.type = MIG_EV_USES,
		.obj = span->obj,
		.first = chunk->first,
		.nr = chunk->nr,
		.vm = vm,
	};

	ev.access = core_chunk_access(m->core, vm, span->obj, chunk->first,
				      chunk->nr);
	if (chunk->state == CHUNK_LOST && ev.access != MIG_ACCESS_NONE)
		return 0;
	if (vm < MIG_MAX_VMS)
		return migrator_feed(m, &ev);
	/* The engine knows no such VM: what it maps stays home. */
	if (ev.access == MIG_ACCESS_NONE)
		return 0;
	ev.type = MIG_EV_ALIAS;
	return migrator_feed(m, &ev);
}

static int span_uses(struct migrator *m, uint32_t vm,
		     const struct core_span *span)
{
	struct mig_chunk_info chunk;
	uint32_t page = span->first;
	int ret = 0;

	while (!ret && page < span->first + span->nr) {
		ret = mig_chunk_get(m->engine, span->obj, page, &chunk);
		if (ret)
			return ret;
		ret = chunk_uses(m, vm, span, &chunk);
		page = chunk.first + chunk.nr;
	}
	return ret;
}

/* Pages that were given back belong to the guest alone. */
static int span_trimmed(struct migrator *m, const struct core_span *span)
{
	uint32_t *grefs = work_grefs(m->env, span->obj) + span->first;
	int ret = 0;

	grefs_remove(&m->grefs, grefs, span->nr);
	memset(grefs, 0, span->nr * sizeof(*grefs));
	if (m->journal)
		ret = journal_trim(m->journal, span->obj, span->first, span->nr);
	return ret ? ret : migrator_alias(m, span);
}

static int gate_let_go(struct migrator *m, const struct gate *gate)
{
	struct mig_event ev = { .type = MIG_EV_LET_GO };
	uint32_t i;
	int ret = 0;

	for (i = 0; !ret && i < gate->nr; i++) {
		ev.token = gate->tokens[i];
		ret = migrator_feed(m, &ev);
	}
	return ret;
}

/* A job that was not queued has no fence to end it. */
static int exec_done(struct migrator *m, const struct gate *gate,
		     const struct work *work)
{
	struct mig_event ev = { .type = MIG_EV_JOB_END, .vm = work->op.vm };

	if (gate->failed || work->status == XENUSERPTR_STATUS_OK ||
	    !(m->vms >> work->op.vm & 1))
		return 0;
	return migrator_feed(m, &ev);
}

static int bind_done(struct migrator *m, const struct gate *gate)
{
	uint32_t i;
	int ret = 0;

	if (gate->op.vm < MIG_MAX_VMS && !(m->vms >> gate->op.vm & 1))
		return 0;
	for (i = 0; !ret && i < gate->nr; i++)
		ret = span_uses(m, gate->op.vm, &gate->spans[i]);
	return ret;
}

int gate_done(struct migrator *m, const struct work *work)
{
	struct gate *gate;
	int ret = 0;

	HASH_FIND(hh, m->gates, &work->op.id, sizeof(work->op.id), gate);
	if (!gate || !gate->passed || gate->op.type != work->op.type)
		return 0;
	if (work->op.type == CORE_OP_EXEC)
		ret = exec_done(m, gate, work);
	else if (work->op.type == CORE_OP_BIND)
		ret = bind_done(m, gate);
	else if (work->op.type == CORE_OP_TRIM &&
		 work->status == XENUSERPTR_STATUS_OK)
		ret = span_trimmed(m, &gate->spans[0]);
	if (!ret && work->op.type != CORE_OP_MAP)
		ret = gate_let_go(m, gate);
	gate_free(m, gate);
	return ret;
}
