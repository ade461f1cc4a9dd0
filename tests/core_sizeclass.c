// SPDX-License-Identifier: GPL-2.0
/*
 * The size-class table, and the arithmetic that finds a slot: every class, every
 * offset, every size of request.
 */
#include "core/fixture.h"

#define resolve	gcarena_heap_resolve

TEST(magic_divides_every_offset)
{
	unsigned int c;
	u32 offset;

	for (c = 1; c < GCARENA_NR_CLASSES; c++) {
		const struct gcarena_sizeclass *sc = &gcarena_sizeclasses[c];
		u32 end = sc->nr_blocks << GCARENA_BLOCK_SHIFT;

		for (offset = 0; offset < end; offset++) {
			if ((u64)offset * sc->magic >> 32 != offset / sc->slot_bytes)
				TH_LOG("class %u offset %u", c, offset);
			ASSERT_EQ(offset / sc->slot_bytes, (u64)offset * sc->magic >> 32);
		}
	}
}

TEST(spans_waste_little)
{
	unsigned int c;

	for (c = 1; c < GCARENA_NR_CLASSES; c++) {
		const struct gcarena_sizeclass *sc = &gcarena_sizeclasses[c];
		u32 bytes = sc->nr_blocks << GCARENA_BLOCK_SHIFT;

		EXPECT_EQ(0, sc->slot_bytes % 16);
		EXPECT_LT((sc - 1)->slot_bytes, sc->slot_bytes);
		EXPECT_EQ(bytes / sc->slot_bytes, sc->nr_slots);
		EXPECT_LE(sc->nr_slots, GCARENA_MAX_SLOTS);
		EXPECT_LE((bytes - sc->nr_slots * sc->slot_bytes) * 8, bytes);
		/* Marking keeps the number of a block in its span in a byte. */
		EXPECT_LE(sc->nr_blocks, 256);
		EXPECT_LE(sc->nr_blocks, GCARENA_CHUNK_BLOCKS);
	}
	EXPECT_EQ(GCARENA_MAX_SMALL, gcarena_sizeclasses[c - 1].slot_bytes);
	EXPECT_EQ(0, gcarena_sizeclasses[GCARENA_CLASS_LARGE].nr_slots);
	EXPECT_EQ(0, gcarena_sizeclasses[GCARENA_CLASS_LARGE].magic);
}

/* Rounding up to the next class costs an eighth, or what alignment costs anyway. */
TEST(requests_waste_little)
{
	u32 bytes, waste;

	for (bytes = 1; bytes <= GCARENA_MAX_SMALL; bytes++) {
		waste = gcarena_sizeclasses[core_class_of(bytes)].slot_bytes - bytes;
		if (waste >= 16 && waste * 8 > bytes)
			TH_LOG("%u bytes waste %u", bytes, waste);
		ASSERT_TRUE(waste < 16 || waste * 8 <= bytes);
	}
}

/* From each offset of a span of each class to its slot, and to nowhere from the tail. */
TEST_F(core, every_offset_resolves)
{
	struct heap_span *span, *before;
	unsigned int c;
	u64 offset;

	before = span_new(&self->heap, self->heap.layouts[0], 1);
	ASSERT_FALSE(IS_ERR(before));
	for (c = 1; c < GCARENA_NR_CLASSES; c++) {
		span = span_new(&self->heap, self->heap.layouts[0], c);
		ASSERT_FALSE(IS_ERR(span));
		for (offset = 0; offset < span->bytes; offset++) {
			struct heap_slot slot = resolve(&self->heap, span->start + offset);
			bool tail = offset >= span->nr_slots * span->slot_bytes;

			ASSERT_EQ(tail ? NULL : span, slot.span);
			if (!tail)
				ASSERT_EQ(offset / span->slot_bytes, slot.index);
		}
		EXPECT_EQ(NULL, resolve(&self->heap, span->start + span->bytes).span);
		gcarena_span_destroy(&self->heap, span);
	}
	gcarena_span_destroy(&self->heap, before);
}

TEST_F(core, large_objects_resolve)
{
	static const u64 sizes[] = { 32769, 65536, 2 * MIB, 2 * MIB + 1, 5 * MIB - 8192, 9 * MIB };
	struct heap_span *span;
	unsigned int i;
	u64 offset;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		span = large_new(&self->heap, self->heap.layouts[0], sizes[i]);
		ASSERT_NE(NULL, span);
		EXPECT_GE(span->bytes, sizes[i]);
		EXPECT_LT(span->bytes, sizes[i] + GCARENA_BLOCK_BYTES);
		for (offset = 0; offset < span->bytes; offset += 4095) {
			struct heap_slot slot = resolve(&self->heap, span->start + offset);

			ASSERT_EQ(span, slot.span);
			ASSERT_EQ(0, slot.index);
		}
		offset = span->start + span->bytes;
		EXPECT_EQ(span, resolve(&self->heap, offset - 1).span);
		EXPECT_EQ(NULL, resolve(&self->heap, offset).span);
		EXPECT_WHOLE(&self->heap, 0);
	}
}

/* Numbers that are no offsets: the caller subtracts the base from whatever it gets. */
TEST_F(core, nothing_resolves_outside)
{
	static const u64 nowhere[] = {
		-1, -BASE, -GCARENA_CHUNK_BYTES, RESERVE, RESERVE - 1, 2 * MIB, 64ULL << 21,
		1ULL << 42, (1ULL << 42) - 1, 1ULL << 53, 1ULL << 63,
	};
	struct heap_span *span = large_new(&self->heap, self->heap.layouts[0], 2 * MIB);
	unsigned int i;

	ASSERT_NE(NULL, span);
	ASSERT_EQ(0, span->start);
	for (i = 0; i < ARRAY_SIZE(nowhere); i++)
		EXPECT_EQ(NULL, resolve(&self->heap, nowhere[i]).span);
	EXPECT_EQ(span, resolve(&self->heap, 2 * MIB - 1).span);
}

TEST_HARNESS_MAIN
