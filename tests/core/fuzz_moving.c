// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzz target: cycles that rely on what was written since the last one, and objects that move
 * or must not, against graph.h.
 *
 * The input is a list of operations: those of a program (program.h); minor and full cycles;
 * compactions of everything; chunks emptied in steps, with any of the others in between.
 * Allocations fail and callers are killed on the way. After each operation the allocated
 * slots have to be those of the objects that the program knows, after each cycle the marks;
 * whatever moves, each word that was written and each object's number has to be what it was,
 * or point to where the object is now; what must stay has to be where it was; and the heap
 * has to be whole.
 */
#include "core/program.h"

#define MAX_OPS		300
#define STACK_LIMIT	(256 * 1024)

/* Minor cycles would miss what was written before: the last one was given up. */
static bool must_trace_all;
static u64 busy_page;
/* Chunks are being emptied, and all of the heap has been gone through for that. */
static struct gcarena_remember regions;
static bool emptying, ready;

/* ---- Cycles ------------------------------------------------------------------------- */

static size_t root_words(const struct root *root, u32 nr, unsigned long *words)
{
	size_t n = 0;

	for (; nr--; root++) {
		if (root->to != GRAPH_NONE)
			words[n++] = address_in(root->to, root->inner);
	}
	return n;
}

static int trace(struct gcarena_marker *m, bool minor)
{
	unsigned long words[NR_PRECISE + NR_AMBIGUOUS], page = 0;
	size_t nr = root_words(precise, NR_PRECISE, words);
	int ret = minor ? 0 : gcarena_mark_clear(&heap);

	nr += root_words(ambiguous, NR_AMBIGUOUS, words + nr);
	ret = ret ?: gcarena_mark_words(m, words, nr);
	if (!ret && minor)
		ret = gcarena_mark_dirty(m, written, (u64)heap.top * GCARENA_CHUNK_PAGES, &page);
	return ret ?: gcarena_mark_finish(m);
}

/* What a cycle must find: whatever roots reach, and in a minor one what was old. */
static void predict(bool minor)
{
	unsigned int i;

	for (i = 0; i < graph.top; i++)
		graph.objects[i].live &= minor || graph.objects[i].permanent;
	for (i = 0; i < NR_PRECISE; i++) {
		if (precise[i].to != GRAPH_NONE)
			graph_reach(&graph, precise[i].to);
	}
	for (i = 0; i < NR_AMBIGUOUS; i++) {
		if (ambiguous[i].to != GRAPH_NONE)
			graph_reach(&graph, ambiguous[i].to);
	}
	graph_reach_from_live(&graph);
}

static void compare_marks(void)
{
	u64 objects = 0, bytes = 0;
	unsigned int i;

	for (i = 0; i < graph.top; i++) {
		const struct graph_object *o = &graph.objects[i];
		struct heap_slot slot;

		if (!o->bytes)
			continue;
		slot = gcarena_heap_resolve(&heap, o->start);
		FUZZ_EXPECT(o->live == gcarena_slot_marked(&slot), "%#lx: live %u", o->start,
			    o->live);
		objects += o->live;
		bytes += o->live * o->bytes;
	}
	FUZZ_EXPECT(objects == heap.old.objects && bytes == heap.old.bytes, "%lu, %lu",
		    objects, heap.old.objects);
}

static void flip(void)
{
	unsigned int i;

	gcarena_sweep_flip(&heap);
	graph_bury(&graph);
	for (i = 0; i < graph.top; i++) {
		struct graph_object *o = &graph.objects[i];

		/* What a thread holds is not swept. */
		o->unswept = o->bytes && o->dead && !core_span(o->start)->lease;
	}
}

/* Return: 0, and what is dead is known, or a failure: it was given up. */
static int cycle(bool minor)
{
	struct gcarena_marker m;
	int ret = gcarena_marker_init(&m, &heap, fuzz_below(&in, 2) * STACK_LIMIT);

	if (ret)
		return ret;
	gcarena_marker_set_room(&m, fuzz_below(&in, 16));
	ret = trace(&m, minor);
	gcarena_marker_destroy(&m);
	memset(written, 0, sizeof(written));
	must_trace_all = ret;
	if (ret)
		return ret;
	predict(minor);
	compare_marks();
	flip();
	return 0;
}

static void op_minor(void)
{
	if (!sweep_all())
		cycle(!must_trace_all);
}

static void op_full(void)
{
	if (!sweep_all())
		cycle(false);
}

/* All that is old. */
static void op_permanent_all(void)
{
	unsigned int i;

	/* Rarely: nothing of it moves any more. */
	if (fuzz_below(&in, 8) || must_trace_all || gcarena_permanent_add_all(&heap))
		return;
	for (i = 0; i < graph.top; i++)
		graph.objects[i].permanent |= graph.objects[i].live;
}

/* ---- What moves ---------------------------------------------------------------------- */

static bool is_busy(u64 page)
{
	return page == busy_page;
}

/* Somebody else writes to a page of an object, or nobody does. */
static void op_busy(void)
{
	unsigned int i = pick_object();

	busy_page = i == GRAPH_NONE || fuzz_below(&in, 2) ? U64_MAX :
		    (graph.objects[i].start + pick_inner(i)) >> PAGE_SHIFT;
}

/* Which objects must stay where they are? */
static void find_fixed(void)
{
	unsigned int i, k;

	for (i = 0; i < graph.top; i++) {
		struct graph_object *o = &graph.objects[i];

		if (!o->bytes)
			continue;
		o->fixed = o->permanent || graph.layouts[o->layout].all ||
			   core_span(o->start)->lease ||
			   (busy_page >= o->start >> PAGE_SHIFT &&
			    busy_page <= (o->start + o->bytes - 1) >> PAGE_SHIFT);
	}
	for (i = 0; i < NR_AMBIGUOUS; i++) {
		if (ambiguous[i].to != GRAPH_NONE)
			graph.objects[ambiguous[i].to].fixed = true;
	}
	for (i = 0; i < graph.top; i++) {
		const struct graph_object *o = &graph.objects[i];

		for (k = 0; o->bytes && graph.layouts[o->layout].all && k < o->nr_cells; k++) {
			if (o->cell[k].to != GRAPH_NONE)
				graph.objects[o->cell[k].to].fixed = true;
		}
	}
}

/* Something is planned. Be told where all objects will be. */
static void relocate(const struct gcarena_compact *c)
{
	unsigned int i;

	for (i = 0; i < graph.top; i++) {
		struct graph_object *o = &graph.objects[i];
		u64 to = gcarena_compact_forward(c, o->start), last = o->bytes - 1;

		if (!o->bytes)
			continue;
		FUZZ_EXPECT(!o->fixed || to == o->start, "%#lx goes to %#lx", o->start, to);
		FUZZ_EXPECT(gcarena_compact_forward(c, o->start + last) == to + last,
			    "the end of %#lx, to %#lx", o->start, to);
		o->start = to;
	}
}

static void check_all(void)
{
	compare();
	compare_contents();
	FUZZ_EXPECT(!*core_check(&heap, 0), "%s", core_problem);
}

static int mark_and_pin(struct gcarena_compact *c)
{
	unsigned long words[NR_AMBIGUOUS];

	gcarena_compact_pin_words(c, words, root_words(ambiguous, NR_AMBIGUOUS, words));
	return sweep_all() ?: cycle(false) ?: sweep_all() ?: gcarena_compact_pin_conservative(c);
}

/* One plan after the other: as run() in move.c. */
static int plan_and_move(struct gcarena_compact *c)
{
	int ret = gcarena_compact_plan_slots(c);

	if (ret)
		return ret;
	relocate(c);
	gcarena_compact_move(c);
	ret = gcarena_compact_plan_spans(c);
	if (ret)
		return ret;
	relocate(c);
	gcarena_compact_move(c);
	ret = gcarena_shift_plan(c);
	if (ret)
		return ret;
	relocate(c);
	gcarena_shift_move(c);
	return 0;
}

static void op_compact(void)
{
	struct gcarena_compact c;

	if (gcarena_compact_init(&c, &heap))
		return;
	if (!mark_and_pin(&c)) {
		find_fixed();
		plan_and_move(&c);
	}
	gcarena_compact_destroy(&c);
	check_all();
}

/* ---- Chunks emptied in steps ------------------------------------------------------------ */

static void emptying_end(void)
{
	gcarena_remember_destroy(&regions);
	emptying = false;
}

/* Any chunks: what is worth it is a question of policy. */
static int choose_any(void)
{
	u32 i, which = fuzz_bytes(&in, 4), whole = fuzz_bytes(&in, 1);

	for (i = 0; i < regions.nr_chunks && regions.nr < regions.room; i++) {
		if (!heap.chunks[i] || !heap.chunks[i]->nr_used || !(which >> i % 32 & 1))
			continue;
		regions.regions[regions.nr++] = (struct remember_region) {
			.chunk = i, .whole = whole >> i % 8 & 1,
		};
		regions.region_of[i] = regions.nr;
		heap.chunks[i]->apart = true;
	}
	return 0;
}

static int choose_worthy(u32 most)
{
	int ret;

	do {
		ret = gcarena_remember_choose(&regions, most ? U64_MAX : 100000, most == 2, 1000);
	} while (ret == -EAGAIN);
	return ret;
}

static void emptying_begin(void)
{
	u32 most = fuzz_below(&in, 3), max_cards = fuzz_below(&in, 4) ? 10000 : 12;
	int ret;

	if (sweep_all())
		return;
	ret = gcarena_remember_init(&regions, &heap, 1 + fuzz_below(&in, 12), max_cards);
	if (!ret)
		ret = fuzz_below(&in, 2) ? choose_any() : choose_worthy(most);
	memset(dirty, 0, sizeof(dirty));
	emptying = true;
	ready = false;
	if (ret || !regions.nr)
		emptying_end();
}

static int look_around(void)
{
	int ret = gcarena_remember_some(&regions, 1 + fuzz_below(&in, 2048));

	ready = !ret;
	return ret == -EAGAIN ? 0 : ret;
}

/* As plan_regions() in move.c. Return: 0, @done regions are done with, or a failure. */
static int plan_regions(struct gcarena_compact *c, u32 nr, u64 budget, u32 *done)
{
	struct remember_region *region = &regions.regions[regions.next];
	int ret = 0;
	u32 i;

	for (i = 0; i < nr; i++) {
		if (!region[i].given_up)
			gcarena_compact_pin_cards(c, &region[i]);
	}
	for (i = 0; i < nr; i++)
		gcarena_compact_sort_region(c, &region[i]);
	for (i = 0; i < nr && !ret; i++) {
		if (!region[i].given_up)
			ret = gcarena_compact_plan_region(c, &region[i], &budget);
		*done += !ret;
	}
	if (!ret || ret == -EAGAIN)
		return 0;
	gcarena_compact_cancel(c);
	return ret;
}

/* With the world stopped, and nothing left that was written and not looked at. */
static int move_some(struct gcarena_compact *c, u32 nr)
{
	static const u64 budgets[] = { 1, 4096, 65536, U64_MAX };
	u64 budget = budgets[fuzz_below(&in, ARRAY_SIZE(budgets))];
	unsigned long words[NR_AMBIGUOUS];
	u32 i, done = 0;
	int ret = 0;

	for (i = 0; i < nr && !ret; i++)
		ret = gcarena_compact_add(c, regions.regions[regions.next + i].chunk);
	gcarena_compact_pin_words(c, words, root_words(ambiguous, NR_AMBIGUOUS, words));
	ret = ret ?: plan_regions(c, nr, budget, &done);
	if (ret)
		return ret;
	find_fixed();
	relocate(c);
	gcarena_compact_move_regions(c, &regions.regions[regions.next], nr);
	while (done--)
		gcarena_region_done(&regions, &regions.regions[regions.next++]);
	return 0;
}

static int empty_step(void)
{
	u32 nr = 1 + fuzz_below(&in, regions.nr - regions.next);
	unsigned long page = 0;
	struct gcarena_compact c;
	int ret = sweep_all();

	ret = ret ?: gcarena_remember_dirty(&regions, dirty, MAX_PAGES, &page, U64_MAX);
	if (ret)
		return ret;
	memset(dirty, 0, sizeof(dirty));
	ret = gcarena_compact_init_none(&c, &heap);
	if (ret)
		return ret;
	ret = move_some(&c, nr);
	gcarena_compact_destroy(&c);
	check_all();
	return ret;
}

static void op_empty(void)
{
	int ret;

	if (!emptying) {
		emptying_begin();
		return;
	}
	ret = ready ? empty_step() : look_around();
	if (ret || regions.next == regions.nr)
		emptying_end();
}

static void op_abandon(void)
{
	if (emptying && !fuzz_below(&in, 4))
		emptying_end();
}

/* ---- The rest ------------------------------------------------------------------------- */

static void op_sweep(void)
{
	gcarena_sweep_some(&heap, fuzz_below(&in, 8));
}

static void op_release(void)
{
	gcarena_chunks_release(&heap, fuzz_below(&in, 4) * 2 * MIB);
	if (fuzz_below(&in, 2))
		gcarena_blocks_release(&heap, 0);
}

static void (*const ops[])(void) = {
	op_fill, op_fill, op_fill, op_take, op_alloc, op_alloc, op_return, op_large, op_link,
	op_link, op_link, op_number, op_root, op_root, op_drop_roots, op_free, op_free_chunk,
	op_id, op_permanent, op_permanent_all, op_minor, op_minor, op_full, op_compact, op_empty,
	op_empty, op_empty, op_empty, op_abandon, op_busy, op_sweep, op_release, op_release,
};

static void run_ops(void)
{
	unsigned int n;

	for (n = 0; in.left && n < MAX_OPS; n++) {
		u8 op = fuzz_below(&in, 256);

		if (op >= 250)
			core_fail_after = fuzz_below(&in, 12);
		else if (op >= 248)
			core_kill_after = fuzz_below(&in, 6);
		ops[op % ARRAY_SIZE(ops)]();
		core_fail_after = -1;
		core_kill_after = -1;
		compare();
		if (n % 16 == 0)
			check_all();
	}
}

/* Elements of a few words, and of more than 64; some word of each is a pointer. */
static void add_type(u32 words)
{
	unsigned long map[GRAPH_ELEM / 64] = { }, *copy;
	struct graph_layout *l = &graph.layouts[heap.nr_layouts];
	u32 i;

	map[0] = fuzz_bytes(&in, 2) | 1;
	map[(words - 1) / 64] |= 1UL << (words - 1) % 64;
	map[0] &= words < 64 ? (1UL << words) - 1 : U64_MAX;
	l->elem = words;
	for (i = 0; i < words; i++)
		l->pointer[i] = core_test_bit(map, i);
	copy = core_alloc(sizeof(map));
	memcpy(copy, map, sizeof(map));
	FUZZ_EXPECT(gcarena_layout_add(&heap, words * 8, copy, "fuzz", GRAPH_LAYOUTS) > 0,
		    "%u words", words);
}

static void start(void)
{
	static const u64 bases[] = { BASE, 0x7fff00000000, 2 * MIB };
	unsigned int i;

	memset(&graph, 0, sizeof(graph));
	memset(leases, 0, sizeof(leases));
	memset(written, 0, sizeof(written));
	for (i = 0; i < NR_PRECISE; i++)
		precise[i].to = GRAPH_NONE;
	for (i = 0; i < NR_AMBIGUOUS; i++)
		ambiguous[i].to = GRAPH_NONE;
	reserve = (3 + fuzz_below(&in, MAX_CHUNKS - 3)) * 2 * MIB;
	if (core_open(&heap, reserve, reserve))
		abort();
	heap.base = bases[fuzz_below(&in, ARRAY_SIZE(bases))];
	heap.poison = fuzz_below(&in, 2);
	core_wrote = note_write;
	core_is_busy = is_busy;
	busy_page = U64_MAX;
	must_trace_all = false;
	graph.layouts[GCARENA_NR_CONSERVATIVE].all = true;
	add_type(1 + fuzz_below(&in, 40));
	add_type(65 + fuzz_below(&in, 100));
}

static void finish(void)
{
	unsigned int i;

	if (emptying)
		emptying_end();
	for (i = 0; i < NR_LEASES; i++)
		lease_end(&leases[i]);
	check_all();
	core_close(&heap);
	FUZZ_EXPECT(!core_allocations, "%ld leaked", core_allocations);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	in = (struct fuzz_input) { data, size };
	start();
	run_ops();
	finish();
	return 0;
}
