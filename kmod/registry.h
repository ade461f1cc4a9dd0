/* SPDX-License-Identifier: GPL-2.0 */
#ifndef GCARENA_REGISTRY_H
#define GCARENA_REGISTRY_H

#include <linux/completion.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include <linux/gcarena.h>

struct gcarena;
struct net;
struct pid;

/**
 * struct gcarena_entry - what makes an arena known outside of its processes
 * @id: its number, never 0
 * @birth: how many arenas there had been then
 * @users: one for the list, one for each gcarena_find()
 * @unused: @users has fallen to 0
 * @opener: the process that opened it
 * @net: the network namespace that hears of it: that of the opener
 * @name_lock: protects @name
 * @name: what the program calls it, or ""
 */
struct gcarena_entry {
	u32 id;
	u64 birth;
	refcount_t users;
	struct completion unused;
	struct pid *opener;
	struct net *net;
	spinlock_t name_lock;		/* name */
	char name[GCARENA_NAME_LEN];
};

int gcarena_registry_add(struct gcarena *arena);
void gcarena_registry_remove(struct gcarena *arena);
void gcarena_registry_put(struct gcarena *arena);
void gcarena_registry_set_name(struct gcarena *arena, const char *name);
void gcarena_registry_get_name(struct gcarena *arena, char *name);
struct gcarena *gcarena_find(u32 id);
struct gcarena *gcarena_find_next(u32 id);
void gcarena_find_end(struct gcarena *arena);
u32 gcarena_registry_generation(void);
u64 gcarena_registry_births(void);

#endif
