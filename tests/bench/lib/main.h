/* SPDX-License-Identifier: GPL-2.0 */
/*
 * main() of a contender's program. The workloads are included as source, so that
 * each is compiled against this contender's inline functions and no other
 * allocator is in the process.
 */
#include <stdio.h>
#include <string.h>

#include "contender.h"

#include "workloads/alloc.h"
#include "workloads/compact.h"
#include "workloads/idle.h"
#include "workloads/kv.h"
#include "workloads/pause.h"
#include "workloads/resident.h"
#include "workloads/startup.h"
#include "workloads/trees.h"
#if CONTENDER_COLLECTS
#include "workloads/barrier.h"
#include "workloads/mark.h"
#include "workloads/roots.h"
#include "workloads/stop.h"
#endif
#ifdef CONTENDER_GCARENA
#include "workloads/minor.h"
#include "workloads/refill.h"
#endif

static const struct workload {
	const char *name;
	void (*run)(void);
} workloads[] = {
	{ "alloc", alloc_workload },
	{ "compact", compact_workload },
	{ "idle", idle_workload },
	{ "kv", kv_workload },
	{ "pause", pause_workload },
	{ "resident", resident_workload },
	{ "startup", startup_workload },
	{ "trees", trees_workload },
#if CONTENDER_COLLECTS
	{ "barrier", barrier_workload },
	{ "dense", dense_workload },
	{ "mark", mark_workload },
	{ "roots", roots_workload },
	{ "stop", stop_workload },
#endif
#ifdef CONTENDER_GCARENA
	{ "minor", minor_workload },
	{ "refill", refill_workload },
#endif
};

int main(int argc, char **argv)
{
	const char *name;
	size_t i;

	bench_args(argc, argv);
	name = bench_arg("workload", "");
	for (i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++) {
		if (strcmp(name, workloads[i].name))
			continue;
		workloads[i].run();
		contender_print_version();
		return 0;
	}
	bench_die("workload='%s' is none of this contender's", name);
}
