/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pkggraph: the graph, all of it in the arena.
 *
 * Full of cycles: a version knows its package, a dependency its version, and a
 * package what depends on it. The variable graph is the only way in, found by
 * the collector because it is in the program's data.
 */
#ifndef PKGGRAPH_GRAPH_H
#define PKGGRAPH_GRAPH_H

#include "common.h"
#include "record.h"

/* A string of which there are few and everybody has one: sections, machines. */
struct symbol {
	struct symbol *next;
	const char *text;
};

struct package {
	const char *name;
	struct version *versions;
	struct reverse *needed_by;
	uint32_t number;	/* its place in the record */
};

struct version {
	struct version *next;
	struct package *package;
	struct clause *clauses;
	const char *number;
	const char *description;
	struct symbol *section;
	struct symbol *machine;
	uint64_t installed_size;
};

/* One dependency: any of the alternatives will do. */
struct clause {
	struct clause *next;
	struct version *version;	/* NULL: taken out of the graph */
	struct alternative *alternatives;
	uint32_t nr_alternatives;
	uint32_t kind;
};

struct alternative {
	struct package *package;
	const char *constraint;		/* such as "(>= 2.36)"; mostly NULL */
};

struct reverse {
	struct reverse *next;
	struct clause *clause;
};

/* Tables are arrays of these: typed, so that they are scanned exactly. */
struct entry {
	struct entry *next;
	struct package *package;
};

struct bucket {
	struct entry *first;
};

struct slot {
	struct package *package;
};

struct graph {
	struct bucket *buckets;	/* by name: chains of entries */
	struct slot *index;	/* all packages there were, sorted by name */
	struct symbol *symbols;
	size_t nr_buckets;
	size_t nr_listed;
	size_t nr_indexed;
};

static struct {
	gca_type *graph, *bucket, *entry, *slot, *symbol;
	gca_type *package, *version, *clause, *alternative, *reverse;
} types;

/* The only way into the graph. */
static struct graph *graph;

static void define_types(void)
{
	types.graph = GCA_TYPE(struct graph, buckets, index, symbols);
	types.bucket = GCA_TYPE(struct bucket, first);
	types.entry = GCA_TYPE(struct entry, next, package);
	types.slot = GCA_TYPE(struct slot, package);
	types.symbol = GCA_TYPE(struct symbol, next, text);
	types.package = GCA_TYPE(struct package, name, versions, needed_by);
	types.version = GCA_TYPE(struct version, next, package, clauses, number,
				 description, section, machine);
	types.clause = GCA_TYPE(struct clause, next, version, alternatives);
	types.alternative = GCA_TYPE(struct alternative, package, constraint);
	types.reverse = GCA_TYPE(struct reverse, next, clause);

	if (!types.graph || !types.bucket || !types.entry || !types.slot ||
	    !types.symbol || !types.package || !types.version || !types.clause ||
	    !types.alternative || !types.reverse)
		die_of_arena("define the types of the graph");
}

static void *new_array(gca_type *type, size_t nr)
{
	void *array = gca_make(type, nr);

	if (!array)
		die_of_arena("allocate in the arena");
	return array;
}

static void *new_object(gca_type *type)
{
	void *object = gca_new(type);

	if (!object)
		die_of_arena("allocate in the arena");
	return object;
}

static const char *new_string(struct slice slice)
{
	char *string = gca_alloc_noscan(slice.length + 1);

	if (!string)
		die_of_arena("allocate in the arena");
	memcpy(string, slice.at, slice.length);
	return string;
}

static struct symbol *graph_symbol(struct slice text)
{
	struct symbol *symbol;

	for (symbol = graph->symbols; symbol; symbol = symbol->next)
		if (strlen(symbol->text) == text.length &&
		    !memcmp(symbol->text, text.at, text.length))
			return symbol;
	symbol = new_object(types.symbol);
	symbol->text = new_string(text);
	symbol->next = graph->symbols;
	graph->symbols = symbol;
	return symbol;
}

static struct bucket *graph_bucket(uint64_t hash)
{
	return &graph->buckets[hash & (graph->nr_buckets - 1)];
}

/* Into a table of twice the size, with entries that are new as well. */
static void graph_rehash(size_t nr_buckets)
{
	struct bucket *old = graph->buckets, *to;
	size_t nr_old = graph->nr_buckets, i;
	struct entry *from, *entry;

	graph->buckets = new_array(types.bucket, nr_buckets);
	graph->nr_buckets = nr_buckets;
	for (i = 0; i < nr_old; i++) {
		for (from = old[i].first; from; from = from->next) {
			entry = new_object(types.entry);
			to = graph_bucket(hash_string(HASH_START, from->package->name));
			entry->package = from->package;
			entry->next = to->first;
			to->first = entry;
		}
	}
}

static void graph_list(struct package *package, uint64_t hash)
{
	struct entry *entry = new_object(types.entry);
	struct bucket *bucket;

	if (graph->nr_listed >= graph->nr_buckets)
		graph_rehash(2 * graph->nr_buckets);
	bucket = graph_bucket(hash);
	entry->package = package;
	entry->next = bucket->first;
	bucket->first = entry;
	graph->nr_listed++;
}

static struct package *graph_package(struct slice name, uint64_t hash, uint32_t number)
{
	struct package *package;
	struct entry *entry;

	for (entry = graph_bucket(hash)->first; entry; entry = entry->next)
		if (strlen(entry->package->name) == name.length &&
		    !memcmp(entry->package->name, name.at, name.length))
			return entry->package;
	package = new_object(types.package);
	package->name = new_string(name);
	package->number = number;
	graph_list(package, hash);
	return package;
}

static void graph_start(void)
{
	graph = new_object(types.graph);
	graph->nr_buckets = 1024;
	graph->buckets = new_array(types.bucket, graph->nr_buckets);
}

static int compare_slots(const void *a, const void *b)
{
	const struct slot *x = a, *y = b;

	return strcmp(x->package->name, y->package->name);
}

/* qsort() may keep pointers in malloc()ed memory, but allocates nothing here. */
static void graph_rebuild_index(void)
{
	struct entry *entry;
	size_t i, nr = 0;

	graph_rehash(graph->nr_buckets);
	graph->index = new_array(types.slot, graph->nr_listed);
	for (i = 0; i < graph->nr_buckets; i++)
		for (entry = graph->buckets[i].first; entry; entry = entry->next)
			graph->index[nr++].package = entry->package;
	graph->nr_indexed = nr;
	qsort(graph->index, nr, sizeof(*graph->index), compare_slots);
}

/* ---- Taking it apart ---------------------------------------------------- */

/* Mark a clause that nobody lists any more; its reverse links go in prune(). */
static void clause_drop(struct clause *clause)
{
	clause->version = NULL;
}

static void version_drop(struct version *version)
{
	struct clause *clause;

	for (clause = version->clauses; clause; clause = clause->next)
		clause_drop(clause);
}

static void prune_reverse(struct package *package)
{
	struct reverse **link = &package->needed_by;

	while (*link) {
		if ((*link)->clause->version)
			link = &(*link)->next;
		else
			*link = (*link)->next;
	}
}

/* Unlink what leads to dropped clauses, and packages that are but a name. */
static void graph_prune(void)
{
	struct package *package;
	struct entry **link;
	size_t i;

	for (i = 0; i < graph->nr_buckets; i++) {
		link = &graph->buckets[i].first;
		while (*link) {
			package = (*link)->package;
			prune_reverse(package);
			if (package->versions || package->needed_by) {
				link = &(*link)->next;
			} else {
				*link = (*link)->next;
				graph->nr_listed--;
			}
		}
	}
}

static void graph_visit_packages(void (*visit)(struct package *package))
{
	struct entry *entry;
	size_t i;

	for (i = 0; i < graph->nr_buckets; i++)
		for (entry = graph->buckets[i].first; entry; entry = entry->next)
			visit(entry->package);
}

static void version_drop_weak(struct version *version)
{
	struct clause **link = &version->clauses;

	while (*link) {
		if ((*link)->kind != RECOMMENDS && (*link)->kind != SUGGESTS) {
			link = &(*link)->next;
		} else {
			clause_drop(*link);
			*link = (*link)->next;
		}
	}
}

static void package_drop_weak(struct package *package)
{
	struct version *version;

	for (version = package->versions; version; version = version->next)
		version_drop_weak(version);
}

static void package_remove_sections(struct package *package)
{
	struct version **link = &package->versions;

	while (*link) {
		if (!section_is_named((*link)->section->text, options.sections)) {
			link = &(*link)->next;
		} else {
			version_drop(*link);
			*link = (*link)->next;
		}
	}
}

static void package_remove_unneeded(struct package *package)
{
	if (package->needed_by)
		return;
	for (; package->versions; package->versions = package->versions->next)
		version_drop(package->versions);
}

static void graph_drop_weak(void)
{
	graph_visit_packages(package_drop_weak);
	graph_prune();
}

static void graph_remove_sections(void)
{
	graph_visit_packages(package_remove_sections);
	graph_prune();
}

static void graph_remove_unneeded(void)
{
	graph_visit_packages(package_remove_unneeded);
	graph_prune();
}

static void graph_let_go(void)
{
	graph = NULL;
}

#endif /* PKGGRAPH_GRAPH_H */
