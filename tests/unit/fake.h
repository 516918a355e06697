/* SPDX-License-Identifier: MIT */
/*
 * A fake for everything that core ops act on: guest ring, grants, GPU. It
 * keeps its own simple picture of the world (arrays, one entry per GPU page),
 * performs ops on it, and stops the program when an op is not legal in that
 * picture or core_check() finds a broken invariant. So it is an adapter and an
 * oracle at once, for unit tests and fuzzers.
 *
 * Ops that are answered wait in a list until fake_complete() or fake_run().
 */
#ifndef XU_FAKE_H
#define XU_FAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "core.h"

#define FAKE_PAGES	256U	/* GPU pages of a VM that the fake models */
#define FAKE_VA_START	0x100000u
#define FAKE_PAGE	4096u
#define FAKE_MAX	64U	/* objects, VMs, jobs that the fake can hold */
#define FAKE_OPS	512U	/* ops in flight */
#define FAKE_LISTS	8U	/* bind lists, named by gref_directory */
#define FAKE_IDS	65536U

/* One entry of a page table. */
struct fake_pte {
	uint32_t kind;		/* 0, XENUSERPTR_BIND_MAP or MAP_NULL */
	uint32_t obj;
	uint32_t page;
	uint32_t readonly;
};

struct fake_obj {
	bool list;		/* directory was read */
	bool mapped;
	bool unmapping;		/* UNMAP is DONE, UNMAPPED is due */
	bool early;		/* UNMAPPED came before the DONE */
	uint32_t nr_pages;
	uint32_t flags;
	bool *trimmed;		/* by page; NULL: none */
};

struct fake_vm {
	bool open;
	bool imported[FAKE_MAX];
	struct fake_pte pte[FAKE_PAGES];
};

struct fake_job {
	bool running;
	bool ended;
	uint32_t vm;
	uint32_t timeline;
	uint32_t status;
	uint64_t seqno;
};

struct fake {
	struct core *core;
	void *mem;
	struct core_limits limits;
	unsigned int max_ops;	/* room per core_step() */
	unsigned int check_every;	/* core_check() each so many steps */
	unsigned int nr_steps;

	struct core_op pending[FAKE_OPS];
	unsigned int nr_pending;
	unsigned int nr_answered;	/* DONE events so far */
	unsigned int fail_at;		/* this DONE fails, counted from 1; 0: none */
	uint32_t fail_status;
	unsigned int nr_failed;

	const struct xen_userptrif_bind_op *list[FAKE_LISTS];
	const struct xen_userptrif_bind_op *any_list;	/* for all, if set */

	struct fake_obj obj[FAKE_MAX];
	struct fake_vm vm[FAKE_MAX];
	struct fake_job job[FAKE_MAX];
	uint64_t fence[XENUSERPTR_MAX_TIMELINES];
	uint64_t error_seqno[XENUSERPTR_MAX_TIMELINES]; /* of the last event */

	unsigned int ops_by_type[CORE_OP_FENCE + 1];
	unsigned int answers_by_status[XENUSERPTR_STATUS_BUSY + 1];

	bool in_flight[FAKE_IDS];
	bool answered[FAKE_IDS];
	struct xen_userptrif_rsp *rsp;	/* by id, valid where answered */
	unsigned int nr_in_flight;
	unsigned int nr_events;
	struct xen_userptrif_evt last_event;
	uint16_t next_id;
};

extern const struct core_limits fake_limits;
extern const struct core_gpu fake_gpu;

/* Both may be NULL: the ones above. */
struct fake *fake_new(const struct core_limits *limits,
		      const struct core_gpu *gpu);
void fake_free(struct fake *fake);

/* Stop the program with a message: the picture and the core disagree. */
void fake_die(const char *file, int line, const char *what);
#define FAKE_ASSERT(x) ((x) ? (void)0 : fake_die(__FILE__, __LINE__, #x))

/* One packet; returns what core_step() said. Ops are taken up at once. */
int fake_request(struct fake *fake, const struct xen_userptrif_req *req);
/* The same for any event; ops in flight are left to the caller. */
int fake_event(struct fake *fake, const struct core_event *ev);

/* Answer the op at this place of the list; status OK performs it. */
int fake_complete(struct fake *fake, unsigned int place, uint32_t status);
/* Answer all, first in first out, UNMAPPED included, until none is left. */
void fake_run(struct fake *fake);
int fake_job_end(struct fake *fake, uint32_t job, uint32_t status,
		 uint64_t fault_va);
/* End all running jobs of a VM, or of all with UINT32_MAX. */
void fake_jobs_end(struct fake *fake, uint32_t vm, uint32_t status);
int fake_unmapped(struct fake *fake, uint32_t obj);

/* Do the core's trees say what the page tables say? No bind in flight. */
void fake_compare(struct fake *fake);
/* Nothing in flight, everything back at zero. */
void fake_assert_empty(struct fake *fake);

/*
 * A packet of zeros but for these. An initializer would not do: it may leave
 * the octets of a union undefined that the named member does not cover.
 */
struct xen_userptrif_req fake_req(uint8_t operation, uint16_t id);

/* Requests with a fresh id; they return the id, and die on -EPROTO. */
uint16_t fake_vm_create(struct fake *fake, uint32_t vm);
uint16_t fake_vm_create_on(struct fake *fake, uint32_t vm, uint32_t gpu);
uint16_t fake_vm_destroy(struct fake *fake, uint32_t vm);
uint16_t fake_obj_create(struct fake *fake, uint32_t obj, uint32_t nr_pages,
			 uint32_t flags);
uint16_t fake_obj_destroy(struct fake *fake, uint32_t obj);
uint16_t fake_obj_trim(struct fake *fake, uint32_t obj, uint32_t first,
		       uint32_t nr);
uint16_t fake_bind(struct fake *fake, uint32_t vm,
		   const struct xen_userptrif_bind_op *op);
uint16_t fake_bind_list(struct fake *fake, uint32_t vm, uint32_t list,
			const struct xen_userptrif_bind_op *ops, uint32_t nr);
uint16_t fake_exec(struct fake *fake, uint32_t vm, uint32_t engine,
		   uint32_t timeline, uint64_t seqno);
uint16_t fake_query(struct fake *fake, uint32_t what, uint32_t obj);

/* Operations by page number; the GPU address is FAKE_VA_START + page * 4096. */
struct xen_userptrif_bind_op fake_map(uint32_t obj, uint32_t offset_page,
				      uint32_t nr_pages, uint32_t va_page,
				      uint32_t flags);
struct xen_userptrif_bind_op fake_unmap(uint32_t nr_pages, uint32_t va_page);
struct xen_userptrif_bind_op fake_map_null(uint32_t nr_pages,
					   uint32_t va_page);

/* Status of an answered request; dies if it is not answered. */
uint32_t fake_status(struct fake *fake, uint16_t id);
bool fake_answered(struct fake *fake, uint16_t id);

#endif /* XU_FAKE_H */
