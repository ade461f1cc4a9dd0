// SPDX-License-Identifier: GPL-2.0
/*
 * Pins: objects that must stay where they are, and stay, because the program has given
 * their addresses to somebody whom the collector does not see.
 *
 * Each process has its own, counted, in a tree by offset. They are roots like any word
 * that may be a pointer, and so they need no more than to be read: roots.c.
 *
 * Everything here is protected by the heap lock.
 */
#include "arena.h"

/**
 * struct gcarena_pinned - an object that the process has pinned
 * @node: in mapping->pins
 * @where: the object, at the time it was pinned first
 * @count: how often it is pinned
 */
struct gcarena_pinned {
	struct rb_node node;
	struct gcarena_run where;
	u32 count;
};

static struct gcarena_pinned *pinned_of(struct rb_node *node)
{
	return rb_entry(node, struct gcarena_pinned, node);
}

/* A pin in [@start, @start + @bytes), or NULL and where one would be. */
static struct gcarena_pinned *find(struct gcarena_mapping *mapping, u64 start, u64 bytes,
				   struct rb_node **parent, struct rb_node ***link)
{
	struct rb_node **node = &mapping->pins.rb_node;

	*parent = NULL;
	while (*node) {
		struct gcarena_pinned *pinned = pinned_of(*node);

		*parent = *node;
		if (start + bytes <= pinned->where.start)
			node = &(*node)->rb_left;
		else if (start >= pinned->where.start + pinned->where.bytes)
			node = &(*node)->rb_right;
		else
			return pinned;
	}
	*link = node;
	return NULL;
}

static void drop(struct gcarena_mapping *mapping, struct gcarena_pinned *pinned)
{
	rb_erase(&pinned->node, &mapping->pins);
	mapping->nr_pins--;
	kfree(pinned);
}

/*
 * The pin of that very object, or NULL and where it would be. Others in its place are of
 * objects that were pinned when they were freed.
 */
static struct gcarena_pinned *find_exactly(struct gcarena_mapping *mapping,
					   const struct gcarena_run *where,
					   struct rb_node **parent, struct rb_node ***link)
{
	struct gcarena_pinned *pinned;

	while ((pinned = find(mapping, where->start, where->bytes, parent, link))) {
		if (pinned->where.start == where->start && pinned->where.bytes == where->bytes)
			break;
		drop(mapping, pinned);
	}
	return pinned;
}

static int pin_locked(struct gcarena *arena, u64 addr)
{
	struct gcarena_mapping *mapping = gcarena_mapping_get(arena);
	struct rb_node *parent, **link;
	struct gcarena_pinned *pinned;
	struct gcarena_run where;
	int ret;

	if (IS_ERR(mapping))
		return PTR_ERR(mapping);
	ret = gcarena_object_locate(arena, addr, &where);
	if (ret)
		return ret;
	pinned = find_exactly(mapping, &where, &parent, &link);
	if (pinned && pinned->count < U32_MAX) {
		pinned->count++;
		return 0;
	}
	if (pinned || mapping->nr_pins >= GCARENA_PINS_MAX)
		return -ENOSPC;
	pinned = kmalloc(sizeof(*pinned), GCARENA_GFP);
	if (!pinned)
		return -ENOMEM;
	pinned->where = where;
	pinned->count = 1;
	rb_link_node(&pinned->node, parent, link);
	rb_insert_color(&pinned->node, &mapping->pins);
	mapping->nr_pins++;
	return 0;
}

static int unpin_locked(struct gcarena *arena, u64 addr)
{
	struct gcarena_mapping *mapping = gcarena_mapping_get(arena);
	struct rb_node *parent, **link;
	struct gcarena_pinned *pinned;
	struct heap_slot slot;

	if (IS_ERR(mapping))
		return PTR_ERR(mapping);
	pinned = find(mapping, addr - arena->heap.base, 1, &parent, &link);
	if (!pinned)
		return -ENOENT;
	if (--pinned->count)
		return 0;
	slot = gcarena_heap_resolve(&arena->heap, pinned->where.start);
	if (slot.span)
		slot.span->stuck = false;
	drop(mapping, pinned);
	return 0;
}

static int with_lock(struct gcarena *arena, u64 addr,
		     int (*call)(struct gcarena *arena, u64 addr))
{
	int ret;

	if (gcarena_lock(arena))
		return -EINTR;
	ret = call(arena, addr);
	mutex_unlock(&arena->lock);
	return ret;
}

/* GCARENA_IOC_PIN. Return: 0 or a negative errno as in the ABI. */
int gcarena_object_pin(struct gcarena *arena, u64 addr)
{
	return with_lock(arena, addr, pin_locked);
}

/* GCARENA_IOC_UNPIN. Return: 0 or a negative errno as in the ABI. */
int gcarena_object_unpin(struct gcarena *arena, u64 addr)
{
	return with_lock(arena, addr, unpin_locked);
}

/**
 * gcarena_pins_read() - the addresses of pinned objects
 * @arena: the arena
 * @mapping: whose pins
 * @node: where to go on, NULL at first
 * @words: room for @room addresses
 * @room: see @words
 *
 * Return: how many there are in @words; 0 at the end.
 */
unsigned int gcarena_pins_read(const struct gcarena *arena, const struct gcarena_mapping *mapping,
			       struct rb_node **node, unsigned long *words, unsigned int room)
{
	struct rb_node *next = *node ? rb_next(*node) : rb_first(&mapping->pins);
	unsigned int nr;

	for (nr = 0; next && nr < room; nr++) {
		words[nr] = arena->heap.base + pinned_of(next)->where.start;
		*node = next;
		next = rb_next(next);
	}
	return nr;
}

/* The mapping goes. */
void gcarena_pins_free(struct gcarena_mapping *mapping)
{
	struct gcarena_pinned *pinned, *next;

	rbtree_postorder_for_each_entry_safe(pinned, next, &mapping->pins, node)
		kfree(pinned);
}
