/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The collector core in user space: the very sources of the module, and a backing of
 * chunks with a guard page on either side. Each program that includes this has a core
 * of its own, and may use what is static in there.
 */
#ifndef TESTS_CORE_HEAP_H
#define TESTS_CORE_HEAP_H

#include <stdio.h>
#include <sys/mman.h>

#include "core/sources.h"

#define MIB		(1024UL * 1024)
#define GUARD		4096UL
/* Where the program would have the arena. Nothing is there in this process. */
#define BASE		0x100000000000ULL

static struct kmem_cache core_chunk_cache = { sizeof(struct heap_chunk) };

/* Mappings at hand: making one takes longer than emptying one. */
static void *core_idle_chunks[128];
static unsigned int core_nr_idle;

static inline void *core_chunk_map(void)
{
	char *p;

	if (core_nr_idle)
		return core_idle_chunks[--core_nr_idle];
	p = mmap(NULL, GCARENA_CHUNK_BYTES + 2 * GUARD, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED ||
	    mprotect(p + GUARD, GCARENA_CHUNK_BYTES, PROT_READ | PROT_WRITE)) {
		perror("core: no address space for a chunk");
		abort();
	}
	return p + GUARD;
}

static inline void core_chunk_unmap(void *p)
{
	if (core_nr_idle < ARRAY_SIZE(core_idle_chunks)) {
		madvise(p, GCARENA_CHUNK_BYTES, MADV_DONTNEED);
		core_idle_chunks[core_nr_idle++] = p;
	} else {
		munmap((char *)p - GUARD, GCARENA_CHUNK_BYTES + 2 * GUARD);
	}
}

int gcarena_backing_alloc(struct gcarena_heap *heap, struct heap_chunk *chunk)
{
	(void)heap;
	if (core_fails())
		return -ENOMEM;
	core_allocations++;
	chunk->kaddr = core_chunk_map();
	return 0;
}

void gcarena_backing_free(struct gcarena_heap *heap, struct heap_chunk *chunk, u32 index)
{
	if (heap->chunks[index])
		abort();	/* a page fault could still find it */
	core_allocations--;
	mprotect(chunk->kaddr, GCARENA_CHUNK_BYTES, PROT_READ | PROT_WRITE);
	core_chunk_unmap(chunk->kaddr);
}

/* Who touches what was given back dies. */
bool gcarena_backing_discard(struct gcarena_heap *heap, u32 index, unsigned int first,
			     unsigned int nr)
{
	char *at = (char *)heap->chunks[index]->kaddr + first * GCARENA_BLOCK_BYTES;

	if (core_fails())
		return false;
	madvise(at, nr * GCARENA_BLOCK_BYTES, MADV_DONTNEED);
	mprotect(at, nr * GCARENA_BLOCK_BYTES, PROT_NONE);
	bitmap_set(heap->chunks[index]->absent, first, nr);
	return true;
}

int gcarena_backing_revive(struct gcarena_heap *heap, u32 index)
{
	struct heap_chunk *chunk = heap->chunks[index];

	if (core_fails())
		return -ENOMEM;
	mprotect(chunk->kaddr, GCARENA_CHUNK_BYTES, PROT_READ | PROT_WRITE);
	memset(chunk->absent, 0, sizeof(chunk->absent));
	return 0;
}

/* Pages that others than the program write to: the tests say which, and are told of some. */
static bool (*core_is_busy)(u64 page);
static void (*core_wrote)(u64 page);

bool gcarena_backing_is_busy(struct gcarena_heap *heap, u64 offset, u64 bytes)
{
	u64 page;

	(void)heap;
	for (page = offset >> PAGE_SHIFT; page <= (offset + bytes - 1) >> PAGE_SHIFT; page++) {
		if (core_is_busy && core_is_busy(page))
			return true;
	}
	return false;
}

void gcarena_backing_mark_dirty(struct gcarena_heap *heap, u64 offset, u64 bytes)
{
	u64 page;

	(void)heap;
	for (page = offset >> PAGE_SHIFT; page <= (offset + bytes - 1) >> PAGE_SHIFT; page++) {
		if (core_wrote)
			core_wrote(page);
	}
}

void gcarena_backing_exchange(struct gcarena_heap *heap, u32 a, u32 b)
{
	struct heap_chunk *chunk = heap->chunks[a];

	heap->chunks[a] = heap->chunks[b];
	heap->chunks[b] = chunk;
}

#ifndef CORE_OWN_PUBLISH
void gcarena_backing_publish(struct gcarena_heap *heap, u32 index, struct heap_chunk *chunk)
{
	heap->chunks[index] = chunk;
}

void gcarena_backing_publish_table(struct gcarena_heap *heap, struct heap_chunk **table, u32 nr)
{
	heap->chunks = table;
	heap->nr_table = nr;
}
#endif

/* Return: 0 or -ENOMEM, and nothing is left then. */
static inline int core_open(struct gcarena_heap *heap, u64 reserve, u64 limit)
{
	int ret;

	gcarena_chunk_cache = &core_chunk_cache;
	memset(heap, 0, sizeof(*heap));
	ret = gcarena_span_caches_create();
	if (ret)
		return ret;
	ret = gcarena_heap_init(heap, reserve, limit);
	if (ret)
		gcarena_span_caches_destroy();
	heap->base = BASE;
	return ret;
}

static inline void core_close(struct gcarena_heap *heap)
{
	gcarena_heap_destroy(heap);
	gcarena_span_caches_destroy();
}

/* The word of an object, as the kernel sees it. */
static inline u64 *core_word(struct gcarena_heap *heap, u64 offset)
{
	return gcarena_heap_kaddr(heap, offset);
}

static inline unsigned int core_class_of(u64 bytes)
{
	unsigned int class = 1;

	if (bytes > GCARENA_MAX_SMALL)
		return GCARENA_CLASS_LARGE;
	while (gcarena_sizeclasses[class].slot_bytes < bytes)
		class++;
	return class;
}

#endif
