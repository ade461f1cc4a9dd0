// SPDX-License-Identifier: GPL-2.0
/*
 * Backing: the pages of chunks, and how they get into page tables.
 *
 * A chunk is one 2 MiB block of memory when there is one, split into pages that are
 * freed and mapped singly but stay one run for the kernel: its direct map then has
 * one large TLB entry for it. Otherwise it is 512 single pages, joined by vmap(). Pages
 * are zeroed and charged to the caller's memcg.
 *
 * Each page has one reference of ours; page tables and pins for I/O have theirs. So a
 * page that is given back while it is pinned lives on, unseen, until the pin is gone.
 *
 * Blocks may be absent (chunk->absent): their pages have been given back. A block that is
 * neither free nor absent has its pages; nothing else is looked at here. What joins single
 * pages into one run for the kernel has one page of ours, of no use to anybody, in each gap.
 *
 * backing_lock keeps page faults and populating (read) apart from publishing (write):
 * first a chunk is unpublished, then its page table entries are removed, then
 * its pages are freed. Nothing can be mapped in between.
 */
#include <linux/vmalloc.h>

#include "arena.h"

#define FAULT_AROUND_PAGES	16UL
#define INSERT_BATCH_PAGES	32UL

/* Made with the module; see join(). */
struct page *gcarena_gap_page;

/**
 * struct backing - pages of a chunk
 * @contiguous: all are one block; @pages is not used then
 * @quiet: see quiet.c. Set under backing_lock for writing, cleared under it for reading or
 *	under the heap lock
 * @whole: a page fault maps all of it: it was quiet once
 * @nap: what quiet.c knows about it
 * @populated_for: id of the mapping that @populated is about
 * @populated: blocks whose page table entries were filled ahead of use. A hint:
 *	the program may have removed them (MADV_DONTNEED)
 * @pages: the pages
 */
struct backing {
	bool contiguous;
	bool quiet;
	bool whole;
	struct gcarena_nap nap;
	u64 populated_for;
	DECLARE_BITMAP(populated, GCARENA_CHUNK_BLOCKS);
	struct page *pages[];
};

static int backing_alloc_huge(struct heap_chunk *chunk)
{
	const unsigned int order = GCARENA_CHUNK_SHIFT - PAGE_SHIFT;
	struct backing *backing;
	struct page *page;

	/* A second best exists: do not compact or reclaim hard for it. */
	page = alloc_pages((GCARENA_GFP | __GFP_ZERO | __GFP_NORETRY) & ~__GFP_COMP, order);
	if (!page)
		return -ENOMEM;
	backing = kzalloc(sizeof(*backing), GCARENA_GFP);
	if (!backing) {
		__free_pages(page, order);
		return -ENOMEM;
	}
	split_page(page, order);
	backing->contiguous = true;
	gcarena_nap_init(&backing->nap);
	chunk->backing = backing;
	chunk->kaddr = page_address(page);
	return 0;
}

static void pages_free(struct page **pages, unsigned int nr)
{
	while (nr--)
		put_page(pages[nr]);
}

static int backing_alloc_small(struct heap_chunk *chunk)
{
	struct backing *backing;
	unsigned int nr;
	int ret = -ENOMEM;

	backing = kzalloc(struct_size(backing, pages, GCARENA_CHUNK_PAGES), GCARENA_GFP);
	if (!backing)
		return -ENOMEM;
	for (nr = 0; nr < GCARENA_CHUNK_PAGES; nr++) {
		backing->pages[nr] = alloc_page(GCARENA_GFP | __GFP_ZERO);
		if (!backing->pages[nr])
			goto err_free_pages;
		if (nr % 64 == 0 && gcarena_checkpoint()) {
			ret = -EINTR;
			nr++;
			goto err_free_pages;
		}
	}
	chunk->kaddr = vmap(backing->pages, nr, VM_MAP, PAGE_KERNEL);
	if (!chunk->kaddr)
		goto err_free_pages;
	gcarena_nap_init(&backing->nap);
	chunk->backing = backing;
	return 0;

err_free_pages:
	pages_free(backing->pages, nr);
	kfree(backing);
	return ret;
}

/* Was the page given back? */
static bool is_absent(const struct heap_chunk *chunk, unsigned int page)
{
	return chunk->nr_absent &&
	       test_bit(page / (GCARENA_BLOCK_BYTES >> PAGE_SHIFT), chunk->absent);
}

static struct page *backing_page(const struct heap_chunk *chunk, unsigned int index)
{
	const struct backing *backing = chunk->backing;

	if (backing->contiguous)
		return virt_to_page(chunk->kaddr + ((size_t)index << PAGE_SHIFT));
	return backing->pages[index];
}

/* It will not be quiet from here on. Return: it was. */
static bool backing_wake(struct gcarena *arena, struct backing *backing)
{
	if (!READ_ONCE(backing->quiet) || !xchg(&backing->quiet, false))
		return false;
	atomic_dec(&arena->quiet.chunks);
	return true;
}

/* Remove the pages of @nr chunks from all page tables, and from all translation caches. */
static void chunks_unmap(struct gcarena *arena, u32 first, u32 nr)
{
	unmap_mapping_range(arena->inode->i_mapping, (loff_t)first << GCARENA_CHUNK_SHIFT,
			    (loff_t)nr << GCARENA_CHUNK_SHIFT, 1);
}

/* See heap.h. Return: 0, -ENOMEM or -EINTR. */
int gcarena_backing_alloc(struct gcarena_heap *heap, struct heap_chunk *chunk)
{
	struct gcarena *arena = gcarena_of_heap(heap);
	int ret;

	lockdep_assert_held(&arena->lock);
	if (!backing_alloc_huge(chunk)) {
		heap->metadata_bytes += sizeof(struct backing);
		arena->counters.huge_chunks++;
		return 0;
	}
	ret = backing_alloc_small(chunk);
	if (ret)
		return ret;
	heap->metadata_bytes += struct_size((struct backing *)NULL, pages, GCARENA_CHUNK_PAGES);
	arena->counters.split_chunks++;
	return 0;
}

/* The chunk is unpublished already. Removes it from all page tables. */
void gcarena_backing_free(struct gcarena_heap *heap, struct heap_chunk *chunk, u32 index)
{
	struct gcarena *arena = gcarena_of_heap(heap);
	struct backing *backing = chunk->backing;
	unsigned int i;

	lockdep_assert_held(&arena->lock);
	backing_wake(arena, backing);
	chunks_unmap(arena, index, 1);
	if (backing->contiguous) {
		arena->counters.huge_chunks--;
		heap->metadata_bytes -= sizeof(*backing);
	} else {
		arena->counters.split_chunks--;
		heap->metadata_bytes -= struct_size(backing, pages, GCARENA_CHUNK_PAGES);
		vunmap(chunk->kaddr);
	}
	for (i = 0; i < GCARENA_CHUNK_PAGES; i++) {
		if (!is_absent(chunk, i))
			put_page(backing_page(chunk, i));
	}
	kfree(backing);
}

/*
 * Where the kernel would see the pages of a chunk, with @gap for those that are absent. NULL:
 * no memory.
 */
static void *join(const struct heap_chunk *chunk, const unsigned long *absent, struct page *gap)
{
	struct page **pages = kvmalloc_array(GCARENA_CHUNK_PAGES, sizeof(*pages), GCARENA_GFP);
	void *kaddr = NULL;
	unsigned int i;

	for (i = 0; pages && i < GCARENA_CHUNK_PAGES; i++)
		pages[i] = test_bit(i / (GCARENA_BLOCK_BYTES >> PAGE_SHIFT), absent) ?
			   gap : backing_page(chunk, i);
	if (pages)
		kaddr = vmap(pages, GCARENA_CHUNK_PAGES, VM_MAP, PAGE_KERNEL);
	kvfree(pages);
	return kaddr;
}

/* See heap.h. */
bool gcarena_backing_discard(struct gcarena_heap *heap, u32 index, unsigned int first,
			     unsigned int nr)
{
	const unsigned int pages_per_block = GCARENA_BLOCK_BYTES >> PAGE_SHIFT;
	struct gcarena *arena = gcarena_of_heap(heap);
	struct heap_chunk *chunk = heap->chunks[index];
	struct backing *backing = chunk->backing;
	void *old = chunk->kaddr, *kaddr = old;
	DECLARE_BITMAP(absent, GCARENA_CHUNK_BLOCKS);
	unsigned int i;

	lockdep_assert_held(&arena->lock);
	bitmap_copy(absent, chunk->absent, GCARENA_CHUNK_BLOCKS);
	bitmap_set(absent, first, nr);
	/* The kernel's map of all memory stays; of single pages no address must be left. */
	if (!backing->contiguous)
		kaddr = join(chunk, absent, gcarena_gap_page);
	if (!kaddr)
		return false;
	down_write(&arena->backing_lock);
	chunk->kaddr = kaddr;
	bitmap_copy(chunk->absent, absent, GCARENA_CHUNK_BLOCKS);
	bitmap_clear(backing->populated, first, nr);
	up_write(&arena->backing_lock);
	unmap_mapping_range(arena->inode->i_mapping, ((loff_t)index << GCARENA_CHUNK_SHIFT) +
			    ((loff_t)first << GCARENA_BLOCK_SHIFT),
			    (loff_t)nr << GCARENA_BLOCK_SHIFT, 1);
	if (kaddr != old)
		vunmap(old);
	for (i = first * pages_per_block; i < (first + nr) * pages_per_block; i++)
		put_page(backing_page(chunk, i));
	return true;
}

/* All pages of a chunk, new ones where there are none. Return: 0, -ENOMEM or -EINTR. */
static int fill_gaps(const struct heap_chunk *chunk, struct backing *new)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < GCARENA_CHUNK_PAGES && !ret; i++) {
		new->pages[i] = is_absent(chunk, i) ? alloc_page(GCARENA_GFP | __GFP_ZERO) :
						      backing_page(chunk, i);
		if (!new->pages[i])
			ret = -ENOMEM;
		else if (i % 64 == 0)
			ret = gcarena_checkpoint();
	}
	return ret;
}

/* See heap.h. */
int gcarena_backing_revive(struct gcarena_heap *heap, u32 index)
{
	struct gcarena *arena = gcarena_of_heap(heap);
	struct heap_chunk *chunk = heap->chunks[index];
	struct backing *old = chunk->backing, *new;
	void *kaddr = NULL, *old_kaddr = chunk->kaddr;
	unsigned int i;
	int ret;

	lockdep_assert_held(&arena->lock);
	new = kzalloc(struct_size(new, pages, GCARENA_CHUNK_PAGES), GCARENA_GFP);
	if (!new)
		return -ENOMEM;
	ret = fill_gaps(chunk, new);
	if (!ret)
		kaddr = vmap(new->pages, GCARENA_CHUNK_PAGES, VM_MAP, PAGE_KERNEL);
	if (!kaddr) {
		for (i = 0; i < GCARENA_CHUNK_PAGES; i++) {
			if (is_absent(chunk, i) && new->pages[i])
				put_page(new->pages[i]);
		}
		kfree(new);
		return ret ?: -ENOMEM;
	}
	backing_wake(arena, old);
	down_write(&arena->backing_lock);
	new->whole = old->whole;
	new->nap = old->nap;
	new->populated_for = old->populated_for;
	bitmap_copy(new->populated, old->populated, GCARENA_CHUNK_BLOCKS);
	chunk->kaddr = kaddr;
	chunk->backing = new;
	bitmap_zero(chunk->absent, GCARENA_CHUNK_BLOCKS);
	up_write(&arena->backing_lock);
	if (old->contiguous) {
		arena->counters.huge_chunks--;
		arena->counters.split_chunks++;
		heap->metadata_bytes += struct_size(new, pages, GCARENA_CHUNK_PAGES) - sizeof(*old);
	} else {
		vunmap(old_kaddr);
	}
	kfree(old);
	return 0;
}

void gcarena_backing_publish(struct gcarena_heap *heap, u32 index, struct heap_chunk *chunk)
{
	struct gcarena *arena = gcarena_of_heap(heap);

	down_write(&arena->backing_lock);
	heap->chunks[index] = chunk;
	up_write(&arena->backing_lock);
}

/* No page table shows it where it is now. */
static void backing_moved(struct heap_chunk *chunk)
{
	struct backing *backing;

	if (!chunk)
		return;
	backing = chunk->backing;
	backing->whole = true;
	backing->populated_for = 0;
}

/* See heap.h. The world is stopped: nobody writes through a translation that is about to go. */
void gcarena_backing_exchange(struct gcarena_heap *heap, u32 a, u32 b)
{
	struct gcarena *arena = gcarena_of_heap(heap);

	lockdep_assert_held(&arena->lock);
	down_write(&arena->backing_lock);
	swap(heap->chunks[a], heap->chunks[b]);
	backing_moved(heap->chunks[a]);
	backing_moved(heap->chunks[b]);
	up_write(&arena->backing_lock);
	/* From here on page faults find what is there now; what they found before goes. */
	chunks_unmap(arena, a, 1);
	chunks_unmap(arena, b, 1);
}

void gcarena_backing_publish_table(struct gcarena_heap *heap, struct heap_chunk **table, u32 nr)
{
	struct gcarena *arena = gcarena_of_heap(heap);

	down_write(&arena->backing_lock);
	heap->chunks = table;
	heap->nr_table = nr;
	up_write(&arena->backing_lock);
}

/*
 * Was the page written to, as far as its flags tell? Clears them.
 *
 * Where MADV_DONTNEED may free page tables (CONFIG_PT_RECLAIM), it flags a page dirty, and
 * another processor may write through its old translation for a while yet, without a
 * trace. So there a page that was flagged counts the next time as well.
 */
static bool folio_take_dirty(struct folio *folio)
{
	bool flagged = folio_test_clear_dirty(folio);
	bool dirty = flagged || folio_maybe_dma_pinned(folio);

	if (!IS_ENABLED(CONFIG_PT_RECLAIM))
		return dirty;
	if (folio_test_checked(folio)) {
		folio_clear_checked(folio);
		dirty = true;
	}
	if (flagged)
		folio_set_checked(folio);
	return dirty;
}

/*
 * May folio_take_dirty() find something? Nearly always not: so this is what each page of
 * the arena costs a look, and it only reads. The caller has ordered it behind the look at
 * the page tables.
 */
static bool folio_may_be_dirty(struct folio *folio)
{
	return folio_test_dirty(folio) || folio_maybe_dma_pinned(folio) ||
	       (IS_ENABLED(CONFIG_PT_RECLAIM) && folio_test_checked(folio));
}

/* All pages of a chunk, in order: they are either one block or in a table. */
static struct page *chunk_page(const struct backing *backing, struct page *block, unsigned int i)
{
	return block ? block + i : backing->pages[i];
}

static struct page *chunk_block(const struct heap_chunk *chunk)
{
	const struct backing *backing = chunk->backing;

	return backing->contiguous ? backing_page(chunk, 0) : NULL;
}

static void chunk_take_dirty(const struct heap_chunk *chunk, unsigned long *pages,
			     unsigned long first)
{
	const struct backing *backing = chunk->backing;
	struct page *block = chunk_block(chunk);
	unsigned int i;

	for (i = 0; i < GCARENA_CHUNK_PAGES; i++) {
		struct folio *folio;

		if (is_absent(chunk, i))
			continue;
		folio = page_folio(chunk_page(backing, block, i));
		if (unlikely(folio_may_be_dirty(folio)) && folio_take_dirty(folio))
			__set_bit(first + i, pages);
	}
}

/**
 * gcarena_backing_dirty() - what the flags of pages tell of writes
 * @arena: the arena
 * @first: index of a chunk
 * @nr: how many, all of them there
 * @pages: note here which pages are flagged dirty, or pinned for I/O; the flags are cleared
 */
void gcarena_backing_dirty(struct gcarena *arena, u32 first, u32 nr, unsigned long *pages)
{
	u32 i;

	smp_mb();	/* who unmaps a page clears its entry, then flags it */
	for (i = first; i < first + nr; i++) {
		chunk_take_dirty(arena->heap.chunks[i], pages,
				 (unsigned long)i * GCARENA_CHUNK_PAGES);
		cond_resched();
	}
}

/*
 * Once a chunk's pages are unmapped: has nobody else a reference, and is none flagged?
 * Who has one (I/O, another processor that has yet to flush its translations) may write,
 * and flags the page before giving it up: so the count is read first.
 */
static bool chunk_is_still(const struct heap_chunk *chunk)
{
	const struct backing *backing = chunk->backing;
	struct page *block = chunk_block(chunk);
	unsigned int i;

	for (i = 0; i < GCARENA_CHUNK_PAGES; i++) {
		struct folio *folio;

		if (is_absent(chunk, i))
			continue;
		folio = page_folio(chunk_page(backing, block, i));
		if (folio_ref_count(folio) != 1)
			return false;
		smp_rmb();	/* pairs with the release of a reference */
		if (folio_may_be_dirty(folio))
			return false;
	}
	return true;
}

bool gcarena_backing_is_quiet(const struct heap_chunk *chunk)
{
	return READ_ONCE(((const struct backing *)chunk->backing)->quiet);
}

struct gcarena_nap *gcarena_backing_nap(const struct heap_chunk *chunk)
{
	return &((struct backing *)chunk->backing)->nap;
}

/**
 * gcarena_backing_unmap() - unmap chunks, and let them be quiet from here on
 * @arena: the arena
 * @first: index of a chunk that is not quiet
 * @nr: how many, all of them there and none quiet
 * @whole: the first page fault in one is to map all of it
 *
 * What the entries told of writes is in the pages' flags then. Whoever calls has to look
 * at these, and then has to call gcarena_backing_settle().
 */
void gcarena_backing_unmap(struct gcarena *arena, u32 first, u32 nr, bool whole)
{
	u32 i;

	lockdep_assert_held(&arena->lock);
	/* A fault that is on now is over before; one that begins later wakes its chunk. */
	down_write(&arena->backing_lock);
	for (i = first; i < first + nr; i++) {
		struct backing *backing = arena->heap.chunks[i]->backing;

		WRITE_ONCE(backing->quiet, true);
		backing->whole |= whole;
		backing->populated_for = 0;
	}
	up_write(&arena->backing_lock);
	atomic_add(nr, &arena->quiet.chunks);
	chunks_unmap(arena, first, nr);
}

/*
 * After gcarena_backing_unmap(): wake the chunks that must not be quiet; all of them unless
 * @may_stay. Return: how many are quiet.
 */
u32 gcarena_backing_settle(struct gcarena *arena, u32 first, u32 nr, bool may_stay)
{
	u32 i, quiet = 0;

	lockdep_assert_held(&arena->lock);
	smp_mb();	/* entries are gone before counts are read: pairs with GUP's */
	for (i = first; i < first + nr; i++) {
		const struct heap_chunk *chunk = arena->heap.chunks[i];

		if (!may_stay || !chunk_is_still(chunk))
			backing_wake(arena, chunk->backing);
		quiet += gcarena_backing_is_quiet(chunk);
		cond_resched();
	}
	return quiet;
}

/* See heap.h. */
bool gcarena_backing_is_busy(struct gcarena_heap *heap, u64 offset, u64 bytes)
{
	const struct heap_chunk *chunk = gcarena_heap_chunk(heap, offset);
	unsigned int page = offset % GCARENA_CHUNK_BYTES >> PAGE_SHIFT;
	unsigned int last = (offset + bytes - 1) % GCARENA_CHUNK_BYTES >> PAGE_SHIFT;

	for (; page <= last; page++) {
		if (!is_absent(chunk, page) &&
		    folio_maybe_dma_pinned(page_folio(backing_page(chunk, page))))
			return true;
	}
	return false;
}

/* See heap.h. The flags tell of it, as they do of pages written by others: dirty.c. */
void gcarena_backing_mark_dirty(struct gcarena_heap *heap, u64 offset, u64 bytes)
{
	const struct heap_chunk *chunk = gcarena_heap_chunk(heap, offset);
	unsigned int page = offset % GCARENA_CHUNK_BYTES >> PAGE_SHIFT;
	unsigned int last = (offset + bytes - 1) % GCARENA_CHUNK_BYTES >> PAGE_SHIFT;

	/* Flags of quiet chunks are not looked at. */
	backing_wake(gcarena_of_heap(heap), chunk->backing);
	for (; page <= last; page++) {
		struct folio *folio;

		if (is_absent(chunk, page))
			continue;
		folio = page_folio(backing_page(chunk, page));
		if (!folio_test_dirty(folio))
			folio_set_dirty(folio);
	}
}

/*
 * Insert pages [first, first + nr) of a chunk, leaving out what is there already.
 * Return: 0, or an error of vm_insert_pages() other than -EBUSY. It says EFAULT if there is
 * no memory for an upper page table, or no such place in @vma; there is such a place.
 */
static int insert_pages(struct vm_area_struct *vma, const struct heap_chunk *chunk,
			unsigned long addr, unsigned int first, unsigned int nr)
{
	struct page *pages[INSERT_BATCH_PAGES];
	unsigned long i, n, left;
	int ret;

	while (nr) {
		n = min_t(unsigned long, nr, INSERT_BATCH_PAGES);
		for (i = 0; i < n; i++)
			pages[i] = backing_page(chunk, first + i);
		left = n;
		ret = vm_insert_pages(vma, addr, pages, &left);
		n -= left;
		if (ret == -EBUSY && left)
			n++;	/* pages[n] is there: skip it */
		else if (ret)
			return ret == -EFAULT ? -ENOMEM : ret;
		addr += n << PAGE_SHIFT;
		first += n;
		nr -= n;
	}
	return 0;
}

static bool block_in_span(const struct heap_chunk *chunk, unsigned int block)
{
	return READ_ONCE(chunk->blocks[block].span);	/* pairs with gcarena_blocks_set_span() */
}

/* Pages around @page that are in spans, at most an aligned FAULT_AROUND_PAGES. */
static void fault_window(const struct heap_chunk *chunk, unsigned int page,
			 unsigned int *first, unsigned int *last)
{
	const unsigned int pages_per_block = GCARENA_BLOCK_BYTES >> PAGE_SHIFT;
	unsigned int low = round_down(page, FAULT_AROUND_PAGES);
	unsigned int high = low + FAULT_AROUND_PAGES - 1;

	for (*first = page; *first > low; (*first)--) {
		if (!block_in_span(chunk, (*first - 1) / pages_per_block))
			break;
	}
	for (*last = page; *last < high; (*last)++) {
		if (!block_in_span(chunk, (*last + 1) / pages_per_block))
			break;
	}
}

/* A chunk that was quiet is mapped again by one fault in each process, not by many. */
static int insert_chunk(struct vm_area_struct *vma, const struct heap_chunk *chunk,
			unsigned long addr)
{
	const unsigned int pages_per_block = GCARENA_BLOCK_BYTES >> PAGE_SHIFT;
	unsigned int first, end = 0;
	int ret = 0;

	while (!ret && end < GCARENA_CHUNK_BLOCKS) {
		for (first = end; first < GCARENA_CHUNK_BLOCKS; first++) {
			if (block_in_span(chunk, first))
				break;
		}
		for (end = first; end < GCARENA_CHUNK_BLOCKS; end++) {
			if (!block_in_span(chunk, end))
				break;
		}
		ret = insert_pages(vma, chunk, addr + ((unsigned long)first << GCARENA_BLOCK_SHIFT),
				   first * pages_per_block, (end - first) * pages_per_block);
	}
	return ret;
}

static int insert_window(struct vm_area_struct *vma, const struct heap_chunk *chunk,
			 unsigned long addr, unsigned int page)
{
	unsigned int first, last;

	fault_window(chunk, page, &first, &last);
	return insert_pages(vma, chunk, addr + ((unsigned long)first << PAGE_SHIFT), first,
			    last - first + 1);
}

static vm_fault_t fault_locked(struct gcarena *arena, struct vm_fault *vmf)
{
	unsigned long addr = round_down(vmf->address, GCARENA_CHUNK_BYTES);
	unsigned int page = vmf->pgoff % GCARENA_CHUNK_PAGES;
	struct heap_chunk *chunk;
	struct backing *backing;
	int ret;

	lockdep_assert_held(&arena->backing_lock);
	chunk = gcarena_heap_chunk(&arena->heap, (u64)vmf->pgoff << PAGE_SHIFT);
	/* Free memory: a stale pointer. Whoever uses it shall hear of it. */
	if (!chunk || !block_in_span(chunk, page * PAGE_SIZE / GCARENA_BLOCK_BYTES))
		return VM_FAULT_SIGBUS;
	backing = chunk->backing;
	/* First of all: once an entry can be seen, writes through it must be looked for. */
	if (backing_wake(arena, backing))
		atomic64_inc(&arena->quiet.faults);
	ret = backing->whole ? insert_chunk(vmf->vma, chunk, addr)
			     : insert_window(vmf->vma, chunk, addr, page);
	if (ret == -ENOMEM)
		return VM_FAULT_OOM;
	return ret ? VM_FAULT_SIGBUS : VM_FAULT_NOPAGE;
}

/* Page fault. Under mmap_lock; takes no lock that a collection holds for long. */
vm_fault_t gcarena_backing_fault(struct gcarena *arena, struct vm_fault *vmf)
{
	vm_fault_t ret;

	atomic64_inc(&arena->faults);
	down_read(&arena->backing_lock);
	ret = fault_locked(arena, vmf);
	up_read(&arena->backing_lock);
	return ret;
}

/* A part of a run that lies in one chunk. */
struct part {
	struct heap_chunk *chunk;
	u64 start;
	unsigned int block;
	unsigned int nr;
};

/* Split the next part off @run. False: nothing is left. */
static bool next_part(struct gcarena *arena, struct gcarena_run *run, struct part *part)
{
	u64 n = min_t(u64, run->bytes, GCARENA_CHUNK_BYTES - run->start % GCARENA_CHUNK_BYTES);

	if (!n)
		return false;
	/* It may be gone again, if another thread has unmapped the arena. */
	part->chunk = gcarena_heap_chunk(&arena->heap, run->start);
	part->start = run->start;
	part->block = (run->start >> GCARENA_BLOCK_SHIFT) % GCARENA_CHUNK_BLOCKS;
	part->nr = n >> GCARENA_BLOCK_SHIFT;
	run->start += n;
	run->bytes -= n;
	return true;
}

static bool part_is_populated(const struct part *part, u64 mapping_id)
{
	const struct backing *backing = part->chunk->backing;
	unsigned long end = part->block + part->nr;

	return READ_ONCE(backing->populated_for) == mapping_id &&
	       find_next_zero_bit(backing->populated, end, part->block) >= end;
}

static void part_populate(struct gcarena *arena, struct vm_area_struct *vma,
			  const struct part *part, u64 mapping_id)
{
	const unsigned int pages_per_block = GCARENA_BLOCK_BYTES >> PAGE_SHIFT;
	struct backing *backing = part->chunk->backing;
	unsigned int i;

	backing_wake(arena, backing);
	/* The span may be gone by now, and its memory, too. */
	if (find_next_bit(part->chunk->absent, part->block + part->nr, part->block) <
	    part->block + part->nr)
		return;
	/* Racing threads of one process write the same; of two, it is but a hint. */
	if (READ_ONCE(backing->populated_for) != mapping_id) {
		bitmap_zero(backing->populated, GCARENA_CHUNK_BLOCKS);
		WRITE_ONCE(backing->populated_for, mapping_id);
	}
	if (insert_pages(vma, part->chunk, vma->vm_start + part->start,
			 part->block * pages_per_block, part->nr * pages_per_block))
		return;
	for (i = part->block; i < part->block + part->nr; i++)
		set_bit(i, backing->populated);
	atomic64_add(part->nr * pages_per_block, &arena->populated_pages);
}

/* Have the page table entries of all @nr @runs been filled before? A hint. */
bool gcarena_backing_is_populated(struct gcarena *arena, u64 mapping_id,
				  const struct gcarena_run *runs, unsigned int nr)
{
	bool populated = true;
	struct part part;
	unsigned int i;

	down_read(&arena->backing_lock);
	for (i = 0; i < nr && populated; i++) {
		struct gcarena_run run = runs[i];

		while (populated && next_part(arena, &run, &part))
			populated = part.chunk && part_is_populated(&part, mapping_id);
	}
	up_read(&arena->backing_lock);
	return populated;
}

/**
 * gcarena_backing_populate() - fill page table entries of allocated memory
 * @arena: the arena
 * @vma: the calling process's VMA, under its mmap_lock
 * @mapping_id: struct gcarena_mapping.id of that process
 * @runs: memory to fill, whole blocks
 * @nr: entries in @runs
 */
void gcarena_backing_populate(struct gcarena *arena, struct vm_area_struct *vma,
			      u64 mapping_id, const struct gcarena_run *runs, unsigned int nr)
{
	struct part part;
	unsigned int i;

	down_read(&arena->backing_lock);
	for (i = 0; i < nr; i++) {
		struct gcarena_run run = runs[i];

		while (next_part(arena, &run, &part)) {
			if (part.chunk && !part_is_populated(&part, mapping_id))
				part_populate(arena, vma, &part, mapping_id);
		}
	}
	up_read(&arena->backing_lock);
}
