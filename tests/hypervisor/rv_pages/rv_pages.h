/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Between the files of rv_pages. */
#ifndef RV_PAGES_H
#define RV_PAGES_H

#include <linux/types.h>

#define MAX_PAGES 64

struct page;

struct rv_page {
	struct page *page;
	int gref, alias;	/* 0: none */
	unsigned int domid;
	bool away, pinned;	/* given back to Xen; a program's */
};

/* main.c; all of it under its lock */
extern struct rv_page pages[MAX_PAGES];
extern unsigned int nr_pages;
/* Add to the result of the command. */
__printf(1, 2) void say(const char *format, ...);

/* calls.c: commands, of which the first argument is the number of a page */
int do_hypercall(unsigned long i, unsigned long unused);
int do_time(unsigned long i, unsigned long unused);
int do_fifo(unsigned long i, unsigned long unused);
int do_balloon(unsigned long i, unsigned long unused);
int do_populate(unsigned long i, unsigned long unused);
int do_exchange(unsigned long i, unsigned long unused);
int do_overwrite(unsigned long i, unsigned long k);

#endif /* RV_PAGES_H */
