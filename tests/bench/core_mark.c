// SPDX-License-Identifier: GPL-2.0
/*
 * The module's marker and sweeper by themselves, at native speed: the very sources of
 * kmod/ in user space, on the graphs that core_libgc.c and workloads/mark.h have
 * collected by others.
 *
 *	shape=list|tree|random|arrays mib=HEAP samples=N layout=typed|conservative
 *	drop=none|half|all	what is dropped before it is collected, once
 *	stack=MIB		bound of the mark stack, in MiB (default: no bound)
 *	pages=huge|small	of the memory below all this
 *	markers=N|all		threads that mark (default: 1); all: one a processor
 *
 * In the VM the processor is emulated, and has no caches worth prefetching into:
 * this is where the marker's memory access shows. As in the kernel, the
 * objects and all that describes them lie in memory with large TLB entries.
 */
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/bench.h"
#include "lib/counters.h"
#include "lib/graph.h"
#include "lib/phases.h"

#define HUGE_BYTES	(2 * MIB)

static char *pool_at, *pool_end;

static void pool_create(size_t bytes)
{
	pool_at = mmap(NULL, bytes + HUGE_BYTES, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (pool_at == MAP_FAILED)
		bench_die("no memory");
	pool_at += -(uintptr_t)pool_at % HUGE_BYTES;
	pool_end = pool_at + bytes;
	madvise(pool_at, bytes, bench_arg_is("pages", "small") ? MADV_NOHUGEPAGE : MADV_HUGEPAGE);
}

/* Memory for chunks comes from the aligned end, all the rest from the other. */
static void *pool_chunk(void)
{
	pool_end -= HUGE_BYTES;
	return pool_end > pool_at ? pool_end : NULL;
}

/* A freed piece is for the next request of its size; the core's sizes are few. */
struct pool_piece {
	struct pool_piece *next;
	size_t bytes;
	char data[] __attribute__((aligned(64)));
};

static struct pool_piece *pool_freed;
static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;

static void *pool_take(size_t nr, size_t size)
{
	size_t bytes = (nr * size + 63) & ~63UL;
	struct pool_piece *p, **link;

	for (link = &pool_freed; (p = *link); link = &p->next) {
		if (p->bytes == bytes) {
			*link = p->next;
			return memset(p->data, 0, bytes);
		}
	}
	p = (struct pool_piece *)pool_at;
	pool_at += sizeof(*p) + bytes;
	if (pool_at > pool_end)
		return NULL;
	p->bytes = bytes;
	return p->data;
}

/* Helpers of the marker allocate, too. */
static void *pool_calloc(size_t nr, size_t size)
{
	void *data;

	pthread_mutex_lock(&pool_lock);
	data = pool_take(nr, size);
	pthread_mutex_unlock(&pool_lock);
	return data;
}

static void pool_free(void *data)
{
	struct pool_piece *p;

	if (!data)
		return;
	p = (struct pool_piece *)((char *)data - offsetof(struct pool_piece, data));
	pthread_mutex_lock(&pool_lock);
	p->next = pool_freed;
	pool_freed = p;
	pthread_mutex_unlock(&pool_lock);
}

/* What the core allocates comes from the pool, too. */
#define calloc	pool_calloc
#define free	pool_free
#include "core/sources.h"

static struct kmem_cache chunk_cache = { sizeof(struct heap_chunk) };
static struct gcarena_heap heap;
static struct graph_node **nodes;
static size_t nr_nodes;
static size_t nr_live;		/* objects, arrays included */
static unsigned int markers;

/* Nobody else is here to write to pages, or to look at what was written. */
bool gcarena_backing_is_busy(struct gcarena_heap *h, u64 offset, u64 bytes)
{
	(void)h;
	(void)offset;
	(void)bytes;
	return false;
}

void gcarena_backing_mark_dirty(struct gcarena_heap *h, u64 offset, u64 bytes)
{
	(void)h;
	(void)offset;
	(void)bytes;
}

int gcarena_backing_alloc(struct gcarena_heap *h, struct heap_chunk *chunk)
{
	(void)h;
	chunk->kaddr = pool_chunk();
	return chunk->kaddr ? 0 : -ENOMEM;
}

void gcarena_backing_free(struct gcarena_heap *h, struct heap_chunk *chunk, u32 index)
{
	(void)h;
	(void)chunk;
	(void)index;
}

bool gcarena_backing_discard(struct gcarena_heap *h, u32 index, unsigned int first,
			     unsigned int nr)
{
	(void)h;
	(void)index;
	(void)first;
	(void)nr;
	return false;
}

int gcarena_backing_revive(struct gcarena_heap *h, u32 index)
{
	(void)h;
	(void)index;
	return -ENOMEM;
}

void gcarena_backing_publish(struct gcarena_heap *h, u32 index, struct heap_chunk *chunk)
{
	h->chunks[index] = chunk;
}

void gcarena_backing_exchange(struct gcarena_heap *h, u32 a, u32 b)
{
	(void)h;
	(void)a;
	(void)b;
}

void gcarena_backing_publish_table(struct gcarena_heap *h, struct heap_chunk **table, u32 nr)
{
	h->chunks = table;
	h->nr_table = nr;
}

static struct heap_layout *layout_of(u32 words, unsigned long map)
{
	int number = GCARENA_NR_CONSERVATIVE;
	unsigned long *copy;

	if (bench_arg_is("layout", "typed")) {
		copy = pool_calloc(1, sizeof(*copy));
		*copy = map;
		number = gcarena_layout_add(&heap, words * sizeof(u64), copy, "bench", U32_MAX);
	}
	return gcarena_layout_find(&heap, number);
}

static unsigned int node_class(void)
{
	unsigned int class = 1;

	while (gcarena_sizeclasses[class].slot_bytes < sizeof(struct graph_node))
		class++;
	return class;
}

/*
 * Chunks are not in the order of their offsets here, so the program's addresses are
 * none of this process: the graph is linked by kernel-side addresses first, and
 * these are turned into offsets, the heap's base being zero.
 */
static u64 to_offset(const struct graph_node *n)
{
	u32 i = heap.top - 1;
	const char *last = heap.chunks[i]->kaddr;

	/* The pool gives chunks downward, one after the other. */
	i -= ((const char *)n - last) >> GCARENA_CHUNK_SHIFT;
	return ((u64)i << GCARENA_CHUNK_SHIFT) + ((const char *)n - last) % GCARENA_CHUNK_BYTES;
}

static void fill(struct heap_layout *layout, unsigned int class)
{
	u64 taken[GCARENA_MAX_SLOTS / 64];
	struct heap_span *span;
	size_t n = 0;
	u32 i;

	if (!gcarena_layout_bucket(&heap, layout, class))
		bench_die("no memory");
	while (n < nr_nodes) {
		span = gcarena_span_create(&heap, layout, class, 0);
		if (IS_ERR(span))
			bench_die("no memory for a span");
		gcarena_span_take(&heap, span, taken);
		gcarena_span_settle(&heap, span);
		for (i = 0; i < span->nr_slots && n < nr_nodes; i++)
			nodes[n++] = gcarena_heap_kaddr(&heap, span->start + i * span->slot_bytes);
	}
}

/* Words of objects are what the program would have there. Zero is no object's. */
static void relocate(size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		if (nodes[i]->a)
			nodes[i]->a = (void *)(heap.base + to_offset(nodes[i]->a));
		if (nodes[i]->b)
			nodes[i]->b = (void *)(heap.base + to_offset(nodes[i]->b));
	}
}

/* A large object of @nr pointers; a chunk is one piece of memory here, too. */
static u64 *array_new(struct heap_layout *layout, size_t nr, u64 *offset)
{
	struct heap_span *span;
	u64 taken;

	span = gcarena_span_create(&heap, layout, GCARENA_CLASS_LARGE, nr * sizeof(u64));
	if (IS_ERR(span))
		bench_die("no memory for an array");
	gcarena_span_take(&heap, span, &taken);
	gcarena_span_settle(&heap, span);
	nr_live++;
	*offset = span->start;
	return gcarena_heap_kaddr(&heap, span->start);
}

/* Returns the address of the topmost array. */
static u64 build_arrays(void)
{
	struct heap_layout *layout = layout_of(1, 1);
	size_t nr = graph_nr_arrays(nr_nodes), n = 0, i, j;
	u64 *top, *array, root, offset;

	/* As large as the others: a slot of a smaller class would be another path. */
	top = array_new(layout, GRAPH_ARRAY_POINTERS, &root);
	for (i = 0; i < nr; i++) {
		array = array_new(layout, GRAPH_ARRAY_POINTERS, &offset);
		top[i] = heap.base + offset;
		for (j = 0; j < GRAPH_ARRAY_POINTERS && n < nr_nodes; j++)
			array[j] = heap.base + to_offset(nodes[n++]);
	}
	return heap.base + root;
}

static u64 build(void)
{
	struct graph_node *first;

	nr_live = nr_nodes;
	fill(layout_of(sizeof(struct graph_node) / sizeof(u64), 3), node_class());
	if (bench_arg_is("shape", "arrays"))
		return build_arrays();
	first = graph_link(nodes, nr_nodes);
	relocate(nr_nodes);
	return heap.base + to_offset(first);
}

/* Returns the address of the new root. */
static u64 drop_graph(u64 root)
{
	if (bench_arg_is("drop", "half")) {
		nr_live = graph_halve(nodes, nr_nodes);
		relocate(nr_live);
		return heap.base + to_offset(nodes[0]);
	}
	if (bench_arg_is("drop", "all")) {
		nr_live = 0;
		return 0;
	}
	return root;
}

/* Processor time of the thread that had most to do, when the leader took @leader_ns. */
static u64 busiest_ns(const struct gcarena_marker *m, u64 leader_ns)
{
	unsigned int i;

	for (i = 0; m->crew && i < m->crew->nr; i++)
		leader_ns = max(leader_ns, m->crew->helper[i].work.cpu_ns);
	return leader_ns;
}

static void sample(unsigned long first, u64 limit, bool counts)
{
	struct bench_time start, marked, swept;
	struct gcarena_marker m;
	u64 leader_ns;

	counters_start();
	leader_ns = core_thread_ns();
	start = time_now();
	if (gcarena_marker_init(&m, &heap, limit) || gcarena_mark_clear(&heap))
		bench_die("marking failed");
	gcarena_marker_set_helpers(&m, markers - 1);
	if (gcarena_mark_words(&m, &first, 1) || gcarena_mark_finish(&m))
		bench_die("marking failed");
	marked = time_now();
	leader_ns = core_thread_ns() - leader_ns;
	gcarena_sweep_flip(&heap);
	gcarena_sweep_all(&heap);
	swept = time_now();
	if (m.marked.objects != nr_live || heap.used.objects != nr_live)
		bench_die("%zu objects live, marked %lu, %lu left", nr_live,
			  (unsigned long)m.marked.objects, (unsigned long)heap.used.objects);
	if (counts) {
		counters_stop("collection", nr_live ? nr_live : nr_nodes);
		bench_phases(nr_nodes, nr_live, time_between(start, marked),
			     time_between(marked, swept));
		bench_result("mark stack peak", "KiB", m.stack_peak / 1024.0);
		bench_result("mark overflows", "", m.overflows);
		if (nr_live)
			bench_result("marked, by CPU time of the busiest", "Mobj/s",
				     nr_live * 1e3 / busiest_ns(&m, leader_ns));
		bench_result("helpers at work", "", gcarena_crew_nr_helped(&m));
		bench_result("segments shared", "", m.crew ? m.crew->given : 0);
	}
	gcarena_marker_destroy(&m);
}

int main(int argc, char **argv)
{
	unsigned long samples, mib, limit, i;
	u64 root;

	bench_args(argc, argv);
	mib = bench_arg_number("mib", 256);
	samples = bench_arg_number("samples", 2);
	limit = bench_arg_number("stack", 1UL << 20) * MIB;
	markers = bench_arg_is("markers", "all") ? sysconf(_SC_NPROCESSORS_ONLN)
						 : bench_arg_number("markers", 1);
	nr_nodes = mib * MIB / sizeof(struct graph_node);
	nodes = bench_hidden_alloc(nr_nodes * sizeof(*nodes));
	pool_create(2 * mib * MIB + 64 * MIB);
	gcarena_chunk_cache = &chunk_cache;
	if (gcarena_span_caches_create() || gcarena_heap_init(&heap, 2 * mib * MIB, 2 * mib * MIB))
		bench_die("no memory");
	heap.base = 0x100000000000;
	counters_open();

	root = build();
	/* The first one takes memory for the stack, and does not count. */
	sample(root, limit, false);
	root = drop_graph(root);
	for (i = 0; i < samples; i++)
		sample(root, limit, true);
	bench_version("the marker of kmod/, in user space");
	return 0;
}
