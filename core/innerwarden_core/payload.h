/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network.payload records -> network.dns and network.tls. A datagram is a message. A stream is DNS messages behind their
 * lengths, or begins with a hello; what comes in pieces waits in a bounded table until it is whole, has waited too
 * long, or has to make room.
 */
#ifndef IW_PAYLOAD_H
#define IW_PAYLOAD_H

#include <stdlib.h>

#include "payload_record.h"

#define IW_STREAMS 256          /* streams in pieces at a time */
#define IW_STREAM_BYTES 4096    /* kept of one; the kernel program sends no more */
#define IW_STREAM_WAIT_NS 10000000000ull /* a client that needs longer for one message is told as far as it came */
#define IW_STREAM_CHECK_NS 1000000000ull
#define IW_PROTO_UDP 17

struct iw_stream {
	struct iw_network_payload first; /* fixed part of the record that began it; ts_ns: of the latest */
	uint64_t began_ns;
	uint64_t age;
	uint8_t *data;     /* IW_STREAM_BYTES; NULL: the slot is free */
	uint32_t size;     /* bytes of data */
	uint32_t next;     /* stream offset that continues it */
	uint32_t skip;     /* bytes to come that belong to a message already told */
	int is_hello;      /* and not DNS */
};

struct iw_payloads {
	struct iw_stream streams[IW_STREAMS];
	uint64_t cookies[IW_STREAMS]; /* of streams[i]; apart, because every piece looks through them */
	uint64_t age;
	uint64_t checked_ns;
	uint32_t used;
	uint64_t unparsed[IW_UNPARSED_REASONS];
	uint64_t dns, tls;        /* records made */
	uint64_t incomplete;      /* of the latter: told before they were whole */
	uint64_t evicted;         /* streams that made room for newer ones */
	uint64_t expired;         /* streams whose rest did not come */
	uint64_t gaps;            /* streams of which a piece is missing */
	uint64_t refused;         /* streams for which there was no memory */
	uint64_t out[(IW_DERIVED_MAX + 7) / 8];
};

static inline struct iw_payloads *iw_payloads_new(void)
{
	return calloc(1, sizeof(struct iw_payloads));
}

static inline void iw_payloads_free(struct iw_payloads *self)
{
	int i;

	for (i = 0; self && i < IW_STREAMS; i++)
		free(self->streams[i].data);
	free(self);
}

/* One DNS message; 1 when it is done with, 0 when it may still become one. */
static inline int iw_dns_message(struct iw_payloads *self, const struct iw_payload_writer *w,
				 const struct iw_network_payload *from, const uint8_t *data, size_t size, int whole)
{
	struct iw_dns dns;
	int reason = iw_dns_parse(data, size, &dns);

	if (reason == IW_UNPARSED_SHORT && !whole)
		return 0;
	if (reason) {
		self->unparsed[reason]++;
		return 1;
	}
	self->dns++;
	iw_write_dns(w, from, &dns);
	return 1;
}

/* DNS messages of a stream, each told as soon as its question is there. Returns bytes done with; sets *skip. */
static inline size_t iw_dns_stream(struct iw_payloads *self, const struct iw_payload_writer *w,
				   const struct iw_network_payload *from, const uint8_t *data, size_t size,
				   uint32_t *skip)
{
	size_t at = 0;

	for (;;) {
		size_t length, here = size - at < *skip ? size - at : *skip;

		at += here;
		*skip -= (uint32_t)here;
		if (*skip || size - at < 2)
			return at;
		length = iw_be16(data + at);
		here = size - at - 2 < length ? size - at - 2 : length;
		if (!iw_dns_message(self, w, from, data + at + 2, here, here == length))
			return at;
		*skip = (uint32_t)length + 2;
	}
}

enum iw_progress {
	IW_WAITS,   /* for more bytes */
	IW_DONE,    /* told */
	IW_REFUSED, /* no hello */
};

/* The hello that a stream begins with. `last`: no more will come. */
static inline enum iw_progress iw_tls_stream(struct iw_payloads *self, const struct iw_payload_writer *w,
				const struct iw_network_payload *from, const uint8_t *data, size_t size, int last)
{
	struct iw_hello hello;
	int reason = iw_hello_parse(data, size, &hello);

	if (!last && (reason == IW_UNPARSED_SHORT || (!reason && !hello.complete && hello.size < IW_HELLO_MAX)))
		return IW_WAITS;
	if (reason) {
		self->unparsed[reason]++;
		return IW_REFUSED;
	}
	self->tls++;
	self->incomplete += !hello.complete;
	iw_write_tls(w, from, &hello);
	return IW_DONE;
}

/* As the first byte of a DNS message's length it would announce more than 5,631 bytes, which no query has. */
static inline int iw_begins_hello(const uint8_t *data)
{
	return data[0] == IW_TLS_HANDSHAKE;
}

static inline void iw_stream_release(struct iw_payloads *self, uint32_t slot)
{
	free(self->streams[slot].data);
	self->streams[slot].data = NULL;
	self->cookies[slot] = 0;
	self->used--;
}

/* Tell what there is of a stream, and free its slot. */
static inline void iw_stream_end(struct iw_payloads *self, const struct iw_payload_writer *w, uint32_t slot)
{
	struct iw_stream *stream = &self->streams[slot];

	if (stream->is_hello)
		iw_tls_stream(self, w, &stream->first, stream->data, stream->size, 1);
	else if (stream->size)
		self->unparsed[IW_UNPARSED_SHORT]++;
	iw_stream_release(self, slot);
}

/* End the streams that have waited too long at `now_ns`, a moment on the records' clock. */
static inline void iw_payloads_expire(struct iw_payloads *self, const struct iw_payload_writer *w, uint64_t now_ns)
{
	uint32_t i;

	if (!self->used || (now_ns >= self->checked_ns && now_ns - self->checked_ns < IW_STREAM_CHECK_NS))
		return;
	self->checked_ns = now_ns;
	for (i = 0; i < IW_STREAMS; i++) {
		const struct iw_stream *stream = &self->streams[i];

		if (stream->data && now_ns > stream->began_ns && now_ns - stream->began_ns > IW_STREAM_WAIT_NS) {
			self->expired++;
			iw_stream_end(self, w, i);
		}
	}
}

/* A socket may connect anew: then the stream is another one. */
static inline int iw_same_stream(const struct iw_network_payload *a, const struct iw_network_payload *b)
{
	return a->src_port == b->src_port && a->dst_port == b->dst_port && !memcmp(a->dst_ip, b->dst_ip, 16);
}

/* The slot of the stream that `piece` belongs to; IW_STREAMS when none waits. */
static inline uint32_t iw_stream_find(struct iw_payloads *self, const struct iw_payload_writer *w,
				      const struct iw_network_payload *piece)
{
	uint32_t i;

	for (i = 0; self->used && i < IW_STREAMS; i++) {
		if (self->cookies[i] != piece->socket_cookie || !self->streams[i].data)
			continue;
		if (iw_same_stream(&self->streams[i].first, piece))
			return i;
		iw_stream_end(self, w, i);
		break;
	}
	return IW_STREAMS;
}

/* A free slot, or that of the stream which has waited longest. */
static inline uint32_t iw_stream_slot(struct iw_payloads *self, const struct iw_payload_writer *w)
{
	uint32_t i, oldest = 0;

	for (i = 0; i < IW_STREAMS; i++) {
		if (!self->streams[i].data)
			return i;
		if (self->streams[i].age < self->streams[oldest].age)
			oldest = i;
	}
	self->evicted++;
	iw_stream_end(self, w, oldest);
	return oldest;
}

static inline void iw_stream_begin(struct iw_payloads *self, const struct iw_payload_writer *w,
				   const struct iw_network_payload *piece, const uint8_t *data, size_t size,
				   int is_hello, uint32_t skip)
{
	uint32_t slot = iw_stream_slot(self, w);
	struct iw_stream *stream = &self->streams[slot];

	stream->data = malloc(IW_STREAM_BYTES);
	if (!stream->data) {
		self->refused++;
		return;
	}
	self->used++;
	self->cookies[slot] = piece->socket_cookie;
	stream->first = *piece;
	stream->began_ns = piece->h.ts_ns;
	stream->age = ++self->age;
	stream->size = (uint32_t)(size < IW_STREAM_BYTES ? size : IW_STREAM_BYTES);
	memcpy(stream->data, data, stream->size);
	stream->next = piece->stream_offset + piece->payload.len;
	stream->skip = skip;
	stream->is_hello = is_hello;
}

/* What a stream holds now: told, or kept for the next piece. */
static inline enum iw_progress iw_stream_advance(struct iw_payloads *self, const struct iw_payload_writer *w,
						 uint32_t slot)
{
	struct iw_stream *stream = &self->streams[slot];
	enum iw_progress progress;
	size_t done;

	if (stream->is_hello) {
		progress = iw_tls_stream(self, w, &stream->first, stream->data, stream->size,
					 stream->size == IW_STREAM_BYTES);
	} else {
		done = iw_dns_stream(self, w, &stream->first, stream->data, stream->size, &stream->skip);
		stream->size -= (uint32_t)done;
		memmove(stream->data, stream->data + done, stream->size);
		progress = stream->size || stream->skip ? IW_WAITS : IW_DONE;
	}
	if (progress != IW_WAITS)
		iw_stream_release(self, slot);
	return progress;
}

/* The first piece: most messages come whole and need no slot. */
static inline void iw_stream_first(struct iw_payloads *self, const struct iw_payload_writer *w,
				   const struct iw_network_payload *piece, const uint8_t *data, size_t size)
{
	uint32_t skip = 0;
	size_t done;

	if (iw_begins_hello(data)) {
		if (iw_tls_stream(self, w, piece, data, size, size >= IW_STREAM_BYTES) == IW_WAITS)
			iw_stream_begin(self, w, piece, data, size, 1, 0);
		return;
	}
	done = iw_dns_stream(self, w, piece, data, size, &skip);
	if (done < size || skip)
		iw_stream_begin(self, w, piece, data + done, size - done, 0, skip);
}

static inline void iw_stream_continue(struct iw_payloads *self, const struct iw_payload_writer *w, uint32_t slot,
				      const struct iw_network_payload *piece, const uint8_t *data, size_t size)
{
	struct iw_stream *stream = &self->streams[slot];
	int32_t known = (int32_t)(stream->next - piece->stream_offset);
	size_t room = IW_STREAM_BYTES - stream->size;

	if (known < 0) {
		self->gaps++;
		iw_stream_end(self, w, slot);
		if (iw_begins_hello(data))
			iw_stream_first(self, w, piece, data, size);
		return;
	}
	if ((uint32_t)known >= size)
		return; /* sent again */
	data += known;
	size -= (uint32_t)known;
	stream->next += (uint32_t)size;
	stream->first.h.ts_ns = piece->h.ts_ns;
	if (room > size)
		room = size;
	memcpy(stream->data + stream->size, data, room);
	stream->size += (uint32_t)room;
	if (iw_stream_advance(self, w, slot) == IW_REFUSED && iw_begins_hello(data))
		iw_stream_first(self, w, piece, data, size); /* what came before only began like a hello */
}

/* One checked record. Calls `emit` for what it completes, and for what it ends. */
static inline void iw_payloads_take(struct iw_payloads *self, const struct iw_network_payload *record,
				    iw_payload_emit emit, void *context)
{
	struct iw_payload_writer w = { emit, context, self->out };
	const uint8_t *data = (const uint8_t *)record + record->payload.off;
	size_t size = record->payload.len;
	uint32_t slot;

	iw_payloads_expire(self, &w, record->h.ts_ns);
	if (record->protocol == IW_PROTO_UDP) {
		iw_dns_message(self, &w, record, data, size, 1);
		return;
	}
	slot = iw_stream_find(self, &w, record);
	if (slot < IW_STREAMS)
		iw_stream_continue(self, &w, slot, record, data, size);
	else if (size)
		iw_stream_first(self, &w, record, data, size);
	else
		self->unparsed[IW_UNPARSED_SHORT]++;
}

/* End what has waited too long, when no record comes that would. */
static inline void iw_payloads_tick(struct iw_payloads *self, uint64_t now_ns, iw_payload_emit emit, void *context)
{
	struct iw_payload_writer w = { emit, context, self->out };

	iw_payloads_expire(self, &w, now_ns);
}

#endif /* IW_PAYLOAD_H */
