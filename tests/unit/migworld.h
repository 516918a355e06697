/* SPDX-License-Identifier: MIT */
/*
 * A fake for everything that ops of migration act on: the guest's page tables,
 * VRAM, GPUs and their mappings. It knows for each chunk which version of the
 * data each copy has and which one is the newest, so that every access of a
 * fake guest or GPU to anything but the newest data stops the program
 * (invariant 9), as does a copy whose source changes meanwhile (3), or
 * something freed that is still mapped (2).
 *
 * Ops that are answered wait until world_complete() or world_run(). What the
 * engine may rely on and nothing more is kept: an op may take effect at any
 * time before it is done, one that fails may have done a part.
 */
#ifndef XU_MIGWORLD_H
#define XU_MIGWORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "actions.h"
#include "chunk.h"

#define WORLD_CHUNKS	64U
#define WORLD_VMS	4U
#define WORLD_OBJS	4U
#define WORLD_PENDING	128U
#define WORLD_ASKS	16U
#define WORLD_TRACE	65536U
#define GARBAGE		UINT64_MAX

enum world_map { MAP_NONE, MAP_HOME, MAP_VRAM };

struct world_chunk {
	uint32_t obj;
	uint32_t first;
	uint32_t nr;
	bool used;
	uint8_t access;		/* enum mig_access that the guest has */
	bool armed;
	bool vram;		/* allocated */
	bool lost;		/* told, or given back as lost */
	bool discarded;
	bool asleep;		/* a vCPU waits for it */
	uint64_t home;		/* versions */
	uint64_t copy;
	uint64_t newest;
	uint8_t map[WORLD_VMS];	/* enum world_map */
	uint8_t uses[WORLD_VMS]; /* enum mig_access */
};

struct world_vm {
	bool open;
	bool stopped;
	bool stopping;
	bool stuck;		/* does not stop by itself */
	bool deaf;		/* KILL has no effect */
	bool killed;
	bool closing;		/* it shall be closed */
	uint32_t flags;
	uint32_t gpu;
	uint32_t jobs;
	uint32_t stop_id;
};

struct world_op {
	struct mig_op op;
	bool taken;		/* its effect is there */
	bool given_up;		/* a COPY that the engine waits for no more */
	bool killed;		/* it ends now, and has failed */
	uint64_t source;	/* COPY: version that it read */
};

/* What a READY is for. */
struct world_ask {
	bool used;
	bool ready;
	uint32_t token;
	uint32_t kind;
	uint32_t obj;
	uint32_t first;
	uint32_t nr;
	uint32_t vm;
	uint32_t access;	/* what the bind makes */
};

struct world {
	struct mig *mig;
	void *mem;
	struct mig_limits limits;
	struct mig_settings settings;
	uint64_t now;
	uint64_t nr_events;
	unsigned int max_ops;

	struct world_op pending[WORLD_PENDING];
	unsigned int nr_pending;
	unsigned int nr_answered;
	unsigned int fail_at;	/* this DONE fails, counted from 1; 0: none */
	uint32_t fail_status;
	bool failures;		/* ops failed: a GPU may find nothing mapped */
	bool losses;		/* contents may be lost */
	uint32_t extra_refs;	/* that each QUERY reports */
	bool hangs;		/* copies of GPUs do not end by themselves */
	bool copies_deaf;	/* ... nor by KILL_COPIES */
	bool revoke_counts;	/* each REVOKE reports them too */

	struct world_chunk chunk[WORLD_CHUNKS];
	struct world_vm vm[WORLD_VMS];
	struct world_ask ask[WORLD_ASKS];
	uint32_t obj_pages[WORLD_OBJS];
	uint32_t obj_readonly[WORLD_OBJS];
	uint32_t next_token;
	unsigned int ops_by_type[MIG_NR_OPS];
	unsigned int nr_ready;
	uint32_t last_ready_status;
	uint64_t reads;		/* checked accesses */
	bool left_copies;	/* of a dead worker go on: mig_recover() is told */

	uint8_t *journal;
	unsigned int cut_after;	/* the worker dies after that many ops */
	bool cut;		/* it did: nothing is heard until a restart */
	bool jobs_end;		/* jobs are short: they end when asked to settle */
	bool never_crash;
	bool recovering;
	bool keep_trace;
	bool no_us;		/* events do not say the time in us */
	uint8_t (*trace)[MIG_TRACE];
	unsigned int nr_trace;
	uint64_t op_hash;	/* of all ops given */
};

struct world *world_new(const struct mig_settings *settings);
void world_free(struct world *w);

/* One event; ops are taken up. Returns what mig_step() said. */
int world_event(struct world *w, struct mig_event ev);
/* The op at this place ends. */
void world_complete(struct world *w, unsigned int place, uint32_t status);
/* An op in flight takes effect before it is done. */
void world_effect(struct world *w, unsigned int place);
/* Time passes; TIME is given. */
void world_wait(struct world *w, uint64_t ms);
void world_wait_in_steps(struct world *w, uint64_t ms);
/* All ops and stops end, asks are answered, time passes, until all rests. */
void world_run(struct world *w);
/* As far as it goes without time passing. */
void world_settle(struct world *w);
/* A copy that does not end by itself. */
bool world_is_hung(const struct world *w, const struct world_op *p);
/* The first pending op that can end, or nr_pending: all hang. */
uint32_t world_endable(const struct world *w);

void world_obj(struct world *w, uint32_t obj, uint32_t nr, uint32_t flags);
void world_vm(struct world *w, uint32_t vm, uint32_t gpu, uint32_t flags);
void world_gpu_gone(struct world *w, uint32_t gpu);
void world_vm_close(struct world *w, uint32_t vm);
/* Ask, bind or unbind, tell, let go: starts it. */
void world_map(struct world *w, uint32_t vm, uint32_t obj, uint32_t first,
	       uint32_t nr, uint32_t access);
void world_release(struct world *w, uint32_t obj, bool discard);
void world_exec(struct world *w, uint32_t vm);
void world_job_end(struct world *w, uint32_t vm);
int world_move(struct world *w, uint32_t obj, uint32_t first, uint32_t nr,
	       uint32_t place, uint32_t gpu);
/* If it can stop by now. */
bool world_try_stop(struct world *w, uint32_t vm);
void world_stop_now(struct world *w, uint32_t vm);
void world_ask_answer(struct world *w, uint32_t i);

struct world_chunk *world_chunk(struct world *w, uint32_t obj, uint32_t page);
uint32_t world_state(struct world *w, uint32_t obj, uint32_t page);
uint32_t world_why(struct world *w, uint32_t obj, uint32_t page);

/* A vCPU accesses a page: sleeps and sends a want if it may not. */
void world_guest(struct world *w, struct world_chunk *c, bool write);
/* A running job of vm accesses what it maps. */
void world_gpu(struct world *w, struct world_chunk *c, uint32_t vm);
/* What the engine thinks, to stderr. */
void world_dump(const struct world *w);
/* Everybody accesses everything that he can. */
void world_touch_all(struct world *w);

/* A new worker with the journal of the old one, which did not end anything. */
void world_restart(struct world *w);
/* All or a part of what an op in flight does. */
void world_op_effect(struct world *w, struct world_op *p, bool whole);
/* The worker dies; a new one carries on from the journal. */
void world_crash(struct world *w, struct source *src);

/* One action that the input chooses (migactions.c). */
void world_action(struct world *w, struct source *src);
extern const struct mig_settings world_settings;
/* Bring everything home, release everything, nothing is left. */
void world_end(struct world *w);

#endif /* XU_MIGWORLD_H */
