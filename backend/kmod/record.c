// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The queue of records of a binding: read() and poll().
 *
 * A record is part of the thing that it tells about, so that queueing one
 * needs no memory and none can be lost. read() takes it off the queue, copies
 * it, and puts it back at the head if the copy failed.
 *
 * Locks: record_lock, for the list and the closed flag; never held over a copy.
 */
#include <linux/uaccess.h>

#include "back.h"
#include "trace.h"

void back_record_push_locked(struct back_binding *binding,
			     struct back_record *record)
{
	lockdep_assert_held(&binding->record_lock);
	if (binding->closed || !list_empty(&record->link))
		return;
	list_add_tail(&record->link, &binding->records);
	wake_up_interruptible(&binding->readable);
}

void back_record_push(struct back_binding *binding, struct back_record *record)
{
	bool closed;

	spin_lock(&binding->record_lock);
	closed = binding->closed;
	back_record_push_locked(binding, record);
	spin_unlock(&binding->record_lock);
	if (closed && record->done)
		record->done(record);
}

/*
 * The next record and its content. A record without done() may be freed or
 * queued again from here on: only its content may be used.
 */
static struct back_record *
back_record_pop(struct back_binding *binding,
		struct xen_userptr_back_record *data)
{
	struct back_record *record;

	spin_lock(&binding->record_lock);
	record = list_first_entry_or_null(&binding->records,
					  struct back_record, link);
	if (record) {
		list_del_init(&record->link);
		*data = record->data;
		if (data->type == XEN_USERPTR_BACK_WANT ||
		    data->type == XEN_USERPTR_BACK_LOST)
			back_want_taken(binding, record, data);
	}
	spin_unlock(&binding->record_lock);
	return record;
}

static void back_record_unpop(struct back_binding *binding,
			      struct back_record *record,
			      const struct xen_userptr_back_record *data)
{
	spin_lock(&binding->record_lock);
	switch (data->type) {
	case XEN_USERPTR_BACK_WANT:
	case XEN_USERPTR_BACK_LOST:
		back_want_requeue(binding, data);
		break;
	default:
		list_add(&record->link, &binding->records);
		wake_up_interruptible(&binding->readable);
	}
	spin_unlock(&binding->record_lock);
}

/* Nobody can read any more: the file is being released. */
void back_records_drop(struct back_binding *binding)
{
	struct xen_userptr_back_record data;
	struct back_record *record;

	spin_lock(&binding->record_lock);
	binding->closed = true;
	spin_unlock(&binding->record_lock);
	while ((record = back_record_pop(binding, &data)))
		if (data.type == XEN_USERPTR_BACK_UNMAPPED)
			record->done(record);
}

static bool back_record_ready(struct back_binding *binding)
{
	bool ready;

	spin_lock(&binding->record_lock);
	ready = !list_empty(&binding->records);
	spin_unlock(&binding->record_lock);
	return ready;
}

static int back_record_wait(struct file *file, struct back_binding *binding)
{
	if (back_record_ready(binding))
		return 0;
	if (file->f_flags & O_NONBLOCK)
		return -EAGAIN;
	return wait_event_interruptible(binding->readable,
					back_record_ready(binding));
}

/* One record to user space: 1, 0 (there is none) or -EFAULT (still queued). */
static int back_record_deliver(struct back_binding *binding, char __user *to)
{
	struct xen_userptr_back_record data;
	struct back_record *record = back_record_pop(binding, &data);

	if (!record)
		return 0;
	if (copy_to_user(to, &data, sizeof(data))) {
		back_record_unpop(binding, record, &data);
		return -EFAULT;
	}
	trace_xen_userptr_back_record(binding->domid, &data);
	if (data.type == XEN_USERPTR_BACK_UNMAPPED)
		record->done(record);
	return 1;
}

ssize_t back_record_read(struct file *file, char __user *buffer, size_t size,
			 loff_t *offset)
{
	struct back_binding *binding = file->private_data;
	const size_t unit = sizeof(struct xen_userptr_back_record);
	size_t got = 0;
	int ret;

	if (size < unit)
		return -EINVAL;
	do {
		ret = back_record_wait(file, binding);
		if (ret)
			return ret;
		do {
			ret = back_record_deliver(binding, buffer + got);
			if (ret > 0)
				got += unit;
		} while (ret > 0 && size - got >= unit);
	} while (!got && !ret);		/* another reader was faster */
	return got ?: ret;
}

__poll_t back_record_poll(struct file *file, poll_table *wait)
{
	struct back_binding *binding = file->private_data;

	poll_wait(file, &binding->readable, wait);
	return back_record_ready(binding) ? EPOLLIN | EPOLLRDNORM : 0;
}
