/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How much memory the machine holds for each byte of live payload. All objects
 * are alive, in one list that starts in the data segment.
 *
 *	size=BYTES mib=PAYLOAD
 *
 * For gcarena the process's resident memory is not all: the kernel holds
 * metadata, and may hold backing that no process has mapped. Both are reported.
 */
struct cell {
	struct cell *next;
};

static struct cell *head;

static void fill(size_t size, size_t objects)
{
	struct cell *c;
	size_t i;

	for (i = 0; i < objects; i++) {
		c = contender_alloc(size);
		if (!c)
			bench_die("out of memory");
		c->next = head;
		head = c;
	}
}

#ifdef CONTENDER_GCARENA
static void report_kernel_memory(double payload, double resident)
{
	struct gca_stats stats = contender_stats();
	double mapped = resident < stats.heap_sys ? resident : stats.heap_sys;

	bench_result("heap_sys/payload", "", stats.heap_sys / payload);
	bench_result("metadata/heap", "%", 100.0 * stats.gc_sys / stats.heap_sys);
	/* What is mapped of the backing counts once. */
	bench_result("held/payload", "",
		     (resident - mapped + stats.heap_sys + stats.gc_sys) / payload);
}
#else
static void report_kernel_memory(double payload, double resident)
{
	bench_result("held/payload", "", resident / payload);
}
#endif

static void resident_workload(void)
{
	double payload, resident;
	size_t size, objects;
	uint64_t before;

	size = bench_arg_number("size", 64);
	objects = bench_arg_number("mib", 64) * MIB / size;
	if (size < sizeof(struct cell))
		bench_die("size=%zu or more", sizeof(struct cell));

	contender_init();
	before = bench_resident();
	fill(size, objects);
	resident = bench_resident() - before;
	payload = objects * size;
	bench_result("resident/payload", "", resident / payload);
	report_kernel_memory(payload, resident);
}
