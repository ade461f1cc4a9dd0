/* SPDX-License-Identifier: GPL-2.0 */
/* Random numbers for tests: small, fast, and the same for a given seed everywhere. */
#ifndef TESTS_LIB_RNG_H
#define TESTS_LIB_RNG_H

#include <stdint.h>

struct rng {
	uint64_t state;
};

void rng_init(struct rng *rng, uint64_t seed);
uint64_t rng_next(struct rng *rng);

/* A number in [0, n); n is not 0. */
uint64_t rng_below(struct rng *rng, uint64_t n);

/* One bijective scrambling step: what rng_next() makes of a counter. */
uint64_t rng_mix(uint64_t x);

/* GCARENA_SEED if it is set, else something new. Prints a TAP comment with it. */
uint64_t rng_seed_from_env(void);

/* The number in environment variable @name, or @fallback. */
uint64_t rng_env_number(const char *name, uint64_t fallback);

#endif /* TESTS_LIB_RNG_H */
