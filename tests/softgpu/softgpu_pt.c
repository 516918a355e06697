// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The page tables of a VM and the TLBs in front of them.
 *
 * Four levels of 512 entries, pages of 4 KiB. A table exists as long as
 * somebody holds it with sg_pt_get(): each mapping of the VM's tree, and each
 * mapping that left the tree while its entries may still be set. So setting
 * and clearing entries allocates nothing and can run on the way to a fence.
 *
 * Every change of an entry drops the same addresses from the TLBs under the
 * same hold of pt_lock; engines hold it for reading during each access. That
 * makes "an access hits a TLB entry that differs from the tables" a proof of a
 * driver bug, and each hit is compared. The BROKEN_RELEASE switch leaves the
 * drop out, to show that such a bug is found; such an access is refused, so
 * it does no harm.
 */
#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "softgpu.h"

#define SG_PT_LEVELS	4
#define SG_PT_BITS	9
#define SG_PT_ENTRIES	(1u << SG_PT_BITS)
#define SG_LEAF_SIZE	((u64)SG_PT_ENTRIES << PAGE_SHIFT)

struct sg_pt {
	unsigned int users;		/* children, or holders of a leaf */
	union {
		struct sg_pt **child;	/* SG_PT_ENTRIES; one page */
		u64 *pte;
	};
};

/* Tables that an insertion may need, made before pt_lock is taken. */
struct sg_pt_spares {
	unsigned int num;
	struct sg_pt *pt[SG_PT_LEVELS];
};

/* Level 3 is the root, level 0 a leaf. */
static unsigned int pt_index(u64 va, unsigned int level)
{
	return (va >> (PAGE_SHIFT + SG_PT_BITS * level)) & (SG_PT_ENTRIES - 1);
}

static struct sg_pt *pt_alloc(void)
{
	struct sg_pt *pt = kzalloc(sizeof(*pt), GFP_KERNEL);

	if (!pt)
		return NULL;
	/* Not get_zeroed_page(): kmemleak would not find the tables behind it. */
	pt->pte = kzalloc(PAGE_SIZE, GFP_KERNEL_ACCOUNT);
	if (!pt->pte) {
		kfree(pt);
		return NULL;
	}
	return pt;
}

static void pt_free(struct sg_pt *pt)
{
	kfree(pt->pte);
	kfree(pt);
}

static int spares_fill(struct sg_pt_spares *spares)
{
	while (spares->num < SG_PT_LEVELS) {
		struct sg_pt *pt = pt_alloc();

		if (!pt)
			return -ENOMEM;
		spares->pt[spares->num++] = pt;
	}
	return 0;
}

static void spares_free(struct sg_pt_spares *spares)
{
	while (spares->num)
		pt_free(spares->pt[--spares->num]);
}

/* pt_lock held in any way. */
static struct sg_pt *pt_find_leaf(struct sg_vm *vm, u64 va)
{
	struct sg_pt *pt = vm->root;
	unsigned int level;

	for (level = SG_PT_LEVELS - 1; pt && level; level--)
		pt = pt->child[pt_index(va, level)];
	return pt;
}

/* pt_lock held for writing; spares are full, so it cannot fail. */
static struct sg_pt *pt_make_leaf(struct sg_vm *vm, u64 va,
				  struct sg_pt_spares *spares)
{
	struct sg_pt **slot = &vm->root;
	struct sg_pt *parent = NULL;
	unsigned int level;

	for (level = SG_PT_LEVELS; level--;) {
		if (!*slot) {
			*slot = spares->pt[--spares->num];
			sg_count(vm->sdev, pt_pages, 1);
			if (parent)
				parent->users++;
		}
		parent = *slot;
		if (level)
			slot = &parent->child[pt_index(va, level)];
	}
	return parent;
}

/* pt_lock held for writing. Frees the leaf and what became empty above it. */
static void pt_drop_leaf(struct sg_vm *vm, u64 va)
{
	struct sg_pt **slot[SG_PT_LEVELS];
	unsigned int level;

	slot[SG_PT_LEVELS - 1] = &vm->root;
	for (level = SG_PT_LEVELS - 1; level; level--)
		slot[level - 1] = &(*slot[level])->child[pt_index(va, level)];

	for (level = 0; level < SG_PT_LEVELS; level++) {
		if (--(*slot[level])->users)
			break;
		pt_free(*slot[level]);
		*slot[level] = NULL;
		sg_count(vm->sdev, pt_pages, -1);
	}
}

static u64 leaf_end(u64 va, u64 end)
{
	return min(end, (va | (SG_LEAF_SIZE - 1)) + 1);
}

int sg_pt_get(struct sg_vm *vm, u64 va, u64 length)
{
	struct sg_pt_spares spares = {};
	u64 end = va + length;
	u64 pos;
	int err = 0;

	for (pos = va; pos < end; pos = leaf_end(pos, end)) {
		err = spares_fill(&spares);
		if (err)
			break;
		write_lock(&vm->pt_lock);
		pt_make_leaf(vm, pos, &spares)->users++;
		write_unlock(&vm->pt_lock);
		cond_resched();
	}
	spares_free(&spares);
	if (err && pos > va)
		sg_pt_put(vm, va, pos - va);
	return err;
}

void sg_pt_get_again(struct sg_vm *vm, u64 va, u64 length)
{
	u64 end = va + length;

	for (; va < end; va = leaf_end(va, end)) {
		write_lock(&vm->pt_lock);
		pt_find_leaf(vm, va)->users++;
		write_unlock(&vm->pt_lock);
	}
}

void sg_pt_put(struct sg_vm *vm, u64 va, u64 length)
{
	u64 end = va + length;

	for (; va < end; va = leaf_end(va, end)) {
		write_lock(&vm->pt_lock);
		pt_drop_leaf(vm, va);
		write_unlock(&vm->pt_lock);
		cond_resched();
	}
}

/* pt_lock held for writing. */
static void tlb_drop(struct sg_vm *vm, u64 va, u64 end)
{
	unsigned int e, i;

	sg_count(vm->sdev, tlb_flushes, 1);
	for (e = 0; e < SG_ENGINES; e++) {
		for (i = 0; i < SG_TLB_ENTRIES; i++) {
			u64 page = vm->tlb[e].entry[i].va;

			if (page >= va && page < end)
				vm->tlb[e].entry[i].va = ~0ULL;
		}
	}
}

void sg_tlb_reset(struct sg_vm *vm)
{
	memset(vm->tlb, 0xff, sizeof(vm->tlb));
}

/* pt_lock held for writing; [va, end) lies within one leaf. */
static void leaf_set(struct sg_vm *vm, u64 va, u64 end, struct sg_bo *bo,
		     u64 offset, u64 flags)
{
	struct sg_pt *leaf = pt_find_leaf(vm, va);
	unsigned int i = pt_index(va, 0);
	u64 index = offset >> PAGE_SHIFT;
	u64 num = (end - va) >> PAGE_SHIFT;
	u64 set = 0, cleared = 0, n, pte;

	for (n = 0; n < num; n++, i++) {
		if (!flags)
			pte = 0;
		else if (bo)
			pte = sg_bo_pte(bo, index + n);
		else
			pte = SG_PTE_VALID | SG_PTE_NULL;
		if (pte)
			pte |= flags & SG_PTE_WRITE;
		cleared += leaf->pte[i] && leaf->pte[i] != pte;
		set += pte && leaf->pte[i] != pte;
		leaf->pte[i] = pte;
	}
	sg_count(vm->sdev, ptes_written, set);
	sg_count(vm->sdev, ptes_cleared, cleared);
	if (!sg_switched(vm->sdev, DRM_SOFTGPU_SWITCH_BROKEN_RELEASE))
		tlb_drop(vm, va, end);
}

static void pt_set(struct sg_vm *vm, u64 va, u64 length, struct sg_bo *bo,
		   u64 offset, u64 flags, bool may_sleep)
{
	u64 end = va + length;
	u64 next;

	for (; va < end; offset += next - va, va = next) {
		next = leaf_end(va, end);
		write_lock(&vm->pt_lock);
		if (pt_find_leaf(vm, va))
			leaf_set(vm, va, next, bo, offset, flags);
		write_unlock(&vm->pt_lock);
		if (may_sleep)
			cond_resched();
	}
}

void sg_pt_map(struct sg_vm *vm, u64 va, u64 length, struct sg_bo *bo,
	       u64 offset, u64 flags)
{
	pt_set(vm, va, length, bo, offset, flags | SG_PTE_VALID, true);
	atomic64_inc(&vm->map_gen);
}

void sg_pt_clear(struct sg_vm *vm, u64 va, u64 length)
{
	pt_set(vm, va, length, NULL, 0, 0, true);
}

void sg_pt_clear_atomic(struct sg_vm *vm, u64 va, u64 length)
{
	pt_set(vm, va, length, NULL, 0, 0, false);
}

/* pt_lock held in any way. */
static u64 pt_walk(struct sg_vm *vm, u64 va)
{
	struct sg_pt *leaf = pt_find_leaf(vm, va);

	return leaf ? leaf->pte[pt_index(va, 0)] : 0;
}

u64 sg_pt_lookup(struct sg_vm *vm, u64 va)
{
	u64 pte;

	read_lock(&vm->pt_lock);
	pte = pt_walk(vm, va);
	read_unlock(&vm->pt_lock);
	return pte;
}

static void *pte_ptr(struct sg_engine *engine, u64 pte, u64 va, bool write)
{
	void *page;

	if (pte & SG_PTE_NULL)
		page = write ? engine->sink : page_address(ZERO_PAGE(0));
	else if (pte & SG_PTE_VRAM)
		page = engine->sdev->vram.base + (pte & SG_PTE_ADDR);
	else
		page = page_address(pfn_to_page(pte >> PAGE_SHIFT));
	return page + offset_in_page(va);
}

void *sg_pt_access(struct sg_vm *vm, struct sg_engine *engine, u64 va,
		   bool write, u32 *fault_flags)
{
	u64 page = va & PAGE_MASK;
	unsigned int slot = hash_64(va >> PAGE_SHIFT, SG_TLB_BITS);
	typeof(vm->tlb[0].entry[0]) *tlb = &vm->tlb[engine->index].entry[slot];
	u64 pte = va < SG_VA_END ? pt_walk(vm, va) : 0;

	sg_count(vm->sdev, accesses, 1);
	*fault_flags = write ? DRM_SOFTGPU_FAULT_WRITE : 0;
	if (tlb->va == page) {
		sg_count(vm->sdev, tlb_hits, 1);
		if (tlb->pte != pte) {
			sg_count(vm->sdev, use_after_invalidate, 1);
			*fault_flags |= DRM_SOFTGPU_FAULT_STALE;
			tlb->va = ~0ULL;
			return NULL;
		}
	} else {
		sg_count(vm->sdev, tlb_misses, 1);
		if (!(pte & SG_PTE_VALID))
			return NULL;
		tlb->va = page;
		tlb->pte = pte;
	}
	if (write && !(pte & SG_PTE_WRITE)) {
		*fault_flags |= DRM_SOFTGPU_FAULT_READONLY;
		return NULL;
	}
	return pte_ptr(engine, pte, va, write);
}
