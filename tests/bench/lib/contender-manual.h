/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What allocators without a collector have in common. The including header has
 * defined contender_alloc(), contender_free() and contender_print_version().
 */
#define CONTENDER_COLLECTS	0
#define CONTENDER_TYPE(t, ...)	NULL
typedef void *contender_type;

static inline void contender_init(void)
{
}

static inline void *contender_alloc_noscan(size_t size)
{
	return contender_alloc(size);
}

static inline void *contender_new(contender_type type, size_t size)
{
	(void)type;
	return contender_alloc(size);
}

static inline void contender_collect(void)
{
}

static inline void contender_pauses_poll(void)
{
}

static inline void contender_auto_collect(bool on)
{
	(void)on;
}

static inline void contender_watch(void)
{
}

static inline void contender_cost(uint64_t ns)
{
	(void)ns;
}

static inline void contender_report(double mib)
{
	(void)mib;
}
