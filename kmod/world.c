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
#include "arena.h"
#include "compat.h"

/* Can the task run user code in the caller's address space? */
static bool task_counts(const struct task_struct *task, const struct mm_struct *mm)
{
	if (task == current || READ_ONCE(task->mm) != mm)
		return false;
	/* An exiting thread does not go back to user mode. */
	return !(READ_ONCE(task->flags) & PF_EXITING) && !gcarena_task_is_kernel_only(task);
}

/* Does the calling thread have its address space to itself? Finds CLONE_VM processes. */
static bool thread_is_only(void)
{
	struct task_struct *process, *task;
	bool only = true;

	if (thread_group_empty(current) && atomic_read(&current->mm->mm_users) == 1)
		return true;
	rcu_read_lock();
	for_each_process_thread(process, task) {
		if (task_counts(task, current->mm)) {
			only = false;
			goto found;
		}
	}
found:
	rcu_read_unlock();
	return only;
}

/**
 * gcarena_world_stop() - keep the program from running
 * @arena: the arena; the caller holds its heap lock and has a mapping
 *
 * Return: 0; -EBUSY: other threads or processes would go on running.
 */
int gcarena_world_stop(struct gcarena *arena)
{
	lockdep_assert_held(&arena->lock);
	if (!gcarena_mapping_is_only(arena) || !thread_is_only())
		return -EBUSY;
	return 0;
}

/* Let it run again. */
void gcarena_world_start(struct gcarena *arena)
{
	lockdep_assert_held(&arena->lock);
}
