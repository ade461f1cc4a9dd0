// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Arenas: open, close, parameters, roots, collection.
 *
 * The registry lists open arenas, so that an object's arena can be found from its
 * address, and so that a thread that ends can tell a closed arena from an open one.
 * registry_lock protects the list; it is not needed to use an arena.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"

#define DEVICE	"/dev/gcarena"

struct gca_arena *gca_the_default;

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t default_lock = PTHREAD_MUTEX_INITIALIZER;
static struct gca_arena *registry;
static uint64_t last_id;

static void registry_add(struct gca_arena *arena)
{
	pthread_mutex_lock(&registry_lock);
	arena->id = ++last_id;
	arena->next = registry;
	registry = arena;
	pthread_mutex_unlock(&registry_lock);
}

static void registry_remove(struct gca_arena *arena)
{
	struct gca_arena **link;

	pthread_mutex_lock(&registry_lock);
	for (link = &registry; *link; link = &(*link)->next) {
		if (*link == arena) {
			*link = arena->next;
			break;
		}
	}
	pthread_mutex_unlock(&registry_lock);
}

/* Call @call for the open arena with that id, if there is one; it stays open. */
void gca_arena_with_id(uint64_t id, void (*call)(struct gca_arena *arena, void *data),
		       void *data)
{
	struct gca_arena *arena;

	pthread_mutex_lock(&registry_lock);
	for (arena = registry; arena; arena = arena->next) {
		if (arena->id == id) {
			call(arena, data);
			break;
		}
	}
	pthread_mutex_unlock(&registry_lock);
}

/* The open arena that @p points into, or NULL. */
struct gca_arena *gca_arena_of(const void *p)
{
	struct gca_arena *arena;

	pthread_mutex_lock(&registry_lock);
	for (arena = registry; arena; arena = arena->next) {
		if ((uint64_t)(uintptr_t)p - gca_arena_base(arena) < arena->reserve)
			break;
	}
	pthread_mutex_unlock(&registry_lock);
	return arena;
}

static void fill_classes(struct gca_arena *arena)
{
	uint32_t class = 1, size;

	for (size = 0; size <= FINE_MAX; size += FINE_STEP) {
		while (arena->slot_size[class] < size)
			class++;
		arena->fine[size / FINE_STEP] = class;
	}
	for (size = FINE_MAX; size <= arena->max_small; size += COARSE_STEP) {
		while (arena->slot_size[class] < size)
			class++;
		arena->coarse[(size - FINE_MAX) / COARSE_STEP] = class;
	}
}

static int read_classes(struct gca_arena *arena)
{
	struct gcarena_size_class rows[MAX_CLASSES];
	struct gcarena_classes arg = {
		.size = sizeof(arg),
		.classes = (uintptr_t)rows,
		.nr = MAX_CLASSES,
	};
	uint32_t i;
	int ret;

	ret = gca_ioctl(arena, GCARENA_IOC_CLASSES, &arg, GCA_OP_OPEN);
	if (ret)
		return ret == -EMSGSIZE ? gca_fail(GCA_OP_OPEN, EPROTO) : ret;
	for (i = 0; i < arg.nr; i++)
		arena->slot_size[i] = rows[i].slot_size;
	arena->nr_classes = arg.nr;
	fill_classes(arena);
	return 0;
}

static int create(struct gca_arena *arena, const struct gca_options *options)
{
	struct gcarena_create arg = { .size = sizeof(arg) };

	if (options) {
		if (options->size < sizeof(*options))
			return gca_fail(GCA_OP_CREATE, EINVAL);
		arg.reserve = options->reserve;
		arg.limit = options->limit;
		arg.min_heap = options->min_heap;
		arg.root_mode = options->root_mode;
		arg.gc_percent = options->gc_percent;
		arg.memory_limit = options->memory_limit;
	}
	return gca_ioctl(arena, GCARENA_IOC_CREATE, &arg, GCA_OP_CREATE);
}

static int map(struct gca_arena *arena)
{
	struct gcarena_info info = { .size = sizeof(info) };
	void *base;
	int ret;

	ret = gca_ioctl(arena, GCARENA_IOC_INFO, &info, GCA_OP_OPEN);
	if (ret)
		return ret;
	if (info.abi_version != GCARENA_ABI_VERSION || info.max_small > MAX_SMALL ||
	    info.max_small < FINE_MAX)
		return gca_fail(GCA_OP_OPEN, EPROTO);
	arena->reserve = info.reserve;
	arena->max_small = info.max_small;
	base = mmap(NULL, info.reserve, PROT_READ | PROT_WRITE, MAP_SHARED, arena->fd, 0);
	if (base == MAP_FAILED)
		return gca_fail(GCA_OP_MAP, errno);
	arena->inverted_base = ~(uint64_t)(uintptr_t)base;
	return 0;
}

static int open_device(struct gca_arena *arena, const struct gca_options *options)
{
	int ret;

	arena->fd = open(DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (arena->fd < 0)
		return gca_fail(GCA_OP_OPEN, errno);
	ret = create(arena, options);
	if (!ret)
		ret = map(arena);
	if (!ret)
		ret = read_classes(arena);
	if (ret && arena->inverted_base)
		munmap((void *)(uintptr_t)gca_arena_base(arena), arena->reserve);
	if (ret)
		close(arena->fd);
	return ret;
}

GCA_PUBLIC gca_arena *gca_open(const struct gca_options *options)
{
	struct gca_arena *arena = calloc(1, sizeof(*arena));
	int ret;

	if (!arena) {
		gca_fail(GCA_OP_OPEN, ENOMEM);
		return NULL;
	}
	ret = open_device(arena, options);
	if (ret) {
		free(arena);
		errno = -ret;
		return NULL;
	}
	registry_add(arena);
	return arena;
}

GCA_PUBLIC int gca_close(gca_arena *arena)
{
	struct gca_arena *expected = arena;

	if (!arena)
		return gca_fail(GCA_OP_NONE, EINVAL);
	gca_cache_forget(arena);
	registry_remove(arena);
	__atomic_compare_exchange_n(&gca_the_default, &expected, NULL, 0,
				    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
	gca_types_forget(arena);
	munmap((void *)(uintptr_t)gca_arena_base(arena), arena->reserve);
	gca_slots_forget(arena);
	close(arena->fd);
	free(arena);
	return 0;
}

GCA_PUBLIC gca_arena *gca_default(void)
{
	struct gca_arena *arena = __atomic_load_n(&gca_the_default, __ATOMIC_ACQUIRE);

	if (arena)
		return arena;
	pthread_mutex_lock(&default_lock);
	arena = gca_the_default;
	if (!arena) {
		arena = gca_open(NULL);
		__atomic_store_n(&gca_the_default, arena, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&default_lock);
	return arena;
}

/* NULL stands for the default arena. Returns NULL when that cannot be opened. */
struct gca_arena *gca_arena_or_default(struct gca_arena *arena)
{
	return arena ? arena : gca_default();
}

GCA_PUBLIC int gca_fd(gca_arena *arena)
{
	arena = gca_arena_or_default(arena);
	return arena ? arena->fd : -errno;
}

GCA_PUBLIC void *gca_base(gca_arena *arena, uint64_t *length)
{
	arena = gca_arena_or_default(arena);
	if (!arena)
		return NULL;
	if (length)
		*length = arena->reserve;
	return (void *)(uintptr_t)gca_arena_base(arena);
}

/*
 * Names are for people: the beginning of a long one will do, as long as it ends with a
 * whole character of UTF-8.
 */
void gca_copy_name(char *to, size_t room, const char *name)
{
	size_t length = strnlen(name, room);

	if (length == room)
		for (length--; length && ((unsigned char)name[length] & 0xc0) == 0x80; length--)
			;
	memcpy(to, name, length);
	to[length] = '\0';
}

GCA_PUBLIC int gca_set_name(gca_arena *arena, const char *name)
{
	struct gcarena_name arg = { .size = sizeof(arg) };

	arena = gca_arena_or_default(arena);
	if (!arena)
		return -errno;
	gca_copy_name(arg.name, sizeof(arg.name), name ? name : "");
	return gca_ioctl(arena, GCARENA_IOC_NAME, &arg, GCA_OP_NAME);
}

static void fill_collection(struct gca_collection *result, const struct gcarena_collect *arg)
{
	*result = (struct gca_collection) {
		.size = sizeof(*result),
		.cycle = arg->cycle,
		.pause_ns = arg->pause_ns,
		.live_objects = arg->live_objects,
		.live_bytes = arg->live_bytes,
		.freed_objects = arg->freed_objects,
		.freed_bytes = arg->freed_bytes,
		.released_bytes = arg->released_bytes,
		.moved_objects = arg->moved_objects,
		.moved_bytes = arg->moved_bytes,
	};
}

GCA_PUBLIC int gca_collect_in(gca_arena *arena, enum gca_kind kind,
			      struct gca_collection *result)
{
	const unsigned int flags = GCA_FULL_RELEASE | GCA_FULL_PERMANENT;
	struct gcarena_collect arg = {
		.size = sizeof(arg),
		.flags = ((unsigned int)kind & GCA_FULL_RELEASE ? GCARENA_COLLECT_RELEASE : 0) |
			 ((unsigned int)kind & GCA_FULL_PERMANENT ? GCARENA_COLLECT_PERMANENT : 0),
		.kind = (unsigned int)kind & ~flags,
	};
	int ret;

	if (result && result->size < sizeof(*result))
		return gca_fail(GCA_OP_NONE, EINVAL);
	arena = gca_arena_or_default(arena);
	if (!arena)
		return -errno;
	/* Spans in a thread's hands are not swept: give ours back first. */
	gca_cache_flush(arena);
	ret = gca_ioctl(arena, GCARENA_IOC_COLLECT, &arg, GCA_OP_COLLECT);
	if (!ret && result)
		fill_collection(result, &arg);
	return ret;
}

GCA_PUBLIC int gca_collect(enum gca_kind kind)
{
	return gca_collect_in(NULL, kind, NULL);
}

static int set(gca_arena *arena, uint32_t param, int64_t value, int64_t *old)
{
	struct gcarena_set arg = { .size = sizeof(arg), .param = param, .value = value };
	int ret;

	arena = gca_arena_or_default(arena);
	if (!arena)
		return -errno;
	ret = gca_ioctl(arena, GCARENA_IOC_SET, &arg, GCA_OP_SET);
	*old = arg.value;
	return ret;
}

GCA_PUBLIC int gca_set_gc_percent_in(gca_arena *arena, int percent, int *old)
{
	int64_t before = 0;
	int ret = set(arena, GCARENA_PARAM_GC_PERCENT, percent, &before);

	if (!ret && old)
		*old = before;
	return ret;
}

GCA_PUBLIC int gca_set_gc_percent(int percent, int *old)
{
	return gca_set_gc_percent_in(NULL, percent, old);
}

GCA_PUBLIC int gca_set_limit_in(gca_arena *arena, uint64_t limit, uint64_t *old)
{
	int64_t before = 0;
	int ret = set(arena, GCARENA_PARAM_LIMIT, limit, &before);

	if (!ret && old)
		*old = before;
	return ret;
}

GCA_PUBLIC int gca_set_memory_limit_in(gca_arena *arena, uint64_t limit, uint64_t *old)
{
	int64_t before = 0;
	int ret = set(arena, GCARENA_PARAM_MEMORY_LIMIT, limit, &before);

	if (!ret && old)
		*old = before;
	return ret;
}

GCA_PUBLIC int gca_set_memory_limit(uint64_t limit, uint64_t *old)
{
	return gca_set_memory_limit_in(NULL, limit, old);
}

GCA_PUBLIC int gca_set_compact_in(gca_arena *arena, int percent, uint64_t bytes)
{
	int64_t old;
	int ret = 0;

	if (bytes)
		ret = set(arena, GCARENA_PARAM_COMPACT_BYTES, bytes, &old);
	return ret ? ret : set(arena, GCARENA_PARAM_COMPACT_PERCENT, percent, &old);
}

GCA_PUBLIC int gca_set_compact(int percent, uint64_t bytes)
{
	return gca_set_compact_in(NULL, percent, bytes);
}

static int change_roots(gca_arena *arena, unsigned long command, const void *start, size_t length)
{
	struct gcarena_roots arg = {
		.size = sizeof(arg),
		.addr = (uintptr_t)start,
		.len = length,
	};

	arena = gca_arena_or_default(arena);
	return arena ? gca_ioctl(arena, command, &arg, GCA_OP_ROOTS) : -errno;
}

GCA_PUBLIC int gca_roots_add_in(gca_arena *arena, const void *start, size_t length)
{
	return change_roots(arena, GCARENA_IOC_ROOTS_ADD, start, length);
}

GCA_PUBLIC int gca_roots_remove_in(gca_arena *arena, const void *start, size_t length)
{
	return change_roots(arena, GCARENA_IOC_ROOTS_DEL, start, length);
}

GCA_PUBLIC int gca_roots_add(const void *start, size_t length)
{
	return gca_roots_add_in(NULL, start, length);
}

GCA_PUBLIC int gca_roots_remove(const void *start, size_t length)
{
	return gca_roots_remove_in(NULL, start, length);
}
