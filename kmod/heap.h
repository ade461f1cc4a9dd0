/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The heap: the collector core's view of an arena.
 *
 * Addresses inside the core are offsets from the arena's base. An offset is
 * resolved in three loads, here with an object of 64 bytes:
 *
 *	offset 0x0063_2a48
 *	  chunk  = offset >> 21          = 3	heap->chunks[3]
 *	  block  = (offset >> 13) & 255  = 0x19	chunk->blocks[0x19]
 *	  slot   = (offset - span->start) / 64	span->words[slot / 64]
 *
 *	chunk (2 MiB)	 |block|block|block|block|...			256 blocks
 *	span		 |<---- span --->|<- span ->|  free  |		runs of blocks
 *	slots		 |s|s|s|s|s|s|s|.|				equal objects
 *
 * Each slot has two bits, side by side in memory: alloc (the slot may hold an
 * object) and mark (the last cycle reached it). Handing out reads alloc, tracing
 * sets mark, sweeping replaces alloc by mark.
 *
 * All of this lives in kernel memory that the program cannot write. The object
 * words are the program's: they are read once, with READ_ONCE(), and are nothing
 * but numbers until they have been resolved here.
 *
 * Everything is protected by the arena's heap lock, except that the page fault
 * path reads heap->chunks and chunk->blocks under the backing lock (see arena.h).
 */
#ifndef GCARENA_HEAP_H
#define GCARENA_HEAP_H

#include "platform.h"
#include "sizeclass.h"

#define GCARENA_OFFSET_BITS	42	/* of the largest reserve */
#define GCARENA_CHUNK_SHIFT	21
#define GCARENA_CHUNK_BYTES	BIT(GCARENA_CHUNK_SHIFT)
#define GCARENA_BLOCK_SHIFT	(PAGE_SHIFT > 13 ? PAGE_SHIFT : 13)
#define GCARENA_BLOCK_BYTES	BIT(GCARENA_BLOCK_SHIFT)
#define GCARENA_CHUNK_BLOCKS	(1U << (GCARENA_CHUNK_SHIFT - GCARENA_BLOCK_SHIFT))
#define GCARENA_CHUNK_PAGES	(1U << (GCARENA_CHUNK_SHIFT - PAGE_SHIFT))

/* No word of it looks like an address. */
#define GCARENA_POISON		0xd5

struct gcarena_lease;
struct heap_layout;
struct heap_span;

/**
 * struct heap_slot_word - the bits of 64 slots
 * @alloc: slots that may hold an object
 * @mark: slots that the last cycle reached
 *
 * Kept together so that tracing touches one cache line for both.
 */
struct heap_slot_word {
	u64 alloc;
	u64 mark;
};

/**
 * struct heap_span - a run of blocks with equal slots of one layout
 * @start: offset of slot 0
 * @bytes: length, a multiple of the block size
 * @slot_bytes: length of a slot; for a large object the whole of @bytes
 * @layout: layout of all objects
 * @lease: set while a thread holds the span: then it is on no list, is not swept
 *	and not handed out
 * @link: on one of its bucket's lists, unless leased
 * @permanent: a bit for each slot, set if its object is permanent; NULL: none is
 * @magic: see struct gcarena_sizeclass; 0 for a large object: all is slot 0
 * @nr_slots: number of slots: 4096 at most, and descriptors of small ones are to stay small
 * @nr_used: number of set alloc bits
 * @nr_ids: slots whose objects have a number; see ids.c
 * @stuck: it could not be emptied when that was tried: pinned, no room, or too much points
 *	there; see compact.c. In one word with @nr_ids: both change under the heap lock alone
 * @epoch: heap->epoch when it was last swept; see sweep.c
 * @class: size class
 * @zeroed: no slot was ever handed out: all memory is zero
 * @rescan: the mark stack was full while one of its objects was scanned, or some were marked
 *	otherwise than by tracing: see permanent.c
 * @words: (@nr_slots + 63) / 64 pairs of bits. Part of the span, so that marking
 *	finds them without reading it
 */
struct heap_span {
	u64 start;
	u64 bytes;
	u64 slot_bytes;
	struct heap_layout *layout;
	struct gcarena_lease *lease;
	struct list_head link;
	u64 *permanent;
	u32 magic;
	u32 epoch;
	u16 nr_slots;
	u16 nr_used;
	u16 nr_ids : 15;
	u16 stuck : 1;
	u8 class : 7;
	u8 zeroed : 1;
	bool rescan;
	struct heap_slot_word words[];
};

/**
 * struct heap_block - what marking wants to know about 8 KiB
 * @span: the span the block belongs to, or NULL
 * @layout: number of its layout
 * @class: its size class
 * @index: which block of the span it is; not kept for large objects
 *
 * Small, and all in one place: on a large heap it is the one table that
 * marking reads at random besides the objects and their bits.
 */
struct heap_block {
	struct heap_span *span;
	u16 layout;
	u8 class;
	u8 index;
};

/**
 * struct heap_chunk - 2 MiB of backing memory
 * @kaddr: where the kernel sees it, contiguous
 * @backing: what backing.c keeps about its pages
 * @nr_used: blocks that belong to a span
 * @nr_scanned: of these, blocks whose objects may hold pointers
 * @nr_absent: blocks whose memory was given back
 * @longest_free: no run of free blocks is longer than this (may be shorter)
 * @apart: it is to be emptied: no new span is made here; see remember.c
 * @used: blocks that belong to a span
 * @dirty: blocks that belonged to a span at some time: no longer all zero
 * @absent: blocks whose memory was given back; none of them is used
 * @blocks: what each block is used for
 */
struct heap_chunk {
	void *kaddr;
	void *backing;
	u16 nr_used;
	u16 nr_scanned;
	u16 nr_absent;
	u16 longest_free;
	bool apart;
	DECLARE_BITMAP(used, GCARENA_CHUNK_BLOCKS);
	DECLARE_BITMAP(dirty, GCARENA_CHUNK_BLOCKS);
	DECLARE_BITMAP(absent, GCARENA_CHUNK_BLOCKS);
	struct heap_block blocks[GCARENA_CHUNK_BLOCKS];
};

/**
 * struct heap_bucket - the spans of one size class and layout
 * @link: on heap->buckets
 * @pending: on heap->pending while @unswept may have spans
 * @partial: swept, with free slots; most recently filled up last
 * @unswept: not looked at since the last cycle
 * @full: swept, without free slots
 * @room: free slots, while gcarena_remember_choose() runs
 */
struct heap_bucket {
	struct list_head link;
	struct list_head pending;
	struct list_head partial;
	struct list_head unswept;
	struct list_head full;
	u64 room;
};

/**
 * struct heap_release - how far a heap has been gone through for memory to give back
 * @next: the chunk below this index is looked at next; 0: none
 * @blocks: empty chunks have gone; now what is free in the others
 */
struct heap_release {
	u32 next;
	bool blocks;
};

/**
 * struct heap_tally - slots counted, and their bytes
 * @objects: slots
 * @bytes: sum of their lengths
 */
struct heap_tally {
	u64 objects;
	u64 bytes;
};

/**
 * struct heap_id - the number of one object
 * @key: which; 0: none
 * @id: its number
 */
struct heap_id {
	u64 key;
	u64 id;
};

/**
 * struct gcarena_ids - the numbers of objects that were asked for one; see ids.c
 * @table: 2 to the power of @bits entries, or NULL
 * @bits: see @table
 * @multiplier: of the hash function: a random odd number, another for each table
 * @nr: entries in use
 * @last: the newest number
 */
struct gcarena_ids {
	struct heap_id *table;
	u32 bits;
	u64 multiplier;
	u64 nr;
	u64 last;
};

/**
 * struct gcarena_heap - all memory of an arena and what is in it
 * @base: address of offset 0 in the program
 * @chunks: chunk table, @nr_table entries, grown as needed
 * @nr_table: entries in @chunks
 * @top: one more than the highest index that ever had a chunk
 * @max_chunks: chunks in the reserve: bound of the index
 * @limit_chunks: most chunks there may be
 * @nr_chunks: chunks there are
 * @nr_empty: of these, chunks without a span
 * @nr_absent: blocks of all these whose memory was given back
 * @nr_absent_idle: of these, blocks of chunks without a span
 * @peak_chunks: most there ever were
 * @first_fit: no chunk below this index has a free block
 * @layouts: by number, @nr_layouts of them in room for @room_layouts
 * @nr_layouts: layouts registered, built-in ones included
 * @room_layouts: entries allocated in @layouts
 * @buckets: all struct heap_bucket
 * @large: bucket of all large objects
 * @pending: buckets that may have unswept spans
 * @tracing: a trace is on that drops the lock now and then: spans and chunks stay
 * @emptied: spans to be destroyed after that
 * @epoch: counts the cycles whose marks sweeping applies
 * @used: slots with alloc set
 * @old: of these, slots with mark set: survivors. The others are young
 * @permanent: of these, those that stay so; see permanent.c
 * @unscanned: some span has ->rescan set, and no marker knows
 * @span_bytes: bytes in spans
 * @metadata_bytes: bytes of descriptors, bitmaps and tables
 * @ids: numbers of objects
 * @allocated: slots ever handed out, less those given back unused
 * @freed: slots ever freed by sweeping or explicitly
 * @released_bytes: backing ever given back
 * @poison: sweeping overwrites what it frees with GCARENA_POISON
 */
struct gcarena_heap {
	u64 base;
	struct heap_chunk **chunks;
	u32 nr_table;
	u32 top;
	u32 max_chunks;
	u32 limit_chunks;
	u32 nr_chunks;
	u32 nr_empty;
	u32 nr_absent;
	u32 nr_absent_idle;
	u32 peak_chunks;
	u32 first_fit;
	struct heap_layout **layouts;
	u32 nr_layouts;
	u32 room_layouts;
	struct list_head buckets;
	struct heap_bucket large;
	struct list_head pending;
	bool tracing;
	struct list_head emptied;
	u32 epoch;
	struct heap_tally used;
	struct heap_tally old;
	struct heap_tally permanent;
	bool unscanned;
	u64 span_bytes;
	u64 metadata_bytes;
	struct gcarena_ids ids;
	struct heap_tally allocated;
	struct heap_tally freed;
	u64 released_bytes;
	bool poison;
};

/**
 * struct heap_slot - where an offset led
 * @span: the span, NULL when there is none
 * @index: the slot
 */
struct heap_slot {
	struct heap_span *span;
	u32 index;
};

/* chunk.c: runs of blocks */
int gcarena_heap_init(struct gcarena_heap *heap, u64 reserve, u64 limit);
void gcarena_heap_destroy(struct gcarena_heap *heap);
int gcarena_blocks_alloc(struct gcarena_heap *heap, u64 nr, u64 *start);
int gcarena_blocks_alloc_below(struct gcarena_heap *heap, u64 nr, u32 below, u64 *start);
void gcarena_blocks_free(struct gcarena_heap *heap, u64 start, u64 nr);
void gcarena_blocks_set_span(struct gcarena_heap *heap, u64 start, u64 nr,
			     struct heap_span *span);
void gcarena_chunks_exchange(struct gcarena_heap *heap, u32 from, u32 to);
bool gcarena_blocks_dirty(struct gcarena_heap *heap, u64 start, u64 nr);
u64 gcarena_chunks_release(struct gcarena_heap *heap, u64 keep);
u64 gcarena_blocks_release(struct gcarena_heap *heap, u64 keep);
void gcarena_release_begin(const struct gcarena_heap *heap, struct heap_release *release);
bool gcarena_release_step(struct gcarena_heap *heap, struct heap_release *release, u64 keep,
			  u64 *bytes);

/* span.c: spans and slots */
int gcarena_span_caches_create(void);
void gcarena_span_caches_destroy(void);
struct heap_span *gcarena_span_create(struct gcarena_heap *heap,
				      struct heap_layout *layout,
				      unsigned int class, u64 bytes);
struct heap_span *gcarena_span_create_below(struct gcarena_heap *heap,
					    struct heap_layout *layout,
					    unsigned int class, u64 bytes, u32 below);
void gcarena_span_destroy(struct gcarena_heap *heap, struct heap_span *span);
void gcarena_span_settle(struct gcarena_heap *heap, struct heap_span *span);
void gcarena_spans_hold(struct gcarena_heap *heap);
void gcarena_spans_let_go(struct gcarena_heap *heap);
struct heap_bucket *gcarena_span_bucket(struct gcarena_heap *heap,
					struct heap_span *span);
void gcarena_span_clear(struct gcarena_heap *heap, struct heap_span *span);
void gcarena_span_take(struct gcarena_heap *heap, struct heap_span *span, u64 *taken);
u64 gcarena_span_put(struct gcarena_heap *heap, struct heap_span *span,
		     const u64 *taken, const u64 *unused);
void gcarena_slot_free(struct gcarena_heap *heap, const struct heap_slot *slot);
struct heap_span *gcarena_span_next(struct gcarena_heap *heap, u64 *pos);
struct heap_span *gcarena_span_in_chunk(const struct gcarena_heap *heap, u32 index,
					unsigned long *block);

static inline unsigned int gcarena_span_nr_words(const struct heap_span *span)
{
	return (span->nr_slots + 63) / 64;
}

/* The bits of word @w that stand for slots. */
static inline u64 gcarena_span_valid(const struct heap_span *span, unsigned int w)
{
	unsigned int n = span->nr_slots - w * 64;

	return n >= 64 ? U64_MAX : (1ULL << n) - 1;
}

static inline void gcarena_tally_add(struct heap_tally *t, u64 objects, u64 slot_bytes)
{
	t->objects += objects;
	t->bytes += objects * slot_bytes;
}

static inline void gcarena_tally_sub(struct heap_tally *t, u64 objects, u64 slot_bytes)
{
	t->objects -= objects;
	t->bytes -= objects * slot_bytes;
}

static inline struct heap_chunk *gcarena_heap_chunk(const struct gcarena_heap *heap, u64 offset)
{
	u64 index = offset >> GCARENA_CHUNK_SHIFT;

	return index < heap->nr_table ? heap->chunks[index] : NULL;
}

/* Bytes of backing memory. */
static inline u64 gcarena_heap_held(const struct gcarena_heap *heap)
{
	u64 chunks = (u64)READ_ONCE(heap->nr_chunks) << GCARENA_CHUNK_SHIFT;

	/* Without the heap lock the two need not go together. */
	return chunks - min(chunks, (u64)READ_ONCE(heap->nr_absent) << GCARENA_BLOCK_SHIFT);
}

/* Of that, bytes in chunks without a span. */
static inline u64 gcarena_heap_idle(const struct gcarena_heap *heap)
{
	return ((u64)heap->nr_empty << GCARENA_CHUNK_SHIFT) -
	       ((u64)heap->nr_absent_idle << GCARENA_BLOCK_SHIFT);
}

static inline unsigned int gcarena_block_of(u64 offset)
{
	return (offset >> GCARENA_BLOCK_SHIFT) % GCARENA_CHUNK_BLOCKS;
}

/* Where the kernel sees @offset, which lies in a chunk. */
static inline void *gcarena_heap_kaddr(const struct gcarena_heap *heap, u64 offset)
{
	return gcarena_heap_chunk(heap, offset)->kaddr + offset % GCARENA_CHUNK_BYTES;
}

/*
 * Find the slot that @offset, any number, lies in. The slot may be free: callers
 * test its alloc bit.
 */
static inline struct heap_slot gcarena_heap_resolve(const struct gcarena_heap *heap, u64 offset)
{
	struct heap_chunk *chunk = gcarena_heap_chunk(heap, offset);
	struct heap_slot slot = { };
	struct heap_span *span;

	if (!chunk)
		return slot;
	span = chunk->blocks[gcarena_block_of(offset)].span;
	if (!span)
		return slot;
	slot.index = ((offset - span->start) * span->magic) >> 32;
	if (slot.index < span->nr_slots)	/* else it is the unused tail */
		slot.span = span;
	return slot;
}

static inline bool gcarena_slot_allocated(const struct heap_slot *slot)
{
	return slot->span->words[slot->index / 64].alloc & BIT_ULL(slot->index % 64);
}

static inline bool gcarena_slot_marked(const struct heap_slot *slot)
{
	return slot->span->words[slot->index / 64].mark & BIT_ULL(slot->index % 64);
}

static inline bool gcarena_slot_permanent(const struct heap_slot *slot)
{
	return slot->span->permanent &&
	       (slot->span->permanent[slot->index / 64] & BIT_ULL(slot->index % 64));
}

/* permanent.c: objects that stay */
int gcarena_permanent_add(struct gcarena_heap *heap, const struct heap_slot *slot);
int gcarena_permanent_add_all(struct gcarena_heap *heap);
void gcarena_permanent_drop(struct gcarena_heap *heap, struct heap_span *span, unsigned int w,
			    u64 slots);
void gcarena_permanent_rescan(struct gcarena_heap *heap, struct heap_span *span);
void gcarena_permanent_forget(struct gcarena_heap *heap, struct heap_span *span);

/* sweep.c: from marks to free slots */
void gcarena_sweep_flip(struct gcarena_heap *heap);
struct heap_span *gcarena_sweep_next(struct gcarena_heap *heap, struct heap_bucket *bucket);
void gcarena_sweep_at(struct gcarena_heap *heap, u64 offset);
bool gcarena_sweep_some(struct gcarena_heap *heap, unsigned int max);
int gcarena_sweep_all(struct gcarena_heap *heap);

/*
 * Backing memory, supplied by backing.c in the kernel and by the test harness in
 * user space. Allocation returns zeroed memory. Publishing makes the chunk, or
 * with NULL its absence, visible to page faults; table growth goes the same way, and the
 * exchange of two entries, either of which may be NULL.
 */
int gcarena_backing_alloc(struct gcarena_heap *heap, struct heap_chunk *chunk);
void gcarena_backing_free(struct gcarena_heap *heap, struct heap_chunk *chunk, u32 index);
void gcarena_backing_publish(struct gcarena_heap *heap, u32 index, struct heap_chunk *chunk);
void gcarena_backing_exchange(struct gcarena_heap *heap, u32 a, u32 b);
void gcarena_backing_publish_table(struct gcarena_heap *heap, struct heap_chunk **table,
				   u32 nr);

/*
 * Free blocks of a chunk may be given back, and be had again. discard() enters them in
 * ->absent, and returns false if that cannot be done; revive() gets all of a chunk back,
 * zeroed, or fails with -ENOMEM or -EINTR. The chunk may be elsewhere for the kernel then.
 */
bool gcarena_backing_discard(struct gcarena_heap *heap, u32 index, unsigned int first,
			     unsigned int nr);
int gcarena_backing_revive(struct gcarena_heap *heap, u32 index);

/*
 * For compaction, which writes to objects. Is a page there pinned for I/O? And: the pages
 * there were written through the kernel's mapping. Both ranges lie in one chunk.
 */
bool gcarena_backing_is_busy(struct gcarena_heap *heap, u64 offset, u64 bytes);
void gcarena_backing_mark_dirty(struct gcarena_heap *heap, u64 offset, u64 bytes);

extern struct kmem_cache *gcarena_chunk_cache;

#endif
