/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A program at work on a live heap. mib= MiB (a power of two) of 64-byte nodes are
 * linked as shape= says, and stay so: each can be replaced by a new one, in constant time.
 *
 *	list	each node to the next
 *	tree	complete, numbered breadth first
 *	random	one pointer leads round through all nodes in a random order, the other
 *		anywhere: the nodes of graph.h are like this, but there nobody knows
 *		who points to a node
 *
 * A transaction is MUTATOR_ALLOCATIONS allocations. All but the last are of garbage=
 * bytes without pointers (default: nodes as the others), and become garbage after
 * MUTATOR_RING more; the last is a node that takes the place of a random live one, whose
 * predecessor is written: one write to an old object for each transaction, two in the
 * random graph. With hot= it is one of the first hot= percent of nodes: a program that
 * leaves most of what lives alone, as most do.
 */
#ifndef MUTATOR_H
#define MUTATOR_H

#include "graph.h"

#define MUTATOR_ALLOCATIONS	16
#define MUTATOR_RING		1024
/* Odd, so that multiplying by it permutes the numbers below a power of two. */
#define MUTATOR_STRIDE		0x9e3779b1UL

static struct {
	struct graph_node **nodes;	/* hidden: keeps nothing alive */
	size_t nr, mask, inverse, hot;
	size_t turn, garbage;
	uint64_t seed;
	void (*replace)(size_t i, struct graph_node *new);
	contender_type type;
} mutator = { .seed = 20260803 };

/* What keeps objects alive; data segment. */
static struct graph_node *mutator_root;
static void *mutator_ring[MUTATOR_RING];

static inline struct graph_node *mutator_alloc(void)
{
	struct graph_node *n = contender_new(mutator.type, sizeof(*n));

	if (__builtin_expect(!n, 0))
		bench_die("out of memory");
	n->rest[0] = 1;
	return n;
}

static void mutator_replace_list(size_t i, struct graph_node *new)
{
	new->a = mutator.nodes[i]->a;
	mutator.nodes[i - 1]->a = new;
}

static void mutator_replace_tree(size_t i, struct graph_node *new)
{
	struct graph_node *parent = mutator.nodes[(i - 1) / 2];

	new->a = mutator.nodes[i]->a;
	new->b = mutator.nodes[i]->b;
	if (i % 2)
		parent->a = new;
	else
		parent->b = new;
}

static void mutator_replace_random(size_t i, struct graph_node *new)
{
	size_t referrer = (i * mutator.inverse) & mutator.mask;

	new->a = mutator.nodes[i]->a;
	new->b = mutator.nodes[i]->b;
	if (new->a == mutator.nodes[i])
		new->a = new;
	mutator.nodes[(i - 1) & mutator.mask]->b = new;
	mutator.nodes[referrer]->a = new;
}

/* Newton's iteration doubles the bits that are right: three at first. */
static size_t mutator_invert(size_t odd)
{
	size_t inverse = odd;
	int i;

	for (i = 0; i < 5; i++)
		inverse *= 2 - odd * inverse;
	return inverse;
}

static void mutator_link_random(void)
{
	struct graph_node **nodes = mutator.nodes, *swap;
	size_t i, j;

	mutator.inverse = mutator_invert(MUTATOR_STRIDE);
	for (i = mutator.nr - 1; i > 0; i--) {
		j = random_below(&mutator.seed, i + 1);
		swap = nodes[i];
		nodes[i] = nodes[j];
		nodes[j] = swap;
	}
	for (i = 0; i < mutator.nr; i++) {
		nodes[i]->a = nodes[(i * MUTATOR_STRIDE) & mutator.mask];
		nodes[i]->b = nodes[(i + 1) & mutator.mask];
	}
	mutator.replace = mutator_replace_random;
}

static void mutator_link(void)
{
	if (bench_arg_is("shape", "random")) {
		mutator_link_random();
	} else {
		graph_link(mutator.nodes, mutator.nr);
		mutator.replace = bench_arg_is("shape", "tree") ? mutator_replace_tree
								: mutator_replace_list;
	}
	mutator_root = mutator.nodes[0];
}

/* Collections are off while it grows, and start by themselves from here on. */
static void mutator_build(void)
{
	struct graph_node *n;
	size_t i;

	mutator.nr = bench_arg_number("mib", 64) * MIB / sizeof(struct graph_node);
	mutator.mask = mutator.nr - 1;
	mutator.hot = mutator.nr * bench_arg_number("hot", 100) / 100;
	if (*bench_arg("garbage", ""))
		mutator.garbage = bench_arg_number("garbage", 64);
	if (mutator.nr & mutator.mask)
		bench_die("mib= must be a power of two");
	mutator.nodes = bench_hidden_alloc(mutator.nr * sizeof(*mutator.nodes));
	mutator.type = CONTENDER_TYPE(graph_node, a, b);
	contender_auto_collect(false);
	for (i = 0; i < mutator.nr; i++) {
		n = mutator_alloc();
		n->a = mutator_root;
		mutator_root = n;
		mutator.nodes[i] = n;
	}
	mutator_link();
	contender_collect();
	contender_auto_collect(true);
}

static inline void mutator_garbage(void)
{
	void **slot = &mutator_ring[mutator.turn++ % MUTATOR_RING], *new;

	new = mutator.garbage ? contender_alloc_noscan(mutator.garbage) : mutator_alloc();
	if (__builtin_expect(!new, 0))
		bench_die("out of memory");
	*(volatile long *)new = 1;
	contender_free(*slot);
	*slot = new;
}

/* The first node is never replaced: it is the root. */
static inline void mutator_transaction(void)
{
	size_t i = 1 + random_below(&mutator.seed, mutator.hot - 1);
	struct graph_node *n;
	int k;

	for (k = 1; k < MUTATOR_ALLOCATIONS; k++)
		mutator_garbage();
	n = mutator_alloc();
	mutator.replace(i, n);
	contender_free(mutator.nodes[i]);
	mutator.nodes[i] = n;
}

/* Does everything live that should? Walks what leads through all nodes. */
static void mutator_check(void)
{
	bool list = bench_arg_is("shape", "list");
	struct graph_node *n = mutator_root;
	size_t i;

	if (bench_arg_is("shape", "tree"))
		return;
	for (i = 0; i < mutator.nr; i++) {
		if (n != mutator.nodes[i] || n->rest[0] != 1)
			bench_die("node %zu of the live graph is damaged", i);
		n = list ? n->a : n->b;
	}
}

/* Transactions in which as much is allocated as lives, cycles= times. */
static size_t mutator_transactions(unsigned long cycles)
{
	size_t node = sizeof(struct graph_node);
	size_t bytes = (MUTATOR_ALLOCATIONS - 1) * (mutator.garbage ?: node) + node;

	return bench_arg_number("cycles", cycles) * mutator.nr * node / bytes;
}

#endif /* MUTATOR_H */
