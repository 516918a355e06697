// SPDX-License-Identifier: MIT
/*
 * A kernel for a PVH guest, for tests that need one domain and no operating system, or
 * a processor without paging. 32 bits, so Xen translates the hypercalls. The command
 * line says which test; what it prints goes to Xen's console, each line with "micro: "
 * in front:
 *
 *   refuse   hypercalls of revocable grants that are refused whoever makes them; prints
 *            what is not as it should be, and "done N failed M"
 *   partial  grants dom0 a part of a page, a grant of another domain's, a whole page and
 *            the grant table itself, which is of version 2, as Linux does not use; prints
 *            their references, and "done" when dom0 has written to the page
 *   read     prints "gfn N" of a page, and reads it by Xen's emulator (option hvm_fep)
 *            until it is not what was written: "wrong VALUE"
 */
#define __XEN_INTERFACE_VERSION__ __XEN_LATEST_INTERFACE_VERSION__
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xen/xen.h>
#include <xen/sched.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/arch-x86/hvm/start_info.h>
#include "../../protocol/xen_revocable.h"

#define CONSOLE_PORT 0xe9
#define CPUID_BASE 0x40000000
#define MAGIC 4711U
#define NOBODY (DOMID_FIRST_RESERVED - 1)
#define EFAULT 14
#define EINVAL 22

/* Xen enters here: 32 bits, no paging, %ebx has the address of the start info. */
__asm__(".pushsection .note.pvh, \"a\", @note\n"
	".long 4, 4, 18\n"		/* XEN_ELFNOTE_PHYS32_ENTRY */
	".asciz \"Xen\"\n"
	".long start\n"
	".popsection\n"
	".globl start\n"
	"start: mov $stack_end, %esp\n"
	"push %ebx\n"
	"call run\n");

void run(const struct hvm_start_info *info);

static uint8_t hypercall_page[4096] __attribute__((aligned(4096)));
static volatile uint32_t page[1024] __attribute__((aligned(4096)));
uint8_t stack[16384] __attribute__((aligned(16), used));
__asm__(".set stack_end, stack + 16384");

/* ---- what a kernel needs ---- */
static void put(char c)
{
	__asm__ volatile("outb %0, %1" : : "a"(c), "Nd"((uint16_t)CONSOLE_PORT));
}

static void put_text(const char *text)
{
	while (*text)
		put(*text++);
}

static void put_number(int n)
{
	unsigned int value = n < 0 ? -(unsigned int)n : (unsigned int)n, scale = 1;

	if (n < 0)
		put('-');
	while (value / scale >= 10)
		scale *= 10;
	for (; scale; scale /= 10)
		put((char)('0' + value / scale % 10));
}

static void say(const char *what, int a, const char *more, int b)
{
	put_text("micro: ");
	put_text(what);
	put_number(a);
	put_text(more);
	if (*more)
		put_number(b);
	put('\n');
}

static void hypercalls_enable(void)
{
	uint32_t a = CPUID_BASE + 2, b, msr, d;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(msr), "=c"(b), "=d"(d));
	__asm__ volatile("wrmsr" : : "c"(msr), "a"(hypercall_page), "d"(0) : "memory");
}

static int hypercall(unsigned int nr, uint32_t a, const void *b, uint32_t c)
{
	int rc;

	__asm__ volatile("call *%1"
			 : "=a"(rc), "+r"((uint32_t){ (uint32_t)hypercall_page + nr * 32 }),
			   "+b"(a), "+c"(b), "+d"(c) : : "memory");
	return rc;
}

static bool equal(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

/* ---- what is refused ---- */
static unsigned int done, failed;

static void expect(const char *what, int want, int got)
{
	done++;
	if (got == want)
		return;
	failed++;
	put_text("micro: ");
	put_text(what);
	say(": ", got, ", expected ", want);
}

static const struct {
	const char *what;
	int want;
	struct gnttab_revocable_allow op;
} allows[] = {
	{ "opt-in", GNTST_okay, { .ref = 8, .flags = GNTREV_ALLOW_all } },
	{ "withdrawal", GNTST_okay, { .ref = 8 } },
	{ "opt-in for itself", GNTST_bad_domain, { .ref = 8, .dom = DOMID_SELF, .flags = GNTREV_ALLOW_all } },
	{ "opt-in for nobody", GNTST_bad_domain, { .ref = 8, .dom = NOBODY, .flags = GNTREV_ALLOW_all } },
	{ "opt-in of no reference", GNTST_bad_gntref, { .ref = ~0U, .flags = GNTREV_ALLOW_all } },
	{ "opt-in of a reserved one", GNTST_bad_gntref, { .ref = 1, .flags = GNTREV_ALLOW_all } },
	{ "opt-in, unknown flag", GNTST_general_error, { .ref = 8, .flags = 0x8000 } },
	{ "opt-in for replacement only", GNTST_general_error, { .ref = 8, .flags = GNTREV_ALLOW_replace } },
	{ "opt-in, padding", GNTST_general_error, { .ref = 8, .flags = GNTREV_ALLOW_all, .pad = { 0, 0, 1 } } },
};

static const struct {
	const char *what;
	int want;
	struct gnttab_revocable_op op;
} ops[] = {
	{ "arm of its own", GNTST_bad_domain, { .dom = DOMID_SELF, .ref = 8 } },
	{ "query of nobody's", GNTST_bad_domain, { .dom = NOBODY, .cmd = GNTREV_CMD_query } },
	{ "unknown command", GNTST_general_error, { .cmd = GNTREV_CMD_query + 1 } },
	{ "arm, flag", GNTST_general_error, { .flags = GNTREV_OP_lost } },
	{ "revoke, flag of restore", GNTST_general_error, { .cmd = GNTREV_CMD_revoke, .flags = GNTREV_OP_lost } },
	{ "restore, flag of revoke", GNTST_general_error, { .cmd = GNTREV_CMD_restore, .flags = GNTREV_OP_writes } },
	{ "restore, unknown flag", GNTST_general_error, { .cmd = GNTREV_CMD_restore, .flags = GNTREV_OP_disarm << 1 } },
	{ "revoke, flag of restore", GNTST_general_error, { .cmd = GNTREV_CMD_revoke, .flags = GNTREV_OP_disarm } },
	{ "revoke, frame", GNTST_general_error, { .cmd = GNTREV_CMD_revoke, .frame = 1 } },
	{ "replace, flag", GNTST_general_error, { .cmd = GNTREV_CMD_replace_ram, .flags = 1 } },
	{ "arm of a reference that dom0 lacks", GNTST_bad_gntref, { .ref = ~0U } },
};

/* Arguments lie in memory that Xen may write to. */
static void refuse_arrays(void)
{
	static struct gnttab_revocable_allow allow;
	static struct gnttab_revocable_op op;
	unsigned int i;
	int rc;

	for (i = 0; i < sizeof(allows) / sizeof(allows[0]); i++) {
		allow = allows[i].op;
		rc = hypercall(__HYPERVISOR_grant_table_op, GNTTABOP_revocable_allow, &allow, 1);
		expect(allows[i].what, allows[i].want, rc ? rc : allow.status);
	}
	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		op = ops[i].op;
		rc = hypercall(__HYPERVISOR_grant_table_op, GNTTABOP_revocable_op, &op, 1);
		expect(ops[i].what, ops[i].want, rc ? rc : op.status);
	}
}

static int setup(domid_t dom, uint16_t flags, unsigned int count)
{
	static struct gnttab_revocable_setup op;
	int rc;

	op = (struct gnttab_revocable_setup){ .dom = dom, .flags = flags, .status = 1 };
	rc = hypercall(__HYPERVISOR_grant_table_op, GNTTABOP_revocable_setup, &op, count);
	return rc ? rc : op.status;
}

static int faults(domid_t dom)
{
	static struct gnttab_revocable_fault op;
	int rc;

	op = (struct gnttab_revocable_fault){ .dom = dom, .status = 1 };
	rc = hypercall(__HYPERVISOR_grant_table_op, GNTTABOP_revocable_faults, &op, 1);
	return rc ? rc : op.status;
}

static void refuse(void)
{
	unsigned int cmd;

	refuse_arrays();
	expect("channel to nobody", GNTST_bad_domain, setup(NOBODY, GNTREV_SETUP_open, 1));
	expect("channel, unknown flag", GNTST_general_error, setup(0, 0x80, 1));
	expect("channel to who never opted in", GNTST_not_allowed, setup(0, GNTREV_SETUP_open, 1));
	expect("two channels", -EINVAL, setup(0, GNTREV_SETUP_open, 2));
	expect("wants of nobody", GNTST_bad_domain, faults(NOBODY));
	expect("own losses", GNTST_eagain, faults(DOMID_SELF));
	for (cmd = GNTTABOP_revocable_allow; cmd <= GNTTABOP_revocable_faults; cmd++)
		expect("no memory", -EFAULT, hypercall(__HYPERVISOR_grant_table_op, cmd, (void *)0xfffff000, 1));
	say("done ", (int)done, " failed ", (int)failed);
}

/* ---- grants of version 2 ---- */
enum { REF_PART = 8, REF_OTHERS, REF_PAGE, REF_TABLE };
static grant_entry_v2_t grants[256] __attribute__((aligned(4096)));

/* Xen's table takes the place of ours. */
static void grants_map(void)
{
	static struct xen_add_to_physmap map = { .domid = DOMID_SELF, .space = XENMAPSPACE_grant_table };
	static struct gnttab_set_version version = { .version = 2 };

	map.gpfn = (uint32_t)grants / 4096;
	expect("table", 0, hypercall(__HYPERVISOR_memory_op, XENMEM_add_to_physmap, &map, 0));
	expect("version", 0, hypercall(__HYPERVISOR_grant_table_op, GNTTABOP_set_version, &version, 1));
}

static void grants_fill(void)
{
	const uint64_t gfn = (uint32_t)page / sizeof(page);

	grants[REF_PART].sub_page.page_off = 16;
	grants[REF_PART].sub_page.length = 64;
	grants[REF_PART].sub_page.frame = gfn;
	grants[REF_OTHERS].transitive.trans_domid = NOBODY;
	grants[REF_OTHERS].transitive.gref = REF_PAGE;
	grants[REF_PAGE].full_page.frame = gfn;
	grants[REF_TABLE].full_page.frame = (uint32_t)grants / sizeof(page);
	__asm__ volatile("" : : : "memory");
	grants[REF_PART].hdr.flags = GTF_permit_access | GTF_sub_page;
	grants[REF_OTHERS].hdr.flags = GTF_transitive;
	grants[REF_PAGE].hdr.flags = GTF_permit_access;
	grants[REF_TABLE].hdr.flags = GTF_permit_access;
}

static void partial(void)
{
	static struct gnttab_revocable_allow allow;
	uint32_t ref;

	grants_map();
	grants_fill();
	for (ref = REF_PART; ref <= REF_TABLE; ref++) {
		allow = (struct gnttab_revocable_allow){
			.gfn = (ref == REF_TABLE ? (uint32_t)grants : (uint32_t)page) / sizeof(page),
			.ref = ref,
			.flags = GNTREV_ALLOW_all, .status = 1,
		};
		expect("opt-in", 0, hypercall(__HYPERVISOR_grant_table_op,
					      GNTTABOP_revocable_allow, &allow, 1));
		expect("opt-in's status", GNTST_okay, allow.status);
	}
	say("grefs ", REF_PART, " to ", REF_TABLE);
	while (page[0] != MAGIC)
		hypercall(__HYPERVISOR_sched_op, SCHEDOP_yield, NULL, 0);
	say("done ", (int)done, " failed ", (int)failed);
}

/* ---- an emulated read without paging ---- */
static void read(void)
{
	uint32_t value;

	page[0] = MAGIC;
	say("gfn ", (int)((uint32_t)page / sizeof(page)), "", 0);
	do {
		hypercall(__HYPERVISOR_sched_op, SCHEDOP_yield, NULL, 0);
		/* Xen takes the prefix away and emulates the instruction behind it. */
		__asm__ volatile("ud2; .ascii \"xen\"; movl (%1), %0" : "=r"(value) : "r"(page) : "memory");
	} while (value == MAGIC);
	say("wrong ", (int)value, "", 0);
}

void run(const struct hvm_start_info *info)
{
	static struct sched_shutdown off = { .reason = SHUTDOWN_poweroff };
	const char *test = (const char *)(uint32_t)info->cmdline_paddr;

	hypercalls_enable();
	if (equal(test, "refuse"))
		refuse();
	else if (equal(test, "partial"))
		partial();
	else if (equal(test, "read"))
		read();
	else
		put_text("micro: unknown test\n");
	for (;;)
		hypercall(__HYPERVISOR_sched_op, SCHEDOP_shutdown, &off, 0);
}
