// SPDX-License-Identifier: GPL-2.0
/*
 * gcarenactl stats: how long pauses were, as a histogram. Each bar is of pauses up to twice
 * as long as those of the one before.
 */
#include <stdio.h>
#include <string.h>

#include <linux/gcarena.h>

#include "gcarenactl.h"
#include "human.h"

#define BAR_COLUMNS	40
#define LAST		(GCARENA_PAUSE_BUCKETS - 1)

struct bucket {
	uint64_t from_ns, below_ns, count;
};

static const struct attribute bucket_rows[] = {
	ATTRIBUTE(NS, bucket, from_ns, "from"),
	ATTRIBUTE(LIMIT, bucket, below_ns, "below"),
	ATTRIBUTE(COUNT, bucket, count, "pauses"),
};

static const struct attributes bucket_attributes = ATTRIBUTES(bucket_rows);

static struct bucket bucket_of(const unsigned long long *pauses, unsigned int i)
{
	return (struct bucket){
		.from_ns = i ? 1000ULL << (i - 1) : 0,
		.below_ns = i == LAST ? UINT64_MAX : 1000ULL << i,
		.count = pauses[i],
	};
}

/* So many columns of @most are @count of @all, to an eighth; something if it is not 0. */
static void print_bar(uint64_t count, uint64_t all)
{
	static const char *const parts[] = { "", "▏", "▎", "▍", "▌", "▋", "▊", "▉" };
	unsigned int eighths = (double)count / all * BAR_COLUMNS * 8, i;

	if (!eighths && count)
		eighths = 1;
	if (!output_is_utf8()) {
		for (i = 0; i < (eighths + 7) / 8; i++)
			putchar('#');
		return;
	}
	for (i = 0; i < eighths / 8; i++)
		printf("█");
	printf("%s", parts[eighths % 8]);
}

static void text_bucket(const struct bucket *bucket, uint64_t most)
{
	char from[HUMAN_LEN], below[HUMAN_LEN], count[HUMAN_LEN];

	human_ns(from, bucket->from_ns);
	if (bucket->below_ns == UINT64_MAX)
		strcpy(below, "and more");
	else
		human_ns(below, bucket->below_ns);
	printf("   %8s to %8s %10s ", from, below, human_count(count, bucket->count));
	print_bar(bucket->count, most);
	putchar('\n');
}

static void text_pauses(const unsigned long long *pauses)
{
	unsigned int i, first = LAST, last = 0;
	struct bucket bucket;
	uint64_t most = 0;

	for (i = 0; i <= LAST; i++) {
		if (!pauses[i])
			continue;
		first = i < first ? i : first;
		last = i;
		most = pauses[i] > most ? pauses[i] : most;
	}
	puts(most ? " pauses" : " pauses: none yet");
	for (i = first; i <= last && most; i++) {
		bucket = bucket_of(pauses, i);
		text_bucket(&bucket, most);
	}
}

/* In JSON all buckets, in text those between the shortest and the longest pause. */
void pauses_show(struct output *out, const unsigned long long *pauses)
{
	struct bucket buckets[GCARENA_PAUSE_BUCKETS];
	unsigned int i;

	if (!out->json) {
		text_pauses(pauses);
		return;
	}
	for (i = 0; i <= LAST; i++)
		buckets[i] = bucket_of(pauses, i);
	output_open(out, "pauses", '[');
	output_table(out, &bucket_attributes, buckets, GCARENA_PAUSE_BUCKETS, sizeof(*buckets));
	output_close(out, ']');
}
