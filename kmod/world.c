// SPDX-License-Identifier: GPL-2.0
/*
 * Stopping the world: while a cycle traces, no program code may run that can see the
 * arena.
 *
 * The calling thread is in an ioctl and so stands still. That it is the only thread of
 * the only process with a mapping is checked here: then nobody else can start
 * a thread, map the arena, or run, until the ioctl returns. If it is not, the cycle is
 * refused; nothing is guessed.
 */
#include <linux/delay.h>
#include <linux/sched/signal.h>

#include "arena.h"
#include "compat.h"

#define EXEC_WAIT_TRIES	200	/* of 0.1 to 0.2 ms */

/* Can the task run user code in the caller's address space? */
static bool task_counts(const struct task_struct *task, const struct mm_struct *mm)
{
	if (task == current || READ_ONCE(task->mm) != mm)
		return false;
	/* An exiting thread does not go back to user mode. */
	return !(READ_ONCE(task->flags) & PF_EXITING) && !gcarena_task_is_kernel_only(task);
}

/*
 * Does the calling thread have its address space to itself? Finds CLONE_VM processes.
 * Return: 0; -EBUSY: no; -EAGAIN: not yet, the others are all in execve().
 */
static int thread_is_only(void)
{
	struct task_struct *process, *task;
	int ret = 0;

	if (thread_group_empty(current) && atomic_read(&current->mm->mm_users) == 1)
		return 0;
	rcu_read_lock();
	for_each_process_thread(process, task) {
		if (!task_counts(task, current->mm))
			continue;
		ret = task->in_execve ? -EAGAIN : -EBUSY;
		if (ret == -EBUSY)
			goto found;
	}
found:
	rcu_read_unlock();
	return ret;
}

/*
 * execve() wakes the parent of a vfork() child a moment before it leaves the parent's
 * address space, so after every posix_spawn() or system() the child may still be seen
 * there. It cannot return to user mode: wait for it to be gone.
 */
static int thread_wait_until_only(void)
{
	unsigned int tries = EXEC_WAIT_TRIES;
	int ret = thread_is_only();

	while (ret == -EAGAIN && tries--) {
		if (fatal_signal_pending(current))
			return -EINTR;
		usleep_range(100, 200);
		ret = thread_is_only();
	}
	return ret == -EAGAIN ? -EBUSY : ret;
}

/**
 * gcarena_world_stop() - keep the program from running
 * @arena: the arena; the caller holds its heap lock and has a mapping
 *
 * Return: 0; -EBUSY: other threads or processes would go on running; -EINTR.
 */
int gcarena_world_stop(struct gcarena *arena)
{
	int ret;

	lockdep_assert_held(&arena->lock);
	if (!gcarena_mappings_freeze(arena))
		return -EBUSY;
	ret = thread_wait_until_only();
	if (ret)
		gcarena_mappings_thaw(arena);
	return ret;
}

/* Let it run again. */
void gcarena_world_start(struct gcarena *arena)
{
	lockdep_assert_held(&arena->lock);
	gcarena_mappings_thaw(arena);
}
