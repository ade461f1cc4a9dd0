/* SPDX-License-Identifier: GPL-2.0 */
/* The two phases of a collection of the graphs of graph.h, timed and reported alike. */
#ifndef PHASES_H
#define PHASES_H

#include "bench.h"
#include "graph.h"

/**
 * struct bench_time - a moment, or what lies between two
 * @wall: by the clock, in ns
 * @cpu: processor time of all threads, in ns
 */
struct bench_time {
	uint64_t wall;
	uint64_t cpu;
};

static inline struct bench_time time_now(void)
{
	return (struct bench_time) { now_ns(), cpu_ns() };
}

static inline struct bench_time time_between(struct bench_time from, struct bench_time to)
{
	return (struct bench_time) { to.wall - from.wall, to.cpu - from.cpu };
}

static inline void bench_phases(size_t nr_nodes, size_t nr_live, struct bench_time mark,
				struct bench_time sweep)
{
	double gib = nr_nodes * sizeof(struct graph_node) / (1024.0 * MIB);

	bench_result("full collection", "ms", (mark.wall + sweep.wall) / 1e6);
	bench_result("mark phase", "ms", mark.wall / 1e6);
	bench_result("sweep phase", "ms", sweep.wall / 1e6);
	bench_result("swept, by CPU time", "GiB/s", gib * 1e9 / sweep.cpu);
	if (!nr_live)
		return;
	bench_result("collected", "Mobj/s", nr_live * 1e3 / (mark.wall + sweep.wall));
	bench_result("collected, by CPU time", "Mobj/s", nr_live * 1e3 / (mark.cpu + sweep.cpu));
	bench_result("marked", "Mobj/s", nr_live * 1e3 / mark.wall);
	bench_result("marked, by CPU time", "Mobj/s", nr_live * 1e3 / mark.cpu);
}

#endif /* PHASES_H */
