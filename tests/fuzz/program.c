// SPDX-License-Identifier: GPL-2.0
/* Making, changing, writing and reading programs. */
#include <string.h>

#include "fuzz/ops.h"
#include "fuzz/program.h"

#define MIN_OPS		16
#define MAX_OPS		128	/* of a generated program; mutation may add more */

static uint8_t random_kind(struct rng *rng)
{
	uint64_t total = 0, dice;
	unsigned int kind;

	for (kind = 0; kind < nr_ops; kind++)
		total += ops[kind].weight;
	dice = rng_below(rng, total);
	for (kind = 0; dice >= ops[kind].weight; kind++)
		dice -= ops[kind].weight;
	return kind;
}

static void random_op(struct op *op, unsigned int nr_threads, struct rng *rng)
{
	unsigned int i;

	op->thread = rng_below(rng, nr_threads);
	op->kind = random_kind(rng);
	for (i = 0; i < NR_DICE; i++)
		op->dice[i] = rng_next(rng);
}

void program_generate(struct program *p, uint64_t seed, uint64_t round, unsigned int max_threads)
{
	struct rng rng;
	unsigned int i;

	/* Two numbers to one state, so that neighbours have nothing in common. */
	rng_init(&rng, rng_mix(seed) ^ rng_mix(round + 1));
	memset(p, 0, sizeof(*p));
	p->seed = seed;
	p->round = round;
	p->setup = rng_next(&rng);
	p->nr_threads = 1 + rng_below(&rng, max_threads);
	p->nr_ops = MIN_OPS + rng_below(&rng, MAX_OPS - MIN_OPS);
	for (i = 0; i < p->nr_ops; i++)
		random_op(&p->ops[i], p->nr_threads, &rng);
}

static void insert_op(struct program *p, unsigned int at, const struct op *op)
{
	if (p->nr_ops == PROGRAM_OPS)
		return;
	memmove(&p->ops[at + 1], &p->ops[at], (p->nr_ops - at) * sizeof(*op));
	p->ops[at] = *op;
	p->ops[at].thread %= p->nr_threads;
	p->nr_ops++;
}

static void remove_op(struct program *p, unsigned int at)
{
	if (p->nr_ops <= 1)
		return;
	p->nr_ops--;
	memmove(&p->ops[at], &p->ops[at + 1], (p->nr_ops - at) * sizeof(p->ops[0]));
}

/* A run of operations of the other program goes in here. */
static void splice(struct program *p, const struct program *other, struct rng *rng)
{
	unsigned int at = rng_below(rng, p->nr_ops), from = rng_below(rng, other->nr_ops);
	unsigned int n = 1 + rng_below(rng, 16);

	for (; n && from < other->nr_ops; n--, from++, at++)
		insert_op(p, at, &other->ops[from]);
}

static void mutate_once(struct program *p, const struct program *other, struct rng *rng)
{
	unsigned int at = rng_below(rng, p->nr_ops);
	struct op op = p->ops[at];

	switch (rng_below(rng, 8)) {
	case 0:
		splice(p, other, rng);
		break;
	case 1:
		remove_op(p, at);
		break;
	case 2:
		insert_op(p, rng_below(rng, p->nr_ops), &op);
		break;
	case 3:
		random_op(&op, p->nr_threads, rng);
		insert_op(p, at, &op);
		break;
	case 4:
		p->ops[at].thread = rng_below(rng, p->nr_threads);
		break;
	case 5:
		p->setup = rng_next(rng);
		break;
	default:
		p->ops[at].dice[rng_below(rng, NR_DICE)] = rng_next(rng);
	}
}

void program_mutate(struct program *p, const struct program *other, struct rng *rng)
{
	unsigned int n = 1 + rng_below(rng, 6);

	while (n--)
		mutate_once(p, other, rng);
}

void program_print(const struct program *p, FILE *to, const char *prefix)
{
	const struct op *op;

	fprintf(to, "%sprogram %#llx %llu %u %#llx\n", prefix, (unsigned long long)p->seed,
		(unsigned long long)p->round, p->nr_threads, (unsigned long long)p->setup);
	for (op = p->ops; op < p->ops + p->nr_ops; op++)
		fprintf(to, "%sop %u %s %08x %08x %08x %08x\n", prefix, op->thread,
			ops[op->kind].name, op->dice[0], op->dice[1], op->dice[2], op->dice[3]);
	fprintf(to, "%send\n", prefix);
}

static int kind_of(const char *name)
{
	unsigned int kind;

	for (kind = 0; kind < nr_ops; kind++)
		if (!strcmp(ops[kind].name, name))
			return kind;
	return -1;
}

static bool read_header(struct program *p, const char *line)
{
	unsigned long long seed, round, setup;

	if (sscanf(line, "program %lli %llu %u %lli", &seed, &round, &p->nr_threads, &setup) != 4)
		return false;
	p->seed = seed;
	p->round = round;
	p->setup = setup;
	p->nr_ops = 0;
	return p->nr_threads >= 1 && p->nr_threads <= PROGRAM_THREADS;
}

static void read_op(struct program *p, const char *line)
{
	struct op op;
	char name[32];
	unsigned int thread;
	int kind;

	if (sscanf(line, "op %u %31s %x %x %x %x", &thread, name, &op.dice[0], &op.dice[1],
		   &op.dice[2], &op.dice[3]) != 6)
		return;
	kind = kind_of(name);
	if (kind < 0 || thread >= p->nr_threads || p->nr_ops == PROGRAM_OPS)
		return;
	op.thread = thread;
	op.kind = kind;
	p->ops[p->nr_ops++] = op;
}

/* TAP comments, and what tests/run puts before the output of a failed program. */
static const char *skip_prefix(const char *line)
{
	return line + strspn(line, "# >\t");
}

bool program_read(struct program *p, FILE *from)
{
	bool started = false;
	char line[256];

	while (fgets(line, sizeof(line), from)) {
		const char *text = skip_prefix(line);

		if (read_header(p, text))
			started = true;
		else if (started && !strncmp(text, "end", 3))
			return p->nr_ops;
		else if (started)
			read_op(p, text);
	}
	return false;
}
