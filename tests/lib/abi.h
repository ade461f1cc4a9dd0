/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For tests of the ABI, command by command: an arena, memory that ends where an unmapped page
 * begins, so that a kernel that reads or writes a byte too much is seen, and valid arguments
 * for each command, to be spoiled by the test.
 */
#ifndef GCARENA_TESTS_ABI_H
#define GCARENA_TESTS_ABI_H

#include <stddef.h>
#include <stdint.h>
#include <linux/gcarena.h>

#include "lib/rawarena.h"

#define PAGE		4096UL
#define CHUNK		GCARENA_CHUNK_SIZE
#define ARENA_RESERVE	(64 * RAW_MIB)
#define KERNEL_ADDRESS	0xffff888000000000ULL
#define NON_CANONICAL	0x0001000000000000ULL

/* Everything that a command may need, set up before each test. */
struct env {
	struct rawarena arena;
	int spare;	/* an arena that is not created, for CREATE */
	int target;	/* what the command under test works on */
	char *page;	/* one page, followed by one that is not accessible */
	__u32 max_small;
	__u32 nr_classes;
};

/* Memory that no thread can lose sight of, and that outlives the test's stack. */
extern __u64 root_words[8];
extern __u64 one_bitmap;
extern struct gcarena_size_class class_buffer[RAW_CLASSES_MAX];
extern struct gcarena_span span_buffer[GCARENA_REFILL_MAX];

static inline __u64 to_u64(const void *p)
{
	return (__u64)(uintptr_t)p;
}

/* The test is skipped if there is no device. Return: 0 or -errno. */
int env_open(struct env *env);
void env_close(struct env *env);
/* The last @bytes before the page that faults. */
void *env_place(struct env *env, size_t bytes);
/* An arena in its first state becomes the target. Return: 0 or -errno. */
int env_target_fresh(struct env *env);

/* Valid arguments for each command, in zeroed memory at @arg. Return: 0 or -errno. */
int fill_info(struct env *env, void *arg);
int fill_create(struct env *env, void *arg);
int fill_classes(struct env *env, void *arg);
int fill_type_add(struct env *env, void *arg);
int fill_refill(struct env *env, void *arg);
int fill_release(struct env *env, void *arg);
int fill_alloc(struct env *env, void *arg);
int fill_free(struct env *env, void *arg);
int fill_collect(struct env *env, void *arg);
int fill_roots_add(struct env *env, void *arg);
int fill_roots_del(struct env *env, void *arg);
int fill_pin(struct env *env, void *arg);
int fill_permanent(struct env *env, void *arg);
int fill_unpin(struct env *env, void *arg);
int fill_name(struct env *env, void *arg);
int fill_id(struct env *env, void *arg);
int fill_set(struct env *env, void *arg);
int fill_stats(struct env *env, void *arg);
int fill_object(struct env *env, void *arg);

#endif /* GCARENA_TESTS_ABI_H */
