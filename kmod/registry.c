// SPDX-License-Identifier: GPL-2.0
/*
 * The list of all arenas, for those who look from outside: netlink.
 *
 * An arena is entered when open() has made it, and taken off by its last close. Who finds
 * it there may use it until gcarena_find_end(); the last close waits for that, so nobody
 * between the two may wait for the program, touch its memory, or block for long.
 *
 * Locks: that of the xarray, a spin lock, innermost. What is on the list has not been
 * closed, so a reference can be taken under it. That of a name is innermost, too.
 */
#include <linux/cred.h>
#include <linux/nsproxy.h>
#include <linux/pid.h>
#include <linux/user_namespace.h>
#include <linux/xarray.h>
#include <net/net_namespace.h>

#include "arena.h"
#include "registry.h"

static DEFINE_XARRAY_ALLOC1(arenas);
static u32 last_id;

/* How often the list has changed. Never 0, which to a dump means: not known yet. */
static atomic_t generation = ATOMIC_INIT(1);

/* Arenas so far. Numbers begin anew some day; this does not. */
static atomic64_t births;

static void list_has_changed(void)
{
	if (!atomic_inc_return(&generation))
		atomic_inc(&generation);
}

u32 gcarena_registry_generation(void)
{
	return atomic_read(&generation);
}

u64 gcarena_registry_births(void)
{
	return atomic64_read(&births);
}

/*
 * Who administers the opener's network namespace hears of the arena. One who has
 * privileges above that namespace, and merely visits it, shall not be overheard.
 */
static struct net *net_of_opener(void)
{
	struct net *net = current->nsproxy->net_ns;

	return get_net(current_in_userns(net->user_ns) ? net : &init_net);
}

/* Return: 0 or -ENOMEM, -EBUSY: there are 2^32 arenas. */
int gcarena_registry_add(struct gcarena *arena)
{
	struct gcarena_entry *entry = &arena->entry;
	int ret;

	refcount_set(&entry->users, 1);
	init_completion(&entry->unused);
	spin_lock_init(&entry->name_lock);
	entry->birth = atomic64_inc_return(&births);
	entry->opener = get_pid(task_tgid(current));
	entry->net = net_of_opener();
	/* The number must be there when the arena can be found: enter nothing at first. */
	ret = xa_alloc_cyclic(&arenas, &entry->id, NULL, xa_limit_32b, &last_id, GCARENA_GFP);
	if (ret < 0) {
		put_net(entry->net);
		put_pid(entry->opener);
		return ret;
	}
	/* Cannot fail: its place has been allocated. */
	xa_store(&arenas, entry->id, arena, GCARENA_GFP);
	list_has_changed();
	return 0;
}

/* From now on nobody finds the arena, and nobody has found it. */
void gcarena_registry_remove(struct gcarena *arena)
{
	struct gcarena_entry *entry = &arena->entry;

	xa_erase(&arenas, entry->id);
	list_has_changed();
	gcarena_find_end(arena);
	wait_for_completion(&entry->unused);
}

/* The last that is done with the entry of an arena that was removed. */
void gcarena_registry_put(struct gcarena *arena)
{
	put_net(arena->entry.net);
	put_pid(arena->entry.opener);
}

/* @name: a name, or "" for none. */
void gcarena_registry_set_name(struct gcarena *arena, const char *name)
{
	spin_lock(&arena->entry.name_lock);
	strscpy(arena->entry.name, name, sizeof(arena->entry.name));
	spin_unlock(&arena->entry.name_lock);
}

/* Copy it to @name, of GCARENA_NAME_LEN bytes. */
void gcarena_registry_get_name(struct gcarena *arena, char *name)
{
	spin_lock(&arena->entry.name_lock);
	memcpy(name, arena->entry.name, sizeof(arena->entry.name));
	spin_unlock(&arena->entry.name_lock);
}

/* The arena of that number, or NULL. End with gcarena_find_end(). */
struct gcarena *gcarena_find(u32 id)
{
	struct gcarena *arena;

	xa_lock(&arenas);
	arena = xa_load(&arenas, id);
	if (arena)
		refcount_inc(&arena->entry.users);
	xa_unlock(&arenas);
	return arena;
}

/* The first arena that has at least number @id, or NULL. End with gcarena_find_end(). */
struct gcarena *gcarena_find_next(u32 id)
{
	unsigned long at = id;
	struct gcarena *arena;

	/* Looking takes the lock itself, and drops it: what was found may be gone. */
	do {
		if (!xa_find(&arenas, &at, U32_MAX, XA_PRESENT))
			return NULL;
		arena = gcarena_find(at);
	} while (!arena && at++ < U32_MAX);
	return arena;
}

void gcarena_find_end(struct gcarena *arena)
{
	if (refcount_dec_and_test(&arena->entry.users))
		complete(&arena->entry.unused);
}
