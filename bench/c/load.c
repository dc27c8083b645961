/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The load of the benchmarks. It knows how much it made, so loss is counted at the source.
 *
 *   load opens PATH COUNT RATE   COUNT open+close pairs, RATE a second (0: as fast as it goes)
 *   load getpgid COUNT           a system call that nobody watches
 *   load spawn CHILD COUNT       posix_spawn and wait, one after the other
 *   load flood PATH SECONDS N    N threads of one process that open and close
 *
 * With BARRIER=READY,GO in the environment, two file descriptors: once set up it writes a byte to READY and begins
 * when GO ends, so that several loads begin at one moment. Threads of a flood wait for each other in any case.
 *
 * Prints one line: made <count> total_ns <time> median_ns <of single operations or of 256 together>
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define GROUP 256 /* operations a sample: the clock costs as much as a system call */

static uint64_t *samples;
static size_t sample_count;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static void sleep_until(uint64_t when)
{
	struct timespec t = { .tv_sec = when / 1000000000, .tv_nsec = when % 1000000000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL))
		;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static double median(unsigned int divisor)
{
	if (!sample_count)
		return 0;
	qsort(samples, sample_count, sizeof(*samples), by_value);
	return (double)samples[sample_count / 2] / divisor;
}

static void open_close(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		die(path);
	close(fd);
}

/* Paced in slices of a millisecond: sleeping per event would measure the timer. */
static void opens(const char *path, uint64_t count, uint64_t rate)
{
	uint64_t began = now_ns(), slice = rate ? rate / 1000 : GROUP, made = 0, step = 0;

	if (!slice)
		slice = 1;
	while (made < count) {
		uint64_t before = now_ns(), i;

		for (i = 0; i < slice && made < count; i++, made++)
			open_close(path);
		if (i == GROUP)
			samples[sample_count++] = now_ns() - before;
		if (rate)
			sleep_until(began + ++step * slice * 1000000000 / rate);
	}
	printf("made %lu total_ns %lu median_ns %.2f\n", made, now_ns() - began, median(GROUP));
}

static void getpgids(uint64_t count)
{
	uint64_t began = now_ns(), made;

	for (made = 0; made < count; made += GROUP) {
		uint64_t before = now_ns();

		for (int i = 0; i < GROUP; i++)
			syscall(SYS_getpgid, 0);
		samples[sample_count++] = now_ns() - before;
	}
	printf("made %lu total_ns %lu median_ns %.2f\n", made, now_ns() - began, median(GROUP));
}

static void spawns(const char *child, uint64_t count)
{
	char *arguments[] = { (char *)child, "ten-bytes!", NULL };
	char *environment[] = { NULL };
	uint64_t began = now_ns(), made;

	for (made = 0; made < count; made++) {
		uint64_t before = now_ns();
		pid_t pid;

		if (posix_spawn(&pid, child, NULL, NULL, arguments, environment))
			die(child);
		if (waitpid(pid, NULL, 0) != pid)
			die("waitpid");
		samples[sample_count++] = now_ns() - before;
	}
	printf("made %lu total_ns %lu median_ns %.2f\n", made, now_ns() - began, median(1));
}

/* Nothing is made before everybody is there. */
static void start_together(void)
{
	const char *text = getenv("BARRIER");
	int ready, go;
	char byte = 1;

	if (!text)
		return;
	if (sscanf(text, "%d,%d", &ready, &go) != 2 || write(ready, &byte, 1) != 1)
		die("BARRIER");
	close(ready);
	if (read(go, &byte, 1))
		die("BARRIER");
}

static pthread_barrier_t flood_start;
static atomic_ulong flood_made;
static const char *flood_path;
static uint64_t flood_until;

static void *flood_one(void *unused)
{
	(void)unused;
	pthread_barrier_wait(&flood_start);
	while (now_ns() < flood_until) {
		for (int i = 0; i < GROUP; i++)
			open_close(flood_path);
		flood_made += GROUP;
	}
	return NULL;
}

static void flood(const char *path, double seconds, int threads)
{
	pthread_t ids[64];
	uint64_t began;

	flood_path = path;
	if (threads > 64)
		threads = 64;
	if (pthread_barrier_init(&flood_start, NULL, threads + 1))
		die("pthread_barrier_init");
	for (int i = 0; i < threads; i++)
		if (pthread_create(&ids[i], NULL, flood_one, NULL))
			die("pthread_create");
	began = now_ns();
	flood_until = began + (uint64_t)(seconds * 1e9);
	pthread_barrier_wait(&flood_start);
	for (int i = 0; i < threads; i++)
		pthread_join(ids[i], NULL);
	printf("made %lu total_ns %lu median_ns 0\n", flood_made, now_ns() - began);
}

int main(int argc, char **argv)
{
	uint64_t count = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;

	if (argc == 3 && !strcmp(argv[1], "getpgid"))
		count = strtoull(argv[2], NULL, 10);
	samples = calloc(count + GROUP, sizeof(*samples));
	if (!samples)
		die("calloc");
	start_together();
	if (argc == 5 && !strcmp(argv[1], "opens"))
		opens(argv[2], count, strtoull(argv[4], NULL, 10));
	else if (argc == 3 && !strcmp(argv[1], "getpgid"))
		getpgids(count);
	else if (argc == 4 && !strcmp(argv[1], "spawn"))
		spawns(argv[2], count);
	else if (argc == 5 && !strcmp(argv[1], "flood"))
		flood(argv[2], strtod(argv[3], NULL), atoi(argv[4]));
	else
		return fprintf(stderr, "see the comment at the top of load.c\n"), 2;
	return 0;
}
