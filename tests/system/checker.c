// SPDX-License-Identifier: MIT
/* Memory that is changed and checked while it moves. */
#include <emmintrin.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checker.h"
#include "program.h"
#include "xenuserptr.h"

/* A larger array, its new part empty. */
static void *grown(void *array, size_t old, size_t nr, size_t size)
{
	char *larger = realloc(array, nr * size);

	if (!larger)
		err(99, "memory");
	memset(larger + old * size, 0, (nr - old) * size);
	return larger;
}

void checker_add(struct checker *checker, void *first, size_t nr)
{
	size_t old = checker->nr, i;

	checker->nr += nr;
	checker->cells = grown(checker->cells, old, checker->nr, sizeof(*checker->cells));
	checker->added = grown(checker->added, old, checker->nr, sizeof(*checker->added));
	checker->written = grown(checker->written, old, checker->nr,
				 sizeof(*checker->written));
	for (i = old; i < checker->nr; i++) {
		checker->cells[i] = (struct checker_cell *)((char *)first +
							    (i - old) * XUPTR_PAGE_SIZE);
		memset(checker->cells[i]->same, (uint8_t)i, CHECKER_BLOCK);
	}
}

static void pause_some(const struct checker *checker, uint64_t *random)
{
	const struct timespec time = {
		.tv_nsec = (long)(next_random(random) % checker->pause_ns),
	};

	nanosleep(&time, NULL);
}

static void cell_touch(struct checker *checker, size_t i)
{
	uint64_t before = atomic_fetch_add(&checker->cells[i]->added, i + 1);

	if (before != checker->added[i]) {
		printf("page %zu: %lu was added, the page said %lu\n", i,
		       (unsigned long)checker->added[i], (unsigned long)before);
		checker->wrong++;
	}
	checker->added[i] += i + 1;
}

static void *adder(void *context)
{
	struct checker *checker = context;
	uint64_t random = checker->seed * 2 + 1;

	while (!checker->stop) {
		cell_touch(checker, next_random(&random) % checker->nr);
		checker->adds++;
		pause_some(checker, &random);
	}
	return NULL;
}

static bool all_octets(const uint8_t *octets, uint8_t value)
{
	size_t i;

	for (i = 0; i < CHECKER_BLOCK; i++)
		if (octets[i] != value)
			return false;
	return true;
}

/* Stores of 16 octets, through the cache and past it. */
static void vector_fill(uint8_t *block, uint8_t value)
{
	__m128i vector = _mm_set1_epi8((char)value);
	size_t i;

	for (i = 0; i < CHECKER_BLOCK; i += 32) {
		_mm_store_si128((__m128i *)(block + i), vector);
		_mm_stream_si128((__m128i *)(block + i + 16), vector);
	}
	_mm_sfence();
}

static void block_write(uint8_t *block, uint8_t value)
{
	uint8_t pattern[CHECKER_BLOCK];

	if (value & 1) {
		vector_fill(block, value);
		return;
	}
	memset(pattern, value, sizeof(pattern));
	memcpy(block, pattern, sizeof(pattern));
}

/* What nobody but the copier writes. */
static void block_check(struct checker *checker, size_t i)
{
	if (all_octets(checker->cells[i]->block, checker->written[i]) &&
	    all_octets(checker->cells[i]->same, (uint8_t)i))
		return;
	printf("page %zu: a block reads back wrong\n", i);
	checker->wrong++;
}

static void *copier(void *context)
{
	struct checker *checker = context;
	uint64_t random = checker->seed * 4 + 3;

	while (!checker->stop) {
		size_t i = next_random(&random) % checker->nr;

		block_check(checker, i);
		checker->written[i] = (uint8_t)next_random(&random);
		block_write(checker->cells[i]->block, checker->written[i]);
		pause_some(checker, &random);
		block_check(checker, i);
		checker->blocks++;
	}
	return NULL;
}

void checker_start(struct checker *checker, uint64_t seed, uint64_t pause_ns)
{
	checker->seed = seed;
	checker->pause_ns = pause_ns;
	need(-pthread_create(&checker->threads[0], NULL, adder, checker), "pthread_create");
	need(-pthread_create(&checker->threads[1], NULL, copier, checker), "pthread_create");
}

void checker_stop(struct checker *checker)
{
	checker->stop = true;
	pthread_join(checker->threads[0], NULL);
	pthread_join(checker->threads[1], NULL);
}

void checker_touch(struct checker *checker)
{
	size_t i;

	for (i = 0; i < checker->nr; i++)
		cell_touch(checker, i);
}

unsigned long checker_check(struct checker *checker)
{
	size_t i;

	for (i = 0; i < checker->nr; i++) {
		block_check(checker, i);
		if (checker->cells[i]->added == checker->added[i])
			continue;
		printf("page %zu: the sum is %lu, not %lu\n", i,
		       (unsigned long)checker->cells[i]->added,
		       (unsigned long)checker->added[i]);
		checker->wrong++;
	}
	printf("checked: adds %lu blocks %lu\n", (unsigned long)checker->adds,
	       (unsigned long)checker->blocks);
	return checker->wrong;
}
