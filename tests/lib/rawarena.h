/* SPDX-License-Identifier: GPL-2.0 */
/*
 * gcarena without its library: each function is one ioctl and returns 0 (or what
 * its comment says) or -errno, so that tests can name the error they expect.
 */
#ifndef GCARENA_TESTS_RAWARENA_H
#define GCARENA_TESTS_RAWARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <linux/gcarena.h>

#define RAW_DEVICE	"/dev/gcarena"
#define RAW_CLASSES_MAX	256
#define RAW_KIB		1024ULL
#define RAW_MIB		(1024ULL * RAW_KIB)
#define RAW_GIB		(1024ULL * RAW_MIB)

struct rawarena {
	int fd;
	__u64 base;
	__u64 reserve;
};

struct raw_class_table {
	__u32 nr;
	struct gcarena_size_class entry[RAW_CLASSES_MAX];
};

/* A thread's current span of one class, refilled when it is used up. */
struct raw_allocator {
	int fd;
	__u32 size_class;
	__u32 layout;
	struct gcarena_span span;	/* zero before the first raw_new() */
};

/* Ends the program with the skip code of kselftest when there is no device. */
void raw_need_device(void);
/* The same, and when the user is not root: for tests that set the module's parameters. */
void raw_need_root(void);

/* Is the module set to collect far more often than the pacer says? */
bool raw_zeal_is_on(void);

int raw_ioctl(int fd, unsigned long cmd, void *arg);
int raw_open(void);		/* the descriptor */

/* Open and create: no collection by itself, and no roots but the added ranges. */
int rawarena_create(struct rawarena *arena, __u64 reserve, __u32 root_mode);
int rawarena_map(struct rawarena *arena);
int rawarena_unmap(struct rawarena *arena);
int rawarena_open(struct rawarena *arena, __u64 reserve, __u32 root_mode);
void rawarena_close(struct rawarena *arena);
bool rawarena_holds(const struct rawarena *arena, __u64 addr, __u64 bytes);

int raw_info(int fd, struct gcarena_info *info);
int raw_stats(int fd, struct gcarena_stats *stats);
/* All ones: an error. */
struct gcarena_stats raw_stats_of(int fd);
int raw_classes(int fd, struct raw_class_table *table);
__u32 raw_class_of(const struct raw_class_table *table, __u32 bytes);
int raw_type_add(int fd, __u32 elem_size, __u64 ptrmap, __u32 *layout);
int raw_set(int fd, __u32 param, __s64 value, __s64 *old);
int raw_collect(int fd, __u32 flags, struct gcarena_collect *collect);
int raw_roots_add(int fd, const void *start, __u64 len);
int raw_roots_del(int fd, const void *start, __u64 len);
int raw_slots_add(int fd, const void *start, __u64 len);	/* GCARENA_ROOTS_PRECISE */
int raw_slots_del(int fd, const void *start, __u64 len);
int raw_pin(int fd, __u64 addr);
int raw_unpin(int fd, __u64 addr);
int raw_permanent(int fd, __u64 addr);
int raw_id(int fd, __u64 addr, __u64 *id);

/* Up to @nr spans; returns how many. */
int raw_refill(int fd, __u32 size_class, __u32 layout, struct gcarena_span *spans,
	       __u32 nr);
int raw_use_up(int fd, __u64 base);	/* give one span back as used up */
int raw_release(int fd, const struct gcarena_span *spans, __u32 nr);
int raw_release_all(int fd);
int raw_alloc(int fd, __u32 layout, __u64 bytes, __u64 *addr);
int raw_free(int fd, __u64 addr);
int raw_object(int fd, __u64 addr, struct gcarena_object *object);

bool raw_slot_is_free(const struct gcarena_span *span, unsigned int slot);
unsigned int raw_count_free(const struct gcarena_span *span);
__u64 raw_slot(const struct gcarena_span *span, unsigned int slot);
void *raw_take(struct gcarena_span *span);	/* lowest free slot, or NULL */
/* A zeroed object, or NULL and errno. */
void *raw_new(struct raw_allocator *allocator);

/* One byte through a pipe: the other side is where it said it would be. */
int raw_post(int fd);
int raw_await(int fd);
/* The state letter of a thread, as in /proc/PID/stat; '?' when there is none. */
char raw_task_state(pid_t pid, pid_t tid);
/* The exit code of @pid, or 128 + the signal that ended it. */
int raw_reap(pid_t pid);

#endif /* GCARENA_TESTS_RAWARENA_H */
