// SPDX-License-Identifier: GPL-2.0
/*
 * Dirty tracking: which pages of an arena were written since the last look. The page
 * tables' dirty bits are the write barrier: the processor sets them, for nothing.
 *
 * A write leaves its trace in one of two places, and both are read and cleared:
 *
 *  - the dirty bit of the page table entry that it went through, in any process;
 *  - the page's own dirty flag: there the kernel moves an entry's dirty bit when the entry
 *    goes (munmap, MADV_DONTNEED, exit), and so it tells of writes that went through no
 *    page table: finished I/O, process_vm_writev(). A page that is pinned for I/O may
 *    be written at any time, without a trace before the end: it counts as dirty.
 *
 * Entries first, then flags: an entry that goes in between has moved its bit already. Both
 * are looked at chunk by chunk, but for quiet ones, where nobody can write (quiet.c), and
 * for those that hold no pointers. When there are some, what was written before tells again.
 *
 * Two ways to read and clear the entries:
 *
 *  - pte: clean_record_shared_mapping_range(). Writers notice nothing;
 *  - refault: unmap everything, which moves all dirty bits into the flags. Each page
 *    that is used again takes a fault. For kernels without the former. All chunks that
 *    were not used again since the last look are quiet.
 *
 * Writes through the kernel's own mapping leave no trace. Where they store pointers, in
 * compaction, the pages are flagged (gcarena_backing_mark_dirty()); objects that are zeroed
 * or poisoned that way, before they are handed out, hold none.
 *
 * Needs the heap lock, under which chunks stay. Takes the i_mmap_rwsem of the arena's
 * inode, and no other lock of ours. The program may be running: translations are flushed
 * before the bits count as read, so a write that is not told of now leaves its trace for
 * the next time.
 */
#include <linux/ktime.h>
#include <linux/moduleparam.h>

#include "arena.h"
#include "dirty.h"
#include "evacuate.h"
#include "trace.h"
#include "zeal.h"

/* Chunks looked at in one go: page tables are walked without a pause for others. */
#define RUN_CHUNKS	64U

static bool refault;
module_param(refault, bool, 0644);
MODULE_PARM_DESC(refault, "Find written pages by unmapping and refaulting, also where the kernel can read dirty bits; for arenas opened from now on");

/* The way for a new arena. */
u32 gcarena_dirty_method(void)
{
	if (!IS_ENABLED(CONFIG_MAPPING_DIRTY_HELPERS) || READ_ONCE(refault))
		return GCARENA_DIRTY_REFAULT;
	return GCARENA_DIRTY_PTE;
}

void gcarena_dirty_free(struct gcarena_dirty *dirty)
{
	kvfree(dirty->pages);
	memset(dirty, 0, sizeof(*dirty));
}

/* Room for all pages that there are now. What is known stays known. */
static int dirty_grow(struct gcarena *arena, struct gcarena_dirty *dirty)
{
	u64 nr_pages = (u64)arena->heap.top * GCARENA_CHUNK_PAGES, room;
	unsigned long *pages;

	if (nr_pages > dirty->room || !dirty->pages) {
		/* A quarter more, as the heap may grow during a cycle. */
		room = round_up(max_t(u64, nr_pages + nr_pages / 4, 1), BITS_PER_LONG);
		pages = kvcalloc(room / BITS_PER_LONG, sizeof(*pages), GCARENA_GFP);
		if (!pages)
			return -ENOMEM;
		if (dirty->pages)
			bitmap_copy(pages, dirty->pages, dirty->nr_pages);
		kvfree(dirty->pages);
		dirty->pages = pages;
		dirty->room = room;
	}
	dirty->nr_pages = max(dirty->nr_pages, nr_pages);
	return 0;
}

#ifdef CONFIG_MAPPING_DIRTY_HELPERS
static void clean_entries(struct gcarena *arena, u32 first, u32 nr, struct gcarena_dirty *dirty)
{
	pgoff_t start = 0, end = 0;

	clean_record_shared_mapping_range(arena->inode->i_mapping,
					  (pgoff_t)first * GCARENA_CHUNK_PAGES,
					  (pgoff_t)nr * GCARENA_CHUNK_PAGES, 0,
					  dirty->pages, &start, &end);
}
#else
static void clean_entries(struct gcarena *arena, u32 first, u32 nr, struct gcarena_dirty *dirty)
{
}
#endif

/* Some chunks, all there and not quiet. */
static void look_at(struct gcarena *arena, u32 first, u32 nr, struct gcarena_dirty *dirty)
{
	bool refault = arena->dirty_method == GCARENA_DIRTY_REFAULT;

	if (refault)
		gcarena_backing_unmap(arena, first, nr, false);
	else
		clean_entries(arena, first, nr, dirty);
	gcarena_backing_dirty(arena, first, nr, dirty->pages);
	if (gcarena_zeal_quiet() && !refault)
		gcarena_backing_unmap(arena, first, nr, true);
	if (gcarena_zeal_quiet() || refault)
		arena->quiet.total += gcarena_backing_settle(arena, first, nr,
							     arena->quiet.allowed);
	gcarena_quiet_note(arena, first, nr, dirty->pages);
}

/**
 * gcarena_dirty_take() - read and clear what tells of writes
 * @arena: the arena
 * @dirty: zeroed memory, or what an earlier call has left: its bits stay set. Whoever
 *	goes through them begins anew
 *
 * The program may be running: then a write that happens meanwhile is told of now, or by
 * the next call, or by both.
 *
 * Return: 0, or -ENOMEM: nothing was cleared.
 */
int gcarena_dirty_take(struct gcarena *arena, struct gcarena_dirty *dirty)
{
	u64 start = ktime_get_ns(), seen = 0, found, ns;
	u32 first = 0, nr;
	int ret;

	lockdep_assert_held(&arena->lock);
	ret = dirty_grow(arena, dirty);
	if (ret)
		return ret;
	while ((nr = gcarena_quiet_next_loud(arena, &first, RUN_CHUNKS))) {
		look_at(arena, first, nr, dirty);
		seen += (u64)nr * GCARENA_CHUNK_PAGES;
		first += nr;
	}
	gcarena_evacuate_exchange(arena, dirty);
	dirty->page = 0;
	found = bitmap_weight(dirty->pages, dirty->nr_pages);
	arena->counters.dirty_pages_last = found;
	arena->counters.dirty_pages_total += found;
	ns = ktime_get_ns() - start;
	arena->counters.dirty_total_ns += ns;
	arena->counters.dirty_passes++;
	trace_gcarena_dirty_pass(arena->entry.id, seen, found, ns);
	return 0;
}

/* Add what @from has found. Return: 0 or -ENOMEM. */
int gcarena_dirty_add(struct gcarena *arena, struct gcarena_dirty *dirty,
		      const struct gcarena_dirty *from)
{
	int ret = dirty_grow(arena, dirty);

	if (ret)
		return ret;
	bitmap_or(dirty->pages, dirty->pages, from->pages, min(from->nr_pages, dirty->nr_pages));
	dirty->page = 0;
	return 0;
}

/* Count some memory as written. Return: 0 or -ENOMEM. */
int gcarena_dirty_note(struct gcarena *arena, struct gcarena_dirty *dirty, u64 start, u64 bytes)
{
	u64 first = start >> PAGE_SHIFT, end = (start + bytes + PAGE_SIZE - 1) >> PAGE_SHIFT;
	int ret = dirty_grow(arena, dirty);

	if (ret)
		return ret;
	bitmap_set(dirty->pages, first, end - first);
	dirty->page = min_t(u64, dirty->page, first);
	return 0;
}

/* All bits have been dealt with. */
void gcarena_dirty_done(struct gcarena_dirty *dirty)
{
	bitmap_zero(dirty->pages, dirty->nr_pages);
	dirty->page = 0;
}
