/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A key-value store: a hash table of string keys and values, mib= MiB of them. Requests
 * come at a fixed rate= (a second) for seconds=, for random keys, and are
 * served one after the other. Half of them get: the value is copied into a new
 * string, the answer. The others put: a new value, of another length, replaces the old one.
 *
 * A request's latency counts from the moment at which it should have come: one that has to
 * wait because an earlier one took long is late. (Timed from the moment at which it
 * is served, a pause of a second would be one slow request, where thousands had to wait.)
 */
#include <stdio.h>
#include <string.h>

#include "lib/histogram.h"
#include "lib/pauses.h"
#include "lib/watch.h"

#define KV_KEY_LENGTH	20	/* "user:0000000000:name" */
#define KV_VALUE_MIN	512
#define KV_VALUE_SPAN	3072
#define KV_POLL		4096
/* What an entry takes, payload alone: for the number of keys. */
#define KV_ENTRY_BYTES	(sizeof(struct kv_entry) + 8 + KV_KEY_LENGTH + 1 + \
			 KV_VALUE_MIN + KV_VALUE_SPAN / 2)

struct kv_entry {
	struct kv_entry *next;
	char *key;
	char *value;
	uint64_t length;
};

static struct {
	size_t mask, nr_keys;
	uint64_t seed;
	contender_type type;
	uint64_t check;		/* of what was read, so that it is */
} kv = { .seed = 20260804 };

static struct kv_entry **kv_buckets;

static void kv_format(char *key, uint64_t number)
{
	int i;

	memcpy(key, "user:0000000000:name", KV_KEY_LENGTH + 1);
	for (i = 14; number; i--, number /= 10)
		key[i] = '0' + number % 10;
}

/* FNV-1a */
static uint64_t kv_hash(const char *key)
{
	uint64_t hash = 0xcbf29ce484222325ULL;

	while (*key)
		hash = (hash ^ (unsigned char)*key++) * 0x100000001b3ULL;
	return hash ^ hash >> 32;
}

static struct kv_entry *kv_find(const char *key)
{
	struct kv_entry *e = kv_buckets[kv_hash(key) & kv.mask];

	while (e && strcmp(e->key, key))
		e = e->next;
	return e;
}

static char *kv_string(size_t length)
{
	char *s = contender_alloc_noscan(length + 1);

	if (!s)
		bench_die("out of memory");
	return s;
}

static size_t kv_random_length(void)
{
	return KV_VALUE_MIN + random_below(&kv.seed, KV_VALUE_SPAN);
}

static char *kv_random_value(size_t length)
{
	char *value = kv_string(length);

	memset(value, 'a' + length % 26, length);
	return value;
}

static void kv_insert(const char *key)
{
	struct kv_entry **bucket = &kv_buckets[kv_hash(key) & kv.mask], *e;

	e = contender_new(kv.type, sizeof(*e));
	if (!e)
		bench_die("out of memory");
	e->next = *bucket;
	*bucket = e;
	e->key = kv_string(KV_KEY_LENGTH);
	strcpy(e->key, key);
	e->length = kv_random_length();
	e->value = kv_random_value(e->length);
}

static void kv_get(const char *key)
{
	struct kv_entry *e = kv_find(key);
	char *answer;

	if (!e)
		bench_die("key %s is lost", key);
	answer = kv_string(e->length);
	memcpy(answer, e->value, e->length);
	if (answer[0] != (char)('a' + e->length % 26) || answer[e->length - 1] != answer[0])
		bench_die("the value of %s is damaged", key);
	kv.check += answer[e->length / 2];
	contender_free(answer);
}

static void kv_put(const char *key)
{
	struct kv_entry *e = kv_find(key);
	char *old;

	if (!e)
		bench_die("key %s is lost", key);
	old = e->value;
	e->length = kv_random_length();
	e->value = kv_random_value(e->length);
	contender_free(old);
}

static void kv_request(void)
{
	char key[KV_KEY_LENGTH + 1];
	uint64_t r = random_next(&kv.seed);

	kv_format(key, (r >> 32) * kv.nr_keys >> 32);
	if (r & 1)
		kv_get(key);
	else
		kv_put(key);
}

static void kv_build(void)
{
	char key[KV_KEY_LENGTH + 1];
	size_t buckets = 1, i;

	kv.nr_keys = bench_arg_number("mib", 64) * MIB / KV_ENTRY_BYTES;
	while (buckets < kv.nr_keys)
		buckets *= 2;
	kv.mask = buckets - 1;
	kv.type = CONTENDER_TYPE(kv_entry, next, key, value);
	contender_auto_collect(false);
	kv_buckets = contender_alloc(buckets * sizeof(*kv_buckets));
	for (i = 0; i < kv.nr_keys; i++) {
		kv_format(key, i);
		kv_insert(key);
	}
	contender_collect();
	contender_auto_collect(true);
}

/* Waits by looking at the clock: a sleep would end late. */
static void kv_serve(struct histogram *latency, uint64_t start, uint64_t end, unsigned long rate)
{
	uint64_t due = start, n = 0;

	while (due < end) {
		if (now_ns() > end + (end - start)) {
			bench_note("kv: cannot keep up with %lu requests a second", rate);
			break;
		}
		while (now_ns() < due)
			__asm__ volatile("" : : : "memory");
		kv_request();
		histogram_add(latency, now_ns() - due);
		if (++n % KV_POLL == 0)
			contender_pauses_poll();
		due = start + n * NSEC_PER_SEC / rate;
	}
}

static void kv_report(const struct histogram *latency)
{
	bench_result("latency, 50 %", "us", histogram_percentile(latency, 50) / 1e3);
	bench_result("latency, 99 %", "us", histogram_percentile(latency, 99) / 1e3);
	bench_result("latency, 99.9 %", "us", histogram_percentile(latency, 99.9) / 1e3);
	bench_result("latency, longest", "us", latency->max / 1e3);
	histogram_print_curve(latency, "latency");
}

static void kv_workload(void)
{
	uint64_t seconds = bench_arg_number("seconds", 20), start, end, cpu;
	unsigned long rate = bench_arg_number("rate", 5000);
	struct histogram latency;

	contender_init();
	histogram_init(&latency);
	kv_build();
	contender_pauses_poll();
	pauses_start();
	watch_start();
	contender_watch();
	cpu = cpu_ns();
	start = now_ns();
	end = start + seconds * NSEC_PER_SEC;
	kv_serve(&latency, start, end, rate);
	contender_cost(now_ns() - start);
	contender_pauses_poll();
	bench_result("served", "1/s", latency.total * 1e9 / (now_ns() - start));
	bench_result("CPU time", "%", (cpu_ns() - cpu) * 100.0 / (now_ns() - start));
	watch_stop();
	kv_report(&latency);
	pauses_report();
}
