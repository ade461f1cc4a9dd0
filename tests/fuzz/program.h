/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A program: what the threads of one round do, as data. It can be generated from a
 * number, mutated, written down and read again; it runs the same operations each
 * time, though not with the same timing.
 */
#ifndef TESTS_FUZZ_PROGRAM_H
#define TESTS_FUZZ_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/rng.h"

#define PROGRAM_THREADS	4
#define PROGRAM_OPS	256

/*
 * What an operation does in detail comes from these seeds. They are apart so that a
 * mutation can change one aspect and keep the others.
 */
enum dice {
	DICE_TARGET,	/* which file, arena, span, object, process */
	DICE_VALUE,	/* what values, as the ABI wants them */
	DICE_HOSTILE,	/* what is wrong with them */
	DICE_PLACE,	/* in what memory they lie, and whether that changes meanwhile */
	NR_DICE,
};

struct op {
	uint8_t thread;
	uint8_t kind;		/* index of ops[] in ops.h */
	uint32_t dice[NR_DICE];
};

struct program {
	uint64_t seed, round;	/* where it came from, for people */
	uint64_t setup;		/* seed of what is there before the first operation */
	unsigned int nr_threads;
	unsigned int nr_ops;
	struct op ops[PROGRAM_OPS];
};

void program_generate(struct program *p, uint64_t seed, uint64_t round, unsigned int max_threads);
/* Change @p a little; @other lends a part. */
void program_mutate(struct program *p, const struct program *other, struct rng *rng);

/* Each line begins with @prefix. */
void program_print(const struct program *p, FILE *to, const char *prefix);
/* Skips prefixes and lines that do not belong to a program. */
bool program_read(struct program *p, FILE *from);

#endif
