// SPDX-License-Identifier: MIT
/*
 * Copies directories and bind lists out of the guest. Between the request's
 * check (core) and the mapping of the pages (module.c) in walk A. The chain is
 * judged by the core's walker; here only octets move.
 */
#include "grant.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "module.h"

/* Pages of one copy call. */
#define GRANT_BATCH	((uint32_t)XEN_USERPTR_BACK_READ_MAX)

/* Room for entries is made as the chain proves to be that long. */
#define GRANT_FIRST_ROOM	(4U * XENUSERPTR_DIR_ENTRIES)

static int grant_copy_pages(struct grant_reader *reader, const uint32_t *grefs,
			    uint32_t nr, void *pages)
{
	status_add(&reader->status->copy_calls, 1);
	if (module_copy(reader->module, grefs, nr, pages))
		return -EIO;
	status_add(&reader->status->copy_pages, nr);
	return 0;
}

/* Doubles *room up to @nr; on failure the old array is still the caller's. */
static int grant_grow(uint32_t **grefs, uint32_t *room, uint32_t nr)
{
	uint32_t want = *room ? *room * 2 : GRANT_FIRST_ROOM;
	uint32_t *bigger;

	if (want > nr)
		want = nr;
	bigger = reallocarray(*grefs, want, sizeof(**grefs));
	if (!bigger)
		return -ENOMEM;
	*grefs = bigger;
	*room = want;
	return 0;
}

static int grant_walk(struct grant_reader *reader, struct core_dir_walk *walk,
		      uint32_t nr, uint32_t **grefs)
{
	struct xen_userptrif_dir untrusted_page;
	uint32_t done = 0, room = 0;
	int ret;

	while (walk->left) {
		uint32_t gref = walk->next;
		uint32_t here = walk->left;

		if (here > XENUSERPTR_DIR_ENTRIES)
			here = XENUSERPTR_DIR_ENTRIES;
		while (room - done < here) {
			ret = grant_grow(grefs, &room, nr);
			if (ret)
				return ret;
		}
		ret = grant_copy_pages(reader, &gref, 1, &untrusted_page);
		if (ret)
			return ret;
		ret = core_dir_page(walk, &untrusted_page, *grefs + done);
		if (ret < 0)
			return ret;
		status_add(&reader->status->copy_used,
			   sizeof(untrusted_page.next) + (uint64_t)ret * sizeof(**grefs));
		done += (uint32_t)ret;
	}
	return done == nr ? 0 : -EPROTO;
}

int grant_read_dir(struct grant_reader *reader, uint32_t gref_directory,
		   uint32_t nr, uint32_t **grefs)
{
	struct core_dir_walk walk;
	uint32_t *list = NULL;
	int ret;

	ret = core_dir_begin(&walk, gref_directory, nr);
	if (!ret)
		ret = grant_walk(reader, &walk, nr, &list);
	if (ret) {
		free(list);
		return ret;
	}
	*grefs = list;
	return 0;
}

static bool grant_tail_is_zero(const char *untrusted_page, uint32_t nr_ops)
{
	size_t i;

	for (i = nr_ops * sizeof(struct xen_userptrif_bind_op);
	     i < XENUSERPTR_PAGE_SIZE; i++)
		if (untrusted_page[i])
			return false;
	return true;
}

/* One batch of list pages; ops has room for all @left operations. */
static int grant_copy_ops(struct grant_reader *reader, const uint32_t *grefs,
			  uint32_t nr_pages, uint32_t left,
			  struct xen_userptrif_bind_op *ops, char *pages)
{
	uint32_t i;
	int ret;

	ret = grant_copy_pages(reader, grefs, nr_pages, pages);
	for (i = 0; !ret && i < nr_pages; i++) {
		const char *page = pages + i * XENUSERPTR_PAGE_SIZE;
		uint32_t here = left < XENUSERPTR_BIND_OPS_PER_PAGE ?
				left : XENUSERPTR_BIND_OPS_PER_PAGE;

		if (!grant_tail_is_zero(page, here))
			ret = -EPROTO;
		memcpy(ops, page, here * sizeof(*ops));
		ops += here;
		left -= here;
	}
	return ret;
}

static int grant_read_pages(struct grant_reader *reader, const uint32_t *grefs,
			    uint32_t nr_pages, uint32_t nr,
			    struct xen_userptrif_bind_op *ops)
{
	uint32_t first, batch;
	char *pages;
	int ret = 0;

	pages = malloc((size_t)GRANT_BATCH * XENUSERPTR_PAGE_SIZE);
	if (!pages)
		return -ENOMEM;
	for (first = 0; !ret && first < nr_pages; first += batch) {
		uint32_t skip = first * XENUSERPTR_BIND_OPS_PER_PAGE;

		batch = nr_pages - first;
		if (batch > GRANT_BATCH)
			batch = GRANT_BATCH;
		ret = grant_copy_ops(reader, grefs + first, batch, nr - skip,
				     ops + skip, pages);
	}
	free(pages);
	return ret;
}

int grant_read_binds(struct grant_reader *reader, uint32_t gref_directory,
		     uint32_t nr, struct xen_userptrif_bind_op **untrusted_ops)
{
	struct xen_userptrif_bind_op *ops;
	uint32_t *grefs = NULL;
	uint32_t nr_pages;
	int ret;

	nr_pages = nr / XENUSERPTR_BIND_OPS_PER_PAGE +
		   (nr % XENUSERPTR_BIND_OPS_PER_PAGE != 0);
	ret = grant_read_dir(reader, gref_directory, nr_pages, &grefs);
	if (ret)
		return ret;
	ops = calloc(nr, sizeof(*ops));
	ret = ops ? grant_read_pages(reader, grefs, nr_pages, nr, ops) : -ENOMEM;
	free(grefs);
	if (ret) {
		free(ops);
		return ret;
	}
	*untrusted_ops = ops;
	return 0;
}
