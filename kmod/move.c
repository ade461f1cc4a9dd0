// SPDX-License-Identifier: GPL-2.0
/*
 * The compacting part of a cycle: brings together what compact.c does to the heap, slots.c
 * to the programs' memory, and in tests the verifier.
 *
 *	before the stop		gcarena_move_begin(): memory for pins
 *	as roots are read	gcarena_move_root_words(), gcarena_move_slots()
 *	after marking		gcarena_move_run(): sweep, and for each of the three plans:
 *				plan, prepare the slots, move, write the slots
 *	at the end		gcarena_move_end()
 *
 * Beside the program (evacuate.c), a few chunks at a time, it is the same without a
 * collection: gcarena_move_begin_regions(), roots, gcarena_move_regions(), gcarena_move_end().
 *
 * Up to the first move everything can fail or be killed, and then all objects are where they
 * were. When the second or third plan cannot be made, for want of memory, what was done
 * before is good enough.
 *
 * Here is the one place where it is known of each object whether it is dead (after the
 * sweep), and where it goes: what else refers to objects is to be told in carry_out().
 *
 * Needs the heap lock throughout.
 */
#include <linux/ktime.h>
#include <linux/printk.h>

#include "arena.h"
#include "compact.h"
#include "move.h"
#include "remember.h"
#include "shift.h"
#include "slots.h"
#include "trace.h"
#include "verify.h"
#include "zeal.h"

#undef pr_fmt
#define pr_fmt(fmt) "gcarena: compact: " fmt

/**
 * struct gcarena_move - a compacting cycle
 * @compact: the heap's part
 * @slots: the programs' part
 * @verify: have the verifier look
 * @verifier: the verifier, with all roots
 * @reachable: what it found before anything moved
 */
struct gcarena_move {
	struct gcarena_compact compact;
	struct gcarena_slots slots;
	bool verify;
	struct gcarena_verifier verifier;
	u64 reachable;
};

static int begin(struct gcarena *arena,
		 int (*init)(struct gcarena_compact *c, struct gcarena_heap *heap))
{
	struct gcarena_move *move;

	lockdep_assert_held(&arena->lock);
	arena->counters.moved_last = (struct heap_tally) { };
	move = kvzalloc(sizeof(*move), GCARENA_GFP);
	if (!move)
		return -ENOMEM;
	if (init(&move->compact, &arena->heap)) {
		kvfree(move);
		return -ENOMEM;
	}
	gcarena_slots_init(&move->slots);
	gcarena_verifier_init(&move->verifier, &arena->heap);
	move->verify = gcarena_zeal_verify();
	arena->move = move;
	return 0;
}

/* Return: 0 or -ENOMEM. In any case gcarena_move_end() must be called. */
int gcarena_move_begin(struct gcarena *arena)
{
	return begin(arena, gcarena_compact_init);
}

/* The same for @nr @regions alone. */
int gcarena_move_begin_regions(struct gcarena *arena, const struct remember_region *regions, u32 nr)
{
	int ret = begin(arena, gcarena_compact_init_none);

	while (!ret && nr--)
		ret = gcarena_compact_add(&arena->move->compact, regions[nr].chunk);
	return ret;
}

void gcarena_move_end(struct gcarena *arena)
{
	struct gcarena_move *move = arena->move;

	if (!move)
		return;
	arena->move = NULL;
	gcarena_verifier_destroy(&move->verifier);
	gcarena_slots_destroy(&move->slots);
	gcarena_compact_destroy(&move->compact);
	kvfree(move);
}

/* Words of roots were read; those of precise slots do not keep anything in its place. */
void gcarena_move_root_words(struct gcarena_move *move, const unsigned long *words, size_t nr,
			     bool precise)
{
	if (!precise)
		gcarena_compact_pin_words(&move->compact, words, nr);
	if (move->verify)
		gcarena_verify_root_words(&move->verifier, words, nr);
}

/* The process with @mm has precise slots. Return: 0 or -ENOMEM. */
int gcarena_move_slots(struct gcarena_move *move, struct mm_struct *mm,
		       const struct gcarena_ranges *slots)
{
	return gcarena_slots_add(&move->slots, mm, slots);
}

/* ---- Verifying ----------------------------------------------------------------- */

static int verify_before(struct gcarena_move *move)
{
	int ret;

	if (!move->verify)
		return 0;
	ret = gcarena_verify_marks(&move->verifier);
	move->reachable = move->verifier.nr_objects;
	return ret;
}

/* Where the roots will point to. The others than slots are of objects that stay. */
static void verify_forward(struct gcarena_move *move)
{
	size_t i;

	for (i = 0; i < move->verifier.nr_roots; i++)
		move->verifier.roots[i] = gcarena_compact_forward(&move->compact,
								  move->verifier.roots[i]);
}

/* Return: 0, -EIO: an object was lost, which the kernel log tells; -ENOMEM, -EINTR. */
static int verify_after(struct gcarena *arena, struct gcarena_move *move)
{
	int ret;

	if (!move->verify)
		return 0;
	ret = gcarena_verify_heap(&arena->heap) ?: gcarena_verify_again(&move->verifier);
	if (ret || move->verifier.nr_objects == move->reachable)
		return ret;
	pr_err("%llu objects could be reached, after moving it is %llu\n", move->reachable,
	       move->verifier.nr_objects);
	return -EIO;
}

/* ---- Moving -------------------------------------------------------------------- */

/*
 * What is planned happens now, or not at all. @regions: of which it is planned, @nr of them;
 * NULL: the whole heap. Return: 0, or -errno and nothing moved.
 */
static int carry_out(struct gcarena *arena, struct gcarena_move *move,
		     const struct remember_region *regions, u32 nr)
{
	int ret = gcarena_slots_prepare(&move->slots, &move->compact) ?: gcarena_zeal_delay();

	if (ret) {
		gcarena_slots_finish(&move->slots, false);
		gcarena_compact_cancel(&move->compact);
		return ret;
	}
	if (move->verify)
		verify_forward(move);
	gcarena_slots_finish(&move->slots, true);
	if (regions)
		gcarena_compact_move_regions(&move->compact, regions, nr);
	else if (move->compact.nr_shifts)
		gcarena_shift_move(&move->compact);
	else
		gcarena_compact_move(&move->compact);
	return verify_after(arena, move);
}

static int run(struct gcarena *arena, struct gcarena_move *move)
{
	struct gcarena_compact *c = &move->compact;
	int ret;

	ret = gcarena_sweep_all(&arena->heap) ?: gcarena_compact_pin_conservative(c) ?:
	      verify_before(move) ?: gcarena_compact_plan_slots(c) ?:
	      carry_out(arena, move, NULL, 0);
	if (ret)
		return ret;
	ret = gcarena_compact_plan_spans(c) ?: carry_out(arena, move, NULL, 0) ?:
	      gcarena_shift_plan(c) ?: carry_out(arena, move, NULL, 0);
	return ret == -ENOMEM && c->moved.objects ? 0 : ret;
}

static void count(struct gcarena *arena, const struct gcarena_move *move, u64 start, int error)
{
	struct gcarena_counters *n = &arena->counters;
	u64 ns;

	n->moved_last = move->compact.moved;
	n->moved.objects += n->moved_last.objects;
	n->moved.bytes += n->moved_last.bytes;
	n->moves += !!n->moved_last.objects;
	ns = ktime_get_ns() - start;
	n->compact_total_ns += ns;
	trace_gcarena_compact(arena->entry.id, error, n->moved_last.objects,
			      n->moved_last.bytes, ns);
}

/**
 * gcarena_move_run() - compact a heap that has just been marked
 * @arena: the arena, its world stopped
 *
 * Return: 0; -EFAULT: a precise slot cannot be written; -ENOMEM; -EINTR; -EIO: the verifier
 * has found an error.
 */
int gcarena_move_run(struct gcarena *arena)
{
	struct gcarena_move *move = arena->move;
	u64 start = ktime_get_ns();
	int ret;

	lockdep_assert_held(&arena->lock);
	ret = run(arena, move);
	count(arena, move, start, ret);
	return ret;
}

/* As many of the regions as the budget allows. Return: 0 or a failure: nothing is planned. */
static int plan_regions(struct gcarena_compact *c, const struct remember_region *regions, u32 nr,
			u64 budget, u32 *done)
{
	int ret = 0;
	u32 i;

	for (i = 0; i < nr; i++) {
		if (!regions[i].given_up)
			gcarena_compact_pin_cards(c, &regions[i]);
	}
	for (i = 0; i < nr; i++)
		gcarena_compact_sort_region(c, &regions[i]);
	for (i = 0; i < nr && !ret; i++) {
		if (!regions[i].given_up)
			ret = gcarena_compact_plan_region(c, &regions[i], &budget);
		*done += !ret;
	}
	if (!ret || ret == -EAGAIN)
		return 0;
	gcarena_compact_cancel(c);
	*done = 0;
	return ret;
}

/**
 * gcarena_move_regions() - empty chunks, of a heap that has not been marked
 * @arena: the arena, its world stopped
 * @regions: the chunks, with all cards
 * @nr: how many
 * @budget: how many bytes to move at most
 * @done: set to how many of them are done with
 *
 * Return: as gcarena_move_run().
 */
int gcarena_move_regions(struct gcarena *arena, const struct remember_region *regions, u32 nr,
			 u64 budget, u32 *done)
{
	struct gcarena_move *move = arena->move;
	u64 start = ktime_get_ns();
	int ret;

	lockdep_assert_held(&arena->lock);
	move->verifier.untraced = true;
	*done = 0;
	ret = verify_before(move) ?:
	      plan_regions(&move->compact, regions, nr, budget, done) ?:
	      carry_out(arena, move, regions, nr);
	count(arena, move, start, ret);
	return ret;
}
