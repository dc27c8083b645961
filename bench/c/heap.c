/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The load of the memory budget. It knows how much it made.
 *
 *   heap processes COUNT EVERY CHILD FIRST   COUNT children that end at once; one in EVERY executes CHILD first, with
 *                                            a number of its own (from FIRST on) among its arguments
 *   heap connects COUNT FIRST                COUNT TCP connections over loopback, each from an address of its own in
 *                                            127.0.0.0/8 to another one; FIRST: number of the first address
 *
 * Prints one line: made <count> executed <count>
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void die(const char *what)
{
	perror(what);
	exit(2);
}

/* Apart, because after vfork the child runs in the caller's frame. */
static __attribute__((noinline)) pid_t start(const char *child, char **arguments)
{
	char *environment[] = { NULL };
	pid_t pid = vfork();

	if (pid == 0) {
		if (child)
			execve(child, arguments, environment);
		_exit(child != NULL);
	}
	return pid;
}

static void processes(uint64_t count, uint64_t every, const char *child, uint64_t first)
{
	char number[32], word[] = "--made-for-the-memory-budget";
	char *arguments[] = { (char *)child, number, word, NULL };
	uint64_t executed = 0;

	for (uint64_t made = 0; made < count; made++) {
		int with_exec = every && made % every == 0, status;
		pid_t pid;

		snprintf(number, sizeof(number), "%lu", first + made);
		pid = start(with_exec ? child : NULL, arguments);
		if (pid < 0 || waitpid(pid, &status, 0) != pid)
			die("vfork");
		if (status)
			die(child);
		executed += with_exec;
	}
	printf("made %lu executed %lu\n", count, executed);
}

/* Every number below 2^23 is another address; the upper half of the network is for those called. */
static struct sockaddr_in place(uint64_t number, uint32_t half, uint16_t port)
{
	struct sockaddr_in out = { .sin_family = AF_INET, .sin_port = htons(port) };

	out.sin_addr.s_addr = htonl(127u << 24 | half << 23 | (uint32_t)((number * 2654435761u) & 0x7fffff));
	return out;
}

static int listener(uint16_t *port)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	socklen_t size = sizeof(any);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any)) || listen(fd, 16) ||
	    getsockname(fd, (struct sockaddr *)&any, &size))
		die("listen");
	*port = ntohs(any.sin_port);
	return fd;
}

static void connects(uint64_t count, uint64_t first)
{
	struct linger at_once = { .l_onoff = 1 };
	uint16_t port;
	int server = listener(&port);

	for (uint64_t made = 0; made < count; made++) {
		struct sockaddr_in from = place(first + made, 0, 0), to = place(first + made, 1, port);
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), peer;

		if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof(from)) ||
		    connect(fd, (struct sockaddr *)&to, sizeof(to)))
			die("connect");
		peer = accept(server, NULL, NULL);
		if (peer < 0)
			die("accept");
		/* A reset leaves no socket that waits for a minute. */
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
		close(fd);
		close(peer);
	}
	printf("made %lu executed 0\n", count);
}

int main(int argc, char **argv)
{
	if (argc == 6 && !strcmp(argv[1], "processes"))
		processes(strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10), argv[4],
			  strtoull(argv[5], NULL, 10));
	else if (argc == 4 && !strcmp(argv[1], "connects"))
		connects(strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10));
	else
		return fprintf(stderr, "see the comment at the top of heap.c\n"), 2;
	return 0;
}
