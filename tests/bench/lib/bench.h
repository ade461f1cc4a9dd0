/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What every benchmark program needs: a clock, arguments of the form
 * name=value, and the result lines that tests/bench/run reads:
 *
 *	result <TAB> metric <TAB> unit <TAB> value
 *	version <TAB> text
 *	note <TAB> text
 *
 * A metric may be printed several times: each line is one sample.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define MIB		(1024UL * 1024)
#define NSEC_PER_SEC	1000000000UL

static inline uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NSEC_PER_SEC + t.tv_nsec;
}

/* Processor time of all threads: what other programs take does not count. */
static inline uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * NSEC_PER_SEC + t.tv_nsec;
}

/* Marsaglia's xorshift64*: the same sequence on every run, for every contender. */
static inline uint64_t random_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dULL;
}

/* Uniform below @bound, which is less than 2^32. */
static inline uint64_t random_below(uint64_t *state, uint64_t bound)
{
	return (random_next(state) >> 32) * bound >> 32;
}

/* Arguments are name=value words; bench_args() keeps them for the others. */
void bench_args(int argc, char **argv);
const char *bench_arg(const char *name, const char *otherwise);
unsigned long bench_arg_number(const char *name, unsigned long otherwise);
bool bench_arg_is(const char *name, const char *value);

void bench_result(const char *metric, const char *unit, double value);
void bench_version(const char *format, ...) __attribute__((format(printf, 1, 2)));
void bench_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void bench_die(const char *format, ...)
	__attribute__((format(printf, 1, 2), noreturn, cold));

/* This process's resident memory in bytes; exact, unlike statm's per-thread sums. */
uint64_t bench_resident(void);
/* Minor page faults of this process so far. */
uint64_t bench_minor_faults(void);

/*
 * Memory that no collector looks at, for tables of addresses that must not keep
 * anything alive: a mapping of its own.
 */
void *bench_hidden_alloc(size_t bytes);

/* Overwrite what returned functions left below the caller's stack frame. */
void bench_clear_stack(void);

#endif /* BENCH_H */
