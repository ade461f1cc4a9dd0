/* SPDX-License-Identifier: GPL-2.0 */
/* Programs that reached something new, to be mutated. */
#ifndef TESTS_FUZZ_CORPUS_H
#define TESTS_FUZZ_CORPUS_H

#include <stdbool.h>

#include "fuzz/program.h"
#include "fuzz/shared.h"

void corpus_load(const char *dir);
/* The next program to run: a mutated one, or a new one now and then. */
void corpus_choose(struct program *p, uint64_t seed, uint64_t round, unsigned int threads);
/* Has this one reached what none did before? Then keep it. */
bool corpus_judge(const struct program *p, const struct shared *shared, const char *dir);
unsigned int corpus_size(void);
unsigned int corpus_features(void);

#endif
