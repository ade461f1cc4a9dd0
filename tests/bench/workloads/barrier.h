/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What it costs a program that the collector learns of its writes.
 *
 * barrier: lib/mutator.h's program, one old object written for every 16 allocations.
 *	cycles= times what lives is allocated, or for seconds=. Collections start by
 *	themselves (collect=auto), or the program asks for a minor one each time that
 *	a quarter of what lives was allocated (collect=minor).
 *
 * dense: pointers stored into random old objects and nothing allocated, in rounds
 *	of so many that each page is written 16 times; a collection, minor where there
 *	is such a thing, comes before each round and is timed apart. The first write to
 *	a page is where a barrier by page protection costs. collect=none: no collections.
 *
 *	tracking=on|off		(gcarena) whether written pages are looked for at all
 *	refault=on		(gcarena) by refaulting
 *	mode=incremental|mprotect	(libgc)
 */
#include "lib/mutator.h"
#include "lib/pauses.h"

#define DENSE_WRITES_PER_PAGE	16
#define BENCH_PAGE		4096UL

static size_t barrier_run(size_t transactions, uint64_t deadline)
{
	size_t minor = bench_arg_is("collect", "minor") ? mutator.nr / 4 / MUTATOR_ALLOCATIONS : 0;
	size_t i;

	for (i = 0; i < transactions; i++) {
		mutator_transaction();
		if (i % 1024)
			continue;
		contender_pauses_poll();
		if (now_ns() > deadline)
			break;
		if (minor && i % minor == 0)
			contender_collect_minor();
	}
	return i;
}

static void barrier_workload(void)
{
	uint64_t seconds = bench_arg_number("seconds", 20), ns, start, faults;
	size_t done;

	contender_init();
	mutator_build();
	contender_track(!bench_arg_is("tracking", "off"));
	if (bench_arg_is("collect", "minor"))
		contender_auto_collect(false);
	contender_pauses_poll();
	pauses_start();
	faults = bench_minor_faults();
	start = now_ns();
	done = barrier_run(mutator_transactions(4), start + seconds * NSEC_PER_SEC);
	ns = now_ns() - start;
	contender_pauses_poll();
	bench_result("throughput", "Mobj/s", done * MUTATOR_ALLOCATIONS * 1e3 / ns);
	bench_result("throughput outside of pauses", "Mobj/s",
		     done * MUTATOR_ALLOCATIONS * 1e3 / (ns - pauses.total));
	bench_result("faults/1000 objects", "",
		     (bench_minor_faults() - faults) * 1e3 / (done * MUTATOR_ALLOCATIONS));
	pauses_report();
	bench_result("time", "s", ns / 1e9);
	contender_auto_collect(false);
	mutator_check();
}

/* The second pointer of the nodes leads through all of them: the first may point anywhere. */
static uint64_t dense_round(size_t writes)
{
	uint64_t start = now_ns();
	size_t i;

	for (i = 0; i < writes; i++)
		mutator.nodes[random_next(&mutator.seed) >> 32 & mutator.mask]->a =
			mutator.nodes[i & mutator.mask];
	return now_ns() - start;
}

static void dense_workload(void)
{
	unsigned long rounds = bench_arg_number("rounds", 5), i;
	uint64_t ns = 0, collect_ns = 0, start, begin, faults = 0, before;
	uint64_t seconds = bench_arg_number("seconds", 20);
	size_t writes, pages;

	if (!bench_arg_is("shape", "random"))
		bench_die("shape=random alone survives this");
	contender_init();
	mutator_build();
	contender_auto_collect(false);
	contender_track(!bench_arg_is("tracking", "off"));
	pages = mutator.nr * sizeof(struct graph_node) / BENCH_PAGE;
	writes = pages * DENSE_WRITES_PER_PAGE;
	begin = now_ns();
	/* The first one may find pages that were never mapped or protected yet. */
	for (i = 0; i <= rounds; i++) {
		start = now_ns();
		if (!bench_arg_is("collect", "none"))
			contender_collect_tracked();
		if (i)
			collect_ns += now_ns() - start;
		before = bench_minor_faults();
		start = dense_round(writes);
		if (i) {
			ns += start;
			faults += bench_minor_faults() - before;
		}
		if (i && now_ns() - begin > seconds * NSEC_PER_SEC) {
			i++;
			break;
		}
	}
	rounds = i - 1;
	bench_result("writes", "M/s", rounds * writes * 1e3 / ns);
	bench_result("collection", "ms", collect_ns / 1e6 / rounds);
	bench_result("faults/page", "", (double)faults / rounds / pages);
	bench_result("rounds", "", rounds);
	mutator_check();
}
