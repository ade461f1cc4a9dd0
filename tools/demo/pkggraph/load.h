/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pkggraph: from a paragraph's text to the graph, and beside it to the record.
 */
#ifndef PKGGRAPH_LOAD_H
#define PKGGRAPH_LOAD_H

#include "graph.h"
#include "input.h"
#include "record.h"

#define NAME_LEN	256
#define FEW_OBJECTS	100000	/* read the files again, until there are as many */
#define MOST_COPIES	64

/* Names of the second copy end in "#2", so that no copy leads into another. */
static bool name_of_copy(char *name, struct slice plain)
{
	if (!plain.length || plain.length > NAME_LEN - 16)
		return false;
	memcpy(name, plain.at, plain.length);
	name[plain.length] = '\0';
	if (input.nr_copies)
		sprintf(name + plain.length, "#%lu", input.nr_copies + 1);
	return true;
}

/* The package of that name in this copy, in both descriptions. */
static struct package *load_name(struct slice plain)
{
	struct package *package;
	char name[NAME_LEN];
	uint64_t hash;
	uint32_t number;

	if (!name_of_copy(name, plain)) {
		input.nr_skipped++;
		return NULL;
	}
	hash = hash_string(HASH_START, name);
	number = record_package(hash);
	package = graph_package((struct slice){ name, strlen(name) }, hash, number);
	if (package->number != number)
		die("package %s was lost while the graph was built: the arena is damaged",
		    name);
	return package;
}

/* "name:any (>= 1.2)" is the package "name" and the constraint ":any (>= 1.2)". */
static void load_alternative(struct clause *clause, struct slice text,
			     struct alternative *alternative)
{
	struct slice name = text, constraint;
	struct reverse *reverse;

	name.length = 0;
	while (name.length < text.length && !strchr(" \t\n:([<", text.at[name.length]))
		name.length++;
	constraint.at = text.at + name.length;
	constraint.length = text.length - name.length;
	constraint = trim(constraint);

	alternative->package = load_name(name);
	if (!alternative->package)
		return;
	if (constraint.length)
		alternative->constraint = new_string(constraint);
	reverse = new_object(types.reverse);
	reverse->clause = clause;
	reverse->next = alternative->package->needed_by;
	alternative->package->needed_by = reverse;
	record_edge(alternative->package->number, hash_slice(HASH_START, constraint),
		    clause->kind, alternative == clause->alternatives);
}

static uint32_t count_alternatives(struct slice text)
{
	uint32_t nr = 0;

	while (text.length)
		nr += cut(&text, '|').length > 0;
	return nr;
}

static struct clause *load_clause(struct version *version, struct slice text,
				  enum dependency_kind kind)
{
	struct clause *clause = new_object(types.clause);
	struct slice piece;
	uint32_t i = 0;

	clause->version = version;
	clause->kind = kind;
	clause->nr_alternatives = count_alternatives(text);
	clause->alternatives = new_array(types.alternative, clause->nr_alternatives);
	while (text.length) {
		piece = cut(&text, '|');
		if (piece.length)
			load_alternative(clause, piece, &clause->alternatives[i++]);
	}
	return clause;
}

static void load_dependencies(struct version *version, const struct paragraph *p)
{
	struct clause **link = &version->clauses;
	struct slice rest, piece;
	unsigned int kind;

	for (kind = 0; kind < NR_KINDS; kind++) {
		rest = p->fields[FIELD_PRE_DEPENDS + kind];
		while (rest.length) {
			piece = cut(&rest, ',');
			if (!count_alternatives(piece))
				continue;
			*link = load_clause(version, piece, kind);
			link = &(*link)->next;
		}
	}
}

static uint64_t check_of_paragraph(const struct paragraph *p, uint64_t size)
{
	uint64_t check = HASH_START;

	check = hash_slice(check, p->fields[FIELD_VERSION]);
	check = hash_slice(check, p->fields[FIELD_DESCRIPTION]);
	check = hash_slice(check, p->fields[FIELD_SECTION]);
	check = hash_slice(check, p->fields[FIELD_MACHINE]);
	return hash_bytes(check, &size, sizeof(size));
}

static bool paragraph_is_doomed(const struct paragraph *p)
{
	char section[NAME_LEN];

	snprintf(section, sizeof(section), "%.*s", (int)p->fields[FIELD_SECTION].length,
		 p->fields[FIELD_SECTION].at);
	return section_is_named(section, options.sections);
}

static struct version *load_version(struct package *package, const struct paragraph *p)
{
	struct version *version = new_object(types.version);
	struct slice size = p->fields[FIELD_SIZE];

	version->package = package;
	version->number = new_string(p->fields[FIELD_VERSION]);
	version->description = new_string(p->fields[FIELD_DESCRIPTION]);
	version->section = graph_symbol(p->fields[FIELD_SECTION]);
	version->machine = graph_symbol(p->fields[FIELD_MACHINE]);
	for (; size.length && *size.at >= '0' && *size.at <= '9'; size.at++, size.length--)
		version->installed_size = 10 * version->installed_size + *size.at - '0';
	version->next = package->versions;
	package->versions = version;
	record_version(package->number, check_of_paragraph(p, version->installed_size),
		       paragraph_is_doomed(p));
	return version;
}

static void load_paragraph(struct paragraph *p)
{
	struct package *package;

	paragraph_parse(p);
	if (!p->fields[FIELD_VERSION].length) {
		input.nr_skipped++;
		return;
	}
	package = load_name(p->fields[FIELD_PACKAGE]);
	if (!package)
		return;
	load_dependencies(load_version(package, p), p);
	paragraph_verify(p);
	input.nr_paragraphs++;
}

static void load_file(char *path)
{
	struct paragraph paragraph;
	struct reader reader;
	unsigned long nr = 0;
	bool more = true;
	pid_t pid;

	reader_open(&reader, path, &pid);
	while (nr++ < options.limit && (more = paragraph_read(&paragraph, &reader)))
		load_paragraph(&paragraph);
	reader_close(&reader, pid, !more);
	input.nr_files++;
}

static uint64_t objects_in_use(void)
{
	struct gca_stats stats = { .size = sizeof(stats) };

	if (gca_read_stats(&stats))
		die_of_arena("read the arena's statistics");
	return stats.heap_objects;
}

static bool want_another_copy(void)
{
	if (options.copies)
		return input.nr_copies < options.copies;
	return objects_in_use() < FEW_OBJECTS && input.nr_copies < MOST_COPIES;
}

static void graph_load(void)
{
	int i;

	graph_start();
	do {
		for (i = 0; i < options.nr_files; i++)
			load_file(options.files[i]);
		if (!input.nr_paragraphs)
			die("no packages in %s%s: give a dpkg status or apt Packages file",
			    options.files[0], options.nr_files > 1 ? " and the other files" : "");
		input.nr_copies++;
	} while (want_another_copy());
	graph_rebuild_index();
	record_rebuild_index();
}

#endif /* PKGGRAPH_LOAD_H */
