// SPDX-License-Identifier: MIT
/* Waits for job fences. After EXEC in walk A; next is the core, then events.c. */
#include "jobs.h"

#include <errno.h>
#include <linux/sync_file.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct job {
	struct jobs *jobs;
	sd_event_source *source;	/* NULL: the slot is free */
	uint64_t cookie;
	uint32_t vm;
	int fence;
};

int jobs_init(struct jobs *jobs, uint32_t max_jobs)
{
	jobs->slots = calloc(max_jobs, sizeof(*jobs->slots));
	if (!jobs->slots)
		return -ENOMEM;
	jobs->max_jobs = max_jobs;
	jobs->used = 0;
	return 0;
}

static void job_drop(struct job *job)
{
	sd_event_source_disable_unref(job->source);
	job->source = NULL;
	close(job->fence);
	job->jobs->used--;
}

int jobs_read_fence(int fence)
{
	struct sync_file_info info;

	memset(&info, 0, sizeof(info));
	if (ioctl(fence, SYNC_IOC_FILE_INFO, &info) < 0)
		return -EIO;
	if (info.status == 0)
		return 1;
	return info.status < 0 ? info.status : 0;
}

static int job_on_fence(sd_event_source *source, int fd, uint32_t revents,
			void *context)
{
	struct job *job = context;
	struct jobs *jobs = job->jobs;
	uint32_t slot = (uint32_t)(job - jobs->slots);
	int error = jobs_read_fence(fd);

	(void)source;
	(void)revents;
	if (error == 1)
		return 0;
	job_drop(job);
	return jobs->ended(jobs->context, slot, job->vm, job->cookie, error);
}

int jobs_add(struct jobs *jobs, uint32_t slot, uint32_t vm, uint64_t cookie,
	     int fence)
{
	struct job *job = &jobs->slots[slot];
	int ret;

	if (slot >= jobs->max_jobs || job->source) {
		close(fence);
		return -EINVAL;
	}
	ret = sd_event_add_io(jobs->loop, &job->source, fence, EPOLLIN,
			      job_on_fence, job);
	if (ret < 0) {
		close(fence);
		return ret;
	}
	job->jobs = jobs;
	job->vm = vm;
	job->cookie = cookie;
	job->fence = fence;
	jobs->used++;
	return 0;
}
