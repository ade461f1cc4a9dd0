// SPDX-License-Identifier: GPL-2.0
/* See corpus.h. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "fuzz/corpus.h"

#define MAX_PROGRAMS	1024

static struct program programs[MAX_PROGRAMS];
static unsigned int nr_programs;
static uint8_t seen[FEATURE_BITS / 8];

static void keep(const struct program *p)
{
	/* When it is full, chance decides who goes. */
	unsigned int at = nr_programs < MAX_PROGRAMS ? nr_programs++ :
			  rng_mix(p->setup) % MAX_PROGRAMS;

	programs[at] = *p;
}

void corpus_load(const char *dir)
{
	DIR *d = dir ? opendir(dir) : NULL;
	struct dirent *entry;
	struct program p;
	char path[512];
	FILE *file;

	while (d && (entry = readdir(d))) {
		if (strncmp(entry->d_name, "corpus-", 7))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		file = fopen(path, "r");
		if (!file)
			continue;
		if (program_read(&p, file))
			keep(&p);
		fclose(file);
	}
	if (d)
		closedir(d);
}

void corpus_choose(struct program *p, uint64_t seed, uint64_t round, unsigned int threads)
{
	struct rng rng;

	rng_init(&rng, rng_mix(seed) ^ rng_mix(~round));
	if (!nr_programs || rng_below(&rng, 4) == 0) {
		program_generate(p, seed, round, threads);
		return;
	}
	*p = programs[rng_below(&rng, nr_programs)];
	p->seed = seed;
	p->round = round;
	program_mutate(p, &programs[rng_below(&rng, nr_programs)], &rng);
}

static void write_program(const struct program *p, const char *dir)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/corpus-%016llx-%llu", dir, (unsigned long long)p->seed,
		 (unsigned long long)p->round);
	file = fopen(path, "w");
	if (!file)
		return;
	program_print(p, file, "");
	fclose(file);
}

bool corpus_judge(const struct program *p, const struct shared *shared, const char *dir)
{
	bool new = false;
	unsigned int i;

	for (i = 0; i < sizeof(seen); i++) {
		new = new || (shared->hit[i] & ~seen[i]);
		seen[i] |= shared->hit[i];
	}
	if (!new)
		return false;
	keep(p);
	if (dir)
		write_program(p, dir);
	return true;
}

unsigned int corpus_size(void)
{
	return nr_programs;
}

unsigned int corpus_features(void)
{
	unsigned int i, n = 0;

	for (i = 0; i < sizeof(seen); i++)
		n += __builtin_popcount(seen[i]);
	return n;
}
