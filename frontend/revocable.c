// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * revocable.c: lets the backend take granted pages away from this guest for a
 * time, so that the host can move them (GNTTABOP_revocable_allow).
 *
 * Between grant.c and dir.c of the walk "register and use". Only pages of
 * programs come here: rings, directories, disk and network pages are never
 * opted in. What cannot be opted in stays where it is, which no program
 * notices; so nothing here fails a call. The hypervisor ends an opt-in with
 * the last mapping; one that was never mapped is withdrawn before its gref is
 * free for others. Locking: xu_grants.lock around every batch.
 *
 * The hypervisor keeps a record of each page whose contents a backend lost,
 * and counts it against this guest until the record is fetched. Programs know
 * by then: from the backend (lost.c), or because the connection broke.
 */
#include <linux/module.h>
#include <linux/slab.h>

#include <xen/page.h>
#include <asm/xen/hypercall.h>

#include "trace.h"
#include "xen_userptr.h"
#include "../protocol/xen_revocable.h"

/* Most grefs of one hypercall. */
#define ALLOW_BATCH	512U
/* Most records of one hypercall; they are on the stack. */
#define LOST_BATCH	16U

struct xu_allow {
	u32 nr;
	struct gnttab_revocable_allow op[ALLOW_BATCH];
};

static bool revocable = true;
module_param(revocable, bool, 0644);
MODULE_PARM_DESC(revocable,
		 "Let the backend move registered memory, from the next connection on (default Y)");

static bool lost_crash;
module_param(lost_crash, bool, 0644);
MODULE_PARM_DESC(lost_crash,
		 "Crash this guest when the contents of moved memory are lost, instead of telling the program (default N)");

/* The hypervisor has the series, and this kind of guest can use it. */
static bool available;

void xu_revocable_detect(void)
{
	available = !HYPERVISOR_grant_table_op(GNTTABOP_revocable_allow, NULL,
					       0);
	pr_info("xen_userptr: revocable grants are %s\n",
		available ? "available" :
			    "not available, registered memory stays pinned in place");
}

bool xu_revocable_available(void)
{
	return READ_ONCE(available);
}

void xu_revocable_set(struct xu_grants *grants, bool backend_wants)
{
	bool want = backend_wants && READ_ONCE(revocable) && available;

	mutex_lock(&grants->lock);
	if (want && !grants->allow)
		grants->allow = kvmalloc(sizeof(*grants->allow), GFP_KERNEL);
	if (grants->allow)
		grants->allow->nr = 0;
	grants->opt_in = want && grants->allow;
	mutex_unlock(&grants->lock);
}

void xu_revocable_fini(struct xu_grants *grants)
{
	kvfree(grants->allow);
	grants->allow = NULL;
}

/* How many the hypervisor accepted. */
static u32 allow_count(const struct xu_allow *allow)
{
	u32 i, okay = 0;

	for (i = 0; i < allow->nr; i++)
		okay += allow->op[i].status == GNTST_okay;
	return okay;
}

static void opted_in(struct xu_grants *grants)
{
	u32 okay = allow_count(grants->allow);

	atomic64_add(okay, &grants->nr_opted_in);
	trace_xen_userptr_opt_in(grants->domid, grants->allow->nr, okay);
}

/* A PV guest, or one with an IOMMU: it will not get better. */
static bool allow_is_hopeless(const struct xu_allow *allow)
{
	return allow->op[0].status == GNTST_unsupported;
}

void xu_revocable_flush(struct xu_grants *grants)
{
	struct xu_allow *allow = grants->allow;

	if (!allow || !allow->nr)
		return;
	if (HYPERVISOR_grant_table_op(GNTTABOP_revocable_allow, allow->op,
				      allow->nr))
		pr_warn_once("xen_userptr: the hypervisor refuses to change opt-ins\n");
	else if (allow->op[0].flags)
		opted_in(grants);
	if (allow->op[0].flags && allow_is_hopeless(allow)) {
		pr_info("xen_userptr: revocable grants are not for this kind of guest, registered memory stays pinned in place\n");
		available = false;
		grants->opt_in = false;
	}
	allow->nr = 0;
}

static void allow_add(struct xu_grants *grants, struct page *page, u32 gref,
		      u16 flags)
{
	struct xu_allow *allow = grants->allow;

	allow->op[allow->nr++] = (struct gnttab_revocable_allow){
		.gfn = xen_page_to_gfn(page),
		.ref = gref,
		.dom = grants->domid,
		.flags = flags,
		.status = GNTST_general_error,
	};
	if (allow->nr == ALLOW_BATCH)
		xu_revocable_flush(grants);
}

void xu_revocable_allow(struct xu_grants *grants, struct page *page, u32 gref,
			bool readonly)
{
	u16 flags = readonly ? GNTREV_ALLOW_writes : GNTREV_ALLOW_all;

	if (!grants->opt_in)
		return;
	if (READ_ONCE(lost_crash))
		flags |= GNTREV_ALLOW_lost_crash;
	allow_add(grants, page, gref, flags);
}

void xu_revocable_withdraw(struct xu_grants *grants, struct page *page,
			   u32 gref)
{
	if (grants->allow)
		allow_add(grants, page, gref, 0);
}

/* Fetch at most LOST_BATCH records. Returns how many there were. */
static u32 lost_fetch(void)
{
	struct gnttab_revocable_fault rec[LOST_BATCH];
	u32 i, nr = 0;

	for (i = 0; i < LOST_BATCH; i++)
		rec[i] = (struct gnttab_revocable_fault){
			.dom = DOMID_SELF,
			.status = GNTST_eagain,
		};
	if (HYPERVISOR_grant_table_op(GNTTABOP_revocable_faults, rec,
				      LOST_BATCH))
		return 0;
	while (nr < LOST_BATCH && rec[nr].status == GNTST_okay)
		nr++;
	return nr;
}

void xu_revocable_drain_lost(struct xu_grants *grants)
{
	u32 nr, all = 0;

	if (!grants->allow)
		return;
	do {
		nr = lost_fetch();
		all += nr;
	} while (nr == LOST_BATCH);
	atomic64_add(all, &grants->nr_scrubbed);
	if (all)
		pr_notice_ratelimited("xen_userptr: the contents of %u pages did not come back from domain %u\n",
				      all, grants->domid);
}
