// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzz target: programs that do anything with a heap, against oracle.h.
 *
 * The input is a list of operations. This file does what lease.c, object.c and
 * collect.c do in the module, with the program's part: refill, give back with honest,
 * no or invented bitmaps, allocate, write anything anywhere, free, collect, sweep bit by
 * bit, release, register types. Allocations fail and callers are killed on the way.
 * After each operation core and oracle must agree about every slot; after marking,
 * about what can be reached; now and then, the heap must be whole.
 */
#include "core/fuzz.h"
#include "core/oracle.h"

#define MAX_OPS		400
#define MAX_LEASES	12
#define NR_ROOTS	8

struct lease {
	struct heap_span *span;
	struct oracle_span *shadow;
	u64 taken[GCARENA_MAX_SLOTS / 64];
};

static struct gcarena_heap heap;
static struct oracle oracle;
static struct lease leases[MAX_LEASES];
static u64 roots[NR_ROOTS];
static struct fuzz_input in;
static u64 reserve;

/* The core's span that starts at @start, read off its table. */
static struct heap_span *core_span(u64 start)
{
	struct heap_chunk *chunk = start >> 21 < heap.nr_table ? heap.chunks[start >> 21] : NULL;
	struct heap_span *span = chunk ? chunk->blocks[start >> 13 & 255].span : NULL;

	return span && span->start == start ? span : NULL;
}

/* The core has swept @s: now what was not reached is free. */
static void oracle_sweep(struct oracle_span *s)
{
	unsigned int i;

	for (i = 0; i < s->nr; i++)
		s->used[i] &= s->live[i];
	s->unswept = false;
}

static void compare_span(struct oracle_span *s)
{
	struct heap_span *span = core_span(s->start);
	unsigned int i;

	/* The core may sweep when it likes: only whether it has is asked here. */
	if (s->unswept && (!span || span->epoch == heap.epoch))
		oracle_sweep(s);
	if (!oracle_nr_used(s) && !s->held && !s->unswept) {
		FUZZ_EXPECT(!span, "empty span at %#lx", s->start);
		oracle_remove(s);
		return;
	}
	FUZZ_EXPECT(span, "span at %#lx is gone", s->start);
	FUZZ_EXPECT(span->bytes == s->bytes && span->slot_bytes == s->slot, "at %#lx", s->start);
	for (i = 0; i < s->nr; i++)
		FUZZ_EXPECT(s->used[i] == core_test_bit(&span->words[i / 64].alloc, i % 64),
			    "slot %u of %#lx", i, s->start);
}

static void compare(void)
{
	u64 bytes = 0, objects = 0;
	unsigned int i;

	for (i = 0; i < ORACLE_SPANS; i++) {
		struct oracle_span *s = &oracle.spans[i];

		if (s->nr)
			compare_span(s);
		if (s->nr) {
			bytes += s->bytes;
			objects += oracle_nr_used(s);
		}
	}
	FUZZ_EXPECT(bytes == heap.span_bytes, "%#lx, %#lx", bytes, heap.span_bytes);
	FUZZ_EXPECT(objects == heap.used.objects, "%lu, %lu", objects, heap.used.objects);
}

/* One of the spans there are, or NULL. */
static const struct oracle_span *pick_span(void)
{
	unsigned int i, nr = 0, nth;

	for (i = 0; i < ORACLE_SPANS; i++)
		nr += !!oracle.spans[i].nr;
	if (!nr)
		return NULL;
	nth = fuzz_below(&in, nr);
	for (i = 0; !oracle.spans[i].nr || nth--; i++)
		;
	return &oracle.spans[i];
}

/* Addresses: inside spans above all, at their ends, at the ends of everything, and none. */
static u64 pick_offset(void)
{
	static const u64 ends[] = {
		0, -1, 1ULL << 21, 1ULL << 42, 1ULL << 63, -BASE, (1ULL << 42) - 8, -(1ULL << 21),
	};
	const struct oracle_span *s = pick_span();
	unsigned int how = fuzz_below(&in, 16);

	if (!s || how == 15)
		return fuzz_below(&in, 2) ? ends[fuzz_below(&in, ARRAY_SIZE(ends))]
					  : reserve + fuzz_below(&in, 9) - 4;
	switch (how) {
	case 14:
		return s->start + s->bytes;
	case 13:
		return s->start - 1;
	case 12:
		return s->start + fuzz_bytes(&in, 3) % s->bytes;
	default:
		return s->start + fuzz_below(&in, s->nr) * s->slot + (how > 8 ? how : 0);
	}
}

static void op_layout(void)
{
	u32 bytes = 1 + fuzz_below(&in, fuzz_below(&in, 2) ? 64 : 2048), i;
	size_t words = gcarena_layout_map_words(bytes);
	unsigned long *map = core_alloc(words * sizeof(*map));
	struct oracle_layout l = { .elem = bytes / 8, .pointer = calloc(1, bytes) };
	bool valid = true;
	int number = -EINVAL;

	if (map)
		memset(map, 0, words * sizeof(*map));
	for (i = 0; map && i < words * 64; i++) {
		if (i % 64 == 0 && i < 256)
			map[i / 64] = fuzz_bytes(&in, 8);
		if (!(map[i / 64] >> i % 64 & 1))
			continue;
		valid &= bytes % 8 == 0 && i < l.elem;
		if (i < l.elem)
			l.pointer[i] = 1;
	}
	if (map) {
		FUZZ_EXPECT(valid == gcarena_layout_map_is_valid(bytes, map), "%u bytes", bytes);
		if (valid)
			number = gcarena_layout_add(&heap, bytes, map, "fuzz", ORACLE_LAYOUTS);
	}
	if (number >= 0) {
		FUZZ_EXPECT((unsigned int)number == oracle.nr_layouts, "%d", number);
		oracle.layouts[oracle.nr_layouts++] = l;
	} else {
		core_free(map);
		free(l.pointer);
	}
}

/* As span_find() in lease.c. */
static struct heap_span *span_find(struct heap_layout *layout, unsigned int class)
{
	struct heap_bucket *bucket = gcarena_layout_bucket(&heap, layout, class);
	struct heap_span *span;

	if (!bucket)
		return NULL;
	span = list_first_entry_or_null(&bucket->partial, struct heap_span, link);
	if (span) {
		list_del_init(&span->link);
		return span;
	}
	while ((span = gcarena_sweep_next(&heap, bucket))) {
		oracle_sweep(oracle_find(&oracle, span->start));
		if (span->nr_used < span->nr_slots)
			return span;
		list_add(&span->link, &bucket->full);
	}
	span = gcarena_span_create(&heap, layout, class, 0);
	return IS_ERR(span) ? NULL : span;
}

/* What a span is, as far as anybody outside is told; checked against the words known. */
static struct oracle_span *shadow_of(struct heap_span *span)
{
	struct oracle_span *s = oracle_find(&oracle, span->start);
	unsigned int i;

	if (!s) {
		for (i = 0; i < ORACLE_SPANS; i++)
			FUZZ_EXPECT(!oracle.spans[i].nr ||
				    !oracle_in(oracle.spans[i].start, span->start, span->bytes),
				    "overlap at %#lx", span->start);
		FUZZ_EXPECT(span->start + span->bytes <= reserve, "%#lx", span->start);
		s = oracle_add(&oracle, span->start, span->bytes, span->slot_bytes, span->nr_slots,
			       span->layout->number);
	}
	FUZZ_EXPECT(!s || s->start == span->start, "%#lx", span->start);
	for (i = 0; span->zeroed && i < oracle.nr_words; i++)
		FUZZ_EXPECT(!oracle_in(oracle.words[i].offset, span->start, span->bytes) ||
			    !oracle.words[i].value, "not zero: %#lx", oracle.words[i].offset);
	return s;
}

static void op_refill(void)
{
	struct heap_layout *layout = heap.layouts[fuzz_below(&in, heap.nr_layouts)];
	unsigned int class = 1 + fuzz_below(&in, GCARENA_NR_CLASSES - 1), i;
	struct lease *l = &leases[fuzz_below(&in, MAX_LEASES)];
	struct heap_span *span;

	if (l->span)
		return;
	span = span_find(layout, class);
	if (!span)
		return;
	l->shadow = shadow_of(span);
	if (!l->shadow) {	/* too many for the oracle */
		gcarena_span_settle(&heap, span);
		return;
	}
	gcarena_span_take(&heap, span, l->taken);
	for (i = 0; i < span->nr_slots; i++) {
		FUZZ_EXPECT(l->shadow->used[i] != core_test_bit(l->taken, i), "slot %u", i);
		l->shadow->mine[i] = !l->shadow->used[i];
		l->shadow->used[i] = 1;
	}
	l->shadow->held = true;
	span->lease = (struct gcarena_lease *)l;
	l->span = span;
}

/* Objects are zeroed by whoever allocates: what is known not to be zero is made so. */
static void zero(u64 start, u64 bytes)
{
	unsigned int i;

	for (i = 0; i < oracle.nr_words; i++) {
		if (oracle_in(oracle.words[i].offset, start, bytes))
			*core_word(&heap, oracle.words[i].offset) = 0;
	}
	oracle_clear(&oracle, start, bytes);
}

static void op_alloc(void)
{
	struct lease *l = &leases[fuzz_below(&in, MAX_LEASES)];
	unsigned int nr = 1 + fuzz_below(&in, 16), i;
	struct oracle_span *s = l->shadow;

	for (i = 0; l->span && nr && i < s->nr; i++) {
		if (s->mine[i]) {
			s->mine[i] = 0;
			zero(s->start + i * s->slot, s->slot);
			nr--;
		}
	}
}

/* As lease_end() in lease.c. @how: 0 honest, 1 says nothing, else lies. */
static void lease_end(struct lease *l, unsigned int how)
{
	u64 unused[GCARENA_MAX_SLOTS / 64] = { }, back = 0;
	struct oracle_span *s = l->shadow;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(unused); i++)
		unused[i] = how == 2 ? fuzz_bytes(&in, 8) : how == 3 ? U64_MAX : 0;
	for (i = 0; how == 0 && i < s->nr; i++)
		unused[i / 64] |= (u64)s->mine[i] << i % 64;
	for (i = 0; i < s->nr; i++) {
		if (how != 1 && core_test_bit(unused, i) && core_test_bit(l->taken, i)) {
			back += s->used[i];
			s->used[i] = 0;
		}
		s->mine[i] = 0;
	}
	s->held = false;
	s->unswept = false;
	FUZZ_EXPECT(back == gcarena_span_put(&heap, l->span, l->taken, how == 1 ? NULL : unused),
		    "%lu back", back);
	l->span->lease = NULL;
	gcarena_span_settle(&heap, l->span);
	l->span = NULL;
	l->shadow = NULL;
}

static void op_return(void)
{
	struct lease *l = &leases[fuzz_below(&in, MAX_LEASES)];

	if (l->span)
		lease_end(l, fuzz_below(&in, 4));
}

static void op_large(void)
{
	static const u64 sizes[] = {
		32769, 40960, 65536, 262144, 2 * MIB - 8192, 2 * MIB, 2 * MIB + 1, 4 * MIB,
	};
	struct heap_layout *layout = heap.layouts[fuzz_below(&in, heap.nr_layouts)];
	u32 i = fuzz_below(&in, ARRAY_SIZE(sizes) + 2);
	u64 bytes = i < ARRAY_SIZE(sizes) ? sizes[i] : reserve / (i - 7), taken;
	struct oracle_span *s;
	struct heap_span *span;

	bytes += fuzz_below(&in, 9000);
	span = gcarena_span_create(&heap, layout, GCARENA_CLASS_LARGE, bytes);
	if (IS_ERR(span))
		return;
	s = shadow_of(span);
	if (!s) {
		gcarena_span_destroy(&heap, span);
		return;
	}
	if (!span->zeroed)
		zero(span->start, span->bytes);
	gcarena_span_take(&heap, span, &taken);
	gcarena_span_settle(&heap, span);
	s->used[0] = 1;
}

/* The program may write what it likes, where it likes, as long as it is mapped. */
static void op_write(void)
{
	unsigned int nr = 1 + fuzz_below(&in, 4);
	u64 offset, value;

	while (nr--) {
		offset = pick_offset() + 8 * fuzz_below(&in, 8);
		offset -= offset % 8;
		value = oracle.base + pick_offset();
		if (oracle_find(&oracle, offset) && oracle_write(&oracle, offset, value))
			*core_word(&heap, offset) = value;
	}
}

static void op_root(void)
{
	roots[fuzz_below(&in, NR_ROOTS)] = oracle.base + pick_offset();
}

static bool is_handed_out(const struct heap_slot *slot)
{
	const struct lease *l = (const struct lease *)slot->span->lease;

	return l && core_test_bit(l->taken, slot->index);
}

/* As find_object() and free_locked() in object.c. */
static void op_free(void)
{
	u64 offset = pick_offset(), at;
	struct oracle_span *s;
	struct heap_slot slot;

	gcarena_sweep_at(&heap, offset);
	compare();
	s = oracle_find(&oracle, offset);
	slot = gcarena_heap_resolve(&heap, offset);
	at = s ? (offset - s->start) / s->slot : 0;
	FUZZ_EXPECT(!!slot.span == (s && at < s->nr), "%#lx", offset);
	if (!slot.span)
		return;
	FUZZ_EXPECT(slot.index == at, "%#lx", offset);
	FUZZ_EXPECT(gcarena_slot_allocated(&slot) == s->used[at], "%#lx", offset);
	if (!s->used[at] || is_handed_out(&slot))
		return;
	gcarena_slot_free(&heap, &slot);
	s->used[at] = 0;
}

/*
 * Overflows are rare with a stack of at least one segment, so most of it is filled with
 * an object that is scanned in vain: @item, marked already, without pointers.
 */
static void stack_fill(struct gcarena_marker *m, u64 item)
{
	u32 room = fuzz_below(&in, 12);

	while (m->segment->nr < SEGMENT_ITEMS - room)
		m->segment->item[m->segment->nr++] = item;
}

static bool find_harmless(u64 *item)
{
	unsigned int i, n;

	for (i = 0; i < ORACLE_SPANS; i++) {
		const struct oracle_span *s = &oracle.spans[i];

		/* The marker never has an object on its stack that is not to be scanned. */
		if (!s->nr || !s->live[0] || s->slot > 32768 ||
		    heap.layouts[s->layout]->scan == GCARENA_SCAN_NONE)
			continue;
		for (n = 0; n < oracle.nr_words; n++) {
			if (oracle_in(oracle.words[n].offset, s->start, s->slot))
				break;
		}
		if (n < oracle.nr_words)
			continue;
		*item = item_of(s->start,
				&heap.chunks[s->start >> 21]->blocks[s->start >> 13 & 255]);
		return true;
	}
	return false;
}

static void compare_marks(const struct gcarena_marker *m)
{
	struct heap_tally live = { };
	unsigned int i, j;

	for (i = 0; i < ORACLE_SPANS; i++) {
		const struct oracle_span *s = &oracle.spans[i];
		struct heap_span *span = s->nr ? core_span(s->start) : NULL;

		for (j = 0; j < s->nr; j++) {
			FUZZ_EXPECT(s->live[j] == core_test_bit(&span->words[j / 64].mark, j % 64),
				    "slot %u of %#lx: live %u", j, s->start, s->live[j]);
			live.objects += s->live[j];
			live.bytes += s->live[j] * s->slot;
		}
	}
	FUZZ_EXPECT(live.objects == m->marked.objects && live.bytes == m->marked.bytes,
		    "%lu, %lu", live.objects, m->marked.objects);
}

static int trace(struct gcarena_marker *m)
{
	u64 item;
	int ret = gcarena_mark_clear(&heap);

	if (!ret && fuzz_below(&in, 2) && find_harmless(&item))
		stack_fill(m, item);
	ret = ret ?: gcarena_mark_words(m, (unsigned long *)roots, NR_ROOTS / 2);
	ret = ret ?: gcarena_mark_words(m, (unsigned long *)roots + NR_ROOTS / 2, NR_ROOTS / 2);
	return ret ?: gcarena_mark_finish(m);
}

/* As cycle() in collect.c. */
static void op_cycle(void)
{
	struct gcarena_marker m;
	unsigned int i;
	int ret;

	if (gcarena_sweep_all(&heap))
		return;
	compare();
	for (i = 0; i < ORACLE_SPANS; i++)
		memset(oracle.spans[i].nr ? oracle.spans[i].live : (u8 *)&i, 0, oracle.spans[i].nr);
	for (i = 0; i < NR_ROOTS; i++)
		oracle_reach(&oracle, roots[i]);
	if (gcarena_marker_init(&m, &heap, fuzz_below(&in, 2) * 65536 * 4))
		return;
	ret = trace(&m);
	if (!ret) {
		compare_marks(&m);
		gcarena_sweep_flip(&heap);
		for (i = 0; i < ORACLE_SPANS; i++)
			oracle.spans[i].unswept = oracle.spans[i].nr && !oracle.spans[i].held;
	}
	gcarena_marker_destroy(&m);
}

static unsigned int nr_unswept(void)
{
	unsigned int i, nr = 0;

	for (i = 0; i < ORACLE_SPANS; i++)
		nr += oracle.spans[i].unswept;
	return nr;
}

static void op_sweep(void)
{
	unsigned int max = fuzz_below(&in, 8), before = nr_unswept();
	bool more = gcarena_sweep_some(&heap, max);

	compare();
	FUZZ_EXPECT(before - nr_unswept() == min(max, before), "%u of %u", nr_unswept(), before);
	FUZZ_EXPECT(more || !nr_unswept(), "%u left", nr_unswept());
}

static void op_release(void)
{
	u64 keep = fuzz_below(&in, 4) * 2 * MIB, released, i;
	u32 before = heap.nr_chunks;

	released = gcarena_chunks_release(&heap, keep);
	FUZZ_EXPECT(released == (before - heap.nr_chunks) * 2 * MIB, "%lu", released);
	FUZZ_EXPECT(heap.nr_chunks * 2 * MIB <= keep || !heap.nr_empty, "%u", heap.nr_empty);
	for (i = 0; i < reserve; i += 2 * MIB) {
		if (i >> 21 >= heap.nr_table || !heap.chunks[i >> 21])
			oracle_clear(&oracle, i, 2 * MIB);
	}
}

static void op_limit(void)
{
	heap.limit_chunks = 1 + fuzz_below(&in, reserve / (2 * MIB));
}

static void (*const ops[])(void) = {
	op_layout, op_refill, op_refill, op_refill, op_alloc, op_alloc, op_alloc, op_return,
	op_return, op_large, op_write, op_write, op_write, op_write, op_write, op_root, op_root,
	op_free, op_cycle, op_sweep, op_release, op_limit,
};

static void check_words(void)
{
	unsigned int i;

	/* The collector reads the program's words and writes none of them. */
	for (i = 0; i < oracle.nr_words; i++)
		FUZZ_EXPECT(*core_word(&heap, oracle.words[i].offset) == oracle.words[i].value,
			    "at %#lx", oracle.words[i].offset);
}

static void run_ops(void)
{
	unsigned int n;

	for (n = 0; in.left && n < MAX_OPS; n++) {
		u8 op = fuzz_below(&in, 256);

		if (op >= 252)
			core_fail_after = fuzz_below(&in, 6);
		else if (op >= 250)
			core_kill_after = fuzz_below(&in, 4);
		ops[op % ARRAY_SIZE(ops)]();
		core_fail_after = -1;
		core_kill_after = -1;
		compare();
		if (n % 16 == 0)
			FUZZ_EXPECT(!*core_check(&heap, 0), "%s", core_problem);
	}
	check_words();
}

static void finish(void)
{
	unsigned int i;

	for (i = 0; i < MAX_LEASES; i++) {
		if (leases[i].span)
			lease_end(&leases[i], 1);
	}
	FUZZ_EXPECT(!*core_check(&heap, 0), "%s", core_problem);
	oracle_close(&oracle);
	core_close(&heap);
	FUZZ_EXPECT(!core_allocations, "%ld leaked", core_allocations);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static const u64 bases[] = { BASE, 0x7fff00000000, 2 * MIB, -(64ULL << 20) };

	in = (struct fuzz_input) { data, size };
	memset(leases, 0, sizeof(leases));
	memset(roots, 0, sizeof(roots));
	memset(&oracle, 0, sizeof(oracle));
	oracle.layouts[GCARENA_NR_CONSERVATIVE].all = true;
	oracle.nr_layouts = GCARENA_NR_FIRST_TYPE;
	reserve = (4 + fuzz_below(&in, 28)) * 2 * MIB;
	if (core_open(&heap, reserve, reserve))
		abort();
	heap.base = bases[fuzz_below(&in, ARRAY_SIZE(bases))];
	oracle.base = heap.base;
	run_ops();
	finish();
	return 0;
}
