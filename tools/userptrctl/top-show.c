// SPDX-License-Identifier: MIT
/* The picture of userptrctl top: as text and as JSON. */
#include "top-table.h"

#define TOP_PAGE	4096.0
#define TOP_MIB		1048576.0

static const char *const top_names[TOP_NR_RATES] = {
#define X(name, json) json,
	TOP_RATES(X)
#undef X
};

static double top_rate(const struct top *top, const struct top_count *count)
{
	return top->seconds > 0 ? (double)top_delta(count) / top->seconds : 0;
}

static double top_mib_rate(const struct top *top, const struct top_count *count)
{
	return top_rate(top, count) * TOP_PAGE / TOP_MIB;
}

static double top_mib(uint64_t pages)
{
	return (double)pages * TOP_PAGE / TOP_MIB;
}

/* Between the two looks; 0: nobody wanted anything. */
static uint64_t top_want_p99(const struct top_device *device)
{
	uint64_t bucket[MIG_BUCKETS];
	struct times_sum sum;
	size_t i;

	for (i = 0; i < MIG_BUCKETS; i++)
		bucket[i] = top_delta(&device->want[i]);
	times_sum(bucket, MIG_BUCKETS, UINT64_MAX, &sum);
	return sum.p99;
}

static void print_device(const struct top *top, FILE *out,
			 const struct top_device *device)
{
	uint64_t p99 = top_want_p99(device);
	char name[24], want[16] = "-";

	if (p99)
		times_text(p99, want);
	snprintf(name, sizeof(name), "%u/%u", device->key.domid,
		 device->key.devid);
	fprintf(out, "%-9s %-10.10s %-10.10s %8.0f %9.1f %9.1f %8.0f %8.0f %9.1f %10s\n",
		name, device->state, device->driver,
		top_rate(top, &device->rate[TOP_jobs]),
		top_mib_rate(top, &device->rate[TOP_mig_out]),
		top_mib_rate(top, &device->rate[TOP_mig_home]),
		top_rate(top, &device->rate[TOP_mig_wants]),
		top_rate(top, &device->rate[TOP_mig_rollbacks]),
		top_mib(device->vram), want);
}

static void print_object(const struct top *top, FILE *out,
			 const struct top_object *object)
{
	char name[24];

	snprintf(name, sizeof(name), "%u/%u", object->key.domid,
		 object->key.devid);
	fprintf(out, "%-9s %10u %10.1f %10.1f %9u %9.1f %9.1f\n", name,
		object->key.id, top_mib(object->pages), top_mib(object->vram),
		object->lost, top_mib_rate(top, &object->out),
		top_mib_rate(top, &object->home));
}

void top_print(const struct top *top, FILE *out, unsigned int max_objects)
{
	const struct top_device *device = top->devices;
	const struct top_object *object = top->objects;
	unsigned int left = max_objects;

	fprintf(out, "%u devices, %u objects, %.1f s; out and home in MiB/s, VRAM and sizes in MiB\n\n",
		HASH_COUNT(top->devices), HASH_COUNT(top->objects),
		top->seconds);
	fprintf(out, "%-9s %-10s %-10s %8s %9s %9s %8s %8s %9s %10s\n",
		"DEVICE", "STATE", "GPU", "JOBS/S", "OUT", "HOME", "WANTS/S",
		"BACK/S", "VRAM", "WANT P99");
	for (; device; device = device->hh.next)
		print_device(top, out, device);
	fprintf(out, "\n%-9s %10s %10s %10s %9s %9s %9s\n", "DEVICE", "OBJECT",
		"SIZE", "IN VRAM", "LOST", "OUT", "HOME");
	for (; object && left; object = object->hh.next, left--)
		print_object(top, out, object);
	if (object)
		fprintf(out, "... %u more\n",
			HASH_COUNT(top->objects) - max_objects);
}

static void put_number(struct json_object *to, const char *key, uint64_t value)
{
	json_object_object_add(to, key, json_object_new_uint64(value));
}

static void put_rate(const struct top *top, struct json_object *to,
		     const char *name, const struct top_count *count)
{
	char key[32];

	snprintf(key, sizeof(key), "%s_per_s", name);
	json_object_object_add(to, key,
			       json_object_new_double(top_rate(top, count)));
}

static void put_key(struct json_object *to, const struct top_key *key)
{
	put_number(to, "domid", key->domid);
	put_number(to, "devid", key->devid);
}

static struct json_object *json_device(const struct top *top,
				       const struct top_device *device)
{
	struct json_object *to = json_object_new_object();
	size_t i;

	put_key(to, &device->key);
	json_object_object_add(to, "state",
			       json_object_new_string(device->state));
	json_object_object_add(to, "driver",
			       json_object_new_string(device->driver));
	put_number(to, "vram", device->vram);
	for (i = 0; i < TOP_NR_RATES; i++)
		put_rate(top, to, top_names[i], &device->rate[i]);
	put_number(to, "want_p99_us", top_want_p99(device));
	return to;
}

static struct json_object *json_object_of(const struct top *top,
					  const struct top_object *object)
{
	struct json_object *to = json_object_new_object();

	put_key(to, &object->key);
	put_number(to, "object", object->key.id);
	put_number(to, "pages", object->pages);
	put_number(to, "vram", object->vram);
	put_number(to, "lost", object->lost);
	put_rate(top, to, "out_pages", &object->out);
	put_rate(top, to, "home_pages", &object->home);
	return to;
}

struct json_object *top_json(const struct top *top)
{
	struct json_object *document = json_object_new_object();
	struct json_object *devices = json_object_new_array();
	struct json_object *objects = json_object_new_array();
	const struct top_device *device = top->devices;
	const struct top_object *object = top->objects;

	for (; device; device = device->hh.next)
		json_object_array_add(devices, json_device(top, device));
	for (; object; object = object->hh.next)
		json_object_array_add(objects, json_object_of(top, object));
	json_object_object_add(document, "seconds",
			       json_object_new_double(top->seconds));
	json_object_object_add(document, "devices", devices);
	json_object_object_add(document, "objects", objects);
	return document;
}
