// SPDX-License-Identifier: MIT
/*
 * The FIFO between the event loop and the thread that may block. The lock is
 * held for list operations only.
 */
#include "helper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* All memory is locked, stacks too: keep it small. */
#define HELPER_STACK	(256U * 1024)

static void work_list_init(struct work_list *list)
{
	list->first = NULL;
	list->last = &list->first;
}

static void work_list_put(struct work_list *list, struct work *work)
{
	work->next = NULL;
	*list->last = work;
	list->last = &work->next;
}

/* Behind the last piece that it may not overtake. */
static void work_list_insert(struct work_list *list, struct work *work)
{
	struct work **at, **behind = &list->first;

	for (at = &list->first; *at; at = &(*at)->next)
		if (!work->passes(work, *at))
			behind = &(*at)->next;
	work->next = *behind;
	*behind = work;
	if (!work->next)
		list->last = &work->next;
}

static struct work *work_list_take(struct work_list *list)
{
	struct work *work = list->first;

	if (!work)
		return NULL;
	list->first = work->next;
	if (!list->first)
		list->last = &list->first;
	return work;
}

/* @held has something. */
static void helper_give(struct helper *helper)
{
	struct work *work;

	pthread_mutex_lock(&helper->lock);
	while ((work = work_list_take(&helper->held))) {
		if (work->passes)
			work_list_insert(&helper->todo, work);
		else
			work_list_put(&helper->todo, work);
	}
	pthread_mutex_unlock(&helper->lock);
	pthread_cond_signal(&helper->has_work);
}

static struct work *helper_next(struct helper *helper)
{
	struct work *work;

	pthread_mutex_lock(&helper->lock);
	while (!helper->todo.first && !helper->stop)
		pthread_cond_wait(&helper->has_work, &helper->lock);
	work = work_list_take(&helper->todo);
	pthread_mutex_unlock(&helper->lock);
	return work;
}

struct work *helper_more(struct helper *helper, struct work *work,
			 bool (*goes_with)(const struct work *work,
					   const struct work *next))
{
	struct work *more = NULL;

	pthread_mutex_lock(&helper->lock);
	if (helper->todo.first && goes_with(work, helper->todo.first))
		more = work_list_take(&helper->todo);
	pthread_mutex_unlock(&helper->lock);
	while (work->also)
		work = work->also;
	work->also = more;
	return more;
}

/* Whether the loop is to be told. What it is not told of now, the next one tells. */
static bool helper_end(struct helper *helper, struct work *work)
{
	bool tell = work->is_urgent;

	pthread_mutex_lock(&helper->lock);
	for (; work; work = work->also) {
		work_list_put(&helper->done, work);
		helper->nr_untold++;
	}
	if (!helper->todo.first || helper->nr_untold > helper->max_untold)
		tell = true;
	if (tell)
		helper->nr_untold = 0;
	pthread_mutex_unlock(&helper->lock);
	return tell;
}

static void *helper_main(void *arg)
{
	struct helper *helper = arg;
	struct work *work;

	while ((work = helper_next(helper))) {
		helper->run(helper->context, work);
		/* Fails only when the counter is full: then it is readable. */
		if (helper_end(helper, work))
			(void)eventfd_write(helper->done_fd, 1);
	}
	return NULL;
}

static int helper_create_thread(struct helper *helper)
{
	pthread_attr_t attr;
	int ret;

	ret = pthread_attr_init(&attr);
	if (ret)
		return -ret;
	ret = pthread_attr_setstacksize(&attr, HELPER_STACK);
	if (!ret)
		ret = pthread_create(&helper->thread, &attr, helper_main,
				     helper);
	pthread_attr_destroy(&attr);
	return -ret;
}

int helper_start(struct helper *helper, helper_run run, void *context)
{
	int ret;

	memset(helper, 0, sizeof(*helper));
	work_list_init(&helper->todo);
	work_list_init(&helper->done);
	work_list_init(&helper->held);
	helper->run = run;
	helper->context = context;
	helper->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (helper->done_fd < 0)
		return -errno;
	pthread_mutex_init(&helper->lock, NULL);
	pthread_cond_init(&helper->has_work, NULL);
	ret = helper_create_thread(helper);
	if (ret)
		close(helper->done_fd);
	return ret;
}

void helper_stop(struct helper *helper)
{
	struct work *work;

	pthread_mutex_lock(&helper->lock);
	helper->stop = true;
	pthread_cond_signal(&helper->has_work);
	pthread_mutex_unlock(&helper->lock);
	pthread_join(helper->thread, NULL);
	while ((work = helper_take(helper))) {
		if (work->fence >= 0)
			close(work->fence);
		free(work->untrusted_ops);
		free(work);
	}
	close(helper->done_fd);
}

void helper_submit(struct helper *helper, struct work *work)
{
	work_list_put(&helper->held, work);
	if (!helper->holds)
		helper_give(helper);
}

void helper_tell_late(struct helper *helper, uint32_t nr)
{
	/* The loop alone changes it. */
	if (helper->max_untold == nr)
		return;
	pthread_mutex_lock(&helper->lock);
	helper->max_untold = nr;
	pthread_mutex_unlock(&helper->lock);
}

void helper_hold(struct helper *helper)
{
	helper->holds++;
}

void helper_release(struct helper *helper)
{
	if (!--helper->holds && helper->held.first)
		helper_give(helper);
}

struct work *helper_take(struct helper *helper)
{
	struct work *work;

	pthread_mutex_lock(&helper->lock);
	work = work_list_take(&helper->done);
	pthread_mutex_unlock(&helper->lock);
	return work;
}

void helper_clear(struct helper *helper)
{
	eventfd_t value;

	/* Fails only when it is clear already. */
	(void)eventfd_read(helper->done_fd, &value);
}
