// SPDX-License-Identifier: GPL-2.0
/*
 * Would ageing pay? A minor cycle makes all survivors old, at once. Keeping them young for
 * one cycle more would free those of them that die meanwhile; it would also trace the others
 * twice, and keep the pages remembered that point to them.
 *
 * Programs run on the module's own core, in user space, with minor cycles as the module
 * does them: sticky marks, roots, and the pages that the program wrote, which are counted
 * exactly here. Before each cycle the true reachability is found, too, by a walk that shares
 * nothing with the marker. So it is known of what survived one cycle, how much was
 * dead at the next; and how many clean pages of old objects point to what is alive of it.
 *
 * For each program and size of the young generation:
 *
 *	survive		of the bytes that were young, those that a minor cycle keeps
 *	die next	of these, those that are dead at the next cycle: what ageing would free
 *	written		pages found written, in the mean
 *	more		clean pages, in the mean, that would have to be remembered besides
 *	work		objects traced and old ones read, for each MiB allocated, with ageing by
 *			without: in minor cycles, and in the full ones that come when promoted
 *			bytes have filled
 *			the room (as much as lives); below 1 ageing would pay
 *
 *	core_ageing [seed]
 */
#include <stdio.h>
#include <string.h>

#include "core/heap.h"

#define KIB		1024UL
#define HEAP_BYTES	(256 * MIB)
#define UNITS		(HEAP_BYTES / 16)
#define MAX_ROOTS	4096
#define MAX_HELD	64

enum { TREE_NODE, FAT_NODE, ENTRY, BLOB, NR_KINDS };

static struct gcarena_heap heap;
static struct heap_layout *layouts[NR_KINDS];
static unsigned long written[HEAP_BYTES / 4096 / 64];
static unsigned long alive[UNITS / 64], cohort[UNITS / 64];
static u64 roots[MAX_ROOTS], seed;
static unsigned int nr_roots;
static u64 young_limit, young_bytes;

/* The sums of one run. */
static struct {
	u64 cycles, fulls;
	double young, kept, kept_objects, cohort, dead, cohort_objects, dead_objects;
	double written, more, scanned, scanned_more, live_bytes, live_objects;
} sum;

static u64 random_below(u64 n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (seed >> 33) % n;
}

/* ---- Allocation: a span at a time, as a thread of the program ----------------------------- */

static struct held {
	struct heap_span *span;
	struct heap_layout *layout;
	unsigned int class;
	u64 taken[GCARENA_MAX_SLOTS / 64], unused[GCARENA_MAX_SLOTS / 64];
} held[MAX_HELD];

static void give_back(struct held *h)
{
	if (!h->span)
		return;
	gcarena_span_put(&heap, h->span, h->taken, h->unused);
	gcarena_span_settle(&heap, h->span);
	h->span = NULL;
}

static void take_span(struct held *h)
{
	struct heap_bucket *bucket = gcarena_layout_bucket(&heap, h->layout, h->class);
	struct heap_span *span = list_first_entry_or_null(&bucket->partial, struct heap_span, link);

	if (span)
		list_del_init(&span->link);
	else
		span = gcarena_span_create(&heap, h->layout, h->class, 0);
	if (IS_ERR(span)) {
		fprintf(stderr, "core_ageing: the heap is full\n");
		exit(1);
	}
	gcarena_span_take(&heap, span, h->taken);
	memcpy(h->unused, h->taken, sizeof(h->unused));
	h->span = span;
}

/* A slot of the span in hand, or U64_MAX. */
static u64 slot_in_hand(struct held *h)
{
	unsigned int w;

	for (w = 0; h->span && w < gcarena_span_nr_words(h->span); w++) {
		if (h->unused[w]) {
			unsigned int bit = __ffs64(h->unused[w]);

			h->unused[w] &= h->unused[w] - 1;
			return h->span->start + (w * 64 + bit) * h->span->slot_bytes;
		}
	}
	return U64_MAX;
}

static void collect(void);

static u64 allocate(unsigned int kind, u64 bytes)
{
	unsigned int class = core_class_of(bytes);
	struct held *h = held;
	u64 at;

	if (young_bytes >= young_limit)
		collect();
	while (h->layout && (h->layout != layouts[kind] || h->class != class))
		h++;
	h->layout = layouts[kind];
	h->class = class;
	while ((at = slot_in_hand(h)) == U64_MAX) {
		give_back(h);
		take_span(h);
	}
	memset(core_word(&heap, at), 0, h->span->slot_bytes);
	written[at / 4096 / 64] |= BIT(at / 4096 % 64);
	young_bytes += h->span->slot_bytes;
	return at;
}

/* Word @n of the object at @at: a pointer, 0 for none. (Offset 0 is given up at the start.) */
static void store(u64 at, unsigned int n, u64 to)
{
	core_word(&heap, at)[n] = to ? BASE + to : 0;
	written[(at + n * 8) / 4096 / 64] |= BIT((at + n * 8) / 4096 % 64);
}

static u64 load(u64 at, unsigned int n)
{
	u64 word = core_word(&heap, at)[n];

	return word ? word - BASE : 0;
}

static unsigned int root_push(u64 at)
{
	if (nr_roots == MAX_ROOTS)
		abort();
	roots[nr_roots] = at;
	return nr_roots++;
}

/* ---- What is alive ------------------------------------------------------------------------- */

static u64 *walk_stack;
static u64 walk_nr;

static bool bit_at(const unsigned long *map, u64 at)
{
	return map[at / 16 / 64] >> (at / 16 % 64) & 1;
}

static void visit_alive(u64 at)
{
	struct heap_slot slot = gcarena_heap_resolve(&heap, at);

	if (!slot.span || !gcarena_slot_allocated(&slot) || bit_at(alive, at))
		return;
	alive[at / 16 / 64] |= BIT(at / 16 % 64);
	sum.live_bytes += slot.span->slot_bytes;
	sum.live_objects++;
	walk_stack[walk_nr++] = at;
}

/* Pointers are first words in all our layouts: as many as are in the map. */
static unsigned int nr_pointers(const struct heap_span *span)
{
	return span->layout->scan == GCARENA_SCAN_NONE ? 0 : hweight64(span->layout->map[0]);
}

static void find_alive(void)
{
	unsigned int i;

	memset(alive, 0, sizeof(alive));
	for (i = 0; i < nr_roots; i++)
		if (roots[i])
			visit_alive(roots[i]);
	while (walk_nr) {
		u64 at = walk_stack[--walk_nr];
		struct heap_slot slot = gcarena_heap_resolve(&heap, at);

		for (i = 0; i < nr_pointers(slot.span); i++)
			if (load(at, i))
				visit_alive(load(at, i));
	}
}

/* ---- A cycle --------------------------------------------------------------------------------- */

typedef void (*old_fn)(const struct heap_span *span, u64 at, void *data);

/* Call for each old object, with the last argument. */
static void for_each_old(old_fn call, void *data)
{
	struct heap_span *span;
	unsigned int w;
	u64 pos = 0, rest;

	while ((span = gcarena_span_next(&heap, &pos))) {
		for (w = 0; w < gcarena_span_nr_words(span); w++) {
			for (rest = span->words[w].mark; rest; rest &= rest - 1)
				call(span, span->start +
				     (w * 64 + __ffs64(rest)) * span->slot_bytes, data);
		}
	}
}

static unsigned long remembered[HEAP_BYTES / 4096 / 64];

/* Of what survived the last cycle: is it alive? And do others, older than it, point to it? */
static void judge(const struct heap_span *span, u64 at, void *data)
{
	unsigned int n;

	(void)data;
	if (bit_at(cohort, at)) {
		sum.cohort += span->slot_bytes;
		sum.cohort_objects++;
		sum.dead += bit_at(alive, at) ? 0 : span->slot_bytes;
		sum.dead_objects += !bit_at(alive, at);
		return;
	}
	for (n = 0; n < nr_pointers(span); n++) {
		u64 to = load(at, n), page = (at + n * 8) / 4096;

		if (to && bit_at(cohort, to))
			remembered[page / 64] |= BIT(page % 64);
	}
}

static bool page_in(const unsigned long *map, u64 at)
{
	return map[at / 4096 / 64] >> (at / 4096 % 64) & 1;
}

/* What a minor cycle reads of old objects, and what it would read besides. */
static void count_scanned(const struct heap_span *span, u64 at, void *data)
{
	(void)data;
	if (!nr_pointers(span))
		return;
	if (page_in(written, at))
		sum.scanned++;
	else if (page_in(remembered, at))
		sum.scanned_more++;
}

static void judge_cohort(void)
{
	u64 i;

	memset(remembered, 0, sizeof(remembered));
	for_each_old(judge, NULL);
	for_each_old(count_scanned, NULL);
	for (i = 0; i < ARRAY_SIZE(remembered); i++) {
		sum.written += hweight64(written[i]);
		sum.more += hweight64(remembered[i] & ~written[i]);
	}
}

static void note(const struct heap_span *span, u64 at, void *map)
{
	(void)span;
	((unsigned long *)map)[at / 16 / 64] |= BIT(at / 16 % 64);
}

/* What is marked now and was not before is the next cohort. */
static void note_cohort(const unsigned long *before)
{
	u64 i;

	memset(cohort, 0, sizeof(cohort));
	for_each_old(note, cohort);
	for (i = 0; i < ARRAY_SIZE(cohort); i++)
		cohort[i] &= ~before[i];
}

static void trace(bool minor)
{
	static unsigned long words[MAX_ROOTS];
	unsigned long page = 0;
	struct gcarena_marker m;
	unsigned int i;

	for (i = 0; i < nr_roots; i++)
		words[i] = roots[i] ? BASE + roots[i] : 0;
	if (gcarena_marker_init(&m, &heap, 64 * MIB) || (!minor && gcarena_mark_clear(&heap)) ||
	    gcarena_mark_words(&m, words, nr_roots) ||
	    (minor && gcarena_mark_dirty(&m, written, HEAP_BYTES / 4096, &page)) ||
	    gcarena_mark_finish(&m))
		abort();
	gcarena_marker_destroy(&m);
	if (minor) {
		sum.kept += m.marked.bytes;
		sum.kept_objects += m.marked.objects;
	}
	gcarena_sweep_flip(&heap);
	gcarena_sweep_all(&heap);
}

static u64 full_at;

static void collect(void)
{
	static unsigned long before[UNITS / 64];
	struct held *h;

	for (h = held; h->layout; h++)
		give_back(h);
	find_alive();
	judge_cohort();
	memset(before, 0, sizeof(before));
	for_each_old(note, before);
	sum.young += young_bytes;
	trace(true);
	note_cohort(before);
	sum.cycles++;
	if (heap.old.bytes > full_at) {
		trace(false);
		sum.fulls++;
		full_at = max(2 * heap.old.bytes, 4 * young_limit);
	}
	memset(written, 0, sizeof(written));
	young_bytes = 0;
}

/* ---- Programs -------------------------------------------------------------------------------- */

/* From the leaves up: a node is younger than what it points to. */
static u64 tree_up(unsigned int kind, int depth)
{
	unsigned int mine = nr_roots;
	u64 at;

	if (depth) {
		root_push(tree_up(kind, depth - 1));
		root_push(tree_up(kind, depth - 1));
	}
	at = allocate(kind, kind == FAT_NODE ? 32 : 16);
	if (depth) {
		store(at, 0, roots[mine]);
		store(at, 1, roots[mine + 1]);
	}
	nr_roots = mine;
	return at;
}

/* From the root down: old points to young, always. */
static void tree_down(u64 at, int depth)
{
	unsigned int mine = root_push(at);

	if (depth) {
		store(roots[mine], 0, allocate(FAT_NODE, 32));
		store(roots[mine], 1, allocate(FAT_NODE, 32));
		tree_down(load(roots[mine], 0), depth - 1);
		tree_down(load(roots[mine], 1), depth - 1);
	}
	nr_roots = mine;
}

static void binary_trees(void)
{
	int depth, i;

	root_push(tree_up(TREE_NODE, 16));
	for (depth = 4; depth <= 16; depth += 4)
		for (i = 0; i < 1 << (16 - depth + 4); i++)
			tree_up(TREE_NODE, depth);
}

static void gcbench(void)
{
	int depth, i, n;

	root_push(allocate(FAT_NODE, 32));
	tree_down(roots[0], 16);
	for (depth = 4; depth <= 16; depth += 2) {
		n = 2 * ((1 << 19) - 1) / ((2 << depth) - 1);
		for (i = 0; i < n; i++) {
			root_push(allocate(FAT_NODE, 32));
			tree_down(roots[nr_roots - 1], depth);
			nr_roots--;
			tree_up(FAT_NODE, depth);
		}
	}
}

#define BUCKETS	4096		/* of 8 words each */

/* Entries in chains below a table; half the requests replace a value. @hot: mostly few of them. */
static void key_value(bool hot)
{
	unsigned int i, b, entries = 200000, request;
	u64 e;

	for (b = 0; b < BUCKETS / 8; b++)
		root_push(allocate(ENTRY, 64));
	for (i = 0; i < entries; i++) {
		unsigned int mine = root_push(allocate(ENTRY, 64));

		b = i % BUCKETS;
		store(roots[mine], 0, load(roots[b / 8], b % 8));
		store(roots[b / 8], b % 8, roots[mine]);
		e = allocate(BLOB, 64 + random_below(400));
		store(roots[mine], 1, e);
		nr_roots--;
	}
	for (request = 0; request < 500000; request++) {
		unsigned int chain = hot && random_below(10) ? 2 : entries / BUCKETS;

		b = random_below(BUCKETS);
		root_push(allocate(BLOB, 16 + random_below(200)));	/* what was asked */
		if (request & 1) {
			u64 value = root_push(allocate(BLOB, 64 + random_below(400)));

			e = load(roots[b / 8], b % 8);
			for (i = random_below(chain); i && load(e, 0); i--)
				e = load(e, 0);
			store(e, 1, roots[value]);
			nr_roots--;
		}
		nr_roots--;
	}
}

static void key_value_even(void)
{
	key_value(false);
}

static void key_value_hot(void)
{
	key_value(true);
}

/* Messages wait in a queue as long as @length others come: the worst for generations. */
static void queue(unsigned int length)
{
	unsigned int i, nr = 0, head, tail;
	u64 message;

	head = root_push(allocate(ENTRY, 64));
	tail = root_push(roots[head]);
	for (i = 0; i < 1000000; i++) {
		message = root_push(allocate(ENTRY, 64));
		store(roots[message], 1, allocate(BLOB, 100));
		store(roots[tail], 0, roots[message]);
		roots[tail] = roots[message];
		nr_roots--;
		if (++nr > length)
			roots[head] = load(roots[head], 0);
	}
}

static void queue_of_1000(void)
{
	queue(1000);
}

static void queue_of_20000(void)
{
	queue(20000);
}

static void queue_of_100000(void)
{
	queue(100000);
}

static const struct {
	const char *name;
	void (*run)(void);
} programs[] = {
	{ "binary-trees", binary_trees },
	{ "GCBench", gcbench },
	{ "kv", key_value_even },
	{ "kv, few hot keys", key_value_hot },
	{ "queue of 1000", queue_of_1000 },
	{ "queue of 20000", queue_of_20000 },
	{ "queue of 100000", queue_of_100000 },
};

static struct heap_layout *layout_of(const char *name, u32 words, unsigned long map)
{
	unsigned long *copy = core_zalloc(sizeof(*copy));
	int number;

	*copy = map;
	number = gcarena_layout_add(&heap, words * 8, copy, name, U32_MAX);
	if (number < 0)
		abort();
	return gcarena_layout_find(&heap, number);
}

static void prepare(u64 limit)
{
	memset(&sum, 0, sizeof(sum));
	memset(held, 0, sizeof(held));
	memset(written, 0, sizeof(written));
	memset(cohort, 0, sizeof(cohort));
	nr_roots = 0;
	young_bytes = 0;
	young_limit = limit;
	full_at = 4 * limit;
	if (core_open(&heap, HEAP_BYTES, HEAP_BYTES))
		abort();
	layouts[TREE_NODE] = layout_of("tree", 2, 3);
	layouts[FAT_NODE] = layout_of("fat", 4, 3);
	layouts[ENTRY] = layout_of("entry", 8, 0xff);
	layouts[BLOB] = gcarena_layout_find(&heap, GCARENA_NR_NOSCAN);
	allocate(BLOB, 16);	/* offset 0 */
}

/* Objects traced for each MiB allocated; @promoted: bytes that become old of each that is young. */
static double work(double objects, double promoted)
{
	double live_bytes = sum.live_bytes / sum.cycles;
	double live_objects = sum.live_objects / sum.cycles;
	double young = sum.young / sum.cycles / MIB;

	return objects / young + promoted * MIB / live_bytes * live_objects;
}

static void report(const char *name, u64 limit)
{
	double kept = (sum.kept_objects + sum.scanned) / sum.cycles;
	double stay = (sum.cohort_objects - sum.dead_objects) / sum.cycles;
	double now = work(kept, sum.kept / sum.young);
	double aged = work(kept + stay + sum.scanned_more / sum.cycles,
			   sum.kept / sum.young * (1 - sum.dead / sum.cohort));

	printf("| %s | %llu MiB | %llu + %llu | %.1f %% | %.0f %% | %.0f | %.0f | %.2f |\n", name,
	       (unsigned long long)(limit / MIB), (unsigned long long)sum.cycles,
	       (unsigned long long)sum.fulls, 100 * sum.kept / sum.young,
	       100 * sum.dead / sum.cohort, sum.written / sum.cycles, sum.more / sum.cycles,
	       aged / now);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static const u64 limits[] = { 1 * MIB, 4 * MIB, 16 * MIB };
	unsigned int i, n;

	walk_stack = malloc(UNITS * sizeof(*walk_stack));
	printf("| program | young | minor + full | survive | die next | written | more | work |\n");
	printf("| --- | --- | --- | --- | --- | --- | --- | --- |\n");
	for (i = 0; i < ARRAY_SIZE(programs); i++) {
		for (n = 0; n < ARRAY_SIZE(limits); n++) {
			seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
			prepare(limits[n]);
			programs[i].run();
			report(programs[i].name, limits[n]);
			core_close(&heap);
		}
	}
	free(walk_stack);
	return 0;
}
