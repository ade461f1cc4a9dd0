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
 * Entries first, then flags: an entry that goes in between has moved its bit already.
 *
 * Two ways to read and clear the entries:
 *
 *  - pte: clean_record_shared_mapping_range(). Writers notice nothing;
 *  - refault: unmap everything, which moves all dirty bits into the flags. Each page
 *    that is used again takes a fault. For kernels without the former.
 *
 * Writes through the kernel's own mapping leave no trace. Where they store pointers, in
 * compaction, the pages are flagged (gcarena_backing_mark_dirty()); objects that are zeroed
 * or poisoned that way, before they are handed out, hold none.
 *
 * Needs the heap lock, under which chunks stay, and the world stopped. Takes the
 * i_mmap_rwsem of the arena's inode, and no other lock of ours.
 */
#include <linux/moduleparam.h>

#include "arena.h"
#include "dirty.h"

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

/* Return: 0 or -ENOMEM. */
int gcarena_dirty_alloc(struct gcarena *arena, struct gcarena_dirty *dirty)
{
	dirty->nr_pages = (u64)arena->heap.top * GCARENA_CHUNK_PAGES;
	dirty->nr_dirty = 0;
	dirty->pages = kvcalloc(max_t(u64, BITS_TO_LONGS(dirty->nr_pages), 1), sizeof(long),
				GCARENA_GFP);
	return dirty->pages ? 0 : -ENOMEM;
}

void gcarena_dirty_free(struct gcarena_dirty *dirty)
{
	kvfree(dirty->pages);
}

#ifdef CONFIG_MAPPING_DIRTY_HELPERS
static void clean_entries(struct gcarena *arena, struct gcarena_dirty *dirty)
{
	pgoff_t start = 0, end = 0;

	clean_record_shared_mapping_range(arena->inode->i_mapping, 0, dirty->nr_pages, 0,
					  dirty->pages, &start, &end);
}
#else
static void clean_entries(struct gcarena *arena, struct gcarena_dirty *dirty)
{
}
#endif

/**
 * gcarena_dirty_take() - read and clear what tells of writes
 * @arena: the arena
 * @dirty: from gcarena_dirty_alloc(), after which no chunk may have been added
 */
void gcarena_dirty_take(struct gcarena *arena, struct gcarena_dirty *dirty)
{
	lockdep_assert_held(&arena->lock);
	if (arena->dirty_method == GCARENA_DIRTY_PTE)
		clean_entries(arena, dirty);
	else
		gcarena_backing_unmap(arena);
	gcarena_backing_dirty(arena, dirty->pages);
	dirty->nr_dirty = bitmap_weight(dirty->pages, dirty->nr_pages);
}
