// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "bench.h"
#include "graph.h"

static void link_list(struct graph_node **nodes, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		nodes[i]->a = i + 1 < nr ? nodes[i + 1] : NULL;
		nodes[i]->b = NULL;
	}
}

static void link_tree(struct graph_node **nodes, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		nodes[i]->a = 2 * i + 1 < nr ? nodes[2 * i + 1] : NULL;
		nodes[i]->b = 2 * i + 2 < nr ? nodes[2 * i + 2] : NULL;
	}
}

static void shuffle(struct graph_node **nodes, size_t nr, uint64_t *seed)
{
	struct graph_node *swap;
	size_t i, j;

	for (i = nr - 1; i > 0; i--) {
		j = random_below(seed, i + 1);
		swap = nodes[i];
		nodes[i] = nodes[j];
		nodes[j] = swap;
	}
}

static void link_random(struct graph_node **nodes, size_t nr)
{
	uint64_t seed = 20260801;
	size_t i;

	shuffle(nodes, nr, &seed);
	for (i = 0; i < nr; i++) {
		nodes[i]->a = nodes[random_below(&seed, nr)];
		nodes[i]->b = nodes[(i + 1) % nr];
	}
}

struct graph_node *graph_link(struct graph_node **nodes, size_t nr)
{
	if (bench_arg_is("shape", "list"))
		link_list(nodes, nr);
	else if (bench_arg_is("shape", "tree"))
		link_tree(nodes, nr);
	else if (bench_arg_is("shape", "random"))
		link_random(nodes, nr);
	else
		bench_die("shape=list, tree or random");
	return nodes[0];
}

size_t graph_halve(struct graph_node **nodes, size_t nr)
{
	uint64_t seed = 20260802;
	size_t i, live = 0;

	for (i = 0; i < nr; i++) {
		memset(nodes[i], 0, sizeof(*nodes[i]));
		if (random_next(&seed) >> 63)
			nodes[live++] = nodes[i];
	}
	link_list(nodes, live);
	return live;
}
