// SPDX-License-Identifier: GPL-2.0
/*
 * The verifier: finds what is reachable a second time, in the plainest way, and compares;
 * and checks that the heap's tables agree with each other. For tests: it is slow, and
 * takes memory in proportion to the heap.
 *
 * It shares no code with marking. Where that has queues, packed items and magic
 * numbers, this follows one pointer at a time, depth first, and divides. What it is given
 * are the words of the roots, as they were read. Its stack is the path from a root to
 * the object at hand: the first reachable object without a mark is reported with it.
 *
 * A mark on an object that is not reachable is no error: the kernel may have written to
 * the program's memory, for a system call that sleeps, after the mark was set.
 *
 * Needs the heap lock, and the world stopped. May sleep, allocate, and be killed.
 */
#include <linux/printk.h>

#include "layout.h"
#include "verify.h"

#undef pr_fmt
#define pr_fmt(fmt) "gcarena: verify: " fmt

#define UNIT		16UL	/* every object begins at a multiple */
#define CHUNK_UNITS	(GCARENA_CHUNK_BYTES / UNIT)
#define CHECK_STEPS	65536
#define PATH_SHOWN	8

/**
 * struct verify_frame - an object on the path, and how far it has been read
 * @span: its span
 * @start: offset of its first byte
 * @word: the next word to read
 */
struct verify_frame {
	struct heap_span *span;
	u64 start;
	u64 word;
};

void gcarena_verifier_init(struct gcarena_verifier *v, struct gcarena_heap *heap)
{
	memset(v, 0, sizeof(*v));
	v->heap = heap;
}

static void forget_reached(struct gcarena_verifier *v)
{
	u32 i;

	for (i = 0; i < v->nr_reached; i++)
		kvfree(v->reached[i]);
	kvfree(v->reached);
	v->reached = NULL;
	v->nr_reached = 0;
	v->nr_objects = 0;
}

void gcarena_verifier_destroy(struct gcarena_verifier *v)
{
	forget_reached(v);
	kvfree(v->roots);
	kvfree(v->stack);
}

/* Make room for one more of @bytes each. Return: the array, perhaps moved, or NULL. */
static void *grow(void *array, size_t nr, size_t *room, size_t bytes)
{
	size_t more = *room ? 2 * *room : 64;
	void *new;

	if (nr < *room)
		return array;
	new = kvmalloc_array(more, bytes, GCARENA_GFP);
	if (!new)
		return NULL;
	if (nr)
		memcpy(new, array, nr * bytes);
	kvfree(array);
	*room = more;
	return new;
}

/**
 * gcarena_verify_root_words() - take note of words that may be pointers
 * @v: the verifier
 * @words: the words, as they were read
 * @nr: how many
 *
 * Failure to do so shows in gcarena_verify_marks().
 */
void gcarena_verify_root_words(struct gcarena_verifier *v, const unsigned long *words,
			       size_t nr)
{
	u64 *roots;
	size_t i;

	for (i = 0; i < nr; i++) {
		if (words[i] < v->heap->base ||
		    words[i] - v->heap->base >= (u64)v->heap->top * GCARENA_CHUNK_BYTES)
			continue;
		roots = grow(v->roots, v->nr_roots, &v->room_roots, sizeof(*roots));
		if (!roots) {
			v->error = -ENOMEM;
			return;
		}
		v->roots = roots;
		v->roots[v->nr_roots++] = words[i] - v->heap->base;
	}
}

/* The span that the block of @offset belongs to, or NULL. */
static struct heap_span *span_at(const struct gcarena_heap *heap, u64 offset)
{
	u64 index = offset / GCARENA_CHUNK_BYTES;

	if (index >= heap->nr_table || !heap->chunks[index])
		return NULL;
	return heap->chunks[index]->blocks[offset % GCARENA_CHUNK_BYTES / GCARENA_BLOCK_BYTES].span;
}

static bool bit_of(const struct heap_span *span, u64 slot, bool mark)
{
	const struct heap_slot_word *word = &span->words[slot / 64];

	return (mark ? word->mark : word->alloc) >> (slot % 64) & 1;
}

/* Is word @n of an object of the layout a pointer? */
static bool holds_pointer(const struct heap_layout *layout, u64 n)
{
	u32 word;

	if (layout->number == GCARENA_NR_CONSERVATIVE)
		return true;
	if (!layout->map || !layout->elem_words)
		return false;
	div_u64_rem(n, layout->elem_words, &word);
	return test_bit(word, layout->map);
}

/* Note that the object at @start was reached. Return: 1: it was before, 0, or -ENOMEM. */
static int reach(struct gcarena_verifier *v, u64 start)
{
	u64 index = start / GCARENA_CHUNK_BYTES;
	unsigned long **map = &v->reached[index];

	if (!*map)
		*map = kvcalloc(BITS_TO_LONGS(CHUNK_UNITS), sizeof(**map), GCARENA_GFP);
	if (!*map)
		return -ENOMEM;
	return __test_and_set_bit(start % GCARENA_CHUNK_BYTES / UNIT, *map);
}

static void report_object(const char *what, const struct heap_span *span, u64 start, u64 base)
{
	pr_err("%s %#llx: %llu bytes, layout %u (%s), class %u%s\n", what, base + start,
	       span->slot_bytes, span->layout->number, span->layout->name, span->class,
	       span->lease ? ", leased" : "");
}

/* The object on top of the stack is reachable and has no mark. */
static void report_lost(const struct gcarena_verifier *v, u64 root)
{
	const struct verify_frame *f = &v->stack[v->depth - 1];
	size_t i;

	report_object("LOST", f->span, f->start, v->heap->base);
	pr_err("reached through %zu objects, the first from root word %#llx:\n", v->depth - 1,
	       v->heap->base + root);
	for (i = 0; i + 1 < v->depth; i++) {
		if (i == PATH_SHOWN && v->depth > 2 * PATH_SHOWN) {
			i = v->depth - PATH_SHOWN - 1;
			pr_err("  ...\n");
		}
		f = &v->stack[i];
		pr_err("  word %llu of\n", f->word - 1);
		report_object("  object", f->span, f->start, v->heap->base);
	}
}

/*
 * If an object is at @offset that was not reached before, put it on the stack.
 * Return: 0, -ENOMEM, or -EIO: it has no mark.
 */
static int follow(struct gcarena_verifier *v, u64 offset, u64 root)
{
	struct heap_span *span = span_at(v->heap, offset);
	struct verify_frame *stack;
	u64 slot, start;
	int ret;

	if (!span)
		return 0;
	slot = div64_u64(offset - span->start, span->slot_bytes);
	if (slot >= span->nr_slots || !bit_of(span, slot, false))
		return 0;
	start = span->start + slot * span->slot_bytes;
	ret = reach(v, start);
	if (ret)
		return min(ret, 0);
	stack = grow(v->stack, v->depth, &v->room_stack, sizeof(*stack));
	if (!stack)
		return -ENOMEM;
	v->stack = stack;
	v->stack[v->depth++] = (struct verify_frame) { .span = span, .start = start };
	v->nr_objects++;
	if (v->untraced || bit_of(span, slot, true))
		return 0;
	report_lost(v, root);
	return -EIO;
}

/* The next pointer of the object on top of the stack, or take it off. */
static int step(struct gcarena_verifier *v, u64 root)
{
	struct verify_frame *f = &v->stack[v->depth - 1];
	const unsigned long *words;
	u64 offset, value;

	if (f->word * sizeof(u64) >= f->span->slot_bytes ||
	    f->span->layout->number == GCARENA_NR_NOSCAN) {
		v->depth--;
		return 0;
	}
	offset = f->start + f->word * sizeof(u64);
	if (!holds_pointer(f->span->layout, f->word++))
		return 0;
	words = v->heap->chunks[offset / GCARENA_CHUNK_BYTES]->kaddr;
	value = READ_ONCE(words[offset % GCARENA_CHUNK_BYTES / sizeof(u64)]);
	if (value < v->heap->base)
		return 0;
	return follow(v, value - v->heap->base, root);
}

static int trace_root(struct gcarena_verifier *v, u64 root)
{
	int ret = follow(v, root, root);

	while (!ret && v->depth) {
		ret = step(v, root);
		if (!ret && ++v->steps % CHECK_STEPS == 0)
			ret = gcarena_checkpoint();
	}
	return ret;
}

static int trace_permanent_span(struct gcarena_verifier *v, const struct heap_span *span)
{
	u64 slot;
	int ret = 0;

	for (slot = 0; span->permanent && slot < span->nr_slots && !ret; slot++) {
		if (span->permanent[slot / 64] >> (slot % 64) & 1)
			ret = trace_root(v, span->start + slot * span->slot_bytes);
	}
	return ret;
}

/* Permanent objects are roots. */
static int trace_permanent(struct gcarena_verifier *v)
{
	const struct heap_span *span;
	u64 offset, end = (u64)v->heap->nr_table * GCARENA_CHUNK_BYTES;
	int ret = 0;

	for (offset = 0; offset < end && !ret; offset += GCARENA_BLOCK_BYTES) {
		span = span_at(v->heap, offset);
		if (span && span->start == offset)
			ret = trace_permanent_span(v, span);
	}
	return ret;
}

/**
 * gcarena_verify_marks() - is everything marked that the roots reach?
 * @v: the verifier, which has heard of all roots
 *
 * Return: 0; -EIO: an object would be lost, which the kernel log tells; -ENOMEM; -EINTR.
 */
int gcarena_verify_marks(struct gcarena_verifier *v)
{
	int ret = v->error;
	size_t i;

	v->reached = kvcalloc(max(v->heap->nr_table, 1U), sizeof(*v->reached), GCARENA_GFP);
	if (!v->reached)
		return -ENOMEM;
	v->nr_reached = v->heap->nr_table;
	for (i = 0; i < v->nr_roots && !ret; i++)
		ret = trace_root(v, v->roots[i]);
	return ret ?: trace_permanent(v);
}

/* The same once more, after objects have moved. */
int gcarena_verify_again(struct gcarena_verifier *v)
{
	forget_reached(v);
	return gcarena_verify_marks(v);
}

/* ---- What is dead, and stays for a while --------------------------------------- */

/* Does a word of the program point to memory that others may get? */
static bool is_to_free(const struct gcarena_heap *heap, u64 value)
{
	u64 slot, offset = value - heap->base;
	const struct heap_span *span;

	/* No pointer: what a thread has just got and told nobody of may be full of data. */
	if (offset >= (u64)heap->top << GCARENA_CHUNK_SHIFT)
		return false;
	span = span_at(heap, offset);
	if (!span)
		return true;
	if (span->lease)
		return false;
	slot = div64_u64(offset - span->start, span->slot_bytes);
	return slot >= span->nr_slots || !bit_of(span, slot, true);
}

static void cut_object(const struct gcarena_heap *heap, const struct heap_span *span, u64 start)
{
	unsigned long *words = gcarena_heap_kaddr(heap, start);
	u64 n;

	for (n = 0; n < span->slot_bytes / sizeof(u64); n++) {
		if (holds_pointer(span->layout, n) && is_to_free(heap, READ_ONCE(words[n])))
			WRITE_ONCE(words[n], 0);
	}
}

/**
 * gcarena_verify_cut() - the dead point to nothing that is freed
 * @heap: the heap, marked to the end
 *
 * In spans that threads hold nothing is freed: what is dead in there, or was handed out and
 * has not been used, keeps its pointers, to memory that others get. That is no error; but
 * with an old number on a stack it is reachable again later, with all that it points to
 * then, and a cycle that has seen it before that does not look again. The verifier would
 * call that lost. So such pointers are zeroed. They are in objects that nothing refers to.
 */
void gcarena_verify_cut(struct gcarena_heap *heap)
{
	struct heap_span *span;
	u64 pos = 0, slot;

	while ((span = gcarena_span_next(heap, &pos))) {
		if (!span->lease || span->class == GCARENA_CLASS_LARGE ||
		    span->layout->number == GCARENA_NR_NOSCAN)
			continue;
		for (slot = 0; slot < span->nr_slots; slot++) {
			if (bit_of(span, slot, false) && !bit_of(span, slot, true))
				cut_object(heap, span, span->start + slot * span->slot_bytes);
		}
		cond_resched();
	}
}

/* ---- The heap's tables ------------------------------------------------------- */

/* What is counted anew, and compared with what the heap says. */
struct census {
	u64 objects;
	u64 bytes;
	u64 old;
	u64 permanent;
	u64 span_bytes;
	u32 chunks;
	u32 empty;
	u32 absent;
	u32 absent_idle;
};

#define EXPECT(condition, what, offset) \
	((condition) ? 0 : wrong(what, #condition, offset))

static int wrong(const char *what, const char *condition, u64 offset)
{
	pr_err("BROKEN %s at offset %#llx: not so: %s\n", what, offset, condition);
	return -EIO;
}

/* Each is marked. */
static int check_permanent(const struct heap_span *span, u64 *permanent)
{
	u64 slot, nr = 0;
	int ret = 0;

	for (slot = 0; slot < DIV_ROUND_UP(span->nr_slots, 64) * 64 && !ret; slot++) {
		if (!(span->permanent[slot / 64] >> (slot % 64) & 1))
			continue;
		nr++;
		ret = EXPECT(slot < span->nr_slots && bit_of(span, slot, true), "permanent",
			     span->start);
	}
	*permanent += nr;
	return ret ?: EXPECT(nr, "permanent", span->start);
}

static int check_slots(const struct heap_span *span, u64 *used, u64 *old)
{
	unsigned int nr_words = DIV_ROUND_UP(span->nr_slots, 64), slot;
	int ret = 0;

	*used = 0;
	*old = 0;
	for (slot = 0; slot < nr_words * 64 && !ret; slot++) {
		bool alloc = bit_of(span, slot, false), mark = bit_of(span, slot, true);

		*used += alloc;
		*old += mark;
		ret = EXPECT(slot < span->nr_slots || !(alloc || mark), "bits", span->start);
		ret = ret ?: EXPECT(!mark || alloc, "mark without object", span->start);
	}
	return ret;
}

static int check_blocks(const struct gcarena_heap *heap, const struct heap_span *span)
{
	u64 offset, end = span->start + span->bytes;
	unsigned int n = 0;
	int ret = 0;

	for (offset = span->start; offset < end && !ret; offset += GCARENA_BLOCK_BYTES, n++) {
		const struct heap_chunk *chunk = heap->chunks[offset / GCARENA_CHUNK_BYTES];
		const struct heap_block *block;
		unsigned int index = offset % GCARENA_CHUNK_BYTES / GCARENA_BLOCK_BYTES;

		ret = EXPECT(chunk, "span", offset);
		if (ret)
			return ret;
		block = &chunk->blocks[index];
		ret = EXPECT(test_bit(index, chunk->used), "span", offset) ?:
		      EXPECT(block->span == span, "block", offset) ?:
		      EXPECT(block->class == span->class, "block", offset) ?:
		      EXPECT(block->layout == span->layout->number, "block", offset) ?:
		      EXPECT(span->class == GCARENA_CLASS_LARGE || block->index == n,
			     "block", offset);
	}
	return ret;
}

static int check_span(const struct gcarena_heap *heap, const struct heap_span *span,
		      struct census *census)
{
	const struct gcarena_sizeclass *sc = &gcarena_sizeclasses[span->class];
	bool large = span->class == GCARENA_CLASS_LARGE;
	u64 used, old;
	int ret;

	ret = check_slots(span, &used, &old) ?: check_blocks(heap, span);
	if (!ret && span->permanent)
		ret = check_permanent(span, &census->permanent);
	ret = ret ?: EXPECT(used == span->nr_used, "span", span->start) ?:
	      EXPECT(span->lease || !list_empty(&span->link), "span", span->start) ?:
	      EXPECT(!span->lease || list_empty(&span->link), "leased span", span->start) ?:
	      EXPECT(span->nr_used || heap->tracing, "empty span", span->start) ?:
	      EXPECT(span->nr_slots * span->slot_bytes <= span->bytes, "span", span->start) ?:
	      EXPECT(large ? span->nr_slots == 1 : span->nr_slots == sc->nr_slots, "span",
		     span->start) ?:
	      EXPECT(large || span->slot_bytes == sc->slot_bytes, "span", span->start) ?:
	      EXPECT(heap->layouts[span->layout->number] == span->layout, "span", span->start);
	census->objects += used;
	census->old += old;
	census->bytes += used * span->slot_bytes;
	census->span_bytes += span->bytes;
	return ret;
}

static int check_chunk(const struct gcarena_heap *heap, u32 index, struct census *census)
{
	const struct heap_chunk *chunk = heap->chunks[index];
	u64 offset = index * GCARENA_CHUNK_BYTES;
	unsigned int i, used = 0, absent = 0;
	int ret = 0;

	for (i = 0; i < GCARENA_CHUNK_BLOCKS && !ret; i++) {
		const struct heap_span *span = chunk->blocks[i].span;
		u64 start = offset + i * GCARENA_BLOCK_BYTES;

		used += test_bit(i, chunk->used);
		absent += test_bit(i, chunk->absent);
		ret = EXPECT(!span == !test_bit(i, chunk->used), "chunk", start) ?:
		      EXPECT(!span || !test_bit(i, chunk->absent), "absent block", start);
		if (!ret && span && span->start == start)
			ret = check_span(heap, span, census);
		else if (!ret && span)
			ret = EXPECT(start - span->start < span->bytes, "chunk", start);
	}
	census->chunks++;
	census->empty += !used;
	census->absent += absent;
	census->absent_idle += used ? 0 : absent;
	return ret ?: EXPECT(used == chunk->nr_used, "chunk", offset) ?:
	       EXPECT(absent == chunk->nr_absent, "chunk", offset);
}

/**
 * gcarena_verify_heap() - do the heap's tables and counters agree?
 * @heap: the heap
 *
 * Return: 0; -EIO: the kernel log tells what is wrong; -EINTR.
 */
int gcarena_verify_heap(struct gcarena_heap *heap)
{
	struct census census = { };
	int ret = 0;
	u32 i;

	for (i = 0; i < heap->nr_table && !ret; i++) {
		if (heap->chunks[i])
			ret = check_chunk(heap, i, &census) ?: gcarena_checkpoint();
	}
	return ret ?: EXPECT(census.chunks == heap->nr_chunks, "heap", 0) ?:
	       EXPECT(census.empty == heap->nr_empty, "heap", 0) ?:
	       EXPECT(census.absent == heap->nr_absent, "heap", 0) ?:
	       EXPECT(census.absent_idle == heap->nr_absent_idle, "heap", 0) ?:
	       EXPECT(census.objects == heap->used.objects, "heap", 0) ?:
	       EXPECT(census.bytes == heap->used.bytes, "heap", 0) ?:
	       EXPECT(census.old == heap->old.objects, "heap", 0) ?:
	       EXPECT(census.permanent == heap->permanent.objects, "heap", 0) ?:
	       EXPECT(census.span_bytes == heap->span_bytes, "heap", 0) ?:
	       EXPECT(heap->allocated.objects - heap->freed.objects == heap->used.objects,
		      "heap", 0);
}
