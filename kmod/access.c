// SPDX-License-Identifier: GPL-2.0
/*
 * Who may see and drive an arena of another process: who could trace its owner.
 *
 * ptrace_may_access() is not exported, so its rules for PTRACE_MODE_READ_REALCREDS stand
 * here once more, as far as a module can follow them: real IDs, capabilities,
 * dumpability. Other security modules are not asked.
 *
 * A program may have somebody else, with more rights, write its request for it, by giving
 * it its socket. So the rules are applied twice: to who sends now, and to who opened
 * the socket.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/netlink.h>
#include <linux/pid.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <net/sock.h>

#include "access.h"
#include "arena.h"
#include "compat.h"

/* Has the process any thread left? */
static bool process_lives(const struct task_struct *task)
{
	return atomic_read(&task->signal->live);
}

/* A process that maps the arena, with a reference, or NULL. */
static struct task_struct *find_mapper(struct gcarena *arena)
{
	struct task_struct *task, *found = NULL;

	rcu_read_lock();
	for_each_process(task) {
		if (!(task->flags & PF_KTHREAD) &&
		    gcarena_mapping_has_mm(arena, READ_ONCE(task->mm))) {
			found = get_task_struct(task);
			break;
		}
	}
	rcu_read_unlock();
	return found;
}

/* The process that opened the arena, else one that maps it, else NULL. A reference. */
struct task_struct *gcarena_owner_get(struct gcarena *arena)
{
	struct task_struct *task = get_pid_task(arena->entry.opener, PIDTYPE_TGID);

	if (task && process_lives(task))
		return task;
	if (task)
		put_task_struct(task);
	return find_mapper(arena);
}

/* Did the process open the arena, or does it map it? */
bool gcarena_is_used_by(struct gcarena *arena, struct pid *pid)
{
	struct task_struct *task;
	bool used;

	if (pid == arena->entry.opener)
		return true;
	task = get_pid_task(pid, PIDTYPE_TGID);
	if (!task)
		return false;
	used = !(task->flags & PF_KTHREAD) && gcarena_mapping_has_mm(arena, READ_ONCE(task->mm));
	put_task_struct(task);
	return used;
}

static bool same_ids(const struct cred *caller, const struct cred *owner)
{
	return uid_eq(caller->uid, owner->uid) && uid_eq(caller->uid, owner->euid) &&
	       uid_eq(caller->uid, owner->suid) && gid_eq(caller->gid, owner->gid) &&
	       gid_eq(caller->gid, owner->egid) && gid_eq(caller->gid, owner->sgid);
}

/* Without privileges: is the caller as much as the owner is? */
static bool is_equal(const struct cred *caller, const struct cred *owner, bool dumpable)
{
	return dumpable && same_ids(caller, owner) && caller->user_ns == owner->user_ns &&
	       cap_issubset(owner->cap_permitted, caller->cap_permitted);
}

static const struct file *socket_file(const struct sk_buff *skb)
{
	const struct socket *socket = READ_ONCE(NETLINK_CB(skb).sk->sk_socket);

	return socket ? socket->file : NULL;
}

/**
 * gcarena_may_control() - may who sends a request see and drive a process's arenas?
 * @skb: the request
 * @owner: the process, or NULL: there is none any more
 *
 * Called for the receiver of a dump as well: it may be another than who asked for it.
 */
bool gcarena_may_control(const struct sk_buff *skb, struct task_struct *owner)
{
	const struct file *file = socket_file(skb);
	const struct cred *cred;
	bool may, dumpable;

	if (!file)
		return false;
	if (netlink_capable(skb, CAP_SYS_ADMIN))
		return true;
	if (!owner)
		return false;
	cred = get_task_cred(owner);
	dumpable = gcarena_task_is_dumpable(owner);
	may = (is_equal(current_cred(), cred, dumpable) &&
	       is_equal(file->f_cred, cred, dumpable)) ||
	      netlink_ns_capable(skb, cred->user_ns, CAP_SYS_PTRACE);
	put_cred(cred);
	return may;
}
