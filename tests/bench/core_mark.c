// SPDX-License-Identifier: GPL-2.0
/*
 * The module's marker by itself, at native speed: the very sources of kmod/ in
 * user space, on the graphs that workloads/mark.h has collected by others.
 *
 *	shape=list|tree|random mib=HEAP samples=N layout=typed|conservative
 *	stack=MIB	bound of the mark stack, in MiB (default: no bound)
 *
 * In the VM the processor is emulated, and has no caches worth prefetching into:
 * this is where the marker's memory access shows. As in the kernel, the
 * objects and all that describes them lie in memory with large TLB entries.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/bench.h"
#include "lib/graph.h"

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
	madvise(pool_at, bytes, MADV_HUGEPAGE);
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

static void *pool_calloc(size_t nr, size_t size)
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

static void pool_free(void *data)
{
	struct pool_piece *p;

	if (!data)
		return;
	p = (struct pool_piece *)((char *)data - offsetof(struct pool_piece, data));
	p->next = pool_freed;
	pool_freed = p;
}

/* What the core allocates comes from the pool, too. */
#define calloc	pool_calloc
#define free	pool_free
#include "core/platform.h"
#include "../../kmod/sizeclass.c"
#include "../../kmod/layout.c"
#include "../../kmod/chunk.c"
#include "../../kmod/span.c"
#include "../../kmod/sweep.c"
#include "../../kmod/mark.c"

static struct kmem_cache chunk_cache = { sizeof(struct heap_chunk) };
static struct gcarena_heap heap;
static struct graph_node **nodes;
static size_t nr_nodes;

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

void gcarena_backing_publish(struct gcarena_heap *h, u32 index, struct heap_chunk *chunk)
{
	h->chunks[index] = chunk;
}

void gcarena_backing_publish_table(struct gcarena_heap *h, struct heap_chunk **table, u32 nr)
{
	h->chunks = table;
	h->nr_table = nr;
}

static struct heap_layout *node_layout(void)
{
	unsigned long *map;
	int number = GCARENA_NR_CONSERVATIVE;

	if (bench_arg_is("layout", "typed")) {
		map = pool_calloc(1, sizeof(*map));
		*map = 3;
		number = gcarena_layout_add(&heap, sizeof(struct graph_node), map, "node", 16);
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
static void relocate(void)
{
	size_t i;

	for (i = 0; i < nr_nodes; i++) {
		if (nodes[i]->a)
			nodes[i]->a = (void *)(heap.base + to_offset(nodes[i]->a));
		if (nodes[i]->b)
			nodes[i]->b = (void *)(heap.base + to_offset(nodes[i]->b));
	}
}

static void sample(unsigned long first, u64 limit, bool report)
{
	uint64_t cpu = cpu_ns(), wall = now_ns();
	struct gcarena_marker m;

	if (gcarena_marker_init(&m, &heap, limit) || gcarena_mark_clear(&heap) ||
	    gcarena_mark_words(&m, &first, 1) || gcarena_mark_finish(&m))
		bench_die("marking failed");
	wall = now_ns() - wall;
	cpu = cpu_ns() - cpu;
	if (m.marked.objects != nr_nodes)
		bench_die("%zu nodes live, marked %lu", nr_nodes, (unsigned long)m.marked.objects);
	gcarena_marker_destroy(&m);
	if (!report)
		return;
	bench_result("marked", "Mobj/s", nr_nodes * 1e3 / wall);
	bench_result("marked, by CPU time", "Mobj/s", nr_nodes * 1e3 / cpu);
	bench_result("full collection", "ms", wall / 1e6);
	bench_result("mark stack peak", "KiB", m.stack_peak / 1024.0);
	bench_result("mark overflows", "", m.overflows);
}

int main(int argc, char **argv)
{
	unsigned long samples, mib, limit, first, i;
	struct graph_node *root;

	bench_args(argc, argv);
	mib = bench_arg_number("mib", 256);
	samples = bench_arg_number("samples", 2);
	limit = bench_arg_number("stack", 1UL << 20) * MIB;
	nr_nodes = mib * MIB / sizeof(struct graph_node);
	nodes = bench_hidden_alloc(nr_nodes * sizeof(*nodes));
	pool_create(2 * mib * MIB + 64 * MIB);
	gcarena_chunk_cache = &chunk_cache;
	if (gcarena_span_caches_create() || gcarena_heap_init(&heap, 2 * mib * MIB, 2 * mib * MIB))
		bench_die("no memory");
	heap.base = 0x100000000000;

	fill(node_layout(), node_class());
	root = graph_link(nodes, nr_nodes);
	first = heap.base + to_offset(root);
	relocate();
	/* The first one takes memory for the stack, and does not count. */
	for (i = 0; i <= samples; i++)
		sample(first, limit, i > 0);
	bench_version("the marker of kmod/, in user space");
	return 0;
}
