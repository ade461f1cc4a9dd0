/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel as the collector core sees it, in user space: what kmod/platform.h
 * takes from kernel headers, written anew in its simplest form. Include this first:
 * its guard keeps kmod/platform.h out.
 *
 * Allocations can be made to fail, and checkpoints to say that the caller is being
 * killed: core_fail_after and core_kill_after count down to the one that does. Memory
 * that the kernel would not zero is full of rubbish here.
 */
#ifndef GCARENA_PLATFORM_H
#define GCARENA_PLATFORM_H

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;

#define U32_MAX		UINT32_MAX
#define U64_MAX		UINT64_MAX
#define PAGE_SHIFT	12
#define BITS_PER_LONG	64

#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)
#define noinline	__attribute__((noinline))
#undef __always_inline
#define __always_inline	inline __attribute__((always_inline))
#ifdef CORE_TSAN
/* What they mean in the kernel, in the words that ThreadSanitizer knows. */
#define READ_ONCE(x)	__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v) __atomic_store_n(&(x), v, __ATOMIC_RELAXED)
#else
#define READ_ONCE(x)	(*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))
#endif
#define BUILD_BUG_ON(c)	_Static_assert(!(c), #c)
#define prefetch(p)	__builtin_prefetch(p)
#define prefetchw(p)	__builtin_prefetch(p, 1)

#define BIT(n)		(1UL << (n))
#define BIT_ULL(n)	(1ULL << (n))
#define sort(base, nr, size, compare, swap)	qsort(base, nr, size, compare)
#define hweight64(x)	((unsigned int)__builtin_popcountll(x))
#define __ffs64(x)	((unsigned long)__builtin_ctzll(x))
#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
#define round_up(x, n)	(((x) + (n) - 1) / (n) * (n))
#define round_down(x, n) ((x) / (n) * (n))
#define min(a, b)	((a) < (b) ? (a) : (b))
#define max(a, b)	((a) > (b) ? (a) : (b))
#define min_t(t, a, b)	min((t)(a), (t)(b))
#define max_t(t, a, b)	max((t)(a), (t)(b))
#define max3(a, b, c)	max(max(a, b), c)
#define container_of(p, type, member) \
	((type *)((char *)(p) - offsetof(type, member)))

static inline u64 div_u64(u64 n, u32 d)
{
	return n / d;
}

static inline u64 div_u64_rem(u64 n, u32 d, u32 *rest)
{
	*rest = n % d;
	return n / d;
}

#define strscpy(to, from, n) ((void)strncpy(to, from, (n) - 1))

/* ---- Errors in pointers ---- */

static inline void *ERR_PTR(long error)
{
	return (void *)error;
}

static inline long PTR_ERR(const void *p)
{
	return (long)p;
}

static inline bool IS_ERR(const void *p)
{
	return (unsigned long)p >= (unsigned long)-4095;
}

/* ---- Bitmaps ---- */

#define DECLARE_BITMAP(name, n)	unsigned long name[((n) + 63) / 64]

static inline bool core_test_bit(const unsigned long *map, unsigned long n)
{
	return map[n / 64] >> n % 64 & 1;
}

#define U16_MAX		UINT16_MAX

static inline void __set_bit(unsigned long n, unsigned long *map)
{
	map[n / 64] |= 1UL << n % 64;
}

static inline void bitmap_set(unsigned long *map, unsigned int first, unsigned int nr)
{
	for (; nr; nr--, first++)
		map[first / 64] |= 1UL << first % 64;
}

static inline void bitmap_clear(unsigned long *map, unsigned int first, unsigned int nr)
{
	for (; nr; nr--, first++)
		map[first / 64] &= ~(1UL << first % 64);
}

static inline unsigned long find_next_bit(const unsigned long *map, unsigned long nr,
					  unsigned long n)
{
	while (n < nr && !core_test_bit(map, n))
		n++;
	return n < nr ? n : nr;
}

static inline unsigned long find_next_zero_bit(const unsigned long *map, unsigned long nr,
					       unsigned long n)
{
	while (n < nr && core_test_bit(map, n))
		n++;
	return n < nr ? n : nr;
}

/* @nr when none is set. */
static inline unsigned long find_last_bit(const unsigned long *map, unsigned long nr)
{
	unsigned long n = nr;

	while (n && !core_test_bit(map, n - 1))
		n--;
	return n ? n - 1 : nr;
}

static inline void bitmap_or(unsigned long *to, const unsigned long *a, const unsigned long *b,
			     unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < (nr + 63) / 64; i++)
		to[i] = a[i] | b[i];
}

static inline bool bitmap_empty(const unsigned long *map, unsigned int nr)
{
	return find_next_bit(map, nr, 0) == nr;
}

/* The kernel's also takes an alignment, which the core leaves at none. */
static inline unsigned long bitmap_find_next_zero_area(unsigned long *map, unsigned long size,
						       unsigned long start, unsigned int nr,
						       unsigned long mask)
{
	unsigned long n;

	(void)mask;
	for (; start + nr <= size; start = n + 1) {
		n = find_next_bit(map, start + nr, start);
		if (n == start + nr)
			return start;
	}
	return size + 1;
}

#define for_each_set_bit_from(bit, map, size) \
	for ((bit) = find_next_bit(map, size, bit); (bit) < (size); \
	     (bit) = find_next_bit(map, size, (bit) + 1))

/* ---- Lists ---- */

struct list_head {
	struct list_head *next;
	struct list_head *prev;
};

static inline void INIT_LIST_HEAD(struct list_head *head)
{
	head->next = head;
	head->prev = head;
}

static inline bool list_is_singular(const struct list_head *head)
{
	return head->next != head && head->next == head->prev;
}

static inline bool list_empty(const struct list_head *head)
{
	return head->next == head;
}

static inline void list_add(struct list_head *new, struct list_head *after)
{
	new->next = after->next;
	new->prev = after;
	after->next->prev = new;
	after->next = new;
}

static inline void list_add_tail(struct list_head *new, struct list_head *head)
{
	list_add(new, head->prev);
}

static inline void list_del_init(struct list_head *entry)
{
	entry->next->prev = entry->prev;
	entry->prev->next = entry->next;
	INIT_LIST_HEAD(entry);
}

#define list_del(entry)	list_del_init(entry)

static inline void list_splice_tail_init(struct list_head *from, struct list_head *to)
{
	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	INIT_LIST_HEAD(from);
}

#define list_entry(p, type, member)	container_of(p, type, member)
#define list_first_entry_or_null(head, type, member) \
	(list_empty(head) ? NULL : list_entry((head)->next, type, member))
#define list_for_each_entry(pos, head, member) \
	for (pos = list_entry((head)->next, __typeof__(*pos), member); \
	     &pos->member != (head); \
	     pos = list_entry(pos->member.next, __typeof__(*pos), member))

/* ---- Memory ---- */

#define GCARENA_GFP	0
#define __GFP_NORETRY	0

struct kmem_cache {
	size_t bytes;
};

static long core_fail_after = -1;	/* negative: never */
static long core_allocations;		/* not freed yet */

/* From several threads at a time it is any of them that fails. */
static inline bool core_fails(void)
{
	long after = __atomic_load_n(&core_fail_after, __ATOMIC_RELAXED);

	return after >= 0 && __atomic_fetch_sub(&core_fail_after, 1, __ATOMIC_RELAXED) == 0;
}

static inline void *core_zalloc(size_t bytes)
{
	if (core_fails())
		return NULL;
	__atomic_fetch_add(&core_allocations, 1, __ATOMIC_RELAXED);
	return calloc(1, bytes ? bytes : 1);
}

static inline void *core_alloc(size_t bytes)
{
	void *p = core_zalloc(bytes);

	return p ? memset(p, 0xa5, bytes) : NULL;
}

static inline void core_free(const void *p)
{
	if (p)
		__atomic_fetch_sub(&core_allocations, 1, __ATOMIC_RELAXED);
	free((void *)p);
}

#define kmalloc(n, gfp)		core_alloc(n)
#define kzalloc(n, gfp)		core_zalloc(n)
#define kvmalloc(n, gfp)	core_alloc(n)
#define kvzalloc(n, gfp)	core_zalloc(n)
#define kvcalloc(n, size, gfp)	core_zalloc((n) * (size))
#define kfree(p)		core_free(p)
#define kvfree(p)		core_free(p)
#define kmem_cache_zalloc(c, gfp) core_zalloc((c)->bytes)
#define kmem_cache_free(c, p)	core_free(p)
#define SLAB_ACCOUNT		0

static inline struct kmem_cache *kmem_cache_create(const char *name, size_t bytes, size_t align,
						   unsigned int flags, void *ctor)
{
	struct kmem_cache *cache = core_alloc(sizeof(*cache));

	(void)name;
	(void)align;
	(void)flags;
	(void)ctor;
	if (cache)
		cache->bytes = bytes;
	return cache;
}

static inline void kmem_cache_destroy(struct kmem_cache *cache)
{
	core_free(cache);
}

#define struct_size(p, member, n) (sizeof(*(p)) + (n) * sizeof(*(p)->member))
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof(*(a)))

/* The same numbers each time: what a test finds, it finds again. (splitmix64, Steele, 2014) */
static inline u64 get_random_u64(void)
{
	static u64 state;
	u64 z = (state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* ---- Threads ---- */

#define cond_resched()		((void)0)
#define cpu_relax()		sched_yield()

/* A mutex: what it protects is what the kernel's spin lock does. */
typedef pthread_mutex_t spinlock_t;

#define spin_lock_init(lock)	pthread_mutex_init(lock, NULL)
#define spin_lock(lock)		pthread_mutex_lock(lock)
#define spin_unlock(lock)	pthread_mutex_unlock(lock)

/* Who waits looks again and again, and need not be woken; but it leaves the processor. */
typedef struct { char unused; } wait_queue_head_t;

#define init_waitqueue_head(wq)	((void)(wq))
#define wake_up(wq)		((void)(wq))
#define wait_event_killable(wq, condition) ({	\
	while (!(condition))			\
		usleep(20);			\
	0;					\
})

static inline bool test_and_set_bit(unsigned int n, unsigned long *word)
{
	return __atomic_fetch_or(word, BIT(n), __ATOMIC_RELAXED) & BIT(n);
}

static inline u64 ktime_get_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* For what calls helpers; see core/helpers.h. */
struct work_struct {
	int state;
	u64 cpu_ns;
};

/* Processor time of the calling thread. */
static inline u64 core_thread_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static long core_kill_after = -1;	/* negative: never; else killed from then on */
static long core_checkpoints;

static inline int gcarena_checkpoint(void)
{
	core_checkpoints++;
	if (core_kill_after > 0)
		core_kill_after--;
	return core_kill_after ? 0 : -EINTR;
}

#endif
