/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pkggraph: the steps of the demo. Each changes graph and record, collects, and
 * has the outcome verified.
 */
#ifndef PKGGRAPH_PHASES_H
#define PKGGRAPH_PHASES_H

#include "graph.h"
#include "load.h"
#include "record.h"
#include "verify.h"

static const struct phase {
	const char *name;
	const char *title;
	void (*change)(void);
	void (*change_record)(void);	/* NULL: made along with the graph */
} phases[] = {
	{ "load", "read the package database", graph_load, NULL },
	{ "drop-weak", "drop all Recommends and Suggests", graph_drop_weak, record_drop_weak },
	{ "remove-sections", "remove the sections %s", graph_remove_sections,
	  record_remove_sections },
	{ "remove-unneeded", "remove what no package depends on", graph_remove_unneeded,
	  record_remove_unneeded },
	{ "rebuild-index", "rebuild the index, which still knew them all",
	  graph_rebuild_index, record_rebuild_index },
	{ "let-go", "let go of the graph", graph_let_go, record_let_go },
};

#define NR_PHASES	ARRAY_SIZE(phases)

struct result {
	uint64_t objects_before, bytes_before, held_before;
	uint64_t objects_after, bytes_after, held_after;
	uint64_t freed_objects, freed_bytes, given_back;
	uint64_t pause_ns, automatic, verified;
};

static struct gca_stats read_stats(void)
{
	struct gca_stats stats = { .size = sizeof(stats) };

	if (gca_read_stats(&stats))
		die_of_arena("read the arena's statistics");
	return stats;
}

/*
 * Old pointers in dead parts of the stack would keep objects alive by chance, where
 * the frames of a collection's system call happen to lie over them.
 */
static __noinline void clear_dead_stack(void)
{
	volatile char dead[16384];
	size_t i;

	for (i = 0; i < sizeof(dead); i++)
		dead[i] = 0;
}

static __noinline void collect(struct result *result)
{
	struct gca_collection collection = { .size = sizeof(collection) };
	int error = gca_collect_in(NULL, GCA_FULL_RELEASE, &collection);

	if (error)
		die("cannot collect: %s", gca_strerror(error));
	result->objects_after = collection.live_objects;
	result->bytes_after = collection.live_bytes;
	result->freed_objects = collection.freed_objects;
	result->freed_bytes = collection.freed_bytes;
	result->given_back = collection.released_bytes;
	result->pause_ns = collection.pause_ns;
}

/* --spoil: what the verification is there to notice. */
static __noinline void spoil(void)
{
	struct package *package = graph->index[graph->nr_indexed / 2].package;

	((char *)package->name)[0] ^= 1;
}

static void run_phase(const struct phase *phase, struct result *result)
{
	struct gca_stats start = read_stats(), before, after;

	phase->change();
	clear_dead_stack();
	if (phase->change_record)
		phase->change_record();
	before = read_stats();
	collect(result);
	after = read_stats();
	result->objects_before = before.heap_objects;
	result->bytes_before = before.heap_alloc;
	result->held_before = before.heap_sys;
	result->held_after = after.heap_sys;
	result->automatic = (before.num_gc - before.num_forced_gc) -
			    (start.num_gc - start.num_forced_gc);
	if (options.spoil)
		spoil();
	result->verified = verify();
	if (result->objects_after < result->verified)
		die("MISMATCH: the collection counted %llu live objects of %llu",
		    (unsigned long long)result->objects_after,
		    (unsigned long long)result->verified);
}

#endif /* PKGGRAPH_PHASES_H */
