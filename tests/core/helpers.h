/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Helpers of the marker in user space: threads that wait for one to be called, in place of
 * the kernel's workers. A test may say that they never come.
 */
#ifndef TESTS_CORE_HELPERS_H
#define TESTS_CORE_HELPERS_H

#include "../../kmod/crew.h"

enum core_helper_state {
	CORE_HELPER_AWAY,
	CORE_HELPER_CALLED,
	CORE_HELPER_RUNS,
};

static pthread_mutex_t core_helpers_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t core_helpers_called = PTHREAD_COND_INITIALIZER;
static pthread_cond_t core_helpers_done = PTHREAD_COND_INITIALIZER;
static struct gcarena_helper *core_helpers_queue[GCARENA_MARK_WORKERS_MAX];
static unsigned int core_helpers_queued;
static unsigned int core_helpers_idle;	/* threads that wait */
static unsigned long core_helpers_runs;	/* how often one was at work */
static unsigned long core_helpers_calls;
static bool core_helpers_never;		/* no thread for them: they never begin */

static inline struct gcarena_helper *core_helper_next(void)
{
	struct gcarena_helper *helper;

	core_helpers_idle++;
	while (!core_helpers_queued)
		pthread_cond_wait(&core_helpers_called, &core_helpers_lock);
	core_helpers_idle--;
	helper = core_helpers_queue[--core_helpers_queued];
	helper->work.state = CORE_HELPER_RUNS;
	core_helpers_runs++;
	return helper;
}

static inline void *core_helper_thread(void *unused)
{
	struct gcarena_helper *helper;
	u64 start;

	pthread_mutex_lock(&core_helpers_lock);
	for (;;) {
		helper = core_helper_next();
		pthread_mutex_unlock(&core_helpers_lock);
		start = core_thread_ns();
		gcarena_mark_help(helper);
		pthread_mutex_lock(&core_helpers_lock);
		helper->work.cpu_ns += core_thread_ns() - start;
		helper->work.state = CORE_HELPER_AWAY;
		pthread_cond_broadcast(&core_helpers_done);
	}
	return unused;
}

void gcarena_helper_init(struct gcarena_helper *helper)
{
	helper->work = (struct work_struct) { .state = CORE_HELPER_AWAY };
}

/* Under core_helpers_lock. It may have left the trace, and be on its way back here. */
static inline void core_helper_wait(struct gcarena_helper *helper)
{
	while (helper->work.state == CORE_HELPER_RUNS)
		pthread_cond_wait(&core_helpers_done, &core_helpers_lock);
}

void gcarena_helper_call(struct gcarena_helper *helper)
{
	pthread_t thread;

	pthread_mutex_lock(&core_helpers_lock);
	core_helper_wait(helper);
	core_helpers_calls++;
	if (!core_helpers_never) {
		helper->work.state = CORE_HELPER_CALLED;
		core_helpers_queue[core_helpers_queued++] = helper;
		if (core_helpers_queued > core_helpers_idle &&
		    !pthread_create(&thread, NULL, core_helper_thread, NULL))
			pthread_detach(thread);
		pthread_cond_signal(&core_helpers_called);
	}
	pthread_mutex_unlock(&core_helpers_lock);
}

void gcarena_helper_recall(struct gcarena_helper *helper)
{
	unsigned int i;

	pthread_mutex_lock(&core_helpers_lock);
	for (i = 0; i < core_helpers_queued; i++) {
		if (core_helpers_queue[i] == helper) {
			core_helpers_queue[i--] = core_helpers_queue[--core_helpers_queued];
			helper->work.state = CORE_HELPER_AWAY;
		}
	}
	core_helper_wait(helper);
	pthread_mutex_unlock(&core_helpers_lock);
}

#endif
