/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where everything that looks like chance comes from. A worker's stream depends
 * on the seed of the run and on the worker's number, and on nothing else, so
 * that a seed gives each worker the same work again. (What the scheduler makes
 * of it is another matter.)
 */
#ifndef STRESS_RNG_H
#define STRESS_RNG_H

#include <stdbool.h>
#include <stdint.h>

struct rng {
	uint64_t state;
};

/* splitmix64: every state is a good one, so that any seed will do. */
static inline uint64_t rng_next(struct rng *rng)
{
	uint64_t z = rng->state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static inline unsigned int rng_below(struct rng *rng, unsigned int bound)
{
	return rng_next(rng) % bound;
}

static inline bool rng_one_in(struct rng *rng, unsigned int n)
{
	return rng_below(rng, n) == 0;
}

/* A stream of its own for the child @number of whoever owns @rng. */
static inline struct rng rng_of(uint64_t seed, uint64_t number)
{
	struct rng rng = { seed ^ (number + 1) * 0xd1342543de82ef95 };

	rng_next(&rng);
	return rng;
}

#endif
