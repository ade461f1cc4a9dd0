/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A heap as the program must see it, kept in the most obvious way: a list of slots
 * ranges, a list of words written, a flag for each slot. Every question is answered by
 * searching. It shares no code with the core, and does not know how the core works.
 */
#ifndef TESTS_CORE_ORACLE_H
#define TESTS_CORE_ORACLE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ORACLE_SPANS	256
#define ORACLE_WORDS	4096
#define ORACLE_LAYOUTS	32

/**
 * struct oracle_layout - which words of an element are pointers
 * @elem: words of an element; 0: there are no elements
 * @all: without elements: is each word a pointer, or none?
 * @pointer: one byte for each word of an element
 */
struct oracle_layout {
	unsigned int elem;
	bool all;
	uint8_t *pointer;
};

/**
 * struct oracle_span - equal slots in a row
 * @start: offset of the first
 * @bytes: length of the whole
 * @slot: length of a slot
 * @nr: slots; 0: this entry is unused
 * @layout: number of the layout
 * @used: for each slot: may it hold an object?
 * @live: for each slot: did the last cycle reach it?
 * @mine: for each slot: has the thread that holds the span got it to give away?
 * @held: a thread holds the span
 * @unswept: slots that are used and not live may be unused from any moment on
 */
struct oracle_span {
	uint64_t start, bytes, slot;
	unsigned int nr, layout;
	uint8_t *used, *live, *mine;
	bool held, unswept;
};

struct oracle_word {
	uint64_t offset, value;
};

struct oracle {
	uint64_t base;
	struct oracle_layout layouts[ORACLE_LAYOUTS];
	unsigned int nr_layouts;
	struct oracle_span spans[ORACLE_SPANS];
	struct oracle_word words[ORACLE_WORDS];
	unsigned int nr_words;
};

static inline bool oracle_in(uint64_t x, uint64_t start, uint64_t bytes)
{
	return x >= start && x - start < bytes;
}

/* The span that @offset lies in, or NULL. */
static inline struct oracle_span *oracle_find(struct oracle *o, uint64_t offset)
{
	unsigned int i;

	for (i = 0; i < ORACLE_SPANS; i++) {
		if (o->spans[i].nr && oracle_in(offset, o->spans[i].start, o->spans[i].bytes))
			return &o->spans[i];
	}
	return NULL;
}

static inline struct oracle_span *oracle_add(struct oracle *o, uint64_t start, uint64_t bytes,
					     uint64_t slot, unsigned int nr, unsigned int layout)
{
	unsigned int i;

	for (i = 0; i < ORACLE_SPANS; i++) {
		if (!o->spans[i].nr) {
			o->spans[i] = (struct oracle_span) {
				.start = start, .bytes = bytes, .slot = slot, .nr = nr,
				.layout = layout, .used = calloc(3, nr),
			};
			o->spans[i].live = o->spans[i].used + nr;
			o->spans[i].mine = o->spans[i].live + nr;
			return &o->spans[i];
		}
	}
	return NULL;
}

static inline void oracle_remove(struct oracle_span *s)
{
	free(s->used);
	memset(s, 0, sizeof(*s));
}

static inline unsigned int oracle_nr_used(const struct oracle_span *s)
{
	unsigned int i, nr = 0;

	for (i = 0; i < s->nr; i++)
		nr += s->used[i];
	return nr;
}

/* False: no room, and nothing written. */
static inline bool oracle_write(struct oracle *o, uint64_t offset, uint64_t value)
{
	unsigned int i;

	for (i = 0; i < o->nr_words; i++) {
		if (o->words[i].offset == offset)
			break;
	}
	if (i == ORACLE_WORDS)
		return false;
	o->words[i] = (struct oracle_word) { offset, value };
	o->nr_words += i == o->nr_words;
	return true;
}

/* All words there are zero from now on. */
static inline void oracle_clear(struct oracle *o, uint64_t start, uint64_t bytes)
{
	unsigned int i = 0;

	while (i < o->nr_words) {
		if (oracle_in(o->words[i].offset, start, bytes))
			o->words[i] = o->words[--o->nr_words];
		else
			i++;
	}
}

static inline bool oracle_is_pointer(const struct oracle_layout *l, uint64_t word)
{
	return l->elem ? l->pointer[word % l->elem] : l->all;
}

/* Everything that can be reached from the word @value is live. */
static inline void oracle_reach(struct oracle *o, uint64_t value)
{
	struct oracle_word *todo = malloc((ORACLE_WORDS + 1) * sizeof(*todo));
	unsigned int nr = 0, i;

	/* Only values are needed here: each word is put there once at most. */
	todo[nr++].value = value;
	while (nr) {
		uint64_t offset = todo[--nr].value - o->base, slot;
		struct oracle_span *s = oracle_find(o, offset);

		if (!s)
			continue;
		slot = (offset - s->start) / s->slot;
		if (slot >= s->nr || !s->used[slot] || s->live[slot])
			continue;
		s->live[slot] = 1;
		for (i = 0; i < o->nr_words; i++) {
			uint64_t at = o->words[i].offset - s->start - slot * s->slot;

			if (oracle_in(o->words[i].offset, s->start + slot * s->slot, s->slot) &&
			    oracle_is_pointer(&o->layouts[s->layout], at / 8))
				todo[nr++].value = o->words[i].value;
		}
	}
	free(todo);
}

static inline void oracle_close(struct oracle *o)
{
	unsigned int i;

	for (i = 0; i < ORACLE_SPANS; i++) {
		if (o->spans[i].nr)
			oracle_remove(&o->spans[i]);
	}
	for (i = 0; i < o->nr_layouts; i++)
		free(o->layouts[i].pointer);
}

#endif
