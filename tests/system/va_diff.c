// SPDX-License-Identifier: MIT
/*
 * va-diff: the backend's VA tree (backend/core) against softgpu's drm_gpuvm and
 * its page tables, in dom0.
 *
 * usage: va-diff [STEPS [SEED]]     default: 10000, a new seed, which is printed
 *
 * Each step is a random array of maps (some read-only), null maps and unmaps, done
 * on both; one in eight is made to fail at its end and must change nothing. After
 * each step every page of the window is compared: mapped or not, which mapping with
 * which bounds, object, offset and flags, and that the page table says the same.
 * Exit code 0 if they agreed, 1 at the first difference, 99 if it could not run.
 */
#include <err.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <xf86drm.h>

#include "drm_node.h"
#include "random.h"
#include "softgpu_drm.h"
#include "vatree.h"

#define PAGE		4096ULL
#define NR_PAGES	256U
#define NR_OBJECTS	4U
#define OBJECT_PAGES	64U
#define MAX_OPS		6U
#define MAX_MAPPINGS	1024U
#define READONLY	1U

struct diff {
	int fd;
	uint32_t vm;
	uint64_t base;
	uint32_t handle[NR_OBJECTS];
	uint64_t object_id[NR_OBJECTS];
	struct va_owner owner[NR_OBJECTS];
	struct va_pool pool;
	struct va_space space;
	struct rng rng;
	unsigned int maps, unmaps, failed, runs;
};

static int softgpu_open(void)
{
	int fd = drm_node_open("softgpu", 0);

	if (fd < 0)
		errx(99, "no softgpu");
	return fd;
}

static void must_ioctl(const struct diff *d, unsigned long request, void *arg, const char *what)
{
	if (drmIoctl(d->fd, request, arg))
		err(99, "%s", what);
}

static void *zeroed(size_t nr, size_t size)
{
	void *mem = calloc(nr, size);

	if (!mem)
		err(99, "memory");
	return mem;
}

static void tree_open(struct diff *d)
{
	uint32_t records = (uint32_t)va_records_need(MAX_MAPPINGS);
	uint32_t nodes = (uint32_t)va_nodes_need(MAX_MAPPINGS, 1);
	unsigned int i;

	d->pool.va = zeroed(records, sizeof(*d->pool.va));
	pool_init(&d->pool.free, zeroed(records, sizeof(uint32_t)), records);
	va_nodes_init(&d->pool.nodes, zeroed(nodes, sizeof(struct va_node)),
		      zeroed(nodes, sizeof(uint32_t)), nodes);
	d->pool.owner = d->owner;
	d->pool.max = MAX_MAPPINGS;
	for (i = 0; i < NR_OBJECTS; i++)
		va_owner_init(&d->owner[i]);
	va_space_init(&d->space);
}

static void gpu_open(struct diff *d)
{
	struct drm_softgpu_info info = { 0 };
	struct drm_softgpu_vm_create vm = { 0 };
	unsigned int i;

	d->fd = softgpu_open();
	must_ioctl(d, DRM_IOCTL_SOFTGPU_INFO, &info, "INFO");
	must_ioctl(d, DRM_IOCTL_SOFTGPU_VM_CREATE, &vm, "VM_CREATE");
	d->vm = vm.vm_id;
	/* Across the border of two page tables. */
	d->base = ((info.va_start >> 21) + 3) * (1ULL << 21) - NR_PAGES / 2 * PAGE;
	for (i = 0; i < NR_OBJECTS; i++) {
		struct drm_softgpu_gem_create create = {
			.size = OBJECT_PAGES * PAGE,
			.placement = DRM_SOFTGPU_PLACE_SYSTEM,
		};
		struct drm_softgpu_gem_info gem = { 0 };

		must_ioctl(d, DRM_IOCTL_SOFTGPU_GEM_CREATE, &create, "GEM_CREATE");
		gem.handle = d->handle[i] = create.handle;
		must_ioctl(d, DRM_IOCTL_SOFTGPU_GEM_INFO, &gem, "GEM_INFO");
		d->object_id[i] = gem.object_id;
	}
}

static void random_range(struct diff *d, __u64 *start, __u64 *length, uint32_t most)
{
	uint32_t nr = 1 + rng_below(&d->rng, rng_below(&d->rng, 4) ? 6 : most);
	uint32_t page = rng_below(&d->rng, NR_PAGES - nr + 1);

	*start = d->base + page * PAGE;
	*length = nr * PAGE;
}

/* One random operation, on the tree and into the array. */
static int random_op(struct diff *d, struct drm_softgpu_bind_op *op)
{
	struct va_range range = { .owner = VA_NO_OWNER };
	uint32_t kind = rng_below(&d->rng, 8);

	memset(op, 0, sizeof(*op));
	random_range(d, &op->va, &op->length, kind < 3 ? NR_PAGES : OBJECT_PAGES);
	range.start = op->va;
	range.end = op->va + op->length;
	if (kind < 2) {
		op->op = DRM_SOFTGPU_BIND_UNMAP;
		d->unmaps++;
		return va_unmap(&d->pool, &d->space, range.start, range.end);
	}
	d->maps++;
	op->op = kind == 2 ? DRM_SOFTGPU_BIND_MAP_NULL : DRM_SOFTGPU_BIND_MAP;
	if (op->op == DRM_SOFTGPU_BIND_MAP) {
		range.owner = rng_below(&d->rng, NR_OBJECTS);
		range.offset = rng_below(&d->rng, OBJECT_PAGES + 1 -
					 (uint32_t)(op->length / PAGE)) * PAGE;
		range.flags = rng_below(&d->rng, 4) ? 0 : READONLY;
		op->handle = d->handle[range.owner];
		op->offset = range.offset;
		op->flags = range.flags ? DRM_SOFTGPU_BIND_READONLY : 0;
	}
	return va_map(&d->pool, &d->space, &range);
}

static void step(struct diff *d)
{
	struct drm_softgpu_bind_op ops[MAX_OPS + 1];
	struct drm_softgpu_vm_bind bind = { .vm_id = d->vm, .ops = (uintptr_t)ops };
	bool spoil = rng_below(&d->rng, 8) == 0;
	uint32_t i, nr = 1 + rng_below(&d->rng, MAX_OPS);
	int ret;

	for (i = 0; i < nr; i++)
		if (random_op(d, &ops[i]))
			errx(1, "the tree refuses operation %u", i);
	if (spoil) {
		ops[nr] = ops[0];
		ops[nr].op = DRM_SOFTGPU_BIND_MAP;
		ops[nr++].handle = 0x7fffffff;
	}
	bind.num_ops = nr;
	ret = drmIoctl(d->fd, DRM_IOCTL_SOFTGPU_VM_BIND, &bind) ? -errno : 0;
	if (ret != (spoil ? -ENOENT : 0))
		errx(1, "VM_BIND of %u ops: %s", nr, strerror(-ret));
	if (spoil) {
		va_rollback(&d->pool, &d->space);
		d->failed++;
	} else {
		va_commit(&d->pool, &d->space);
	}
}

static bool page_agrees(const struct diff *d, const struct drm_softgpu_lookup *gpu,
			const struct gpuva *va)
{
	uint32_t flags = DRM_SOFTGPU_LOOKUP_MAPPED | DRM_SOFTGPU_LOOKUP_PTE |
			 DRM_SOFTGPU_LOOKUP_PTE_MATCH;

	if (!va)
		return gpu->flags == DRM_SOFTGPU_LOOKUP_PTE_MATCH && !gpu->object_id;
	if (va->owner == VA_NO_OWNER)
		flags |= DRM_SOFTGPU_LOOKUP_NULL | DRM_SOFTGPU_LOOKUP_PTE_NULL |
			 DRM_SOFTGPU_LOOKUP_PTE_WRITE;
	else if (va->flags & READONLY)
		flags |= DRM_SOFTGPU_LOOKUP_READONLY;
	else
		flags |= DRM_SOFTGPU_LOOKUP_PTE_WRITE;
	if (gpu->flags != flags || gpu->map_va != va->start ||
	    gpu->map_length != va->end - va->start)
		return false;
	return va->owner == VA_NO_OWNER ||
	       (gpu->object_id == d->object_id[va->owner] &&
		gpu->offset == va->offset + (gpu->va - va->start));
}

static void compare(struct diff *d, unsigned int nr_step)
{
	static struct drm_softgpu_lookup entry[NR_PAGES];
	struct drm_softgpu_vm_lookup lookup = {
		.vm_id = d->vm, .count = NR_PAGES, .entries = (uintptr_t)entry,
	};
	const struct gpuva *va, *last = NULL;
	uint32_t i, nodes = 0;

	memset(entry, 0, sizeof(entry));
	for (i = 0; i < NR_PAGES; i++)
		entry[i].va = d->base + i * PAGE;
	must_ioctl(d, DRM_IOCTL_SOFTGPU_VM_LOOKUP, &lookup, "VM_LOOKUP");
	if (!va_index_check(&d->pool.nodes, &d->space.index, &nodes))
		errx(1, "step %u: the tree is damaged", nr_step);
	for (i = 0; i < NR_PAGES; i++) {
		va = va_find(&d->pool, &d->space, entry[i].va);
		if (!page_agrees(d, &entry[i], va))
			errx(1, "step %u, page %u: softgpu has [%#llx + %#llx) object %llu offset %#llx flags %#x; the tree has [%#llx - %#llx) owner %u",
			     nr_step, i, entry[i].map_va, entry[i].map_length,
			     entry[i].object_id, entry[i].offset, entry[i].flags,
			     va ? (unsigned long long)va->start : 0,
			     va ? (unsigned long long)va->end : 0, va ? va->owner : 0);
		d->runs += va && va != last;
		last = va;
	}
}

int main(int argc, char **argv)
{
	unsigned int i, steps = argc > 1 ? (unsigned int)strtoul(argv[1], NULL, 0) : 10000;
	struct diff d = { 0 };

	if (argc > 2)
		setenv("SEED", argv[2], 1);
	rng_seed(&d.rng, "va-diff");
	tree_open(&d);
	gpu_open(&d);
	for (i = 0; i < steps; i++) {
		step(&d);
		compare(&d, i);
	}
	printf("%u steps: %u maps, %u unmaps, %u steps made to fail, %u mappings compared\n",
	       steps, d.maps, d.unmaps, d.failed, d.runs);
	return d.maps && d.unmaps && d.runs ? 0 : 99;
}
