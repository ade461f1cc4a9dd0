/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a test knows and the collector does not.
 *
 * Two things live here. The first is the handling of addresses that the collector
 * must not see, and of what earlier calls left on the stack. The second is the
 * oracle: a random program that works on an arena and keeps the true
 * object graph in its own memory, so that it can tell after a collection which
 * objects must be there, to the last byte, and which must not.
 */
#ifndef TESTS_LIB_ORACLE_H
#define TESTS_LIB_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gcarena.h"

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#endif
#ifndef noinline
#define noinline	__attribute__((noinline))
#endif

/* ---- Hidden addresses ---------------------------------------------------- */

/* The top bit makes it a value that no aligned word of a program's memory has. */
#define HIDE_MASK	0xa5a5000000005a00ULL

static inline uint64_t hide(const void *p)
{
	return (uintptr_t)p ^ HIDE_MASK;
}

static inline void *reveal(uint64_t hidden)
{
	return (void *)(uintptr_t)(hidden ^ HIDE_MASK);
}

/* A value that looks like no address. */
#define MAGIC		0x8badf00d8badf00dULL

/*
 * A new object that knows its own address: of 64 bytes, words 0 to 6 are the caller's.
 * Returned hidden; 0 when there is no memory.
 */
uint64_t sealed_new(gca_arena *arena);
/* Is it an object still, and what sealed_new() made? */
bool sealed_is_whole(uint64_t hidden);

/*
 * Overwrite the stack below the caller, where returned functions left addresses
 * that a later, deeper call would expose again, and the caller-saved registers.
 */
void scrub_stack(void);

/* Give free slots back, wipe the stack, collect everything. */
int collect_exactly(gca_arena *arena, struct gca_collection *result);

/* The same, and the number of objects found live; ~0 when it fails. */
uint64_t collect_count(gca_arena *arena);

/* Is there an object at this address? */
bool is_object(uint64_t hidden);

/* How many of @n hidden addresses are objects. */
size_t count_objects(const uint64_t *hidden, size_t n);

/* ---- Arenas and their memory ---------------------------------------------- */

/* Zero for @gc_percent and @limit takes the default. */
gca_arena *open_arena(unsigned int root_mode, int gc_percent, uint64_t limit);

bool all_zero(const void *start, size_t n);

/* ---- The oracle ---------------------------------------------------------- */

struct oracle;

struct oracle_options {
	gca_arena *arena;
	void **roots;		/* all NULL; the oracle alone writes it */
	size_t nr_roots;	/* a multiple of ORACLE_RANGE_ROOTS */
	uint64_t seed;
	uint64_t live_limit;	/* drops roots when more bytes are live */
	/*
	 * The arena has explicit roots: the oracle adds and removes ranges of
	 * @roots, and demands that exactly the reachable objects survive. Else
	 * @roots is somewhere the collector looks, and the oracle demands that
	 * no reachable object is lost.
	 */
	bool exact;
	bool types;		/* registered types too, not only the other layouts */
};

#define ORACLE_RANGE_ROOTS	16

struct oracle_counts {
	uint64_t steps, allocs, large_allocs, links, reallocs, moved, frees;
	uint64_t checks, live, live_bytes, peak_live, reclaimed;
};

/* NULL when there is no memory; errors in the arena are found by the steps. */
struct oracle *oracle_new(const struct oracle_options *options);
void oracle_destroy(struct oracle *oracle);

/* One random operation. False when anything was not as it must be. */
bool oracle_step(struct oracle *oracle);

/* Collect and compare the whole graph. */
bool oracle_check(struct oracle *oracle);

/* Remove all roots, collect: in exact mode nothing is left. */
bool oracle_finish(struct oracle *oracle);

/* What went wrong first, or "". */
const char *oracle_error(const struct oracle *oracle);

const struct oracle_counts *oracle_counts(const struct oracle *oracle);

#endif /* TESTS_LIB_ORACLE_H */
