/* SPDX-License-Identifier: Apache-2.0 */
/* The peer of row 1: a plain consumer on libbpf's own ring_buffer, and the filler's driver. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdint.h>
#include <time.h>
#include "../../bpf/include/iw_event.h"

static struct bpf_object *object;
static struct ring_buffer *rings;
static int fill_fd, ring_fd;
static uint64_t kinds[256], bytes_seen;
static uint32_t next_sequence;

struct fill_args {
	uint32_t count;
	uint32_t kind;
	uint64_t made;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* What a careful consumer does at the least: bounds, sequence, a count per kind. */
static int on_record(void *context, void *data, size_t size)
{
	const struct iw_header *h = data;

	(void)context;
	if (size < sizeof(*h) || h->size > size)
		return 0;
	if (h->sequence != next_sequence)
		next_sequence = h->sequence;
	next_sequence++;
	kinds[h->kind & 255]++;
	bytes_seen += h->size;
	return 0;
}

int peer_open(const char *path)
{
	object = bpf_object__open_file(path, NULL);
	if (!object || bpf_object__load(object))
		return -1;
	fill_fd = bpf_program__fd(bpf_object__find_program_by_name(object, "fill"));
	ring_fd = bpf_map__fd(bpf_object__find_map_by_name(object, "ring"));
	rings = ring_buffer__new(ring_fd, on_record, NULL, NULL);
	return rings ? ring_fd : -1;
}

/* Records that found room. */
uint64_t peer_fill(uint32_t count, uint32_t kind)
{
	struct fill_args args = { .count = count, .kind = kind };
	LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = &args, .ctx_size_in = sizeof(args));

	/* A syscall program's context is copied back to where it came from. */
	return bpf_prog_test_run_opts(fill_fd, &options) ? 0 : args.made;
}

/* ns to empty the ring; `*records` gets how many there were. */
uint64_t peer_consume(uint64_t *records)
{
	uint64_t began = now_ns();
	int count = ring_buffer__consume(rings);

	*records = count > 0 ? count : 0;
	return now_ns() - began;
}

void peer_close(void)
{
	ring_buffer__free(rings);
	bpf_object__close(object);
}
