// SPDX-License-Identifier: GPL-2.0
/* Numbers and handles, chosen by the dice of the current operation. */
#include "fuzz/sys.h"
#include "fuzz/world.h"

uint64_t below(struct worker *w, enum dice which, uint64_t n)
{
	return rng_below(&w->dice[which], n);
}

bool one_in(struct worker *w, enum dice which, uint64_t n)
{
	return below(w, which, n) == 0;
}

/* Values at which something changes. None is the address of memory of the fuzzer. */
static const uint64_t edges[] = {
	0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 63, 64, 65, 255, 256,
	4088, 4095, 4096, 4097, 8191, 8192, 8193, 32767, 32768, 32769, 65536,
	2 * MIB - 1, 2 * MIB, 2 * MIB + 1, 64 * MIB, GIB,
	0x7fffffff, 0x80000000, 0x80000001, 0xfffffff0, 0xffffffff,
	4 * GIB, 64 * GIB, 1ULL << 42, (1ULL << 42) + 2 * MIB,
	0x00007ffffffff000, 0x00007fffffffffff, 0x0000800000000000,	/* end of user space */
	0xffff800000000000, 0xffff888000000000, 0xffffffff81000000,	/* the kernel's */
	0xffffffffffffe000, 0xfffffffffffff001,
	0xdead000000000100, 0x6b6b6b6b6b6b6b6b, 0xaaaaaaaaaaaaaaaa,
	0x7fffffffffffffff, 0x8000000000000000, ~7ULL, ~1ULL, ~0ULL,
};

uint64_t interesting(struct rng *rng)
{
	if (!rng_below(rng, 4))
		return rng_below(rng, 64);
	return edges[rng_below(rng, sizeof(edges) / sizeof(edges[0]))];
}

/* The first arena is the busiest; and rather one that is open and mapped. */
struct arena *choose_arena(struct worker *w)
{
	unsigned int first = one_in(w, DICE_TARGET, 2) ? 0 : below(w, DICE_TARGET, NR_ARENAS), i;

	for (i = 0; i < NR_ARENAS && !one_in(w, DICE_TARGET, 16); i++) {
		struct arena *arena = &world.arenas[(first + i) % NR_ARENAS];

		if (arena->base && arena->fd >= 0)
			return arena;
	}
	return &world.arenas[first];
}

/* That of the arena around the address, if there is one. */
int choose_fd_of(struct worker *w, uint64_t address)
{
	unsigned int i;

	for (i = 0; i < NR_ARENAS && !one_in(w, DICE_TARGET, 16); i++)
		if (address - world.arenas[i].base < world.arenas[i].reserve)
			return world.arenas[i].fd;
	return choose_fd(w);
}

int choose_any_fd(struct worker *w)
{
	if (one_in(w, DICE_TARGET, 8))
		return -1 + below(w, DICE_TARGET, 4);
	return world.files[below(w, DICE_TARGET, NR_FILES)];
}

int choose_fd(struct worker *w)
{
	if (one_in(w, DICE_TARGET, 24))
		return choose_any_fd(w);
	return choose_arena(w)->fd;
}

uint32_t choose_layout(struct worker *w)
{
	if (one_in(w, DICE_VALUE, 2))
		return below(w, DICE_VALUE, GCARENA_LAYOUT_FIRST_TYPE);
	return world.layouts[below(w, DICE_VALUE, NR_LAYOUTS)];
}

uint64_t choose_object(struct worker *w)
{
	unsigned int i = below(w, DICE_TARGET, NR_OBJECTS), tries;

	for (tries = 0; tries < 16 && !world.objects[i]; tries++)
		i = (i + 1) % NR_OBJECTS;
	return world.objects[i];
}

uint64_t choose_memory(struct worker *w)
{
	struct arena *arena = choose_arena(w);
	uint64_t reserve = arena->reserve, object = choose_object(w);

	if (object && !one_in(w, DICE_TARGET, 4))
		return (object + below(w, DICE_TARGET, 4) * 8) & ~7ULL;
	if (!reserve)
		return world.arenas[0].base;
	/* Rather at its low end, which is filled first. */
	if (!one_in(w, DICE_TARGET, 4) && reserve > 8 * MIB)
		reserve = 8 * MIB;
	return (arena->base + below(w, DICE_TARGET, reserve)) & ~7ULL;
}

int choose_thread(struct worker *w)
{
	return world.shared->progress[below(w, DICE_TARGET, PROGRAM_THREADS)].tid;
}

void remember_object(struct worker *w, uint64_t address)
{
	world.objects[below(w, DICE_VALUE, NR_OBJECTS)] = address;
}

void remember_file(struct worker *w, int fd)
{
	int old;

	if (fd < 0)
		return;
	old = atomic_exchange(&world.files[below(w, DICE_VALUE, NR_FILES)], fd);
	if (old > 2)
		sys(SYS_close, old);
}

void set_arena(struct arena *arena, int fd)
{
	int old = atomic_exchange(&arena->fd, fd);

	if (old > 2)
		sys(SYS_close, old);
}
