/* SPDX-License-Identifier: MIT */
/* A mover in a world of fakes: one object that is mapped, one VM that has imported it. */
#ifndef XU_TEST_MOVERWORLD_H
#define XU_TEST_MOVERWORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "mover.h"
#include "work.h"

#define OBJ	1U
#define PAGES	16U
#define FIRST	32U	/* page of the chunk in the object */

extern struct work_env env;
extern struct mover mover;
extern unsigned int fail_nth;	/* call of the next op that fails, 0: none */
extern uint32_t life;		/* of the VM that ops are for */
extern bool has_failed;
extern uint32_t chunk_first, chunk_nr;	/* pages of the chunk that ops are for; FIRST, PAGES */

void world_make(void);
/* Nothing is left of it. */
void world_end(void);
/* Opens the VM. */
void vm_open(void);
void op(enum core_op_type type);

/* Runs an op of the chunk; returns its status. Fences are looked at and closed. */
uint32_t run(enum mig_op_type type, uint32_t flags, struct move *out);
/* The object's import goes, and its place. Returns the status. */
uint32_t forgotten(void);

uint32_t grefs_of_object(uint32_t page);
/* Of a page of the chunk: FAKE_REV_*. */
uint8_t page_state(uint32_t page);

#endif /* XU_TEST_MOVERWORLD_H */
