// SPDX-License-Identifier: GPL-2.0
/*
 * splitmix64 (Steele, Lea, Flood 2014). The state is a counter, so any seed is a
 * good seed, zero included.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "lib/rng.h"

uint64_t rng_mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

void rng_init(struct rng *rng, uint64_t seed)
{
	rng->state = seed;
}

uint64_t rng_next(struct rng *rng)
{
	rng->state += 0x9e3779b97f4a7c15ULL;
	return rng_mix(rng->state);
}

uint64_t rng_below(struct rng *rng, uint64_t n)
{
	/* The bias is below n / 2^64: nothing for a test. */
	return rng_next(rng) % n;
}

uint64_t rng_env_number(const char *name, uint64_t fallback)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 0) : fallback;
}

static uint64_t seed_from_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return rng_mix((uint64_t)now.tv_sec * 1000000000 + now.tv_nsec + getpid());
}

uint64_t rng_seed_from_env(void)
{
	uint64_t seed = rng_env_number("GCARENA_SEED", seed_from_clock());

	printf("# GCARENA_SEED=%#llx repeats this run\n", (unsigned long long)seed);
	fflush(stdout);
	return seed;
}
