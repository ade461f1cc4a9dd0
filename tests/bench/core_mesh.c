// SPDX-License-Identifier: GPL-2.0
/*
 * What do pins cost, and would meshing pay? The module's own core, in user space, on the objects
 * of workloads/compact.h: what is held after a compaction with some of the objects pinned, in
 * whole chunks and by blocks; after one in steps, as kmod/evacuate.c takes them; and how much
 * less that would be if spans whose objects are in different slots shared their memory
 * (B. Powers, D. Tench, E. Berger, A. McGregor: Mesh, PLDI 2019).
 *
 *	objects=N drop=PERCENT
 *
 * Pairs of spans of one class are found as there: by trying some others, here 64.
 */
#include <stdlib.h>

#include "../core/heap.h"

#undef MIB
#include "lib/bench.h"

#define RESERVE	(8UL << 30)
#define TRIES	64U
/* Those of kmod/evacuate.c. */
#define BUDGET		(1UL << 20)
#define MAX_REGIONS	256U

/**
 * struct object - one of the workload
 * @offset: where it is
 * @bytes: as asked for
 * @pinned: it stays
 */
struct object {
	u64 offset;
	u32 bytes;
	bool pinned;
};

static struct gcarena_heap heap;
static struct heap_span *current[GCARENA_NR_CLASSES];
static u32 next_slot[GCARENA_NR_CLASSES];

static u64 allocate(u32 bytes)
{
	unsigned int class = core_class_of(bytes);
	u64 taken[GCARENA_MAX_SLOTS / 64];
	struct heap_span *span = current[class];

	if (!span || next_slot[class] == span->nr_slots) {
		if (!gcarena_layout_bucket(&heap, heap.layouts[1], class))
			bench_die("out of memory");
		if (span)
			gcarena_span_settle(&heap, span);
		span = gcarena_span_create(&heap, heap.layouts[1], class, 0);
		if (IS_ERR(span))
			bench_die("out of memory");
		gcarena_span_take(&heap, span, taken);
		current[class] = span;
		next_slot[class] = 0;
	}
	return span->start + next_slot[class]++ * span->slot_bytes;
}

static void settle_all(void)
{
	unsigned int class;

	for (class = 0; class < GCARENA_NR_CLASSES; class++) {
		if (current[class])
			gcarena_span_settle(&heap, current[class]);
		current[class] = NULL;
	}
}

static u32 mixed_size(uint64_t *seed)
{
	u32 least = 16U << random_below(seed, 9);

	return (least + random_below(seed, least)) & ~15U;
}

/* Returns how many objects are left; they are the first ones then. */
static size_t build(struct object *objects, size_t nr, unsigned long drop, unsigned long pinned,
		    double *live)
{
	uint64_t seed = 42, kept_seed = 43, pin_seed = 44;
	size_t i, kept = 0;

	for (i = 0; i < nr; i++) {
		struct object o = { .bytes = mixed_size(&seed) };

		o.offset = allocate(o.bytes);
		if (random_below(&kept_seed, 100) < drop)
			continue;
		o.pinned = random_below(&pin_seed, 100) < pinned;
		*live += o.bytes;
		objects[kept++] = o;
	}
	settle_all();
	return kept;
}

/* Mark what is left, and sweep. Nothing points from one object to another. */
static void collect(const struct object *objects, size_t nr)
{
	struct gcarena_marker m;
	unsigned long word;
	size_t i;

	if (gcarena_marker_init(&m, &heap, 1 << 20))
		bench_die("out of memory");
	for (i = 0; i < nr; i++) {
		word = BASE + objects[i].offset;
		gcarena_mark_words(&m, &word, 1);
	}
	gcarena_mark_finish(&m);
	gcarena_marker_destroy(&m);
	gcarena_sweep_flip(&heap);
	gcarena_sweep_all(&heap);
}

static void pin_objects(struct gcarena_compact *c, const struct object *objects, size_t nr)
{
	unsigned long word;
	size_t i;

	for (i = 0; i < nr; i++) {
		word = BASE + objects[i].offset;
		if (objects[i].pinned)
			gcarena_compact_pin_words(c, &word, 1);
	}
}

static void compact(const struct object *objects, size_t nr)
{
	struct gcarena_compact c;

	if (gcarena_compact_init(&c, &heap))
		bench_die("out of memory");
	pin_objects(&c, objects, nr);
	if (gcarena_compact_plan_slots(&c))
		bench_die("out of memory");
	gcarena_compact_move(&c);
	if (gcarena_compact_plan_spans(&c))
		bench_die("out of memory");
	gcarena_compact_move(&c);
	gcarena_compact_destroy(&c);
}

/* One stop: as many regions as the budget allows. Returns bytes moved. */
static u64 empty_some(struct gcarena_remember *r, const struct object *objects, size_t nr)
{
	u64 budget = BUDGET, used = 0, moved;
	struct gcarena_compact c;
	u32 i, end;

	for (end = r->next; end < r->nr && (end == r->next || used < BUDGET); end++)
		used += r->regions[end].used;
	if (gcarena_compact_init_none(&c, &heap))
		bench_die("out of memory");
	for (i = r->next; i < end; i++) {
		if (gcarena_compact_add(&c, r->regions[i].chunk))
			bench_die("out of memory");
	}
	pin_objects(&c, objects, nr);
	for (i = r->next; i < end; i++)
		gcarena_compact_sort_region(&c, &r->regions[i]);
	for (i = r->next; i < end; i++) {
		if (gcarena_compact_plan_region(&c, &r->regions[i], &budget))
			break;
	}
	gcarena_compact_move_regions(&c, &r->regions[r->next], end - r->next);
	moved = c.moved.bytes;
	gcarena_compact_destroy(&c);
	while (r->next < i)
		gcarena_region_done(r, &r->regions[r->next++]);
	return moved;
}

/* As kmod/evacuate.c, again and again until nothing moves. Returns how often. */
static unsigned int compact_in_steps(const struct object *objects, size_t nr)
{
	struct gcarena_remember r;
	unsigned int passes = 0;
	u64 moved;

	do {
		if (gcarena_remember_init(&r, &heap, MAX_REGIONS, U32_MAX))
			bench_die("out of memory");
		while (gcarena_remember_choose(&r, BUDGET * 64, true, U32_MAX))
			;
		for (moved = 0; r.next < r.nr;)
			moved += empty_some(&r, objects, nr);
		gcarena_remember_destroy(&r);
		gcarena_chunks_release(&heap, 0);
	} while (moved && ++passes < 100);
	return passes;
}

static bool disjoint(const struct heap_span *a, const struct heap_span *b)
{
	unsigned int w;

	for (w = 0; w < gcarena_span_nr_words(a); w++) {
		if (a->words[w].alloc & b->words[w].alloc)
			return false;
	}
	return true;
}

/* Spans of one class, in random order. Returns the bytes that pairs of them would free. */
static u64 mesh_class(struct heap_span **spans, size_t nr, uint64_t *seed)
{
	u64 bytes = 0;
	size_t i, k, other;

	for (i = nr; i > 1; i--) {
		struct heap_span *span = spans[other = random_below(seed, i)];

		spans[other] = spans[i - 1];
		spans[i - 1] = span;
	}
	for (i = 0; i < nr; i++) {
		for (k = i + 1; spans[i] && k < nr && k <= i + TRIES; k++) {
			if (!spans[k] || !disjoint(spans[i], spans[k]))
				continue;
			bytes += spans[i]->bytes;
			spans[i] = NULL;
			spans[k] = NULL;
		}
	}
	return bytes;
}

static u64 mesh(size_t *nr_spans)
{
	struct heap_span **spans = NULL, *span;
	unsigned int class;
	uint64_t seed = 45;
	u64 bytes = 0, pos;
	size_t nr, room = 0;

	*nr_spans = 0;
	for (class = 1; class < GCARENA_NR_CLASSES; class++) {
		for (pos = 0, nr = 0; (span = gcarena_span_next(&heap, &pos));) {
			if (span->class != class)
				continue;
			if (nr == room)
				spans = realloc(spans, (room = 2 * room + 64) * sizeof(*spans));
			spans[nr++] = span;
		}
		*nr_spans += nr;
		bytes += mesh_class(spans, nr, &seed);
	}
	free(spans);
	return bytes;
}

/* What is held, by blocks, after the objects have been moved together. */
static u64 held_after_steps(struct object *objects, size_t nr, unsigned long pinned,
			    unsigned int *passes)
{
	double live = 0;
	size_t kept;
	u64 held;

	if (core_open(&heap, RESERVE, RESERVE))
		bench_die("out of memory");
	kept = build(objects, nr, bench_arg_number("drop", 90), pinned, &live);
	collect(objects, kept);
	*passes = compact_in_steps(objects, kept);
	gcarena_blocks_release(&heap, 0);
	held = gcarena_heap_held(&heap);
	core_close(&heap);
	return held;
}

static void report(const char *what, unsigned long pinned, double value)
{
	char name[64];

	snprintf(name, sizeof(name), "%s/live, %lu %% pinned", what, pinned);
	bench_result(name, "", value);
}

static void run(unsigned long pinned)
{
	size_t nr = bench_arg_number("objects", 1000000), kept, spans;
	struct object *objects = calloc(nr, sizeof(*objects));
	u64 chunks, blocks, freed, steps;
	unsigned int passes;
	double live = 0;

	if (!objects)
		bench_die("out of memory");
	steps = held_after_steps(objects, nr, pinned, &passes);
	if (core_open(&heap, RESERVE, RESERVE))
		bench_die("out of memory");
	kept = build(objects, nr, bench_arg_number("drop", 90), pinned, &live);
	collect(objects, kept);
	compact(objects, kept);
	gcarena_chunks_release(&heap, 0);
	chunks = gcarena_heap_held(&heap);
	gcarena_blocks_release(&heap, 0);
	blocks = gcarena_heap_held(&heap);
	freed = mesh(&spans);
	printf("%3lu %% pinned: %5.1f MiB live; held: %5.2fx in chunks, %5.2fx by blocks, ",
	       pinned, live / (1 << 20), chunks / live, blocks / live);
	printf("%5.2fx in steps (%u passes), ", steps / live, passes);
	printf("%5.2fx if %.1f MiB of %zu spans were meshed\n", (blocks - freed) / live,
	       freed / (double)(1 << 20), spans);
	report("held", pinned, blocks / live);
	report("held in steps", pinned, steps / live);
	report("meshed", pinned, (blocks - freed) / live);
	core_close(&heap);
	free(objects);
}

int main(int argc, char **argv)
{
	bench_args(argc, argv);
	run(0);
	run(1);
	run(10);
	run(50);
	run(100);
	return 0;
}
