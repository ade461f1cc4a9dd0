/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Graphs to trace, of 64-byte nodes with two pointers:
 *
 *	list	each node to the next one allocated
 *	tree	complete, numbered breadth first in the order of allocation
 *	random	one pointer leads round through all nodes in a random order, the
 *		other to any node: every step is a cache miss
 *	arrays	each node is referred to by one element of an array of 131072 pointers,
 *		and these by another array; nodes refer to nothing
 *
 * The six other words are zero.
 */
#ifndef GRAPH_H
#define GRAPH_H

#include <stddef.h>
#include <stdint.h>

struct graph_node {
	struct graph_node *a, *b;
	uint64_t rest[6];
};

_Static_assert(sizeof(struct graph_node) == 64, "the benchmark is about 64-byte nodes");

/*
 * Link @nodes, in the order of allocation, as the argument shape= says; may put
 * them in another order. All can be reached from the one it returns.
 */
struct graph_node *graph_link(struct graph_node **nodes, size_t nr);

/* For the shape arrays, which the caller makes: it knows how to allocate them. */
#define GRAPH_ARRAY_POINTERS	131072UL

static inline size_t graph_nr_arrays(size_t nr_nodes)
{
	return (nr_nodes + GRAPH_ARRAY_POINTERS - 1) / GRAPH_ARRAY_POINTERS;
}

/*
 * Drop a random half: the others become a list in the order of @nodes, and come first
 * in it afterwards. Returns how many they are. All words of the dropped ones are zero.
 */
size_t graph_halve(struct graph_node **nodes, size_t nr);

#endif /* GRAPH_H */
