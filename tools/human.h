/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Numbers for people: 1,234,567 and 61.4 MiB and 3.25 ms.
 *
 * Each function writes to @text, of HUMAN_LEN bytes, and returns it.
 */
#ifndef HUMAN_H
#define HUMAN_H

#include <stdio.h>
#include <string.h>

#define HUMAN_LEN	32

static inline const char *human_count(char *text, unsigned long long value)
{
	char digits[24];
	size_t n = snprintf(digits, sizeof(digits), "%llu", value);
	char *to = text;
	size_t i;

	for (i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			*to++ = ',';
		*to++ = digits[i];
	}
	*to = '\0';
	return text;
}

/* Three digits, and no zeros that say nothing: "64 GiB", not "64.0 GiB". */
static inline const char *human_scaled(char *text, double value, const char *unit)
{
	int decimals = value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
	size_t n = snprintf(text, HUMAN_LEN - 8, "%.*f", decimals, value);

	if (decimals) {
		while (text[n - 1] == '0')
			n--;
		if (text[n - 1] == '.')
			n--;
	}
	snprintf(text + n, 8, " %s", unit);
	return text;
}

static inline const char *human_bytes(char *text, unsigned long long value)
{
	static const char *const units[] = {
		"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"
	};
	double scaled = value;
	unsigned int i = 0;

	/* Not 1024: 1023.9 would be shown as 1024. */
	for (; scaled >= 1023.5 && i < 6; i++)
		scaled /= 1024;
	return human_scaled(text, scaled, units[i]);
}

static inline const char *human_ns(char *text, unsigned long long value)
{
	if (value < 1000)
		return human_scaled(text, value, "ns");
	if (value < 1000 * 1000)
		return human_scaled(text, value / 1e3, "us");
	if (value < 1000 * 1000 * 1000)
		return human_scaled(text, value / 1e6, "ms");
	return human_scaled(text, value / 1e9, "s");
}

#endif /* HUMAN_H */
