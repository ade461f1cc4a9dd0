// SPDX-License-Identifier: GPL-2.0
/*
 * Leases: spans in the hands of threads.
 *
 * A refill hands all free slots of a span to the calling thread, which takes them by
 * clearing bits in its own memory. The kernel keeps what it handed out, because what
 * comes back is the program's word: bits that were not handed out are ignored.
 *
 * An owner is a thread, known by its struct pid. Its leases end when it gives spans
 * back, or when it or its mapping is found to be gone (gcarena_owners_reap(), before
 * each cycle and in the background). Leases that end without word from the thread end
 * as used up: what was not used is found by the next cycle.
 *
 * Everything here is protected by the heap lock.
 */
#include <linux/ktime.h>
#include <linux/uaccess.h>

#include "collect.h"
#include "evacuate.h"
#include "layout.h"
#include "trace.h"

/**
 * struct gcarena_lease - one span handed out
 * @link: on owner->leases
 * @owner: the thread
 * @span: the span; its ->lease points back here
 * @taken: slots handed out
 */
struct gcarena_lease {
	struct list_head link;
	struct gcarena_owner *owner;
	struct heap_span *span;
	u64 taken[GCARENA_SPAN_WORDS];
};

/**
 * struct gcarena_owner - a thread that holds leases
 * @pid: the thread; a reference
 * @mapping: the process's mapping
 * @leases: its struct gcarena_lease
 * @large: of these, that of the large object it allocated last; see gcarena_lease_large()
 */
struct gcarena_owner {
	struct pid *pid;
	struct gcarena_mapping *mapping;
	struct list_head leases;
	struct gcarena_lease *large;
};

struct kmem_cache *gcarena_lease_cache;

size_t gcarena_lease_size(void)
{
	return sizeof(struct gcarena_lease);
}

/* Statistics tell of spans whose free slots only their thread knows. */
static bool span_counts(const struct heap_span *span)
{
	return span->class != GCARENA_CLASS_LARGE;
}

/* End a lease. @unused: what the thread says it has left, or NULL. */
static void lease_end(struct gcarena *arena, struct gcarena_lease *lease, const u64 *unused)
{
	struct heap_span *span = lease->span;
	u64 back;

	arena->counters.owned_spans -= span_counts(span);
	back = gcarena_span_put(&arena->heap, span, lease->taken, unused);
	gcarena_pacer_freed(&arena->pacer, back * span->slot_bytes);
	span->lease = NULL;
	gcarena_span_settle(&arena->heap, span);
	if (lease->owner->large == lease)
		lease->owner->large = NULL;
	list_del(&lease->link);
	kmem_cache_free(gcarena_lease_cache, lease);
	arena->heap.metadata_bytes -= sizeof(*lease);
}

static void owner_end(struct gcarena *arena, struct gcarena_owner *owner)
{
	struct gcarena_lease *lease, *next;

	list_for_each_entry_safe(lease, next, &owner->leases, link)
		lease_end(arena, lease, NULL);
	xa_erase(&arena->owners, pid_nr(owner->pid));
	owner->mapping->nr_owners--;
	put_pid(owner->pid);
	kfree(owner);
}

static bool owner_is_gone(const struct gcarena_owner *owner)
{
	struct task_struct *task;
	bool gone;

	/* In the middle of a command: it may be using this. See owner_find(). */
	if (owner->pid == task_pid(current))
		return false;
	if (READ_ONCE(owner->mapping->dead))
		return true;
	rcu_read_lock();
	task = pid_task(owner->pid, PIDTYPE_PID);
	/* An exiting thread does not go back to user mode: as in world.c. */
	gone = !task || (READ_ONCE(task->flags) & PF_EXITING);
	rcu_read_unlock();
	return gone;
}

/* Take back the spans of threads that have ended or unmapped the arena. */
void gcarena_owners_reap(struct gcarena *arena)
{
	struct gcarena_owner *owner;
	unsigned long nr;

	lockdep_assert_held(&arena->lock);
	xa_for_each(&arena->owners, nr, owner) {
		if (owner_is_gone(owner))
			owner_end(arena, owner);
	}
}

void gcarena_owners_destroy(struct gcarena *arena)
{
	struct gcarena_owner *owner;
	unsigned long nr;

	xa_for_each(&arena->owners, nr, owner)
		owner_end(arena, owner);
}

static struct gcarena_owner *owner_find(struct gcarena *arena)
{
	struct gcarena_owner *owner = xa_load(&arena->owners, task_pid_nr(current));

	if (!owner || (owner->pid == task_pid(current) && !READ_ONCE(owner->mapping->dead)))
		return owner;
	/* The number was used again, or the process has mapped anew. */
	owner_end(arena, owner);
	return NULL;
}

static struct gcarena_owner *owner_get(struct gcarena *arena, struct gcarena_mapping *mapping)
{
	struct gcarena_owner *owner = owner_find(arena);

	if (owner)
		return owner;
	owner = kzalloc(sizeof(*owner), GCARENA_GFP);
	if (!owner)
		return NULL;
	INIT_LIST_HEAD(&owner->leases);
	owner->mapping = mapping;
	if (xa_err(xa_store(&arena->owners, task_pid_nr(current), owner, GCARENA_GFP))) {
		kfree(owner);
		return NULL;
	}
	owner->pid = get_pid(task_pid(current));
	mapping->nr_owners++;
	return owner;
}

/*
 * The owner's lease of the span that starts at address @base, any number, or NULL. The
 * program has never been handed the span of a large object.
 */
static struct gcarena_lease *lease_find(struct gcarena *arena, struct gcarena_owner *owner,
					u64 base)
{
	u64 offset = base - arena->heap.base;
	struct heap_slot slot = gcarena_heap_resolve(&arena->heap, offset);

	if (!slot.span || slot.span->start != offset || !slot.span->lease ||
	    slot.span->class == GCARENA_CLASS_LARGE)
		return NULL;
	return slot.span->lease->owner == owner ? slot.span->lease : NULL;
}

/* Was the slot free when its span was handed to the thread that has it now? */
bool gcarena_lease_handed_out(const struct heap_slot *slot)
{
	const struct gcarena_lease *lease = slot->span->lease;

	return lease && (lease->taken[slot->index / 64] & BIT_ULL(slot->index % 64));
}

/* Give back the used-up spans. All or nothing. */
static int return_used(struct gcarena *arena, struct gcarena_owner *owner,
		       const u64 *used, unsigned int nr)
{
	struct gcarena_lease *lease[GCARENA_REFILL_MAX];
	unsigned int i, j;

	for (i = 0; i < nr; i++) {
		lease[i] = lease_find(arena, owner, used[i]);
		for (j = 0; j < i && lease[i]; j++) {
			if (lease[j] == lease[i])
				lease[i] = NULL;
		}
		if (!lease[i])
			return -ENOENT;
	}
	for (i = 0; i < nr; i++)
		lease_end(arena, lease[i], NULL);
	return 0;
}

/* Sweep until there is a span with a free slot. Return: it, NULL or an error. */
static struct heap_span *span_sweep_for(struct gcarena *arena, struct heap_bucket *bucket)
{
	struct heap_span *span;
	unsigned int nr = 0;
	u64 start;

	if (list_empty(&bucket->unswept))
		return NULL;
	start = ktime_get_ns();
	while ((span = gcarena_sweep_next(&arena->heap, bucket))) {
		if (span->nr_used < span->nr_slots)
			break;
		list_add(&span->link, &bucket->full);
		if (++nr % 64 == 0 && gcarena_checkpoint()) {
			span = ERR_PTR(-EINTR);
			break;
		}
	}
	arena->counters.sweep_total_ns += ktime_get_ns() - start;
	return span;
}

/* A span with a free slot: one at hand, one that sweeping finds, or a new one. */
static struct heap_span *span_find(struct gcarena *arena, struct heap_layout *layout,
				   unsigned int class)
{
	struct heap_bucket *bucket = gcarena_layout_bucket(&arena->heap, layout, class);
	struct heap_span *span;

	if (!bucket)
		return ERR_PTR(-ENOMEM);
	span = list_first_entry_or_null(&bucket->partial, struct heap_span, link);
	if (span) {
		list_del_init(&span->link);
		return span;
	}
	return span_sweep_for(arena, bucket) ?: gcarena_span_create(&arena->heap, layout, class, 0);
}

/* As span_find(); when the arena is full, sweep all, and at last collect. */
static struct heap_span *span_find_hard(struct gcarena *arena, struct heap_layout *layout,
					unsigned int class)
{
	struct heap_span *span = span_find(arena, layout, class);
	enum gcarena_effort effort = GCARENA_EFFORT_SWEEP;
	int ret;

	while (IS_ERR(span) && effort < GCARENA_NR_EFFORTS) {
		ret = gcarena_make_space(arena, PTR_ERR(span), &effort);
		if (ret)
			return ERR_PTR(ret);
		span = span_find(arena, layout, class);
	}
	return span;
}

static struct gcarena_lease *lease_begin(struct gcarena *arena, struct gcarena_owner *owner,
					 struct heap_span *span)
{
	struct gcarena_lease *lease = kmem_cache_alloc(gcarena_lease_cache, GCARENA_GFP);
	u64 nr = span->nr_slots - span->nr_used;

	BUILD_BUG_ON(GCARENA_SPAN_WORDS * 64 < GCARENA_MAX_SLOTS);
	if (!lease)
		return NULL;
	gcarena_span_take(&arena->heap, span, lease->taken);
	gcarena_pacer_allocated(&arena->pacer, nr * span->slot_bytes);
	lease->owner = owner;
	lease->span = span;
	span->lease = lease;
	list_add(&lease->link, &owner->leases);
	gcarena_evacuate_handed_out(arena, span);
	arena->counters.owned_spans += span_counts(span);
	arena->heap.metadata_bytes += sizeof(*lease);
	return lease;
}

/**
 * gcarena_lease_large() - hand a new large object to the calling thread
 * @arena: the arena
 * @mapping: the calling process's mapping
 * @span: the object's span, empty
 *
 * A cycle may run before the thread has put the address where roots are looked for: it
 * is not even back in user mode. So the thread holds the span, until it next asks
 * for something: gcarena_lease_large_end().
 *
 * Return: 0, or -ENOMEM: @span is unchanged.
 */
int gcarena_lease_large(struct gcarena *arena, struct gcarena_mapping *mapping,
			struct heap_span *span)
{
	struct gcarena_owner *owner = owner_get(arena, mapping);

	if (!owner)
		return -ENOMEM;
	owner->large = lease_begin(arena, owner, span);
	return owner->large ? 0 : -ENOMEM;
}

/* By now the thread has put its last large object where it is found, or dropped it. */
void gcarena_lease_large_end(struct gcarena *arena)
{
	struct gcarena_owner *owner = owner_find(arena);

	if (owner && owner->large)
		lease_end(arena, owner->large, NULL);
}

/* The program frees a large object: nobody holds it any more. */
void gcarena_lease_large_free(struct gcarena *arena, const struct heap_span *span)
{
	if (span->class == GCARENA_CLASS_LARGE && span->lease)
		lease_end(arena, span->lease, NULL);
}

/* Tell the program what it got. Return: free bytes in the span, or -EFAULT. */
static s64 lease_copy(struct gcarena *arena, const struct gcarena_lease *lease,
		      struct gcarena_span __user *to)
{
	const struct heap_span *span = lease->span;
	unsigned int w, words = gcarena_span_nr_words(span);
	struct gcarena_span out = {
		.base = arena->heap.base + span->start,
		.slot_size = span->slot_bytes,
		.nr_slots = span->nr_slots,
		.flags = span->zeroed ? GCARENA_SPAN_ZEROED : 0,
		.size_class = span->class,
		.layout = span->layout->number,
	};

	for (w = 0; w < words; w++) {
		out.free[w] = lease->taken[w];
		out.nr_free += hweight64(lease->taken[w]);
	}
	if (copy_to_user(to, &out, offsetof(struct gcarena_span, free[words])))
		return -EFAULT;
	return (s64)out.nr_free * span->slot_bytes;
}

/* Hand out one span. Return: its free bytes, or a negative errno. */
static s64 refill_one(struct gcarena *arena, struct gcarena_owner *owner,
		      struct heap_layout *layout, unsigned int class,
		      struct gcarena_span __user *to, struct gcarena_run *run)
{
	struct heap_span *span = span_find_hard(arena, layout, class);
	struct gcarena_lease *lease;
	s64 ret;

	if (IS_ERR(span))
		return PTR_ERR(span);
	lease = lease_begin(arena, owner, span);
	if (!lease) {
		gcarena_span_settle(&arena->heap, span);
		return -ENOMEM;
	}
	run->start = span->start;
	run->bytes = span->bytes;
	ret = lease_copy(arena, lease, to);
	if (ret < 0)
		lease_end(arena, lease, lease->taken);
	return ret;
}

/* May a thread have more than one span at a time? Not if it is to come back soon. */
static bool may_have_more(const struct gcarena *arena)
{
	return !gcarena_pacer_due(&arena->pacer) && !gcarena_concurrent_needs_help(arena);
}

/* Hand out spans until @want bytes are free. An error counts if there is no span. */
static int refill_spans(struct gcarena *arena, struct gcarena_owner *owner,
			struct heap_layout *layout, struct gcarena_refill *arg,
			struct gcarena_run *runs)
{
	struct gcarena_span __user *to = u64_to_user_ptr(arg->spans);
	unsigned int nr = 0;
	u64 bytes = 0;
	s64 ret = 0;

	do {
		ret = refill_one(arena, owner, layout, arg->size_class, to + nr, runs + nr);
		if (ret < 0)
			break;
		bytes += ret;
		nr++;
	} while (nr < arg->nr_spans && bytes < arg->want && may_have_more(arena));
	if (!nr)
		return ret;
	arg->nr_spans = nr;
	arena->counters.refills++;
	arena->counters.refill_spans += nr;
	trace_gcarena_refill(arena->entry.id, arg->size_class, arg->layout, nr, bytes);
	return 0;
}

static int refill_locked(struct gcarena *arena, struct gcarena_refill *arg, const u64 *used,
			 struct gcarena_run *runs, u64 *mapping_id)
{
	struct gcarena_mapping *mapping = gcarena_mapping_get(arena);
	struct heap_layout *layout;
	struct gcarena_owner *owner;
	int ret;

	if (IS_ERR(mapping))
		return PTR_ERR(mapping);
	layout = gcarena_layout_find(&arena->heap, arg->layout);
	if (!layout)
		return -ENOENT;
	gcarena_lease_large_end(arena);
	owner = owner_get(arena, mapping);
	if (!owner)
		return -ENOMEM;
	gcarena_space_renew(arena);
	ret = return_used(arena, owner, used, arg->nr_used) ?: gcarena_collect_if_due(arena);
	if (ret)
		return ret;
	*mapping_id = mapping->id;
	ret = refill_spans(arena, owner, layout, arg, runs);
	arg->cycle = arena->counters.cycles;
	return ret;
}

/**
 * gcarena_refill() - GCARENA_IOC_REFILL
 * @arena: the arena
 * @arg: checked by the caller as far as reserved fields go
 *
 * Return: 0, with @arg's output fields set, or a negative errno as in the ABI.
 */
int gcarena_refill(struct gcarena *arena, struct gcarena_refill *arg)
{
	struct gcarena_run runs[GCARENA_REFILL_MAX];
	u64 used[GCARENA_REFILL_MAX];
	u64 mapping_id;
	int ret;

	if (!arg->size_class || arg->size_class >= GCARENA_NR_CLASSES ||
	    !arg->nr_spans || arg->nr_spans > GCARENA_REFILL_MAX ||
	    arg->nr_used > GCARENA_REFILL_MAX)
		return -EINVAL;
	if (copy_from_user(used, u64_to_user_ptr(arg->used), arg->nr_used * sizeof(*used)))
		return -EFAULT;
	if (gcarena_lock(arena))
		return -EINTR;
	ret = refill_locked(arena, arg, used, runs, &mapping_id);
	if (ret)
		gcarena_out_of_space(arena, ret);
	mutex_unlock(&arena->lock);
	if (!ret)
		gcarena_populate(arena, mapping_id, runs, arg->nr_spans);
	return ret;
}

static int release_one(struct gcarena *arena, struct gcarena_owner *owner,
		       const struct gcarena_span __user *from)
{
	struct gcarena_lease *lease;
	struct gcarena_span span;

	if (copy_from_user(&span, from, sizeof(span)))
		return -EFAULT;
	lease = lease_find(arena, owner, span.base);
	if (!lease)
		return -ENOENT;
	lease_end(arena, lease, span.free);
	return 0;
}

static int release_locked(struct gcarena *arena, const struct gcarena_release *arg)
{
	const struct gcarena_span __user *from = u64_to_user_ptr(arg->spans);
	struct gcarena_mapping *mapping = gcarena_mapping_get(arena);
	struct gcarena_owner *owner;
	unsigned int i;
	int ret = 0;

	if (IS_ERR(mapping))
		return PTR_ERR(mapping);
	owner = owner_find(arena);
	for (i = 0; i < arg->nr_spans && !ret; i++)
		ret = release_one(arena, owner, from + i);
	if (!ret && owner && (arg->flags & GCARENA_RELEASE_ALL))
		owner_end(arena, owner);
	return ret;
}

/* GCARENA_IOC_RELEASE. Return: 0 or a negative errno as in the ABI. */
int gcarena_release(struct gcarena *arena, const struct gcarena_release *arg)
{
	int ret;

	if (arg->nr_spans > GCARENA_REFILL_MAX)
		return -EINVAL;
	if (gcarena_lock(arena))
		return -EINTR;
	ret = release_locked(arena, arg);
	mutex_unlock(&arena->lock);
	return ret;
}
