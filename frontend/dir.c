// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * dir.c: kernel pages for the backend, and directories made of them.
 *
 * Step A3 of the walk "register and use", beside grant.c. The pages of a request
 * are granted read-only until it was answered; the backend copies them. Those of
 * a connection may be written by both sides, as long as it lives (conn.c).
 * They are ours alone, so there is no locking; the owner serialises.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "xen_userptr.h"
#include "xenbus.h"

static int kpages_alloc(struct xu_kpages *kpages)
{
	u32 i;

	for (i = 0; i < kpages->nr; i++) {
		kpages->entry[i].gref = INVALID_GRANT_REF;
		kpages->entry[i].page = NULL;
	}
	for (i = 0; i < kpages->nr; i++) {
		kpages->entry[i].page = xu_fault() ? NULL :
			alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
		if (!kpages->entry[i].page)
			return -ENOMEM;
	}
	return 0;
}

static int kpages_grant(struct xu_kpages *kpages, domid_t domid, bool readonly)
{
	grant_ref_t head;
	u32 i;
	int err;

	/* Those of a connection are few (xenbus.c), and may come out of the reserve. */
	if (readonly)
		err = xu_grefs_alloc(kpages->nr, &head);
	else
		err = xu_fault() ? -ENOSPC :
			gnttab_alloc_grant_references(kpages->nr, &head);
	if (err)
		return err;
	for (i = 0; i < kpages->nr; i++) {
		kpages->entry[i].gref = gnttab_claim_grant_reference(&head);
		gnttab_page_grant_foreign_access_ref_one(kpages->entry[i].gref,
							 domid,
							 kpages->entry[i].page,
							 readonly);
	}
	return 0;
}

struct xu_kpages *xu_kpages_create(domid_t domid, u32 nr, bool readonly)
{
	struct xu_kpages *kpages;
	int err;

	kpages = xu_fault() ? NULL :
		kvzalloc(struct_size(kpages, entry, nr), GFP_KERNEL_ACCOUNT);
	if (!kpages)
		return ERR_PTR(-ENOMEM);
	kpages->nr = nr;
	INIT_LIST_HEAD(&kpages->link);
	err = kpages_alloc(kpages);
	if (!err)
		err = kpages_grant(kpages, domid, readonly);
	if (err) {
		xu_kpages_free(kpages);
		return ERR_PTR(err);
	}
	return kpages;
}

static void kpages_gone(struct xu_kpages *kpages)
{
	if (kpages->conn_of)
		xu_xenbus_pages_ended(kpages->conn_of);
	kvfree(kpages);
}

bool xu_kpages_try_free(struct xu_kpages *kpages)
{
	u32 i, left = 0;

	for (i = 0; i < kpages->nr; i++) {
		grant_ref_t gref = kpages->entry[i].gref;

		if (gref != INVALID_GRANT_REF &&
		    !gnttab_try_end_foreign_access(gref)) {
			left++;
			continue;
		}
		kpages->entry[i].gref = INVALID_GRANT_REF;
		if (kpages->entry[i].page)
			__free_page(kpages->entry[i].page);
		kpages->entry[i].page = NULL;
	}
	if (left)
		return false;
	kpages_gone(kpages);
	return true;
}

void xu_kpages_leave(struct xu_kpages *kpages)
{
	u32 i;

	for (i = 0; i < kpages->nr; i++)
		gnttab_end_foreign_access(kpages->entry[i].gref,
					  kpages->entry[i].page);
	kpages_gone(kpages);
}

void xu_kpages_free(struct xu_kpages *kpages)
{
	if (kpages && !xu_kpages_try_free(kpages))
		xu_quarantine_kpages(kpages);
}

u32 *xu_dir_grefs(struct xu_kpages *dir, u32 page)
{
	struct xen_userptrif_dir *entry = page_address(dir->entry[page].page);

	return entry->gref;
}

struct xu_kpages *xu_dir_create(domid_t domid, u32 nr_entries)
{
	u32 i, nr = DIV_ROUND_UP(nr_entries, XENUSERPTR_DIR_ENTRIES);
	struct xu_kpages *dir = xu_kpages_create(domid, nr, true);
	struct xen_userptrif_dir *entry;

	BUILD_BUG_ON(sizeof(struct xen_userptrif_dir) != PAGE_SIZE);
	if (IS_ERR(dir))
		return dir;
	for (i = 0; i + 1 < nr; i++) {
		entry = page_address(dir->entry[i].page);
		entry->next = dir->entry[i + 1].gref;
	}
	return dir;
}
