/* SPDX-License-Identifier: MIT */
/* Random numbers for tests: small, the same everywhere, with a printed seed. */
#ifndef XU_RANDOM_H
#define XU_RANDOM_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct rng {
	uint64_t state;
};

static inline uint64_t rng_next(struct rng *rng)
{
	rng->state ^= rng->state << 13;
	rng->state ^= rng->state >> 7;
	rng->state ^= rng->state << 17;
	return rng->state;
}

/* 0 .. n - 1 */
static inline uint32_t rng_below(struct rng *rng, uint32_t n)
{
	return (uint32_t)((rng_next(rng) >> 16) % n);
}

/* The environment's SEED, or a new one; prints it. */
static inline void rng_seed(struct rng *rng, const char *who)
{
	const char *env = getenv("SEED");

	rng->state = env ? strtoull(env, NULL, 0) :
			   (uint64_t)time(NULL) * 2654435761u + 1;
	if (!rng->state)
		rng->state = 1;
	printf("%s: SEED=%llu\n", who, (unsigned long long)rng->state);
	fflush(stdout);	/* a test that is stopped must have said it */
}

/* Operations of a randomised test: less under sanitizers; OPS overrides. */
static inline uint32_t rng_ops(void)
{
	const char *env = getenv("OPS");

	if (env)
		return (uint32_t)strtoul(env, NULL, 0);
#if defined(__SANITIZE_ADDRESS__)
	return 50000;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
	return 50000;
#endif
#endif
	return 1000000;
}

#endif /* XU_RANDOM_H */
