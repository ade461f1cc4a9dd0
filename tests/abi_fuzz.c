// SPDX-License-Identifier: GPL-2.0
/*
 * The fuzzer of the ABI (fuzz/): without arguments a short test, of a seed that is
 * always the same and one that never is (GCARENA_SEED repeats it; GCARENA_SECONDS sets
 * how long each takes). With arguments the whole thing: see usage(), and make fuzz.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/engine.h"
#include "fuzz/program.h"
#include "fuzz/round.h"
#include "kselftest_harness.h"
#include "lib/rawarena.h"
#include "lib/rng.h"

#define PATIENCE	60	/* seconds: a stop may time out after 10, several times */

static int fuzz_shortly(uint64_t seed)
{
	const struct fuzz_options options = {
		.seed = seed,
		.seconds = rng_env_number("GCARENA_SECONDS", 6),
		.threads = PROGRAM_THREADS,
		.patience = PATIENCE,
	};

	return fuzz(&options);
}

FIXTURE(abi_fuzz) { };
FIXTURE_SETUP(abi_fuzz) { }
FIXTURE_TEARDOWN(abi_fuzz) { }

TEST_F_TIMEOUT(abi_fuzz, fixed_seed, 600)
{
	EXPECT_EQ(0, fuzz_shortly(1));
}

TEST_F_TIMEOUT(abi_fuzz, random_seed, 600)
{
	EXPECT_EQ(0, fuzz_shortly(rng_seed_from_env()));
}

static int usage(const char *name)
{
	fprintf(stderr,
		"%s [options]\n"
		"  --seed N        of all programs; default: a new one, which is printed\n"
		"  --seconds N     how long (60)\n"
		"  --rounds N      how many programs, instead\n"
		"  --first N       number of the first one (0)\n"
		"  --threads N     most threads in a program (%d)\n"
		"  --memory MIB    bound of a memory cgroup for the programs\n"
		"  --patience N    seconds that one operation may take (%d)\n"
		"  --dir FOLDER    keep programs there: current, failed-*, corpus-*\n"
		"  --verbose       print what each command returned\n"
		"  --replay FILE   run the program that was printed, again and again\n",
		name, PROGRAM_THREADS, PATIENCE);
	return 2;
}

static const struct option long_options[] = {
	{ "seed", required_argument, NULL, 's' },
	{ "seconds", required_argument, NULL, 't' },
	{ "rounds", required_argument, NULL, 'n' },
	{ "first", required_argument, NULL, 'f' },
	{ "threads", required_argument, NULL, 'j' },
	{ "memory", required_argument, NULL, 'm' },
	{ "patience", required_argument, NULL, 'p' },
	{ "dir", required_argument, NULL, 'd' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "replay", required_argument, NULL, 'r' },
	{ }
};

static bool parse(struct fuzz_options *o, int argc, char **argv)
{
	int option;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		uint64_t number = optarg ? strtoull(optarg, NULL, 0) : 0;

		switch (option) {
		case 's':
			o->seed = number;
			break;
		case 't':
			o->seconds = number;
			break;
		case 'n':
			o->rounds = number;
			break;
		case 'f':
			o->first = number;
			break;
		case 'j':
			o->threads = number;
			break;
		case 'm':
			o->memory_mib = number;
			break;
		case 'p':
			o->patience = number;
			break;
		case 'd':
			o->dir = optarg;
			break;
		case 'v':
			o->verbose = true;
			break;
		case 'r':
			o->replay = optarg;
			break;
		default:
			return false;
		}
	}
	return optind == argc && o->threads >= 1 && o->threads <= PROGRAM_THREADS;
}

static int fuzz_as_told(int argc, char **argv)
{
	struct fuzz_options options = {
		.seconds = 60, .threads = PROGRAM_THREADS, .patience = PATIENCE,
		.seed = rng_env_number("GCARENA_SEED", 0),
	};

	if (!options.seed)
		options.seed = rng_seed_from_env();
	if (!parse(&options, argc, argv))
		return usage(argv[0]);
	printf("# seed %#llx\n", (unsigned long long)options.seed);
	return fuzz(&options);
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "--after-exec"))
		after_exec(strtoull(argv[2], NULL, 0), atoi(argv[3]));
	raw_need_device();
	if (argc > 1)
		return fuzz_as_told(argc, argv);
	return test_harness_run(argc, argv);
}
