// SPDX-License-Identifier: GPL-2.0
/*
 * The library from C++: its header compiles there, types can be declared with the
 * same macros, and a small graph lives and dies. Says TAP by itself.
 */
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "gcarena.h"

namespace {

struct Tree {
	Tree *left, *right;
	long key;
	void *extra[2];
};

/* Derived: no aggregate, so only its size matters. */
struct Named : Tree {
	char name[24];
};

int tests, failures;

void check(bool good, const char *what)
{
	tests++;
	if (!good)
		failures++;
	std::printf("%sok %d - %s\n", good ? "" : "not ", tests, what);
}

Tree *insert(Tree *tree, gca_type *type, long key)
{
	if (!tree) {
		tree = static_cast<Tree *>(gca_new(type));
		if (tree)
			tree->key = key;
		return tree;
	}
	Tree *&side = key < tree->key ? tree->left : tree->right;

	side = insert(side, type, key);
	return tree;
}

long count(const Tree *tree)
{
	return tree ? 1 + count(tree->left) + count(tree->right) : 0;
}

gca_arena *open_arena()
{
	gca_options options = {};

	options.size = sizeof(options);
	options.root_mode = GCA_ROOTS_EXPLICIT;
	options.gc_percent = GCA_GC_PERCENT_OFF;
	return gca_open(&options);
}

bool collect(gca_arena *arena, uint64_t expected)
{
	gca_collection result = {};

	result.size = sizeof(result);
	gca_flush();
	return gca_collect_in(arena, GCA_FULL, &result) == 0 && result.live_objects == expected;
}

void test_graph(gca_arena *arena)
{
	static Tree *root;
	gca_type *type = GCA_TYPE_IN(arena, Tree, left, right, extra);
	bool collected;

	check(type != nullptr, "GCA_TYPE_IN with members and an array member");
	check(gca_roots_add_in(arena, &root, sizeof(root)) == 0, "gca_roots_add_in");
	for (long i = 0; i < 1000; i++)
		root = insert(root, type, (i * 7919 + 500) % 1000);
	check(count(root) == 1000, "a tree of 1000");
	root->extra[1] = gca_alloc_noscan_in(arena, 100);
	check(collect(arena, 1001), "all of it survives a collection");
	root->left = nullptr;
	root->extra[1] = nullptr;
	collected = collect(arena, count(root));
	check(collected && count(root) < 1000, "what is unlinked does not");
	root = nullptr;
	check(collect(arena, 0), "nor what nothing points to");
}

void test_types(gca_arena *arena)
{
	gca_type *type = GCA_TYPE_NOSCAN_IN(arena, Named);
	gca_object object = {};
	Named *many = static_cast<Named *>(gca_make(type, 10));

	object.size = sizeof(object);
	check(many != nullptr && gca_query(&many[9], &object) == 0, "gca_query");
	check(object.base == many && object.type == type, "it finds array and type");
	check(gca_free(many) == 0, "gca_free");
}

void test_default()
{
	gca_type *type = GCA_TYPE(Tree, left, right);
	Tree *tree = static_cast<Tree *>(gca_new(type));
	gca_stats stats = {};

	stats.size = sizeof(stats);
	check(tree != nullptr && !tree->left && !tree->key, "gca_new in the default arena");
	check(gca_collect(GCA_FULL) == 0, "gca_collect");
	check(gca_read_stats(&stats) == 0 && stats.num_gc >= 1, "gca_read_stats");
	check(gca_alloc(SIZE_MAX) == nullptr && *gca_strerror(errno), "gca_strerror");
	/* Used here, so the object was on the stack all the time. */
	check(tree->key == 0 && gca_realloc(tree, 2 * sizeof(*tree)), "gca_realloc");
}

} // namespace

int main()
{
	gca_arena *arena = open_arena();

	std::printf("TAP version 13\n1..15\n");
	if (!arena) {
		std::printf("Bail out! gca_open: %s\n", gca_strerror(errno));
		return 1;
	}
	test_graph(arena);
	test_types(arena);
	test_default();
	check(gca_close(arena) == 0, "gca_close");
	return failures ? 1 : 0;
}
