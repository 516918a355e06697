// SPDX-License-Identifier: MIT
/* Keeps two looks at devices and objects, and sorts them by what moved between. */
#include "top-table.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const char *const top_counters[TOP_NR_RATES] = {
#define X(name, json) #name,
	TOP_RATES(X)
#undef X
};

/* A number that fell is of a new worker: it began at 0. */
uint64_t top_delta(const struct top_count *count)
{
	return count->now >= count->before ? count->now - count->before :
					     count->now;
}

/* What nobody saw in the first look may be old: it has no rate yet. */
static void top_count(const struct top *top, struct top_count *count,
		      uint64_t value, bool is_new)
{
	count->before = count->now;
	count->now = value;
	if (is_new && top->look == 1)
		count->before = value;
}

static uint64_t top_number(struct json_object *object, const char *key)
{
	return json_object_get_uint64(json_object_object_get(object, key));
}

static void top_text(struct json_object *object, const char *key, char *to)
{
	const char *text;

	text = json_object_get_string(json_object_object_get(object, key));
	snprintf(to, TOP_TEXT, "%s", text ? text : "-");
}

void top_begin(struct top *top, double seconds)
{
	top->look++;
	top->seconds = seconds;
}

static struct top_device *device_get(struct top *top, const struct top_key *key)
{
	struct top_device *device;

	HASH_FIND(hh, top->devices, key, sizeof(*key), device);
	if (device)
		return device;
	device = calloc(1, sizeof(*device));
	if (!device)
		return NULL;
	device->key = *key;
	HASH_ADD(hh, top->devices, key, sizeof(device->key), device);
	if (hash_added(device))
		return device;
	free(device);
	return NULL;
}

static uint64_t bucket_at(struct json_object *buckets, size_t i)
{
	if (!json_object_is_type(buckets, json_type_array) ||
	    i >= json_object_array_length(buckets))
		return 0;
	return json_object_get_uint64(json_object_array_get_idx(buckets, i));
}

static void device_want(const struct top *top, struct top_device *device,
			struct json_object *times, bool is_new)
{
	struct json_object *want = json_object_object_get(times, "want");
	struct json_object *buckets = json_object_object_get(want, "buckets");
	size_t i;

	for (i = 0; i < MIG_BUCKETS; i++)
		top_count(top, &device->want[i], bucket_at(buckets, i), is_new);
}

int top_device(struct top *top, struct json_object *object)
{
	struct json_object *counters = json_object_object_get(object,
							      "counters");
	const struct top_key key = {
		(uint32_t)top_number(object, "domid"),
		(uint32_t)top_number(object, "devid"), UINT32_MAX,
	};
	struct top_device *device = device_get(top, &key);
	bool is_new;
	size_t i;

	if (!device)
		return -ENOMEM;
	is_new = !device->look;
	device->look = top->look;
	top_text(object, "state", device->state);
	top_text(object, "driver", device->driver);
	device->vram = top_number(counters, "mig_vram_now");
	for (i = 0; i < TOP_NR_RATES; i++)
		top_count(top, &device->rate[i],
			  top_number(counters, top_counters[i]), is_new);
	device_want(top, device, json_object_object_get(object, "times"),
		    is_new);
	return 0;
}

static struct top_object *object_get(struct top *top, const struct top_key *key)
{
	struct top_object *object;

	HASH_FIND(hh, top->objects, key, sizeof(*key), object);
	if (object)
		return object;
	object = calloc(1, sizeof(*object));
	if (!object)
		return NULL;
	object->key = *key;
	HASH_ADD(hh, top->objects, key, sizeof(object->key), object);
	if (hash_added(object))
		return object;
	free(object);
	return NULL;
}

int top_object(struct top *top, uint32_t domid, uint32_t devid,
	       const struct ipc_entry *entry)
{
	const struct top_key key = { domid, devid, entry->id };
	struct top_object *object = object_get(top, &key);
	bool is_new;

	if (!object)
		return -ENOMEM;
	is_new = !object->look;
	object->look = top->look;
	object->pages = entry->nr;
	object->vram = entry->state;
	object->lost = entry->why;
	top_count(top, &object->out, entry->moved_out, is_new);
	top_count(top, &object->home, entry->moved_home, is_new);
	return 0;
}

static int key_order(const struct top_key *a, const struct top_key *b)
{
	if (a->domid != b->domid)
		return a->domid < b->domid ? -1 : 1;
	if (a->devid != b->devid)
		return a->devid < b->devid ? -1 : 1;
	return a->id < b->id ? -1 : a->id > b->id;
}

void top_unknown(struct top *top, uint32_t domid, uint32_t devid)
{
	struct top_object *object, *next;

	HASH_ITER(hh, top->objects, object, next) {
		if (object->key.domid != domid || object->key.devid != devid)
			continue;
		object->look = top->look;
		object->out.before = object->out.now;
		object->home.before = object->home.now;
	}
}

/* Most traffic first; what is alike in the order of its numbers. */
static int traffic_order(uint64_t a, uint64_t b, const struct top_key *key_a,
			 const struct top_key *key_b)
{
	if (a != b)
		return a < b ? 1 : -1;
	return key_order(key_a, key_b);
}

static int device_order(struct top_device *a, struct top_device *b)
{
	return traffic_order(top_delta(&a->rate[TOP_mig_out]) +
			     top_delta(&a->rate[TOP_mig_home]),
			     top_delta(&b->rate[TOP_mig_out]) +
			     top_delta(&b->rate[TOP_mig_home]),
			     &a->key, &b->key);
}

static int object_order(struct top_object *a, struct top_object *b)
{
	return traffic_order(top_delta(&a->out) + top_delta(&a->home),
			     top_delta(&b->out) + top_delta(&b->home),
			     &a->key, &b->key);
}

static void top_forget(struct top *top, unsigned int before)
{
	struct top_device *device, *next_device;
	struct top_object *object, *next_object;

	HASH_ITER(hh, top->devices, device, next_device) {
		if (device->look >= before)
			continue;
		HASH_DEL(top->devices, device);
		free(device);
	}
	HASH_ITER(hh, top->objects, object, next_object) {
		if (object->look >= before)
			continue;
		HASH_DEL(top->objects, object);
		free(object);
	}
}

void top_end(struct top *top)
{
	top_forget(top, top->look);
	HASH_SORT(top->devices, device_order);
	HASH_SORT(top->objects, object_order);
}

void top_free(struct top *top)
{
	top_forget(top, UINT_MAX);
}
