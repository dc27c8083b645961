/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is remembered of a TCP connection until its first bytes have been looked at: a socket's own storage, so that no
 * flood of connections pushes another one's out, and a packet of any other socket costs one look-up.
 */
#ifndef IW_STREAM_BPF_H
#define IW_STREAM_BPF_H

#include "iw_common.bpf.h"

#define IW_STREAM_MAX 4096 /* bytes of a stream that are looked at, and of a message that are sent up; payload_tls.h */
#define IW_STREAM_HEAD 9   /* bytes of a hello up to its length: TLS record header and handshake header */

struct iw_stream {
	struct iw_header h; /* who connected; from the first byte of a message on, who sent it */
	__u32 base;	    /* sequence number of the stream's first byte */
	__u32 next;	    /* stream offset of the first byte that was not seen yet */
	__u32 start;	    /* stream offset of the message in hand */
	__u32 want;	    /* bytes of it to send up */
	__u8 head[32];	    /* its first IW_STREAM_HEAD bytes; the rest keeps variable writes in bounds */
	__u8 based;	    /* `base` is known */
	__u8 following;	    /* a message is in hand */
	__u8 plain;	    /* to a DNS port: every byte counts */
	__u8 pad[5];
};

struct iw_streams_map {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct iw_stream);
};

extern struct iw_streams_map iw_streams SEC(".maps");

/* A TCP socket connects, in the caller of connect(). */
static __always_inline void iw_stream_begin(struct bpf_sock_addr *ctx)
{
	struct iw_stream *stream = NULL;
	struct iw_counters *c;

	if (ctx->sk)
		stream = bpf_sk_storage_get(&iw_streams, ctx->sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!stream) {
		c = iw_count();
		if (c)
			c->unpaired[IW_KIND_NETWORK_PAYLOAD]++;
		return;
	}
	__builtin_memset(stream, 0, sizeof(*stream));
	iw_fill(&stream->h, iw_current(), IW_KIND_NETWORK_PAYLOAD);
}

#endif
