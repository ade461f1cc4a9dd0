/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For the fuzz targets: reading decisions off the input, and stopping at what is wrong.
 */
#ifndef TESTS_CORE_FUZZ_H
#define TESTS_CORE_FUZZ_H

#include "core/check.h"

/* What is left of the input. After its end all decisions are zero. */
struct fuzz_input {
	const u8 *at;
	size_t left;
};

static inline u64 fuzz_bytes(struct fuzz_input *in, unsigned int nr)
{
	u64 value = 0;

	for (; nr && in->left; nr--, in->left--)
		value = value << 8 | *in->at++;
	return value;
}

/* A number below @n, which is not 0 and below 2^32. */
static inline u32 fuzz_below(struct fuzz_input *in, u32 n)
{
	return fuzz_bytes(in, n <= 256 ? 1 : n <= 65536 ? 2 : 4) % n;
}

#define FUZZ_EXPECT(condition, ...) do {					\
	if (!(condition)) {							\
		fprintf(stderr, "%s:%d: not so: %s: ", __FILE__, __LINE__, #condition); \
		fprintf(stderr, __VA_ARGS__);					\
		fputc('\n', stderr);						\
		abort();							\
	}									\
} while (0)

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#endif
