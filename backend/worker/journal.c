// SPDX-License-Identifier: MIT
/*
 * The journal's file: head, engine's records, redo list, objects, and for each
 * object the pages. The last part is large and sparse, and so not mapped.
 * Written by one worker, then read by its rescuer: never by two at once.
 */
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define JOURNAL_MAGIC	UINT64_C(0x6c6e726a72747075)
#define JOURNAL_PAGE	4096U

struct journal_head {
	uint64_t magic;		/* of journal_create() */
	uint64_t max_pages;
	uint32_t max_objects;
	_Atomic uint32_t nr_redo; /* 0: records are whole */
	_Atomic uint32_t vm;
	_Atomic uint32_t copying;
};

struct journal_redo {
	uint32_t index;
	uint8_t record[MIG_RECORD];
};

struct journal_object {
	_Atomic uint32_t nr;	/* pages; 0: there is none */
	_Atomic uint32_t ram;
};

/* Offsets of the parts. */
struct layout {
	uint32_t nr_records;
	uint64_t records;
	uint64_t redo;
	uint64_t objects;
	uint64_t pages;
	uint64_t end;
};

/* Room for @nr things of @size octets at *@end, in whole pages. */
static bool part_add(uint64_t *end, uint64_t *at, uint64_t nr, uint64_t size)
{
	uint64_t octets;

	*at = *end;
	return !__builtin_mul_overflow(nr, size, &octets) &&
	       !__builtin_add_overflow(octets, JOURNAL_PAGE - 1, &octets) &&
	       !__builtin_add_overflow(*end, octets & ~(uint64_t)(JOURNAL_PAGE - 1),
				       end);
}

static int layout_make(const struct core_limits *limits, struct layout *layout)
{
	const struct mig_limits mig_limits = {
		.max_pages = core_max_kept(limits),
		.max_objects = limits->max_objects,
		.max_asks = 1,
	};
	uint64_t stride, head;

	*layout = (struct layout){ 0 };
	layout->nr_records = mig_journal_records(&mig_limits);
	if (!part_add(&layout->end, &head, 1, sizeof(struct journal_head)) ||
	    !part_add(&layout->end, &layout->records, layout->nr_records,
		      MIG_RECORD) ||
	    !part_add(&layout->end, &layout->redo, layout->nr_records,
		      sizeof(struct journal_redo)) ||
	    !part_add(&layout->end, &layout->objects, limits->max_objects,
		      sizeof(struct journal_object)) ||
	    __builtin_mul_overflow(limits->max_pages,
				   sizeof(struct journal_page), &stride) ||
	    !part_add(&layout->end, &layout->pages, limits->max_objects,
		      stride) ||
	    layout->end > INT64_MAX)
		return -ERANGE;
	return 0;
}

static int head_write(int fd, const struct core_limits *limits)
{
	const struct journal_head head = {
		.magic = JOURNAL_MAGIC,
		.max_pages = limits->max_pages,
		.max_objects = limits->max_objects,
	};
	ssize_t done = pwrite(fd, &head, sizeof(head), 0);

	if (done < 0)
		return -errno;
	return done == (ssize_t)sizeof(head) ? 0 : -EIO;
}

int journal_create(const struct core_limits *limits)
{
	struct layout layout;
	int fd, ret;

	ret = layout_make(limits, &layout);
	if (ret)
		return ret;
	fd = memfd_create("userptrd-journal", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	/* A writer that shrank it would crash its reader. */
	if (ftruncate(fd, (off_t)layout.end) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		ret = -errno;
	if (!ret)
		ret = head_write(fd, limits);
	if (!ret)
		return fd;
	close(fd);
	return ret;
}

static bool head_valid(const struct journal_head *head,
		       const struct core_limits *limits)
{
	return head->magic == JOURNAL_MAGIC &&
	       head->max_pages == limits->max_pages &&
	       head->max_objects == limits->max_objects;
}

int journal_open(struct journal *journal, int fd,
		 const struct core_limits *limits)
{
	struct layout layout;
	struct stat file;
	uint8_t *start;
	int ret;

	ret = layout_make(limits, &layout);
	if (ret)
		return ret;
	if (fstat(fd, &file) < 0)
		return -errno;
	if ((uint64_t)file.st_size != layout.end)
		return -EBADMSG;
	start = mmap(NULL, layout.pages, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		     0);
	if (start == MAP_FAILED)
		return -errno;
	if (!head_valid((struct journal_head *)start, limits)) {
		munmap(start, layout.pages);
		return -EBADMSG;
	}
	*journal = (struct journal){
		.fd = fd,
		.head = (struct journal_head *)start,
		.records = start + layout.records,
		.redo = (struct journal_redo *)(start + layout.redo),
		.objects = (struct journal_object *)(start + layout.objects),
		.nr_records = layout.nr_records,
		.max_objects = limits->max_objects,
		.max_pages = limits->max_pages,
		.pages_at = layout.pages,
	};
	return 0;
}

void journal_close(struct journal *journal)
{
	munmap(journal->head, journal->pages_at);
	close(journal->fd);
	journal->head = NULL;
	journal->fd = -1;
}

/* ---- the engine's records ---- */

/* May be done again: by a rescuer of a worker that died in it. */
static int redo_apply(struct journal *journal, uint32_t nr)
{
	uint32_t i;

	for (i = 0; i < nr; i++)
		if (journal->redo[i].index >= journal->nr_records)
			return -EINVAL;
	for (i = 0; i < nr; i++)
		memcpy(journal->records +
		       (size_t)journal->redo[i].index * MIG_RECORD,
		       journal->redo[i].record, MIG_RECORD);
	/* The records before the word that says that they are whole. */
	atomic_store_explicit(&journal->head->nr_redo, 0, memory_order_release);
	return 0;
}

/* The engine names a record once in a step, so the list is long enough. */
void journal_step(struct journal *journal, struct mig *mig)
{
	uint32_t nr = 0;

	while (nr < journal->nr_records &&
	       mig_journal_next(mig, &journal->redo[nr].index,
				journal->redo[nr].record))
		nr++;
	if (!nr)
		return;
	atomic_store_explicit(&journal->head->nr_redo, nr,
			      memory_order_release);
	/* Indices are the engine's own. */
	(void)redo_apply(journal, nr);
}

int journal_recover(struct journal *journal, struct mig *mig, uint64_t now)
{
	uint32_t nr = atomic_load_explicit(&journal->head->nr_redo,
					   memory_order_acquire);

	if (nr > journal->nr_records || redo_apply(journal, nr))
		return -EINVAL;
	return mig_recover(mig, journal->records, now,
			   atomic_load(&journal->head->copying) != 0);
}

void journal_set_vm(struct journal *journal, uint32_t id)
{
	atomic_store(&journal->head->vm, id);
}

uint32_t journal_vm(const struct journal *journal)
{
	return atomic_load(&journal->head->vm);
}

void journal_set_copying(struct journal *journal)
{
	atomic_store(&journal->head->copying, 1);
}

/* ---- objects ---- */

static off_t page_at(const struct journal *journal, uint32_t obj, uint32_t page)
{
	return (off_t)(journal->pages_at + sizeof(struct journal_page) *
		       (obj * journal->max_pages + page));
}

static ssize_t octets_read(int fd, void *octets, size_t size, off_t at)
{
	return pread(fd, octets, size, at);
}

static ssize_t octets_write(int fd, void *octets, size_t size, off_t at)
{
	return pwrite(fd, octets, size, at);
}

/* All of it; what the file does not have is an error. */
static int pages_move(const struct journal *journal,
		      ssize_t (*move)(int fd, void *octets, size_t size,
				      off_t at),
		      void *pages, size_t size, off_t at)
{
	uint8_t *octets = pages;

	while (size) {
		ssize_t done = move(journal->fd, octets, size, at);

		if (done < 0 && errno != EINTR)
			return -errno;
		if (done == 0)
			return -EBADMSG;
		if (done > 0) {
			octets += done;
			size -= (size_t)done;
			at += done;
		}
	}
	return 0;
}

int journal_add(struct journal *journal, uint32_t obj, const uint32_t *grefs,
		uint32_t nr)
{
	struct journal_page *pages = calloc(nr, sizeof(*pages));
	uint32_t i;
	int ret;

	if (!pages)
		return -ENOMEM;
	for (i = 0; i < nr; i++)
		pages[i].gref = grefs[i];
	ret = pages_move(journal, octets_write, pages, nr * sizeof(*pages),
			 page_at(journal, obj, 0));
	free(pages);
	if (ret)
		return ret;
	atomic_store(&journal->objects[obj].ram, 0);
	atomic_store(&journal->objects[obj].nr, nr);
	return 0;
}

/* A hole reads as zeroes. */
int journal_trim(struct journal *journal, uint32_t obj, uint32_t first,
		 uint32_t nr)
{
	return fallocate(journal->fd,
			 FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 page_at(journal, obj, first),
			 (off_t)(nr * sizeof(struct journal_page))) < 0 ?
	       -errno : 0;
}

void journal_del(struct journal *journal, uint32_t obj)
{
	uint32_t nr = atomic_exchange(&journal->objects[obj].nr, 0);

	/* Memory that stays used is all that a failure costs. */
	if (nr)
		(void)journal_trim(journal, obj, 0, nr);
}

void journal_set_ram(struct journal *journal, uint32_t obj, uint32_t handle)
{
	atomic_store(&journal->objects[obj].ram, handle);
}

uint32_t journal_ram(const struct journal *journal, uint32_t obj)
{
	return atomic_load(&journal->objects[obj].ram);
}

int journal_set_vram(struct journal *journal, uint32_t obj, uint32_t first,
		     uint32_t handle)
{
	return pages_move(journal, octets_write, &handle, sizeof(handle),
			  page_at(journal, obj, first) +
			  (off_t)offsetof(struct journal_page, vram));
}

int journal_pages(const struct journal *journal, uint32_t obj,
		  struct journal_page **pages, uint32_t *nr)
{
	uint32_t untrusted_nr = atomic_load(&journal->objects[obj].nr);
	int ret;

	if (!untrusted_nr)
		return -ENOENT;
	if (untrusted_nr > journal->max_pages)
		return -EBADMSG;
	*nr = untrusted_nr;
	*pages = calloc(*nr, sizeof(**pages));
	if (!*pages)
		return -ENOMEM;
	ret = pages_move(journal, octets_read, *pages, *nr * sizeof(**pages),
			 page_at(journal, obj, 0));
	if (!ret)
		return 0;
	free(*pages);
	*pages = NULL;
	return ret;
}
