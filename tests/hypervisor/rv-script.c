// SPDX-License-Identifier: MIT
/*
 * Runs steps given as words NAME[:A[:B]][=WANT]. A is the index of a page, WANT
 * the status (GNTST_*) or value that has to come out, 0 if not given.
 *
 *   open close            the channel
 *   arm disarm revoke wrevoke restore lost ram mmio query
 *                         operations on page A; lost is RESTORE with contents given
 *                         up; ram and mmio replace by this program's memory; B is
 *                         added to the frame
 *   state:A=N extra:A=N waiters:A=N frame:A=N
 *                         what a query of page A says
 *   want:A[:ACCESS]       wait for a want with at least these bits
 *   nowant                there is none
 *   map:A=OK rmap:A=OK    map page A once more, for reading (OK: 1 if it works)
 *   unmap:A               drop the first mapping
 *   copy:A[:B]            GNTTABOP_copy of 8 octets at offset B from page A; copyto to it
 *   why=N                 the reason for GNTST_unsupported in the last operation
 *   get:A=V put:A:V       first word of the page; oget, oput: of what replaces it
 *   print:N               a line "at N", for whoever waits for it
 *   sleep:MS hold         hold waits to be killed
 */
#include "rv-script.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct step {
	const char *name;
	long a, b, want;
};

static void expect(const struct step *s, long got)
{
	if (got != s->want)
		die("%s:%ld:%ld: got %ld, want %ld", s->name, s->a, s->b, got, s->want);
}

static const struct { const char *name; uint8_t cmd, flags; } ops[] = {
	{ "arm", GNTREV_CMD_arm, 0 },
	{ "disarm", GNTREV_CMD_disarm, 0 },
	{ "revoke", GNTREV_CMD_revoke, 0 },
	{ "wrevoke", GNTREV_CMD_revoke, GNTREV_OP_writes },
	{ "restore", GNTREV_CMD_restore, 0 },
	{ "lost", GNTREV_CMD_restore, GNTREV_OP_lost },
	{ "query", GNTREV_CMD_query, 0 },
	{ "ram", GNTREV_CMD_replace_ram, 0 },
	{ "mmio", GNTREV_CMD_replace_mmio, 0 },
};

static bool step_op(const struct step *s)
{
	uint64_t frame = 0;
	unsigned int i;

	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (strcmp(s->name, ops[i].name))
			continue;
		if (ops[i].cmd == GNTREV_CMD_replace_ram || ops[i].cmd == GNTREV_CMD_replace_mmio)
			frame = pages[s->a].other_frame + s->b;
		expect(s, op_one(s->a, ops[i].cmd, ops[i].flags, frame));
		return true;
	}
	return false;
}

static bool step_query(const struct step *s)
{
	const struct gnttab_revocable_op *op = op_last();
	bool frame = !strcmp(s->name, "frame");

	if (!strcmp(s->name, "why")) {
		expect(s, (long)op->frame);
		return true;
	}
	if (!frame && strcmp(s->name, "state") && strcmp(s->name, "extra") &&
	    strcmp(s->name, "waiters"))
		return false;
	if (frame) {	/* of the last operation */
		expect(s, op->frame == pages[s->a].gref);
		return true;
	}
	op_one(s->a, GNTREV_CMD_query, 0, 0);
	expect(s, s->name[0] == 's' ? op->state : s->name[0] == 'e' ? (long)op->extra_refs
								       : op->waiters);
	return true;
}

static bool step_map(const struct step *s)
{
	bool write = !strcmp(s->name, "map");
	uint64_t start = now_ns();
	void *p;

	if (!write && strcmp(s->name, "rmap"))
		return false;
	p = xengnttab_map_grant_ref(gnt, domid, pages[s->a].gref,
				    PROT_READ | (write ? PROT_WRITE : 0));
	expect(s, p != NULL);
	if (p)
		xengnttab_unmap(gnt, p, 1);
	if (now_ns() - start > 5000000000ULL)
		die("%s:%ld did not come back at once", s->name, s->a);
	return true;
}

static bool step_copy(const struct step *s)
{
	struct gnttab_copy *op;
	struct gnttab_copy_ptr *page, *own;
	uint8_t *buffer;
	int rc;

	if (strcmp(s->name, "copy") && strcmp(s->name, "copyto"))
		return false;
	op = hypercall_alloc(sizeof(*op));
	buffer = hypercall_alloc(RV_PAGE);
	page = strcmp(s->name, "copy") ? &op->dest : &op->source;
	own = page == &op->dest ? &op->source : &op->dest;
	op->flags = page == &op->dest ? GNTCOPY_dest_gref : GNTCOPY_source_gref;
	op->len = 8;
	page->domid = domid;
	page->u.ref = pages[s->a].gref;
	page->offset = s->b;
	own->domid = DOMID_SELF;
	own->u.gmfn = own_frame(buffer);
	op->status = 1;
	rc = grant_table_op(hypervisor(), GNTTABOP_copy, op, 1);
	if (rc)
		die("copy: %s", strerror(-rc));
	expect(s, op->status);
	munmap(op, sizeof(*op));
	munmap(buffer, RV_PAGE);
	return true;
}

static bool step_word(const struct step *s)
{
	bool other = s->name[0] == 'o';
	const char *what = s->name + other;
	volatile uint64_t *p;

	if (strcmp(what, "get") && strcmp(what, "put"))
		return false;
	p = (volatile uint64_t *)(other ? pages[s->a].other : pages[s->a].home);
	if (what[0] == 'p')
		*p = s->b;
	else
		expect(s, *p);
	return true;
}

static bool step_want(const struct step *s)
{
	static struct gnttab_revocable_fault *fault;

	if (!strcmp(s->name, "want")) {
		if (!want_seen(s->a, s->b, 20000))
			die("no want for page %ld", s->a);
		return true;
	}
	if (strcmp(s->name, "nowant"))
		return false;
	if (!fault)
		fault = hypercall_alloc(sizeof(*fault));
	if (fetch(fault, 1))
		die("a want for gref %u, access %u", fault->ref, fault->access);
	return true;
}

static bool step_channel(const struct step *s)
{
	struct gnttab_revocable_setup out;
	int rc;

	if (!strcmp(s->name, "open")) {
		channel_open();
		return true;
	}
	if (strcmp(s->name, "close"))
		return false;
	do
		rc = setup(GNTREV_SETUP_close, &out);
	while (rc == GNTST_eagain);
	expect(s, rc);
	return true;
}

static bool step_other(const struct step *s)
{
	if (!strcmp(s->name, "unmap")) {
		expect(s, xengnttab_unmap(gnt, pages[s->a].home, 1));
	} else if (!strcmp(s->name, "print")) {
		printf("at %ld\n", s->a);
	} else if (!strcmp(s->name, "sleep")) {
		usleep(s->a * 1000);
	} else if (!strcmp(s->name, "hold")) {
		printf("held\n");
		fflush(stdout);
		for (;;)
			pause();
	} else {
		return false;
	}
	fflush(stdout);
	return true;
}

static void step_run(const char *word)
{
	char name[32] = "";
	struct step s = { .name = name };
	const char *want = strchr(word, '=');

	if (want)
		s.want = strtol(want + 1, NULL, 0);
	if (sscanf(word, "%31[a-z]:%li:%li", name, &s.a, &s.b) < 1)
		die("what is %s?", word);
	if (s.a < 0)
		die("%s: no such page", word);
	if (!step_op(&s) && !step_query(&s) && !step_map(&s) && !step_copy(&s) &&
	    !step_word(&s) && !step_want(&s) && !step_channel(&s) && !step_other(&s))
		die("what is %s?", word);
}

void script_run(int argc, char **argv)
{
	int i;

	for (i = 0; i < argc; i++)
		step_run(argv[i]);
}
