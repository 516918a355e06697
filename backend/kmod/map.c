// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * MAP: grant references in, one dma-buf out. All or nothing.
 *
 * Order: copy the references, charge the budgets, take pages without memory
 * behind them, have the hypervisor put the guest's frames there in batches,
 * export. Anything that fails takes the way back in reverse; grants that were
 * mapped by then are unmapped by the same path as at the end of a life.
 *
 * No locks: the object is private until it is exported.
 */
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/xen/hypercall.h>
#include <xen/page.h>
#include <xen/xen.h>

#include "back.h"
#include "trace.h"

/* The first grant that could not be mapped. */
struct back_map_error {
	u32 index;
	s32 status;
};

/*
 * A reference that no table holds: the answer tells a domain that exists from
 * one that does not, needs no privilege, and maps nothing.
 */
bool back_domain_exists(domid_t domid)
{
	struct gnttab_map_grant_ref op = {
		.flags = GNTMAP_host_map | GNTMAP_readonly,
		.ref = ~0U,
		.dom = domid,
	};

	if (HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, &op, 1))
		return false;
	return op.status != GNTST_bad_domain;
}

void back_object_arrays_free(struct back_object *object)
{
	back_count_bytes(object->binding, -(s64)object->bytes);
	back_slots_uncharge(object);
	object->bytes = 0;
	kvfree(object->ops);
	kvfree(object->grefs);
	kvfree(object->handles);
	kvfree(object->pages);
	object->ops = NULL;
	object->grefs = NULL;
	object->handles = NULL;
	object->pages = NULL;
}

void back_object_free(struct back_object *object)
{
	dma_resv_fini(&object->resv);
	back_object_arrays_free(object);
	back_binding_put(object->binding);
	kfree(object);
}

static void *back_array(u32 nr, size_t size)
{
	return back_fault() ? NULL : kvcalloc(nr, size, GFP_KERNEL_ACCOUNT);
}

static bool back_object_arrays_alloc(struct back_object *object)
{
	u32 nr = object->nr, i;
	u32 batch = min_t(u32, nr, BACK_BATCH);

	object->pages = back_array(nr, sizeof(*object->pages));
	object->handles = back_array(nr, sizeof(*object->handles));
	object->grefs = back_array(nr, sizeof(*object->grefs));
	/* Kept for the unmapping, which must not fail for want of memory. */
	object->ops = back_array(batch, sizeof(*object->map_ops));
	if (!object->pages || !object->handles || !object->grefs || !object->ops)
		return false;
	for (i = 0; i < nr; i++)
		object->handles[i] = INVALID_GRANT_HANDLE;
	object->bytes = sizeof(*object) + batch * sizeof(*object->map_ops) +
		(size_t)nr * (sizeof(*object->pages) +
			      sizeof(*object->handles) + sizeof(*object->grefs));
	back_count_bytes(object->binding, (s64)object->bytes);
	return true;
}

struct back_object *back_object_new(struct back_binding *binding, u32 nr)
{
	struct back_object *object = back_fault() ? NULL :
		kzalloc(sizeof(*object), GFP_KERNEL_ACCOUNT);

	if (!object)
		return NULL;
	kref_get(&binding->ref);
	object->binding = binding;
	object->nr = nr;
	INIT_LIST_HEAD(&object->record.link);
	dma_resv_init(&object->resv);
	back_object_retire_init(object);
	if (!back_object_arrays_alloc(object)) {
		back_object_free(object);
		return NULL;
	}
	return object;
}

/* The allocator hands pages out backwards; forwards they make long segments. */
static void back_pages_order(struct page **pages, u32 nr)
{
	u32 i;

	if (xen_pv_domain() || nr < 2 || pages[0] < pages[nr - 1])
		return;
	for (i = 0; i < nr / 2; i++)
		swap(pages[i], pages[nr - 1 - i]);
}

/*
 * gnttab_map_refs() sleeps for up to 32 s, deaf to signals, on each grant that
 * answers GNTST_eagain; here that is an error like any other. Only a PV domain
 * must go through it, for the p2m entries that nothing else may write.
 */
static int back_hypercall_map(struct gnttab_map_grant_ref *ops,
			      struct page **pages, u32 nr)
{
	struct xen_page_foreign *foreign;
	u32 i;
	int ret;

	if (xen_pv_domain())
		return gnttab_map_refs(ops, NULL, pages, nr);
	ret = HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, ops, nr);
	if (ret)
		return ret;
	for (i = 0; i < nr; i++) {
		if (ops[i].status != GNTST_okay)
			continue;
		SetPageForeign(pages[i]);
		foreign = xen_page_foreign(pages[i]);
		foreign->domid = ops[i].dom;
		foreign->gref = ops[i].ref;
	}
	return 0;
}

static int back_status_errno(s16 status)
{
	switch (status) {
	case GNTST_bad_domain:
		return -ENODEV;
	case GNTST_no_space:
		return -ENOSPC;
	default:
		return -EIO;
	}
}

static void back_set_map_op(const struct back_object *object, u32 index,
			    struct gnttab_map_grant_ref *op)
{
	u32 flags = GNTMAP_host_map | (object->readonly ? GNTMAP_readonly : 0);

	gnttab_set_map_op(op, (unsigned long)page_address(object->pages[index]),
			  flags, object->grefs[index], object->binding->domid);
}

/* One page that could not be mapped, since it is away; or is it bad? */
struct back_away {
	struct back_object *object;
	u32 index;
	struct gnttab_map_grant_ref *op;
};

static bool back_away_map(void *data)
{
	struct back_away *away = data;

	back_set_map_op(away->object, away->index, away->op);
	away->op->status = GNTST_general_error;
	back_count_hypercall(away->object->binding);
	return back_hypercall_map(away->op, &away->object->pages[away->index],
				  1) ||
	       away->op->status != GNTST_bad_page;
}

/* The first page that does not come home ends it: MAP fails anyway. */
static void back_batch_await(struct back_object *object, u32 first, u32 nr,
			     unsigned long until)
{
	struct back_away away = { .object = object };
	u32 i;

	for (i = 0; i < nr; i++) {
		away.index = first + i;
		away.op = &object->map_ops[i];
		if (away.op->status == GNTST_bad_page)
			back_home_wait(until, back_away_map, &away);
		if (away.op->status != GNTST_okay)
			return;
	}
}

static int back_batch_map(struct back_object *object, u32 first, u32 nr,
			  unsigned long until, struct back_map_error *error)
{
	struct gnttab_map_grant_ref *ops = object->map_ops;
	u32 i;
	int ret;

	for (i = 0; i < nr; i++)
		back_set_map_op(object, first + i, &ops[i]);
	ret = back_fault() ? -EFAULT :
		back_hypercall_map(ops, object->pages + first, nr);
	back_count_hypercall(object->binding);
	if (!ret)
		back_batch_await(object, first, nr, until);
	for (i = 0; i < nr; i++) {
		if (ops[i].status == GNTST_okay) {
			object->handles[first + i] = ops[i].handle;
		} else if (!ret) {
			error->index = first + i;
			error->status = ops[i].status;
			ret = back_status_errno(ops[i].status);
		}
	}
	return ret;
}

static int back_object_map(struct back_object *object,
			   struct back_map_error *error)
{
	unsigned long until = back_home_deadline();
	u32 first, nr;
	int ret;

	for (first = 0; first < object->nr; first += nr) {
		nr = min_t(u32, object->nr - first, BACK_BATCH);
		if (fatal_signal_pending(current))
			return -EINTR;
		ret = back_batch_map(object, first, nr, until, error);
		if (ret)
			return ret;
		cond_resched();
	}
	return 0;
}

static int back_object_fill(struct back_object *object,
			    struct back_map_error *error)
{
	struct back_binding *binding = object->binding;
	int ret = back_object_map(object, error);

	if (!ret)
		ret = back_binding_check(binding);
	if (ret == -ENODEV)
		back_binding_set_gone(binding);
	return ret;
}

int back_object_count(struct back_binding *binding)
{
	if (atomic64_inc_return(&binding->objects) +
	    atomic64_read(&binding->records_unread) <= BACK_MAX_OBJECTS)
		return 0;
	atomic64_dec(&binding->objects);
	return -EDQUOT;
}

/*
 * Takes what an object needs: its place in the counts, its budget, its pages.
 * From here on it ends in back_object_retire() or back_object_abort().
 */
static struct back_object *
back_object_create(struct back_binding *binding,
		   const struct xen_userptr_back_map *args)
{
	struct back_object *object;
	int ret;

	ret = back_object_count(binding);
	if (ret)
		return ERR_PTR(ret);
	ret = back_budget_charge(binding, args->nr);
	if (ret)
		goto drop_count;
	ret = -ENOMEM;
	object = back_object_new(binding, args->nr);
	if (!object)
		goto uncharge;
	ret = back_slots_charge(object);
	if (ret)
		goto free_object;
	ret = -EFAULT;
	if (copy_from_user(object->grefs, u64_to_user_ptr(args->grefs),
			   (size_t)args->nr * sizeof(*object->grefs)))
		goto free_object;
	ret = back_fault() ? -ENOMEM :
		gnttab_alloc_pages(args->nr, object->pages);
	if (ret)
		goto free_object;
	back_pages_order(object->pages, args->nr);
	object->readonly = args->flags & XEN_USERPTR_BACK_MAP_READONLY;
	object->record.data.cookie = args->cookie;
	atomic64_inc(&back_host_objects);
	__module_get(THIS_MODULE);
	return object;

free_object:
	back_object_free(object);
uncharge:
	back_budget_uncharge(binding, args->nr);
drop_count:
	atomic64_dec(&binding->objects);
	return ERR_PTR(ret);
}

static struct dma_buf *back_map(struct back_binding *binding,
				const struct xen_userptr_back_map *args,
				struct back_map_error *error)
{
	struct back_object *object = back_object_create(binding, args);
	struct dma_buf *dmabuf;
	int ret;

	if (IS_ERR(object))
		return ERR_CAST(object);
	ret = back_object_fill(object, error);
	dmabuf = ret ? ERR_PTR(ret) : back_object_export(object);
	trace_xen_userptr_back_map(object, PTR_ERR_OR_ZERO(dmabuf));
	if (IS_ERR(dmabuf))
		back_object_abort(object);
	return dmabuf;
}

static int back_map_args_check(const struct xen_userptr_back_map *args)
{
	if (args->flags & ~XEN_USERPTR_BACK_MAP_READONLY || args->pad)
		return -EINVAL;
	if (!args->nr || args->nr > XEN_USERPTR_BACK_MAP_MAX)
		return -EINVAL;
	return 0;
}

/* The caller learns of the dma-buf only when nothing can fail any more. */
static int back_map_publish(struct dma_buf *dmabuf, void __user *arg,
			    struct xen_userptr_back_map *args)
{
	struct back_object *object = dmabuf->priv;
	int fd = back_fault() ? -EMFILE : get_unused_fd_flags(O_CLOEXEC);

	if (fd < 0)
		goto drop;
	args->fd = fd;
	args->error_index = 0;
	args->gnttab_status = GNTST_okay;
	if (copy_to_user(arg, args, sizeof(*args))) {
		put_unused_fd(fd);
		fd = -EFAULT;
		goto drop;
	}
	fd_install(fd, dmabuf->file);
	return 0;

drop:
	object->silent = true;
	dma_buf_put(dmabuf);
	return fd;
}

int back_map_ioctl(struct back_binding *binding, void __user *arg)
{
	struct xen_userptr_back_map args;
	struct back_map_error error = {};
	struct dma_buf *dmabuf;
	int ret;

	ret = back_binding_check(binding);
	if (ret)
		return ret;
	if (copy_from_user(&args, arg, sizeof(args)))
		return -EFAULT;
	ret = back_map_args_check(&args);
	if (ret)
		return ret;
	dmabuf = back_map(binding, &args, &error);
	if (!IS_ERR(dmabuf))
		return back_map_publish(dmabuf, arg, &args);
	args.fd = -1;
	args.error_index = error.index;
	args.gnttab_status = error.status;
	if (copy_to_user(arg, &args, sizeof(args)))
		return -EFAULT;
	return PTR_ERR(dmabuf);
}
