// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The binding of a descriptor to one domain: BIND, and the death of the domain.
 *
 * Domids are reused, so a binding must die with its guest. Two sources start a
 * check of all bindings: "@releaseDomain" (the hypervisor told xenstored that
 * a domain died) and the node /local/domain/N/domid (the toolstack removed the
 * guest; a guest cannot write it, so it cannot flood us with events). The
 * check asks the hypervisor whether the domain exists and xenstore whether it
 * is still the same one. A domain whose pages are mapped keeps its domid, so a
 * late check can only miss a guest of which nothing is mapped. A driver domain
 * may be unable to see either source: there the hypervisor's answer to MAP
 * counts, and the broker closes the descriptor.
 *
 * Locks: back_bindings_lock for the list; bind_lock serialises BIND.
 * Watches run in xenwatch and only queue work.
 */
#include <linux/capability.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <xen/interface/xen.h>

#include "back.h"
#include "trace.h"

static DEFINE_MUTEX(back_bindings_lock);
static LIST_HEAD(back_bindings);

static void back_check_all(struct work_struct *work);
static DECLARE_WORK(back_check_work, back_check_all);

static void back_watch_event(struct xenbus_watch *watch, const char *path,
			     const char *token)
{
	queue_work(back_wq, &back_check_work);
}

static struct xenbus_watch back_release_watch = {
	.node = "@releaseDomain",
	.callback = back_watch_event,
};
static bool back_release_watching;

void back_binding_set_gone(struct back_binding *binding)
{
	if (!xchg(&binding->gone, true))
		back_record_push(binding, &binding->gone_record);
}

static bool back_identity_changed(struct back_binding *binding)
{
	char path[sizeof("/local/domain/65535")];
	char *now;
	bool changed;

	if (!binding->identity)
		return false;
	snprintf(path, sizeof(path), "/local/domain/%u", binding->domid);
	now = xenbus_read(XBT_NIL, path, "vm", NULL);
	if (IS_ERR(now))
		return PTR_ERR(now) == -ENOENT;
	changed = strcmp(now, binding->identity);
	kfree(now);
	return changed;
}

/* A binding that this round has not looked at, with a reference. */
static struct back_binding *back_check_next(u32 round)
{
	struct back_binding *binding, *next = NULL;

	mutex_lock(&back_bindings_lock);
	list_for_each_entry(binding, &back_bindings, link) {
		if (binding->round == round || READ_ONCE(binding->gone))
			continue;
		binding->round = round;
		kref_get(&binding->ref);
		next = binding;
		break;
	}
	mutex_unlock(&back_bindings_lock);
	return next;
}

/* Asks xenstored, so without the lock that closing a descriptor takes. */
static void back_check_all(struct work_struct *work)
{
	static u32 round;	/* only this work uses it */
	struct back_binding *binding;

	round++;
	while ((binding = back_check_next(round))) {
		if (!back_domain_exists(binding->domid) ||
		    back_identity_changed(binding))
			back_binding_set_gone(binding);
		back_binding_put(binding);
	}
}

int back_binding_check(struct back_binding *binding)
{
	/* Pairs with the release that ends the bind: the fields it set are seen. */
	if (!smp_load_acquire(&binding->bound))
		return -ENOTCONN;
	if (READ_ONCE(binding->gone))
		return -ENODEV;
	return 0;
}

/* Taking a watch back waits for xenstored: not in the context of the put. */
static void back_binding_free(struct work_struct *work)
{
	struct back_binding *binding =
		container_of(work, struct back_binding, free_work);

	if (binding->watching)
		unregister_xenbus_watch(&binding->watch);
	kfree(binding->watch.node);
	kfree(binding->identity);
	kfree(binding);
	module_put(THIS_MODULE);
}

static void back_binding_release(struct kref *ref)
{
	struct back_binding *binding =
		container_of(ref, struct back_binding, ref);

	queue_work(back_wq, &binding->free_work);
}

void back_binding_put(struct back_binding *binding)
{
	kref_put(&binding->ref, back_binding_release);
}

struct back_binding *back_binding_new(void)
{
	struct back_binding *binding = back_fault() ? NULL :
		kzalloc(sizeof(*binding), GFP_KERNEL_ACCOUNT);

	if (!binding)
		return NULL;
	/* The free work may run after the file, which holds us, is gone. */
	__module_get(THIS_MODULE);
	kref_init(&binding->ref);
	INIT_LIST_HEAD(&binding->link);
	INIT_WORK(&binding->free_work, back_binding_free);
	mutex_init(&binding->bind_lock);
	spin_lock_init(&binding->record_lock);
	INIT_LIST_HEAD(&binding->records);
	mutex_init(&binding->ops_lock);
	xa_init_flags(&binding->wants, XA_FLAGS_ACCOUNT);
	INIT_LIST_HEAD(&binding->pending);
	back_channel_init(binding);
	init_waitqueue_head(&binding->readable);
	binding->gone_record.data.type = XEN_USERPTR_BACK_GONE;
	INIT_LIST_HEAD(&binding->gone_record.link);
	return binding;
}

void back_binding_close(struct back_binding *binding)
{
	/* Still listed: no other binding can open a channel half closed. */
	back_channel_close(binding);
	mutex_lock(&back_bindings_lock);
	list_del_init(&binding->link);
	mutex_unlock(&back_bindings_lock);
	back_records_drop(binding);
	back_binding_put(binding);
}

/* In a driver domain the node may be unreadable: then there is no identity. */
static int back_identity_get(struct back_binding *binding, domid_t domid)
{
	char path[sizeof("/local/domain/65535")];
	char *vm;

	snprintf(path, sizeof(path), "/local/domain/%u", domid);
	vm = back_fault() ? ERR_PTR(-ENOMEM) :
		xenbus_read(XBT_NIL, path, "vm", NULL);
	if (PTR_ERR_OR_ZERO(vm) == -ENOMEM)
		return -ENOMEM;
	binding->identity = IS_ERR(vm) ? NULL : vm;
	return 0;
}

static int back_watch_start(struct back_binding *binding, domid_t domid)
{
	int ret;

	binding->watch.node = back_fault() ? NULL :
		kasprintf(GFP_KERNEL_ACCOUNT, "/local/domain/%u/domid", domid);
	if (!binding->watch.node)
		return -ENOMEM;
	binding->watch.callback = back_watch_event;
	ret = back_fault() ? -ENOMEM : register_xenbus_watch(&binding->watch);
	binding->watching = !ret;
	/* A driver domain may not be allowed to watch another guest. */
	if (ret && ret != -EACCES) {
		kfree(binding->watch.node);
		binding->watch.node = NULL;
		return ret;
	}
	return 0;
}

/* The first binding starts the watch; without permission there is none. */
static void back_release_watch_start(void)
{
	int ret;

	lockdep_assert_held(&back_bindings_lock);
	if (back_release_watching)
		return;
	ret = register_xenbus_watch(&back_release_watch);
	if (ret)
		pr_info_once("xen_userptr_back: no @releaseDomain events (%d)\n",
			     ret);
	else
		back_release_watching = true;
}

static int back_bind(struct back_binding *binding,
		     const struct xen_userptr_back_bind *args)
{
	int ret;

	lockdep_assert_held(&binding->bind_lock);
	if (binding->bound)
		return -EBUSY;
	if (!back_domain_exists(args->domid))
		return -ENOENT;
	/* A BIND that failed half-way may be repeated: undo all of it. */
	ret = back_watch_start(binding, args->domid);
	if (ret)
		return ret;
	ret = back_identity_get(binding, args->domid);
	if (ret)
		goto stop_watch;
	binding->domid = args->domid;
	binding->max_pages = args->max_pages;
	/* Pairs with back_binding_check(): the fields above are set before. */
	smp_store_release(&binding->bound, true);

	mutex_lock(&back_bindings_lock);
	list_add(&binding->link, &back_bindings);
	back_release_watch_start();
	mutex_unlock(&back_bindings_lock);
	/* The domain may have died while we looked. */
	queue_work(back_wq, &back_check_work);
	return 0;

stop_watch:
	if (binding->watching)
		unregister_xenbus_watch(&binding->watch);
	binding->watching = false;
	kfree(binding->watch.node);
	binding->watch.node = NULL;
	return ret;
}

int back_bind_ioctl(struct back_binding *binding, void __user *arg)
{
	struct xen_userptr_back_bind args;
	int ret;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (copy_from_user(&args, arg, sizeof(args)))
		return -EFAULT;
	if (args.flags || args.pad || args.pad2 || !args.max_pages ||
	    args.domid >= DOMID_FIRST_RESERVED)
		return -EINVAL;
	/* Written first, so that a bad pointer does not leave a binding. */
	args.features = back_revocable ? XEN_USERPTR_BACK_FEATURE_REVOCABLE : 0;
	if (copy_to_user(arg, &args, sizeof(args)))
		return -EFAULT;

	mutex_lock(&binding->bind_lock);
	ret = back_bind(binding, &args);
	trace_xen_userptr_back_bind(args.domid, args.max_pages, ret);
	mutex_unlock(&binding->bind_lock);
	return ret;
}

int back_channel_claim(struct back_binding *binding)
{
	struct back_binding *other;
	int ret = 0;

	mutex_lock(&back_bindings_lock);
	list_for_each_entry(other, &back_bindings, link)
		if (other->domid == binding->domid && other->channel.claimed)
			ret = -EBUSY;
	if (!ret)
		binding->channel.claimed = true;
	mutex_unlock(&back_bindings_lock);
	return ret;
}

void back_channel_disclaim(struct back_binding *binding)
{
	mutex_lock(&back_bindings_lock);
	binding->channel.claimed = false;
	mutex_unlock(&back_bindings_lock);
}

u64 back_bindings_count(void)
{
	u64 count = 0;
	struct list_head *link;

	mutex_lock(&back_bindings_lock);
	list_for_each(link, &back_bindings)
		count++;
	mutex_unlock(&back_bindings_lock);
	return count;
}

void back_bind_exit(void)
{
	if (back_release_watching)
		unregister_xenbus_watch(&back_release_watch);
	cancel_work_sync(&back_check_work);
}
