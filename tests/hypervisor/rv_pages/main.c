// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The part of the tests of revocable grants that only a kernel can do. In a guest:
 * grants kernel pages and touches them as page tables, with interrupts off, as
 * hypercall buffers, and gives them up.
 *
 * A command is written to /dev/rv-pages, its result read from there:
 *   grant DOMID N    grant N pages; prints their grefs
 *   user DOMID ADDR  the same with the writer's page at this address
 *   allow FLAGS      opt all of them in; prints the first status that is not 0
 *   alias I [DOMID]  grant page I once more, or to this domain; prints the gref
 *   peek I           the first word of page I
 *   emulate I        the same, read by Xen's emulator (option hvm_fep)
 *   poke I VALUE     write it
 *   touch N [MS]     N times: wait until the first word of page 1 is the number of
 *                    the round, rest as long, read page 0, and store the number in the
 *                    second word; prints the nanoseconds that reading took
 *   irqsoff I        add 1 to it with interrupts off; prints the microseconds
 *   walk I MS        use page I as a page table for this time; prints counts
 *   hypercall I      have Xen read and write an argument there; prints both results
 *   time I           have Xen keep a vCPU's time there, and stop it; prints both results
 *   fifo I           have Xen keep event channels there; prints the result
 *   balloon I        give page I back to Xen; populate I: and get another
 *   exchange I       ask Xen for another frame in its place; prints the result
 *   overwrite I K    put the frame of page K in the place of page I
 *   lost             prints the gfns of pages whose contents were lost
 *   frame PFN        prints what Xen calls this page frame: for dom0's programs
 *   area             allocate 512 pages in a row; prints the first gfn
 *   dirty            write to each of them; prints the nanoseconds
 *   outs             write words to a port, the first of which lies in the first two
 *                    of them; prints how many words are left to do
 *   gfn I            prints the gfn of page I
 *   end              end all grants and free the pages; prints how many could not be
 *
 * One lock around a command; a page that Xen still uses is never freed.
 */
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <asm/asm.h>
#include <asm/xen/hypercall.h>
#include <xen/grant_table.h>
#include <xen/interface/memory.h>
#include <xen/page.h>
#include <xen/xen.h>
#include <xen/xen-ops.h>
#include "../../../protocol/xen_revocable.h"
#include "rv_pages.h"

#define AREA_ORDER 9
#define WALK_PAGES (2 * PTRS_PER_PTE)
#define UNUSED_PORT 0x80
#define TOUCH_SECONDS 20
#define MAX_TOUCHES 64

static DEFINE_MUTEX(lock);
struct rv_page pages[MAX_PAGES];
unsigned int nr_pages;
static struct page *area;
static char result[1024];
static size_t result_len;

void say(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	result_len += vscnprintf(result + result_len, sizeof(result) - result_len, format, ap);
	va_end(ap);
}

static void page_put(struct rv_page *p)
{
	if (p->pinned)
		unpin_user_page(p->page);
	else
		__free_page(p->page);
}

/* The page is the list's, or it is put. */
static int page_grant(struct rv_page *p, unsigned long domid)
{
	p->gref = gnttab_grant_foreign_access(domid, xen_page_to_gfn(p->page), 0);
	if (p->gref < 0) {
		page_put(p);
		return p->gref;
	}
	p->domid = domid;
	nr_pages++;
	say("%d ", p->gref);
	return 0;
}

static int do_grant(unsigned long domid, unsigned long n)
{
	int rc = 0;

	for (; n && !rc; n--) {
		struct rv_page *p = &pages[nr_pages];

		if (nr_pages == MAX_PAGES)
			return -ENOSPC;
		p->pinned = false;
		p->page = alloc_page(GFP_KERNEL | __GFP_ZERO);
		if (!p->page)
			return -ENOMEM;
		rc = page_grant(p, domid);
	}
	return rc;
}

static int do_user(unsigned long domid, unsigned long addr)
{
	struct rv_page *p = &pages[nr_pages];

	if (nr_pages == MAX_PAGES)
		return -ENOSPC;
	if (pin_user_pages_fast(addr, 1, FOLL_WRITE | FOLL_LONGTERM, &p->page) != 1)
		return -EFAULT;
	p->pinned = true;
	return page_grant(p, domid);
}

/* Opt a grant of page p in; *status is the first that is not 0. */
static int allow_one(const struct rv_page *p, int gref, unsigned long flags, int *status)
{
	struct gnttab_revocable_allow op = {
		.gfn = xen_page_to_gfn(p->page), .ref = gref, .dom = p->domid,
		.flags = flags, .status = 1,
	};
	int rc = HYPERVISOR_grant_table_op(GNTTABOP_revocable_allow, &op, 1);

	if (!rc && !*status)
		*status = op.status;
	return rc;
}

static int do_allow(unsigned long flags, unsigned long unused)
{
	unsigned int i;
	int rc = 0, status = 0;

	for (i = 0; i < nr_pages && !rc; i++) {
		rc = allow_one(&pages[i], pages[i].gref, flags, &status);
		if (!rc && pages[i].alias)
			rc = allow_one(&pages[i], pages[i].alias, flags, &status);
	}
	say("%d", status);
	return rc;
}

static int do_alias(unsigned long i, unsigned long domid)
{
	int gref;

	if (pages[i].alias)
		return -EBUSY;
	gref = gnttab_grant_foreign_access(domid ?: pages[i].domid,
					   xen_page_to_gfn(pages[i].page), 0);
	if (gref < 0)
		return gref;
	pages[i].alias = gref;
	say("%d", gref);
	return 0;
}

static int do_peek(unsigned long i, unsigned long unused)
{
	say("%llu", READ_ONCE(*(u64 *)page_address(pages[i].page)));
	return 0;
}

/* Xen takes the prefix away and emulates the instruction behind it. */
static int do_emulate(unsigned long i, unsigned long unused)
{
	u64 value;

	asm volatile("ud2; .ascii \"xen\"; mov (%1), %0"
		     : "=r"(value) : "r"(page_address(pages[i].page)) : "memory");
	say("%llu", value);
	return 0;
}

static int do_poke(unsigned long i, unsigned long value)
{
	WRITE_ONCE(*(u64 *)page_address(pages[i].page), value);
	return 0;
}

static int await_word(const u64 *word, u64 value)
{
	unsigned long end = jiffies + TOUCH_SECONDS * HZ;

	while (READ_ONCE(*word) != value) {
		if (time_after(jiffies, end))
			return -ETIMEDOUT;
		usleep_range(100, 200);
	}
	return 0;
}

static int do_touch(unsigned long n, unsigned long rest_ms)
{
	u64 *mail, *word, start, i;
	int rc;

	if (nr_pages < 2 || n > MAX_TOUCHES)
		return -EINVAL;
	word = page_address(pages[0].page);
	mail = page_address(pages[1].page);
	for (i = 1; i <= n; i++) {
		rc = await_word(&mail[0], i);
		if (rc)
			return rc;
		if (rest_ms)
			usleep_range(rest_ms * 1000, rest_ms * 1000 + 100);
		start = ktime_get_mono_fast_ns();
		READ_ONCE(*word);
		say("%llu ", ktime_get_mono_fast_ns() - start);
		WRITE_ONCE(mail[1], i);
	}
	return 0;
}

static int do_irqsoff(unsigned long i, unsigned long unused)
{
	volatile u64 *word = page_address(pages[i].page);
	unsigned long flags;
	u64 start, end;

	local_irq_save(flags);
	start = ktime_get_mono_fast_ns();
	(*word)++;
	end = ktime_get_mono_fast_ns();
	local_irq_restore(flags);
	say("%llu", (end - start) / 1000);
	return 0;
}

/* The entry that refers to the page table for an address of the kernel. */
static pmd_t *pmd_of(unsigned long addr)
{
	pgd_t *pgd = (pgd_t *)__va(read_cr3_pa()) + pgd_index(addr);
	p4d_t *p4d = p4d_offset(pgd, addr);
	pud_t *pud;

	if (p4d_none(*p4d))
		return NULL;
	pud = pud_offset(p4d, addr);
	return pud_none(*pud) || pud_leaf(*pud) ? NULL : pmd_offset(pud, addr);
}

static void invalidate(unsigned long addr)
{
	asm volatile("invlpg (%0)" : : "r"(addr) : "memory");
}

/*
 * Read through random entries. Clearing the accessed bit writes to the table,
 * and setting it again is a write by the processor's walk.
 */
static void walk_entries(u64 *table, unsigned long base, u64 want, unsigned long ms)
{
	unsigned long end = jiffies + msecs_to_jiffies(ms), walks = 0, bad = 0, slowest = 0, took;
	u64 random = 88172645463325252ULL, start;

	while (time_before(jiffies, end)) {
		unsigned int k = (random >> 20) % PTRS_PER_PTE;

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		start = ktime_get_mono_fast_ns();
		if (walks % 4 == 0)
			WRITE_ONCE(table[k], READ_ONCE(table[k]) & ~(u64)_PAGE_ACCESSED);
		invalidate(base + k * PAGE_SIZE);
		bad += READ_ONCE(*(u64 *)(base + k * PAGE_SIZE)) != want;
		if (!(READ_ONCE(table[k]) & _PAGE_ACCESSED))
			bad++;
		took = (unsigned long)(ktime_get_mono_fast_ns() - start);
		slowest = max(slowest, took);
		walks++;
		cond_resched();
	}
	say("walks %lu slowest %lu us bad %lu", walks, slowest / 1000, bad);
}

/* Put page i in place of the page table of a mapping made for that. */
static int walk_mapped(void *mapped, u64 *data, unsigned long i, unsigned long ms)
{
	unsigned long base = ALIGN((unsigned long)mapped, PMD_SIZE);
	u64 *table = page_address(pages[i].page);
	pmd_t *pmd, old;
	unsigned int k;

	*data = 0x7761786c6b696e67ULL;
	READ_ONCE(*(u64 *)base);	/* the tables may only exist after a fault */
	pmd = pmd_of(base);
	if (!pmd || pmd_none(*pmd) || pmd_leaf(*pmd))
		return -ENXIO;
	old = *pmd;
	memcpy(table, (void *)pmd_page_vaddr(old), PAGE_SIZE);
	WRITE_ONCE(*(u64 *)pmd, PFN_PHYS(page_to_pfn(pages[i].page)) | _KERNPG_TABLE);
	for (k = 0; k < PTRS_PER_PTE; k++)
		invalidate(base + k * PAGE_SIZE);
	walk_entries(table, base, *data, ms);
	WRITE_ONCE(*(u64 *)pmd, pmd_val(old));
	for (k = 0; k < PTRS_PER_PTE; k++)
		invalidate(base + k * PAGE_SIZE);
	return 0;
}

static int do_walk(unsigned long i, unsigned long ms)
{
	struct page **list = kvmalloc_array(WALK_PAGES, sizeof(*list), GFP_KERNEL);
	struct page *data = alloc_page(GFP_KERNEL | __GFP_ZERO);
	unsigned int k;
	void *mapped;
	int rc = -ENOMEM;

	if (!list || !data)
		goto free;
	for (k = 0; k < WALK_PAGES; k++)
		list[k] = data;
	mapped = vmap(list, WALK_PAGES, VM_MAP, PAGE_KERNEL);
	if (!mapped)
		goto free;
	rc = walk_mapped(mapped, page_address(data), i, ms);
	vunmap(mapped);
free:
	if (data)
		__free_page(data);
	kvfree(list);
	return rc;
}

static int do_lost(unsigned long unused, unsigned long unused2)
{
	struct gnttab_revocable_fault op;
	int rc;

	for (;;) {
		op = (struct gnttab_revocable_fault){ .dom = DOMID_SELF, .status = 1 };
		rc = HYPERVISOR_grant_table_op(GNTTABOP_revocable_faults, &op, 1);
		if (rc || op.status)
			return rc;
		if (op.access == GNTREV_ACCESS_lost)
			say("%llu ", op.gfn);
	}
}

static int do_gfn(unsigned long i, unsigned long unused)
{
	say("%lu", xen_page_to_gfn(pages[i].page));
	return 0;
}

static int do_frame(unsigned long pfn, unsigned long unused)
{
	if (!pfn_valid(pfn))
		return -EINVAL;
	say("%lu", pfn_to_gfn(pfn));
	return 0;
}

/* Stays until the module goes: once only. */
static int do_area(unsigned long unused, unsigned long unused2)
{
	if (!area)
		area = alloc_pages(GFP_KERNEL | __GFP_ZERO, AREA_ORDER);
	if (!area)
		return -ENOMEM;
	say("%lu", xen_page_to_gfn(area));
	return 0;
}

static int do_dirty(unsigned long unused, unsigned long unused2)
{
	unsigned long i;
	u64 start;

	if (!area)
		return -ENOENT;
	start = ktime_get_mono_fast_ns();
	for (i = 0; i < 1UL << AREA_ORDER; i++)
		WRITE_ONCE(*(u64 *)page_address(area + i), i);
	say("%llu", ktime_get_mono_fast_ns() - start);
	return 0;
}

/* Xen emulates it, one word as any output, more of them as a block. */
static int do_outs(unsigned long unused, unsigned long unused2)
{
	unsigned long words = 2;
	const void *from;

	if (!area)
		return -ENOENT;
	from = page_address(area) + PAGE_SIZE - 1;
	asm volatile("1: rep outsw\n2:\n" _ASM_EXTABLE(1b, 2b)
		     : "+S"(from), "+c"(words) : "d"(UNUSED_PORT) : "memory");
	say("%lu", words);
	return 0;
}

/* False if Xen still uses the page. */
static bool page_end(struct rv_page *p)
{
	if (p->alias && !gnttab_try_end_foreign_access(p->alias))
		return false;
	p->alias = 0;
	if (!gnttab_try_end_foreign_access(p->gref) || p->away)
		return false;
	page_put(p);
	return true;
}

static int do_end(unsigned long unused, unsigned long unused2)
{
	unsigned int i, kept = 0;

	for (i = 0; i < nr_pages; i++)
		if (!page_end(&pages[i]))
			pages[kept++] = pages[i];
	memset(pages + kept, 0, (nr_pages - kept) * sizeof(pages[0]));
	nr_pages = kept;
	say("%u", kept);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(unsigned long, unsigned long);
	bool page;	/* the first argument is the number of a page */
} commands[] = {
	{ "grant", do_grant, false },	{ "user", do_user, false },
	{ "allow", do_allow, false },	{ "alias", do_alias, true },	{ "peek", do_peek, true },
	{ "poke", do_poke, true },	{ "emulate", do_emulate, true },
	{ "irqsoff", do_irqsoff, true },	{ "walk", do_walk, true },
	{ "hypercall", do_hypercall, true },	{ "time", do_time, true },
	{ "fifo", do_fifo, true },
	{ "balloon", do_balloon, true },	{ "populate", do_populate, true },
	{ "lost", do_lost, false },	{ "exchange", do_exchange, true },
	{ "overwrite", do_overwrite, true },	{ "gfn", do_gfn, true },
	{ "end", do_end, false },	{ "area", do_area, false },
	{ "frame", do_frame, false },	{ "outs", do_outs, false },
	{ "touch", do_touch, false },	{ "dirty", do_dirty, false },
};

static int command_run(const char *name, unsigned long a, unsigned long b)
{
	unsigned int i;
	int rc = -EINVAL;

	mutex_lock(&lock);
	result_len = 0;
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(name, commands[i].name) && (!commands[i].page || a < nr_pages)) {
			rc = commands[i].run(a, b);
			say("\n");
		}
	mutex_unlock(&lock);
	return rc;
}

static ssize_t dev_write(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	char text[64] = "", name[16] = "";
	unsigned long a = 0, b = 0;
	int rc;

	if (len >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, buf, len))
		return -EFAULT;
	if (sscanf(text, "%15s %lu %lu", name, &a, &b) < 1)
		return -EINVAL;
	rc = command_run(name, a, b);
	return rc ? rc : len;
}

static ssize_t dev_read(struct file *file, char __user *buf, size_t len, loff_t *pos)
{
	ssize_t rc;

	mutex_lock(&lock);
	rc = simple_read_from_buffer(buf, len, pos, result, result_len);
	mutex_unlock(&lock);
	return rc;
}

static const struct file_operations dev_ops = {
	.owner = THIS_MODULE,
	.write = dev_write, .read = dev_read,
};

static struct miscdevice dev = {
	.minor = MISC_DYNAMIC_MINOR, .name = "rv-pages",
	.fops = &dev_ops, .mode = 0600,
};

static int __init rv_init(void)
{
	return xen_domain() ? misc_register(&dev) : -ENODEV;
}

static void __exit rv_exit(void)
{
	misc_deregister(&dev);
	result_len = 0;
	do_end(0, 0);
	if (area)
		__free_pages(area, AREA_ORDER);
}

module_init(rv_init);
module_exit(rv_exit);
MODULE_DESCRIPTION("Kernel side of a guest's tests of revocable grants");
MODULE_LICENSE("Dual MIT/GPL");
