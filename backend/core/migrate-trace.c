// SPDX-License-Identifier: MIT
/*
 * Events as records of fixed size, to be kept and replayed. Little-endian;
 * settings follow the event's own fields. A recorded trace begins with a head.
 * Decides nothing. Single-threaded.
 */
#include <errno.h>
#include <string.h>

#include "migrate.h"
#include "octets.h"

#define NR_FIELDS	15U	/* of an event, 4 octets each */
#define NR_SETTINGS	15U
#define AT_NOW		(4 * NR_FIELDS)
#define AT_HAS		(AT_NOW + 8)
#define AT_SETTINGS	(AT_HAS + 4)
#define AT_LIMIT	(AT_SETTINGS + 4 * NR_SETTINGS)
#define AT_US		(AT_LIMIT + 8)
#define AT_HOME_GPUS	(AT_US + 8)

_Static_assert(AT_HOME_GPUS + 4 <= MIG_TRACE, "a trace record has room for all");

/* The head. */
#define HEAD_MAGIC	UINT64_C(0x324543415254554d)	/* "MUTRACE2" */
#define HEAD_PAGES	8
#define HEAD_OBJECTS	16
#define HEAD_ASKS	20
#define HEAD_EVENTS	24
#define HEAD_DROPPED	32
#define HEAD_OPS	40
#define HEAD_HASH	48

struct field {
	size_t at;
};

#define EV(name) { offsetof(struct mig_event, name) }
#define SET(name) { offsetof(struct mig_settings, name) }

static const struct field fields[NR_FIELDS - 1] = {
	EV(obj), EV(first), EV(nr), EV(vm), EV(gpu), EV(flags), EV(access),
	EV(place), EV(advice), EV(kind), EV(token), EV(id), EV(status),
	EV(extra_refs),
};

static const struct field setting[NR_SETTINGS] = {
	SET(policy), SET(kill_ms), SET(lost_ms), SET(drain_ms), SET(poll_ms),
	SET(stop_ms), SET(run_ms), SET(stay_ms), SET(bounce_ms), SET(hold_ms),
	SET(hold_max_ms), SET(retry_ms), SET(max_active), SET(vram_page),
	SET(copy_ms),
};

static void fields_put(uint8_t *at, const void *from,
		       const struct field *list, unsigned int nr)
{
	unsigned int i;
	uint32_t value;

	for (i = 0; i < nr; i++) {
		memcpy(&value, (const uint8_t *)from + list[i].at,
		       sizeof(value));
		put_le(at + 4 * i, 4, value);
	}
}

static void fields_get(const uint8_t *at, void *to, const struct field *list,
		       unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		uint32_t value = (uint32_t)get_le(at + 4 * i, 4);

		memcpy((uint8_t *)to + list[i].at, &value, sizeof(value));
	}
}

void mig_trace_encode(const struct mig_event *ev, uint8_t trace[MIG_TRACE])
{
	memset(trace, 0, MIG_TRACE);
	put_le(trace, 4, (uint32_t)ev->type);
	fields_put(trace + 4, ev, fields, NR_FIELDS - 1);
	put_le(trace + AT_NOW, 8, ev->now);
	put_le(trace + AT_US, 8, ev->us);
	if (!ev->settings)
		return;
	put_le(trace + AT_HAS, 4, 1);
	fields_put(trace + AT_SETTINGS, ev->settings, setting, NR_SETTINGS);
	put_le(trace + AT_LIMIT, 8, ev->settings->vram_pages);
	put_le(trace + AT_HOME_GPUS, 4, ev->settings->home_gpus);
}

int mig_trace_decode(const uint8_t trace[MIG_TRACE], struct mig_event *ev,
		     struct mig_settings *settings)
{
	uint64_t type = get_le(trace, 4);

	if (type >= MIG_NR_EVENTS || get_le(trace + AT_HAS, 4) > 1)
		return -EINVAL;
	memset(ev, 0, sizeof(*ev));
	ev->type = (enum mig_event_type)type;
	fields_get(trace + 4, ev, fields, NR_FIELDS - 1);
	ev->now = get_le(trace + AT_NOW, 8);
	ev->us = get_le(trace + AT_US, 8);
	if (!get_le(trace + AT_HAS, 4))
		return 0;
	fields_get(trace + AT_SETTINGS, settings, setting, NR_SETTINGS);
	settings->vram_pages = get_le(trace + AT_LIMIT, 8);
	settings->home_gpus = (uint32_t)get_le(trace + AT_HOME_GPUS, 4);
	ev->settings = settings;
	return 0;
}

void mig_trace_head_encode(const struct mig_trace_head *head,
			   uint8_t trace[MIG_TRACE])
{
	memset(trace, 0, MIG_TRACE);
	put_le(trace, 8, HEAD_MAGIC);
	put_le(trace + HEAD_PAGES, 8, head->limits.max_pages);
	put_le(trace + HEAD_OBJECTS, 4, head->limits.max_objects);
	put_le(trace + HEAD_ASKS, 4, head->limits.max_asks);
	put_le(trace + HEAD_EVENTS, 8, head->events);
	put_le(trace + HEAD_DROPPED, 8, head->dropped);
	put_le(trace + HEAD_OPS, 8, head->ops);
	put_le(trace + HEAD_HASH, 8, head->hash);
}

int mig_trace_head_decode(const uint8_t trace[MIG_TRACE],
			  struct mig_trace_head *head)
{
	if (get_le(trace, 8) != HEAD_MAGIC)
		return -EINVAL;
	memset(head, 0, sizeof(*head));
	head->limits.max_pages = get_le(trace + HEAD_PAGES, 8);
	head->limits.max_objects = (uint32_t)get_le(trace + HEAD_OBJECTS, 4);
	head->limits.max_asks = (uint32_t)get_le(trace + HEAD_ASKS, 4);
	head->events = get_le(trace + HEAD_EVENTS, 8);
	head->dropped = get_le(trace + HEAD_DROPPED, 8);
	head->ops = get_le(trace + HEAD_OPS, 8);
	head->hash = get_le(trace + HEAD_HASH, 8);
	return 0;
}

static uint64_t hash_add(uint64_t hash, uint64_t value)
{
	unsigned int i;

	for (i = 0; i < 8; i++)
		hash = (hash ^ (value >> 8 * i & 0xff)) * 1099511628211U;
	return hash;
}

void mig_trace_op(struct mig_trace_head *head, const struct mig_op *op)
{
	const uint64_t values[] = {
		op->type, op->id, op->obj, op->first, op->nr, op->vm, op->gpu,
		op->flags, op->token, op->status, op->vms,
	};
	unsigned int i;

	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		head->hash = hash_add(head->hash, values[i]);
	head->ops++;
}
