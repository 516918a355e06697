/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* notifier.c: the ranges of a program's memory that make up an object. */
#ifndef XU_RANGE_H
#define XU_RANGE_H

#include <linux/mmu_notifier.h>
#include <linux/types.h>

struct xu_object;
struct xu_vm;

/* One range of the program's memory with its notifier. */
struct xu_range {
	struct mmu_interval_notifier notifier;
	struct xu_object *obj;
	unsigned long addr;
	u32 nr_pages;
	u32 first_page;			/* of the object */
	bool watched;
#ifdef XU_HAVE_TWO_PASS_NOTIFIER
	struct mmu_interval_notifier_finish finish;
	unsigned long finishing;	/* bit 0: @finish is in use */
#endif
};

int xu_object_watch(struct xu_object *obj);
void xu_object_unwatch(struct xu_object *obj);
/* Compare what is marked "check" and may be mapped in @vm; -ESTALE. Sleeps. */
int xu_vm_check_objects(struct xu_vm *vm);
/* Was any of these pages, or all of the object, unmapped by the program? */
bool xu_object_part_gone(struct xu_object *obj, u32 first, u32 nr);
bool xu_object_all_gone(struct xu_object *obj);
/* Take an object off the lists of those to compare and to trim. */
void xu_object_uncheck(struct xu_object *obj);

#endif /* XU_RANGE_H */
