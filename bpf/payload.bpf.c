// SPDX-License-Identifier: GPL-2.0-only
/*
 * First bytes that a process sends: DNS queries, and TLS hellos on any port. User space parses them; here it is only
 * decided which bytes those are. Every packet of the host passes, so that most must leave after one look-up.
 */
#include "include/iw_common.bpf.h"
#include "include/iw_stream.bpf.h"

#define IW_DNS_BYTES 512 /* of a datagram; its first question ends within 271 (RFC 1035 2.3.4, 4.1) */
#define IW_IP6_EXTENSIONS 6
#define IW_PORT_QUIC 443

#define IP6_HOP_BY_HOP 0 /* include/uapi/linux/in6.h */
#define IP6_ROUTING 43
#define IP6_FRAGMENT 44
#define IP6_AUTHENTICATION 51
#define IP6_DESTINATION 60

#define IW_TLS_HANDSHAKE 0x16
#define IW_TLS_MAJOR 3
#define IW_TLS_CLIENT_HELLO 1

/* Ports to which every message is DNS: unicast, mDNS, LLMNR; 0 is none. Set by the loader before load. */
const volatile __u16 iw_dns_ports[4] = { 53, 5353, 5355, 0 };

struct iw_streams_map iw_streams SEC(".maps");

/* Where a packet's parts begin, in bytes from its IP header. */
struct iw_packet {
	__u32 family;
	__u32 transport;
	__u32 payload;
	__u32 size; /* bytes of payload */
	__u16 src_port;
	__u16 dst_port;
};

/* The head of a TCP header (RFC 9293 3.1). */
struct iw_tcp {
	__be16 src_port;
	__be16 dst_port;
	__be32 sequence;
	__be32 acknowledged;
	__u8 words; /* header length in the upper half */
	__u8 flags;
};
#define IW_TCP_BYTES 14
#define TCP_FLAG_SYN 2

static __always_inline int is_dns_port(__u16 port)
{
	return port && (port == iw_dns_ports[0] || port == iw_dns_ports[1] || port == iw_dns_ports[2] ||
			port == iw_dns_ports[3]);
}

/* Behind the extension headers, `next` becomes the transport's number; 0 when there are too many, or a later fragment. */
static __always_inline __u32 behind_extensions(struct __sk_buff *ctx, __u8 *next)
{
	__u32 at = 40;
	__u8 head[4];
	int i;

#pragma clang loop unroll(full)
	for (i = 0; i < IW_IP6_EXTENSIONS; i++) {
		if (*next == IPPROTO_TCP || *next == IPPROTO_UDP)
			return at;
		if (bpf_skb_load_bytes(ctx, at, head, sizeof(head)))
			return 0;
		if (*next == IP6_HOP_BY_HOP || *next == IP6_ROUTING || *next == IP6_DESTINATION)
			at += (head[1] + 1) * 8;
		else if (*next == IP6_AUTHENTICATION)
			at += (head[1] + 2) * 4;
		else if (*next == IP6_FRAGMENT && !(head[2] | (head[3] & 0xf8)))
			at += 8;
		else
			return 0;
		*next = head[0];
	}
	return 0;
}

/* First four bytes of a transport header at a known place: both ports. Nearly always in the packet's linear part. */
static __always_inline int read_ports(struct __sk_buff *ctx, const __u8 *at, const __u8 *end, struct iw_packet *p)
{
	__be16 ports[2];

	/* PERF: the helper costs as much as all the rest of what an unrelated datagram meets. */
	if (at + 4 <= end)
		__builtin_memcpy(ports, at, 4);
	else if (bpf_skb_load_bytes(ctx, p->transport, ports, sizeof(ports)))
		return 0;
	p->src_port = bpf_ntohs(ports[0]);
	p->dst_port = bpf_ntohs(ports[1]);
	return 1;
}

/* Find the transport header and its ports. Returns the protocol, 0 for none that is looked at. */
static __always_inline __u8 find_transport(struct __sk_buff *ctx, struct iw_packet *p)
{
	__u8 *at = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u8 next;

	if (at + 20 > end)
		return 0;
	if (at[0] >> 4 == 4) {
		next = at[9];
		/* A later fragment has no transport header; only raw sockets send such. */
		if ((next != IPPROTO_UDP && next != IPPROTO_TCP) || (at[6] & 0x1f) | at[7])
			return 0;
		p->family = AF_INET;
		p->transport = (at[0] & 15) * 4;
		return read_ports(ctx, at + p->transport, end, p) ? next : 0;
	}
	p->family = AF_INET6;
	next = at[6];
	p->transport = 40;
	if (next == IPPROTO_UDP || next == IPPROTO_TCP)
		return read_ports(ctx, at + 40, end, p) ? next : 0;
	p->transport = behind_extensions(ctx, &next);
	return p->transport && read_ports(ctx, end, end, p) ? next : 0;
}

/* Addresses and ports; 0 when the packet ends before. */
static __always_inline int fill_ends(struct __sk_buff *ctx, struct iw_network_payload *r, const struct iw_packet *p)
{
	__u32 address[2];

	r->family = p->family;
	r->src_port = p->src_port;
	r->dst_port = p->dst_port;
	if (p->family == AF_INET6) /* both, one behind the other here as in the packet */
		return !bpf_skb_load_bytes(ctx, 8, r->src_ip, 32);
	if (bpf_skb_load_bytes(ctx, 12, address, sizeof(address)))
		return 0;
	iw_ip4(r->src_ip, address[0]);
	iw_ip4(r->dst_ip, address[1]);
	return 1;
}

/*
 * Send up `length` bytes, 1 to IW_STREAM_MAX. `stream` has who sent them and where they belong; without it it is the
 * current process, in whose call a datagram leaves.
 */
static __always_inline void send_up(struct __sk_buff *ctx, const struct iw_packet *p, struct iw_stream *stream,
				    __u32 offset, __u32 length)
{
	struct iw_counters *c = iw_count();
	struct iw_network_payload *r;
	struct iw_scratch *s;
	__u32 size;

	if (!c)
		return;
	s = iw_take(c, IW_KIND_NETWORK_PAYLOAD);
	if (!s)
		return;
	r = (struct iw_network_payload *)s->record;
	__builtin_memset(r, 0, sizeof(*r));
	if (stream) {
		r->h = stream->h;
		r->h.cpu = bpf_get_smp_processor_id();
		r->h.ts_ns = bpf_ktime_get_boot_ns();
		r->protocol = IPPROTO_TCP;
		r->stream_offset = offset;
	} else {
		iw_fill(&r->h, iw_current(), IW_KIND_NETWORK_PAYLOAD);
		r->protocol = IPPROTO_UDP;
	}
	r->socket_cookie = bpf_get_socket_cookie(ctx);
	r->payload_len = p->size;
	size = iw_masked(length - 1, IW_STREAM_MAX - 1) + 1;
	iw_clear_end(s, sizeof(*r), size);
	r->payload.off = sizeof(*r);
	r->payload.len = size;
	if (!fill_ends(ctx, r, p) || bpf_skb_load_bytes(ctx, p->payload, &s->record[sizeof(*r)],
							iw_masked(length - 1, IW_STREAM_MAX - 1) + 1)) {
		c->made[IW_KIND_NETWORK_PAYLOAD]++;
		c->lost[IW_KIND_NETWORK_PAYLOAD]++;
	} else {
		iw_output(c, s, sizeof(*r) + ((size + 7) & ~7u), IW_KIND_NETWORK_PAYLOAD, IW_HOOK_EGRESS,
			  &iw_ring_bulk, IW_RING_BULK);
	}
	iw_release(c);
}

/* A QUIC connection's first packet (RFC 9000 17.2.2), whose hello is encrypted: counted, not sent. */
static __always_inline void count_quic(struct __sk_buff *ctx, const struct iw_packet *p)
{
	struct iw_counters *c;
	__u8 first;

	if (bpf_skb_load_bytes(ctx, p->payload, &first, 1) || (first & 0xf0) != 0xc0)
		return;
	c = iw_count();
	if (c)
		c->filtered[IW_KIND_NETWORK_PAYLOAD]++;
}

static __always_inline void datagram(struct __sk_buff *ctx, struct iw_packet *p)
{
	int dns = is_dns_port(p->dst_port);

	if (!dns && p->dst_port != IW_PORT_QUIC)
		return;
	p->payload = p->transport + 8;
	if (ctx->len <= p->payload)
		return;
	p->size = ctx->len - p->payload;
	if (dns)
		send_up(ctx, p, NULL, 0, p->size < IW_DNS_BYTES ? p->size : IW_DNS_BYTES);
	else
		count_quic(ctx, p);
}

/*
 * Does a process's call hold the socket? Then this segment leaves in that call, because every other sender (a timer,
 * an acknowledgement that opens the window) steps back while it does (sock_owned_by_user).
 */
static __always_inline int in_call(struct bpf_sock *sk)
{
	struct bpf_sock *volatile kept = sk;
	struct sock *number = NULL;
	__u32 err = 0;
	int owned = 0;

	/* A pointer of a type that the verifier knows is no number to it; read back from the stack it is. */
	err |= bpf_probe_read_kernel(&number, sizeof(number), (void *)&kept) != 0;
	IW_COPY(err, owned, number, sk_lock.owned);
	return !err && owned;
}

/* Do the bytes of a message known by now, `rel` of them from earlier segments, look like a hello's? Sets `want`. */
static __always_inline int looks_like_hello(struct __sk_buff *ctx, struct iw_stream *stream, const struct iw_packet *p,
					    __u32 rel)
{
	__u32 fresh, known;

	if (rel >= IW_STREAM_HEAD)
		return 1;
	fresh = p->size < IW_STREAM_HEAD - rel ? p->size : IW_STREAM_HEAD - rel;
	if (bpf_skb_load_bytes(ctx, p->payload, &stream->head[iw_masked(rel, 15)], iw_masked(fresh - 1, 15) + 1))
		return 0;
	known = rel + fresh;
	if (stream->head[0] != IW_TLS_HANDSHAKE || (known > 1 && stream->head[1] != IW_TLS_MAJOR) ||
	    (known > 5 && stream->head[5] != IW_TLS_CLIENT_HELLO))
		return 0;
	if (known == IW_STREAM_HEAD) {
		__u32 record = stream->head[3] << 8 | stream->head[4];
		__u32 hello = stream->head[6] << 16 | stream->head[7] << 8 | stream->head[8];

		/* A hello that fills less than its record's rest goes on in further records: any length. */
		if (hello + 4 <= record && hello + IW_STREAM_HEAD < IW_STREAM_MAX)
			stream->want = hello + IW_STREAM_HEAD;
	}
	return 1;
}

/* Does this segment belong to a message that is wanted? Segments of up to IW_STREAM_MAX bytes are tried for one. */
static __always_inline int follow(struct __sk_buff *ctx, struct iw_stream *stream, const struct iw_packet *p,
				  __u32 offset)
{
	if (stream->following && (stream->plain || looks_like_hello(ctx, stream, p, offset - stream->start)))
		return 1;
	/* STARTTLS, or CONNECT to a proxy: the hello is not the stream's first byte, but it is a segment's. */
	stream->start = offset;
	stream->want = IW_STREAM_MAX;
	stream->plain = is_dns_port(p->dst_port);
	stream->following = stream->plain || looks_like_hello(ctx, stream, p, 0);
	return stream->following;
}

static __always_inline void segment(struct __sk_buff *ctx, struct iw_packet *p, struct bpf_sock *sk,
				    struct iw_stream *stream)
{
	struct iw_tcp tcp = {};
	__u32 offset, sequence, known, rel, left;

	if (bpf_skb_load_bytes(ctx, p->transport, &tcp, IW_TCP_BYTES))
		return;
	p->payload = p->transport + (tcp.words >> 4) * 4;
	sequence = bpf_ntohl(tcp.sequence) + (tcp.flags & TCP_FLAG_SYN ? 1 : 0);
	if (!stream->based) {
		stream->base = sequence;
		stream->based = 1;
	}
	if (ctx->len <= p->payload)
		return;
	p->size = ctx->len - p->payload;
	offset = sequence - stream->base;
	known = stream->next - offset;
	if ((__s32)known > 0) { /* sent again, perhaps with more behind it */
		if (known >= p->size)
			return;
		p->payload += known;
		p->size -= known;
		offset = stream->next;
	}
	stream->next = offset + p->size;
	if (follow(ctx, stream, p, offset)) {
		rel = offset - stream->start;
		left = stream->want > rel ? stream->want - rel : 0;
		if (!rel && in_call(sk))
			iw_fill(&stream->h, iw_current(), IW_KIND_NETWORK_PAYLOAD);
		if (left)
			send_up(ctx, p, stream, offset, p->size < left ? p->size : left);
		if (p->size >= left)
			bpf_sk_storage_delete(&iw_streams, sk);
	} else if (stream->next >= IW_STREAM_MAX) {
		bpf_sk_storage_delete(&iw_streams, sk);
	}
}

/* Always 1: this program drops nothing. */
SEC("cgroup_skb/egress")
int IW_PROG_ON(iw_egress, struct __sk_buff)
{
	struct iw_packet p = {};
	struct iw_stream *stream;
	struct bpf_sock *sk;
	__u8 protocol;

	protocol = find_transport(ctx, &p);
	if (protocol == IPPROTO_UDP)
		datagram(ctx, &p);
	if (protocol != IPPROTO_TCP)
		return 1;
	sk = ctx->sk;
	if (!sk)
		return 1;
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return 1;
	stream = bpf_sk_storage_get(&iw_streams, sk, NULL, 0);
	if (stream)
		segment(ctx, &p, sk, stream);
	return 1;
}
