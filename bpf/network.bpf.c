// SPDX-License-Identifier: GPL-2.0-only
/* Network intent of processes: connect, bind and listen, from the socket and never from the syscall's argument. */
#include "include/iw_common.bpf.h"
#include "include/iw_call.bpf.h"
#include "include/iw_stream.bpf.h"

/* A process and a peer of its unconnected datagrams. */
struct iw_peer {
	__u64 start_ns;
	__u8 ip[16];
	__u32 pid;
	__u16 port;
	__u16 protocol;
};

/* Peers that were told; an evicted one is told again. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct iw_peer);
	__type(value, __u32);
} iw_peers SEC(".maps");

/* ::ffff:0:0/96 */
static __always_inline int is_mapped(const __u8 *ip)
{
	__u64 head;
	__u32 middle;

	__builtin_memcpy(&head, ip, 8);
	__builtin_memcpy(&middle, ip + 8, 4);
	return head == 0 && middle == bpf_htonl(0xffff);
}

/* Local address, port, family and protocol of a socket. A v4-mapped v6 socket speaks IPv4, and is told so. */
static __always_inline __u32 local_of(struct sock *sk, __u8 *ip, __u16 *port, __u16 *family, __u16 *protocol)
{
	struct in6_addr address6 = {};
	__u32 err = 0, address = 0;
	__u16 raw = 0;

	IW_GET(err, raw, sk, __sk_common.skc_family);
	*family = raw;
	IW_GET(err, raw, sk, __sk_common.skc_num);
	*port = raw;
	IW_GET(err, raw, sk, sk_protocol);
	*protocol = raw;
	if (*family == AF_INET) {
		IW_GET(err, address, sk, __sk_common.skc_rcv_saddr);
		iw_ip4(ip, address);
	} else {
		IW_COPY(err, address6, sk, __sk_common.skc_v6_rcv_saddr);
		__builtin_memcpy(ip, &address6, 16);
		if (is_mapped(ip))
			*family = AF_INET;
	}
	return err;
}

/* The peer's address and port. */
static __always_inline __u32 remote_of(struct sock *sk, __u8 *ip, __u16 *port, __u16 *family)
{
	struct in6_addr address6 = {};
	__u32 err = 0, address = 0;
	__u16 raw = 0;

	IW_GET(err, raw, sk, __sk_common.skc_dport);
	*port = bpf_ntohs(raw);
	IW_GET(err, raw, sk, __sk_common.skc_family);
	if (raw == AF_INET6) {
		IW_COPY(err, address6, sk, __sk_common.skc_v6_daddr);
		__builtin_memcpy(ip, &address6, 16);
		if (is_mapped(ip))
			*family = AF_INET;
	} else {
		IW_GET(err, address, sk, __sk_common.skc_daddr);
		iw_ip4(ip, address);
	}
	return err;
}

static __always_inline int tcp_connect(struct sock *sk)
{
	struct iw_network_connect *n;
	__u32 err;

	if (!iw_allow(bpf_get_current_pid_tgid() >> 32, IW_KIND_NETWORK_CONNECT))
		return 0;
	if (!IW_RESERVE(n, iw_ring_prio, IW_RING_PRIO, IW_KIND_NETWORK_CONNECT, IW_HOOK_SOCK_STATE))
		return 0;
	iw_fill(&n->h, iw_current(), IW_KIND_NETWORK_CONNECT);
	err = local_of(sk, n->src_ip, &n->src_port, &n->family, &n->protocol);
	err |= remote_of(sk, n->dst_ip, &n->dst_port, &n->family);
	if (err)
		n->h.flags |= IW_F_READ_FAULT;
	IW_SUBMIT(n, iw_ring_prio, IW_RING_PRIO);
	return 0;
}

static __always_inline int tcp_listen(struct sock *sk)
{
	struct iw_network_listen *n;

	if (!IW_RESERVE(n, iw_ring_prio, IW_RING_PRIO, IW_KIND_NETWORK_LISTEN, IW_HOOK_SOCK_STATE))
		return 0;
	iw_fill(&n->h, iw_current(), IW_KIND_NETWORK_LISTEN);
	if (local_of(sk, n->src_ip, &n->src_port, &n->family, &n->protocol))
		n->h.flags |= IW_F_READ_FAULT;
	IW_SUBMIT(n, iw_ring_prio, IW_RING_PRIO);
	return 0;
}

/* Both transitions happen in the caller of connect() or listen(), after the address was copied and set. */
SEC("tp_btf/inet_sock_set_state")
int IW_PROG(iw_sock_state, struct sock *sk, int before, int after)
{
	if (after == TCP_SYN_SENT)
		return tcp_connect(sk);
	if (after == TCP_LISTEN && before != TCP_LISTEN)
		return tcp_listen(sk);
	return 0;
}

/* The address that a connect() or sendto() names, from the kernel's copy; returns the family it speaks. */
static __always_inline __u16 named_address(struct bpf_sock_addr *ctx, __u16 family, __u8 *ip)
{
	__u32 part[4];

	if (family == AF_INET) {
		iw_ip4(ip, ctx->user_ip4);
		return family;
	}
	part[0] = ctx->user_ip6[0];
	part[1] = ctx->user_ip6[1];
	part[2] = ctx->user_ip6[2];
	part[3] = ctx->user_ip6[3];
	__builtin_memcpy(ip, part, 16);
	return is_mapped(ip) ? AF_INET : family;
}

/* A socket's connect(). TCP's is told at its change of state. Always 1: this program refuses nothing. */
static __always_inline int socket_connect(struct bpf_sock_addr *ctx, __u16 family, __u32 hook)
{
	struct iw_network_connect *n;

	if (ctx->type == SOCK_STREAM && ctx->protocol == IPPROTO_TCP)
		iw_stream_begin(ctx);
	if (ctx->type != SOCK_DGRAM || !iw_allow(bpf_get_current_pid_tgid() >> 32, IW_KIND_NETWORK_CONNECT))
		return 1;
	if (!IW_RESERVE(n, iw_ring_prio, IW_RING_PRIO, IW_KIND_NETWORK_CONNECT, hook))
		return 1;
	iw_fill(&n->h, iw_current(), IW_KIND_NETWORK_CONNECT);
	n->family = named_address(ctx, family, n->dst_ip);
	n->protocol = ctx->protocol;
	n->dst_port = bpf_ntohs((__u16)ctx->user_port);
	IW_SUBMIT(n, iw_ring_prio, IW_RING_PRIO);
	return 1;
}

SEC("cgroup/connect4")
int IW_PROG_ON(iw_connect4, struct bpf_sock_addr)
{
	return socket_connect(ctx, AF_INET, IW_HOOK_CONNECT4);
}

SEC("cgroup/connect6")
int IW_PROG_ON(iw_connect6, struct bpf_sock_addr)
{
	return socket_connect(ctx, AF_INET6, IW_HOOK_CONNECT6);
}

/*
 * A datagram to an address named in the call: told once for each process and peer, and in the bulk ring, because peers
 * are free to invent. Always 1: this program refuses nothing.
 */
static __always_inline int socket_send(struct bpf_sock_addr *ctx, __u16 family, __u32 hook)
{
	struct task_struct *task = iw_current(), *leader = NULL;
	struct iw_network_connect *n;
	struct iw_peer peer = {};
	__u32 err = 0, told = 1;
	__u16 spoken;

	IW_GET(err, leader, task, group_leader);
	IW_GET(err, peer.start_ns, leader, start_boottime);
	peer.pid = bpf_get_current_pid_tgid() >> 32;
	peer.port = bpf_ntohs((__u16)ctx->user_port);
	peer.protocol = ctx->protocol;
	spoken = named_address(ctx, family, peer.ip);
	if (bpf_map_lookup_elem(&iw_peers, &peer) || !iw_allow(peer.pid, IW_KIND_NETWORK_CONNECT))
		return 1;
	if (!IW_RESERVE(n, iw_ring_bulk, IW_RING_BULK, IW_KIND_NETWORK_CONNECT, hook))
		return 1;
	iw_fill(&n->h, task, IW_KIND_NETWORK_CONNECT);
	n->family = spoken;
	n->protocol = peer.protocol;
	n->dst_port = peer.port;
	__builtin_memcpy(n->dst_ip, peer.ip, 16);
	IW_SUBMIT(n, iw_ring_bulk, IW_RING_BULK);
	/* Not before: a record that was lost is tried again with the next datagram. */
	bpf_map_update_elem(&iw_peers, &peer, &told, BPF_ANY);
	return 1;
}

SEC("cgroup/sendmsg4")
int IW_PROG_ON(iw_sendmsg4, struct bpf_sock_addr)
{
	return socket_send(ctx, AF_INET, IW_HOOK_SENDMSG4);
}

SEC("cgroup/sendmsg6")
int IW_PROG_ON(iw_sendmsg6, struct bpf_sock_addr)
{
	return socket_send(ctx, AF_INET6, IW_HOOK_SENDMSG6);
}

/* After a successful bind(), with the port the kernel chose. Always 1: this program refuses nothing. */
SEC("cgroup/post_bind4")
int IW_PROG_ON(iw_post_bind4, struct bpf_sock)
{
	struct iw_network_bind *n;

	if (!IW_RESERVE(n, iw_ring_prio, IW_RING_PRIO, IW_KIND_NETWORK_BIND, IW_HOOK_POST_BIND4))
		return 1;
	iw_fill(&n->h, iw_current(), IW_KIND_NETWORK_BIND);
	n->family = AF_INET;
	n->protocol = ctx->protocol;
	n->src_port = ctx->src_port;
	iw_ip4(n->src_ip, ctx->src_ip4);
	IW_SUBMIT(n, iw_ring_prio, IW_RING_PRIO);
	return 1;
}

SEC("cgroup/post_bind6")
int IW_PROG_ON(iw_post_bind6, struct bpf_sock)
{
	struct iw_network_bind *n;
	__u32 part[4];

	if (!IW_RESERVE(n, iw_ring_prio, IW_RING_PRIO, IW_KIND_NETWORK_BIND, IW_HOOK_POST_BIND6))
		return 1;
	iw_fill(&n->h, iw_current(), IW_KIND_NETWORK_BIND);
	n->family = AF_INET6;
	n->protocol = ctx->protocol;
	n->src_port = ctx->src_port;
	part[0] = ctx->src_ip6[0];
	part[1] = ctx->src_ip6[1];
	part[2] = ctx->src_ip6[2];
	part[3] = ctx->src_ip6[3];
	__builtin_memcpy(n->src_ip, part, 16);
	if (is_mapped(n->src_ip))
		n->family = AF_INET;
	IW_SUBMIT(n, iw_ring_prio, IW_RING_PRIO);
	return 1;
}

/* Only where no cgroup v2 is mounted: the same, from the socket behind the descriptor. */
SEC("tp_btf/sys_exit")
int IW_PROG(iw_do_bind)
{
	struct task_struct *task = iw_current();
	struct iw_network_bind *n;
	struct iw_call call;
	__u16 family = 0;
	struct sock *sk;
	__u32 err = 0;

	if (iw_call_begin(ctx, &call) || call.ret < 0)
		return 0;
	sk = (struct sock *)iw_file_sock((__u64)iw_fd_file(task, iw_call_arg(&call, 0)));
	if (!sk)
		return 0;
	IW_GET(err, family, sk, __sk_common.skc_family);
	if (err || (family != AF_INET && family != AF_INET6))
		return 0;
	if (!IW_RESERVE(n, iw_ring_prio, IW_RING_PRIO, IW_KIND_NETWORK_BIND, IW_HOOK_BIND))
		return 0;
	iw_fill(&n->h, task, IW_KIND_NETWORK_BIND);
	if (local_of(sk, n->src_ip, &n->src_port, &n->family, &n->protocol))
		n->h.flags |= IW_F_READ_FAULT;
	IW_SUBMIT(n, iw_ring_prio, IW_RING_PRIO);
	return 0;
}
