// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Waiting for pages that are away: memory that another binding has taken from its
 * guest cannot be mapped until it is home, but the attempt is a want, which brings
 * it there.
 *
 * Sleeps until some binding has given pages back, and tries again. Nobody waits
 * while nothing is armed: then one more try says whether the page is bad for
 * another reason. A page that another domain has taken away is not waited for
 * either.
 */
#include <linux/jiffies.h>
#include <linux/moduleparam.h>
#include <linux/sched/signal.h>
#include <linux/wait.h>

#include "back.h"

static unsigned int home_timeout_ms = 2000;
module_param(home_timeout_ms, uint, 0644);
MODULE_PARM_DESC(home_timeout_ms,
		 "Longest time that MAP waits for memory that was moved to come home (default 2000)");

atomic64_t back_host_armed = ATOMIC64_INIT(0);

static DECLARE_WAIT_QUEUE_HEAD(back_home_queue);

void back_home_wake(void)
{
	if (wq_has_sleeper(&back_home_queue))
		wake_up_all(&back_home_queue);
}

unsigned long back_home_deadline(void)
{
	return jiffies + msecs_to_jiffies(READ_ONCE(home_timeout_ms));
}

void back_home_wait(unsigned long until, bool (*done)(void *data), void *data)
{
	DEFINE_WAIT_FUNC(wait, woken_wake_function);
	long left = until - jiffies;

	add_wait_queue(&back_home_queue, &wait);
	while (!done(data) && left > 0 && atomic64_read(&back_host_armed) &&
	       !fatal_signal_pending(current))
		left = wait_woken(&wait, TASK_KILLABLE, left);
	remove_wait_queue(&back_home_queue, &wait);
}
