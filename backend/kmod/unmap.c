// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The end of an object: retire -> fences signalled -> no stray page reference
 * -> unmapped, as each status says -> pages given back -> UNMAPPED record.
 *
 * The order is the promise of UNMAPPED: when it can be read, no device and no
 * CPU of this domain can reach the page, and the hypervisor holds no mapping.
 * Pages whose unmapping failed are never handed back, because the allocator
 * would give them to the next grant with the old frame still behind them; the
 * object stays, holding the module, and tries again.
 *
 * Runs in back_wq. One work per object, so no locks. It never sleeps until a
 * fence signals, because works of other guests stand in the same queue: the
 * signal queues it again.
 */
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "back.h"
#include "trace.h"

#define RETIRE_LOG_AFTER	(10 * HZ)
#define RETIRE_DELAY_MAX	HZ

/* Length of the run of mapped pages at @first, at most a batch. */
static u32 back_mapped_run(const struct back_object *object, u32 first)
{
	u32 end = min(object->nr, first + BACK_BATCH), i = first;

	while (i < end && object->handles[i] != INVALID_GRANT_HANDLE)
		i++;
	return i - first;
}

/* Returns how many stay mapped. */
static u32 back_batch_unmap(struct back_object *object, u32 first, u32 nr)
{
	struct gnttab_unmap_grant_ref *ops = object->unmap_ops;
	struct page **pages = object->pages + first;
	u32 i, left = nr;

	for (i = 0; i < nr; i++) {
		gnttab_set_unmap_op(&ops[i], (unsigned long)page_address(pages[i]),
				    GNTMAP_host_map, object->handles[first + i]);
		ops[i].status = 1;	/* no GNTST_*: the call did not say */
	}
	/* The statuses decide: the return value can be about the p2m alone. */
	if (!back_fault())
		gnttab_unmap_refs(ops, NULL, pages, nr);
	back_count_hypercall(object->binding);
	for (i = 0; i < nr; i++) {
		if (ops[i].status != GNTST_okay)
			continue;
		object->handles[first + i] = INVALID_GRANT_HANDLE;
		left--;
	}
	return left;
}

static bool back_object_unmap(struct back_object *object)
{
	u32 first = 0, left = 0, run;

	while (first < object->nr) {
		run = back_mapped_run(object, first);
		if (run)
			left += back_batch_unmap(object, first, run);
		first += run ?: 1;
		cond_resched();
	}
	if (left)
		atomic64_inc(&back_host_unmap_failures);
	return !left;
}

static void back_object_read(struct back_record *record)
{
	struct back_object *object =
		container_of(record, struct back_object, record);

	atomic64_dec(&object->binding->records_unread);
	back_object_free(object);
}

/* Take the blank pages out of the array; returns how many are left. */
static u32 back_blank_drop(struct back_object *object)
{
	u32 i, nr = 0;

	if (!object->blank)
		return object->nr;
	for (i = 0; i < object->nr; i++)
		if (object->pages[i] != object->blank)
			object->pages[nr++] = object->pages[i];
	__free_page(object->blank);
	object->blank = NULL;
	return nr;
}

/* Nothing is mapped any more. The object becomes its record. */
void back_object_end(struct back_object *object)
{
	struct back_binding *binding = object->binding;
	u32 nr = back_blank_drop(object);

	if (nr)
		gnttab_free_pages(nr, object->pages);
	back_wants_unmapped(binding, object->grefs, object->nr);
	back_budget_uncharge(binding, nr);
	trace_xen_userptr_back_unmapped(object, 0);
	back_object_arrays_free(object);
	atomic64_dec(&back_host_objects);
	atomic64_inc(&binding->records_unread);
	atomic64_dec(&binding->objects);
	object->record.data.type = XEN_USERPTR_BACK_UNMAPPED;
	object->record.done = back_object_read;
	if (object->silent)
		back_object_read(&object->record);
	else
		back_record_push(binding, &object->record);
	module_put(THIS_MODULE);
}

static void back_retire_log(struct back_object *object, const char *what)
{
	if (object->retire_logged ||
	    time_before(jiffies, object->retire_start + RETIRE_LOG_AFTER))
		return;
	object->retire_logged = true;
	pr_warn_ratelimited("xen_userptr_back: %u pages of domain %u: %s for %u s\n",
			    object->nr, object->binding->domid, what,
			    jiffies_to_msecs(jiffies - object->retire_start) / 1000);
}

/* Runs under the lock of the fence, maybe in an interrupt. */
static void back_fence_signalled(struct dma_fence *fence,
				 struct dma_fence_cb *cb)
{
	struct back_object *object =
		container_of(cb, struct back_object, fence_cb);

	mod_delayed_work(back_wq, &object->retire, 0);
}

/* True: there is a fence that has not signalled, and its signal queues the work. */
static bool back_fence_await(struct back_object *object)
{
	struct dma_resv_iter at;
	struct dma_fence *fence;

	dma_resv_iter_begin(&at, &object->resv, DMA_RESV_USAGE_BOOKKEEP);
	dma_resv_for_each_fence_unlocked(&at, fence) {
		/* It fails if the fence has signalled since: then the next one. */
		if (!dma_fence_add_callback(fence, &object->fence_cb,
					    back_fence_signalled)) {
			object->fence = dma_fence_get(fence);
			break;
		}
	}
	dma_resv_iter_end(&at);
	return object->fence;
}

/*
 * Callbacks run under the lock of the fence, which the removal takes: afterwards
 * none runs. It may have queued the work that is running here a second time.
 */
static void back_fence_forget(struct back_object *object)
{
	if (!object->fence)
		return;
	dma_fence_remove_callback(object->fence, &object->fence_cb);
	dma_fence_put(object->fence);
	object->fence = NULL;
	cancel_delayed_work(&object->retire);
}

const char *back_retire_step(struct back_object *object)
{
	u32 i;

	/* Whoever took a reference can still reach the guest's memory. */
	for (i = 0; i < object->nr; i++)
		if (page_count(object->pages[i]) > 1)
			return "page referenced elsewhere";
	if (!back_object_unmap(object))
		return "hypervisor refuses to unmap";
	return NULL;
}

/*
 * A page reference that is dropped, or a hypervisor that changes its mind, tells
 * nobody: these are asked again, ever slower.
 */
static unsigned long back_retire_delay(struct back_object *object)
{
	return min_t(unsigned long, RETIRE_DELAY_MAX,
		     msecs_to_jiffies(5) << min(object->retire_tries++, 8U));
}

static void back_retire_work(struct work_struct *work)
{
	struct back_object *object =
		container_of(to_delayed_work(work), struct back_object, retire);
	const char *obstacle = "GPU work unfinished";
	unsigned long delay = RETIRE_LOG_AFTER;

	back_fence_forget(object);
	if (!back_fence_await(object)) {
		obstacle = back_retire_step(object);
		if (!obstacle) {
			atomic64_dec(&back_host_retiring);
			back_object_end(object);
			return;
		}
		delay = back_retire_delay(object);
	}
	back_retire_log(object, obstacle);
	/* No effect if the fence has signalled meanwhile. */
	queue_delayed_work(back_wq, &object->retire, delay);
}

void back_object_retire_init(struct back_object *object)
{
	INIT_DELAYED_WORK(&object->retire, back_retire_work);
}

void back_object_retire(struct back_object *object)
{
	object->retire_start = jiffies;
	trace_xen_userptr_back_retire(object, 0);
	atomic64_inc(&back_host_retiring);
	queue_delayed_work(back_wq, &object->retire, 0);
}

void back_object_abort(struct back_object *object)
{
	object->silent = true;
	if (back_object_unmap(object))
		back_object_end(object);
	else
		back_object_retire(object);
}
