// SPDX-License-Identifier: GPL-2.0
/*
 * Parking: keep threads from returning to user mode, without a signal.
 *
 * A thread that is to stop gets a task work (TWA_RESUME). It runs the work before it
 * goes back to user mode, whatever brought it into the kernel, and waits there until
 * the stop is over. A thread that sleeps in a system call is left asleep: it cannot
 * reach user mode without passing the work.
 *
 * A thread is settled when its registers and its stack stand still:
 *
 *   parked	it waits in the callback, and has left its CPU
 *   asleep	off its CPU and off the run queue, with the work queued. It may wake up
 *		at any time and run on inside the kernel; so whoever looks at it
 *		checks afterwards that it has not (see gcarena_thread_unchanged())
 *   collecting	it is in a cycle of another arena, and waits for that to end
 *   gone	it is exiting, or being killed, and does not go back to user mode
 *
 * A thread that was preempted, or that runs in the kernel, is waited for: it may be
 * in the middle of setting up a signal frame.
 *
 * Threads born while a stop is on get the work from a probe at the task_newtask
 * tracepoint, before they first run. gcarena_park_gather() then finds them like all
 * others, and goes on until it finds no more.
 *
 * A parker is the work item of one thread for one arena. It lives from the thread's
 * first stop until the thread has ended, or the arena. While its work is queued it
 * holds references to the arena and to the module: unloading is refused until
 * sleepers that were asked to stop have woken. The last thing a callback does is to
 * drop the module's reference; module exit waits for callbacks to have returned.
 *
 * Locks: arena->park_lock protects arena->parkers and the state of parkers.
 * stopped_lock protects the list of arenas being stopped, for the probe.
 * stopped_lock > mappings_lock; stopped_lock > park_lock. All are spin locks, taken in
 * process context only.
 */
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/tracepoint.h>

#include "arena.h"
#include "compat.h"
#include "fault.h"
#include "park.h"

#define SPINS_BEFORE_SLEEP	50
/*
 * How often to look whether a thread has fallen asleep, which nobody tells: soon at first,
 * as one that spins for the heap lock does so when its holder, which we are, sleeps.
 */
#define POLL_NS_MIN		(10 * NSEC_PER_USEC)
#define POLL_NS_MAX		(200 * NSEC_PER_USEC)
#define MAX_TIMEOUT_MS		600000U

unsigned int gcarena_stop_timeout_ms = 10000;

static DEFINE_SPINLOCK(stopped_lock);
static LIST_HEAD(stopped_arenas);
static struct tracepoint *newtask;

static struct gcarena_parker *parker_find(struct gcarena *arena, const struct task_struct *task)
{
	struct gcarena_parker *parker;

	lockdep_assert_held(&arena->park_lock);
	hash_for_each_possible(arena->parkers, parker, node, (unsigned long)task) {
		if (parker->task == task)
			return parker;
	}
	return NULL;
}

static void parker_free(struct gcarena_parker *parker)
{
	put_task_struct(parker->task);
	kfree(parker);
}

static bool may_go_on(struct gcarena *arena)
{
	return !READ_ONCE(arena->closed);
}

/* The stopper waits for one thread at a time: most have parked when it gets to them. */
static void tell_stopper(struct gcarena *arena, const struct gcarena_parker *parker)
{
	lockdep_assert_held(&arena->park_lock);
	if (arena->awaited == parker)
		wake_up(&arena->changed);
}

/* Wait until the stop is over, or the thread is killed. Under park_lock. */
static void park(struct gcarena *arena, struct gcarena_parker *parker)
	__must_hold(&arena->park_lock)
{
	lockdep_assert_held(&arena->park_lock);
	while (arena->closed && !fatal_signal_pending(current)) {
		parker->parked = true;
		tell_stopper(arena, parker);
		spin_unlock(&arena->park_lock);
		wait_event_killable(arena->go, may_go_on(arena));
		spin_lock(&arena->park_lock);
		parker->parked = false;
	}
	/* Killed: it handles that before it could go back to user mode. */
	parker->gone = arena->closed;
	tell_stopper(arena, parker);
}

static void set_gone(struct gcarena *arena, struct gcarena_parker *parker)
{
	parker->gone = true;
	tell_stopper(arena, parker);
}

static void parker_callback(struct callback_head *work)
{
	struct gcarena_parker *parker = container_of(work, struct gcarena_parker, work);
	struct gcarena *arena = parker->arena;
	bool abandoned;

	spin_lock(&arena->park_lock);
	parker->pending = false;
	parker->running = true;
	/* An exiting thread has no memory left; one that has called exec has another. */
	if (current->mm == parker->mm && !(current->flags & PF_EXITING))
		park(arena, parker);
	else
		set_gone(arena, parker);
	parker->running = false;
	abandoned = arena->abandoned && !parker->pending;
	if (abandoned)
		hash_del(&parker->node);
	spin_unlock(&arena->park_lock);
	if (abandoned)
		parker_free(parker);
	gcarena_put(arena);
	module_put(THIS_MODULE);
}

static struct gcarena_parker *parker_create(struct gcarena *arena, struct task_struct *task,
					    gfp_t gfp)
{
	struct gcarena_parker *parker = kzalloc(sizeof(*parker), gfp);

	if (!parker)
		return NULL;
	init_task_work(&parker->work, parker_callback);
	parker->arena = arena;
	parker->task = get_task_struct(task);
	spin_lock(&arena->park_lock);
	hash_add(arena->parkers, &parker->node, (unsigned long)task);
	spin_unlock(&arena->park_lock);
	return parker;
}

/* Make the parker's thread take part in the current stop. */
static void parker_queue(struct gcarena *arena, struct gcarena_parker *parker,
			 struct mm_struct *mm)
{
	bool queue;

	spin_lock(&arena->park_lock);
	parker->mm = mm;
	parker->stop = arena->stop;
	parker->scanned = false;
	parker->gone = false;
	queue = !parker->pending;
	parker->pending = true;
	spin_unlock(&arena->park_lock);
	if (!queue)
		return;
	__module_get(THIS_MODULE);
	gcarena_get(arena);
	if (!task_work_add(parker->task, &parker->work, TWA_RESUME))
		return;
	/* It has run its last task work: it is exiting. */
	spin_lock(&arena->park_lock);
	parker->pending = false;
	parker->gone = true;
	spin_unlock(&arena->park_lock);
	gcarena_put(arena);
	module_put(THIS_MODULE);
}

/* Can the task run user code that sees the arena? */
static bool task_counts(struct gcarena *arena, const struct task_struct *task)
{
	if (task == current || gcarena_task_is_kernel_only(task))
		return false;
	if (READ_ONCE(task->flags) & PF_EXITING)
		return false;
	return gcarena_mapping_has_mm(arena, READ_ONCE(task->mm));
}

static bool task_takes_part(struct gcarena *arena, const struct task_struct *task)
{
	struct gcarena_parker *parker;
	bool part;

	spin_lock(&arena->park_lock);
	parker = parker_find(arena, task);
	part = parker && parker->stop == arena->stop;
	spin_unlock(&arena->park_lock);
	return part;
}

/* A thread is born, and has not run yet. Called for all of them, everywhere. */
static void probe_newtask(void *data, struct task_struct *task, GCARENA_CLONE_FLAGS flags)
{
	struct gcarena_parker *parker;
	struct gcarena *arena;

	if (list_empty_careful(&stopped_arenas))
		return;
	spin_lock(&stopped_lock);
	list_for_each_entry(arena, &stopped_arenas, stopped_link) {
		if (!task_counts(arena, task))
			continue;
		parker = parker_create(arena, task, GFP_ATOMIC);
		if (parker)
			parker_queue(arena, parker, task->mm);
		else
			WRITE_ONCE(arena->escaped, true);	/* the cycle is given up */
	}
	spin_unlock(&stopped_lock);
}

static void set_closed(struct gcarena *arena, bool closed)
{
	spin_lock(&arena->park_lock);
	spin_lock(&arena->mappings_lock);
	WRITE_ONCE(arena->closed, closed);	/* pairs with may_go_on() */
	spin_unlock(&arena->mappings_lock);
	spin_unlock(&arena->park_lock);
}

/* In jiffies; one more than asked for, as the current one has begun already. */
static unsigned long stop_timeout(void)
{
	return msecs_to_jiffies(clamp(READ_ONCE(gcarena_stop_timeout_ms), 1U,
				      MAX_TIMEOUT_MS)) + 1;
}

/**
 * gcarena_park_begin() - threads that reach the lot stop from now on
 * @arena: the arena; the caller holds its heap lock
 */
void gcarena_park_begin(struct gcarena *arena)
{
	arena->stop++;
	arena->stop_deadline = jiffies + stop_timeout();
	arena->escaped = false;
	set_closed(arena, true);
	spin_lock(&stopped_lock);
	list_add(&arena->stopped_link, &stopped_arenas);
	spin_unlock(&stopped_lock);
}

/* The stop is over. */
void gcarena_park_end(struct gcarena *arena)
{
	spin_lock(&stopped_lock);
	list_del(&arena->stopped_link);
	spin_unlock(&stopped_lock);
	set_closed(arena, false);
	wake_up_all(&arena->go);
}

/*
 * Note threads that do not take part yet, with a reference each, as far as there
 * is room. Return: how many there are in all.
 */
static unsigned int find_tasks(struct gcarena *arena, struct task_struct **tasks,
			       unsigned int room)
{
	struct task_struct *process, *task;
	unsigned int nr = 0;

	rcu_read_lock();
	for_each_process_thread(process, task) {
		if (!task_counts(arena, task) || task_takes_part(arena, task))
			continue;
		if (nr < room)
			tasks[nr] = get_task_struct(task);
		nr++;
	}
	rcu_read_unlock();
	return nr;
}

static int queue_task(struct gcarena *arena, struct task_struct *task)
{
	struct gcarena_parker *parker;

	spin_lock(&arena->park_lock);
	parker = parker_find(arena, task);
	spin_unlock(&arena->park_lock);
	/* Only the stopper, and the probe for newborns, make parkers: no race here. */
	if (!parker)
		parker = parker_create(arena, task, GCARENA_GFP);
	if (!parker)
		return -ENOMEM;
	parker_queue(arena, parker, READ_ONCE(task->mm));
	return 0;
}

static int queue_batch(struct gcarena *arena, struct task_struct **tasks, unsigned int room,
		       unsigned int *found)
{
	unsigned int i;
	int ret = 0;

	*found = find_tasks(arena, tasks, room);
	for (i = 0; i < min(*found, room); i++) {
		ret = ret ?: queue_task(arena, tasks[i]);
		put_task_struct(tasks[i]);
	}
	return ret;
}

/*
 * Ask all threads to stop that have not been asked. Goes on until a look at all of
 * them finds none.
 * Return: how many were asked, -ENOMEM, or -EINTR.
 */
int gcarena_park_gather(struct gcarena *arena)
{
	struct task_struct **tasks;
	unsigned int found, room = 64, asked = 0;
	int ret;

	do {
		tasks = kvmalloc_array(room, sizeof(*tasks), GCARENA_GFP);
		if (!tasks)
			return -ENOMEM;
		ret = queue_batch(arena, tasks, room, &found);
		kvfree(tasks);
		asked += min(found, room);
		room = max(room, found);
		if (!ret && READ_ONCE(arena->escaped))
			ret = -ENOMEM;
		if (!ret)
			ret = gcarena_checkpoint();
	} while (!ret && found);
	return ret ?: asked;
}

/* How often the task has been switched out: it has not run if that is unchanged. */
static u64 task_switches(const struct task_struct *task)
{
	return READ_ONCE(task->nvcsw) + READ_ONCE(task->nivcsw);
}

static bool task_is_asleep(const struct task_struct *task)
{
	return READ_ONCE(task->__state) != TASK_RUNNING && !READ_ONCE(task->on_rq) &&
	       !gcarena_task_on_cpu(task);
}

static bool parker_is_settled(const struct gcarena_parker *parker)
{
	const struct task_struct *task = parker->task;

	/* On its CPU, its vector registers are still there, and not saved yet. */
	return (READ_ONCE(parker->parked) && !gcarena_task_on_cpu(task)) ||
	       gcarena_thread_is_gone(parker) ||
	       gcarena_is_collecting(task) || task_is_asleep(task);
}

/* Does the thread not go back to user mode any more? Then it has no roots. */
bool gcarena_thread_is_gone(const struct gcarena_parker *parker)
{
	/* Who dumps core exits when that is done; it may take long, without any sleep. */
	return READ_ONCE(parker->gone) ||
	       (READ_ONCE(parker->task->flags) & (PF_EXITING | PF_DUMPCORE)) ||
	       READ_ONCE(parker->task->exit_state);
}

/*
 * Before looking at a settled thread: remember what tells whether it has run.
 * Return: false: it is not settled (any more).
 */
bool gcarena_thread_look(struct gcarena_parker *parker)
{
	parker->switches = task_switches(parker->task);
	smp_rmb();	/* the count first, then the state: see gcarena_thread_unchanged() */
	parker->looked_parked = READ_ONCE(parker->parked);
	parker->looked_collecting = gcarena_is_collecting(parker->task);
	return parker_is_settled(parker);
}

/*
 * After looking at it: has it stood still all the time? If it was asleep then and is
 * now, and has not been switched out in between, it has not run. Parked threads
 * stay parked, unless they are killed. A thread that was collecting has not got
 * further than to its parking place.
 */
bool gcarena_thread_unchanged(struct gcarena_parker *parker)
{
	bool still;

	if (parker->looked_parked)
		return true;
	if (parker->looked_collecting)
		return gcarena_is_collecting(parker->task) || READ_ONCE(parker->parked);
	still = parker_is_settled(parker) && !READ_ONCE(parker->parked);
	smp_rmb();	/* the state first, then the count */
	return still && task_switches(parker->task) == parker->switches;
}

/* A thread of this stop that is not settled, or NULL. It is the one to tell us. */
static struct gcarena_parker *find_unsettled(struct gcarena *arena)
{
	struct gcarena_parker *parker;
	unsigned int bucket;

	spin_lock(&arena->park_lock);
	arena->awaited = NULL;
	hash_for_each(arena->parkers, bucket, parker, node) {
		if (parker->stop == arena->stop && !parker->scanned &&
		    !parker_is_settled(parker)) {
			arena->awaited = parker;
			break;
		}
	}
	parker = arena->awaited;
	spin_unlock(&arena->park_lock);
	return parker;
}

/* Has the stop taken too long? Then @parker is to blame. */
bool gcarena_park_timed_out(struct gcarena *arena, const struct gcarena_parker *parker)
{
	if (time_before(jiffies, arena->stop_deadline))
		return false;
	arena->counters.stop_timeout_pid = task_pid_vnr(parker->task);
	gcarena_notify_timeout(arena, parker->task);
	return true;
}

/**
 * gcarena_park_wait() - wait until all threads that were asked have settled
 * @arena: the arena
 *
 * Return: 0; -ETIMEDOUT: one did not within stop_timeout_ms of the stop's begin; its
 * number is in arena->counters.stop_timeout_pid; -EINTR.
 */
int gcarena_park_wait(struct gcarena *arena)
{
	bool fail = gcarena_fail_stop();
	struct gcarena_parker *parker;
	u64 poll_ns = POLL_NS_MIN;
	unsigned int spins = 0;

	while ((parker = find_unsettled(arena))) {
		if (gcarena_checkpoint())
			return -EINTR;
		if (fail)
			arena->stop_deadline = jiffies;
		if (gcarena_park_timed_out(arena, parker))
			return -ETIMEDOUT;
		/* One that runs parks at once; what takes longer may want this CPU. */
		if (spins++ < SPINS_BEFORE_SLEEP || READ_ONCE(parker->parked)) {
			cpu_relax();
			continue;
		}
		wait_event_hrtimeout(arena->changed, parker_is_settled(parker),
				     ns_to_ktime(poll_ns));
		poll_ns = min_t(u64, 2 * poll_ns, POLL_NS_MAX);
	}
	return 0;
}

/* A thread of this stop that was not scanned yet, or NULL. The stopper alone calls this. */
struct gcarena_parker *gcarena_park_next(struct gcarena *arena)
{
	struct gcarena_parker *parker, *found = NULL;
	unsigned int bucket;

	spin_lock(&arena->park_lock);
	hash_for_each(arena->parkers, bucket, parker, node) {
		if (parker->stop == arena->stop && !parker->scanned) {
			found = parker;
			break;
		}
	}
	spin_unlock(&arena->park_lock);
	return found;
}

/* A living thread of this stop in address space @mm, or NULL. */
struct task_struct *gcarena_park_task_of(struct gcarena *arena, const struct mm_struct *mm)
{
	struct gcarena_parker *parker;
	struct task_struct *found = NULL;
	unsigned int bucket;

	spin_lock(&arena->park_lock);
	hash_for_each(arena->parkers, bucket, parker, node) {
		if (parker->stop == arena->stop && parker->mm == mm &&
		    !gcarena_thread_is_gone(parker))
			found = parker->task;
	}
	spin_unlock(&arena->park_lock);
	return found;
}

/* Free the parkers of threads that have ended, or of all when the arena ends. */
void gcarena_park_reap(struct gcarena *arena, bool all)
{
	struct gcarena_parker *parker;
	struct hlist_node *next;
	unsigned int bucket;
	HLIST_HEAD(dead);

	spin_lock(&arena->park_lock);
	arena->abandoned = all;
	hash_for_each_safe(arena->parkers, bucket, next, parker, node) {
		/*
		 * The others are freed by their callbacks. One that runs may be on its way
		 * out of park(), which drops the lock: the stop is over, and another
		 * thread has unmapped and closed the arena meanwhile.
		 */
		if (!parker->pending && !parker->running && (all || parker->task->exit_state)) {
			hash_del(&parker->node);
			hlist_add_head(&parker->node, &dead);
		}
	}
	spin_unlock(&arena->park_lock);
	hlist_for_each_entry_safe(parker, next, &dead, node)
		parker_free(parker);
}

static void match_newtask(struct tracepoint *tp, void *found)
{
	if (!strcmp(tp->name, "task_newtask"))
		*(struct tracepoint **)found = tp;
}

/* At module load. Return: 0 or -errno. */
int gcarena_park_module_init(void)
{
	for_each_kernel_tracepoint(match_newtask, &newtask);
	if (!newtask)
		return -EOPNOTSUPP;
	return tracepoint_probe_register(newtask, probe_newtask, NULL);
}

/* At module exit: no probe and no callback runs afterwards. */
void gcarena_park_module_exit(void)
{
	tracepoint_probe_unregister(newtask, probe_newtask, NULL);
	tracepoint_synchronize_unregister();
	synchronize_rcu_tasks();
}
