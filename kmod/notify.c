// SPDX-License-Identifier: GPL-2.0
/*
 * Events for those who listen from outside: the multicast group of netlink.
 *
 * Nothing here waits: memory is taken if there is some at hand, and a listener whose
 * queue is full misses the event, and is told so by netlink. Each event has a number, so
 * that a listener can count what he has missed, for whatever reason.
 *
 * The network namespace of the opener hears of an arena, and the first one of all arenas.
 * A message is built for each of the two, as they see other process numbers.
 */
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/pid_namespace.h>
#include <linux/sched.h>
#include <net/genetlink.h>

#include "arena.h"
#include "netlink.h"
#include "notify.h"

#define GFP_NOTIFY	(GFP_NOWAIT | __GFP_NOWARN)

/* Room for the longest event, with all attributes padded. */
#define EVENT_BYTES	768

/* Of a program that cannot allocate and goes on trying: in a second. */
#define LIMIT_EVENTS	10

/**
 * struct notice - an event on its way out
 * @arena: whose
 * @cmd: enum gcarena_cmd
 * @nr: its number
 * @time_ns: when it happened
 * @comm: who opened the arena, did not stop, or got no memory; or NULL
 * @thread: who did not stop, or got no memory; or NULL
 * @event: how a cycle ended, or NULL
 * @cycle: there is a cycle
 * @limit_error: what who got no memory is told, or 0
 */
struct notice {
	struct gcarena *arena;
	enum gcarena_cmd cmd;
	u64 nr;
	u64 time_ns;
	const char *comm;
	struct task_struct *thread;
	const struct gcarena_event *event;
	bool cycle;
	int limit_error;
};

static int put_u64(struct sk_buff *skb, int attr, u64 value)
{
	return nla_put_u64_64bit(skb, attr, value, GCARENA_A_EVENT_PAD);
}

static int put_times(struct sk_buff *skb, const struct gcarena *arena)
{
	const struct gcarena_counters *c = &arena->counters;
	const struct gcarena_notify *notify = &arena->notify;
	const struct gcarena_begin *b = &notify->begin;

	return put_u64(skb, GCARENA_A_EVENT_STOP_NS, c->stop_total_ns - b->stop_total_ns) ?:
	       put_u64(skb, GCARENA_A_EVENT_ROOT_NS, c->root_total_ns - b->root_total_ns) ?:
	       put_u64(skb, GCARENA_A_EVENT_MARK_NS, c->mark_total_ns - b->mark_total_ns) ?:
	       put_u64(skb, GCARENA_A_EVENT_DIRTY_NS, c->dirty_total_ns - b->dirty_total_ns) ?:
	       put_u64(skb, GCARENA_A_EVENT_COMPACT_NS,
		       c->compact_total_ns - b->compact_total_ns) ?:
	       put_u64(skb, GCARENA_A_EVENT_TRACE_NS, c->concurrent_ns - b->concurrent_ns) ?:
	       put_u64(skb, GCARENA_A_EVENT_ASSIST_NS, c->assist_ns - b->assist_ns) ?:
	       put_u64(skb, GCARENA_A_EVENT_ROUNDS, c->rounds - b->rounds) ?:
	       put_u64(skb, GCARENA_A_EVENT_SWEEP_NS, c->sweep_total_ns - notify->sweep_ns);
}

/* How the cycle ended. */
static int put_end(struct sk_buff *skb, const struct notice *notice)
{
	const struct gcarena_event *event = notice->event;
	const struct gcarena *arena = notice->arena;
	int ret;

	ret = put_u64(skb, GCARENA_A_EVENT_DURATION_NS, event->duration_ns) ?:
	      put_u64(skb, GCARENA_A_EVENT_LONGEST_NS, event->longest_ns);
	if (!ret && event->error)
		return nla_put_u32(skb, GCARENA_A_EVENT_ERROR, event->error);
	if (!ret && event->collect_kind == GCARENA_COLLECT_MINOR)
		ret = put_u64(skb, GCARENA_A_EVENT_DIRTY_PAGES, arena->counters.dirty_pages_last);
	return ret ?: put_times(skb, arena) ?:
	       put_u64(skb, GCARENA_A_EVENT_THREADS, arena->counters.stop_threads_last) ?:
	       put_u64(skb, GCARENA_A_EVENT_LIVE_BYTES, event->live_bytes) ?:
	       put_u64(skb, GCARENA_A_EVENT_GOAL_BYTES, arena->pacer.goal);
}

static int put_cycle(struct sk_buff *skb, const struct notice *notice)
{
	const struct gcarena *arena = notice->arena;

	if (!notice->cycle)
		return 0;
	return nla_put_u32(skb, GCARENA_A_EVENT_KIND, arena->notify.kind) ?:
	       put_u64(skb, GCARENA_A_EVENT_CYCLE, arena->counters.cycles) ?:
	       put_u64(skb, GCARENA_A_EVENT_HEAP_BYTES, arena->notify.heap_bytes) ?:
	       (notice->event ? put_end(skb, notice) : 0);
}

static int put_limit(struct sk_buff *skb, const struct notice *notice)
{
	const struct gcarena *arena = notice->arena;

	if (!notice->limit_error)
		return 0;
	return nla_put_u32(skb, GCARENA_A_EVENT_ERROR, -notice->limit_error) ?:
	       put_u64(skb, GCARENA_A_EVENT_HEAP_BYTES, arena->heap.used.bytes) ?:
	       put_u64(skb, GCARENA_A_EVENT_BACKING_BYTES,
		       gcarena_heap_held(&arena->heap)) ?:
	       put_u64(skb, GCARENA_A_EVENT_LIMIT, arena->params.limit) ?:
	       put_u64(skb, GCARENA_A_EVENT_HITS, arena->counters.limit_hits);
}

static int put_name(struct sk_buff *skb, struct gcarena *arena)
{
	char name[GCARENA_NAME_LEN];

	gcarena_registry_get_name(arena, name);
	return *name ? nla_put_string(skb, GCARENA_A_EVENT_NAME, name) : 0;
}

static int put_notice(struct sk_buff *skb, const struct notice *notice,
		      struct pid_namespace *ns)
{
	const struct gcarena_entry *entry = &notice->arena->entry;
	int ret;

	ret = nla_put_u32(skb, GCARENA_A_EVENT_ID, entry->id) ?:
	      put_u64(skb, GCARENA_A_EVENT_NR, notice->nr) ?:
	      put_u64(skb, GCARENA_A_EVENT_TIME_NS, notice->time_ns) ?:
	      nla_put_u32(skb, GCARENA_A_EVENT_PID, pid_nr_ns(entry->opener, ns));
	if (!ret && notice->comm)
		ret = nla_put_string(skb, GCARENA_A_EVENT_COMM, notice->comm);
	if (!ret && notice->thread)
		ret = nla_put_u32(skb, GCARENA_A_EVENT_THREAD, task_pid_nr_ns(notice->thread, ns));
	return ret ?: put_name(skb, notice->arena) ?: put_cycle(skb, notice) ?:
	       put_limit(skb, notice);
}

static void tell_net(struct net *net, const struct notice *notice, struct pid_namespace *ns)
{
	struct sk_buff *skb;
	void *header;

	if (!genl_has_listeners(&gcarena_genl_family, net, 0))
		return;
	skb = genlmsg_new(EVENT_BYTES, GFP_NOTIFY);
	if (!skb)
		return;
	header = genlmsg_put(skb, 0, 0, &gcarena_genl_family, 0, notice->cmd);
	if (!header || put_notice(skb, notice, ns)) {
		nlmsg_free(skb);
		return;
	}
	genlmsg_end(skb, header);
	/* Takes the message over, and tells those who miss it. */
	genlmsg_multicast_netns(&gcarena_genl_family, net, skb, 0, 0, GFP_NOTIFY);
}

static void tell(struct notice *notice)
{
	struct gcarena *arena = notice->arena;
	struct net *net = arena->entry.net;

	notice->nr = arena->notify.nr + 1;
	WRITE_ONCE(arena->notify.nr, notice->nr);
	notice->time_ns = ktime_get_ns();
	tell_net(&init_net, notice, &init_pid_ns);
	if (net != &init_net)
		tell_net(net, notice, ns_of_pid(arena->entry.opener));
}

/* An arena was opened, by the calling thread. */
void gcarena_notify_created(struct gcarena *arena)
{
	char comm[TASK_COMM_LEN];
	struct notice notice = {
		.arena = arena,
		.cmd = GCARENA_CMD_ARENA_CREATED,
		.comm = get_task_comm(comm, current),
	};

	tell(&notice);
}

/* Nobody finds it any more. */
void gcarena_notify_gone(struct gcarena *arena)
{
	struct notice notice = { .arena = arena, .cmd = GCARENA_CMD_ARENA_GONE };

	tell(&notice);
}

/* A collection of the kind begins. */
void gcarena_notify_begin(struct gcarena *arena, u32 kind)
{
	struct notice notice = {
		.arena = arena,
		.cmd = GCARENA_CMD_CYCLE_BEGIN,
		.cycle = true,
	};
	const struct gcarena_counters *c = &arena->counters;
	struct gcarena_notify *notify = &arena->notify;

	lockdep_assert_held(&arena->lock);
	notify->kind = kind;
	notify->heap_bytes = arena->heap.used.bytes;
	notify->begin.stop_total_ns = c->stop_total_ns;
	notify->begin.root_total_ns = c->root_total_ns;
	notify->begin.mark_total_ns = c->mark_total_ns;
	notify->begin.dirty_total_ns = c->dirty_total_ns;
	notify->begin.compact_total_ns = c->compact_total_ns;
	notify->begin.concurrent_ns = c->concurrent_ns;
	notify->begin.assist_ns = c->assist_ns;
	notify->begin.rounds = c->rounds;
	tell(&notice);
}

/* It has ended. @event: what the program itself is told of it. */
void gcarena_notify_end(struct gcarena *arena, const struct gcarena_event *event)
{
	struct notice notice = {
		.arena = arena,
		.cmd = GCARENA_CMD_CYCLE_END,
		.event = event,
		.cycle = true,
	};

	lockdep_assert_held(&arena->lock);
	tell(&notice);
	arena->notify.sweep_ns = arena->counters.sweep_total_ns;
}

/* A collection is given up, because of one thread. */
void gcarena_notify_timeout(struct gcarena *arena, struct task_struct *thread)
{
	char comm[TASK_COMM_LEN];
	struct notice notice = {
		.arena = arena,
		.cmd = GCARENA_CMD_STOP_TIMEOUT,
		.comm = get_task_comm(comm, thread),
		.thread = thread,
	};

	lockdep_assert_held(&arena->lock);
	tell(&notice);
}

/* An allocation of the calling thread fails with @error. */
void gcarena_notify_limit(struct gcarena *arena, int error)
{
	struct gcarena_notify *notify = &arena->notify;
	char comm[TASK_COMM_LEN];
	struct notice notice = {
		.arena = arena,
		.cmd = GCARENA_CMD_LIMIT_HIT,
		.comm = get_task_comm(comm, current),
		.thread = current,
		.limit_error = error,
	};

	lockdep_assert_held(&arena->lock);
	if (!notify->limit_told || time_after(jiffies, notify->limit_jiffies + HZ)) {
		notify->limit_jiffies = jiffies;
		notify->limit_told = 0;
	}
	if (notify->limit_told == LIMIT_EVENTS)
		return;
	notify->limit_told++;
	tell(&notice);
}
