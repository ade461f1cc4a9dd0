// SPDX-License-Identifier: GPL-2.0
/*
 * What runs at the same time in the core, for ThreadSanitizer.
 *
 * The arena's heap lock lets one thread at a time into the core: allocation, marking
 * and sweeping never meet each other. Page faults do not take it. They look chunks and
 * spans up under backing_lock, for reading, while the holder of the heap lock publishes
 * chunks and tables under it, for writing, and enters spans in chunk->blocks without it
 * (WRITE_ONCE() and READ_ONCE()). So: threads that change the heap under one mutex, and
 * threads that do what fault_locked(), fault_window() and next_part() of kmod/backing.c
 * do. And the words of objects are anybody's: a system call that sleeps writes to the
 * program's memory while that is traced. So one thread writes to an object all the time.
 * Threads that help to mark meet each other, and all of these: core_parallel.c, built for
 * ThreadSanitizer, has more of them.
 *
 *	race [SECONDS]		silent, and status 0
 *	race SECONDS unlocked	the same, publishing without the lock: ThreadSanitizer
 *				must find that, or it would find nothing
 */
#define _GNU_SOURCE
#define CORE_OWN_PUBLISH
#include "core/heap.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#define CHUNKS		200U	/* more than the first table has room for */
#define NR_CHANGERS	2
#define NR_FAULTERS	3
#define NR_HELPERS	2
#define NR_SPANS	400U
#define WRITTEN_BYTES	4096U
#define ENOUGH_CHANGES	300UL
#define ENOUGH_CYCLES	2UL
#define PATIENCE	20	/* times as long, on a machine that has other work */

static pthread_mutex_t heap_lock = PTHREAD_MUTEX_INITIALIZER;
/* Writers first, as the kernel's would: the faults here never end. */
static pthread_rwlock_t backing_lock = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
static bool unlocked;
static atomic_bool done;
static atomic_ulong changes, cycles, faults, hits;

static struct gcarena_heap heap;
static struct heap_span *spans[NR_SPANS];	/* under heap_lock */
static u64 *written;		/* words of an object that lives as long as the heap */
static u64 written_offset;

static void publish_begin(void)
{
	if (!unlocked)
		pthread_rwlock_wrlock(&backing_lock);
}

static void publish_end(void)
{
	if (!unlocked)
		pthread_rwlock_unlock(&backing_lock);
}

void gcarena_backing_publish(struct gcarena_heap *h, u32 index, struct heap_chunk *chunk)
{
	publish_begin();
	h->chunks[index] = chunk;
	publish_end();
}

void gcarena_backing_publish_table(struct gcarena_heap *h, struct heap_chunk **table, u32 nr)
{
	publish_begin();
	h->chunks = table;
	h->nr_table = nr;
	publish_end();
}

static u64 next_random(u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void span_toggle(u64 *seed)
{
	struct heap_span **slot = &spans[next_random(seed) % NR_SPANS], *span;
	unsigned int class = next_random(seed) % 4 ? next_random(seed) % GCARENA_NR_CLASSES : 0;
	u64 taken[GCARENA_MAX_SLOTS / 64], bytes = 1 + next_random(seed) % (8 * MIB);

	if (*slot) {
		list_del_init(&(*slot)->link);
		gcarena_span_destroy(&heap, *slot);
		*slot = NULL;
		return;
	}
	if (!gcarena_layout_bucket(&heap, heap.layouts[0], class))
		return;
	span = gcarena_span_create(&heap, heap.layouts[0], class, bytes);
	if (IS_ERR(span))
		return;
	gcarena_span_take(&heap, span, taken);
	gcarena_span_settle(&heap, span);
	*core_word(&heap, span->start) = heap.base + next_random(seed) % (CHUNKS * 2 * MIB);
	*slot = span;
}

/* Everything is a root, so that the spans stay. */
static void collect(void)
{
	struct gcarena_marker m;
	unsigned long word = heap.base + written_offset;
	unsigned int i, j;

	if (gcarena_marker_init(&m, &heap, 0))
		return;
	/* Others help, early, so that they meet the faults and the writer, too. */
	gcarena_marker_set_interval(&m, 16);
	gcarena_marker_set_helpers(&m, NR_HELPERS);
	gcarena_mark_clear(&heap);
	gcarena_mark_words(&m, &word, 1);
	for (i = 0; i < NR_SPANS; i++) {
		for (j = 0; spans[i] && j < spans[i]->nr_slots; j++) {
			word = heap.base + spans[i]->start + j * spans[i]->slot_bytes;
			gcarena_mark_words(&m, &word, 1);
		}
	}
	gcarena_mark_finish(&m);
	gcarena_marker_destroy(&m);
	gcarena_sweep_flip(&heap);
	gcarena_sweep_all(&heap);
	cycles++;
}

static void *changer(void *seed)
{
	u64 state = (uintptr_t)seed;

	while (!done) {
		pthread_mutex_lock(&heap_lock);
		span_toggle(&state);
		if (next_random(&state) % 16 == 0)
			gcarena_chunks_release(&heap, next_random(&state) % 2 ? 0 : 64 * MIB);
		if (next_random(&state) % 128 == 0)
			collect();
		pthread_mutex_unlock(&heap_lock);
		changes++;
		if (next_random(&state) % 8 == 0)
			usleep(10);	/* let a table be read before it is replaced */
	}
	return NULL;
}

static bool block_in_span(const struct heap_chunk *chunk, unsigned int block)
{
	return READ_ONCE(chunk->blocks[block].span);
}

/* A fault at one page, or populating a run: its own chunk, or the next one, too. */
static bool fault(u64 offset)
{
	const struct heap_chunk *chunk = gcarena_heap_chunk(&heap, offset);
	unsigned int block = gcarena_block_of(offset), low;

	if (!chunk || !block_in_span(chunk, block))
		return false;
	/* Where its pages are. What they hold is the program's. */
	if (!chunk->kaddr || chunk->backing)
		abort();
	for (low = block; low && block_in_span(chunk, low - 1); low--)
		;
	return true;
}

static void *faulter(void *seed)
{
	u64 state = (uintptr_t)seed;

	while (!done) {
		u64 offset = next_random(&state) % (CHUNKS / 2 * GCARENA_CHUNK_BYTES);

		pthread_rwlock_rdlock(&backing_lock);
		hits += fault(offset);
		hits += fault(offset + GCARENA_CHUNK_BYTES);
		pthread_rwlock_unlock(&backing_lock);
		faults++;
		if (next_random(&state) % 4 == 0)
			usleep(10);	/* or writers get nowhere, on few processors */
	}
	return NULL;
}

static void *writer(void *seed)
{
	u64 state = (uintptr_t)seed;

	while (!done) {
		u64 value = heap.base + next_random(&state) % (CHUNKS * 2 * MIB);

		WRITE_ONCE(written[next_random(&state) % (WRITTEN_BYTES / sizeof(u64))], value);
		if (next_random(&state) % 64 == 0)
			usleep(10);
	}
	return NULL;
}

static bool make_written(void)
{
	unsigned int class = core_class_of(WRITTEN_BYTES);
	u64 taken[GCARENA_MAX_SLOTS / 64];
	struct heap_span *span;

	if (!gcarena_layout_bucket(&heap, heap.layouts[0], class))
		return false;
	span = gcarena_span_create(&heap, heap.layouts[0], class, WRITTEN_BYTES);
	if (IS_ERR(span))
		return false;
	gcarena_span_take(&heap, span, taken);
	gcarena_span_settle(&heap, span);
	written_offset = span->start;
	written = core_word(&heap, written_offset);
	return true;
}

static bool enough(void)
{
	return changes >= ENOUGH_CHANGES && cycles >= ENOUGH_CYCLES && hits;
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 2;
	pthread_t threads[NR_CHANGERS + NR_FAULTERS], writing;
	unsigned int i;

	unlocked = argc > 2 && !strcmp(argv[2], "unlocked");
	if (core_open(&heap, CHUNKS * 2 * MIB, CHUNKS * 2 * MIB) || !make_written()) {
		perror("race: no heap");
		return 1;
	}
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_create(&threads[i], NULL, i < NR_CHANGERS ? changer : faulter,
			       (void *)(uintptr_t)(0x9e3779b9 + i * 77));
	pthread_create(&writing, NULL, writer, (void *)0x2545f491UL);
	for (i = 0; !i || (!enough() && i < PATIENCE); i++)
		usleep(seconds * 1e6);
	done = true;
	pthread_join(writing, NULL);
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	printf("race: %lu changes, %lu cycles, %lu faults, %lu of them found a span\n",
	       changes, cycles, faults, hits);
	printf("race: table of %u, %u chunks; helped %lu times\n", heap.nr_table,
	       heap.peak_chunks, core_helpers_runs);
	if (!enough() || heap.nr_table <= FIRST_TABLE_ENTRIES) {
		fprintf(stderr, "race: too little happened to tell: give it more seconds\n");
		return 1;
	}
	core_close(&heap);
	return 0;
}
