/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a program knows of its objects, kept in the most obvious way: a list of objects, each
 * with the few words that were written to it, pointers as the number of an object. So when
 * an object moves, one field changes, and with it what every word that points there has to
 * be. It shares no code with the core, and does not know how the core works.
 *
 * The program is honest, other than that of oracle.h: what it points to is an object that it
 * can still reach, or has just made. So a minor cycle has to find what a full one would.
 */
#ifndef TESTS_CORE_GRAPH_H
#define TESTS_CORE_GRAPH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define GRAPH_OBJECTS	1024
#define GRAPH_CELLS	5
#define GRAPH_LAYOUTS	4
#define GRAPH_ELEM	256
#define GRAPH_NONE	(~0u)

/**
 * struct graph_layout - which words of an element are pointers
 * @elem: words of an element; 0: there are no elements
 * @all: without elements: is each word a pointer, or none?
 * @pointer: for each word of an element
 */
struct graph_layout {
	unsigned int elem;
	bool all;
	bool pointer[GRAPH_ELEM];
};

/**
 * struct graph_cell - a word that was written
 * @word: which word of the object
 * @to: the object it points to, or GRAPH_NONE
 * @value: how far into that object; or, if it is no pointer, what the word is
 */
struct graph_cell {
	uint64_t word;
	unsigned int to;
	uint64_t value;
};

/**
 * struct graph_object - an object
 * @start: offset of its first byte, as far as we were told
 * @bytes: length; 0: this entry is unused
 * @layout: index of its layout
 * @id: its number; 0: it was not asked for
 * @live: the collector has said that it is alive: reached by the last cycle, or permanent
 * @permanent: it is to stay where it is, for ever
 * @fixed: it must not be moved by what happens next
 * @dead: a cycle has not reached it: the program has lost it
 * @unswept: dead, and may be gone from any moment on
 * @nr_cells: entries in @cell. All other words are zero
 * @cell: the words
 */
struct graph_object {
	uint64_t start, bytes;
	unsigned int layout;
	uint64_t id;
	bool live, permanent, fixed, dead, unswept;
	unsigned int nr_cells;
	struct graph_cell cell[GRAPH_CELLS];
};

/**
 * struct graph - all objects
 * @layouts: what kinds there are
 * @objects: the objects
 * @top: no entry from here on is in use
 */
struct graph {
	struct graph_layout layouts[GRAPH_LAYOUTS];
	struct graph_object objects[GRAPH_OBJECTS];
	unsigned int top;
};

static inline bool graph_is_pointer(const struct graph *g, const struct graph_object *o,
				    uint64_t word)
{
	const struct graph_layout *l = &g->layouts[o->layout];

	return l->elem ? l->pointer[word % l->elem] : l->all;
}

/* Return: an entry that is not in use, with nothing in it, or NULL. */
static inline struct graph_object *graph_add(struct graph *g)
{
	unsigned int i;

	for (i = 0; i < GRAPH_OBJECTS && g->objects[i].bytes; i++)
		;
	if (i == GRAPH_OBJECTS)
		return NULL;
	if (i == g->top)
		g->top++;
	memset(&g->objects[i], 0, sizeof(g->objects[i]));
	return &g->objects[i];
}

static inline void graph_remove(struct graph *g, struct graph_object *o)
{
	o->bytes = 0;
	while (g->top && !g->objects[g->top - 1].bytes)
		g->top--;
}

/* May the program refer to it? */
static inline bool graph_is_there(const struct graph_object *o)
{
	return o->bytes && !o->dead;
}

/* The @nth of the objects that are there, counted round and round, or GRAPH_NONE. */
static inline unsigned int graph_pick(const struct graph *g, unsigned int nth)
{
	unsigned int i, nr = 0;

	for (i = 0; i < g->top; i++)
		nr += graph_is_there(&g->objects[i]);
	if (!nr)
		return GRAPH_NONE;
	nth %= nr;
	for (i = 0; !graph_is_there(&g->objects[i]) || nth--; i++)
		;
	return i;
}

/* The entry of a word, or NULL: it is zero. */
static inline struct graph_cell *graph_cell_at(struct graph_object *o, uint64_t word)
{
	unsigned int i;

	for (i = 0; i < o->nr_cells; i++) {
		if (o->cell[i].word == word)
			return &o->cell[i];
	}
	return NULL;
}

/* Object @i, and everything that can be reached from it, is live. */
static inline void graph_reach(struct graph *g, unsigned int i)
{
	static unsigned int todo[GRAPH_OBJECTS * GRAPH_CELLS + 1];
	unsigned int nr = 0, k;

	todo[nr++] = i;
	while (nr) {
		struct graph_object *o = &g->objects[todo[--nr]];

		if (o->live)
			continue;
		o->live = true;
		for (k = 0; k < o->nr_cells; k++) {
			if (o->cell[k].to != GRAPH_NONE)
				todo[nr++] = o->cell[k].to;
		}
	}
}

/* The same of those that are live already: what was written to them may be news. */
static inline void graph_reach_from_live(struct graph *g)
{
	unsigned int i, k;

	for (i = 0; i < g->top; i++) {
		struct graph_object *o = &g->objects[i];

		for (k = 0; o->bytes && o->live && k < o->nr_cells; k++) {
			if (o->cell[k].to != GRAPH_NONE)
				graph_reach(g, o->cell[k].to);
		}
	}
}

/* A cycle has ended: the program has lost all that is not live. */
static inline void graph_bury(struct graph *g)
{
	unsigned int i;

	for (i = 0; i < g->top; i++) {
		struct graph_object *o = &g->objects[i];

		if (o->bytes && !o->live) {
			o->dead = true;
			o->nr_cells = 0;
		}
	}
}

#endif
