// SPDX-License-Identifier: GPL-2.0
/*
 * Generic netlink: see and drive arenas from outside. uapi/linux/gcarena_netlink.h says
 * what each command does.
 *
 * A handler finds an arena, checks who asks, reads or sets, and lets go of the arena.
 * Netlink may hold a lock meanwhile that the whole machine's generic netlink needs, and
 * the arena's last close waits: so handlers wait for nothing that a program could hold
 * up. They try the heap lock for a while and give up; collections are left to a worker.
 */
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <net/genetlink.h>

#include "access.h"
#include "arena.h"
#include "compat.h"
#include "netlink.h"
#include "occupancy.h"

/* How long one message may wait for heap locks, and how often it tries. */
#define PATIENCE	(HZ / 10 + 1)
#define TRY_US		500

#define NO_ARENA	"there is no such arena"
#define NO_ACCESS	"you may not trace the owner of this arena: be its user, or root"
#define IS_BUSY		"the arena is busy, with a collection perhaps: try again"

static unsigned long patience_begin(void)
{
	return jiffies + PATIENCE;
}

static bool lock_patiently(struct gcarena *arena, unsigned long until)
{
	while (!mutex_trylock(&arena->lock)) {
		if (time_after_eq(jiffies, until) || fatal_signal_pending(current))
			return false;
		fsleep(TRY_US);
	}
	return true;
}

/* ---- Finding arenas ----------------------------------------------------------------- */

static bool may_control(const struct sk_buff *skb, struct gcarena *arena)
{
	struct task_struct *owner = gcarena_owner_get(arena);
	bool may = gcarena_may_control(skb, owner);

	if (owner)
		put_task_struct(owner);
	return may;
}

/* An arena that who sent @skb may control. End with gcarena_find_end(). */
static struct gcarena *find_permitted(const struct sk_buff *skb, const struct nlattr *id,
				      struct netlink_ext_ack *extack)
{
	struct gcarena *arena = gcarena_find(nla_get_u32(id));

	if (!arena) {
		NL_SET_ERR_MSG_ATTR(extack, id, NO_ARENA);
		return ERR_PTR(-ENOENT);
	}
	if (may_control(skb, arena))
		return arena;
	gcarena_find_end(arena);
	NL_SET_ERR_MSG_ATTR(extack, id, NO_ACCESS);
	return ERR_PTR(-EPERM);
}

static struct gcarena *find_by_id(const struct sk_buff *skb, struct genl_info *info, int attr)
{
	if (GENL_REQ_ATTR_CHECK(info, attr)) {
		GENL_SET_ERR_MSG(info, "say which arena, by its number");
		return ERR_PTR(-EINVAL);
	}
	return find_permitted(skb, info->attrs[attr], info->extack);
}

/* The first arena from number @from on that @pid uses, if not NULL, or NULL. */
static struct gcarena *find_next_of(struct pid *pid, u32 from)
{
	struct gcarena *arena;

	while ((arena = gcarena_find_next(from))) {
		if (!pid || gcarena_is_used_by(arena, pid))
			return arena;
		from = arena->entry.id + 1;
		gcarena_find_end(arena);
		if (!from)
			return NULL;
	}
	return NULL;
}

static struct gcarena *find_by_pid(const struct sk_buff *skb, struct genl_info *info)
{
	const struct nlattr *attr = info->attrs[GCARENA_A_ARENA_PID];
	struct pid *pid = find_get_pid(nla_get_u32(attr));
	struct gcarena *arena = pid ? find_next_of(pid, 1) : NULL;

	put_pid(pid);
	if (!arena) {
		NL_SET_ERR_MSG_ATTR(info->extack, attr, "no process of this number has an arena");
		return ERR_PTR(-ENOENT);
	}
	if (may_control(skb, arena))
		return arena;
	gcarena_find_end(arena);
	NL_SET_ERR_MSG_ATTR(info->extack, attr, NO_ACCESS);
	return ERR_PTR(-EPERM);
}

/* ---- Filling messages --------------------------------------------------------------- */

static int put_u64(struct sk_buff *skb, int attr, u64 value)
{
	/* PAD has the same number in all sets. */
	BUILD_BUG_ON((int)GCARENA_A_STATS_PAD != (int)GCARENA_A_ARENA_PAD ||
		     (int)GCARENA_A_CLASS_PAD != (int)GCARENA_A_ARENA_PAD ||
		     (int)GCARENA_A_SPAN_PAD != (int)GCARENA_A_ARENA_PAD);
	return nla_put_u64_64bit(skb, attr, value, GCARENA_A_ARENA_PAD);
}

/* Numbers of processes are those that the reader sees. */
static int put_owner(struct sk_buff *skb, struct gcarena *arena)
{
	struct task_struct *owner = gcarena_owner_get(arena);
	char comm[TASK_COMM_LEN] = "";
	u32 pid = 0;

	if (owner) {
		pid = task_tgid_nr_ns(owner, task_active_pid_ns(current));
		get_task_comm(comm, owner);
		put_task_struct(owner);
	}
	return nla_put_u32(skb, GCARENA_A_ARENA_PID, pid) ?:
	       nla_put_string(skb, GCARENA_A_ARENA_COMM, comm);
}

static int put_params(struct sk_buff *skb, const struct gcarena_overview *o, u32 dirty_method)
{
	return nla_put_u32(skb, GCARENA_A_ARENA_CREATED, o->created) ?:
	       put_u64(skb, GCARENA_A_ARENA_BASE, o->base) ?:
	       put_u64(skb, GCARENA_A_ARENA_RESERVE, o->params.reserve) ?:
	       put_u64(skb, GCARENA_A_ARENA_LIMIT, o->params.limit) ?:
	       put_u64(skb, GCARENA_A_ARENA_MIN_HEAP, o->params.min_heap) ?:
	       put_u64(skb, GCARENA_A_ARENA_MEMORY_LIMIT, o->params.memory_limit) ?:
	       nla_put_s32(skb, GCARENA_A_ARENA_GC_PERCENT, o->params.gc_percent) ?:
	       nla_put_u32(skb, GCARENA_A_ARENA_ROOT_MODE, o->params.root_mode) ?:
	       nla_put_u32(skb, GCARENA_A_ARENA_DIRTY_METHOD, dirty_method);
}

static int put_numbers(struct sk_buff *skb, const struct gcarena_overview *o)
{
	return nla_put_u32(skb, GCARENA_A_ARENA_PHASE, o->phase) ?:
	       put_u64(skb, GCARENA_A_ARENA_HEAP_OBJECTS, o->heap_objects) ?:
	       put_u64(skb, GCARENA_A_ARENA_HEAP_BYTES, o->heap_bytes) ?:
	       put_u64(skb, GCARENA_A_ARENA_BACKING_BYTES, o->backing_bytes) ?:
	       put_u64(skb, GCARENA_A_ARENA_METADATA_BYTES, o->metadata_bytes) ?:
	       put_u64(skb, GCARENA_A_ARENA_CYCLES, o->cycles) ?:
	       put_u64(skb, GCARENA_A_ARENA_CYCLES_ABORTED, o->cycles_aborted) ?:
	       put_u64(skb, GCARENA_A_ARENA_PAUSE_LAST_NS, o->pause_last_ns) ?:
	       put_u64(skb, GCARENA_A_ARENA_PAUSE_MAX_NS, o->pause_max_ns) ?:
	       put_u64(skb, GCARENA_A_ARENA_PAUSE_TOTAL_NS, o->pause_total_ns) ?:
	       put_u64(skb, GCARENA_A_ARENA_ALLOC_BYTES, o->alloc_bytes) ?:
	       put_u64(skb, GCARENA_A_ARENA_LIMIT_HITS, o->limit_hits);
}

static int put_requests(struct sk_buff *skb, struct gcarena_request *request)
{
	u64 asked, done;
	int error;

	spin_lock(&request->lock);
	asked = request->asked;
	done = request->done;
	error = request->error;
	spin_unlock(&request->lock);
	return put_u64(skb, GCARENA_A_ARENA_ASKED, asked) ?:
	       put_u64(skb, GCARENA_A_ARENA_DONE, done) ?:
	       nla_put_u32(skb, GCARENA_A_ARENA_DONE_ERROR, -error);
}

static int put_name(struct sk_buff *skb, struct gcarena *arena)
{
	char name[GCARENA_NAME_LEN];

	gcarena_registry_get_name(arena, name);
	return nla_put_string(skb, GCARENA_A_ARENA_NAME, name);
}

static int put_arena(struct sk_buff *skb, struct gcarena *arena)
{
	struct gcarena_overview o;

	gcarena_overview_fill(arena, &o);
	return nla_put_u32(skb, GCARENA_A_ARENA_ID, arena->entry.id) ?:
	       put_owner(skb, arena) ?:
	       put_name(skb, arena) ?:
	       put_params(skb, &o, arena->dirty_method) ?:
	       nla_put_u32(skb, GCARENA_A_ARENA_PROCESSES, gcarena_mapping_count(arena)) ?:
	       put_numbers(skb, &o) ?:
	       put_u64(skb, GCARENA_A_ARENA_EVENTS, READ_ONCE(arena->notify.nr)) ?:
	       put_requests(skb, &arena->request);
}

static int put_counters(struct sk_buff *skb, const struct gcarena_stats *stats)
{
	const u64 *field = &stats->heap_objects;
	const unsigned int nr = (sizeof(*stats) -
				 offsetof(struct gcarena_stats, heap_objects)) / sizeof(*field);
	unsigned int i;
	int ret = 0;

	BUILD_BUG_ON(offsetof(struct gcarena_stats, heap_objects) != sizeof(*field));
	for (i = 0; i < nr && !ret; i++)
		ret = put_u64(skb, GCARENA_A_STATS_FIRST + i, field[i]);
	return ret;
}

/* Statistics, or that they are not to be had. */
static int put_stats(struct sk_buff *skb, struct gcarena *arena, unsigned long until)
{
	struct gcarena_stats stats = { };
	int ret;

	ret = nla_put_u32(skb, GCARENA_A_STATS_ID, arena->entry.id);
	if (ret)
		return ret;
	if (!lock_patiently(arena, until))
		return nla_put_flag(skb, GCARENA_A_STATS_BUSY);
	gcarena_stats_fill(arena, &stats);
	mutex_unlock(&arena->lock);
	return put_counters(skb, &stats);
}

/* ---- One arena ---------------------------------------------------------------------- */

typedef int (*fill_fn)(struct sk_buff *skb, struct gcarena *arena, unsigned long until);

static int fill_arena(struct sk_buff *skb, struct gcarena *arena, unsigned long until)
{
	return put_arena(skb, arena);
}

static int reply(struct genl_info *info, struct gcarena *arena, fill_fn fill)
{
	struct sk_buff *skb = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	void *header;
	int ret = -EMSGSIZE;

	if (!skb)
		return -ENOMEM;
	header = genlmsg_put_reply(skb, info, &gcarena_genl_family, 0, info->genlhdr->cmd);
	if (header)
		ret = fill(skb, arena, patience_begin());
	if (ret) {
		nlmsg_free(skb);
		return ret;
	}
	genlmsg_end(skb, header);
	return genlmsg_reply(skb, info);
}

static int arena_get(struct sk_buff *skb, struct genl_info *info)
{
	bool by_pid = info->attrs[GCARENA_A_ARENA_PID];
	struct gcarena *arena;
	int ret;

	if (by_pid && info->attrs[GCARENA_A_ARENA_ID]) {
		GENL_SET_ERR_MSG(info, "say which arena by its number or by a process, not both");
		return -EINVAL;
	}
	arena = by_pid ? find_by_pid(skb, info) : find_by_id(skb, info, GCARENA_A_ARENA_ID);
	if (IS_ERR(arena))
		return PTR_ERR(arena);
	ret = reply(info, arena, fill_arena);
	gcarena_find_end(arena);
	return ret;
}

static int fill_stats(struct sk_buff *skb, struct gcarena *arena, unsigned long until)
{
	struct gcarena_stats stats = { };

	if (!lock_patiently(arena, until))
		return -EBUSY;
	gcarena_stats_fill(arena, &stats);
	mutex_unlock(&arena->lock);
	return nla_put_u32(skb, GCARENA_A_STATS_ID, arena->entry.id) ?: put_counters(skb, &stats);
}

static int stats_get(struct sk_buff *skb, struct genl_info *info)
{
	struct gcarena *arena = find_by_id(skb, info, GCARENA_A_STATS_ID);
	int ret;

	if (IS_ERR(arena))
		return PTR_ERR(arena);
	ret = reply(info, arena, fill_stats);
	if (ret == -EBUSY)
		GENL_SET_ERR_MSG(info, IS_BUSY);
	gcarena_find_end(arena);
	return ret;
}

/* ---- Setting ------------------------------------------------------------------------ */

/* The attributes that set something, and what they set. */
static const struct knob {
	int attr;
	u32 param;
	const char *trouble;
} knobs[] = {
	{ GCARENA_A_ARENA_LIMIT, GCARENA_PARAM_LIMIT,
	  "a limit is a multiple of 2 MiB, not 0, and no more than the arena reserves" },
	{ GCARENA_A_ARENA_MIN_HEAP, GCARENA_PARAM_MIN_HEAP, "min_heap is not 0" },
	{ GCARENA_A_ARENA_GC_PERCENT, GCARENA_PARAM_GC_PERCENT,
	  "gc_percent is 1 to 1000000, or -1 for off" },
	{ GCARENA_A_ARENA_MEMORY_LIMIT, GCARENA_PARAM_MEMORY_LIMIT,
	  "memory_limit is a number of bytes below 2^63, or 0 for none" },
};

static s64 knob_value(const struct nlattr *attr)
{
	return nla_len(attr) == sizeof(s32) ? nla_get_s32(attr) : (s64)nla_get_u64(attr);
}

static int knob_check(const struct sk_buff *skb, struct genl_info *info, struct gcarena *arena,
		      const struct knob *knob)
{
	const struct nlattr *attr = info->attrs[knob->attr];
	int ret = gcarena_knob_check(arena, knob->param, knob_value(attr));

	if (ret == -EPERM && netlink_capable(skb, CAP_SYS_RESOURCE))
		return 0;
	if (ret == -EPERM)
		NL_SET_ERR_MSG_ATTR(info->extack, attr,
				    "the limit is above max_limit_mib: that takes CAP_SYS_RESOURCE");
	else if (ret)
		NL_SET_BAD_ATTR(info->extack, attr);
	if (ret && ret != -EPERM && info->extack)
		info->extack->_msg = knob->trouble;
	return ret;
}

/* All or none, under the heap lock. */
static int set_locked(const struct sk_buff *skb, struct genl_info *info, struct gcarena *arena)
{
	const struct knob *knob;
	int ret;

	for (knob = knobs; knob < knobs + ARRAY_SIZE(knobs); knob++) {
		ret = info->attrs[knob->attr] ? knob_check(skb, info, arena, knob) : 0;
		if (ret)
			return ret;
	}
	for (knob = knobs; knob < knobs + ARRAY_SIZE(knobs); knob++) {
		if (info->attrs[knob->attr])
			gcarena_knob_set(arena, knob->param, knob_value(info->attrs[knob->attr]));
	}
	return 0;
}

static int set_patiently(struct sk_buff *skb, struct genl_info *info, struct gcarena *arena)
{
	int ret;

	if (!gcarena_is_created(arena)) {
		GENL_SET_ERR_MSG(info, "the arena has no parameters yet: it was not mapped");
		return -ENXIO;
	}
	if (!lock_patiently(arena, patience_begin())) {
		GENL_SET_ERR_MSG(info, IS_BUSY);
		return -EBUSY;
	}
	ret = set_locked(skb, info, arena);
	mutex_unlock(&arena->lock);
	return ret;
}

static int arena_set(struct sk_buff *skb, struct genl_info *info)
{
	struct gcarena *arena = find_by_id(skb, info, GCARENA_A_ARENA_ID);
	const struct knob *knob;
	bool some = false;
	int ret;

	if (IS_ERR(arena))
		return PTR_ERR(arena);
	for (knob = knobs; knob < knobs + ARRAY_SIZE(knobs); knob++)
		some |= !!info->attrs[knob->attr];
	if (some) {
		ret = set_patiently(skb, info, arena);
	} else {
		GENL_SET_ERR_MSG(info, "nothing to set: limit, min_heap, gc_percent, memory_limit");
		ret = -EINVAL;
	}
	gcarena_find_end(arena);
	return ret;
}

/* ---- Collecting --------------------------------------------------------------------- */

static int fill_asked(struct sk_buff *skb, struct gcarena *arena, unsigned long until)
{
	return nla_put_u32(skb, GCARENA_A_ARENA_ID, arena->entry.id) ?:
	       put_requests(skb, &arena->request);
}

static int collect_found(struct genl_info *info, struct gcarena *arena)
{
	const struct nlattr *attr = info->attrs[GCARENA_A_ARENA_KIND];
	u32 kind = attr ? nla_get_u32(attr) : GCARENA_COLLECT_FULL;
	bool moves = kind == GCARENA_COLLECT_COMPACT || kind == GCARENA_COLLECT_EVACUATE;
	bool release = info->attrs[GCARENA_A_ARENA_RELEASE];

	if (!moves && kind != GCARENA_COLLECT_FULL && kind != GCARENA_COLLECT_MINOR) {
		NL_SET_ERR_MSG_ATTR(info->extack, attr, "this kernel knows no such collection");
		return -EOPNOTSUPP;
	}
	/* What is in registers does not hold objects in place: only the program knows when. */
	if (moves && gcarena_is_created(arena) &&
	    arena->params.root_mode == GCARENA_ROOTS_EXPLICIT) {
		NL_SET_ERR_MSG_ATTR(info->extack, attr,
				    "the roots are explicit: only the program may move objects");
		return -EOPNOTSUPP;
	}
	if (!gcarena_is_created(arena) || !gcarena_mapping_count(arena)) {
		GENL_SET_ERR_MSG(info, "no process maps the arena: nobody knows what is in use");
		return -ENXIO;
	}
	gcarena_request_collect(arena, kind, release ? GCARENA_COLLECT_RELEASE : 0);
	/*
	 * What is told as ASKED may be a later request than this one, which is as good: it
	 * is done later.
	 */
	return reply(info, arena, fill_asked);
}

static int collect(struct sk_buff *skb, struct genl_info *info)
{
	struct gcarena *arena = find_by_id(skb, info, GCARENA_A_ARENA_ID);
	int ret;

	if (IS_ERR(arena))
		return PTR_ERR(arena);
	ret = collect_found(info, arena);
	gcarena_find_end(arena);
	return ret;
}

/* ---- All arenas --------------------------------------------------------------------- */

/**
 * struct dump - where a dump of arenas is
 * @births: those that were born later are left out: they may come faster than they can
 *	be told
 * @next: number of the next arena to look at; 0: there is none
 * @pid: those of this process alone, or NULL
 */
struct dump {
	u64 births;
	u32 next;
	struct pid *pid;
};

static struct dump *dump_of(struct netlink_callback *cb)
{
	BUILD_BUG_ON(sizeof(struct dump) > sizeof(cb->ctx));
	return (struct dump *)cb->ctx;
}

static void dump_begin(struct netlink_callback *cb)
{
	*dump_of(cb) = (struct dump) { .births = gcarena_registry_births(), .next = 1 };
}

/* Add a message on one arena, if who receives it may know. */
static int dump_one(struct sk_buff *skb, struct netlink_callback *cb, struct gcarena *arena,
		    u8 cmd, fill_fn fill, unsigned long until)
{
	void *header;

	if (!may_control(cb->skb, arena))
		return 0;
	header = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
			     &gcarena_genl_family, NLM_F_MULTI, cmd);
	if (!header)
		return -EMSGSIZE;
	genl_dump_check_consistent(cb, header);
	if (fill(skb, arena, until)) {
		genlmsg_cancel(skb, header);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, header);
	return 0;
}

static int dump_arenas(struct sk_buff *skb, struct netlink_callback *cb, u8 cmd, fill_fn fill)
{
	unsigned long until = patience_begin();
	struct dump *dump = dump_of(cb);
	struct gcarena *arena;
	int ret = 0;

	cb->seq = gcarena_registry_generation();
	while (dump->next && (arena = find_next_of(dump->pid, dump->next))) {
		dump->next = arena->entry.id;
		if (arena->entry.birth <= dump->births)
			ret = dump_one(skb, cb, arena, cmd, fill, until);
		gcarena_find_end(arena);
		if (ret)
			break;
		dump->next++;
		cond_resched();
	}
	/* A message that does not fit is the first of the next batch. */
	return skb->len ?: ret;
}

static int arenas_start(struct netlink_callback *cb)
{
	const struct nlattr *pid = gcarena_dump_attrs(cb)[GCARENA_A_ARENA_PID];

	if (gcarena_dump_attrs(cb)[GCARENA_A_ARENA_ID]) {
		NL_SET_ERR_MSG(cb->extack, "one arena is not dumped: ask without NLM_F_DUMP");
		return -EINVAL;
	}
	dump_begin(cb);
	if (!pid)
		return 0;
	dump_of(cb)->pid = find_get_pid(nla_get_u32(pid));
	if (dump_of(cb)->pid)
		return 0;
	NL_SET_ERR_MSG_ATTR(cb->extack, pid, "there is no process of this number");
	return -ENOENT;
}

static int arenas_done(struct netlink_callback *cb)
{
	put_pid(dump_of(cb)->pid);
	return 0;
}

static int arenas_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	return dump_arenas(skb, cb, GCARENA_CMD_ARENA_GET, fill_arena);
}

static int stats_start(struct netlink_callback *cb)
{
	if (gcarena_dump_attrs(cb)[GCARENA_A_STATS_ID]) {
		NL_SET_ERR_MSG(cb->extack, "one arena is not dumped: ask without NLM_F_DUMP");
		return -EINVAL;
	}
	dump_begin(cb);
	return 0;
}

static int stats_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	return dump_arenas(skb, cb, GCARENA_CMD_STATS_GET, put_stats);
}

/* ---- What one arena is made of ------------------------------------------------------ */

static struct gcarena *find_for_dump(struct netlink_callback *cb, int attr)
{
	const struct nlattr *id = gcarena_dump_attrs(cb)[attr];

	if (!id) {
		NL_SET_ERR_MSG(cb->extack, "say which arena, by its number");
		return ERR_PTR(-EINVAL);
	}
	return find_permitted(cb->skb, id, cb->extack);
}

/**
 * struct classes - a dump of classes, made when it was asked for
 * @id: number of the arena
 * @next: key of the next row to tell
 * @rows: struct gcarena_class_row
 */
struct classes {
	u32 id;
	unsigned long next;
	struct xarray rows;
};

/* Dropping the lock now and then: who allocates shall not wait for who looks. */
static int classes_fill(struct gcarena *arena, struct classes *classes)
{
	unsigned long until = patience_begin();
	u64 pos = 0;
	int ret;

	do {
		if (fatal_signal_pending(current))
			return -EINTR;
		if (!lock_patiently(arena, until))
			return -EBUSY;
		ret = gcarena_occupancy_add(arena, &classes->rows, &pos);
		mutex_unlock(&arena->lock);
		cond_resched();
	} while (ret > 0);
	return ret;
}

static void classes_destroy(struct classes *classes)
{
	gcarena_occupancy_free(&classes->rows);
	kfree(classes);
}

static struct classes *classes_create(struct gcarena *arena)
{
	struct classes *classes = kzalloc(sizeof(*classes), GCARENA_GFP);
	int ret;

	if (!classes)
		return ERR_PTR(-ENOMEM);
	classes->id = arena->entry.id;
	xa_init(&classes->rows);
	ret = classes_fill(arena, classes);
	if (!ret)
		return classes;
	classes_destroy(classes);
	return ERR_PTR(ret);
}

static int classes_start(struct netlink_callback *cb)
{
	struct gcarena *arena = find_for_dump(cb, GCARENA_A_CLASS_ID);
	struct classes *classes;

	if (IS_ERR(arena))
		return PTR_ERR(arena);
	classes = classes_create(arena);
	gcarena_find_end(arena);
	if (IS_ERR(classes)) {
		if (PTR_ERR(classes) == -EBUSY)
			NL_SET_ERR_MSG(cb->extack, IS_BUSY);
		return PTR_ERR(classes);
	}
	cb->args[0] = (unsigned long)classes;
	return 0;
}

static int classes_done(struct netlink_callback *cb)
{
	classes_destroy((struct classes *)cb->args[0]);
	return 0;
}

static int put_class(struct sk_buff *skb, u32 id, const struct gcarena_class_row *row)
{
	return nla_put_u32(skb, GCARENA_A_CLASS_ID, id) ?:
	       nla_put_u32(skb, GCARENA_A_CLASS_SIZE_CLASS, row->size_class) ?:
	       nla_put_u32(skb, GCARENA_A_CLASS_LAYOUT, row->layout) ?:
	       nla_put_string(skb, GCARENA_A_CLASS_NAME, row->name) ?:
	       put_u64(skb, GCARENA_A_CLASS_SLOT_BYTES, row->slot_bytes) ?:
	       put_u64(skb, GCARENA_A_CLASS_SPANS, row->spans) ?:
	       put_u64(skb, GCARENA_A_CLASS_SPAN_BYTES, row->span_bytes) ?:
	       put_u64(skb, GCARENA_A_CLASS_OWNED, row->owned) ?:
	       put_u64(skb, GCARENA_A_CLASS_UNSWEPT, row->unswept) ?:
	       put_u64(skb, GCARENA_A_CLASS_SLOTS, row->slots) ?:
	       put_u64(skb, GCARENA_A_CLASS_USED, row->used) ?:
	       put_u64(skb, GCARENA_A_CLASS_USED_BYTES, row->used_bytes) ?:
	       put_u64(skb, GCARENA_A_CLASS_OLD, row->old);
}

static void *dump_header(struct sk_buff *skb, struct netlink_callback *cb, u8 cmd)
{
	return genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
			   &gcarena_genl_family, NLM_F_MULTI, cmd);
}

static int classes_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct classes *classes = (struct classes *)cb->args[0];
	struct gcarena_class_row *row;
	void *header;

	while ((row = xa_find(&classes->rows, &classes->next, ULONG_MAX, XA_PRESENT))) {
		header = dump_header(skb, cb, GCARENA_CMD_CLASSES_GET);
		if (!header || put_class(skb, classes->id, row)) {
			genlmsg_cancel(skb, header);
			return skb->len ?: -EMSGSIZE;
		}
		genlmsg_end(skb, header);
		classes->next++;
	}
	return skb->len;
}

/**
 * struct spans - where a dump of spans is
 * @pos: for gcarena_occupancy_span()
 * @id: number of the arena
 */
struct spans {
	u64 pos;
	u32 id;
};

static struct spans *spans_of(struct netlink_callback *cb)
{
	BUILD_BUG_ON(sizeof(struct spans) > sizeof(cb->ctx));
	return (struct spans *)cb->ctx;
}

static int spans_start(struct netlink_callback *cb)
{
	struct gcarena *arena = find_for_dump(cb, GCARENA_A_SPAN_ID);

	if (IS_ERR(arena))
		return PTR_ERR(arena);
	*spans_of(cb) = (struct spans) { .id = arena->entry.id };
	gcarena_find_end(arena);
	return 0;
}

static int put_span(struct sk_buff *skb, u32 id, const struct gcarena_span_row *row)
{
	return nla_put_u32(skb, GCARENA_A_SPAN_ID, id) ?:
	       put_u64(skb, GCARENA_A_SPAN_START, row->start) ?:
	       put_u64(skb, GCARENA_A_SPAN_BYTES, row->bytes) ?:
	       nla_put_u32(skb, GCARENA_A_SPAN_SIZE_CLASS, row->size_class) ?:
	       nla_put_u32(skb, GCARENA_A_SPAN_LAYOUT, row->layout) ?:
	       nla_put_u32(skb, GCARENA_A_SPAN_STATE, row->state) ?:
	       nla_put_u32(skb, GCARENA_A_SPAN_SLOTS, row->slots) ?:
	       nla_put_u32(skb, GCARENA_A_SPAN_USED, row->used) ?:
	       nla_put_u32(skb, GCARENA_A_SPAN_OLD, row->old);
}

/* As many as fit. The message buffer bounds how long the lock is held. */
static int spans_dump_locked(struct sk_buff *skb, struct netlink_callback *cb,
			     struct gcarena *arena)
{
	struct spans *spans = spans_of(cb);
	struct gcarena_span_row row;
	u64 pos = spans->pos;
	void *header;

	while (gcarena_occupancy_span(arena, &pos, &row)) {
		header = dump_header(skb, cb, GCARENA_CMD_SPANS_GET);
		if (!header || put_span(skb, spans->id, &row)) {
			genlmsg_cancel(skb, header);
			return skb->len ?: -EMSGSIZE;
		}
		genlmsg_end(skb, header);
		spans->pos = pos;
	}
	return skb->len;
}

/* The arena may be gone by now, or another user may read on. */
static int spans_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct gcarena *arena = gcarena_find(spans_of(cb)->id);
	int ret = -EPERM;

	if (!arena)
		return -ENOENT;
	if (may_control(cb->skb, arena)) {
		ret = -EBUSY;
		if (lock_patiently(arena, patience_begin())) {
			ret = spans_dump_locked(skb, cb, arena);
			mutex_unlock(&arena->lock);
		}
	}
	gcarena_find_end(arena);
	return ret;
}

/* ---- The family --------------------------------------------------------------------- */

static const struct nla_policy arena_get_policy[] = {
	[GCARENA_A_ARENA_ID] = NLA_POLICY_MIN(NLA_U32, 1),
	[GCARENA_A_ARENA_PID] = NLA_POLICY_MIN(NLA_U32, 1),
};

static const struct nla_policy arena_set_policy[] = {
	[GCARENA_A_ARENA_ID] = NLA_POLICY_MIN(NLA_U32, 1),
	[GCARENA_A_ARENA_LIMIT] = { .type = NLA_U64 },
	[GCARENA_A_ARENA_MIN_HEAP] = { .type = NLA_U64 },
	[GCARENA_A_ARENA_GC_PERCENT] = { .type = NLA_S32 },
	[GCARENA_A_ARENA_MEMORY_LIMIT] = { .type = NLA_U64 },
};

static const struct nla_policy collect_policy[] = {
	[GCARENA_A_ARENA_ID] = NLA_POLICY_MIN(NLA_U32, 1),
	[GCARENA_A_ARENA_KIND] = { .type = NLA_U32 },
	[GCARENA_A_ARENA_RELEASE] = { .type = NLA_FLAG },
};

static const struct nla_policy stats_policy[] = {
	[GCARENA_A_STATS_ID] = NLA_POLICY_MIN(NLA_U32, 1),
};

static const struct nla_policy class_policy[] = {
	[GCARENA_A_CLASS_ID] = NLA_POLICY_MIN(NLA_U32, 1),
};

static const struct nla_policy span_policy[] = {
	[GCARENA_A_SPAN_ID] = NLA_POLICY_MIN(NLA_U32, 1),
};

#define POLICY(table)	.policy = (table), .maxattr = ARRAY_SIZE(table) - 1

static const struct genl_ops ops[] = {
	{
		.cmd = GCARENA_CMD_ARENA_GET,
		POLICY(arena_get_policy),
		.doit = arena_get,
		.start = arenas_start,
		.dumpit = arenas_dump,
		.done = arenas_done,
	}, {
		.cmd = GCARENA_CMD_ARENA_SET,
		POLICY(arena_set_policy),
		.doit = arena_set,
	}, {
		.cmd = GCARENA_CMD_COLLECT,
		POLICY(collect_policy),
		.doit = collect,
	}, {
		.cmd = GCARENA_CMD_STATS_GET,
		POLICY(stats_policy),
		.doit = stats_get,
		.start = stats_start,
		.dumpit = stats_dump,
	}, {
		.cmd = GCARENA_CMD_CLASSES_GET,
		POLICY(class_policy),
		.start = classes_start,
		.dumpit = classes_dump,
		.done = classes_done,
	}, {
		.cmd = GCARENA_CMD_SPANS_GET,
		POLICY(span_policy),
		.start = spans_start,
		.dumpit = spans_dump,
	},
};

static const struct genl_multicast_group groups[] = {
	{ .name = GCARENA_GENL_EVENTS, .flags = GENL_MCAST_CAP_SYS_ADMIN },
};

struct genl_family gcarena_genl_family __ro_after_init = {
	.name = GCARENA_GENL_NAME,
	.version = GCARENA_GENL_VERSION,
	.module = THIS_MODULE,
	.netnsok = true,
	.parallel_ops = true,	/* arenas have locks of their own */
	.ops = ops,
	.n_ops = ARRAY_SIZE(ops),
	.mcgrps = groups,
	.n_mcgrps = ARRAY_SIZE(groups),
};

int __init gcarena_netlink_init(void)
{
	return genl_register_family(&gcarena_genl_family);
}

void gcarena_netlink_exit(void)
{
	genl_unregister_family(&gcarena_genl_family);
}
