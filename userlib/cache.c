// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Thread caches: the allocation fast path.
 *
 * Each thread has, for each arena it allocates in, a cache; a cache has a bin for each
 * size class and layout in use; a bin holds spans that the kernel has handed to this
 * thread alone. Allocation clears the lowest free bit of the bin's current word and
 * zeroes the slot: no system call, no lock, no atomic. A signal handler must not
 * allocate; otherwise a thread may be stopped between any two instructions here,
 * because the kernel takes all slots of a span it has handed out for used.
 *
 * Cache memory is mapped with MADV_WIPEONFORK: a forked child finds zeros where its
 * parent's thread had its cache, takes that for an empty cache of no arena, and gets
 * spans of its own. (What it had mapped beyond the first region is lost to it: some
 * address space, no memory.)
 *
 * Invariant of a bin: free slots of spans[current] are bits (word `word`) and the set
 * bits in free[]; the words that were used up are zero in free[].
 */
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "internal.h"

#define BATCH		8U		/* spans a bin holds at most */
#define WANT_MAX	(256U * 1024)	/* bytes asked for at a time by a busy bin */
#define REGION_BYTES	(256U * 1024)
#define MAX_LAYOUTS	(GCARENA_LAYOUT_FIRST_TYPE + GCARENA_TYPES_MAX)
#define NR_BUILT_IN	GCARENA_LAYOUT_FIRST_TYPE
#define ZERO_INLINE	256U		/* larger slots are left to memset() */

struct bin {
	uint64_t bits;			/* free slots among 64 */
	char *first;			/* slot of bit 0 */
	uint32_t slot_size;
	uint32_t zeroed;		/* free slots of the current span are zero */
	uint32_t word;			/* which word of the bitmap bits is */
	uint32_t current;		/* which span */
	uint32_t nr;			/* spans held */
	uint32_t size_class;
	uint32_t layout;
	uint32_t want;			/* bytes to ask for next time */
	struct bin *next;		/* all bins of the cache */
	struct gcarena_span spans[BATCH];
};

struct bin_table {
	struct bin *bin[MAX_CLASSES];
};

struct cache {
	uint64_t id;			/* of the arena; 0: of none */
	struct cache *next;		/* the thread's other caches */
	struct bin *bins;
	struct region *regions;
	struct bin_table built_in[NR_BUILT_IN];
	struct bin_table *typed[MAX_LAYOUTS];
};

/* Memory of a cache. The first region starts with the cache itself. */
struct region {
	struct region *next;
	size_t used;
};

/* A cache of no arena, so that the fast path need not test for NULL. */
static struct cache none;
static __thread struct cache *cached __attribute__((tls_model("initial-exec"))) = &none;

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static int key_error;

static struct region *region_map(void)
{
	struct region *region = mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (region == MAP_FAILED)
		return NULL;
	if (madvise(region, REGION_BYTES, MADV_WIPEONFORK)) {
		munmap(region, REGION_BYTES);
		return NULL;
	}
	region->used = (sizeof(*region) + 63) & ~(size_t)63;
	return region;
}

/* Zeroed memory that lives as long as the cache. */
static void *region_take(struct region **regions, size_t bytes)
{
	struct region *region = *regions;
	void *p;

	bytes = (bytes + 63) & ~(size_t)63;
	if (!region || REGION_BYTES - region->used < bytes) {
		region = region_map();
		if (!region)
			return NULL;
		region->next = *regions;
		*regions = region;
	}
	p = (char *)region + region->used;
	region->used += bytes;
	return p;
}

static void regions_unmap(struct region *region)
{
	struct region *next;

	for (; region; region = next) {
		next = region->next;
		munmap(region, REGION_BYTES);
	}
}

static void bin_empty(struct bin *bin)
{
	bin->bits = 0;
	bin->nr = 0;
	bin->current = 0;
	bin->word = 0;
}

/* Give all spans of a bin back, with what is left in them. */
static void bin_release(struct gca_arena *arena, struct bin *bin)
{
	struct gcarena_release arg = {
		.size = sizeof(arg),
		.spans = (uintptr_t)bin->spans,
		.nr_spans = bin->nr,
	};

	if (!bin->nr)
		return;
	bin->spans[bin->current].free[bin->word] = bin->bits;
	bin_empty(bin);
	bin->want = 0;
	/* Fails only when the kernel has taken them back by itself. */
	gca_ioctl(arena, GCARENA_IOC_RELEASE, &arg, GCA_OP_NONE);
}

static void cache_release(struct gca_arena *arena, void *data)
{
	struct cache *cache = data;
	struct bin *bin;

	for (bin = cache->bins; bin; bin = bin->next)
		bin_release(arena, bin);
}

static struct cache *cache_find(uint64_t id)
{
	struct cache *cache;

	for (cache = cached; cache; cache = cache->next) {
		if (cache->id == id && cache != &none)
			return cache;
	}
	return NULL;
}

/* Thread exit: give back what the thread's caches hold in arenas still open. */
static void thread_ends(void *unused)
{
	struct cache *cache = cached, *next;

	(void)unused;
	cached = &none;
	for (; cache && cache != &none; cache = next) {
		next = cache->next;
		gca_arena_with_id(cache->id, cache_release, cache);
		regions_unmap(cache->regions);
	}
}

static void make_key(void)
{
	key_error = pthread_key_create(&key, thread_ends);
}

static struct cache *cache_create(const struct gca_arena *arena)
{
	struct region *regions = NULL;
	struct cache *cache;

	pthread_once(&key_once, make_key);
	if (key_error)
		return NULL;
	cache = region_take(&regions, sizeof(*cache));
	if (!cache || pthread_setspecific(key, cache)) {
		regions_unmap(regions);
		return NULL;
	}
	cache->regions = regions;
	cache->id = arena->id;
	/* A cache wiped by fork() has id 0 and no successor: it ends the list. */
	cache->next = cached != &none && cached->id ? cached : NULL;
	cached = cache;
	return cache;
}

/* Move an existing cache to the front, where the fast path looks. */
static void cache_to_front(struct cache *cache)
{
	struct cache **link = &cached;

	while (*link != cache)
		link = &(*link)->next;
	*link = cache->next;
	cache->next = cached;
	cached = cache;
}

static struct cache *cache_get(const struct gca_arena *arena)
{
	struct cache *cache;

	if (likely(cached->id == arena->id))
		return cached;
	cache = cache_find(arena->id);
	if (!cache)
		return cache_create(arena);
	cache_to_front(cache);
	return cache;
}

static struct bin_table *table_get(struct cache *cache, uint32_t layout)
{
	if (layout < NR_BUILT_IN)
		return &cache->built_in[layout];
	if (!cache->typed[layout])
		cache->typed[layout] = region_take(&cache->regions, sizeof(struct bin_table));
	return cache->typed[layout];
}

static struct bin *bin_get(struct gca_arena *arena, uint32_t layout, uint32_t size_class)
{
	struct cache *cache = cache_get(arena);
	struct bin_table *table = cache ? table_get(cache, layout) : NULL;
	struct bin *bin;

	if (!table)
		return NULL;
	if (table->bin[size_class])
		return table->bin[size_class];
	bin = region_take(&cache->regions, sizeof(*bin));
	if (!bin)
		return NULL;
	bin->size_class = size_class;
	bin->layout = layout;
	bin->slot_size = arena->slot_size[size_class];
	bin->next = cache->bins;
	cache->bins = bin;
	table->bin[size_class] = bin;
	return bin;
}

/* Make word @w of the current span the one to allocate from. */
static void bin_load(struct bin *bin, uint32_t w)
{
	struct gcarena_span *span = &bin->spans[bin->current];

	bin->word = w;
	bin->bits = span->free[w];
	span->free[w] = 0;
	bin->first = (char *)(uintptr_t)span->base + (size_t)w * 64 * bin->slot_size;
	bin->zeroed = span->flags & GCARENA_SPAN_ZEROED;
}

/* Find a word with a free slot in the spans held. */
static int bin_advance(struct bin *bin)
{
	uint32_t w = bin->word + 1;

	for (; bin->current < bin->nr; bin->current++, w = 0) {
		struct gcarena_span *span = &bin->spans[bin->current];

		for (; w * 64 < span->nr_slots; w++) {
			if (span->free[w]) {
				bin_load(bin, w);
				return 1;
			}
		}
		if (bin->current + 1 == bin->nr)
			break;
	}
	return 0;
}

/* Trade the used-up spans for new ones. Errors as from GCARENA_IOC_REFILL. */
static int bin_refill(struct gca_arena *arena, struct bin *bin)
{
	uint64_t used[BATCH];
	struct gcarena_refill arg = {
		.size = sizeof(arg),
		.size_class = bin->size_class,
		.layout = bin->layout,
		.used = (uintptr_t)used,
		.spans = (uintptr_t)bin->spans,
		.nr_used = bin->nr,
		.nr_spans = BATCH,
		.want = bin->want,
	};
	uint32_t i;
	int ret;

	for (i = 0; i < bin->nr; i++)
		used[i] = bin->spans[i].base;
	bin_empty(bin);
	ret = gca_ioctl(arena, GCARENA_IOC_REFILL, &arg, GCA_OP_ALLOC);
	if (ret)
		return ret;
	/* A bin that comes often gets more at a time. */
	bin->want = bin->want ? bin->want * 2 : bin->slot_size;
	if (bin->want > WANT_MAX)
		bin->want = WANT_MAX;
	bin->nr = arg.nr_spans;
	bin_load(bin, 0);
	return 0;
}

static inline void *take_bit(struct bin *bin)
{
	uint64_t bits = bin->bits;

	bin->bits = bits & (bits - 1);
	return bin->first + (size_t)__builtin_ctzll(bits) * bin->slot_size;
}

/* Slots are multiples of 16 bytes, and so aligned. */
static inline void zero_slot(void *p, size_t bytes)
{
	typedef uint64_t vector __attribute__((vector_size(16), may_alias));
	vector *v = p, *end = (vector *)((char *)p + bytes);

	if (unlikely(bytes > ZERO_INLINE)) {
		memset(p, 0, bytes);
		return;
	}
	do {
		*v = (vector) { 0 };
		/* Keeps the compiler from making a call of memset() out of the loop. */
		__asm__ volatile("" : : : "memory");
	} while (++v < end);
}

static inline void *take(struct bin *bin)
{
	void *p = take_bit(bin);

	if (!bin->zeroed)
		zero_slot(p, bin->slot_size);
	return p;
}

/* The current word has no free slot. */
static GCA_COLD void *alloc_slow(struct gca_arena *arena, uint32_t layout, uint32_t size_class)
{
	struct bin *bin = bin_get(arena, layout, size_class);
	int ret = 0;

	if (!bin) {
		gca_fail(GCA_OP_ALLOC, ENOMEM);
		return NULL;
	}
	if (bin->bits || bin_advance(bin))
		return take(bin);
	ret = bin_refill(arena, bin);
	if (ret == -ENOSPC || ret == -ETIMEDOUT) {
		/* What the other bins hold may be just what is missing. */
		gca_cache_flush(arena);
		ret = bin_refill(arena, bin);
	}
	while (!ret && !bin->bits && !bin_advance(bin))
		ret = bin_refill(arena, bin);
	if (ret) {
		errno = -ret;
		return NULL;
	}
	return take(bin);
}

static GCA_COLD void *alloc_large(struct gca_arena *arena, uint32_t layout, size_t size)
{
	struct gcarena_alloc arg = { .size = sizeof(arg), .layout = layout, .bytes = size };
	int ret = gca_ioctl(arena, GCARENA_IOC_ALLOC, &arg, GCA_OP_ALLOC);

	if (ret == -ENOSPC || ret == -ETIMEDOUT) {
		gca_cache_flush(arena);
		ret = gca_ioctl(arena, GCARENA_IOC_ALLOC, &arg, GCA_OP_ALLOC);
	}
	return ret ? NULL : (void *)(uintptr_t)arg.addr;
}

static inline void *alloc_built_in(struct gca_arena *arena, uint32_t layout, size_t size)
{
	uint32_t size_class;
	struct bin *bin;

	if (unlikely(size > arena->max_small))
		return alloc_large(arena, layout, size);
	size_class = gca_class_of(arena, size);
	if (likely(cached->id == arena->id)) {
		bin = cached->built_in[layout].bin[size_class];
		if (likely(bin && bin->bits))
			return take(bin);
	}
	return alloc_slow(arena, layout, size_class);
}

static inline void *alloc_typed(struct gca_arena *arena, uint32_t layout, uint32_t size_class)
{
	struct bin_table *table;
	struct bin *bin;

	if (likely(cached->id == arena->id)) {
		table = cached->typed[layout];
		bin = table ? table->bin[size_class] : NULL;
		if (likely(bin && bin->bits))
			return take(bin);
	}
	return alloc_slow(arena, layout, size_class);
}

/* Any layout, any size. */
void *gca_alloc_layout(struct gca_arena *arena, uint32_t layout, size_t size)
{
	if (size > arena->max_small)
		return alloc_large(arena, layout, size);
	if (layout < NR_BUILT_IN)
		return alloc_built_in(arena, layout, size);
	return alloc_typed(arena, layout, gca_class_of(arena, size));
}

GCA_PUBLIC void *gca_alloc_in(gca_arena *arena, size_t size)
{
	arena = gca_arena_or_default(arena);
	return arena ? alloc_built_in(arena, GCARENA_LAYOUT_CONSERVATIVE, size) : NULL;
}

GCA_PUBLIC void *gca_alloc_noscan_in(gca_arena *arena, size_t size)
{
	arena = gca_arena_or_default(arena);
	return arena ? alloc_built_in(arena, GCARENA_LAYOUT_NOSCAN, size) : NULL;
}

GCA_PUBLIC void *gca_alloc(size_t size)
{
	struct gca_arena *arena = __atomic_load_n(&gca_the_default, __ATOMIC_ACQUIRE);

	if (unlikely(!arena))
		return gca_alloc_in(NULL, size);
	return alloc_built_in(arena, GCARENA_LAYOUT_CONSERVATIVE, size);
}

GCA_PUBLIC void *gca_alloc_noscan(size_t size)
{
	struct gca_arena *arena = __atomic_load_n(&gca_the_default, __ATOMIC_ACQUIRE);

	if (unlikely(!arena))
		return gca_alloc_noscan_in(NULL, size);
	return alloc_built_in(arena, GCARENA_LAYOUT_NOSCAN, size);
}

GCA_PUBLIC void *gca_new(gca_type *type)
{
	if (unlikely(!type)) {
		gca_fail(GCA_OP_ALLOC, EINVAL);
		return NULL;
	}
	if (unlikely(!type->size_class))
		return alloc_large(type->arena, type->layout, type->size);
	return alloc_typed(type->arena, type->layout, type->size_class);
}

GCA_PUBLIC void *gca_make(gca_type *type, size_t n)
{
	size_t size;

	if (!type || __builtin_mul_overflow(type->size, n, &size)) {
		gca_fail(GCA_OP_ALLOC, type ? EOVERFLOW : EINVAL);
		return NULL;
	}
	return gca_alloc_layout(type->arena, type->layout, size);
}

/* Put a slot back into the span that holds it, if that is the bin's. */
static int bin_put_back(struct bin *bin, uint64_t addr)
{
	uint64_t index, bit;
	struct gcarena_span *span;
	uint32_t i;

	for (i = 0; i < bin->nr; i++) {
		span = &bin->spans[i];
		index = (addr - span->base) / span->slot_size;
		if (addr < span->base || index >= span->nr_slots)
			continue;
		bit = 1ULL << index % 64;
		/* Bring all free bits of the span together, then go on at this word. */
		bin->spans[bin->current].free[bin->word] = bin->bits;
		bin->bits = 0;
		if (span->free[index / 64] & bit) {
			bin_load(bin, bin->word);
			return -ENOENT;
		}
		span->free[index / 64] |= bit;
		span->flags &= ~GCARENA_SPAN_ZEROED;
		if (i == bin->current && index / 64 < bin->word)
			bin_load(bin, index / 64);
		else
			bin_load(bin, bin->word);
		return 1;
	}
	return 0;
}

/*
 * The program frees a slot of a span in some thread's hands. Return: 1 it was ours
 * and is free now, 0 it is not ours, -ENOENT it was free before.
 */
int gca_cache_put_back(struct gca_arena *arena, uint64_t addr)
{
	struct cache *cache = cache_find(arena->id);
	struct bin *bin;
	int ret = 0;

	for (bin = cache ? cache->bins : NULL; bin && !ret; bin = bin->next)
		ret = bin_put_back(bin, addr);
	return ret;
}

/* Give the calling thread's spans of one arena back. */
void gca_cache_flush(struct gca_arena *arena)
{
	struct cache *cache = cache_find(arena->id);

	if (cache)
		cache_release(arena, cache);
}

/* The arena is being closed: the calling thread's cache is of no arena then. */
void gca_cache_forget(struct gca_arena *arena)
{
	struct cache *cache = cache_find(arena->id);

	if (!cache)
		return;
	cache_to_front(cache);
	cached = cache->next ? cache->next : &none;
	regions_unmap(cache->regions);
	if (cached == &none)
		pthread_setspecific(key, NULL);
}

GCA_PUBLIC void gca_flush(void)
{
	struct cache *cache;

	for (cache = cached; cache && cache != &none; cache = cache->next)
		gca_arena_with_id(cache->id, cache_release, cache);
}
