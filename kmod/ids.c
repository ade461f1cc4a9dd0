// SPDX-License-Identifier: GPL-2.0
/*
 * Identity: a number that an object keeps when it moves, for tables that are keyed by
 * object.
 *
 * An object gets its number when it is first asked for; others cost nothing. Numbers
 * count up and are never given twice in an arena, so a stale one is never mistaken for
 * another object's. They are in one hash table, keyed by where the object is: open
 * addressing, so that an entry can be removed and entered anew without memory, and
 * moving cannot fail. Hashing is multiply-shift (Dietzfelbinger et al., 1997). (Java and
 * Go hash by address or by a word in the object's header; here addresses change, and
 * there is no header.)
 *
 * Invariants: span->nr_ids is the number of its slots that are in the table, and all of
 * those are allocated; ids->nr is the sum over all spans. The table is never full.
 *
 * All functions need the heap lock.
 */
#include "heap.h"
#include "ids.h"

#define UNIT		16UL	/* every object begins at a multiple */
#define FIRST_BITS	6
#define REHASH_BATCH	4096U

/* 0 stands for an empty entry. */
static u64 key_of(const struct heap_span *span, u32 index)
{
	return (span->start + index * span->slot_bytes) / UNIT + 1;
}

static u64 nr_entries(const struct gcarena_ids *ids)
{
	return ids->table ? BIT_ULL(ids->bits) : 0;
}

/* The program places its objects: it must not know which of them meet in one entry. */
static u64 home_of(const struct gcarena_ids *ids, u64 key)
{
	return (key * ids->multiplier) >> (64 - ids->bits);
}

static u64 next_entry(const struct gcarena_ids *ids, u64 at)
{
	return (at + 1) & (nr_entries(ids) - 1);
}

/* The entry of @key, or the empty one where it would be. */
static u64 find(const struct gcarena_ids *ids, u64 key)
{
	u64 at = home_of(ids, key);

	while (ids->table[at].key && ids->table[at].key != key)
		at = next_entry(ids, at);
	return at;
}

static void enter(struct gcarena_ids *ids, u64 key, u64 id)
{
	struct heap_id *entry = &ids->table[find(ids, key)];

	entry->key = key;
	entry->id = id;
	ids->nr++;
}

/* Empty entry @at: what would not be found any more behind a gap moves up. Return: the id. */
static u64 take_out(struct gcarena_ids *ids, u64 at)
{
	u64 id = ids->table[at].id, mask = nr_entries(ids) - 1, next;

	for (next = next_entry(ids, at); ids->table[next].key; next = next_entry(ids, next)) {
		u64 home = home_of(ids, ids->table[next].key);

		if (((next - home) & mask) < ((next - at) & mask))
			continue;
		ids->table[at] = ids->table[next];
		at = next;
	}
	ids->table[at].key = 0;
	ids->nr--;
	return id;
}

void gcarena_ids_destroy(struct gcarena_heap *heap)
{
	struct gcarena_ids *ids = &heap->ids;

	heap->metadata_bytes -= nr_entries(ids) * sizeof(*ids->table);
	kvfree(ids->table);
	ids->table = NULL;
	ids->bits = 0;
	ids->nr = 0;
}

/* Return: 0, -ENOMEM or -EINTR: the table is as it was. */
static int resize(struct gcarena_heap *heap, u32 bits)
{
	struct gcarena_ids *old = &heap->ids, new = { .bits = bits, .last = old->last };
	u64 i;

	new.multiplier = get_random_u64() | 1;
	new.table = kvcalloc(BIT_ULL(bits), sizeof(*new.table), GCARENA_GFP);
	if (!new.table)
		return -ENOMEM;
	for (i = 0; i < nr_entries(old); i++) {
		if (old->table[i].key)
			enter(&new, old->table[i].key, old->table[i].id);
		if (i % REHASH_BATCH == 0 && gcarena_checkpoint()) {
			kvfree(new.table);
			return -EINTR;
		}
	}
	heap->metadata_bytes += nr_entries(&new) * sizeof(*new.table);
	gcarena_ids_destroy(heap);
	heap->ids = new;
	return 0;
}

/* Room for one more, and not much more than that. Return: 0, -ENOMEM or -EINTR. */
static int make_room(struct gcarena_heap *heap)
{
	struct gcarena_ids *ids = &heap->ids;

	if (!ids->table)
		return resize(heap, FIRST_BITS);
	if ((ids->nr + 1) * 4 > nr_entries(ids) * 3)
		return resize(heap, ids->bits + 1);
	/* Most have died. A table that is too large is no error. */
	if (ids->bits > FIRST_BITS && ids->nr < nr_entries(ids) / 16)
		return resize(heap, ids->bits - 2) == -EINTR ? -EINTR : 0;
	return 0;
}

/**
 * gcarena_id_get() - an object's number
 * @heap: the heap
 * @slot: an allocated slot
 * @id: set to the number, never 0
 *
 * Return: 0; -ENOMEM or -EINTR, only for an object that has none yet.
 */
int gcarena_id_get(struct gcarena_heap *heap, const struct heap_slot *slot, u64 *id)
{
	u64 key = key_of(slot->span, slot->index), at;
	struct gcarena_ids *ids = &heap->ids;
	int ret;

	if (slot->span->nr_ids) {
		at = find(ids, key);
		*id = ids->table[at].id;
		if (ids->table[at].key)
			return 0;
	}
	ret = make_room(heap);
	if (ret)
		return ret;
	*id = ++ids->last;
	enter(ids, key, *id);
	slot->span->nr_ids++;
	return 0;
}

/* The object in slot @index, if it has a number, is dead. */
static void drop(struct gcarena_heap *heap, struct heap_span *span, u32 index)
{
	struct gcarena_ids *ids = &heap->ids;
	u64 at = find(ids, key_of(span, index));

	if (!ids->table[at].key)
		return;
	take_out(ids, at);
	span->nr_ids--;
}

/**
 * gcarena_ids_drop() - objects are dead: so are their numbers
 * @heap: the heap
 * @span: the span
 * @w: which word of slots
 * @slots: which of them, any
 */
void gcarena_ids_drop(struct gcarena_heap *heap, struct heap_span *span, unsigned int w, u64 slots)
{
	if (!heap->ids.table)
		return;		/* the heap ends */
	for (; slots && span->nr_ids; slots &= slots - 1)
		drop(heap, span, w * 64 + __ffs64(slots));
	if (!heap->ids.nr)
		gcarena_ids_destroy(heap);
}

/* An object is in another slot now. Cannot fail. */
void gcarena_id_move(struct gcarena_heap *heap, struct heap_span *from, u32 index,
		     const struct heap_slot *to)
{
	struct gcarena_ids *ids = &heap->ids;
	u64 at;

	if (!from->nr_ids)
		return;
	at = find(ids, key_of(from, index));
	if (!ids->table[at].key)
		return;
	enter(ids, key_of(to->span, to->index), take_out(ids, at));
	from->nr_ids--;
	to->span->nr_ids++;
}

/* The whole of @span is about to be so many bytes lower. Cannot fail. */
void gcarena_ids_shift(struct gcarena_heap *heap, const struct heap_span *span, u64 bytes)
{
	struct gcarena_ids *ids = &heap->ids;
	u32 i, nr = span->nr_ids;
	u64 key, at;

	for (i = 0; nr && i < span->nr_slots; i++) {
		key = key_of(span, i);
		at = find(ids, key);
		if (!ids->table[at].key)
			continue;
		enter(ids, key - bytes / UNIT, take_out(ids, at));
		nr--;
	}
}
