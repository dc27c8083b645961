/* SPDX-License-Identifier: Apache-2.0 */
/* The peer of row 1: a plain consumer on libbpf's own ring_buffer, and the filler's driver. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include "fields.h"

struct peer {
	struct bpf_object *object;
	struct ring_buffer *rings;
	int fill_fd;
	int ring_fd;
	uint64_t kinds[IW_KIND_TOP + 1];
	uint64_t bytes[IW_KIND_TOP + 1];
	uint64_t malformed;
	uint64_t gaps;
	uint32_t next_sequence;
};

/* Where each kind's strings are, so that the check does not walk all fields. */
static uint16_t string_offset[IW_KIND_TOP + 1][IW_FIELD_COUNT];
static uint8_t string_count[IW_KIND_TOP + 1];

static void find_strings(void)
{
	uint32_t kind, field;

	for (kind = 0; kind <= IW_KIND_TOP; kind++) {
		string_count[kind] = 0;
		for (field = 0; field < IW_FIELD_COUNT; field++)
			if (iw_fields[kind][field].shape == IW_SHAPE_STR)
				string_offset[kind][string_count[kind]++] = iw_fields[kind][field].offset;
	}
}

struct fill_args {
	uint32_t count;
	uint32_t kind;
	uint64_t made;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/*
 * What the engine does with a record that no rule wants, in plain C: header, length, kind and every string
 * inside the record, sequence, counts per kind.
 */
static int on_record(void *context, void *data, size_t room)
{
	struct peer *peer = context;
	const struct iw_header *h = data;
	uint32_t fixed, i;

	if (room < sizeof(*h) || h->size > room || h->size & 7 || h->size > IW_RECORD_MAX || h->kind > IW_KIND_TOP)
		goto malformed;
	fixed = iw_kind_size[h->kind];
	if (!fixed || h->size < fixed)
		goto malformed;
	for (i = 0; i < string_count[h->kind]; i++) {
		const struct iw_str *text = (const void *)((const char *)data + string_offset[h->kind][i]);

		if (text->off ? text->off < fixed || text->off > h->size || text->len > h->size - text->off : text->len)
			goto malformed;
	}
	if (h->sequence != peer->next_sequence)
		peer->gaps++;
	peer->next_sequence = h->sequence + 1;
	peer->kinds[h->kind]++;
	peer->bytes[h->kind] += h->size;
	return 0;
malformed:
	peer->malformed++;
	return 0;
}

struct peer *peer_open(const char *path)
{
	struct peer *peer = calloc(1, sizeof(*peer));

	if (!peer)
		return NULL;
	find_strings();
	peer->object = bpf_object__open_file(path, NULL);
	if (!peer->object || bpf_object__load(peer->object))
		return NULL;
	peer->fill_fd = bpf_program__fd(bpf_object__find_program_by_name(peer->object, "fill"));
	peer->ring_fd = bpf_map__fd(bpf_object__find_map_by_name(peer->object, "ring"));
	peer->rings = ring_buffer__new(peer->ring_fd, on_record, peer, NULL);
	return peer->rings ? peer : NULL;
}

int peer_ring_fd(struct peer *peer)
{
	return peer->ring_fd;
}

/* Records that found room. */
uint64_t peer_fill(struct peer *peer, uint32_t count, uint32_t kind)
{
	struct fill_args args = { .count = count, .kind = kind };
	LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = &args, .ctx_size_in = sizeof(args));

	/* A syscall program's context is copied back to where it came from. */
	return bpf_prog_test_run_opts(peer->fill_fd, &options) ? 0 : args.made;
}

/* ns to empty the ring; `*records` gets how many there were. */
uint64_t peer_consume(struct peer *peer, uint64_t *records)
{
	uint64_t began = now_ns();
	int count = ring_buffer__consume(peer->rings);

	*records = count > 0 ? count : 0;
	return now_ns() - began;
}

void peer_close(struct peer *peer)
{
	ring_buffer__free(peer->rings);
	bpf_object__close(peer->object);
	free(peer);
}
