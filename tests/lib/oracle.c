// SPDX-License-Identifier: GPL-2.0
/*
 * The oracle's object graph.
 *
 * Every object in the arena has an entry here, with its hidden address, its size
 * and the targets of its pointers. The words of an object are, by its shape,
 * either links or filler. Filler is a function of the object's id and the word's
 * number, with top bits set so that no part of it looks like an address; one filler
 * word of an object whose layout says where pointers are is a decoy, a true
 * address that the collector must not follow. Bytes between the size that was
 * asked for and the end of the slot stay zero.
 *
 * Only objects that are reachable now are ever touched: any other may have been
 * collected at any time. Which ones are is computed when it is needed, from the
 * entries alone. Entries that became unreachable stay until the next check, which
 * wants the collector to have found them too.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/oracle.h"
#include "lib/rng.h"

#define __printf(a, b)	__attribute__((format(printf, a, b)))

/* One allocation of so many is well over the largest size class. */
#define ALLOCS_PER_LARGE	256
#define LARGE_MIN		40960

/* ---- Hidden addresses ---------------------------------------------------- */

uint64_t sealed_new(gca_arena *arena)
{
	uint64_t *p = gca_alloc_in(arena, 64);

	if (!p)
		return 0;
	p[7] = MAGIC ^ hide(p);
	return hide(p);
}

bool sealed_is_whole(uint64_t hidden)
{
	const uint64_t *p = reveal(hidden);

	return is_object(hidden) && p[7] == (MAGIC ^ hidden);
}

noinline void scrub_stack(void)
{
	volatile uint64_t junk[8192];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(junk); i++)
		junk[i] = 0;
#ifdef __x86_64__
	asm volatile("xor %%eax, %%eax\n\t"
		     "xor %%ecx, %%ecx\n\t"
		     "xor %%edx, %%edx\n\t"
		     "xor %%esi, %%esi\n\t"
		     "xor %%edi, %%edi\n\t"
		     "xor %%r8d, %%r8d\n\t"
		     "xor %%r9d, %%r9d\n\t"
		     "xor %%r10d, %%r10d\n\t"
		     "xor %%r11d, %%r11d\n\t"
		     "pxor %%xmm0, %%xmm0\n\t"
		     "pxor %%xmm1, %%xmm1\n\t"
		     "pxor %%xmm2, %%xmm2\n\t"
		     "pxor %%xmm3, %%xmm3\n\t"
		     "pxor %%xmm4, %%xmm4\n\t"
		     "pxor %%xmm5, %%xmm5\n\t"
		     "pxor %%xmm6, %%xmm6\n\t"
		     "pxor %%xmm7, %%xmm7\n\t"
		     "pxor %%xmm8, %%xmm8\n\t"
		     "pxor %%xmm9, %%xmm9\n\t"
		     "pxor %%xmm10, %%xmm10\n\t"
		     "pxor %%xmm11, %%xmm11\n\t"
		     "pxor %%xmm12, %%xmm12\n\t"
		     "pxor %%xmm13, %%xmm13\n\t"
		     "pxor %%xmm14, %%xmm14\n\t"
		     "pxor %%xmm15, %%xmm15"
		     : : : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11",
		     "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
		     "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
#endif
}

noinline int collect_exactly(gca_arena *arena, struct gca_collection *result)
{
	result->size = sizeof(*result);
	gca_flush();
	scrub_stack();
	return gca_collect_in(arena, GCA_FULL, result);
}

uint64_t collect_count(gca_arena *arena)
{
	struct gca_collection result = { .size = sizeof(result) };

	if (collect_exactly(arena, &result))
		return UINT64_MAX;
	return result.live_objects;
}

noinline bool is_object(uint64_t hidden)
{
	struct gca_object object = { .size = sizeof(object) };

	return gca_query(reveal(hidden), &object) == 0;
}

size_t count_objects(const uint64_t *hidden, size_t n)
{
	size_t i, found = 0;

	for (i = 0; i < n; i++)
		found += is_object(hidden[i]);
	scrub_stack();
	return found;
}

/* ---- Arenas and their memory ---------------------------------------------- */

gca_arena *open_arena(unsigned int root_mode, int gc_percent, uint64_t limit)
{
	struct gca_options options = {
		.size = sizeof(options),
		.limit = limit,
		.root_mode = root_mode,
		.gc_percent = gc_percent,
	};

	return gca_open(&options);
}

bool all_zero(const void *start, size_t n)
{
	const unsigned char *p = start;

	for (; n && (uintptr_t)p % 8; p++, n--)
		if (*p)
			return false;
	for (; n >= 8; p += 8, n -= 8)
		if (*(const uint64_t *)p)
			return false;
	for (; n; p++, n--)
		if (*p)
			return false;
	return true;
}

/* ---- Shapes: which words of an object are links --------------------------- */

enum kind { CONSERVATIVE, NOSCAN, TYPED };

struct shape {
	const char *name;
	enum kind kind;
	unsigned int words;	/* of an element; the pattern repeats */
	uint64_t links;		/* bit n: word n of an element is a link */
};

/* Word 0 of a conservative object is filler, then two of three are links. */
static const struct shape shapes[] = {
	{ "conservative", CONSERVATIVE, 3, 0x6 },
	{ "noscan", NOSCAN, 1, 0 },
	{ "type16", TYPED, 2, 0x2 },
	{ "type24", TYPED, 3, 0x3 },
	{ "type40", TYPED, 5, 0x12 },
	{ "type72", TYPED, 9, 0x39 },
	{ "type504", TYPED, 63, 1ULL << 62 | 1ULL << 31 | 1 },
	{ "plain48", TYPED, 6, 0 },
};

#define NR_SHAPES	ARRAY_SIZE(shapes)
#define NR_UNTYPED	2

static bool is_link_word(const struct shape *shape, size_t word)
{
	return shape->links >> (word % shape->words) & 1;
}

static unsigned int links_per_element(const struct shape *shape)
{
	return __builtin_popcountll(shape->links);
}

/* Number of whole words in [0, words) that are links. */
static uint32_t links_in(const struct shape *shape, size_t words)
{
	size_t rest = words % shape->words;
	uint64_t part = shape->links & ((1ULL << rest) - 1);

	return words / shape->words * links_per_element(shape) + __builtin_popcountll(part);
}

/* The word that holds link number @n. */
static size_t link_word(const struct shape *shape, uint32_t n)
{
	unsigned int each = links_per_element(shape);
	uint64_t map = shape->links;
	uint32_t skip;

	for (skip = n % each; skip; skip--)
		map &= map - 1;
	return (size_t)(n / each) * shape->words + __builtin_ctzll(map);
}

/* ---- Entries ------------------------------------------------------------- */

#define NONE	UINT32_MAX

struct link {
	uint32_t target;	/* entry, or NONE */
	uint32_t delta;		/* the pointer is this far inside it */
};

struct entry {
	uint64_t address;	/* hidden */
	uint64_t id;		/* 0: the entry is not in use */
	size_t size;		/* asked for */
	uint64_t slot;		/* bytes of its slot */
	uint64_t decoy;		/* value of filler word decoy_word */
	size_t decoy_word;	/* SIZE_MAX: none */
	const struct shape *shape;
	struct link *links;
	uint32_t nr_links;
	bool reachable;		/* as of the last find_reachable() */
};

struct oracle {
	struct oracle_options options;
	struct rng rng;
	struct entry *entries;
	uint32_t nr_entries, max_entries;
	uint32_t *free_list;
	uint32_t nr_free;
	uint32_t *work;		/* stack of find_reachable() */
	struct link *roots;	/* what options.roots[] holds */
	bool *added;		/* range n is a root range now */
	gca_type *types[NR_SHAPES];
	uint64_t next_id;
	struct oracle_counts counts;
	char error[256];
};

static bool __printf(2, 3) complain(struct oracle *o, const char *format, ...)
{
	char what[200];
	va_list args;

	if (o->error[0])
		return false;
	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	snprintf(o->error, sizeof(o->error), "step %llu: %s",
		 (unsigned long long)o->counts.steps, what);
	return false;
}

static bool complain_entry(struct oracle *o, const struct entry *e, const char *what, size_t at)
{
	return complain(o, "object %llu (%s, %zu bytes at %p): %s at %zu",
			(unsigned long long)e->id, e->shape->name, e->size,
			reveal(e->address), what, at);
}

static uint64_t *words_of(const struct entry *e)
{
	return reveal(e->address);
}

static bool grow_entries(struct oracle *o)
{
	uint32_t n = o->max_entries ? 2 * o->max_entries : 4096;
	struct entry *entries = realloc(o->entries, n * sizeof(*entries));
	uint32_t *list, *work;

	if (!entries)
		return false;
	memset(entries + o->max_entries, 0, (n - o->max_entries) * sizeof(*entries));
	o->entries = entries;
	list = realloc(o->free_list, n * sizeof(*list));
	if (!list)
		return false;
	o->free_list = list;
	work = realloc(o->work, n * sizeof(*work));
	if (!work)
		return false;
	o->work = work;
	o->max_entries = n;
	return true;
}

static uint32_t entry_get(struct oracle *o)
{
	if (o->nr_free)
		return o->free_list[--o->nr_free];
	if (o->nr_entries == o->max_entries && !grow_entries(o))
		return NONE;
	return o->nr_entries++;
}

static void entry_put(struct oracle *o, uint32_t n)
{
	free(o->entries[n].links);
	memset(&o->entries[n], 0, sizeof(o->entries[n]));
	o->free_list[o->nr_free++] = n;
}

static bool entry_set_links(struct entry *e, uint32_t nr)
{
	struct link *links;
	uint32_t i;

	links = realloc(e->links, (nr ? nr : 1) * sizeof(*links));
	if (!links)
		return false;
	for (i = e->nr_links; i < nr; i++)
		links[i].target = NONE;
	e->links = links;
	e->nr_links = nr;
	return true;
}

static void *pointer_of(const struct oracle *o, struct link link)
{
	if (link.target == NONE)
		return NULL;
	return (char *)reveal(o->entries[link.target].address) + link.delta;
}

static void set_link(struct oracle *o, uint32_t n, uint32_t which, struct link link)
{
	struct entry *e = &o->entries[n];

	e->links[which] = link;
	words_of(e)[link_word(e->shape, which)] = (uintptr_t)pointer_of(o, link);
}

static void set_root(struct oracle *o, size_t n, struct link link)
{
	o->roots[n] = link;
	o->options.roots[n] = pointer_of(o, link);
}

static bool root_counts(const struct oracle *o, size_t n)
{
	return o->added[n / ORACLE_RANGE_ROOTS];
}

/* ---- Reachability, from the entries alone ---------------------------------- */

static uint32_t reach(struct oracle *o, uint32_t target, uint32_t depth)
{
	if (target == NONE || o->entries[target].reachable)
		return depth;
	o->entries[target].reachable = true;
	o->work[depth] = target;
	return depth + 1;
}

static void find_reachable(struct oracle *o)
{
	uint32_t i, depth = 0;
	size_t r;

	for (i = 0; i < o->nr_entries; i++)
		o->entries[i].reachable = false;
	for (r = 0; r < o->options.nr_roots; r++)
		if (root_counts(o, r))
			depth = reach(o, o->roots[r].target, depth);
	while (depth) {
		const struct entry *e = &o->entries[o->work[--depth]];

		for (i = 0; i < e->nr_links; i++)
			depth = reach(o, e->links[i].target, depth);
	}
}

/* A random walk from a random root: an object that is reachable, or NONE. */
static uint32_t pick(struct oracle *o)
{
	uint32_t at = NONE, tries;

	for (tries = 0; tries < 16 && at == NONE; tries++) {
		size_t r = rng_below(&o->rng, o->options.nr_roots);

		if (root_counts(o, r))
			at = o->roots[r].target;
	}
	if (at == NONE)
		return NONE;
	for (tries = rng_below(&o->rng, 24); tries; tries--) {
		const struct entry *e = &o->entries[at];
		uint32_t next = NONE;

		if (e->nr_links)
			next = e->links[rng_below(&o->rng, e->nr_links)].target;
		if (next != NONE)
			at = next;
	}
	return at;
}

static struct link link_to(struct oracle *o, uint32_t target)
{
	struct link link = { .target = target };

	if (target != NONE && o->entries[target].size && rng_below(&o->rng, 4) == 0)
		link.delta = rng_below(&o->rng, o->entries[target].size);
	return link;
}

/* ---- Contents ------------------------------------------------------------- */

static uint64_t filler(const struct entry *e, size_t word)
{
	if (word == e->decoy_word)
		return e->decoy;
	return rng_mix(e->id * 0x9e3779b97f4a7c15ULL + word) | 0x8080808080808080ULL;
}

/* Fill [@from, @to) whole words, and the odd bytes at the very end. */
static void fill(const struct entry *e, size_t from)
{
	size_t word, nr_words = e->size / 8;
	uint64_t *words = words_of(e);
	uint64_t last = filler(e, nr_words);

	for (word = from; word < nr_words; word++)
		if (!is_link_word(e->shape, word))
			words[word] = filler(e, word);
	memcpy(words + nr_words, &last, e->size % 8);
}

static bool links_intact(struct oracle *o, const struct entry *e)
{
	const uint64_t *words = words_of(e);
	uint32_t i;

	for (i = 0; i < e->nr_links; i++) {
		size_t word = link_word(e->shape, i);

		if (words[word] != (uintptr_t)pointer_of(o, e->links[i]))
			return complain_entry(o, e, "pointer changed", word * 8);
	}
	return true;
}

static bool filler_intact(struct oracle *o, const struct entry *e)
{
	const uint64_t *words = words_of(e);
	size_t word, nr_words = e->size / 8;
	uint64_t last = filler(e, nr_words);

	for (word = 0; word < nr_words; word++)
		if (!is_link_word(e->shape, word) && words[word] != filler(e, word))
			return complain_entry(o, e, "contents changed", word * 8);
	if (memcmp(words + nr_words, &last, e->size % 8))
		return complain_entry(o, e, "last bytes changed", nr_words * 8);
	return true;
}

static bool object_intact(struct oracle *o, const struct entry *e)
{
	const char *bytes = reveal(e->address);

	if (!links_intact(o, e) || !filler_intact(o, e))
		return false;
	if (!all_zero(bytes + e->size, e->slot - e->size))
		return complain_entry(o, e, "not zero past its end", e->size);
	return true;
}

static bool query(struct oracle *o, struct entry *e, struct gca_object *object)
{
	char *p = reveal(e->address);
	size_t at = e->size ? rng_below(&o->rng, e->size) : 0;
	int err;

	memset(object, 0, sizeof(*object));
	object->size = sizeof(*object);
	err = gca_query(p + at, object);
	if (err)
		return complain_entry(o, e, gca_strerror(err), at);
	if (object->base != p)
		return complain_entry(o, e, "gca_query: wrong base", at);
	if (object->bytes < e->size)
		return complain_entry(o, e, "gca_query: slot too small", at);
	if (object->type != o->types[e->shape - shapes])
		return complain_entry(o, e, "gca_query: wrong type", at);
	if (e->shape->kind == NOSCAN && !object->noscan)
		return complain_entry(o, e, "gca_query: not noscan", at);
	return true;
}

/* ---- Operations ------------------------------------------------------------ */

/* Mostly small. Large ones are not left to chance: short programs must have some. */
static size_t random_size(struct oracle *o)
{
	uint64_t dice = rng_below(&o->rng, 1000);

	if (o->counts.allocs % ALLOCS_PER_LARGE == ALLOCS_PER_LARGE - 1)
		return LARGE_MIN + rng_below(&o->rng, 265000);
	if (dice < 800)
		return rng_below(&o->rng, 129);
	if (dice < 960)
		return rng_below(&o->rng, 1025);
	if (dice < 996)
		return rng_below(&o->rng, 8193);
	return rng_below(&o->rng, 65536);
}

static void *allocate(struct oracle *o, const struct shape *shape, size_t *size)
{
	gca_type *type = o->types[shape - shapes];
	size_t n;

	switch (shape->kind) {
	case CONSERVATIVE:
		return gca_alloc_in(o->options.arena, *size);
	case NOSCAN:
		return gca_alloc_noscan_in(o->options.arena, *size);
	default:
		n = *size / (shape->words * 8);
		if (n <= 1) {
			*size = shape->words * 8;
			return gca_new(type);
		}
		*size = n * shape->words * 8;
		return gca_make(type, n);
	}
}

static const struct shape *random_shape(struct oracle *o)
{
	return &shapes[rng_below(&o->rng, o->options.types ? NR_SHAPES : NR_UNTYPED)];
}

static void choose_decoy(struct oracle *o, struct entry *e)
{
	size_t nr_words = e->size / 8, word;
	uint32_t other = pick(o);

	e->decoy_word = SIZE_MAX;
	if (e->shape->kind == CONSERVATIVE || !nr_words || other == NONE)
		return;
	word = rng_below(&o->rng, nr_words);
	if (is_link_word(e->shape, word))
		return;
	e->decoy_word = word;
	e->decoy = (uintptr_t)reveal(o->entries[other].address);
}

/* A link of the entry, rather an empty one. It has some. */
static uint32_t choose_link(struct oracle *o, const struct entry *e)
{
	uint32_t which = 0, tries;

	for (tries = 0; tries < 6; tries++) {
		which = rng_below(&o->rng, e->nr_links);
		if (e->links[which].target == NONE)
			break;
	}
	return which;
}

/*
 * Put a pointer to @n somewhere the program will find it again. Mostly where none was,
 * so that the graph grows; a random root else, and what that held may be lost.
 */
static void attach(struct oracle *o, uint32_t n)
{
	uint32_t tries, holder, which;

	for (tries = rng_below(&o->rng, 8); tries; tries--) {
		holder = pick(o);
		if (holder == NONE || !o->entries[holder].nr_links)
			continue;
		which = choose_link(o, &o->entries[holder]);
		if (o->entries[holder].links[which].target == NONE) {
			set_link(o, holder, which, link_to(o, n));
			return;
		}
	}
	set_root(o, rng_below(&o->rng, o->options.nr_roots), link_to(o, n));
}

static bool entry_init(struct oracle *o, struct entry *e, void *p, const struct shape *shape,
		       size_t size)
{
	struct gca_object object;

	memset(e, 0, sizeof(*e));
	e->address = hide(p);
	e->size = size;
	e->shape = shape;
	e->id = ++o->next_id;
	if (!entry_set_links(e, links_in(shape, size / 8)))
		return complain(o, "no memory for the oracle");
	if (!query(o, e, &object))
		return false;
	e->slot = object.bytes;
	if ((uintptr_t)p % 16)
		return complain_entry(o, e, "address not aligned", 0);
	if (!all_zero(p, e->slot))
		return complain_entry(o, e, "new memory is not zero", 0);
	if (object.large)
		o->counts.large_allocs++;
	return true;
}

static bool op_alloc(struct oracle *o)
{
	const struct shape *shape = random_shape(o);
	size_t size = random_size(o);
	uint32_t n = entry_get(o);
	struct entry *e;
	void *p;

	if (n == NONE)
		return complain(o, "no memory for the oracle");
	p = allocate(o, shape, &size);
	if (!p)
		return complain(o, "allocating %zu bytes (%s): %s", size, shape->name,
				gca_strerror(errno));
	/* Only p holds the object: where the stack is a root, it must do. */
	if (!o->options.exact && rng_below(&o->rng, 200) == 0 &&
	    gca_collect_in(o->options.arena, GCA_FULL, NULL))
		return complain(o, "collection failed");
	e = &o->entries[n];
	if (!entry_init(o, e, p, shape, size))
		return false;
	choose_decoy(o, e);
	fill(e, 0);
	attach(o, n);
	o->counts.allocs++;
	return true;
}

static bool op_link(struct oracle *o)
{
	uint32_t from = pick(o), to = pick(o);

	if (from == NONE || !o->entries[from].nr_links)
		return true;
	set_link(o, from, choose_link(o, &o->entries[from]), link_to(o, to));
	o->counts.links++;
	return true;
}

static bool op_unlink(struct oracle *o)
{
	struct link none = { .target = NONE };
	uint32_t from = pick(o);

	if (from != NONE && o->entries[from].nr_links)
		set_link(o, from, rng_below(&o->rng, o->entries[from].nr_links), none);
	return true;
}

static bool op_copy_root(struct oracle *o)
{
	set_root(o, rng_below(&o->rng, o->options.nr_roots), link_to(o, pick(o)));
	return true;
}

static bool op_drop_root(struct oracle *o)
{
	struct link none = { .target = NONE };

	set_root(o, rng_below(&o->rng, o->options.nr_roots), none);
	return true;
}

static bool op_look(struct oracle *o)
{
	struct gca_object object;
	uint32_t n = pick(o);

	if (n == NONE)
		return true;
	return object_intact(o, &o->entries[n]) && query(o, &o->entries[n], &object);
}

/* Make all pointers to @n that count hold @link instead, or refresh them. */
static void redirect(struct oracle *o, uint32_t n, struct link link)
{
	uint32_t i, which;
	size_t r;

	find_reachable(o);
	/* Roots that do not count may still come back: theirs as well. */
	for (r = 0; r < o->options.nr_roots; r++)
		if (o->roots[r].target == n)
			set_root(o, r, link);
	for (i = 0; i < o->nr_entries; i++) {
		if (!o->entries[i].reachable)
			continue;
		for (which = 0; which < o->entries[i].nr_links; which++)
			if (o->entries[i].links[which].target == n)
				set_link(o, i, which, link);
	}
}

static bool op_free(struct oracle *o)
{
	struct link none = { .target = NONE };
	uint32_t n = pick(o);
	struct entry *e;
	int err;

	if (n == NONE)
		return true;
	e = &o->entries[n];
	redirect(o, n, none);
	err = gca_free(reveal(e->address));
	if (err)
		return complain_entry(o, e, gca_strerror(err), 0);
	err = gca_free(reveal(e->address));
	if (err != -ENOENT)
		return complain_entry(o, e, "freed twice", 0);
	o->counts.frees++;
	return true;
}

/*
 * The entry loses what is past its new size, in the arena too: a slot that shrinks
 * in place must not keep pointers that the oracle forgot.
 */
static void cut_off(struct entry *e, size_t size)
{
	if (size >= e->size)
		return;
	memset((char *)reveal(e->address) + size, 0, e->size - size);
	e->nr_links = links_in(e->shape, size / 8);
	if (e->decoy_word != SIZE_MAX && e->decoy_word >= size / 8)
		e->decoy_word = SIZE_MAX;
	e->size = size;
}

static size_t random_new_size(struct oracle *o, const struct entry *e)
{
	size_t size = 1 + rng_below(&o->rng, 2 * e->size + 64), element = e->shape->words * 8;

	if (e->shape->kind != TYPED)
		return size;
	size -= size % element;
	return size ? size : element;
}

static bool op_realloc(struct oracle *o)
{
	struct link link = { .target = pick(o) };
	size_t size, old_words;
	struct gca_object object;
	struct entry *e;
	void *p;

	if (link.target == NONE)
		return true;
	e = &o->entries[link.target];
	size = random_new_size(o, e);
	cut_off(e, size);
	old_words = e->size / 8;
	/* The odd bytes at the end would become the start of a word: take them out. */
	cut_off(e, old_words * 8);
	p = gca_realloc(reveal(e->address), size);
	if (!p)
		return complain_entry(o, e, gca_strerror(errno), size);
	o->counts.reallocs++;
	o->counts.moved += hide(p) != e->address;
	e->address = hide(p);
	redirect(o, link.target, link);
	if (!query(o, e, &object))
		return false;
	e->slot = object.bytes;
	if (e->slot < size)
		return complain_entry(o, e, "too small after gca_realloc()", size);
	if (!object_intact(o, e))
		return false;
	e->size = size;
	if (!entry_set_links(e, links_in(e->shape, size / 8)))
		return complain(o, "no memory for the oracle");
	fill(e, old_words);
	return true;
}

static bool set_range(struct oracle *o, size_t range, bool add)
{
	void **start = o->options.roots + range * ORACLE_RANGE_ROOTS;
	size_t length = ORACLE_RANGE_ROOTS * sizeof(*start);
	int err;

	if (!o->options.exact) {
		o->added[range] = true;
		return true;
	}
	if (add)
		err = gca_roots_add_in(o->options.arena, start, length);
	else
		err = gca_roots_remove_in(o->options.arena, start, length);
	if (err)
		return complain(o, "root range: %s", gca_strerror(err));
	o->added[range] = add;
	return true;
}

/* The pointers of a range that does not count may dangle: forget them first. */
static bool op_toggle_range(struct oracle *o)
{
	size_t range = rng_below(&o->rng, o->options.nr_roots / ORACLE_RANGE_ROOTS);
	struct link none = { .target = NONE };
	size_t i;

	/* Most ranges count most of the time. */
	if (!o->options.exact || (o->added[range] && rng_below(&o->rng, 4)))
		return true;
	if (!o->added[range])
		for (i = 0; i < ORACLE_RANGE_ROOTS; i++)
			set_root(o, range * ORACLE_RANGE_ROOTS + i, none);
	return set_range(o, range, !o->added[range]);
}

/* ---- The check ------------------------------------------------------------- */

static void drop_half_of_the_roots(struct oracle *o)
{
	struct link none = { .target = NONE };
	size_t r;

	for (r = 0; r < o->options.nr_roots; r++)
		if (rng_below(&o->rng, 2))
			set_root(o, r, none);
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Where the reachable objects are, in ascending order. */
static uint64_t *live_addresses(struct oracle *o, size_t *nr)
{
	uint64_t *live = malloc((o->nr_entries + 1) * sizeof(*live));
	uint32_t i;

	*nr = 0;
	if (!live)
		return NULL;
	for (i = 0; i < o->nr_entries; i++)
		if (o->entries[i].reachable)
			live[(*nr)++] = (uintptr_t)reveal(o->entries[i].address);
	qsort(live, *nr, sizeof(*live), compare_u64);
	return live;
}

static bool check_live(struct oracle *o, bool collected)
{
	struct gca_object object;
	uint32_t i;

	o->counts.live = 0;
	o->counts.live_bytes = 0;
	for (i = 0; i < o->nr_entries; i++) {
		struct entry *e = &o->entries[i];

		if (!e->reachable)
			continue;
		if (!query(o, e, &object) || !object_intact(o, e))
			return false;
		if (object.bytes != e->slot)
			return complain_entry(o, e, "slot size changed", 0);
		if (collected && !object.marked)
			return complain_entry(o, e, "reachable, not marked", 0);
		if (collected && !object.old)
			return complain_entry(o, e, "survived, not old", 0);
		o->counts.live++;
		o->counts.live_bytes += e->slot;
	}
	if (o->counts.live > o->counts.peak_live)
		o->counts.peak_live = o->counts.live;
	return true;
}

/* Nothing is where an unreachable object was, unless a live one has moved in. */
static bool check_dead(struct oracle *o, struct entry *e, const uint64_t *live, size_t nr_live)
{
	struct gca_object object = { .size = sizeof(object) };
	uint64_t base;
	int err;

	err = gca_query(reveal(e->address), &object);
	if (err == -ENOENT)
		return true;
	if (err)
		return complain_entry(o, e, gca_strerror(err), 0);
	base = (uintptr_t)object.base;
	if (!bsearch(&base, live, nr_live, sizeof(*live), compare_u64))
		return complain_entry(o, e, "unreachable, still there", 0);
	return true;
}

static bool check_and_forget_dead(struct oracle *o)
{
	size_t nr_live;
	uint64_t *live = live_addresses(o, &nr_live);
	bool ok = live;
	uint32_t i;

	for (i = 0; i < o->nr_entries && ok; i++) {
		if (!o->entries[i].id || o->entries[i].reachable)
			continue;
		if (o->options.exact)
			ok = check_dead(o, &o->entries[i], live, nr_live);
		entry_put(o, i);
		o->counts.reclaimed++;
	}
	free(live);
	return ok;
}

/* Links of dead entries may name entries that will be used again. */
static void clear_dead_roots(struct oracle *o)
{
	struct link none = { .target = NONE };
	size_t r;

	for (r = 0; r < o->options.nr_roots; r++)
		if (o->roots[r].target != NONE && !o->entries[o->roots[r].target].reachable)
			set_root(o, r, none);
}

static bool check_totals(struct oracle *o, const struct gca_collection *result)
{
	unsigned long long live = o->counts.live, bytes = o->counts.live_bytes;
	struct gca_stats stats = { .size = sizeof(stats) };
	int err;

	if (result->live_objects < live || result->live_bytes < bytes)
		return complain(o, "%llu objects, %llu bytes survived, %llu, %llu are reachable",
				(unsigned long long)result->live_objects,
				(unsigned long long)result->live_bytes, live, bytes);
	if (!o->options.exact)
		return true;
	if (result->live_objects != live || result->live_bytes != bytes)
		return complain(o, "garbage kept: %llu objects, %llu bytes, not %llu, %llu",
				(unsigned long long)result->live_objects,
				(unsigned long long)result->live_bytes, live, bytes);
	err = gca_read_stats_in(o->options.arena, &stats);
	if (err)
		return complain(o, "gca_read_stats: %s", gca_strerror(err));
	if (stats.heap_objects != live || stats.heap_alloc != bytes)
		return complain(o, "statistics: %llu objects, %llu bytes in use, not %llu, %llu",
				(unsigned long long)stats.heap_objects,
				(unsigned long long)stats.heap_alloc, live, bytes);
	return true;
}

bool oracle_check(struct oracle *o)
{
	struct gca_collection result = { .size = sizeof(result) };
	int err;

	find_reachable(o);
	clear_dead_roots(o);
	err = collect_exactly(o->options.arena, &result);
	if (err)
		return complain(o, "collection: %s", gca_strerror(err));
	o->counts.checks++;
	if (!check_live(o, true) || !check_totals(o, &result) || !check_and_forget_dead(o))
		return false;
	if (o->counts.live_bytes > o->options.live_limit)
		drop_half_of_the_roots(o);
	return true;
}

bool oracle_finish(struct oracle *o)
{
	struct link none = { .target = NONE };
	size_t r;

	if (!oracle_check(o))
		return false;
	for (r = 0; r < o->options.nr_roots; r++)
		set_root(o, r, none);
	return oracle_check(o);
}

/* ---- A random program ------------------------------------------------------ */

static const struct operation {
	unsigned int weight;	/* of 10000 */
	bool (*run)(struct oracle *o);
} operations[] = {
	{ 4800, op_alloc },
	{ 3000, op_link },
	{ 500, op_unlink },
	{ 300, op_copy_root },
	{ 150, op_drop_root },
	{ 850, op_look },
	{ 150, op_free },
	{ 200, op_realloc },
	{ 20, op_toggle_range },
	{ 30, oracle_check },
};

bool oracle_step(struct oracle *o)
{
	const struct operation *operation = operations;
	unsigned int total = 0, dice;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(operations); i++)
		total += operations[i].weight;
	for (dice = rng_below(&o->rng, total); dice >= operation->weight; operation++)
		dice -= operation->weight;
	o->counts.steps++;
	return operation->run(o) && !o->error[0];
}

static bool define_types(struct oracle *o)
{
	size_t i;

	for (i = NR_UNTYPED; i < NR_SHAPES && o->options.types; i++) {
		o->types[i] = gca_type_from_bitmap_in(o->options.arena, shapes[i].name,
						      shapes[i].words * 8, &shapes[i].links);
		if (!o->types[i])
			return complain(o, "type %s: %s", shapes[i].name, gca_strerror(errno));
	}
	return true;
}

struct oracle *oracle_new(const struct oracle_options *options)
{
	size_t ranges = options->nr_roots / ORACLE_RANGE_ROOTS, i;
	struct oracle *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->options = *options;
	rng_init(&o->rng, options->seed);
	o->roots = calloc(options->nr_roots, sizeof(*o->roots));
	o->added = calloc(ranges, sizeof(*o->added));
	if (!o->roots || !o->added || !grow_entries(o)) {
		oracle_destroy(o);
		return NULL;
	}
	for (i = 0; i < options->nr_roots; i++)
		o->roots[i].target = NONE;
	for (i = 0; i < ranges; i++)
		set_range(o, i, true);
	define_types(o);
	return o;
}

void oracle_destroy(struct oracle *o)
{
	uint32_t i;

	for (i = 0; i < o->nr_entries; i++)
		free(o->entries[i].links);
	free(o->entries);
	free(o->free_list);
	free(o->work);
	free(o->roots);
	free(o->added);
	free(o);
}

const char *oracle_error(const struct oracle *o)
{
	return o->error;
}

const struct oracle_counts *oracle_counts(const struct oracle *o)
{
	return &o->counts;
}
