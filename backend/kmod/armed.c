// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The table of armed grefs: an entry for each, made before the page is armed, which
 * holds its want (want.c).
 *
 * The grefs of a chunk mostly follow on each other, so the table is walked from the
 * last one to the next, and the entries of a slice come from their cache together.
 *
 * Locks: nothing enters or leaves the table without ops_lock; record_lock as well for
 * leaving, against the fault work.
 */
#include <linux/slab.h>

#include "back.h"

static struct kmem_cache *back_want_cache;

int __init back_armed_init(void)
{
	back_want_cache = kmem_cache_create("xen_userptr_want",
					    sizeof(struct back_want), 0,
					    SLAB_ACCOUNT, NULL);
	return back_want_cache ? 0 : -ENOMEM;
}

void back_armed_exit(void)
{
	kmem_cache_destroy(back_want_cache);
}

struct back_want *back_want_find(struct back_binding *binding, u32 gref)
{
	lockdep_assert_held(&binding->ops_lock);
	return xa_load(&binding->wants, gref);
}

/* The node that had the last one has the next; with ops_lock held it is there. */
struct back_want *back_want_find_near(struct back_binding *binding,
				      struct xa_state *at, u32 gref)
{
	struct back_want *want;

	lockdep_assert_held(&binding->ops_lock);
	rcu_read_lock();
	if (xas_is_node(at) && at->xa_index + 1 == gref) {
		want = xas_next(at);
	} else {
		xas_set(at, gref);
		want = xas_load(at);
	}
	rcu_read_unlock();
	return want;
}

/* Must not wait for storage, which may be the same guest's. */
static struct back_want *back_spare_take(struct back_spares *spares, u32 nr)
{
	const gfp_t gfp = GFP_NOWAIT | __GFP_NOWARN | __GFP_ZERO;

	nr = min_t(u32, nr, ARRAY_SIZE(spares->wants));
	if (!spares->nr && !back_fault() &&
	    kmem_cache_alloc_bulk(back_want_cache, gfp, nr, spares->wants))
		spares->nr = nr;
	return spares->nr ? spares->wants[--spares->nr] : NULL;
}

void back_spares_free(struct back_spares *spares)
{
	if (spares->nr)
		kmem_cache_free_bulk(back_want_cache, spares->nr, spares->wants);
	spares->nr = 0;
}

static void back_want_init(struct back_want *want, u32 gref)
{
	INIT_LIST_HEAD(&want->record.link);
	INIT_LIST_HEAD(&want->pending);
	want->record.data.type = XEN_USERPTR_BACK_WANT;
	want->record.data.gref = gref;
}

/* @at: where nothing was found. */
static int back_want_store(struct xa_state *at, struct back_want *want)
{
	if (back_fault())
		return -ENOMEM;
	xas_lock(at);
	xas_store(at, want);
	xas_unlock(at);
	return xas_error(at);
}

struct back_want *back_want_add(struct back_binding *binding, struct xa_state *at,
				u32 gref, struct back_spares *spares, u32 nr)
{
	struct back_want *want = back_want_find_near(binding, at, gref);

	if (want)
		return want;
	want = back_spare_take(spares, nr);
	if (!want)
		return NULL;
	back_want_init(want, gref);
	if (back_want_store(at, want)) {
		kmem_cache_free(back_want_cache, want);
		return NULL;
	}
	atomic64_inc(&binding->armed);
	atomic64_inc(&back_host_armed);
	return want;
}

void back_want_drop(struct back_binding *binding, u32 gref)
{
	struct back_want *want;

	lockdep_assert_held(&binding->ops_lock);
	spin_lock(&binding->record_lock);
	want = xa_erase(&binding->wants, gref);
	if (want) {
		list_del(&want->record.link);
		list_del(&want->pending);
		atomic64_dec(&binding->armed);
		atomic64_dec(&back_host_armed);
	}
	spin_unlock(&binding->record_lock);
	if (want)
		kmem_cache_free(back_want_cache, want);
}

void back_wants_clear(struct back_binding *binding)
{
	struct back_want *want;
	unsigned long gref;

	xa_for_each(&binding->wants, gref, want)
		back_want_drop(binding, gref);
	xa_destroy(&binding->wants);
	back_home_wake();
}
