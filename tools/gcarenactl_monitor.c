// SPDX-License-Identifier: GPL-2.0
/*
 * gcarenactl monitor: collections, as they happen.
 *
 * By the module's multicast group, which takes privileges. Who has none looks at the
 * arenas he may see ten times a second, and tells of each collection since.
 *
 * Either way what was missed is counted and told: of events the gaps in their numbers,
 * else collections of which only the last was seen.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/gcarena_netlink.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>

#include "gcarena.h"
#include "gcarenactl.h"
#include "human.h"

#define LOOK_SECONDS	0.1

/* What happened, in the order in which it is shown. */
struct event_record {
	char event[24];
	uint32_t id;
	uint64_t nr, time_ns;
	uint32_t pid;
	char name[NAME_LEN], command[COMM_LEN];
	uint32_t thread;
	uint32_t kind;
	uint64_t cycle, heap_bytes;
	uint32_t error;
	uint64_t duration_ns, stop_ns, root_ns, mark_ns, dirty_ns, sweep_ns;
	uint64_t trace_ns, assist_ns, compact_ns, rounds;
	uint64_t backing_bytes, limit, hits;
	uint64_t threads, dirty_pages, live_bytes, goal_bytes;
	uint64_t lost;
	bool has_times;
};

static const char *const kind_names[] = { "full", "minor", "compact", NULL };

#define EVENT(kind_, member_, nl_, ...) \
	ATTRIBUTE(kind_, event_record, member_, #member_, .nl = GCARENA_A_EVENT_ ## nl_, \
		  ##__VA_ARGS__)

static const struct attribute any_rows[] = {
	ATTRIBUTE(STRING, event_record, event, "event"),
	EVENT(NUMBER, id, ID),
	EVENT(NUMBER, nr, NR),
	EVENT(NUMBER, time_ns, TIME_NS),
	EVENT(NUMBER, pid, PID),
	EVENT(STRING, name, NAME),
};

static const struct attribute comm_rows[] = {
	EVENT(STRING, command, COMM),
};

static const struct attribute thread_rows[] = {
	EVENT(NUMBER, thread, THREAD),
};

static const struct attribute cycle_rows[] = {
	EVENT(NAME, kind, KIND, .names = kind_names),
	EVENT(NUMBER, cycle, CYCLE),
	EVENT(NUMBER, heap_bytes, HEAP_BYTES),
};

static const struct attribute end_rows[] = {
	EVENT(NUMBER, error, ERROR),
	EVENT(NUMBER, duration_ns, DURATION_NS),
};

static const struct attribute time_rows[] = {
	EVENT(NUMBER, stop_ns, STOP_NS),
	EVENT(NUMBER, root_ns, ROOT_NS),
	EVENT(NUMBER, mark_ns, MARK_NS),
	EVENT(NUMBER, dirty_ns, DIRTY_NS),
	EVENT(NUMBER, compact_ns, COMPACT_NS),
	EVENT(NUMBER, trace_ns, TRACE_NS),
	EVENT(NUMBER, assist_ns, ASSIST_NS),
	EVENT(NUMBER, rounds, ROUNDS),
	EVENT(NUMBER, sweep_ns, SWEEP_NS),
};

static const struct attribute live_rows[] = {
	EVENT(NUMBER, threads, THREADS),
	EVENT(NUMBER, dirty_pages, DIRTY_PAGES),
	EVENT(NUMBER, live_bytes, LIVE_BYTES),
	EVENT(LIMIT, goal_bytes, GOAL_BYTES),
};

static const struct attribute limit_rows[] = {
	EVENT(NUMBER, error, ERROR),
	EVENT(NUMBER, heap_bytes, HEAP_BYTES),
	EVENT(NUMBER, backing_bytes, BACKING_BYTES),
	EVENT(NUMBER, limit, LIMIT),
	EVENT(NUMBER, hits, HITS),
};

static const struct attribute lost_rows[] = {
	ATTRIBUTE(STRING, event_record, event, "event"),
	ATTRIBUTE(NUMBER, event_record, id, "id"),
	ATTRIBUTE(NUMBER, event_record, lost, "lost"),
};

static const struct attributes any_attributes = ATTRIBUTES(any_rows);
static const struct attributes comm_attributes = ATTRIBUTES(comm_rows);
static const struct attributes thread_attributes = ATTRIBUTES(thread_rows);
static const struct attributes cycle_attributes = ATTRIBUTES(cycle_rows);
static const struct attributes end_attributes = ATTRIBUTES(end_rows);
static const struct attributes time_attributes = ATTRIBUTES(time_rows);
static const struct attributes live_attributes = ATTRIBUTES(live_rows);
static const struct attributes limit_attributes = ATTRIBUTES(limit_rows);
static const struct attributes lost_attributes = ATTRIBUTES(lost_rows);

/* What each kind of event has, besides what all have. */
enum { HAS_COMM = 1, HAS_THREAD = 2, HAS_CYCLE = 4, HAS_END = 8, HAS_LIMIT = 16 };

static const struct event_kind {
	uint8_t cmd;
	const char *name;
	unsigned int has;
} event_kinds[] = {
	{ GCARENA_CMD_ARENA_CREATED, "created", HAS_COMM },
	{ GCARENA_CMD_ARENA_GONE, "gone", 0 },
	{ GCARENA_CMD_CYCLE_BEGIN, "begin", HAS_CYCLE },
	{ GCARENA_CMD_CYCLE_END, "end", HAS_CYCLE | HAS_END },
	{ GCARENA_CMD_STOP_TIMEOUT, "timeout", HAS_COMM | HAS_THREAD },
	{ GCARENA_CMD_LIMIT_HIT, "limit", HAS_COMM | HAS_THREAD | HAS_LIMIT },
};

/* What is known of an arena: of events the last one, else the last look at it. */
struct known {
	uint32_t id;
	uint64_t nr;
	bool seen;
	struct gcarena_stats stats;
};

struct monitor {
	const struct options *options;
	const struct arena_set *set;	/* empty: all */
	struct known *known;
	size_t nr_known;
	unsigned long shown;
	bool done;
};

/* ---- Printing ------------------------------------------------------------ */

static void print_times(const struct event_record *e)
{
	char stop[HUMAN_LEN], root[HUMAN_LEN], mark[HUMAN_LEN], dirty[HUMAN_LEN];
	char trace[HUMAN_LEN], compact[HUMAN_LEN];

	if (!e->has_times)
		return;
	printf(" (stop %s, roots %s, mark %s", human_ns(stop, e->stop_ns),
	       human_ns(root, e->root_ns), human_ns(mark, e->mark_ns));
	if (e->kind == GCARENA_COLLECT_MINOR)
		printf(", %llu dirty pages in %s", (unsigned long long)e->dirty_pages,
		       human_ns(dirty, e->dirty_ns));
	if (e->kind == GCARENA_COLLECT_COMPACT)
		printf(", compact %s", human_ns(compact, e->compact_ns));
	putchar(')');
	if (e->rounds)
		printf(", %s beside it in %llu rounds", human_ns(trace, e->trace_ns),
		       (unsigned long long)e->rounds);
}

static void print_end(const struct event_record *e)
{
	char pause[HUMAN_LEN], heap[HUMAN_LEN], live[HUMAN_LEN], goal[HUMAN_LEN];
	char name[CELL_LEN];

	printf("@%u %sgc %llu %s %s", e->id, quoted_name(name, e->name),
	       (unsigned long long)e->cycle,
	       e->kind < ARRAY_SIZE(kind_names) - 1 ? kind_names[e->kind] : "?",
	       human_ns(pause, e->duration_ns));
	if (e->error) {
		printf(", given up: %s\n", e->error == ECANCELED ? "another one takes its place" :
		       gca_strerror(e->error));
		return;
	}
	print_times(e);
	if (e->heap_bytes)
		printf(", %s ->", human_bytes(heap, e->heap_bytes));
	else
		printf(",");
	printf(" %s live, goal %s, %llu threads\n", human_bytes(live, e->live_bytes),
	       e->goal_bytes == UINT64_MAX ? "none" : human_bytes(goal, e->goal_bytes),
	       (unsigned long long)e->threads);
}

static void print_limit(const struct event_record *e)
{
	char command[CELL_LEN], name[CELL_LEN], heap[HUMAN_LEN], held[HUMAN_LEN], limit[HUMAN_LEN];

	printf("@%u %sallocation %llu of thread %u (%s) failed: %s: %s in use, %s of %s held\n",
	       e->id, quoted_name(name, e->name), (unsigned long long)e->hits, e->thread,
	       output_printable(command, e->command),
	       e->error == ENOSPC ? "the arena is full" : "no memory",
	       human_bytes(heap, e->heap_bytes), human_bytes(held, e->backing_bytes),
	       human_bytes(limit, e->limit));
}

static void print_text(const struct event_kind *kind, const struct event_record *e)
{
	char command[CELL_LEN], name[CELL_LEN];

	switch (kind->cmd) {
	case GCARENA_CMD_ARENA_CREATED:
		printf("@%u opened by process %u (%s)\n", e->id, e->pid,
		       output_printable(command, e->command));
		break;
	case GCARENA_CMD_ARENA_GONE:
		printf("@%u %sgone\n", e->id, quoted_name(name, e->name));
		break;
	case GCARENA_CMD_STOP_TIMEOUT:
		printf("@%u %sthread %u (%s) did not stop in time\n", e->id,
		       quoted_name(name, e->name), e->thread,
		       output_printable(command, e->command));
		break;
	case GCARENA_CMD_LIMIT_HIT:
		print_limit(e);
		break;
	case GCARENA_CMD_CYCLE_END:
		print_end(e);
		break;
	}
}

static void print_json(const struct event_kind *kind, const struct event_record *e)
{
	struct output out;

	output_begin_line(&out);
	output_record(&out, &any_attributes, e);
	if (kind->has & HAS_COMM)
		output_record(&out, &comm_attributes, e);
	if (kind->has & HAS_THREAD)
		output_record(&out, &thread_attributes, e);
	if (kind->has & HAS_CYCLE)
		output_record(&out, &cycle_attributes, e);
	if (kind->has & HAS_END)
		output_record(&out, &end_attributes, e);
	if (kind->has & HAS_LIMIT)
		output_record(&out, &limit_attributes, e);
	if ((kind->has & HAS_END) && !e->error && e->has_times)
		output_record(&out, &time_attributes, e);
	if ((kind->has & HAS_END) && !e->error)
		output_record(&out, &live_attributes, e);
	output_end(&out, '}');
}

static void line_done(struct monitor *monitor)
{
	monitor->shown++;
	if (output_finish() ||
	    (monitor->options->count && monitor->shown >= monitor->options->count))
		monitor->done = true;
}

static void print_event(struct monitor *monitor, const struct event_kind *kind,
			const struct event_record *e)
{
	/* A line for each collection is enough for people. */
	if (!monitor->options->json && kind->cmd == GCARENA_CMD_CYCLE_BEGIN)
		return;
	if (monitor->options->json)
		print_json(kind, e);
	else
		print_text(kind, e);
	line_done(monitor);
}

static void print_lost(struct monitor *monitor, uint32_t id, uint64_t lost, const char *what)
{
	struct event_record e = { .event = "lost", .id = id, .lost = lost };
	struct output out;

	if (monitor->options->json) {
		output_begin_line(&out);
		output_record(&out, &lost_attributes, &e);
		output_end(&out, '}');
	} else {
		printf("@%u: %llu %s were lost\n", id, (unsigned long long)lost, what);
	}
	line_done(monitor);
}

/* ---- What is known ------------------------------------------------------- */

static bool is_meant(const struct monitor *monitor, uint32_t id)
{
	size_t i;

	for (i = 0; i < monitor->set->nr; i++)
		if (monitor->set->arenas[i].id == id)
			return true;
	return !monitor->set->nr;
}

static struct known *known_find(struct monitor *monitor, uint32_t id)
{
	size_t i;

	for (i = 0; i < monitor->nr_known; i++)
		if (monitor->known[i].id == id)
			return &monitor->known[i];
	return NULL;
}

static struct known *known_add(struct monitor *monitor, uint32_t id)
{
	struct known *grown;

	grown = reallocarray(monitor->known, monitor->nr_known + 1, sizeof(*grown));
	if (!grown)
		return NULL;
	monitor->known = grown;
	grown[monitor->nr_known] = (struct known){ .id = id };
	return &grown[monitor->nr_known++];
}

static void known_remove(struct monitor *monitor, struct known *known)
{
	*known = monitor->known[--monitor->nr_known];
}

/* ---- Events -------------------------------------------------------------- */

static const struct event_kind *find_kind(uint8_t cmd)
{
	const struct event_kind *kind;

	for (kind = event_kinds; kind < event_kinds + ARRAY_SIZE(event_kinds); kind++)
		if (kind->cmd == cmd)
			return kind;
	return NULL;	/* of a later module */
}

static void event_fill(struct event_record *e, const struct event_kind *kind,
		       struct nlattr **attrs)
{
	*e = (struct event_record){ .has_times = true };
	snprintf(e->event, sizeof(e->event), "%s", kind->name);
	netlink_fill(&any_attributes, e, attrs);
	netlink_fill(&comm_attributes, e, attrs);
	netlink_fill(&thread_attributes, e, attrs);
	netlink_fill(&cycle_attributes, e, attrs);
	netlink_fill(&end_attributes, e, attrs);
	netlink_fill(&limit_attributes, e, attrs);
	netlink_fill(&time_attributes, e, attrs);
	netlink_fill(&live_attributes, e, attrs);
}

/* An arena that nothing is known of may have had events before we listened. */
static void note_number(struct monitor *monitor, const struct event_kind *kind,
			const struct event_record *e)
{
	struct known *known = known_find(monitor, e->id);

	if (known && e->nr > known->nr + 1)
		print_lost(monitor, e->id, e->nr - known->nr - 1, "events");
	if (!known)
		known = known_add(monitor, e->id);
	if (known)
		known->nr = e->nr;
	if (known && kind->cmd == GCARENA_CMD_ARENA_GONE)
		known_remove(monitor, known);
}

static int on_event(struct nl_msg *message, void *data)
{
	struct nlattr *attrs[NETLINK_ATTRS] = { };
	struct nlmsghdr *header = nlmsg_hdr(message);
	struct monitor *monitor = data;
	const struct event_kind *kind;
	struct event_record e;

	if (header->nlmsg_type != netlink_family() ||
	    genlmsg_parse(header, 0, attrs, NETLINK_ATTRS - 1, NULL))
		return NL_OK;
	kind = find_kind(((struct genlmsghdr *)nlmsg_data(header))->cmd);
	if (!kind)
		return NL_OK;
	event_fill(&e, kind, attrs);
	if (!is_meant(monitor, e.id))
		return NL_OK;
	note_number(monitor, kind, &e);
	if (!monitor->done)
		print_event(monitor, kind, &e);
	return monitor->done ? NL_STOP : NL_OK;
}

/* Those there are now, so that the first event of each tells whether some were missed. */
static void know_all(struct monitor *monitor)
{
	struct arena_set all = { };
	struct known *known;
	size_t i;

	if (!arenas_find(&all, 0, NULL)) {
		for (i = 0; i < all.nr; i++) {
			known = known_add(monitor, all.arenas[i].id);
			if (known)
				known->nr = all.arenas[i].events;
		}
	}
	arena_set_free(&all);
}

static enum exit_status listen_on(struct monitor *monitor, struct nl_sock *sock)
{
	int error;

	nl_socket_disable_seq_check(sock);
	nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, on_event, monitor);
	know_all(monitor);
	while (!monitor->done) {
		error = nl_recvmsgs_default(sock);
		/* The queue was full: the gap in the numbers tells of what. */
		if (error < 0 && error != -NLE_NOMEM && error != -NLE_INTR &&
		    error != -NLE_AGAIN)
			return failure("cannot listen: %s", nl_geterror(error));
	}
	return STATUS_OK;
}

/* ---- Looking ------------------------------------------------------------- */

static void fill_seen(struct event_record *e, const struct gcarena_stats *a,
		      const struct gcarena_stats *b)
{
	e->cycle = b->cycles;
	e->kind = b->cycles_minor > a->cycles_minor ? GCARENA_COLLECT_MINOR :
		  b->cycles_compact > a->cycles_compact ? GCARENA_COLLECT_COMPACT :
		  GCARENA_COLLECT_FULL;
	e->duration_ns = b->pause_last_ns;
	e->stop_ns = b->stop_total_ns - a->stop_total_ns;
	e->root_ns = b->root_total_ns - a->root_total_ns;
	e->mark_ns = b->mark_total_ns - a->mark_total_ns;
	e->dirty_ns = b->dirty_total_ns - a->dirty_total_ns;
	e->sweep_ns = b->sweep_total_ns - a->sweep_total_ns;
	e->compact_ns = b->compact_total_ns - a->compact_total_ns;
	e->trace_ns = b->concurrent_ns - a->concurrent_ns;
	e->assist_ns = b->assist_ns - a->assist_ns;
	e->rounds = b->rounds - a->rounds;
	/* Of several collections these are sums, and say nothing of the last. */
	e->has_times = b->cycles == a->cycles + 1;
	e->threads = b->stop_threads_last;
	e->dirty_pages = b->dirty_pages_last;
	e->live_bytes = b->last_live_bytes;
	e->goal_bytes = b->next_gc;
}

static void compare(struct monitor *monitor, struct known *known,
		    const struct arena_record *arena)
{
	const struct event_kind *kind = find_kind(GCARENA_CMD_CYCLE_END);
	struct event_record e = { .event = "end", .id = arena->id, .pid = arena->pid };
	struct gcarena_stats stats;

	memcpy(e.name, arena->name, sizeof(e.name));
	if (known->seen && arena->num_gc == known->stats.cycles)
		return;
	if (stats_read(arena->id, &stats))
		return;		/* busy: at the next look */
	if (known->seen && stats.cycles > known->stats.cycles) {
		fill_seen(&e, &known->stats, &stats);
		if (stats.cycles > known->stats.cycles + 1)
			print_lost(monitor, arena->id, stats.cycles - known->stats.cycles - 1,
				   "collections");
		if (!monitor->done)
			print_event(monitor, kind, &e);
	}
	known->stats = stats;
	known->seen = true;
}

static enum exit_status look_once(struct monitor *monitor)
{
	struct arena_set all = { };
	enum exit_status status = arenas_find(&all, 0, NULL);
	struct known *known;
	size_t i;

	for (i = 0; i < all.nr && !status && !monitor->done; i++) {
		if (!is_meant(monitor, all.arenas[i].id))
			continue;
		known = known_find(monitor, all.arenas[i].id);
		if (!known)
			known = known_add(monitor, all.arenas[i].id);
		if (known)
			compare(monitor, known, &all.arenas[i]);
	}
	arena_set_free(&all);
	return status;
}

static enum exit_status look_on(struct monitor *monitor, double seconds)
{
	enum exit_status status;

	do {
		status = look_once(monitor);
		usleep(seconds * 1e6);
	} while (!status && !monitor->done);
	return status;
}

/* ---- The command --------------------------------------------------------- */

/* Return: a socket that gets the events, or NULL, with @forbidden or explained. */
static struct nl_sock *join(bool *forbidden)
{
	struct nl_sock *sock = netlink_socket();
	int group, error;

	if (!sock)
		return NULL;
	group = genl_ctrl_resolve_grp(sock, GCARENA_GENL_NAME, GCARENA_GENL_EVENTS);
	error = group < 0 ? group : nl_socket_add_membership(sock, group);
	if (!error)
		return sock;
	*forbidden = error == -NLE_PERM;
	if (!*forbidden)
		failure("cannot listen: %s", nl_geterror(error));
	nl_socket_free(sock);
	return NULL;
}

enum exit_status command_monitor(const struct options *options, int argc, char **argv)
{
	struct arena_set set = { };
	struct monitor monitor = { .options = options, .set = &set };
	enum exit_status status = netlink_open();
	bool forbidden = false;
	struct nl_sock *sock;

	if (!status && argc)
		status = arenas_find(&set, argc, argv);
	if (status) {
		arena_set_free(&set);
		return status;
	}
	sock = options->interval ? NULL : join(&forbidden);
	if (forbidden)
		fprintf(stderr, "gcarenactl: listening takes CAP_SYS_ADMIN: looking every %g s at the arenas that are yours instead\n",
			LOOK_SECONDS);
	if (sock)
		status = listen_on(&monitor, sock);
	else if (forbidden || options->interval)
		status = look_on(&monitor, forbidden ? LOOK_SECONDS : options->interval);
	else
		status = STATUS_FAILURE;
	if (sock)
		nl_socket_free(sock);
	free(monitor.known);
	arena_set_free(&set);
	return status;
}
