// SPDX-License-Identifier: GPL-2.0
/*
 * Minor cycles in the core: of an old object the words on written pages are read, all of
 * them and no others, in each class and layout; the tally of old objects is kept.
 */
#include "core/fixture.h"

#define PAGE		BIT(PAGE_SHIFT)

/* A minor cycle without roots. Returns what it marked. */
static u64 minor(struct gcarena_heap *heap, const unsigned long *pages)
{
	struct gcarena_marker m;
	u64 nr = (u64)heap->top * GCARENA_CHUNK_PAGES;
	unsigned long page = 0;

	if (gcarena_marker_init(&m, heap, STACK_PLENTY) ||
	    gcarena_mark_dirty(&m, pages, nr, &page) || gcarena_mark_finish(&m))
		return ~0ULL;
	gcarena_marker_destroy(&m);
	return m.marked.objects;
}

/*
 * A young object hangs from word @word of the old object at @offset. It is found when that
 * word's page is written, and by nothing else that is written.
 */
static void check_word(struct __test_metadata *_metadata, struct gcarena_heap *heap, u64 offset,
		       u64 word, u64 young, bool is_pointer)
{
	u64 nr = (u64)heap->top * GCARENA_CHUNK_PAGES, page = (offset + word * 8) / PAGE;
	unsigned long *pages = calloc(nr / 64 + 1, sizeof(*pages));
	u64 old = heap->old.objects;
	struct heap_slot slot;

	core_word(heap, offset + word * 8)[0] = BASE + young;
	memset(pages, 0xff, nr / 8);
	pages[page / 64] &= ~BIT(page % 64);
	ASSERT_EQ(0, minor(heap, pages));
	memset(pages, 0, nr / 8);
	pages[page / 64] = BIT(page % 64);
	ASSERT_EQ(is_pointer, minor(heap, pages))
		TH_LOG("object at %#lx, word %lu", offset, word);
	ASSERT_EQ(is_pointer, is_marked(heap, young));
	ASSERT_EQ(old + is_pointer, heap->old.objects);
	/* Young again, and unlinked. */
	core_word(heap, offset + word * 8)[0] = 0;
	slot = gcarena_heap_resolve(heap, young);
	gcarena_span_clear(heap, slot.span);
	ASSERT_EQ(old, heap->old.objects);
	free(pages);
}

/* Words near the ends of each object and page, for all slots of a span. */
static void check_span(struct __test_metadata *_metadata, struct gcarena_heap *heap,
		       struct heap_span *span, u64 young, const unsigned long *map, u32 elem)
{
	u32 i, step = span->nr_slots > 40 ? span->nr_slots / 20 : 1;
	u64 offset, word, words = span->slot_bytes / 8;
	unsigned long root;
	struct gcarena_marker m;

	for (i = 0; i < span->nr_slots; i += step) {
		offset = span->start + i * span->slot_bytes;
		root = BASE + offset;
		ASSERT_EQ(0, mark_from(heap, &root, 1, STACK_PLENTY, &m));
		ASSERT_EQ(1, heap->old.objects);
		for (word = 0; word < words; word++) {
			u64 in_page = (offset + word * 8) % PAGE;

			if (word > 2 && word < words - 2 && in_page > 16 && in_page < PAGE - 16 &&
			    word % 61)
				continue;
			check_word(_metadata, heap, offset, word, young,
				   !map || map[word % elem / 64] >> word % elem % 64 & 1);
		}
	}
}

/* Across chunks; the words of interest are the first beyond each boundary, and the last. */
static void check_large(struct __test_metadata *_metadata, struct gcarena_heap *heap,
			struct heap_span *span, u64 young, const unsigned long *map, u32 elem)
{
	const u64 word[] = { 0, PAGE / 8, GCARENA_CHUNK_BYTES / 8 + 1, span->bytes / 8 - 1 };
	unsigned long root = BASE + span->start;
	struct gcarena_marker m;
	unsigned int i;

	check_word(_metadata, heap, span->start, 0, young, false);	/* it is young itself */
	ASSERT_EQ(0, mark_from(heap, &root, 1, STACK_PLENTY, &m));
	for (i = 0; i < ARRAY_SIZE(word); i++)
		check_word(_metadata, heap, span->start, word[i], young,
			   !map || map[word[i] % elem / 64] >> word[i] % elem % 64 & 1);
}

static void check_layout(struct __test_metadata *_metadata, struct gcarena_heap *heap,
			 struct heap_layout *layout, const unsigned long *map, u32 elem)
{
	struct pool pool = { .heap = heap, .layout = heap->layouts[1], .class = core_class_of(64) };
	u64 taken[GCARENA_MAX_SLOTS / 64], young = pool_alloc(&pool);
	struct heap_span *span;
	unsigned int c;

	pool_close(&pool);
	ASSERT_NE(0, young);
	for (c = 1; c < GCARENA_NR_CLASSES; c += c % 9 ? 2 : 1) {
		span = span_new(heap, layout, c);
		ASSERT_FALSE(IS_ERR(span));
		gcarena_span_take(heap, span, taken);
		check_span(_metadata, heap, span, young, map, elem);
		gcarena_span_put(heap, span, taken, taken);
		gcarena_span_settle(heap, span);
		ASSERT_EQ(0, heap->old.objects);
	}
	span = large_new(heap, layout, 2 * MIB + 64 * 1024);
	check_large(_metadata, heap, span, young, map, elem);
	EXPECT_WHOLE(heap, 0);
}

TEST_F_TIMEOUT(core, conservative_words, 120)
{
	check_layout(_metadata, &self->heap, self->heap.layouts[0], NULL, 1);
}

TEST_F_TIMEOUT(core, short_elements, 120)
{
	const unsigned long map = 0x12;
	struct heap_layout *layout = layout_new(&self->heap, 7, &map);

	ASSERT_NE(NULL, layout);
	check_layout(_metadata, &self->heap, layout, &map, 7);
}

TEST_F_TIMEOUT(core, long_elements, 120)
{
	const unsigned long map[3] = { 1UL << 63 | 5, 1, 1UL << 2 };
	struct heap_layout *layout = layout_new(&self->heap, 131, map);

	ASSERT_NE(NULL, layout);
	check_layout(_metadata, &self->heap, layout, map, 131);
}

/* All pages are written, and everything old hangs young objects: the stack fills. */
TEST_F(core, more_than_the_stack_holds)
{
	struct pool old = { .heap = &self->heap, .layout = self->heap.layouts[0],
			    .class = core_class_of(64) };
	struct pool young = old;
	const unsigned int nr = 30000;
	unsigned long *words = calloc(nr, sizeof(*words)), *pages;
	struct gcarena_marker m;
	unsigned int i;
	u64 offset, nr_pages;

	for (i = 0; i < nr; i++)
		words[i] = BASE + pool_alloc(&old);
	pool_close(&old);
	ASSERT_EQ(0, mark_from(&self->heap, words, nr, STACK_PLENTY, &m));
	EXPECT_EQ(nr, self->heap.old.objects);
	for (i = 0; i < nr; i++) {
		offset = pool_alloc(&young);
		ASSERT_NE(0, offset);
		core_word(&self->heap, words[i] - BASE)[i % 8] = BASE + offset;
	}
	pool_close(&young);
	nr_pages = (u64)self->heap.top * GCARENA_CHUNK_PAGES;
	pages = malloc(nr_pages / 8);
	memset(pages, 0xff, nr_pages / 8);
	EXPECT_EQ(nr, minor(&self->heap, pages));
	EXPECT_EQ(2 * nr, self->heap.old.objects);
	EXPECT_EQ(0, minor(&self->heap, pages));
	/* Nobody has them now; the old ones were not marked by this. */
	EXPECT_EQ(2 * nr * 64, self->heap.old.bytes);
	EXPECT_WHOLE(&self->heap, 0);
	free(words);
	free(pages);
}

TEST_HARNESS_MAIN
