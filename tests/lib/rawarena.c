// SPDX-License-Identifier: GPL-2.0
/*
 * gcarena without its library: see rawarena.h.
 *
 * No state of its own and no harness macros: also used by children, threads and
 * signal handlers of the tests, where a failed ASSERT could not end the test.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rawarena.h"

#define KSFT_SKIP_CODE	4
#define BITS_PER_WORD	64

static __u64 to_u64(const void *p)
{
	return (__u64)(uintptr_t)p;
}

void raw_need_device(void)
{
	int fd = raw_open();

	if (fd >= 0) {
		close(fd);
		return;
	}
	/* Anything else than "not there" is for the tests to report. */
	if (fd != -ENOENT && fd != -ENODEV && fd != -ENXIO)
		return;
	printf("TAP version 13\n1..0 # SKIP no " RAW_DEVICE ": module not loaded\n");
	exit(KSFT_SKIP_CODE);
}

void raw_need_root(void)
{
	raw_need_device();
	if (!geteuid())
		return;
	printf("TAP version 13\n1..0 # SKIP needs root, to set the module's parameters\n");
	exit(KSFT_SKIP_CODE);
}

bool raw_zeal_is_on(void)
{
	FILE *file = fopen("/sys/module/gcarena/parameters/zeal_refill", "r");
	unsigned int n = 0;

	if (file && fscanf(file, "%u", &n) != 1)
		n = 0;
	if (file)
		fclose(file);
	return n;
}

int raw_ioctl(int fd, unsigned long cmd, void *arg)
{
	return ioctl(fd, cmd, arg) < 0 ? -errno : 0;
}

int raw_open(void)
{
	int fd = open(RAW_DEVICE, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int rawarena_create(struct rawarena *arena, __u64 reserve, __u32 root_mode)
{
	struct gcarena_create create = {
		.size = sizeof(create),
		.reserve = reserve,
		.root_mode = root_mode,
		.gc_percent = GCARENA_GC_PERCENT_OFF,
	};
	int ret;

	arena->base = 0;
	arena->reserve = reserve;
	arena->fd = raw_open();
	if (arena->fd < 0)
		return arena->fd;
	ret = raw_ioctl(arena->fd, GCARENA_IOC_CREATE, &create);
	if (ret) {
		close(arena->fd);
		arena->fd = -1;
	}
	return ret;
}

int rawarena_map(struct rawarena *arena)
{
	void *base = mmap(NULL, arena->reserve, PROT_READ | PROT_WRITE, MAP_SHARED,
			  arena->fd, 0);

	if (base == MAP_FAILED)
		return -errno;
	arena->base = to_u64(base);
	return 0;
}

int rawarena_unmap(struct rawarena *arena)
{
	return munmap((void *)(uintptr_t)arena->base, arena->reserve) ? -errno : 0;
}

int rawarena_open(struct rawarena *arena, __u64 reserve, __u32 root_mode)
{
	int ret = rawarena_create(arena, reserve, root_mode);

	if (ret)
		return ret;
	ret = rawarena_map(arena);
	if (ret) {
		close(arena->fd);
		arena->fd = -1;
	}
	return ret;
}

void rawarena_close(struct rawarena *arena)
{
	if (arena->base)
		rawarena_unmap(arena);
	if (arena->fd >= 0)
		close(arena->fd);
	arena->base = 0;
	arena->fd = -1;
}

bool rawarena_holds(const struct rawarena *arena, __u64 addr, __u64 bytes)
{
	return addr >= arena->base && bytes <= arena->reserve &&
	       addr - arena->base <= arena->reserve - bytes;
}

int raw_info(int fd, struct gcarena_info *info)
{
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	return raw_ioctl(fd, GCARENA_IOC_INFO, info);
}

int raw_stats(int fd, struct gcarena_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	stats->size = sizeof(*stats);
	return raw_ioctl(fd, GCARENA_IOC_STATS, stats);
}

struct gcarena_stats raw_stats_of(int fd)
{
	struct gcarena_stats stats;

	if (raw_stats(fd, &stats))
		memset(&stats, 0xff, sizeof(stats));
	return stats;
}

int raw_classes(int fd, struct raw_class_table *table)
{
	struct gcarena_classes classes = {
		.size = sizeof(classes),
		.classes = to_u64(table->entry),
		.nr = RAW_CLASSES_MAX,
	};
	int ret;

	memset(table, 0, sizeof(*table));
	ret = raw_ioctl(fd, GCARENA_IOC_CLASSES, &classes);
	if (!ret)
		table->nr = classes.nr;
	return ret;
}

__u32 raw_class_of(const struct raw_class_table *table, __u32 bytes)
{
	__u32 i;

	for (i = 1; i < table->nr; i++)
		if (table->entry[i].slot_size >= bytes)
			return i;
	return 0;
}

int raw_type_add(int fd, __u32 elem_size, __u64 ptrmap, __u32 *layout)
{
	struct gcarena_type_add type = {
		.size = sizeof(type),
		.elem_size = elem_size,
		.ptrmap = to_u64(&ptrmap),
		.name = "raw",
	};
	int ret = raw_ioctl(fd, GCARENA_IOC_TYPE_ADD, &type);

	if (!ret)
		*layout = type.layout;
	return ret;
}

int raw_set(int fd, __u32 param, __s64 value, __s64 *old)
{
	struct gcarena_set set = {
		.size = sizeof(set),
		.param = param,
		.value = value,
	};
	int ret = raw_ioctl(fd, GCARENA_IOC_SET, &set);

	if (!ret && old)
		*old = set.value;
	return ret;
}

int raw_collect(int fd, __u32 flags, struct gcarena_collect *collect)
{
	struct gcarena_collect unused;

	if (!collect)
		collect = &unused;
	memset(collect, 0, sizeof(*collect));
	collect->size = sizeof(*collect);
	collect->flags = flags;
	collect->kind = GCARENA_COLLECT_FULL;
	return raw_ioctl(fd, GCARENA_IOC_COLLECT, collect);
}

static int roots_change(int fd, unsigned long cmd, __u32 flags, const void *start, __u64 len)
{
	struct gcarena_roots roots = {
		.size = sizeof(roots),
		.flags = flags,
		.addr = to_u64(start),
		.len = len,
	};

	return raw_ioctl(fd, cmd, &roots);
}

int raw_roots_add(int fd, const void *start, __u64 len)
{
	return roots_change(fd, GCARENA_IOC_ROOTS_ADD, 0, start, len);
}

int raw_roots_del(int fd, const void *start, __u64 len)
{
	return roots_change(fd, GCARENA_IOC_ROOTS_DEL, 0, start, len);
}

int raw_slots_add(int fd, const void *start, __u64 len)
{
	return roots_change(fd, GCARENA_IOC_ROOTS_ADD, GCARENA_ROOTS_PRECISE, start, len);
}

int raw_slots_del(int fd, const void *start, __u64 len)
{
	return roots_change(fd, GCARENA_IOC_ROOTS_DEL, GCARENA_ROOTS_PRECISE, start, len);
}

int raw_pin(int fd, __u64 addr)
{
	struct gcarena_pin pin = { .size = sizeof(pin), .addr = addr };

	return raw_ioctl(fd, GCARENA_IOC_PIN, &pin);
}

int raw_unpin(int fd, __u64 addr)
{
	struct gcarena_pin pin = { .size = sizeof(pin), .addr = addr };

	return raw_ioctl(fd, GCARENA_IOC_UNPIN, &pin);
}

int raw_permanent(int fd, __u64 addr)
{
	struct gcarena_permanent arg = { .size = sizeof(arg), .addr = addr };

	return raw_ioctl(fd, GCARENA_IOC_PERMANENT, &arg);
}

int raw_id(int fd, __u64 addr, __u64 *id)
{
	struct gcarena_id arg = { .size = sizeof(arg), .addr = addr };
	int ret = raw_ioctl(fd, GCARENA_IOC_ID, &arg);

	if (!ret)
		*id = arg.id;
	return ret;
}

int raw_refill(int fd, __u32 size_class, __u32 layout, struct gcarena_span *spans,
	       __u32 nr)
{
	struct gcarena_refill refill = {
		.size = sizeof(refill),
		.size_class = size_class,
		.layout = layout,
		.spans = to_u64(spans),
		.nr_spans = nr,
		.want = ~0ULL,
	};
	int ret = raw_ioctl(fd, GCARENA_IOC_REFILL, &refill);

	return ret ? ret : (int)refill.nr_spans;
}

int raw_use_up(int fd, __u64 base)
{
	struct gcarena_span span = { .base = base };

	return raw_release(fd, &span, 1);
}

int raw_release(int fd, const struct gcarena_span *spans, __u32 nr)
{
	struct gcarena_release release = {
		.size = sizeof(release),
		.spans = to_u64(spans),
		.nr_spans = nr,
	};

	return raw_ioctl(fd, GCARENA_IOC_RELEASE, &release);
}

int raw_release_all(int fd)
{
	struct gcarena_release release = {
		.size = sizeof(release),
		.flags = GCARENA_RELEASE_ALL,
	};

	return raw_ioctl(fd, GCARENA_IOC_RELEASE, &release);
}

int raw_alloc(int fd, __u32 layout, __u64 bytes, __u64 *addr)
{
	struct gcarena_alloc alloc = {
		.size = sizeof(alloc),
		.layout = layout,
		.bytes = bytes,
	};
	int ret = raw_ioctl(fd, GCARENA_IOC_ALLOC, &alloc);

	if (!ret)
		*addr = alloc.addr;
	return ret;
}

int raw_free(int fd, __u64 addr)
{
	struct gcarena_free free = {
		.size = sizeof(free),
		.addr = addr,
	};

	return raw_ioctl(fd, GCARENA_IOC_FREE, &free);
}

int raw_object(int fd, __u64 addr, struct gcarena_object *object)
{
	struct gcarena_object unused;

	if (!object)
		object = &unused;
	memset(object, 0, sizeof(*object));
	object->size = sizeof(*object);
	object->addr = addr;
	return raw_ioctl(fd, GCARENA_IOC_OBJECT, object);
}

bool raw_slot_is_free(const struct gcarena_span *span, unsigned int slot)
{
	return span->free[slot / BITS_PER_WORD] >> (slot % BITS_PER_WORD) & 1;
}

unsigned int raw_count_free(const struct gcarena_span *span)
{
	unsigned int n = 0, slot;

	for (slot = 0; slot < span->nr_slots; slot++)
		n += raw_slot_is_free(span, slot);
	return n;
}

__u64 raw_slot(const struct gcarena_span *span, unsigned int slot)
{
	return span->base + (__u64)slot * span->slot_size;
}

void *raw_take(struct gcarena_span *span)
{
	unsigned int word, slot;

	for (word = 0; word * BITS_PER_WORD < span->nr_slots; word++) {
		if (!span->free[word])
			continue;
		slot = word * BITS_PER_WORD + __builtin_ctzll(span->free[word]);
		span->free[word] &= span->free[word] - 1;
		return (void *)(uintptr_t)raw_slot(span, slot);
	}
	return NULL;
}

static int next_span(struct raw_allocator *allocator)
{
	__u64 used = allocator->span.base;
	struct gcarena_refill refill = {
		.size = sizeof(refill),
		.size_class = allocator->size_class,
		.layout = allocator->layout,
		.used = to_u64(&used),
		.nr_used = used ? 1 : 0,
		.spans = to_u64(&allocator->span),
		.nr_spans = 1,
	};
	int ret = raw_ioctl(allocator->fd, GCARENA_IOC_REFILL, &refill);

	if (ret)
		memset(&allocator->span, 0, sizeof(allocator->span));
	return ret;
}

void *raw_new(struct raw_allocator *allocator)
{
	void *object = raw_take(&allocator->span);

	if (!object) {
		int ret = next_span(allocator);

		if (ret) {
			errno = -ret;
			return NULL;
		}
		object = raw_take(&allocator->span);
	}
	if (object && !(allocator->span.flags & GCARENA_SPAN_ZEROED))
		memset(object, 0, allocator->span.slot_size);
	return object;
}

int raw_post(int fd)
{
	return write(fd, "!", 1) == 1 ? 0 : -errno;
}

int raw_await(int fd)
{
	ssize_t n;
	char byte;

	do {
		n = read(fd, &byte, 1);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n ? 0 : -EPIPE;
}

int raw_reap(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

char raw_task_state(pid_t pid, pid_t tid)
{
	char path[64], text[256], state = '?';
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	file = fopen(path, "r");
	/* The name in brackets is a test program's: no blank in it. */
	if (!file || !fgets(text, sizeof(text), file) ||
	    sscanf(text, "%*d %*s %c", &state) != 1)
		state = '?';
	if (file)
		fclose(file);
	return state;
}
