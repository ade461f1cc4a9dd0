/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Going through the words of objects that are, or may be, pointers.
 *
 * For compaction, which needs to know where a word is, and may write to it. Marking has
 * loops of its own (mark.c), which do not.
 */
#ifndef GCARENA_WORDS_H
#define GCARENA_WORDS_H

#include "layout.h"

/*
 * Called for each word: where the kernel sees it, and its offset. Inlined: there is one copy
 * of the loops below for each, and no indirect call for each word.
 */
typedef void (*gcarena_word_fn)(void *data, unsigned long *word, u64 at);

/* Whole elements of at most 64 words from @at on; the end may cut the last one off. */
static __always_inline void gcarena_words_short(const struct heap_layout *layout,
						unsigned long *words, u64 at, u64 nr,
						gcarena_word_fn fn, void *data)
{
	u64 done, word, rest;

	for (done = 0; done < nr; done += layout->elem_words) {
		rest = layout->map[0];
		if (nr - done < layout->elem_words)
			rest &= BIT_ULL(nr - done) - 1;
		for (; rest; rest &= rest - 1) {
			word = done + __ffs64(rest);
			fn(data, words + word, at + word * sizeof(u64));
		}
	}
}

/* @phase: words of an element that come before @at. */
static __always_inline void gcarena_words_elements(const struct heap_layout *layout,
						   unsigned long *words, u64 at, u64 nr,
						   u32 phase, gcarena_word_fn fn, void *data)
{
	u64 done, n;

	for (done = 0; done < nr; done += n, phase = 0) {
		unsigned long bit = phase;

		n = min_t(u64, layout->elem_words - phase, nr - done);
		for_each_set_bit_from(bit, layout->map, phase + n) {
			u64 word = done + bit - phase;

			fn(data, words + word, at + word * sizeof(u64));
		}
	}
}

/**
 * gcarena_words_each() - call for each word of a part of an object that may be a pointer
 * @heap: the heap
 * @span: the object's span
 * @start: offset of the object's first byte
 * @from: offset of the first word
 * @to: offset behind the last one; all is in one chunk
 * @fn: called
 * @data: for @fn
 */
static __always_inline void gcarena_words_each(const struct gcarena_heap *heap,
					       const struct heap_span *span, u64 start, u64 from,
					       u64 to, gcarena_word_fn fn, void *data)
{
	const struct heap_layout *layout = span->layout;
	unsigned long *words = gcarena_heap_kaddr(heap, from);
	u64 i, nr = (to - from) / sizeof(u64);
	u32 phase = 0;

	if (layout->scan == GCARENA_SCAN_ALL) {
		for (i = 0; i < nr; i++)
			fn(data, words + i, from + i * sizeof(u64));
		return;
	}
	if (layout->scan == GCARENA_SCAN_NONE)
		return;
	if (from != start)
		div_u64_rem((from - start) / sizeof(u64), layout->elem_words, &phase);
	if (layout->scan == GCARENA_SCAN_SHORT && !phase)
		gcarena_words_short(layout, words, from, nr, fn, data);
	else
		gcarena_words_elements(layout, words, from, nr, phase, fn, data);
}

/**
 * gcarena_words_between() - call for each such word of all objects in a piece of memory
 * @heap: the heap
 * @span: the span that the piece lies in
 * @from: offset of its first word
 * @to: offset behind its last one; all is in one chunk
 * @fn: called
 * @data: for @fn
 *
 * Objects are slots that are allocated, whether they are marked or not.
 */
static __always_inline void gcarena_words_between(const struct gcarena_heap *heap,
						  const struct heap_span *span, u64 from, u64 to,
						  gcarena_word_fn fn, void *data)
{
	u32 i = ((from - span->start) * span->magic) >> 32;	/* 0 in a large object */
	u64 start;

	for (; i < span->nr_slots; i++) {
		start = span->start + i * span->slot_bytes;
		if (start >= to)
			break;
		if (span->words[i / 64].alloc & BIT_ULL(i % 64))
			gcarena_words_each(heap, span, start, max(start, from),
					   min(start + span->slot_bytes, to), fn, data);
	}
}

#endif
