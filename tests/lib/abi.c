// SPDX-License-Identifier: GPL-2.0
/*
 * What tests of the ABI work with: see lib/abi.h.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/abi.h"

__u64 root_words[8];
__u64 one_bitmap = 1;
struct gcarena_size_class class_buffer[RAW_CLASSES_MAX];
struct gcarena_span span_buffer[GCARENA_REFILL_MAX];

static int env_guard_page(struct env *env)
{
	env->page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (env->page == MAP_FAILED)
		return -errno;
	return mprotect(env->page + PAGE, PAGE, PROT_NONE) ? -errno : 0;
}

int env_open(struct env *env)
{
	struct gcarena_info info;
	int ret;

	raw_need_device();
	ret = env_guard_page(env);
	if (ret)
		return ret;
	env->spare = -1;
	ret = rawarena_open(&env->arena, ARENA_RESERVE, GCARENA_ROOTS_EXPLICIT);
	if (ret)
		return ret;
	env->target = env->arena.fd;
	ret = raw_info(env->arena.fd, &info);
	env->max_small = info.max_small;
	env->nr_classes = info.nr_size_classes;
	return ret;
}

void env_close(struct env *env)
{
	rawarena_close(&env->arena);
	if (env->spare >= 0)
		close(env->spare);
	munmap(env->page, 2 * PAGE);
}

void *env_place(struct env *env, size_t bytes)
{
	return env->page + PAGE - bytes;
}

int env_target_fresh(struct env *env)
{
	if (env->spare >= 0)
		close(env->spare);
	env->spare = raw_open();
	if (env->spare < 0)
		return env->spare;
	env->target = env->spare;
	return 0;
}

/* ---- Valid arguments for each command -------------------------------------- */

int fill_info(struct env *env, void *arg)
{
	struct gcarena_info *info = arg;

	(void)env;
	info->size = sizeof(*info);
	return 0;
}

int fill_create(struct env *env, void *arg)
{
	struct gcarena_create *create = arg;

	create->size = sizeof(*create);
	create->reserve = 8 * GCARENA_CHUNK_SIZE;
	create->limit = 4 * GCARENA_CHUNK_SIZE;
	create->min_heap = RAW_MIB;
	create->root_mode = GCARENA_ROOTS_AUTO;
	create->gc_percent = 50;
	return env_target_fresh(env);
}

int fill_classes(struct env *env, void *arg)
{
	struct gcarena_classes *classes = arg;

	(void)env;
	classes->size = sizeof(*classes);
	classes->classes = to_u64(class_buffer);
	classes->nr = RAW_CLASSES_MAX;
	return 0;
}

int fill_type_add(struct env *env, void *arg)
{
	struct gcarena_type_add *type = arg;

	(void)env;
	type->size = sizeof(*type);
	type->elem_size = 16;
	type->ptrmap = to_u64(&one_bitmap);
	strcpy(type->name, "matrix");
	return 0;
}

int fill_refill(struct env *env, void *arg)
{
	struct gcarena_refill *refill = arg;

	(void)env;
	refill->size = sizeof(*refill);
	refill->size_class = 1;
	refill->layout = GCARENA_LAYOUT_NOSCAN;
	refill->spans = to_u64(span_buffer);
	refill->nr_spans = 1;
	return 0;
}

int fill_release(struct env *env, void *arg)
{
	struct gcarena_release *release = arg;
	int nr;

	nr = raw_refill(env->arena.fd, 1, GCARENA_LAYOUT_NOSCAN, span_buffer, 1);
	if (nr < 0)
		return nr;
	release->size = sizeof(*release);
	release->spans = to_u64(span_buffer);
	release->nr_spans = nr;
	return 0;
}

int fill_alloc(struct env *env, void *arg)
{
	struct gcarena_alloc *alloc = arg;

	alloc->size = sizeof(*alloc);
	alloc->layout = GCARENA_LAYOUT_CONSERVATIVE;
	alloc->bytes = env->max_small + 1;
	return 0;
}

int fill_free(struct env *env, void *arg)
{
	struct gcarena_free *free = arg;

	free->size = sizeof(*free);
	return raw_alloc(env->arena.fd, 0, env->max_small + 1, (__u64 *)&free->addr);
}

int fill_collect(struct env *env, void *arg)
{
	struct gcarena_collect *collect = arg;

	(void)env;
	collect->size = sizeof(*collect);
	collect->kind = GCARENA_COLLECT_FULL;
	return 0;
}

int fill_roots_add(struct env *env, void *arg)
{
	struct gcarena_roots *roots = arg;

	(void)env;
	roots->size = sizeof(*roots);
	roots->addr = to_u64(root_words);
	roots->len = sizeof(root_words);
	return 0;
}

/* Of both sorts, so that it may be removed with and without the flag. */
int fill_roots_del(struct env *env, void *arg)
{
	int ret;

	fill_roots_add(env, arg);
	ret = raw_slots_add(env->arena.fd, root_words, sizeof(root_words));
	return ret ?: raw_roots_add(env->arena.fd, root_words, sizeof(root_words));
}

int fill_pin(struct env *env, void *arg)
{
	struct gcarena_pin *pin = arg;

	pin->size = sizeof(*pin);
	return raw_alloc(env->arena.fd, 0, env->max_small + 1, (__u64 *)&pin->addr);
}

int fill_permanent(struct env *env, void *arg)
{
	struct gcarena_permanent *permanent = arg;

	permanent->size = sizeof(*permanent);
	return raw_alloc(env->arena.fd, 0, env->max_small + 1, (__u64 *)&permanent->addr);
}

int fill_unpin(struct env *env, void *arg)
{
	struct gcarena_pin *pin = arg;
	int ret = fill_pin(env, arg);

	return ret ?: raw_pin(env->arena.fd, pin->addr);
}

int fill_name(struct env *env, void *arg)
{
	struct gcarena_name *name = arg;

	(void)env;
	name->size = sizeof(*name);
	strcpy(name->name, "matrix");
	return 0;
}

int fill_id(struct env *env, void *arg)
{
	struct gcarena_id *id = arg;

	id->size = sizeof(*id);
	return raw_alloc(env->arena.fd, 0, env->max_small + 1, (__u64 *)&id->addr);
}

int fill_set(struct env *env, void *arg)
{
	struct gcarena_set *set = arg;

	(void)env;
	set->size = sizeof(*set);
	set->param = GCARENA_PARAM_GC_PERCENT;
	set->value = 200;
	return 0;
}

int fill_stats(struct env *env, void *arg)
{
	struct gcarena_stats *stats = arg;

	(void)env;
	stats->size = sizeof(*stats);
	return 0;
}

int fill_object(struct env *env, void *arg)
{
	struct gcarena_object *object = arg;

	object->size = sizeof(*object);
	return raw_alloc(env->arena.fd, 0, env->max_small + 1,
			 (__u64 *)&object->addr);
}
