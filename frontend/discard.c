// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * discard.c: would anybody miss the contents of pages that a program gave up?
 *
 * What is in the GPU's memory then need not be copied home. The answer is yes
 * unless it is certain that nobody can read the pages again: anonymous memory,
 * mapped nowhere or by a program alone that is ending, and without a reference
 * but for our pins (a pipe, a socket or a disk may hold one). Pinned anonymous
 * pages belong to one program, since fork() copies them. Runs in the object's
 * release work only: nobody else changes its pages then, and it may wait.
 */
#include <linux/mm.h>

#include "trace.h"
#include "xen_userptr.h"

/*
 * Who unmaps the pages holds this lock until they are unmapped and the kernel has let
 * go of them: wait for that. Without it the answer may be no, never a wrong yes.
 */
static void object_settle(struct xu_object *obj)
{
	if (!xu_user_wait_begin(obj->user))
		return;
	mmap_write_lock(obj->mm);
	mmap_write_unlock(obj->mm);
	xu_user_wait_end(obj->user);
}

static bool folio_forgotten(struct folio *folio, u32 pins, bool is_ending)
{
	int maps = folio_mapcount(folio);

	if (!folio_test_anon(folio) || folio_test_ksm(folio) ||
	    (maps && !is_ending))
		return false;
	if (!folio_test_large(folio))
		pins *= GUP_PIN_COUNTING_BIAS;
	return folio_ref_count(folio) == maps + pins;
}

/* Pages from @first on that are of one folio; those collected count alone. */
static u32 folio_run(const struct xu_object *obj, u32 first, u32 end)
{
	struct folio *folio;
	u32 i = first + 1;

	if (!obj->pages[first])
		return 1;
	folio = page_folio(obj->pages[first]);
	while (i < end && obj->pages[i] && page_folio(obj->pages[i]) == folio)
		i++;
	return i - first;
}

bool xu_object_forgotten(struct xu_object *obj, u32 first, u32 nr)
{
	bool is_ending = !atomic_read(&obj->mm->mm_users);
	u32 i, run, end = first + nr;
	struct page *page;

	/* Only what was revocable can be away. */
	if (!READ_ONCE(obj->xd->grants.opt_in))
		return false;
	object_settle(obj);
	for (i = first; i < end; i += run) {
		run = folio_run(obj, i, end);
		page = obj->pages[i];
		if (page && !folio_forgotten(page_folio(page), run, is_ending))
			return false;
		cond_resched();
	}
	trace_xen_userptr_forgotten(obj, 0);
	return true;
}
