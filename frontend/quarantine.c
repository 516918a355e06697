// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * quarantine.c: pages whose grants will not end, and the users they count
 * against.
 *
 * An object comes here when the backend said UNMAPPED, or died, and the
 * hypervisor still says that a grant is in use. It keeps its pages pinned and
 * granted and is tried again: at once when something happened that may have
 * helped, else by a timer that backs off. A user may have only so many pages
 * on their way out. Everything here keeps the module loaded. Only the work item
 * tries, so attempts need no lock. Locking: retry_lock (spin, leaf) around the
 * lists, which are added to where fences are signalled; users_lock.
 */
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include <drm/drm_print.h>

#include "trace.h"
#include "xen_userptr.h"

#define RETRY_FIRST	(HZ / 10)
#define RETRY_LAST	(60 * HZ)
#define CAP_WAIT	(5 * HZ)

static unsigned int quarantine_max_pages = 32768;
module_param(quarantine_max_pages, uint, 0644);
MODULE_PARM_DESC(quarantine_max_pages,
		 "Pages of one user on their way out before CREATE says EBUSY (default 32768)");

/* Pages of one user that are released and still granted. */
struct xu_user {
	struct list_head link;		/* users_lock */
	kuid_t uid;
	unsigned int refs;		/* users_lock */
	atomic_long_t releasing;
	atomic_long_t quarantined;
	unsigned int waiting;		/* users_lock: works, at most USER_WAITS */
	struct list_head parked;	/* users_lock: objects that may not wait yet */
};

static LIST_HEAD(users);
static DEFINE_SPINLOCK(users_lock);

static LIST_HEAD(retry_objects);
static LIST_HEAD(retry_kpages);
static DEFINE_SPINLOCK(retry_lock);
static unsigned long retry_delay = RETRY_FIRST;
static DECLARE_WAIT_QUEUE_HEAD(cap_wait);
static atomic_long_t total_releasing;
static atomic_long_t total_quarantined;

static void quarantine_work_fn(struct work_struct *work);
static DECLARE_DELAYED_WORK(quarantine_work, quarantine_work_fn);

/*
 * A program may keep its memory from ever coming to rest, and works that wait for
 * it are taken from all users.
 */
#define USER_WAITS	8

/* Lock held. */
static bool user_may_wait(struct xu_user *user)
{
	if (user->waiting == USER_WAITS)
		return false;
	user->waiting++;
	return true;
}

bool xu_user_wait_begin(struct xu_user *user)
{
	bool may;

	spin_lock(&users_lock);
	may = user_may_wait(user);
	spin_unlock(&users_lock);
	return may;
}

bool xu_user_wait_or_park(struct xu_object *obj)
{
	bool may;

	spin_lock(&users_lock);
	may = user_may_wait(obj->user);
	if (!may)
		list_add_tail(&obj->retry_link, &obj->user->parked);
	spin_unlock(&users_lock);
	return may;
}

/* Objects are only parked while others wait, each of which takes one out here. */
void xu_user_wait_end(struct xu_user *user)
{
	struct xu_object *obj;

	spin_lock(&users_lock);
	user->waiting--;
	obj = list_first_entry_or_null(&user->parked, struct xu_object,
				       retry_link);
	if (obj) {
		list_del_init(&obj->retry_link);
		queue_work(xu_object_wq, &obj->end_work);
	}
	spin_unlock(&users_lock);
}

static struct xu_user *user_find(kuid_t uid)
{
	struct xu_user *user;

	list_for_each_entry(user, &users, link)
		if (uid_eq(user->uid, uid))
			return user;
	return NULL;
}

struct xu_user *xu_user_get(kuid_t uid)
{
	struct xu_user *made = xu_fault() ? NULL :
		kzalloc(sizeof(*made), GFP_KERNEL);
	struct xu_user *user;

	spin_lock(&users_lock);
	user = user_find(uid);
	if (!user && made) {
		made->uid = uid;
		INIT_LIST_HEAD(&made->parked);
		list_add(&made->link, &users);
		swap(user, made);
	}
	if (user)
		user->refs++;
	spin_unlock(&users_lock);
	kfree(made);
	return user;
}

void xu_user_put(struct xu_user *user)
{
	bool last;

	if (!user)
		return;
	spin_lock(&users_lock);
	last = !--user->refs;
	if (last)
		list_del(&user->link);
	spin_unlock(&users_lock);
	if (last)
		kfree(user);
}

void xu_user_releasing(struct xu_user *user, long pages)
{
	atomic_long_add(pages, &user->releasing);
	atomic_long_add(pages, &total_releasing);
	if (pages < 0)
		wake_up_all(&cap_wait);
}

static void user_quarantined(struct xu_user *user, long pages)
{
	atomic_long_add(pages, &user->quarantined);
	atomic_long_add(pages, &total_quarantined);
}

static bool user_in_cap(struct xu_user *user)
{
	return atomic_long_read(&user->releasing) <=
	       READ_ONCE(quarantine_max_pages);
}

int xu_user_check_cap(struct xu_user *user)
{
	long left;

	if (atomic_long_read(&user->quarantined) >
	    READ_ONCE(quarantine_max_pages))
		return -EBUSY;
	left = xu_wait_event_timeout(cap_wait, user_in_cap(user), CAP_WAIT);
	if (left < 0)
		return -EINTR;
	return left ? 0 : -EBUSY;
}

/* True: the object is gone. */
static bool quarantine_try_object(struct xu_object *obj)
{
	u32 before = obj->nr_quarantined;
	struct xu_user *user;
	bool ended;

	spin_lock(&users_lock);
	user = obj->user;
	user->refs++;
	spin_unlock(&users_lock);
	list_del_init(&obj->retry_link);
	ended = xu_object_try_end(obj);
	user_quarantined(user, (ended ? 0L : obj->nr_granted) - (long)before);
	if (!ended)
		obj->nr_quarantined = obj->nr_granted;
	xu_user_put(user);
	return ended;
}

/* Every item once; what does not end stays in the list. */
static void quarantine_try_objects(struct list_head *objects)
{
	struct xu_object *obj, *next;
	LIST_HEAD(left);

	list_for_each_entry_safe(obj, next, objects, retry_link)
		if (!quarantine_try_object(obj))
			list_add_tail(&obj->retry_link, &left);
	list_replace_init(&left, objects);
}

static void quarantine_try_kpages(struct list_head *pages)
{
	struct xu_kpages *kpages, *next;
	LIST_HEAD(left);

	list_for_each_entry_safe(kpages, next, pages, link) {
		list_del_init(&kpages->link);
		if (xu_kpages_try_free(kpages))
			module_put(THIS_MODULE);
		else
			list_add_tail(&kpages->link, &left);
	}
	list_replace_init(&left, pages);
}

static void quarantine_work_fn(struct work_struct *work)
{
	LIST_HEAD(objects);
	LIST_HEAD(pages);

	spin_lock(&retry_lock);
	list_splice_init(&retry_objects, &objects);
	list_splice_init(&retry_kpages, &pages);
	spin_unlock(&retry_lock);
	quarantine_try_objects(&objects);
	quarantine_try_kpages(&pages);
	spin_lock(&retry_lock);
	list_splice_tail(&objects, &retry_objects);
	list_splice_tail(&pages, &retry_kpages);
	if (!list_empty(&retry_objects) || !list_empty(&retry_kpages)) {
		queue_delayed_work(xu_release_wq, &quarantine_work,
				   retry_delay);
		retry_delay = min(retry_delay * 2, (unsigned long)RETRY_LAST);
	}
	spin_unlock(&retry_lock);
}

/* Lock held. */
static void quarantine_start(void)
{
	retry_delay = RETRY_FIRST;
	mod_delayed_work(xu_release_wq, &quarantine_work, retry_delay);
}

void xu_quarantine_object(struct xu_object *obj)
{
	drm_warn_once(&obj->xd->drm,
		      "grants are still in use after their release\n");
	obj->quarantined = true;
	obj->nr_quarantined = obj->nr_granted;
	user_quarantined(obj->user, obj->nr_granted);
	xu_object_released(obj);
	trace_xen_userptr_quarantine(obj, 0);
	spin_lock(&retry_lock);
	list_add_tail(&obj->retry_link, &retry_objects);
	quarantine_start();
	spin_unlock(&retry_lock);
}

void xu_quarantine_kpages(struct xu_kpages *kpages)
{
	__module_get(THIS_MODULE);
	spin_lock(&retry_lock);
	list_add_tail(&kpages->link, &retry_kpages);
	quarantine_start();
	spin_unlock(&retry_lock);
}

/* An answer or a death: pages may be free now. Cheap when nothing waits. */
void xu_quarantine_kick(void)
{
	if (delayed_work_pending(&quarantine_work))
		mod_delayed_work(xu_release_wq, &quarantine_work, 0);
}

long xu_quarantine_pages(void)
{
	return atomic_long_read(&total_quarantined);
}

long xu_releasing_pages(void)
{
	return atomic_long_read(&total_releasing);
}

void xu_quarantine_fini(void)
{
	cancel_delayed_work_sync(&quarantine_work);
	WARN_ON(!list_empty(&retry_objects) || !list_empty(&retry_kpages));
}

static int quarantine_pages_get(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%ld\n", xu_quarantine_pages());
}

static const struct kernel_param_ops quarantine_pages_ops = {
	.get = quarantine_pages_get,
};
module_param_cb(quarantined_pages, &quarantine_pages_ops, NULL, 0444);
MODULE_PARM_DESC(quarantined_pages,
		 "Pages of all devices whose grants did not end yet (read only)");
