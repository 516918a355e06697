// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * grant.c: which page is granted under which grant reference.
 *
 * Step A3 of the walk "register and use": pin.c -> grant.c -> dir.c, and the
 * last step of letting an object go. A page has one gref per access mode,
 * shared by all objects of the device that contain it. Every user of a gref
 * holds a pin of its own, so a page whose gref has other users may lose one
 * pin at any time; the last pin goes only after the hypervisor has accepted
 * the end of the grant. A restored guest has another grant table: what it had
 * granted is granted anew for who asks for it, and else only ends. Locking:
 * xu_grants.lock.
 */
#include <linux/mm.h>
#include <linux/module.h>

#include "xen_userptr.h"

/* gnttab_alloc_grant_references() takes a u16 and walks a list. */
#define GREFS_PER_CALL		16384U
#define GREF_RESERVE_MAX	16384U
#define GRANTS_PER_LOCK		512U

/* Granted before a restore: its gref is still ours, and grants nothing. */
#define GRANT_OLD		XA_MARK_0

static unsigned int grant_reserve = 2048;
module_param(grant_reserve, uint, 0644);
MODULE_PARM_DESC(grant_reserve,
		 "Grant references left for disk, network and others (default 2048, at most 16384)");

/* An entry: gref in the low 32 bits, number of users above. */
static void *entry_make(grant_ref_t gref, u32 users)
{
	return xa_mk_value((unsigned long)users << 32 | gref);
}

static grant_ref_t entry_gref(void *entry)
{
	return lower_32_bits(xa_to_value(entry));
}

static u32 entry_users(void *entry)
{
	return xa_to_value(entry) >> 32;
}

void xu_grants_init(struct xu_grants *grants, domid_t domid)
{
	BUILD_BUG_ON(BITS_PER_LONG != 64);
	mutex_init(&grants->lock);
	xa_init(&grants->table[0]);
	xa_init(&grants->table[1]);
	grants->domid = domid;
	grants->opt_in = false;
	grants->allow = NULL;
	atomic_long_set(&grants->nr_grefs, 0);
	atomic64_set(&grants->nr_opted_in, 0);
	atomic64_set(&grants->nr_scrubbed, 0);
}

void xu_grants_fini(struct xu_grants *grants)
{
	WARN_ON(!xa_empty(&grants->table[0]) || !xa_empty(&grants->table[1]));
	xa_destroy(&grants->table[0]);
	xa_destroy(&grants->table[1]);
	xu_revocable_fini(grants);
	mutex_destroy(&grants->lock);
}

void xu_grants_restored(struct xu_grants *grants, domid_t domid)
{
	unsigned long pfn;
	void *entry;
	int i;

	mutex_lock(&grants->lock);
	grants->domid = domid;
	for (i = 0; i < ARRAY_SIZE(grants->table); i++)
		xa_for_each(&grants->table[i], pfn, entry)
			xa_set_mark(&grants->table[i], pfn, GRANT_OLD);
	mutex_unlock(&grants->lock);
}

/*
 * The number of free grefs is not visible, so the reserve is proved by
 * taking it along. It goes back before anything else happens, because disk
 * and network cannot allocate in the meantime.
 */
int xu_grefs_alloc(u32 count, grant_ref_t *head)
{
	u32 reserve = min(READ_ONCE(grant_reserve), GREF_RESERVE_MAX);
	grant_ref_t all, mine = GREF_LIST_END;
	int err;

	if (WARN_ON(!count || count > GREFS_PER_CALL))
		return -EINVAL;
	err = xu_fault() ? -ENOSPC :
		gnttab_alloc_grant_references(count + reserve, &all);
	if (err)
		return -ENOSPC;
	while (count--)
		gnttab_release_grant_reference(&mine,
					       gnttab_claim_grant_reference(&all));
	gnttab_free_grant_references(all);
	*head = mine;
	return 0;
}

static bool grant_stands(struct xarray *table, unsigned long pfn, void *entry)
{
	return entry && !xa_get_mark(table, pfn, GRANT_OLD);
}

static u32 grants_count_new(struct xarray *table, struct page **pages,
			    u32 count)
{
	u32 i, nr_new = 0;

	for (i = 0; i < count; i++) {
		unsigned long pfn = page_to_pfn(pages[i]);

		nr_new += !grant_stands(table, pfn, xa_load(table, pfn));
	}
	return nr_new;
}

/* A host may also resume a guest where it was, with all its grants: they end first. */
static bool grant_end_old(struct xu_grants *grants, struct page *page,
			  grant_ref_t gref)
{
	xu_revocable_flush(grants);
	xu_revocable_withdraw(grants, page, gref);
	xu_revocable_flush(grants);
	if (!gnttab_try_end_foreign_access(gref))
		return false;
	atomic_long_dec(&grants->nr_grefs);
	return true;
}

/* @entry is NULL or old; the users of an old one are users of the new one. */
static int grant_new(struct xu_grants *grants, struct page *page,
		     bool readonly, void *entry, grant_ref_t *head, u32 *gref)
{
	struct xarray *table = &grants->table[readonly];
	unsigned long pfn = page_to_pfn(page);
	u32 users = entry ? entry_users(entry) : 0;
	int err;

	if (xu_fault())
		return -ENOMEM;
	if (entry && !grant_end_old(grants, page, entry_gref(entry)))
		return -EBUSY;
	*gref = gnttab_claim_grant_reference(head);
	/* In the place of an old one this needs no memory. */
	err = xa_err(xa_store(table, pfn, entry_make(*gref, users + 1),
			      GFP_KERNEL));
	if (err) {
		gnttab_release_grant_reference(head, *gref);
		return err;
	}
	xa_clear_mark(table, pfn, GRANT_OLD);
	gnttab_page_grant_foreign_access_ref_one(*gref, grants->domid, page,
						 readonly);
	xu_revocable_allow(grants, page, *gref, readonly);
	atomic_long_inc(&grants->nr_grefs);
	return 0;
}

/*
 * A page may stand twice in one array; then @head keeps one reference too
 * many, which the caller gives back.
 */
static int grant_get(struct xu_grants *grants, struct page *page,
		     bool readonly, grant_ref_t *head, u32 *gref)
{
	struct xarray *table = &grants->table[readonly];
	unsigned long pfn = page_to_pfn(page);
	void *entry = xa_load(table, pfn);

	if (entry && entry_users(entry) >= S32_MAX >> 2)
		return -EOVERFLOW;
	if (!grant_stands(table, pfn, entry))
		return grant_new(grants, page, readonly, entry, head, gref);
	*gref = entry_gref(entry);
	xa_store(table, pfn, entry_make(*gref, entry_users(entry) + 1),
		 GFP_KERNEL);
	return 0;
}

/* False: the other domain still uses the grant; nothing changed. */
static bool grant_put(struct xu_grants *grants, struct page *page,
		      bool readonly)
{
	struct xarray *table = &grants->table[readonly];
	unsigned long pfn = page_to_pfn(page);
	void *entry = xa_load(table, pfn);
	grant_ref_t gref = entry_gref(entry);

	if (entry_users(entry) > 1) {
		xa_store(table, pfn, entry_make(gref, entry_users(entry) - 1),
			 GFP_KERNEL);
		return true;
	}
	if (!gnttab_try_end_foreign_access(gref))
		return false;
	xa_erase(table, pfn);
	atomic_long_dec(&grants->nr_grefs);
	return true;
}

int xu_grants_get(struct xu_grants *grants, struct page **pages, u32 count,
		  bool readonly, u32 *grefs, u32 *done)
{
	grant_ref_t head = GREF_LIST_END;
	u32 nr_new;
	int err = 0;

	*done = 0;
	mutex_lock(&grants->lock);
	nr_new = grants_count_new(&grants->table[readonly], pages, count);
	if (nr_new)
		err = xu_grefs_alloc(nr_new, &head);
	while (!err && *done < count) {
		err = grant_get(grants, pages[*done], readonly, &head,
				&grefs[*done]);
		if (!err)
			(*done)++;
	}
	xu_revocable_flush(grants);
	if (head != GREF_LIST_END)
		gnttab_free_grant_references(head);
	mutex_unlock(&grants->lock);
	return err;
}

static bool grant_withdraw(struct xu_grants *grants, struct page *page,
			   bool readonly)
{
	void *entry = xa_load(&grants->table[readonly], page_to_pfn(page));

	if (entry_users(entry) != 1)
		return false;
	xu_revocable_withdraw(grants, page, entry_gref(entry));
	return true;
}

/* Before a gref is free for others; one that is armed keeps its opt-in. */
static void grants_withdraw(struct xu_grants *grants, struct page **pages,
			    u32 count, bool readonly, unsigned long *withdrawn)
{
	u32 i;

	for (i = 0; i < count; i++)
		__assign_bit(i, withdrawn,
			     grant_withdraw(grants, pages[i], readonly));
	xu_revocable_flush(grants);
}

/* Order the pages: those that may be unpinned first. Returns their number. */
static u32 grants_end(struct xu_grants *grants, struct page **pages, u32 count,
		      bool readonly)
{
	DECLARE_BITMAP(withdrawn, GRANTS_PER_LOCK);
	u32 i, ended = 0;

	mutex_lock(&grants->lock);
	grants_withdraw(grants, pages, count, readonly, withdrawn);
	for (i = 0; i < count; i++) {
		/* A page that stands here twice has become the last only now. */
		if (!test_bit(i, withdrawn) &&
		    grant_withdraw(grants, pages[i], readonly))
			xu_revocable_flush(grants);
		if (!grant_put(grants, pages[i], readonly))
			continue;
		swap(pages[ended], pages[i]);
		ended++;
	}
	xu_revocable_drain_lost(grants);
	mutex_unlock(&grants->lock);
	return ended;
}

u32 xu_grants_put(struct xu_grants *grants, struct page **pages, u32 count,
		  bool readonly)
{
	u32 first, batch, ended, kept = 0;

	for (first = 0; first < count; first += batch) {
		batch = min(count - first, GRANTS_PER_LOCK);
		ended = grants_end(grants, pages + first, batch, readonly);
		unpin_user_pages_dirty_lock(pages + first, ended, !readonly);
		memmove(pages + kept, pages + first + ended,
			(batch - ended) * sizeof(*pages));
		kept += batch - ended;
		cond_resched();
	}
	return kept;
}
