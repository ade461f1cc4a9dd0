/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Graphs to trace, of 64-byte nodes with two pointers:
 *
 *	list	each node to the next one allocated
 *	tree	complete, numbered breadth first in the order of allocation
 *	random	one pointer leads round through all nodes in a random order, the
 *		other to any node: every step is a cache miss
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

#endif /* GRAPH_H */
