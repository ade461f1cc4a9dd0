/* SPDX-License-Identifier: GPL-2.0 */
#ifndef GCARENA_PARK_H
#define GCARENA_PARK_H

#include <linux/task_work.h>

struct gcarena;

/**
 * struct gcarena_parker - the task work of one thread for one arena
 * @work: queued on @task while @pending
 * @node: in arena->parkers
 * @arena: the arena
 * @task: the thread; a reference
 * @mm: its address space at the stop; compared, never followed
 * @stop: arena->stop of the last stop it took part in
 * @switches: see gcarena_thread_look()
 * @pending: @work is queued and has not begun to run
 * @running: @work is running, and uses this: its callback frees it if the arena has ended
 * @parked: it waits for the stop to end
 * @gone: it does not go back to user mode with @mm any more
 * @scanned: the stopper is done with it
 * @looked_parked: it was parked when the stopper looked
 * @looked_collecting: it was collecting another arena then
 */
struct gcarena_parker {
	struct callback_head work;
	struct hlist_node node;
	struct gcarena *arena;
	struct task_struct *task;
	struct mm_struct *mm;
	u64 stop;
	u64 switches;
	bool pending;
	bool running;
	bool parked;
	bool gone;
	bool scanned;
	bool looked_parked;
	bool looked_collecting;
};

void gcarena_park_begin(struct gcarena *arena);
int gcarena_park_gather(struct gcarena *arena);
int gcarena_park_wait(struct gcarena *arena);
bool gcarena_park_timed_out(struct gcarena *arena, const struct gcarena_parker *parker);
struct gcarena_parker *gcarena_park_next(struct gcarena *arena);
struct task_struct *gcarena_park_task_of(struct gcarena *arena, const struct mm_struct *mm);
void gcarena_park_end(struct gcarena *arena);
void gcarena_park_reap(struct gcarena *arena, bool all);
bool gcarena_thread_is_gone(const struct gcarena_parker *parker);
bool gcarena_thread_look(struct gcarena_parker *parker);
bool gcarena_thread_unchanged(struct gcarena_parker *parker);
int gcarena_park_module_init(void);
void gcarena_park_module_exit(void);

#endif
