// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Types: layouts registered with the kernel, and what the library remembers of them.
 *
 * Types live as long as their arena. types_lock protects the list of them.
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define WORD	sizeof(uint64_t)

static pthread_mutex_t types_lock = PTHREAD_MUTEX_INITIALIZER;
static struct gca_type *types;

static void types_add(struct gca_type *type)
{
	pthread_mutex_lock(&types_lock);
	type->next = types;
	types = type;
	pthread_mutex_unlock(&types_lock);
}

/* The type with that layout number, or NULL. */
struct gca_type *gca_type_of(const struct gca_arena *arena, uint32_t layout)
{
	struct gca_type *type;

	pthread_mutex_lock(&types_lock);
	for (type = types; type; type = type->next) {
		if (type->arena == arena && type->layout == layout)
			break;
	}
	pthread_mutex_unlock(&types_lock);
	return type;
}

/* The arena is being closed. */
void gca_types_forget(const struct gca_arena *arena)
{
	struct gca_type **link = &types, *type;

	pthread_mutex_lock(&types_lock);
	while ((type = *link)) {
		if (type->arena == arena) {
			*link = type->next;
			free(type);
		} else {
			link = &type->next;
		}
	}
	pthread_mutex_unlock(&types_lock);
}

static int register_type(struct gca_type *type, const char *name, const uint64_t *ptrmap)
{
	struct gcarena_type_add arg = {
		.size = sizeof(arg),
		.elem_size = type->size,
		.ptrmap = (uintptr_t)ptrmap,
	};
	int ret;

	if (!name || type->size > GCARENA_TYPE_SIZE_MAX)
		return gca_fail(GCA_OP_TYPE, EINVAL);
	gca_copy_name(arg.name, sizeof(arg.name), name);
	ret = gca_ioctl(type->arena, GCARENA_IOC_TYPE_ADD, &arg, GCA_OP_TYPE);
	type->layout = arg.layout;
	return ret;
}

GCA_PUBLIC struct gca_type *gca_type_from_bitmap_in(gca_arena *arena, const char *name,
						    size_t size, const uint64_t *ptrmap)
{
	struct gca_type *type;
	int ret;

	arena = gca_arena_or_default(arena);
	if (!arena)
		return NULL;
	type = calloc(1, sizeof(*type));
	if (!type) {
		gca_fail(GCA_OP_TYPE, ENOMEM);
		return NULL;
	}
	type->arena = arena;
	type->size = size;
	ret = register_type(type, name, ptrmap);
	if (ret) {
		free(type);
		errno = -ret;
		return NULL;
	}
	if (size <= arena->max_small)
		type->size_class = gca_class_of(arena, size);
	types_add(type);
	return type;
}

/* Set the bits of one member. */
static int add_field(uint64_t *ptrmap, size_t size, size_t offset, size_t length)
{
	size_t word;

	if (offset % WORD || length % WORD || !length || offset > size || length > size - offset)
		return gca_fail(GCA_OP_TYPE, EINVAL);
	for (word = offset / WORD; word < (offset + length) / WORD; word++)
		ptrmap[word / 64] |= 1ULL << word % 64;
	return 0;
}

GCA_PUBLIC struct gca_type *gca_type_define_in(gca_arena *arena, const char *name,
					       size_t size, unsigned int nr_fields, ...)
{
	size_t words = size / WORD / 64 + 1, offset;
	struct gca_type *type = NULL;
	uint64_t *ptrmap;
	va_list fields;
	int ret = 0;

	if (!size || size > GCARENA_TYPE_SIZE_MAX) {
		gca_fail(GCA_OP_TYPE, EINVAL);
		return NULL;
	}
	ptrmap = calloc(words, sizeof(*ptrmap));
	if (!ptrmap) {
		gca_fail(GCA_OP_TYPE, ENOMEM);
		return NULL;
	}
	va_start(fields, nr_fields);
	for (; nr_fields && !ret; nr_fields--) {
		offset = va_arg(fields, size_t);
		ret = add_field(ptrmap, size, offset, va_arg(fields, size_t));
	}
	va_end(fields);
	if (!ret)
		type = gca_type_from_bitmap_in(arena, name, size, ptrmap);
	ret = errno;
	free(ptrmap);
	errno = ret;
	return type;
}
