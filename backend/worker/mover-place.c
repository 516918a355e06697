// SPDX-License-Identifier: MIT
/*
 * What is copied stays mapped in an address space of the mover's own: an object
 * from its first copy until it is unmapped, the VRAM of a chunk from ALLOC to
 * FREE, or longer (mover-spare.h). Both go in the order of section 5 of DESIGN.md: out of the page
 * tables, then the handle. A copy that goes on faults.
 *
 * VRAM of a chunk is an object on the mover's file; each VM of the guest that
 * maps it has a handle of its own.
 */
#include "mover-place.h"

#include <errno.h>
#include <stdlib.h>

#include "mover-armed.h"
#include "mover-spare.h"
#include "work.h"

static uint64_t vram_key(const struct mig_op *op)
{
	return (uint64_t)op->obj << 32 | op->first;
}

struct mover_vram *mover_vram(struct mover *mover, const struct mig_op *op)
{
	uint64_t key = vram_key(op);
	struct mover_vram *vram;

	HASH_FIND(hh, mover->vram, &key, sizeof(key), vram);
	return vram;
}

/* ---- places ---- */

/* All in one call, or none. @ranges: (out) those that were taken. */
static int places_make(struct mover *mover, struct gpu_place *places,
		       struct space_range **ranges, uint32_t nr)
{
	uint32_t i;
	int ret = 0;

	for (i = 0; !ret && i < nr; i++) {
		ranges[i] = space_get(&mover->space, places[i].length);
		if (ranges[i])
			places[i].va = ranges[i]->start;
		else
			ret = -ENOMEM;
	}
	if (!ret)
		ret = mover->env->gpu->move->place(mover->own, places, nr);
	while (ret && i--) {
		space_put(&mover->space, ranges[i]);
		ranges[i] = NULL;
	}
	return ret;
}

static int place_make(struct mover *mover, struct gpu_place *place,
		      struct space_range **range)
{
	return *range ? 0 : places_make(mover, place, range, 1);
}

/* What could not be cleared stays in use, so that nothing else gets it. */
static int places_drop(struct mover *mover, struct space_range **ranges,
		       uint32_t nr)
{
	struct gpu_place places[GPU_PLACES_MAX];
	uint32_t i, nr_places = 0;
	int ret = 0;

	for (i = 0; i < nr; i++)
		if (ranges[i])
			places[nr_places++] = (struct gpu_place){
				.va = ranges[i]->start,
				.length = ranges[i]->length,
			};
	if (nr_places)
		ret = mover->env->gpu->move->displace(mover->own, places,
						      nr_places);
	for (i = 0; !ret && i < nr; i++)
		space_put(&mover->space, ranges[i]);
	return ret;
}

static int place_drop(struct mover *mover, struct space_range **range)
{
	int ret = places_drop(mover, range, 1);

	*range = NULL;
	return ret;
}

static int vram_place(struct mover *mover, struct mover_vram *vram, uint32_t nr)
{
	struct gpu_place place = {
		.handle = vram->handle,
		.length = (uint64_t)nr * XENUSERPTR_PAGE_SIZE,
	};

	return place_make(mover, &place, &vram->place);
}

static int ram_place(struct mover *mover, uint32_t obj)
{
	struct gpu_place place = { .is_readonly = work_is_readonly(mover->env, obj) };
	int ret = mover_import(mover, obj, &place.handle);

	if (ret)
		return ret;
	place.length = (uint64_t)work_pages(mover->env, obj) *
		       XENUSERPTR_PAGE_SIZE;
	return place_make(mover, &place, &mover->ram[obj].place);
}

int mover_places(struct mover *mover, const struct mig_op *op, uint64_t *vram,
		 uint64_t *ram)
{
	struct mover_vram *chunk = mover_vram(mover, op);
	int ret;

	if (!chunk)
		return -EIO;
	ret = vram_place(mover, chunk, op->nr);
	if (!ret)
		ret = ram_place(mover, op->obj);
	if (ret)
		return ret;
	*vram = chunk->place->start;
	*ram = mover->ram[op->obj].place->start +
	       (uint64_t)op->first * XENUSERPTR_PAGE_SIZE;
	return 0;
}

/* ---- objects ---- */

void mover_adopt_ram(struct mover *mover, uint32_t obj, uint32_t handle)
{
	mover->ram[obj].handle = handle;
}

int mover_import(struct mover *mover, uint32_t obj, uint32_t *handle)
{
	struct work_env *env = mover->env;
	struct mover_ram *ram = &mover->ram[obj];
	int ret = 0;

	if (!ram->handle)
		ret = env->gpu->import(mover->own, work_dmabuf(env, obj),
				       &ram->handle);
	*handle = ram->handle;
	/* From here on the pages stay mapped as long as the GPU's file is open. */
	if (!ret && mover->journal)
		journal_set_ram(mover->journal, obj, *handle);
	return ret;
}

int mover_forget(struct mover *mover, uint32_t obj)
{
	struct mover_ram *ram = &mover->ram[obj];
	int ret;

	mover_armed_forget(mover, obj);
	ret = places_drop(mover, &ram->place, 1);
	if (ret)
		return ret;
	ram->place = NULL;
	if (ram->handle)
		ret = mover->env->gpu->close(mover->own, ram->handle);
	if (ret)
		return ret;
	ram->handle = 0;
	if (mover->journal)
		journal_set_ram(mover->journal, obj, 0);
	return 0;
}

/* ---- VRAM ---- */

static int vram_add(struct mover *mover, struct mover_vram *vram, uint64_t key)
{
	vram->key = key;
	HASH_ADD(hh, mover->vram, key, sizeof(vram->key), vram);
	if (!hash_added(vram))
		return -ENOMEM;
	mover->nr_vram += vram->nr;
	return 0;
}

static void vram_del(struct mover *mover, struct mover_vram *vram)
{
	HASH_DEL(mover->vram, vram);
	mover->nr_vram -= vram->nr;
}

int mover_adopt_vram(struct mover *mover, uint32_t obj, uint32_t first,
		     uint32_t handle)
{
	struct mover_vram *vram = calloc(1, sizeof(*vram));
	int ret;

	if (!vram)
		return -ENOMEM;
	vram->handle = handle;
	ret = vram_add(mover, vram, (uint64_t)obj << 32 | first);
	if (ret)
		free(vram);
	return ret;
}

static int vram_note(struct mover *mover, const struct mig_op *op,
		     uint32_t handle)
{
	if (!mover->journal)
		return 0;
	return journal_set_vram(mover->journal, op->obj, op->first, handle);
}

/* VMs that have had a handle of it, from @vm on. None: false. */
static bool vram_next_vm(const struct mover *mover, const struct mover_vram *vram,
			 uint32_t *vm)
{
	for (; *vm < MIG_MAX_VMS && *vm < mover->env->max_vms; ++*vm)
		if (vram->vm_handle[*vm])
			return true;
	return false;
}

/* A VM that is closed has closed its handles. */
static void vram_close_handles(struct mover *mover, struct mover_vram *vram)
{
	struct work_env *env = mover->env;
	struct gpu_vm *gpu_vm;
	uint32_t vm;

	for (vm = 0; vram_next_vm(mover, vram, &vm); vm++) {
		gpu_vm = work_vm_get(env, vm, vram->vm_life[vm]);
		if (!gpu_vm)
			continue;
		env->gpu->close(gpu_vm, vram->vm_handle[vm]);
		work_vm_put(env);
	}
}

/* It has no place any more. What the journal names stays open. */
static void vram_close(struct mover *mover, struct mover_vram *vram,
		       bool is_noted)
{
	vram_close_handles(mover, vram);
	if (!is_noted)
		mover->env->gpu->close(mover->own, vram->handle);
	free(vram);
}

void mover_drop_spares(struct mover *mover)
{
	struct mover_vram *vrams[GPU_PLACES_MAX];
	struct space_range *ranges[GPU_PLACES_MAX];
	uint32_t nr;

	while (mover->spare) {
		for (nr = 0; nr < GPU_PLACES_MAX; nr++) {
			vrams[nr] = mover_spare_pop(mover);
			if (!vrams[nr])
				break;
			ranges[nr] = vrams[nr]->place;
		}
		(void)places_drop(mover, ranges, nr);
		while (nr--)
			vram_close(mover, vrams[nr], false);
	}
}

void mover_stop_sparing(struct mover *mover)
{
	mover->max_spare = 0;
	mover_drop_spares(mover);
}

/* What is spare goes first, where there is a limit or an end to the GPU's memory. */
static int vram_alloc(struct mover *mover, uint32_t nr, uint32_t *handle)
{
	const struct gpu_move_ops *ops = mover->env->gpu->move;
	uint64_t size = (uint64_t)nr * XENUSERPTR_PAGE_SIZE;
	int ret;

	if (!mover_spare_has_room(mover, nr))
		mover_drop_spares(mover);
	ret = ops->alloc(mover->own, size, handle);
	if (!ret || !mover->spare)
		return ret;
	mover_drop_spares(mover);
	return ops->alloc(mover->own, size, handle);
}

static int vram_get(struct mover *mover, uint32_t nr, struct mover_vram **vram)
{
	int ret;

	*vram = mover_spare_take(mover, nr);
	if (*vram)
		return 0;
	*vram = calloc(1, sizeof(**vram));
	if (!*vram)
		return -ENOMEM;
	(*vram)->nr = nr;
	ret = vram_alloc(mover, nr, &(*vram)->handle);
	if (ret)
		free(*vram);
	return ret;
}

/* VRAM that has no place yet, unless it was spare. */
static int vram_make(struct mover *mover, const struct mig_op *op,
		     struct mover_vram **vram)
{
	uint32_t ram;
	int ret;

	/*
	 * The import is what keeps the pages mapped when this process dies, and pages
	 * that are unmapped while they are revoked lose their contents: so it is first.
	 */
	ret = mover_import(mover, op->obj, &ram);
	if (!ret)
		ret = vram_get(mover, op->nr, vram);
	if (ret)
		return ret;
	ret = vram_note(mover, op, (*vram)->handle);
	if (ret)
		goto err_close;
	ret = vram_add(mover, *vram, vram_key(op));
	if (!ret)
		return 0;
	(void)vram_note(mover, op, 0);
err_close:
	(void)place_drop(mover, &(*vram)->place);
	vram_close(mover, *vram, false);
	return ret;
}

/* Forgotten, then closed: the number may be another's soon. */
static void vram_unmake(struct mover *mover, const struct mig_op *op,
			struct mover_vram *vram)
{
	vram_del(mover, vram);
	vram_close(mover, vram, vram_note(mover, op, 0) != 0);
}

/*
 * A VM that is closed has bindings as long as a job of it runs, which may not have
 * ended yet: only the driver knows when nothing reaches the VRAM any more.
 */
static bool vram_had_by_gone(struct mover *mover, const struct mover_vram *vram)
{
	struct work_env *env = mover->env;
	uint32_t vm;

	for (vm = 0; vram_next_vm(mover, vram, &vm); vm++) {
		if (!work_vm_get(env, vm, vram->vm_life[vm]))
			return true;
		work_vm_put(env);
	}
	return false;
}

/* Whether it stays, of no chunk. */
static bool vram_spare(struct mover *mover, const struct mig_op *op,
		       struct mover_vram *vram)
{
	if (!mover_spare_fits(mover, vram) || vram_had_by_gone(mover, vram) ||
	    vram_note(mover, op, 0))
		return false;
	vram_del(mover, vram);
	mover_spare_add(mover, vram);
	return true;
}

static int vrams_place(struct mover *mover, struct mover_vram **vrams, uint32_t nr)
{
	struct space_range *ranges[GPU_PLACES_MAX];
	struct gpu_place places[GPU_PLACES_MAX];
	uint32_t i, nr_new = 0;
	int ret;

	for (i = 0; i < nr; i++)
		if (!vrams[i]->place)
			places[nr_new++] = (struct gpu_place){
				.length = (uint64_t)vrams[i]->nr *
					  XENUSERPTR_PAGE_SIZE,
				.handle = vrams[i]->handle,
			};
	ret = nr_new ? places_make(mover, places, ranges, nr_new) : 0;
	nr_new = 0;
	for (i = 0; !ret && i < nr; i++)
		if (!vrams[i]->place)
			vrams[i]->place = ranges[nr_new++];
	return ret;
}

int mover_alloc(struct mover *mover, const struct mig_op *const *ops,
		uint32_t nr)
{
	struct mover_vram *vrams[GPU_PLACES_MAX];
	const struct mig_op *made[GPU_PLACES_MAX];
	uint32_t i, nr_made = 0;
	int ret = 0;

	for (i = 0; !ret && i < nr; i++) {
		if (mover_vram(mover, ops[i]))
			continue;	/* allocated before a worker died */
		made[nr_made] = ops[i];
		ret = vram_make(mover, ops[i], &vrams[nr_made]);
		nr_made += !ret;
	}
	if (!ret && nr_made)
		ret = vrams_place(mover, vrams, nr_made);
	for (i = 0; !ret && i < nr; i++)
		ret = ram_place(mover, ops[i]->obj);
	while (ret && nr_made--) {
		(void)place_drop(mover, &vrams[nr_made]->place);
		vram_unmake(mover, made[nr_made], vrams[nr_made]);
	}
	return ret;
}

void mover_free(struct mover *mover, const struct mig_op *const *ops,
		uint32_t nr)
{
	struct space_range *ranges[GPU_PLACES_MAX];
	struct mover_vram *vram;
	uint32_t i;

	for (i = 0; i < nr; i++) {
		vram = mover_vram(mover, ops[i]);
		if (vram && vram_spare(mover, ops[i], vram))
			vram = NULL;
		ranges[i] = vram ? vram->place : NULL;
	}
	(void)places_drop(mover, ranges, nr);
	for (i = 0; i < nr; i++) {
		vram = mover_vram(mover, ops[i]);
		if (vram)
			vram_unmake(mover, ops[i], vram);
	}
}

void mover_drop_places(struct mover *mover)
{
	struct mover_vram *vram, *next;
	uint32_t obj;

	HASH_ITER(hh, mover->vram, vram, next) {
		vram_del(mover, vram);
		free(vram);
	}
	while ((vram = mover_spare_pop(mover)))
		free(vram);
	for (obj = 0; mover->ram && obj < mover->env->max_objects; obj++)
		mover_armed_forget(mover, obj);
	space_fini(&mover->space);
}
