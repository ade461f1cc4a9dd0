// SPDX-License-Identifier: GPL-2.0
/*
 * The ioctl commands: one table, one dispatcher.
 *
 * The dispatcher copies a command's structure in, zero-extended to the size this module
 * knows, checks size, tail, flags and reserved fields from the table, calls the command
 * on the copy, and copies the output back: after success, and after EMSGSIZE, which
 * tells how much is needed. Commands never see the program's structure itself.
 *
 * Locks: none here; each command takes the heap lock for itself.
 */
#include <linux/capability.h>
#include <linux/uaccess.h>

#include "arena.h"
#include "layout.h"
#include "name.h"

union gcarena_args {
	struct gcarena_info info;
	struct gcarena_create create;
	struct gcarena_classes classes;
	struct gcarena_type_add type;
	struct gcarena_refill refill;
	struct gcarena_release release;
	struct gcarena_alloc alloc;
	struct gcarena_free free;
	struct gcarena_collect collect;
	struct gcarena_roots roots;
	struct gcarena_set set;
	struct gcarena_stats stats;
	struct gcarena_object object;
	struct gcarena_pin pin;
	struct gcarena_permanent permanent;
	struct gcarena_name name;
	struct gcarena_id id;
	struct {
		u32 size;
		u32 flags;
	};
};

static int ioctl_info(struct gcarena *arena, union gcarena_args *args)
{
	u32 size = args->size;

	if (gcarena_lock(arena))
		return -EINTR;
	args->info = (struct gcarena_info) { .size = size };
	gcarena_info_fill(arena, &args->info);
	mutex_unlock(&arena->lock);
	return 0;
}

static int ioctl_stats(struct gcarena *arena, union gcarena_args *args)
{
	u32 size = args->size;

	if (gcarena_lock(arena))
		return -EINTR;
	args->stats = (struct gcarena_stats) { .size = size };
	gcarena_stats_fill(arena, &args->stats);
	mutex_unlock(&arena->lock);
	return 0;
}

/* Who has the privilege may take more than the administrator allows. */
static int unless_privileged(int error)
{
	return error == -EPERM && capable(CAP_SYS_RESOURCE) ? 0 : error;
}

static int ioctl_create(struct gcarena *arena, union gcarena_args *args)
{
	const struct gcarena_create *arg = &args->create;
	struct gcarena_params params;

	BUILD_BUG_ON(BIT_ULL(GCARENA_OFFSET_BITS) < GCARENA_RESERVE_MAX);
	gcarena_params_default(&params);
	if (arg->reserve)
		params.reserve = arg->reserve;
	if (arg->limit)
		params.limit = arg->limit;
	else
		params.limit = min(params.limit, params.reserve);
	if (arg->min_heap)
		params.min_heap = arg->min_heap;
	if (arg->gc_percent != GCARENA_GC_PERCENT_DEFAULT)
		params.gc_percent = arg->gc_percent;
	if (arg->root_mode != GCARENA_ROOTS_DEFAULT)
		params.root_mode = arg->root_mode;
	params.memory_limit = arg->memory_limit;

	if (params.reserve < GCARENA_RESERVE_MIN || params.reserve > GCARENA_RESERVE_MAX ||
	    params.reserve % GCARENA_CHUNK_SIZE || params.memory_limit > S64_MAX ||
	    !gcarena_percent_is_valid(params.gc_percent))
		return -EINVAL;
	if (params.root_mode > GCARENA_ROOTS_ALL)
		return -EOPNOTSUPP;
	return unless_privileged(gcarena_limit_check(params.limit, params.reserve)) ?:
	       gcarena_setup(arena, &params);
}

static int ioctl_classes(struct gcarena *arena, union gcarena_args *args)
{
	struct gcarena_classes *arg = &args->classes;
	struct gcarena_size_class __user *to = u64_to_user_ptr(arg->classes);
	u32 i, room = arg->nr;

	arg->nr = GCARENA_NR_CLASSES;
	if (room < GCARENA_NR_CLASSES)
		return -EMSGSIZE;
	for (i = 0; i < GCARENA_NR_CLASSES; i++) {
		const struct gcarena_sizeclass *sc = &gcarena_sizeclasses[i];
		struct gcarena_size_class row = {
			.slot_size = sc->slot_bytes,
			.nr_slots = sc->nr_slots,
			.span_size = sc->nr_blocks << GCARENA_BLOCK_SHIFT,
		};

		if (copy_to_user(to + i, &row, sizeof(row)))
			return -EFAULT;
	}
	return 0;
}

/* Copy and check a type's bitmap. NULL when it has none; freed with kvfree(). */
static unsigned long *copy_ptrmap(const struct gcarena_type_add *arg)
{
	unsigned long *map;

	if (!arg->ptrmap)
		return NULL;
	map = vmemdup_user(u64_to_user_ptr(arg->ptrmap),
			   gcarena_layout_map_words(arg->elem_size) * sizeof(*map));
	if (IS_ERR(map) || gcarena_layout_map_is_valid(arg->elem_size, map))
		return map;
	kvfree(map);
	return ERR_PTR(-EINVAL);
}

static int ioctl_type_add(struct gcarena *arena, union gcarena_args *args)
{
	struct gcarena_type_add *arg = &args->type;
	unsigned long *map;
	int ret;

	BUILD_BUG_ON(GCARENA_TYPE_NAME_LEN != GCARENA_TYPE_NAME_BYTES);
	BUILD_BUG_ON(GCARENA_NR_FIRST_TYPE != GCARENA_LAYOUT_FIRST_TYPE);
	if (!arg->elem_size || arg->elem_size > GCARENA_TYPE_SIZE_MAX ||
	    strnlen(arg->name, sizeof(arg->name)) == sizeof(arg->name))
		return -EINVAL;
	if (!gcarena_is_created(arena))
		return -ENXIO;
	gcarena_name_clean(arg->name);
	map = copy_ptrmap(arg);
	if (IS_ERR(map))
		return PTR_ERR(map);
	if (gcarena_lock(arena)) {
		kvfree(map);
		return -EINTR;
	}
	ret = gcarena_layout_add(&arena->heap, arg->elem_size, map, arg->name,
				 GCARENA_TYPES_MAX + GCARENA_LAYOUT_FIRST_TYPE);
	mutex_unlock(&arena->lock);
	if (ret < 0) {
		kvfree(map);
		return ret;
	}
	arg->layout = ret;
	return 0;
}

static int ioctl_refill(struct gcarena *arena, union gcarena_args *args)
{
	return gcarena_refill(arena, &args->refill);
}

static int ioctl_release(struct gcarena *arena, union gcarena_args *args)
{
	return gcarena_release(arena, &args->release);
}

static int ioctl_alloc(struct gcarena *arena, union gcarena_args *args)
{
	return gcarena_object_alloc(arena, &args->alloc);
}

static int ioctl_free(struct gcarena *arena, union gcarena_args *args)
{
	return gcarena_object_free(arena, args->free.addr);
}

static int ioctl_collect(struct gcarena *arena, union gcarena_args *args)
{
	return gcarena_collect_now(arena, &args->collect);
}

static int ioctl_roots_add(struct gcarena *arena, union gcarena_args *args)
{
	return gcarena_range_add(arena, args->roots.addr, args->roots.len,
				 args->flags & GCARENA_ROOTS_PRECISE);
}

static int ioctl_roots_del(struct gcarena *arena, union gcarena_args *args)
{
	return gcarena_range_del(arena, args->roots.addr, args->roots.len,
				 args->flags & GCARENA_ROOTS_PRECISE);
}

static int ioctl_set(struct gcarena *arena, union gcarena_args *args)
{
	int ret;

	if (!gcarena_is_created(arena))
		return -ENXIO;
	if (gcarena_lock(arena))
		return -EINTR;
	ret = unless_privileged(gcarena_knob_check(arena, args->set.param, args->set.value));
	if (!ret)
		args->set.value = gcarena_knob_set(arena, args->set.param, args->set.value);
	mutex_unlock(&arena->lock);
	return ret;
}

static int ioctl_object(struct gcarena *arena, union gcarena_args *args)
{
	return gcarena_object_query(arena, &args->object);
}

static int ioctl_pin(struct gcarena *arena, union gcarena_args *args)
{
	return gcarena_object_pin(arena, args->pin.addr);
}

static int ioctl_unpin(struct gcarena *arena, union gcarena_args *args)
{
	return gcarena_object_unpin(arena, args->pin.addr);
}

static int ioctl_permanent(struct gcarena *arena, union gcarena_args *args)
{
	return gcarena_object_permanent(arena, args->permanent.addr);
}

static int ioctl_name(struct gcarena *arena, union gcarena_args *args)
{
	if (!gcarena_name_is_valid(args->name.name, sizeof(args->name.name)))
		return -EINVAL;
	gcarena_registry_set_name(arena, args->name.name);
	return 0;
}

static int ioctl_id(struct gcarena *arena, union gcarena_args *args)
{
	return gcarena_object_id(arena, &args->id);
}

/**
 * struct command - one row of the table
 * @call: does the work on the copied structure
 * @size: what this module knows of the structure
 * @min_size: the structure's first version
 * @flags: flag bits that are defined
 * @reserved: offset of a __u32 that must be zero, or 0 for none
 * @output: the structure is copied back
 */
struct command {
	int (*call)(struct gcarena *arena, union gcarena_args *args);
	size_t size;
	size_t min_size;
	u32 flags;
	size_t reserved;
	bool output;
};

/* The first version of a structure ends with its field @last. */
#define COMMAND(fn, type, last, out, ...) {		\
	.call = (fn),					\
	.size = sizeof(struct type),			\
	.min_size = offsetofend(struct type, last),	\
	.output = (out),				\
	__VA_ARGS__					\
}

static const struct command commands[] = {
	[_IOC_NR(GCARENA_IOC_INFO)] =
		COMMAND(ioctl_info, gcarena_info, memory_limit, true),
	[_IOC_NR(GCARENA_IOC_CREATE)] =
		COMMAND(ioctl_create, gcarena_create, memory_limit, false),
	[_IOC_NR(GCARENA_IOC_CLASSES)] =
		COMMAND(ioctl_classes, gcarena_classes, reserved, true,
			.reserved = offsetof(struct gcarena_classes, reserved)),
	[_IOC_NR(GCARENA_IOC_TYPE_ADD)] =
		COMMAND(ioctl_type_add, gcarena_type_add, name, true),
	[_IOC_NR(GCARENA_IOC_REFILL)] =
		COMMAND(ioctl_refill, gcarena_refill, cycle, true),
	[_IOC_NR(GCARENA_IOC_RELEASE)] =
		COMMAND(ioctl_release, gcarena_release, reserved, false,
			.flags = GCARENA_RELEASE_ALL,
			.reserved = offsetof(struct gcarena_release, reserved)),
	[_IOC_NR(GCARENA_IOC_ALLOC)] =
		COMMAND(ioctl_alloc, gcarena_alloc, addr, true,
			.reserved = offsetof(struct gcarena_alloc, reserved)),
	[_IOC_NR(GCARENA_IOC_FREE)] =
		COMMAND(ioctl_free, gcarena_free, addr, false),
	[_IOC_NR(GCARENA_IOC_COLLECT)] =
		COMMAND(ioctl_collect, gcarena_collect, moved_bytes, true,
			.flags = GCARENA_COLLECT_RELEASE | GCARENA_COLLECT_PERMANENT,
			.reserved = offsetof(struct gcarena_collect, reserved)),
	[_IOC_NR(GCARENA_IOC_ROOTS_ADD)] =
		COMMAND(ioctl_roots_add, gcarena_roots, len, false,
			.flags = GCARENA_ROOTS_PRECISE),
	[_IOC_NR(GCARENA_IOC_ROOTS_DEL)] =
		COMMAND(ioctl_roots_del, gcarena_roots, len, false,
			.flags = GCARENA_ROOTS_PRECISE),
	[_IOC_NR(GCARENA_IOC_SET)] =
		COMMAND(ioctl_set, gcarena_set, value, true,
			.reserved = offsetof(struct gcarena_set, reserved)),
	[_IOC_NR(GCARENA_IOC_STATS)] =
		COMMAND(ioctl_stats, gcarena_stats, limit_throttled, true),
	[_IOC_NR(GCARENA_IOC_OBJECT)] =
		COMMAND(ioctl_object, gcarena_object, state, true),
	[_IOC_NR(GCARENA_IOC_PIN)] =
		COMMAND(ioctl_pin, gcarena_pin, addr, false),
	[_IOC_NR(GCARENA_IOC_UNPIN)] =
		COMMAND(ioctl_unpin, gcarena_pin, addr, false),
	[_IOC_NR(GCARENA_IOC_PERMANENT)] =
		COMMAND(ioctl_permanent, gcarena_permanent, addr, false),
	[_IOC_NR(GCARENA_IOC_NAME)] =
		COMMAND(ioctl_name, gcarena_name, name, false),
	[_IOC_NR(GCARENA_IOC_ID)] =
		COMMAND(ioctl_id, gcarena_id, id, true),
};

static int check_common(const struct command *command, const union gcarena_args *args)
{
	const void *reserved = (const void *)args + command->reserved;

	if (args->flags & ~command->flags)
		return -EOPNOTSUPP;
	if (command->reserved && *(const u32 *)reserved)
		return -EOPNOTSUPP;
	return 0;
}

static int copy_back(const struct command *command, void __user *to,
		     const union gcarena_args *args, u32 size)
{
	if (!command->output)
		return 0;
	return copy_to_user(to, args, min_t(size_t, size, command->size)) ? -EFAULT : 0;
}

/* Entry point for all commands. */
long gcarena_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct gcarena *arena = file->private_data;
	unsigned int nr = _IOC_NR(cmd);
	void __user *user = (void __user *)arg;
	const struct command *command;
	union gcarena_args args;
	u32 size;
	int ret, back;

	if (nr >= ARRAY_SIZE(commands) || cmd != _IO(GCARENA_IOC_TYPE, nr))
		return -ENOTTY;
	command = &commands[nr];
	if (!command->call)	/* a number that is not used */
		return -ENOTTY;
	if (get_user(size, (u32 __user *)user))
		return -EFAULT;
	if (size < command->min_size)
		return -EINVAL;
	ret = copy_struct_from_user(&args, command->size, user, size);
	if (ret)
		return ret;
	/* The program may have changed it since; nothing but this copy is used. */
	args.size = size;
	ret = check_common(command, &args) ?: command->call(arena, &args);
	if (ret && ret != -EMSGSIZE)
		return ret;
	back = copy_back(command, user, &args, size);
	return back ?: ret;
}
