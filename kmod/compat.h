/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Differences between the supported kernels, 6.1 to 7.x. No version check stands
 * anywhere else.
 */
#ifndef GCARENA_COMPAT_H
#define GCARENA_COMPAT_H

#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/coredump.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/workqueue.h>
#include <net/genetlink.h>

/* Where it is not known to the memory map any more, the task has a state of its own. */
#ifndef SUID_DUMP_USER
#include <linux/sched/exec_state.h>
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
static inline void gcarena_vm_flags_mod(struct vm_area_struct *vma, unsigned long set,
					unsigned long clear)
{
	vma->vm_flags = (vma->vm_flags | set) & ~clear;
}
#else
static inline void gcarena_vm_flags_mod(struct vm_area_struct *vma, unsigned long set,
					unsigned long clear)
{
	vm_flags_mod(vma, set, clear);
}
#endif

/* The architecture's own choice of an address, as if there were no hook. */
static inline unsigned long gcarena_get_unmapped_area(struct file *file, unsigned long addr,
						      unsigned long len, unsigned long pgoff,
						      unsigned long flags)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 10, 0)
	return current->mm->get_unmapped_area(file, addr, len, pgoff, flags);
#elif LINUX_VERSION_CODE < KERNEL_VERSION(6, 19, 0)
	return mm_get_unmapped_area(current->mm, file, addr, len, pgoff, flags);
#else
	return mm_get_unmapped_area(file, addr, len, pgoff, flags);
#endif
}

/* pin_user_pages_remote() of one page. Under mmap_lock. Return: 1 or a negative errno. */
static inline long gcarena_pin_user_page(struct mm_struct *mm, unsigned long addr,
					 unsigned int flags, struct page **page)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
	return pin_user_pages_remote(mm, addr, 1, flags, page, NULL, NULL);
#else
	return pin_user_pages_remote(mm, addr, 1, flags, page, NULL);
#endif
}

/* The last argument of the task_newtask tracepoint: clone flags. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 18, 0)
#define GCARENA_CLONE_FLAGS	unsigned long
#else
#define GCARENA_CLONE_FLAGS	u64
#endif

/* Is the task on a CPU now? If not, its registers have been saved: finish_task(). */
static inline bool gcarena_task_on_cpu(const struct task_struct *task)
{
#ifdef CONFIG_SMP
	return smp_load_acquire(&task->on_cpu);	/* pairs with finish_task() */
#else
	return task == current;
#endif
}

#ifdef CONFIG_X86_64
/* Where its vector registers are kept. The kernel's own function is for the kernel. */
static inline const struct fpu *gcarena_task_fpu(const struct task_struct *task)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 16, 0)
	return &task->thread.fpu;
#else
	return (const void *)(task + 1);
#endif
}
#endif

/* A thread that never runs user code: io_uring's and vhost's helpers, kthreads. */
static inline bool gcarena_task_is_kernel_only(const struct task_struct *task)
{
#ifdef PF_USER_WORKER
	return task->flags & (PF_KTHREAD | PF_IO_WORKER | PF_USER_WORKER);
#else
	return task->flags & (PF_KTHREAD | PF_IO_WORKER);
#endif
}

/* May it be traced by who has the same IDs? A process that has ended has no secrets left. */
#ifndef SUID_DUMP_USER
static inline bool gcarena_task_is_dumpable(struct task_struct *task)
{
	const struct task_exec_state *state;
	bool dumpable = true;

	rcu_read_lock();
	state = rcu_dereference(task->exec_state);
	if (state)
		dumpable = READ_ONCE(state->dumpable) == TASK_DUMPABLE_OWNER;
	rcu_read_unlock();
	return dumpable;
}
#else
static inline bool gcarena_task_is_dumpable(struct task_struct *task)
{
	bool dumpable = true;

	task_lock(task);
	if (task->mm)
		dumpable = get_dumpable(task->mm) == SUID_DUMP_USER;
	task_unlock(task);
	return dumpable;
}
#endif

/* The attributes of the request that a dump answers. */
static inline struct nlattr **gcarena_dump_attrs(struct netlink_callback *cb)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 6, 0)
	return genl_dumpit_info(cb)->attrs;
#else
	return genl_info_dump(cb)->attrs;
#endif
}

/* Take a reference to a file that may have none any more. Return: there was one. */
static inline bool gcarena_get_live_file(struct file *file)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
	return get_file_rcu(file);
#else
	return get_file_active(&file);
#endif
}

#endif
