// SPDX-License-Identifier: Apache-2.0
/*
 * Cases 1, 2, 20 and 26, which need real concurrency:
 *   race open INNOCENT WATCHED     a thread swaps one byte of the path while open(2) copies it
 *   race connect                   the same with the address, then a shell on the connection
 *   race share PATH                a child that shares all memory, but is no thread, creates PATH
 *   race stall COUNT FIFO PATH     COUNT threads wait within open(2); then PATH is created
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SECONDS 15

static volatile char *spot; /* the byte that is swapped */
static volatile char first, second;
static volatile int done;

static void *swap(void *unused)
{
	while (!done) {
		*spot = second;
		*spot = first;
	}
	return unused;
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* Both paths have the same length and differ in the byte at `at`. */
static int race_open(const char *innocent, const char *watched)
{
	time_t until = time(NULL) + SECONDS;
	char link[64], found[4096];
	static char path[4096];
	pthread_t thread;
	size_t at = 0;
	ssize_t size;

	strcpy(path, innocent);
	while (innocent[at] && innocent[at] == watched[at])
		at++;
	spot = path + at;
	first = innocent[at];
	second = watched[at];
	pthread_create(&thread, NULL, swap, NULL);
	while (time(NULL) < until) {
		char before = *spot;
		int fd = open(path, O_WRONLY | O_CREAT, 0644);

		if (fd < 0)
			fail("open");
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		size = readlink(link, found, sizeof(found) - 1);
		close(fd);
		if (size > 0 && before == first) {
			found[size] = 0;
			if (!strcmp(found, watched)) {
				done = 1;
				pthread_join(thread, NULL);
				return 0;
			}
		}
	}
	fprintf(stderr, "the race was not won in %d s\n", SECONDS);
	return 1;
}

static int listener(const char *address, int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	inet_pton(AF_INET, address, &to.sin_addr);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (void *)&to, sizeof(to)) || listen(fd, 4096))
		fail("listen");
	return fd;
}

/* The text says 127.0.0.2; the connection that is kept goes to 127.0.0.3. */
static int race_connect(void)
{
	static struct sockaddr_in to = { .sin_family = AF_INET };
	time_t until = time(NULL) + SECONDS;
	struct sockaddr_in peer;
	int port = 20000 + getpid() % 10000;
	int near[2];
	socklen_t size;
	pthread_t thread;

	near[0] = listener("127.0.0.2", port);
	near[1] = listener("127.0.0.3", port);
	to.sin_port = htons(port);
	inet_pton(AF_INET, "127.0.0.2", &to.sin_addr);
	spot = (volatile char *)&to.sin_addr + 3;
	first = 2;
	second = 3;
	pthread_create(&thread, NULL, swap, NULL);
	while (time(NULL) < until) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		char before = *spot;

		if (connect(fd, (void *)&to, sizeof(to)))
			fail("connect");
		size = sizeof(peer);
		getpeername(fd, (void *)&peer, &size);
		if (before == first && ((char *)&peer.sin_addr)[3] == second) {
			done = 1;
			pthread_join(thread, NULL);
			dup2(fd, 0);
			dup2(fd, 1);
			execl("/bin/sh", "sh", "-c", "exit 0", NULL);
			fail("exec");
		}
		close(accept(near[((char *)&peer.sin_addr)[3] == second], NULL, NULL));
		close(fd);
	}
	fprintf(stderr, "the race was not won in %d s\n", SECONDS);
	return 1;
}

static int create(void *path)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0644);

	if (fd < 0)
		return 1;
	return close(fd);
}

static int share(char *path)
{
	static char stack[65536] __attribute__((aligned(16)));
	int status, pid = clone(create, stack + sizeof(stack), CLONE_VM | CLONE_FILES | CLONE_FS | SIGCHLD, path);

	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		fail("clone");
	return status != 0;
}

static void *wait_in_open(void *fifo)
{
	close(open(fifo, O_RDONLY));
	return NULL;
}

static int stall(int count, char *fifo, char *path)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int made, error;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 65536);
	for (made = 0; made < count; made++) {
		error = pthread_create(&thread, &attributes, wait_in_open, fifo);
		if (error) {
			fprintf(stderr, "thread %d: %s\n", made, strerror(error));
			_exit(1);
		}
	}
	usleep(200000);
	if (create(path))
		fail(path);
	_exit(0);
}

int main(int count, char **words)
{
	if (count == 4 && !strcmp(words[1], "open"))
		return race_open(words[2], words[3]);
	if (count >= 2 && !strcmp(words[1], "connect"))
		return race_connect();
	if (count == 3 && !strcmp(words[1], "share"))
		return share(words[2]);
	if (count == 5 && !strcmp(words[1], "stall"))
		return stall(atoi(words[2]), words[3], words[4]);
	fprintf(stderr, "race open|connect|share|stall ...\n");
	return 2;
}
