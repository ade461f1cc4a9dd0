/* SPDX-License-Identifier: GPL-2.0 */
/* Time from main() to the first usable object. */
static void *first_object;

static void startup_workload(void)
{
	uint64_t start = now_ns();
	long *p;

	contender_init();
	p = contender_alloc(64);
	if (!p)
		bench_die("out of memory");
	*p = 1;
	first_object = p;
	bench_result("first object", "us", (now_ns() - start) / 1e3);
}
