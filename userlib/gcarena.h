/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * libgcarena: allocate in a heap that the kernel collects.
 *
 *	struct node { struct node *next; long value; };
 *
 *	gca_type *node = GCA_TYPE(struct node, next);
 *	struct node *n = gca_new(node);
 *	...
 *	gca_collect(GCA_FULL);
 *
 * Functions that return a pointer return NULL and set errno when they fail;
 * functions that return int return 0 or a negative errno. gca_strerror() turns
 * either into a sentence with the remedy. Functions named *_in() take the arena to
 * use, NULL being the default arena; the ones without use the default arena, which
 * is opened by the first call that needs it.
 *
 * All functions may be called from any thread; none from a signal handler.
 * Man pages: gcarena(7), and gca_open(3) and its neighbours.
 */
#ifndef GCARENA_H
#define GCARENA_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GCA_VERSION_MAJOR	0
#define GCA_VERSION_MINOR	1

typedef struct gca_arena gca_arena;
typedef struct gca_type gca_type;

/* ---- Arenas ------------------------------------------------------------- */

/* Where the collector looks for the program's pointers. */
enum gca_root_mode {
	GCA_ROOTS_AUTO		= 1,	/* registers, stack, TLS, data segments, added ranges */
	GCA_ROOTS_EXPLICIT	= 2,	/* added ranges alone */
	GCA_ROOTS_ALL		= 3,	/* AUTO, and all private memory: malloc()'s too */
};

#define GCA_GC_PERCENT_OFF	(-1)

/* Zero, for each field but size, takes the default. */
struct gca_options {
	size_t size;		/* sizeof(struct gca_options) */
	uint64_t reserve;	/* length of the address range, bytes (64 GiB) */
	uint64_t limit;		/* most memory for objects, bytes (reserve) */
	uint64_t min_heap;	/* no collection by itself below, bytes (4 MiB) */
	unsigned int root_mode;	/* enum gca_root_mode (AUTO) */
	int gc_percent;		/* growth that starts a collection, percent (100) */
	uint64_t memory_limit;	/* soft: see gca_set_memory_limit(), bytes (none) */
};

gca_arena *gca_open(const struct gca_options *options);
int gca_close(gca_arena *arena);
gca_arena *gca_default(void);
int gca_fd(gca_arena *arena);
void *gca_base(gca_arena *arena, uint64_t *length);
/*
 * What to call it where people see it: gcarenactl, /proc/PID/fdinfo, netlink. Of a long one
 * (more than 63 bytes) the beginning. "" or NULL takes the name away. -EINVAL: @name is no
 * UTF-8 text, or has control characters.
 */
int gca_set_name(gca_arena *arena, const char *name);

/* ---- Types -------------------------------------------------------------- */

/*
 * Register a layout: objects are arrays of elements of @size bytes. Then come
 * @nr_fields pairs of size_t, offset and length in bytes of each member that is
 * a pointer or an array of pointers. GCA_TYPE() writes this call. Registering
 * is for ever: keep the result. It may be used by all threads.
 */
gca_type *gca_type_define_in(gca_arena *arena, const char *name, size_t size,
			     unsigned int nr_fields, ...);

/* Register from a bitmap: one bit for each 8-byte word of an element. */
gca_type *gca_type_from_bitmap_in(gca_arena *arena, const char *name, size_t size,
				  const uint64_t *ptrmap);

/* GCA_TYPE(struct node, left, right): up to 16 pointer members. */
#define GCA_TYPE(type, ...)	GCA_TYPE_IN(NULL, type, __VA_ARGS__)
#define GCA_TYPE_IN(arena, type, ...) \
	gca_type_define_in((arena), #type, sizeof(type), \
			   GCA_NARGS_(__VA_ARGS__), GCA_FIELDS_(type, __VA_ARGS__))
/* A type that holds no pointer into the arena. */
#define GCA_TYPE_NOSCAN(type)	GCA_TYPE_NOSCAN_IN(NULL, type)
#define GCA_TYPE_NOSCAN_IN(arena, type) \
	gca_type_define_in((arena), #type, sizeof(type), 0)

/* ---- Allocation --------------------------------------------------------- */

/* Memory is zeroed and aligned to 16 bytes. Size 0 gives a distinct object. */
void *gca_new(gca_type *type);				/* Go's new(T) */
void *gca_make(gca_type *type, size_t n);		/* Go's make([]T, n) */
void *gca_alloc(size_t size);				/* any word may be a pointer */
void *gca_alloc_noscan(size_t size);			/* holds no pointers */
void *gca_alloc_in(gca_arena *arena, size_t size);
void *gca_alloc_noscan_in(gca_arena *arena, size_t size);

/*
 * Grow or shrink; keeps layout and contents; bytes past the old slot are zero.
 * realloc(NULL, n) is gca_alloc(n). @p must be an object's first byte. When the
 * object has to move, the old one stays as it is until nothing points to it.
 */
void *gca_realloc(void *p, size_t size);

/*
 * Free at once what the program knows to be dead. Never needed. An object in a
 * span that another thread is allocating from is left to the collector.
 * -EINVAL: @p is no object's first byte. -ENOENT: it is free already.
 */
int gca_free(void *p);

/* ---- Collection --------------------------------------------------------- */

enum gca_kind {
	GCA_FULL	= 0,	/* trace everything, sweep everything, while the program stands */
	GCA_MINOR	= 1,	/* what was allocated since the last collection alone */
	GCA_COMPACT	= 2,	/* as FULL, then move objects together: see gca_collect(3) first */
	GCA_MAJOR	= 3,	/* as FULL, but other threads run on, but for moments */
	GCA_EVACUATE	= 4,	/* no collection: move as COMPACT does, with short stops only */
	GCA_FULL_RELEASE = 256,	/* and give all empty memory back to the system */
	GCA_FULL_PERMANENT = 512, /* and make permanent what is left: gca_make_permanent() */
	GCA_COMPACT_PERMANENT = 514,	/* the same after COMPACT: all in one place */
};

/* What a collection did. */
struct gca_collection {
	size_t size;		/* sizeof(struct gca_collection) */
	uint64_t cycle;		/* its number, from 1 */
	uint64_t pause_ns;
	uint64_t live_objects, live_bytes;
	uint64_t freed_objects, freed_bytes;
	uint64_t released_bytes;	/* given back to the system */
	uint64_t moved_objects, moved_bytes;	/* have a new address: GCA_COMPACT */
};

int gca_collect(enum gca_kind kind);
int gca_collect_in(gca_arena *arena, enum gca_kind kind,
		   struct gca_collection *result);

/* Go's SetGCPercent: returns 0 and stores the old value (@old may be NULL). */
int gca_set_gc_percent(int percent, int *old);
int gca_set_gc_percent_in(gca_arena *arena, int percent, int *old);
/* Most memory for objects, bytes, a multiple of 2 MiB. */
int gca_set_limit_in(gca_arena *arena, uint64_t limit, uint64_t *old);

/*
 * Go's SetMemoryLimit: collections begin so early that objects and metadata together take
 * no more than @limit bytes, whatever gc_percent says. It is soft: more is taken rather
 * than to collect for more than half of the time. 0: no such limit, as in the beginning.
 */
int gca_set_memory_limit(uint64_t limit, uint64_t *old);
int gca_set_memory_limit_in(gca_arena *arena, uint64_t limit, uint64_t *old);

/*
 * Do what GCA_EVACUATE does after each full collection that finds more than @percent of the
 * memory in use not live; 0 is never, and the default. @bytes: most to move in one stop;
 * 0 leaves it as it is (1 MiB).
 */
int gca_set_compact(int percent, uint64_t bytes);
int gca_set_compact_in(gca_arena *arena, int percent, uint64_t bytes);

/* ---- Roots -------------------------------------------------------------- */

/* Memory the collector cannot find by itself: malloc()ed, shared, coroutines'. */
int gca_roots_add(const void *start, size_t length);
int gca_roots_remove(const void *start, size_t length);
int gca_roots_add_in(gca_arena *arena, const void *start, size_t length);
int gca_roots_remove_in(gca_arena *arena, const void *start, size_t length);

/* ---- When objects may move ------------------------------------------------ */

/*
 * GCA_COMPACT moves an object only if everything that points to it is known to be a pointer,
 * and can be changed: members of types, and precise slots. gca_pin() keeps one where it is,
 * and alive, until gca_unpin() was called as often: for addresses that the kernel, a
 * device or a file has. @p is any address inside the object.
 */
int gca_pin(const void *p);
int gca_unpin(const void *p);

/*
 * Memory whose words each are a pointer into the arena for certain, or not into it: roots
 * that are changed when objects move. As gca_roots_add(), for memory that can be written.
 */
int gca_slots_add(void *start, size_t length);
int gca_slots_remove(void *start, size_t length);
int gca_slots_add_in(gca_arena *arena, void *start, size_t length);
int gca_slots_remove_in(gca_arena *arena, void *start, size_t length);

/* One such word, with @object in it. Read it anew after each collection. */
void **gca_root_slot(void *object);
void **gca_root_slot_in(gca_arena *arena, void *object);
int gca_root_slot_free(void **slot);

/*
 * A number that stands for the object @p points into: the same for as long as it lives,
 * wherever it moves, and never another's. For hash tables that are keyed by object. 0
 * with errno set when it fails: EINVAL, ENOENT no object is there, ENOMEM.
 */
uint64_t gca_id(const void *p);

/*
 * A handle is a word that always holds the address of its object, wherever that moves, and
 * keeps it alive: a root slot with a name of its own. Pass it around, store it anywhere;
 * look the object up each time. NULL with errno set when there is no memory.
 */
typedef struct gca_handle gca_handle;
gca_handle *gca_handle_new(void *object);
gca_handle *gca_handle_new_in(gca_arena *arena, void *object);
void *gca_handle_get(const gca_handle *handle);
void gca_handle_set(gca_handle *handle, void *object);
int gca_handle_free(gca_handle *handle);	/* -EINVAL: it is none */

/* ---- Objects for ever ------------------------------------------------------ */

/*
 * The object that @p points into is never freed, nor moved, and so is kept whatever it points
 * to, now and later. For what is set up once and used until the end: collections need not
 * find it any more. GCA_FULL_PERMANENT does it for all that there is. There is no way back.
 */
int gca_make_permanent(const void *p);

/* ---- Looking ------------------------------------------------------------ */

#define GCA_PAUSE_BUCKETS	26	/* the last one has no upper bound */

/* How minor collections find the pages that were written: see gcarena(4). */
enum gca_dirty_method {
	GCA_DIRTY_PTE = 1,	/* by the page tables' dirty bits */
	GCA_DIRTY_REFAULT = 2,	/* by unmapping all pages, which fault when they are next used */
};

/* The names of Go's MemStats, where the meaning is the same. Bytes, counts, ns. */
struct gca_stats {
	size_t size;			/* sizeof(struct gca_stats) */
	uint64_t alloc;			/* bytes of slots in use */
	uint64_t total_alloc;		/* bytes allocated since the start */
	uint64_t sys;			/* heap_sys + gc_sys */
	uint64_t mallocs, frees;	/* objects since the start */
	uint64_t heap_alloc;		/* = alloc */
	uint64_t heap_sys;		/* memory held for objects */
	uint64_t heap_idle;		/* of it, in no span */
	uint64_t heap_inuse;		/* of it, in spans */
	uint64_t heap_released;		/* given back to the system so far */
	uint64_t heap_objects;		/* slots in use */
	uint64_t gc_sys;		/* kernel memory for metadata */
	uint64_t next_gc;		/* heap_alloc that the next collection aims at */
	uint64_t pause_total_ns, pause_last_ns, pause_max_ns;
	uint64_t mark_total_ns, root_total_ns, sweep_total_ns;
	uint64_t num_gc, num_forced_gc, num_refused_gc, num_aborted_gc;
	uint64_t last_live_objects, last_live_bytes;
	uint64_t root_bytes;		/* read by the last collection */
	uint64_t mark_stack_peak, mark_overflows;
	uint64_t refills, refill_spans, large_allocs;
	uint64_t faults, populated_pages;
	uint64_t heap_peak;		/* highest heap_sys */
	uint64_t stop_total_ns, stop_last_ns, stop_max_ns;	/* until all threads stood */
	uint64_t stop_threads;		/* stopped by the last collection */
	uint64_t num_minor_gc;		/* of num_gc */
	uint64_t old_objects, old_bytes; /* survivors of a collection; the rest is young */
	uint64_t dirty_pages;		/* found written when last looked for */
	uint64_t num_compact_gc;	/* of num_gc */
	uint64_t moves;			/* as long as this stays the same, addresses do */
	uint64_t moved_objects, moved_bytes;	/* since the start */
	uint64_t num_concurrent_gc;	/* of num_gc: traced while the program ran */
	uint64_t concurrent_ns, assist_ns; /* spent tracing meanwhile; by allocating threads */
	uint64_t gc_rounds;		/* of concurrent collections */
	uint64_t permanent_objects, permanent_bytes;	/* of the old: gca_make_permanent() */
	/* parts of collections: clearing marks; stops for roots, and for the rest */
	uint64_t clear_total_ns, root_stop_total_ns, last_stop_total_ns;
	uint64_t marked_objects, marked_bytes;	/* found by tracing, by all collections */
	uint64_t dirty_passes;		/* looks for written pages */
	uint64_t limit_exceeded, limit_throttled;	/* gca_set_memory_limit() */
	/* [0]: pauses below 1 us; [i]: below 2^i us, but not below half of that */
	uint64_t pauses[GCA_PAUSE_BUCKETS];
	uint64_t mark_workers;		/* threads that traced in the last collection */
	uint64_t mark_shared;		/* pieces of mark stack that they gave to each other */
	uint64_t dirty_method;		/* enum gca_dirty_method: how dirty_pages are found */
	uint64_t dirty_pages_total;	/* by all looks for them */
	uint64_t dirty_total_ns;	/* that the looks took */
	uint64_t compact_total_ns;	/* part of the pauses: moving objects */
	uint64_t gc_rounds_last;	/* of the last concurrent collection */
	/* memory that is unmapped because it was long not written: now; how often; and back */
	uint64_t quiet_bytes, quiet_total, quiet_faults;
};

/*
 * Fill @stats, whose size field is set. Gives the calling thread's unused slots
 * back first, so that a single-threaded program reads exact numbers.
 */
int gca_read_stats(struct gca_stats *stats);
int gca_read_stats_in(gca_arena *arena, struct gca_stats *stats);

struct gca_object {
	size_t size;		/* sizeof(struct gca_object) */
	void *base;		/* first byte */
	uint64_t bytes;		/* length of its slot */
	gca_type *type;		/* NULL when not typed */
	int noscan;		/* 1 when it is never scanned */
	int marked;		/* 1 when the last collection reached it */
	int old;		/* region: 1 when it survived a collection */
	int large;		/* 1 when it has a span of its own */
	int permanent;		/* region: 1 when it is never freed; then it is old, too */
};

/*
 * What is at @p, any address inside an object. -ENOENT: nothing (any more). -EINVAL:
 * the address is in no open arena.
 */
int gca_query(const void *p, struct gca_object *object);

enum gca_event_kind {
	GCA_EVENT_CYCLE		= 1,	/* a collection has ended */
	GCA_EVENT_ABORTED	= 2,	/* one was given up; nothing was freed */
	GCA_EVENT_MOVED		= 3,	/* objects were moved beside the program */
};

struct gca_event {
	size_t size;		/* sizeof(struct gca_event) */
	int kind;		/* enum gca_event_kind; later kinds are to be skipped */
	int error;		/* ABORTED: the errno */
	int pid;		/* who collected; with ETIMEDOUT: who did not stop */
	unsigned int lost;	/* events overwritten unread, just before this one */
	uint64_t time_ns;	/* CLOCK_MONOTONIC */
	uint64_t cycle;		/* collections completed */
	uint64_t duration_ns;	/* for how long the program could not run */
	uint64_t live_bytes;	/* CYCLE: found reachable */
	uint64_t longest_ns;	/* of the stops that duration_ns is the sum of */
	uint64_t moves;		/* as long as it stays the same, addresses do */
	uint64_t moved_objects, moved_bytes;	/* CYCLE, MOVED: have a new address */
};

/*
 * Wait up to @timeout_ms (-1: for ever, 0: not at all) for something to happen. Each
 * event is read once, by whoever shares the arena; gca_fd() can be polled for them.
 * -EAGAIN: nothing has. -EINTR: a signal.
 */
int gca_next_event(gca_arena *arena, int timeout_ms, struct gca_event *event);

/*
 * Give the calling thread's free slots back to its arenas. Done by itself when
 * a thread ends; worth calling before a long sleep.
 */
void gca_flush(void);

/*
 * A sentence for @error (errno, or a negative return value): what went wrong and
 * what to do. Knows which call failed last in this thread. Valid until the next
 * call of gca_strerror() by the thread.
 */
const char *gca_strerror(int error);

/* ---- Behind GCA_TYPE() ---------------------------------------------------- */

#define GCA_NARGS_(...) GCA_NARGS_N_(__VA_ARGS__, 16, 15, 14, 13, 12, 11, 10, 9, \
				     8, 7, 6, 5, 4, 3, 2, 1, 0)
#define GCA_NARGS_N_(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, N, ...) N
#define GCA_FIELD_(t, f)	offsetof(t, f), sizeof(((t *)0)->f)
#define GCA_FIELDS_(t, ...)	GCA_CAT_(GCA_F_, GCA_NARGS_(__VA_ARGS__))(t, __VA_ARGS__)
#define GCA_CAT_(a, b)		GCA_CAT2_(a, b)
#define GCA_CAT2_(a, b)		a ## b
#define GCA_F_1(t, f)		GCA_FIELD_(t, f)
#define GCA_F_2(t, f, ...)	GCA_FIELD_(t, f), GCA_F_1(t, __VA_ARGS__)
#define GCA_F_3(t, f, ...)	GCA_FIELD_(t, f), GCA_F_2(t, __VA_ARGS__)
#define GCA_F_4(t, f, ...)	GCA_FIELD_(t, f), GCA_F_3(t, __VA_ARGS__)
#define GCA_F_5(t, f, ...)	GCA_FIELD_(t, f), GCA_F_4(t, __VA_ARGS__)
#define GCA_F_6(t, f, ...)	GCA_FIELD_(t, f), GCA_F_5(t, __VA_ARGS__)
#define GCA_F_7(t, f, ...)	GCA_FIELD_(t, f), GCA_F_6(t, __VA_ARGS__)
#define GCA_F_8(t, f, ...)	GCA_FIELD_(t, f), GCA_F_7(t, __VA_ARGS__)
#define GCA_F_9(t, f, ...)	GCA_FIELD_(t, f), GCA_F_8(t, __VA_ARGS__)
#define GCA_F_10(t, f, ...)	GCA_FIELD_(t, f), GCA_F_9(t, __VA_ARGS__)
#define GCA_F_11(t, f, ...)	GCA_FIELD_(t, f), GCA_F_10(t, __VA_ARGS__)
#define GCA_F_12(t, f, ...)	GCA_FIELD_(t, f), GCA_F_11(t, __VA_ARGS__)
#define GCA_F_13(t, f, ...)	GCA_FIELD_(t, f), GCA_F_12(t, __VA_ARGS__)
#define GCA_F_14(t, f, ...)	GCA_FIELD_(t, f), GCA_F_13(t, __VA_ARGS__)
#define GCA_F_15(t, f, ...)	GCA_FIELD_(t, f), GCA_F_14(t, __VA_ARGS__)
#define GCA_F_16(t, f, ...)	GCA_FIELD_(t, f), GCA_F_15(t, __VA_ARGS__)

#ifdef __cplusplus
}
#endif

#endif /* GCARENA_H */
