/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pkggraph: the record, which says what the graph has to look like.
 *
 * Tables of numbers and checksums from malloc(), taken from the text that was
 * read; none holds an address in the arena. Each step of the demo changes the
 * record by a function of its own, which knows nothing of the graph.
 */
#ifndef PKGGRAPH_RECORD_H
#define PKGGRAPH_RECORD_H

#include "common.h"

#define NONE	UINT32_MAX

enum dependency_kind {
	PRE_DEPENDS,
	DEPENDS,
	RECOMMENDS,
	SUGGESTS,
	NR_KINDS,
};

struct package_record {
	uint64_t name;		/* checksum */
	uint32_t first_version;	/* the one read last */
	uint32_t nr_reverse;	/* alternatives that name it */
	bool listed;		/* in the table of names */
	bool indexed;		/* in the sorted index */
};

struct version_record {
	uint64_t check;		/* of all its strings and numbers */
	uint32_t next;		/* version of the same package */
	uint32_t first_edge, nr_edges;
	uint32_t package;
	bool doomed;		/* its section is one to remove */
	bool removed;
};

struct edge_record {
	uint32_t target;
	uint32_t constraint;	/* checksum */
	uint8_t kind;
	bool first;		/* of its clause's alternatives */
};

static struct {
	struct package_record *packages;
	struct version_record *versions;
	struct edge_record *edges;
	uint32_t *names;	/* open addressing, by checksum */
	size_t nr_packages, nr_versions, nr_edges, nr_names;
	size_t package_room, version_room, edge_room;
	bool dropped[NR_KINDS];
} record;

/* Room for one more element; what is new is zero. */
static void *grow(void *array, size_t *room, size_t nr, size_t size)
{
	size_t old = *room;
	char *grown;

	if (nr < old)
		return array;
	*room = old ? 2 * old : 1024;
	grown = reallocarray(array, *room, size);
	if (!grown)
		die("out of memory for the record of %zu entries", *room);
	memset(grown + old * size, 0, (*room - old) * size);
	return grown;
}

static uint32_t *record_find(uint64_t name)
{
	size_t i = name & (record.nr_names - 1);

	while (record.names[i] != NONE && record.packages[record.names[i]].name != name)
		i = (i + 1) & (record.nr_names - 1);
	return &record.names[i];
}

static void record_resize_names(void)
{
	uint32_t i;

	if (record.nr_packages * 2 < record.nr_names)
		return;
	free(record.names);
	record.nr_names = record.nr_names ? 2 * record.nr_names : 4096;
	record.names = malloc(record.nr_names * sizeof(*record.names));
	if (!record.names)
		die("out of memory for the record of %zu names", record.nr_names);
	memset(record.names, 0xff, record.nr_names * sizeof(*record.names));
	for (i = 0; i < record.nr_packages; i++)
		*record_find(record.packages[i].name) = i;
}

/* The number of the package of that name, which is new at first sight. */
static uint32_t record_package(uint64_t name)
{
	struct package_record *package;
	uint32_t *slot;

	record_resize_names();
	slot = record_find(name);
	if (*slot != NONE)
		return *slot;
	record.packages = grow(record.packages, &record.package_room, record.nr_packages,
			       sizeof(*record.packages));
	package = &record.packages[record.nr_packages];
	package->name = name;
	package->first_version = NONE;
	package->listed = true;
	*slot = record.nr_packages;
	return record.nr_packages++;
}

static void record_version(uint32_t package, uint64_t check, bool doomed)
{
	struct version_record *version;

	record.versions = grow(record.versions, &record.version_room, record.nr_versions,
			       sizeof(*record.versions));
	version = &record.versions[record.nr_versions];
	version->check = check;
	version->package = package;
	version->next = record.packages[package].first_version;
	version->first_edge = record.nr_edges;
	version->doomed = doomed;
	record.packages[package].first_version = record.nr_versions++;
}

/* An edge of the version that was recorded last. */
static void record_edge(uint32_t target, uint32_t constraint, enum dependency_kind kind,
			bool first)
{
	record.edges = grow(record.edges, &record.edge_room, record.nr_edges,
			    sizeof(*record.edges));
	record.edges[record.nr_edges++] = (struct edge_record){
		.target = target,
		.constraint = constraint,
		.kind = kind,
		.first = first,
	};
	record.versions[record.nr_versions - 1].nr_edges++;
	record.packages[target].nr_reverse++;
}

/* After a change: who names whom, and who is still listed. */
static void record_settle(void)
{
	const struct version_record *version = record.versions;
	const struct edge_record *edge;
	size_t i;

	for (i = 0; i < record.nr_packages; i++) {
		record.packages[i].listed = false;
		record.packages[i].nr_reverse = 0;
	}
	for (; version < record.versions + record.nr_versions; version++) {
		if (version->removed)
			continue;
		record.packages[version->package].listed = true;
		edge = &record.edges[version->first_edge];
		for (i = 0; i < version->nr_edges; i++, edge++) {
			if (record.dropped[edge->kind])
				continue;
			record.packages[edge->target].listed = true;
			record.packages[edge->target].nr_reverse++;
		}
	}
}

static void record_drop_weak(void)
{
	record.dropped[RECOMMENDS] = true;
	record.dropped[SUGGESTS] = true;
	record_settle();
}

static void record_remove_sections(void)
{
	size_t i;

	for (i = 0; i < record.nr_versions; i++)
		if (record.versions[i].doomed)
			record.versions[i].removed = true;
	record_settle();
}

static void record_remove_unneeded(void)
{
	size_t i;

	for (i = 0; i < record.nr_versions; i++)
		if (!record.packages[record.versions[i].package].nr_reverse)
			record.versions[i].removed = true;
	record_settle();
}

static void record_rebuild_index(void)
{
	size_t i;

	for (i = 0; i < record.nr_packages; i++)
		record.packages[i].indexed = record.packages[i].listed;
}

static void record_let_go(void)
{
	size_t i;

	for (i = 0; i < record.nr_versions; i++)
		record.versions[i].removed = true;
	record_settle();
	record_rebuild_index();
}

#endif /* PKGGRAPH_RECORD_H */
