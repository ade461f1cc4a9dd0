/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pkggraph: walk the whole graph and compare it with the record.
 *
 * Every object is counted, each once, so that the count can be held against the
 * collector's own.
 */
#ifndef PKGGRAPH_VERIFY_H
#define PKGGRAPH_VERIFY_H

#include "graph.h"
#include "record.h"

struct walk {
	const struct package *package;	/* for the message */
	uint64_t nr_objects;
	size_t nr_listed;
};

static _Noreturn __printf(2, 3) void mismatch(const struct walk *walk, const char *format, ...)
{
	va_list arguments;
	char text[256];

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (walk->package)
		die("MISMATCH in package number %u: %s", walk->package->number, text);
	die("MISMATCH: %s", text);
}

static uint64_t check_of_version(const struct version *version)
{
	uint64_t check = HASH_START;

	check = hash_string(check, version->number);
	check = hash_string(check, version->description);
	check = hash_string(check, version->section->text);
	check = hash_string(check, version->machine->text);
	return hash_bytes(check, &version->installed_size, sizeof(version->installed_size));
}

static const struct edge_record *skip_dropped(const struct edge_record *edge,
					      const struct edge_record *end)
{
	while (edge < end && record.dropped[edge->kind])
		edge++;
	return edge;
}

static void verify_alternative(struct walk *walk, const struct clause *clause, uint32_t i,
			       const struct edge_record *edge)
{
	const struct alternative *alternative = &clause->alternatives[i];
	const char *constraint = alternative->constraint ?: "";

	if (alternative->package->number != edge->target)
		mismatch(walk, "a dependency leads to package %u, not %u",
			 alternative->package->number, edge->target);
	if ((uint32_t)hash_string(HASH_START, constraint) != edge->constraint)
		mismatch(walk, "a dependency's constraint is changed: \"%s\"", constraint);
	if (clause->kind != edge->kind || edge->first != !i)
		mismatch(walk, "a dependency is of another kind or in another place");
	walk->nr_objects += !!alternative->constraint;
}

static void verify_version(struct walk *walk, const struct version *version,
			   const struct version_record *expected)
{
	const struct edge_record *edge = &record.edges[expected->first_edge];
	const struct edge_record *end = edge + expected->nr_edges;
	const struct clause *clause;
	uint32_t i;

	if (version->package != walk->package)
		mismatch(walk, "a version belongs to another package");
	if (check_of_version(version) != expected->check)
		mismatch(walk, "a version's strings or size are changed");
	walk->nr_objects += 3;
	for (clause = version->clauses; clause; clause = clause->next) {
		if (clause->version != version)
			mismatch(walk, "a dependency belongs to another version");
		for (i = 0; i < clause->nr_alternatives; i++) {
			edge = skip_dropped(edge, end);
			if (edge == end)
				mismatch(walk, "a version has too many dependencies");
			verify_alternative(walk, clause, i, edge++);
		}
		walk->nr_objects += 2;
	}
	if (skip_dropped(edge, end) != end)
		mismatch(walk, "a version has lost a dependency");
}

static uint32_t next_expected(uint32_t version)
{
	while (version != NONE && record.versions[version].removed)
		version = record.versions[version].next;
	return version;
}

static void verify_versions(struct walk *walk)
{
	uint32_t expected = record.packages[walk->package->number].first_version;
	const struct version *version;

	expected = next_expected(expected);
	for (version = walk->package->versions; version; version = version->next) {
		if (expected == NONE)
			mismatch(walk, "it has too many versions");
		verify_version(walk, version, &record.versions[expected]);
		expected = next_expected(record.versions[expected].next);
	}
	if (expected != NONE)
		mismatch(walk, "it has lost a version");
}

static bool clause_names(const struct clause *clause, const struct package *package)
{
	uint32_t i;

	for (i = 0; i < clause->nr_alternatives; i++)
		if (clause->alternatives[i].package == package)
			return true;
	return false;
}

static void verify_reverse(struct walk *walk)
{
	uint32_t expected = record.packages[walk->package->number].nr_reverse, nr = 0;
	const struct reverse *reverse;

	for (reverse = walk->package->needed_by; reverse; reverse = reverse->next) {
		if (!reverse->clause->version || !clause_names(reverse->clause, walk->package))
			mismatch(walk, "a reverse dependency leads to the wrong place");
		nr++;
	}
	if (nr != expected)
		mismatch(walk, "it has %u reverse dependencies, not %u", nr, expected);
	walk->nr_objects += nr;
}

static void verify_package(struct walk *walk, const struct package *package)
{
	if (package->number >= record.nr_packages)
		mismatch(walk, "there is no package number %u", package->number);
	walk->package = package;
	if (hash_string(HASH_START, package->name) != record.packages[package->number].name)
		mismatch(walk, "its name is changed: \"%s\"", package->name);
	verify_versions(walk);
	verify_reverse(walk);
	walk->nr_objects += 2;
}

static void verify_table(struct walk *walk)
{
	const struct entry *entry;
	size_t i, nr_listed = 0;

	for (i = 0; i < graph->nr_buckets; i++) {
		for (entry = graph->buckets[i].first; entry; entry = entry->next) {
			verify_package(walk, entry->package);
			if (!record.packages[entry->package->number].listed)
				mismatch(walk, "it is listed and should be gone");
			walk->nr_objects++;
			walk->nr_listed++;
		}
	}
	for (i = 0; i < record.nr_packages; i++)
		nr_listed += record.packages[i].listed;
	walk->package = NULL;
	if (walk->nr_listed != nr_listed)
		mismatch(walk, "%zu packages are listed, not %zu", walk->nr_listed, nr_listed);
}

/* The index keeps packages alive that the table has lost: as an index does. */
static void verify_index(struct walk *walk)
{
	const struct package *package, *before = NULL;
	size_t i, nr_indexed = 0;

	for (i = 0; i < graph->nr_indexed; i++, before = package) {
		package = graph->index[i].package;
		if (package->number >= record.nr_packages ||
		    !record.packages[package->number].indexed)
			mismatch(walk, "place %zu of the index holds a wrong package", i);
		if (before && strcmp(before->name, package->name) >= 0)
			mismatch(walk, "the index is not in order at place %zu", i);
		if (!record.packages[package->number].listed)
			verify_package(walk, package);
	}
	walk->package = NULL;
	for (i = 0; i < record.nr_packages; i++)
		nr_indexed += record.packages[i].indexed;
	if (graph->nr_indexed != nr_indexed)
		mismatch(walk, "%zu packages are indexed, not %zu", graph->nr_indexed,
			 nr_indexed);
}

/*
 * The number of objects that were reached and found intact. In a frame of its own:
 * what it leaves on the stack shall not keep the graph alive.
 */
static __noinline uint64_t verify(void)
{
	const struct symbol *symbol;
	struct walk walk = { };

	if (!graph)
		return 0;
	walk.nr_objects = 3;	/* the graph and its two tables */
	for (symbol = graph->symbols; symbol; symbol = symbol->next)
		walk.nr_objects += 2;
	verify_table(&walk);
	verify_index(&walk);
	return walk.nr_objects;
}

#endif /* PKGGRAPH_VERIFY_H */
