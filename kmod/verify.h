/* SPDX-License-Identifier: GPL-2.0 */
#ifndef GCARENA_VERIFY_H
#define GCARENA_VERIFY_H

#include "heap.h"

struct verify_frame;

/**
 * struct gcarena_verifier - a second, slow look at one cycle
 * @heap: what is looked at
 * @roots: the words of the roots that lie in the arena, as offsets
 * @nr_roots: how many
 * @room_roots: entries in @roots
 * @reached: for each chunk one bit for each 16 bytes: an object that begins there
 *	was reached
 * @nr_reached: entries in @reached
 * @nr_objects: objects reached
 * @stack: the path to the object that is being read
 * @depth: objects on it
 * @room_stack: entries in @stack
 * @steps: words read so far
 * @untraced: marks say nothing: do not miss any
 * @error: -ENOMEM once a root could not be noted
 */
struct gcarena_verifier {
	struct gcarena_heap *heap;
	u64 *roots;
	size_t nr_roots;
	size_t room_roots;
	unsigned long **reached;
	u32 nr_reached;
	u64 nr_objects;
	struct verify_frame *stack;
	size_t depth;
	size_t room_stack;
	u64 steps;
	bool untraced;
	int error;
};

void gcarena_verifier_init(struct gcarena_verifier *v, struct gcarena_heap *heap);
void gcarena_verifier_destroy(struct gcarena_verifier *v);
void gcarena_verify_root_words(struct gcarena_verifier *v, const unsigned long *words,
			       size_t nr);
int gcarena_verify_marks(struct gcarena_verifier *v);
int gcarena_verify_again(struct gcarena_verifier *v);
void gcarena_verify_cut(struct gcarena_heap *heap);
int gcarena_verify_heap(struct gcarena_heap *heap);

#endif
