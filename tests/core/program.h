/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For fuzz targets: a program that allocates, writes, links and frees as the input says, on a
 * core's heap, does for it what lease.c and object.c do in the module, and knows in graph.h
 * what has to be there. Pages that are written are noted, as page tables do.
 */
#ifndef TESTS_CORE_PROGRAM_H
#define TESTS_CORE_PROGRAM_H

#include "core/fuzz.h"
#include "core/graph.h"

#define MAX_CHUNKS	40
#define MAX_PAGES	(MAX_CHUNKS * GCARENA_CHUNK_PAGES)
#define NR_LEASES	4
#define NR_AMBIGUOUS	6
#define NR_PRECISE	64

/**
 * struct lease - a span that a thread holds
 * @span: the span, or NULL
 * @taken: its slots that were free
 * @mine: of these, slots without an object
 */
struct lease {
	struct heap_span *span;
	u64 taken[GCARENA_MAX_SLOTS / 64];
	u64 mine[GCARENA_MAX_SLOTS / 64];
};

/**
 * struct root - a word that refers to an object from outside
 * @to: the object, or GRAPH_NONE
 * @inner: how far into it
 */
struct root {
	unsigned int to;
	u64 inner;
};

static struct gcarena_heap heap;
static struct graph graph;
static struct lease leases[NR_LEASES];
static struct root ambiguous[NR_AMBIGUOUS];
static struct root precise[NR_PRECISE];
static struct fuzz_input in;
static u64 reserve;
/* Pages that were written: since the last cycle, and since regions were last looked at. */
static DECLARE_BITMAP(written, MAX_PAGES);
static DECLARE_BITMAP(dirty, MAX_PAGES);

/* ---- What is in the heap -------------------------------------------------------- */

static struct heap_span *core_span(u64 offset)
{
	u64 index = offset / (2 * MIB);
	struct heap_chunk *chunk = index < heap.nr_table ? heap.chunks[index] : NULL;

	return chunk ? chunk->blocks[offset / 8192 % 256].span : NULL;
}

static u32 slot_of(const struct heap_span *span, const struct graph_object *o)
{
	return (o->start - span->start) / span->slot_bytes;
}

static void note_write(u64 page)
{
	__set_bit(page, written);
	__set_bit(page, dirty);
}

static u64 address_in(unsigned int to, u64 inner)
{
	return heap.base + graph.objects[to].start + inner;
}

static u64 cell_value(const struct graph_cell *cell)
{
	return cell->to == GRAPH_NONE ? cell->value : address_in(cell->to, cell->value);
}

static void write_word(const struct graph_object *o, u64 word, u64 value)
{
	*core_word(&heap, o->start + word * 8) = value;
	note_write((o->start + word * 8) >> PAGE_SHIFT);
}

/* The core may sweep when it likes; then what is dead is gone. */
static void forget_swept(void)
{
	unsigned int i;

	for (i = 0; i < graph.top; i++) {
		struct graph_object *o = &graph.objects[i];
		struct heap_span *span = o->bytes && o->unswept ? core_span(o->start) : NULL;

		if (o->bytes && o->unswept && (!span || span->epoch == heap.epoch))
			graph_remove(&graph, o);
	}
}

static int sweep_all(void)
{
	int ret = gcarena_sweep_all(&heap);

	forget_swept();
	return ret;
}

/* ---- Is it what it should be? ----------------------------------------------------- */

static void compare_object(const struct graph_object *o)
{
	struct heap_span *span = core_span(o->start);
	u32 i;

	FUZZ_EXPECT(span, "object at %#lx is nowhere", o->start);
	i = slot_of(span, o);
	FUZZ_EXPECT(span->slot_bytes == o->bytes && span->layout->number == o->layout &&
		    o->start == span->start + i * span->slot_bytes, "at %#lx", o->start);
	FUZZ_EXPECT(core_test_bit(&span->words[i / 64].alloc, i % 64), "at %#lx", o->start);
}

/* The slots of objects, and those that threads have, are allocated, and no others are. */
static void compare(void)
{
	u64 objects = 0, bytes = 0, permanent = 0;
	unsigned int i, k;

	forget_swept();
	for (i = 0; i < graph.top; i++) {
		if (!graph.objects[i].bytes)
			continue;
		compare_object(&graph.objects[i]);
		objects++;
		bytes += graph.objects[i].bytes;
		permanent += graph.objects[i].permanent;
	}
	for (i = 0; i < NR_LEASES; i++) {
		for (k = 0; leases[i].span && k < leases[i].span->nr_slots; k++) {
			if (!core_test_bit(leases[i].mine, k))
				continue;
			FUZZ_EXPECT(core_test_bit(&leases[i].span->words[k / 64].alloc, k % 64),
				    "slot %u of %#lx", k, leases[i].span->start);
			objects++;
			bytes += leases[i].span->slot_bytes;
		}
	}
	FUZZ_EXPECT(objects == heap.used.objects, "%lu, %lu", objects, heap.used.objects);
	FUZZ_EXPECT(bytes == heap.used.bytes, "%lu, %lu", bytes, heap.used.bytes);
	FUZZ_EXPECT(permanent == heap.permanent.objects, "%lu, %lu", permanent,
		    heap.permanent.objects);
}

static void compare_words(struct graph_object *o)
{
	struct graph_cell *cell;
	unsigned int i;
	u64 word;

	for (i = 0; i < o->nr_cells; i++)
		FUZZ_EXPECT(*core_word(&heap, o->start + o->cell[i].word * 8) ==
			    cell_value(&o->cell[i]), "word %lu of %#lx",
			    o->cell[i].word, o->start);
	/* All of the small ones; of others the ends. */
	for (word = 0; word < o->bytes / 8; word++) {
		if (word == 64 && o->bytes > 1024)
			word = o->bytes / 8 - 64;
		cell = graph_cell_at(o, word);
		FUZZ_EXPECT(cell || !*core_word(&heap, o->start + word * 8), "word %lu of %#lx",
			    word, o->start);
	}
}

static void compare_id(const struct graph_object *o)
{
	struct heap_slot slot = gcarena_heap_resolve(&heap, o->start);
	u64 id = 0;

	FUZZ_EXPECT(!gcarena_id_get(&heap, &slot, &id), "at %#lx", o->start);
	FUZZ_EXPECT(id == o->id, "at %#lx: %lu, not %lu", o->start, id, o->id);
}

/* Each word that was written, and each number. */
static void compare_contents(void)
{
	unsigned int i;

	for (i = 0; i < graph.top; i++) {
		if (!graph_is_there(&graph.objects[i]))
			continue;
		compare_words(&graph.objects[i]);
		if (graph.objects[i].id)
			compare_id(&graph.objects[i]);
	}
}

/* ---- Choosing --------------------------------------------------------------------- */

static unsigned int pick_object(void)
{
	return graph_pick(&graph, fuzz_below(&in, 65536));
}

/* Where there are boundaries, or anywhere. */
static u64 pick_word(const struct graph_object *o)
{
	u64 words = o->bytes / 8;

	switch (fuzz_below(&in, 6)) {
	case 0:
		return 0;
	case 1:
		return words - 1;
	case 2:
		return (512 - o->start % 4096 / 8) % words;	/* the next page */
	case 3:
		return ((2 * MIB - o->start % (2 * MIB)) / 8) % words;
	default:
		return fuzz_below(&in, words);
	}
}

static u64 pick_inner(unsigned int to)
{
	u64 word = pick_word(&graph.objects[to]);

	return fuzz_below(&in, 3) ? 0 : word * 8 + word % 8;
}

/* A word near @word that is a pointer, or GRAPH_NONE. */
static u64 pointer_near(const struct graph_object *o, u64 word)
{
	u64 n;

	for (n = 0; n < GRAPH_ELEM; n++) {
		if (graph_is_pointer(&graph, o, (word + n) % (o->bytes / 8)))
			return (word + n) % (o->bytes / 8);
	}
	return GRAPH_NONE;
}

/* ---- Writing ------------------------------------------------------------------------ */

/* A word of object @from. If too many are known of it, another one is zero now. */
static void put_cell(struct graph_object *from, u64 word, unsigned int to, u64 value)
{
	struct graph_cell *cell = graph_cell_at(from, word);

	if (!cell && from->nr_cells < GRAPH_CELLS)
		cell = &from->cell[from->nr_cells++];
	if (!cell) {
		cell = &from->cell[fuzz_below(&in, GRAPH_CELLS)];
		write_word(from, cell->word, 0);
	}
	*cell = (struct graph_cell) { word, to, value };
	write_word(from, word, cell_value(cell));
}

static void link_objects(unsigned int from, unsigned int to)
{
	struct graph_object *o = &graph.objects[from];
	u64 word = pointer_near(o, pick_word(o));

	if (word != GRAPH_NONE)
		put_cell(o, word, to, pick_inner(to));
}

/* What is no pointer may look like one; what is one points out of the arena. */
static void write_number(unsigned int to)
{
	struct graph_object *o = &graph.objects[to];
	u64 word = pick_word(o), number = fuzz_bytes(&in, 3);

	if (graph_is_pointer(&graph, o, word))
		number = number % 2 ? heap.base - 1 - number : heap.base + reserve + number;
	else
		number = heap.base + number * 8 % reserve;
	put_cell(o, word, GRAPH_NONE, number);
}

static void set_root(struct root *root, unsigned int to)
{
	*root = (struct root) { to, to == GRAPH_NONE ? 0 : pick_inner(to) };
}

/* Nothing refers to the object any more. */
static void drop_references(unsigned int to)
{
	unsigned int i, k;

	for (i = 0; i < graph.top; i++) {
		struct graph_object *o = &graph.objects[i];

		for (k = 0; graph_is_there(o) && k < o->nr_cells; k++) {
			if (o->cell[k].to == to)
				put_cell(o, o->cell[k].word, GRAPH_NONE, 0);
		}
	}
	for (i = 0; i < NR_PRECISE; i++)
		precise[i].to = precise[i].to == to ? GRAPH_NONE : precise[i].to;
	for (i = 0; i < NR_AMBIGUOUS; i++)
		ambiguous[i].to = ambiguous[i].to == to ? GRAPH_NONE : ambiguous[i].to;
}

/* ---- Allocating ------------------------------------------------------------------- */

static struct heap_layout *pick_layout(void)
{
	static const u8 number[] = { 2, 2, 2, 3, 3, 1, 1, 0 };

	return heap.layouts[number[fuzz_below(&in, ARRAY_SIZE(number))] % heap.nr_layouts];
}

static unsigned int pick_class(void)
{
	static const u32 bytes[] = { 16, 48, 208, 1024, 5120, 12288, 20480, 32768 };

	return core_class_of(bytes[fuzz_below(&in, ARRAY_SIZE(bytes))]);
}

/* All of it zero, which for a small one the program sees to itself. */
static void clear_object(const struct graph_object *o, bool small)
{
	u64 at, n;

	for (at = o->start; at < o->start + o->bytes; at += n) {
		n = min(o->start + o->bytes - at, 4096 - at % 4096);
		memset(core_word(&heap, at), 0, n);
		if (small)
			note_write(at >> PAGE_SHIFT);
	}
}

/* An object in a slot that was handed out. Return: its number, or GRAPH_NONE. */
static unsigned int object_new(struct heap_span *span, u32 index)
{
	struct graph_object *o = graph_add(&graph);
	bool small = span->class != GCARENA_CLASS_LARGE;

	if (!o)
		return GRAPH_NONE;
	o->start = span->start + index * span->slot_bytes;
	o->bytes = span->slot_bytes;
	o->layout = span->layout->number;
	if (small || !span->zeroed)
		clear_object(o, small);
	return o - graph.objects;
}

/* Most objects are referred to by something. */
static void introduce(unsigned int new, unsigned int last)
{
	u32 how = fuzz_below(&in, 8);

	if (new == GRAPH_NONE)
		return;
	if (how < 5)
		set_root(&precise[fuzz_below(&in, NR_PRECISE)], new);
	if (how > 3 && last != GRAPH_NONE)
		link_objects(last, new);
	if (how == 7)
		write_number(new);
}

/* What was in there when nobody looked is in objects now; see evacuate.c. */
static void note_handed_out(const struct heap_span *span)
{
	u64 at;

	for (at = span->start; at < span->start + span->bytes; at += 4096)
		__set_bit(at >> PAGE_SHIFT, dirty);
}

/* As span_find() in lease.c. */
static struct heap_span *span_find(struct heap_layout *layout, unsigned int class, bool new)
{
	struct heap_bucket *bucket = gcarena_layout_bucket(&heap, layout, class);
	struct heap_span *span;

	if (!bucket)
		return NULL;
	span = list_first_entry_or_null(&bucket->partial, struct heap_span, link);
	if (span && !new) {
		list_del_init(&span->link);
		return span;
	}
	while (!new && (span = gcarena_sweep_next(&heap, bucket))) {
		forget_swept();
		if (span->nr_used < span->nr_slots)
			return span;
		list_add(&span->link, &bucket->full);
	}
	span = gcarena_span_create(&heap, layout, class, 0);
	return IS_ERR(span) ? NULL : span;
}

static void op_take(void)
{
	struct lease *l = &leases[fuzz_below(&in, NR_LEASES)];
	struct heap_layout *layout = pick_layout();

	if (l->span)
		return;
	l->span = span_find(layout, pick_class(), false);
	if (!l->span)
		return;
	gcarena_span_take(&heap, l->span, l->taken);
	memcpy(l->mine, l->taken, sizeof(l->mine));
	l->span->lease = (struct gcarena_lease *)l;
	note_handed_out(l->span);
}

static void op_alloc(void)
{
	struct lease *l = &leases[fuzz_below(&in, NR_LEASES)];
	u32 nr = 1 + fuzz_below(&in, 8), i;
	unsigned int new, last = pick_object();

	for (i = 0; l->span && nr && i < l->span->nr_slots; i++) {
		if (!core_test_bit(l->mine, i))
			continue;
		new = object_new(l->span, i);
		if (new == GRAPH_NONE)
			return;
		l->mine[i / 64] &= ~BIT_ULL(i % 64);
		introduce(new, last);
		last = new;
		nr--;
	}
}

static void lease_end(struct lease *l)
{
	if (!l->span)
		return;
	gcarena_span_put(&heap, l->span, l->taken, l->mine);
	l->span->lease = NULL;
	gcarena_span_settle(&heap, l->span);
	l->span = NULL;
}

static void op_return(void)
{
	lease_end(&leases[fuzz_below(&in, NR_LEASES)]);
}

/* New spans with an object in each so many slots: what is left when the others have died. */
static void op_fill(void)
{
	struct heap_layout *layout = pick_layout();
	unsigned int class = pick_class(), new, last = GRAPH_NONE;
	u32 nr = 1 + fuzz_below(&in, 6), step = 1 + fuzz_below(&in, 12), i, kept;
	struct lease l;

	while (nr--) {
		l.span = span_find(layout, class, true);
		if (!l.span)
			return;
		gcarena_span_take(&heap, l.span, l.taken);
		memcpy(l.mine, l.taken, sizeof(l.mine));
		note_handed_out(l.span);
		for (i = nr % step, kept = 0; i < l.span->nr_slots && kept < 16; i += step) {
			new = object_new(l.span, i);
			if (new == GRAPH_NONE)
				break;
			l.mine[i / 64] &= ~BIT_ULL(i % 64);
			introduce(new, last);
			last = new;
			kept++;
		}
		lease_end(&l);
	}
}

static void op_large(void)
{
	static const u32 sizes[] = {
		32769, 65536, 500000, MIB, 2 * MIB - 8192, 2 * MIB, 2 * MIB + 1, 3 * MIB, 5 * MIB,
	};
	struct heap_layout *layout = pick_layout();
	u64 bytes = sizes[fuzz_below(&in, ARRAY_SIZE(sizes))] + fuzz_below(&in, 2) * 100000, taken;
	struct heap_span *span = gcarena_span_create(&heap, layout, GCARENA_CLASS_LARGE, bytes);
	unsigned int new;

	if (IS_ERR(span))
		return;
	new = object_new(span, 0);
	if (new == GRAPH_NONE) {
		gcarena_span_destroy(&heap, span);
		return;
	}
	gcarena_span_take(&heap, span, &taken);
	gcarena_span_settle(&heap, span);
	introduce(new, pick_object());
}

/* ---- The rest that it does ---------------------------------------------------------- */

static void op_link(void)
{
	unsigned int from = pick_object(), to = pick_object();

	if (from != GRAPH_NONE)
		link_objects(from, to);
}

static void op_number(void)
{
	unsigned int to = pick_object();

	if (to != GRAPH_NONE)
		write_number(to);
}

static void op_root(void)
{
	u32 which = fuzz_below(&in, NR_PRECISE + NR_AMBIGUOUS);

	set_root(which < NR_PRECISE ? &precise[which] : &ambiguous[which - NR_PRECISE],
		 pick_object());
}

/* A part of the program ends: its roots are gone. */
static void op_drop_roots(void)
{
	u32 step = 1 + fuzz_below(&in, 4), i;

	for (i = 0; i < NR_PRECISE; i += step)
		precise[i].to = GRAPH_NONE;
	for (i = 0; i < NR_AMBIGUOUS; i += step)
		ambiguous[i].to = GRAPH_NONE;
}

/* As free_locked() in object.c. */
static void free_object(unsigned int i)
{
	struct graph_object *o = &graph.objects[i];
	struct heap_slot slot;
	struct lease *l;

	gcarena_sweep_at(&heap, o->start);
	slot = gcarena_heap_resolve(&heap, o->start);
	l = (struct lease *)slot.span->lease;
	if (o->permanent || (l && core_test_bit(l->taken, slot.index)))
		return;
	drop_references(i);
	gcarena_slot_free(&heap, &slot);
	graph_remove(&graph, o);
}

static void op_free(void)
{
	u32 nr = 1 + fuzz_below(&in, 16);
	unsigned int i;

	while (nr-- && (i = pick_object()) != GRAPH_NONE) {
		free_object(i);
		forget_swept();
	}
}

/* All of a chunk, which may be given back then. */
static void op_free_chunk(void)
{
	unsigned int of = pick_object(), i;
	u64 chunk;

	if (of == GRAPH_NONE)
		return;
	chunk = graph.objects[of].start / (2 * MIB);
	for (i = 0; i < graph.top; i++) {
		if (graph_is_there(&graph.objects[i]) &&
		    graph.objects[i].start / (2 * MIB) == chunk)
			free_object(i);
	}
	forget_swept();
}

static void op_id(void)
{
	unsigned int i = pick_object();
	struct heap_slot slot;
	u64 id, last = heap.ids.last;

	if (i == GRAPH_NONE)
		return;
	gcarena_sweep_at(&heap, graph.objects[i].start);
	forget_swept();
	slot = gcarena_heap_resolve(&heap, graph.objects[i].start);
	if (gcarena_id_get(&heap, &slot, &id)) {
		FUZZ_EXPECT(!graph.objects[i].id, "at %#lx", graph.objects[i].start);
		return;
	}
	FUZZ_EXPECT(graph.objects[i].id ? graph.objects[i].id == id : id > last, "%lu", id);
	graph.objects[i].id = id;
}

static void op_permanent(void)
{
	unsigned int i = pick_object();
	struct heap_slot slot;

	if (i == GRAPH_NONE)
		return;
	gcarena_sweep_at(&heap, graph.objects[i].start);
	forget_swept();
	slot = gcarena_heap_resolve(&heap, graph.objects[i].start);
	if (gcarena_permanent_add(&heap, &slot))
		return;
	/* So it is old, and no cycle has looked where it points to. */
	graph.objects[i].permanent = true;
	graph.objects[i].live = true;
}

#endif
