/* SPDX-License-Identifier: MIT */
/*
 * What moves memory in a worker, with fakes of module and GPU: a process that may die at
 * any point and leaves what it has. Nobody cleans up after it.
 */
#ifndef PROCESS_H
#define PROCESS_H

#include <stdbool.h>

#include "journal.h"
#include "migrator.h"

#define OBJ	2U
#define PAGES	64U
#define GREF	100U
#define ROUNDS	60U	/* of the loop, more than any walk needs */

extern const struct core_limits limits;

struct process {
	struct worker_status status;
	struct work_env env;
	struct migrator m;
	struct journal journal;
	bool is_home;
	int error;
};

struct process *process_new(void);
/* 0 or the first error; a process whose start fails is dead. */
int process_start(struct process *p, int journal);
void process_free(struct process *p);
/* What a process has of the migrator, whose thread has ended or never begun. */
void moving_end(struct migrator *m, struct work_env *env);

/* Of the loop: up to @nr, as long as there is something to do. An error ends the process. */
void rounds(struct process *p, unsigned int nr);

/* The op that is due when the helper has read the directory of @obj. */
struct work object_read(struct process *p, uint32_t obj);
/* OBJ, by that op. */
void object_map(struct process *p);
/* With new fakes and with OBJ. */
void worker_start(struct process *p, int journal);
/* Out, and home from @back on; dead after @life rounds. */
void first_life(struct process *p, int journal, unsigned int back,
		unsigned int life);

/* Pages of OBJ that the guest has not. */
unsigned int pages_away(void);
/*
 * The module's part of a death: without an import on the GPU's file, which outlives the
 * worker, it unmaps the object, and the hypervisor gives up what is revoked of it. Returns
 * how many pages those are.
 */
unsigned int worker_dies(const struct process *p);

#endif /* PROCESS_H */
