/* SPDX-License-Identifier: GPL-2.0 */
/* The fuzzer: rounds, one after the other, until time is up or something is wrong. */
#ifndef TESTS_FUZZ_ENGINE_H
#define TESTS_FUZZ_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

/**
 * struct fuzz_options - what to do
 * @seed: of all programs
 * @first: number of the first round: with @rounds 1 one of them is repeated
 * @rounds: how many, 0: as time allows
 * @seconds: how long
 * @threads: most threads in a program
 * @memory_mib: bound of a memory cgroup for the rounds, 0: none
 * @patience: how many seconds one operation may take
 * @verbose: print what each command returned, at the end
 * @replay: file with a program to run instead, or NULL
 * @dir: where programs are kept, or NULL: the one that runs, those that failed, and those
 *	that reached something new
 */
struct fuzz_options {
	uint64_t seed, first, rounds;
	unsigned int seconds, threads, memory_mib, patience;
	bool verbose;
	const char *replay, *dir;
};

/* Return: 0: all is well; 1: something is wrong, and was printed. */
int fuzz(const struct fuzz_options *options);

#endif
