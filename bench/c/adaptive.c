/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The peer of row 5: a plain consumer that sleeps in ring_buffer__poll and does nothing with a record but count it.
 *
 *   adaptive OBJECT    prints "ready" once it is attached; ends with its standard input, and prints the count
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>

static int on_record(void *context, void *data, size_t size)
{
	(void)data;
	(void)size;
	++*(uint64_t *)context;
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t count = 0;
	struct bpf_object *object = argc == 2 ? bpf_object__open_file(argv[1], NULL) : NULL;
	struct pollfd input = { .fd = 0, .events = POLLIN };
	struct ring_buffer *rings;

	if (!object || bpf_object__load(object))
		return 2;
	if (!bpf_program__attach(bpf_object__find_program_by_name(object, "on_open")))
		return 2;
	rings = ring_buffer__new(bpf_map__fd(bpf_object__find_map_by_name(object, "ring")), on_record, &count, NULL);
	if (!rings)
		return 2;
	puts("ready");
	fflush(stdout);
	while (poll(&input, 1, 0) == 0)
		ring_buffer__poll(rings, 100);
	ring_buffer__consume(rings);
	printf("%lu\n", count);
	return 0;
}
