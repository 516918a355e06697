/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * grant.h: what is granted to the backend: pages of programs (grant.c) and
 * pages of the kernel (dir.c).
 */
#ifndef XEN_USERPTR_GRANT_H
#define XEN_USERPTR_GRANT_H

#include <linux/mutex.h>
#include <linux/xarray.h>

#include <xen/grant_table.h>

/* The end of a private list of grefs, as drivers/xen/grant-table.c has it. */
#define GREF_LIST_END		((grant_ref_t)0xffffffff)

/* ---- grant.c ---- */
/*
 * Which page is granted under which gref, one table per access mode. An
 * entry is a value: the gref and the number of users of it.
 */
struct xu_grants {
	struct mutex lock;
	struct xarray table[2];		/* [readonly], by page frame number */
	domid_t domid;			/* of the backend; lock */
	bool opt_in;			/* of new grefs: revocable.c */
	struct xu_allow *allow;		/* NULL: nothing was ever opted in */
	atomic_long_t nr_grefs;
	atomic64_t nr_opted_in;		/* ever */
	atomic64_t nr_scrubbed;		/* came back without their contents */
};

void xu_grants_init(struct xu_grants *grants, domid_t domid);
void xu_grants_fini(struct xu_grants *grants);
/* The grant table is another one, and so may be the backend. May sleep. */
void xu_grants_restored(struct xu_grants *grants, domid_t domid);

/*
 * Take @count grefs out of the free ones so that the reserve for disk and
 * network stays, as a private list. Never sleeps for long. -ENOSPC.
 */
int xu_grefs_alloc(u32 count, grant_ref_t *head);

/*
 * Grant @count pinned pages, at most 16384; each page that has a gref of
 * this access mode already keeps it and gets one user more. Writes the grefs
 * to @grefs. On failure (-ENOSPC, -ENOMEM, -EBUSY) the first @done pages are granted
 * and wait for xu_grants_put(). May sleep.
 */
int xu_grants_get(struct xu_grants *grants, struct page **pages, u32 count,
		  bool readonly, u32 *grefs, u32 *done);

/*
 * Drop one user of each of @count pages and unpin those that no gref of
 * ours needs any more. Pages whose grant the other domain still uses stay
 * pinned and granted, and are moved to the start of @pages. Returns their
 * number. May sleep; allocates nothing.
 */
u32 xu_grants_put(struct xu_grants *grants, struct page **pages, u32 count,
		  bool readonly);

/* ---- revocable.c ---- */
struct xu_allow;

/* Ask the hypervisor once, and say the answer in the log. */
void xu_revocable_detect(void);
/* False also after the hypervisor refused this kind of guest. */
bool xu_revocable_available(void);
/*
 * For a new connection: whether grefs are opted in from now on. Without memory
 * they are not.
 */
void xu_revocable_set(struct xu_grants *grants, bool backend_wants);
void xu_revocable_fini(struct xu_grants *grants);
/*
 * Opt one gref in, or take that back, with the next flush; with xu_grants.lock
 * held, and not mixed in a batch. Nothing is allocated.
 */
void xu_revocable_allow(struct xu_grants *grants, struct page *page, u32 gref,
			bool readonly);
void xu_revocable_withdraw(struct xu_grants *grants, struct page *page,
			   u32 gref);
void xu_revocable_flush(struct xu_grants *grants);
/*
 * Take the hypervisor's records of pages whose contents are lost, after grants
 * have ended. The records do not say which backend it was: with several, the
 * device that comes first counts them.
 */
void xu_revocable_drain_lost(struct xu_grants *grants);

/* ---- dir.c ---- */

struct xu_device;

/* Zeroed kernel pages for the backend. */
struct xu_kpages {
	struct list_head link;		/* in the retry list, quarantine.c */
	struct xu_device *conn_of;	/* told when they have ended, or NULL */
	u32 nr;
	struct {
		struct page *page;
		grant_ref_t gref;
	} entry[] __counted_by(nr);
};

/*
 * Allocate and grant @nr pages. @readonly: of a request, which leave the reserve of
 * grants alone. ERR_PTR(-ENOMEM, -ENOSPC). May sleep.
 */
struct xu_kpages *xu_kpages_create(domid_t domid, u32 nr, bool readonly);
/* Free all whose grant has ended; true when nothing is left. */
bool xu_kpages_try_free(struct xu_kpages *kpages);
/* Free; what the backend still maps goes to the retry list. NULL is fine. */
void xu_kpages_free(struct xu_kpages *kpages);
/* Free; what the backend still maps is left to the kernel. */
void xu_kpages_leave(struct xu_kpages *kpages);

/* A directory with room for @nr_entries grefs, chained and granted. */
struct xu_kpages *xu_dir_create(domid_t domid, u32 nr_entries);
/* The XENUSERPTR_DIR_ENTRIES entries of its page number @page. */
u32 *xu_dir_grefs(struct xu_kpages *dir, u32 page);
/* The gref that goes into a request. */
static inline u32 xu_dir_gref(const struct xu_kpages *dir)
{
	return dir->entry[0].gref;
}

#endif /* XEN_USERPTR_GRANT_H */
