// SPDX-License-Identifier: GPL-2.0
/*
 * Would meshing pay? The module's own core, in user space, on the objects of workloads/compact.h:
 * what is held after a compaction with some of the objects pinned, in whole chunks and by
 * blocks; and how much less that would be if spans whose objects are in different slots
 * shared their memory (B. Powers, D. Tench, E. Berger, A. McGregor: Mesh, PLDI 2019).
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

static void compact(const struct object *objects, size_t nr)
{
	unsigned long *words = calloc(nr + 1, sizeof(*words));
	struct gcarena_compact c;
	struct gcarena_marker m;
	size_t i;

	if (!words || gcarena_compact_init(&c, &heap) || gcarena_marker_init(&m, &heap, 1 << 20))
		bench_die("out of memory");
	for (i = 0; i < nr; i++) {
		words[i] = BASE + objects[i].offset;
		if (objects[i].pinned)
			gcarena_compact_pin_words(&c, &words[i], 1);
	}
	gcarena_mark_words(&m, words, nr);
	gcarena_mark_finish(&m);
	gcarena_marker_destroy(&m);
	gcarena_sweep_flip(&heap);
	gcarena_sweep_all(&heap);
	if (gcarena_compact_plan_slots(&c))
		bench_die("out of memory");
	gcarena_compact_move(&c);
	if (gcarena_compact_plan_spans(&c))
		bench_die("out of memory");
	gcarena_compact_move(&c);
	gcarena_compact_destroy(&c);
	free(words);
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

static void run(unsigned long pinned)
{
	size_t nr = bench_arg_number("objects", 1000000), kept, spans;
	struct object *objects = calloc(nr, sizeof(*objects));
	u64 chunks, blocks, freed;
	double live = 0;
	char name[64];

	if (!objects || core_open(&heap, RESERVE, RESERVE))
		bench_die("out of memory");
	kept = build(objects, nr, bench_arg_number("drop", 90), pinned, &live);
	compact(objects, kept);
	gcarena_chunks_release(&heap, 0);
	chunks = gcarena_heap_held(&heap);
	gcarena_blocks_release(&heap, 0);
	blocks = gcarena_heap_held(&heap);
	freed = mesh(&spans);
	printf("%3lu %% pinned: %5.1f MiB live; held: %5.2fx in chunks, %5.2fx by blocks, ",
	       pinned, live / (1 << 20), chunks / live, blocks / live);
	printf("%5.2fx if %.1f MiB of %zu spans were meshed\n", (blocks - freed) / live,
	       freed / (double)(1 << 20), spans);
	snprintf(name, sizeof(name), "held/live, %lu %% pinned", pinned);
	bench_result(name, "", blocks / live);
	snprintf(name, sizeof(name), "meshed/live, %lu %% pinned", pinned);
	bench_result(name, "", (blocks - freed) / live);
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
