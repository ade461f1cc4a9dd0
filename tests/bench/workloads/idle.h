/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A program that does not collect: what it costs that it could. After one collection with
 * four threads asleep, nothing is allocated any more, and three loops are timed that a
 * collector may have its hand in: arithmetic, a cheap system call, and starting and
 * joining a thread.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#define IDLE_THREADS	4
#define IDLE_ROUNDS	5

static int idle_pipe[2];

static void *idle_sleeper(void *unused)
{
	char c;

	(void)unused;
	while (read(idle_pipe[0], &c, 1) < 0)
		;
	return NULL;
}

static void *idle_nothing(void *unused)
{
	return unused;
}

static void idle_compute(unsigned long rounds)
{
	uint64_t state = 88172645463325252ULL, sum = 0;

	while (rounds--)
		sum += random_next(&state);
	__asm__ volatile("" : : "r"(sum));
}

static void idle_syscall(unsigned long rounds)
{
	while (rounds--)
		syscall(SYS_getppid);
}

static void idle_thread(unsigned long rounds)
{
	pthread_t thread;

	while (rounds--) {
		if (pthread_create(&thread, NULL, idle_nothing, NULL))
			bench_die("cannot create a thread");
		pthread_join(thread, NULL);
	}
}

/* The quickest of some rounds: what disturbs only ever adds. */
static double idle_time(void (*loop)(unsigned long rounds), unsigned long rounds)
{
	double best = 1e18, ns;
	uint64_t start;
	int i;

	for (i = 0; i < IDLE_ROUNDS; i++) {
		start = now_ns();
		loop(rounds);
		ns = (double)(now_ns() - start) / rounds;
		best = ns < best ? ns : best;
	}
	return best;
}

static void idle_workload(void)
{
	pthread_t thread[IDLE_THREADS];
	int i;

	contender_init();
	if (pipe(idle_pipe))
		bench_die("no pipe");
	for (i = 0; i < IDLE_THREADS; i++) {
		if (pthread_create(&thread[i], NULL, idle_sleeper, NULL))
			bench_die("cannot create a thread");
	}
	usleep(20000);
	contender_collect();
	bench_result("arithmetic", "ns", idle_time(idle_compute, 3000000));
	bench_result("system call", "ns", idle_time(idle_syscall, 100000));
	bench_result("thread started and joined", "us", idle_time(idle_thread, 200) / 1e3);
	close(idle_pipe[1]);
	for (i = 0; i < IDLE_THREADS; i++)
		pthread_join(thread[i], NULL);
}
