// SPDX-License-Identifier: GPL-2.0-only
/* Sockets of rare kinds, filters put on sockets, connections taken; told from the socket behind the descriptor. */
#include "include/iw_call.bpf.h"

#define SOCK_RAW 3 /* include/linux/net.h */
#define SOCK_TYPE_MASK 0xf
#define SOL_SOCKET 1 /* include/uapi/asm-generic/socket.h; x86 and arm64 have the same */
#define SO_ATTACH_FILTER 26
#define SO_ATTACH_BPF 50
#define SO_ATTACH_REUSEPORT_CBPF 51
#define SO_ATTACH_REUSEPORT_EBPF 52
#define SYS_SOCKET 1 /* include/uapi/linux/net.h: first argument of socketcall */
#define SYS_ACCEPT 5
#define SYS_SETSOCKOPT 14
#define SYS_ACCEPT4 18

/* Families whose every socket is told, bit n for number n: packet 17, vsock 40, xdp 44 (include/linux/socket.h). */
const volatile __u64 iw_socket_families = 1ULL << 17 | 1ULL << 40 | 1ULL << 44;

static __always_inline int rare_socket(__u32 family, __u32 type)
{
	if (family < 64 && iw_socket_families >> family & 1)
		return 1;
	return type == SOCK_RAW && (family == AF_INET || family == AF_INET6);
}

/* Family, type and protocol of a socket; non-zero on a fault. */
static __always_inline __u32 kind_of(struct sock *sk, __u16 *family, __u32 *type, __u16 *protocol)
{
	__u16 raw = 0;
	__u32 err = 0;

	IW_GET(err, raw, sk, __sk_common.skc_family);
	*family = raw;
	IW_GET(err, raw, sk, sk_type);
	*type = raw;
	IW_GET(err, raw, sk, sk_protocol);
	*protocol = raw;
	return err;
}

/* `protocol` as passed: a packet socket keeps it elsewhere. */
static __always_inline int new_socket(struct iw_call *call, __u32 protocol)
{
	struct task_struct *task = iw_current();
	struct iw_network_socket *n;
	__u16 family = 0, own = 0;
	struct sock *sk;
	__u32 type = 0;

	sk = (struct sock *)iw_file_sock((__u64)iw_fd_file(task, call->ret));
	if (!sk || kind_of(sk, &family, &type, &own) || !rare_socket(family, type))
		return 0;
	if (!IW_RESERVE(n, iw_ring_prio, IW_RING_PRIO, IW_KIND_NETWORK_SOCKET, call->hook))
		return 0;
	iw_fill(&n->h, task, IW_KIND_NETWORK_SOCKET);
	n->family = family;
	n->socket_type = type;
	n->protocol = family == AF_PACKET ? bpf_ntohs((__u16)protocol) : own;
	IW_SUBMIT(n, iw_ring_prio, IW_RING_PRIO);
	return 0;
}

/* Instructions of the classic filter that the socket has now. */
static __always_inline __u32 filter_length(struct sock *sk, __u32 *err)
{
	struct sock_fprog_kern *classic = NULL;
	struct sk_filter *filter = NULL;
	struct bpf_prog *prog = NULL;
	__u16 len = 0;

	IW_GET(*err, filter, sk, sk_filter);
	if (filter)
		IW_GET(*err, prog, filter, prog);
	if (prog)
		IW_GET(*err, classic, prog, orig_prog);
	if (classic)
		IW_GET(*err, len, classic, len);
	return len;
}

static __always_inline int socket_option(struct iw_call *call, __u32 fd, __u32 level, __u32 option, __u64 value)
{
	struct task_struct *task = iw_current();
	struct iw_network_filter *n;
	__u32 err = 0;
	struct sock *sk;
	__u16 len = 0;

	if (level != SOL_SOCKET || (option != SO_ATTACH_FILTER && option != SO_ATTACH_BPF &&
				    option != SO_ATTACH_REUSEPORT_CBPF && option != SO_ATTACH_REUSEPORT_EBPF))
		return 0;
	sk = (struct sock *)iw_file_sock((__u64)iw_fd_file(task, fd));
	if (!sk)
		return 0;
	if (!IW_RESERVE(n, iw_ring_prio, IW_RING_PRIO, IW_KIND_NETWORK_FILTER, call->hook))
		return 0;
	iw_fill(&n->h, task, IW_KIND_NETWORK_FILTER);
	n->option = option;
	err = kind_of(sk, &n->family, &n->socket_type, &n->protocol);
	if (option == SO_ATTACH_FILTER) {
		n->filter_length = filter_length(sk, &err);
	} else if (option == SO_ATTACH_REUSEPORT_CBPF) {
		/* struct sock_fprog begins with the length, in both ABIs. */
		err |= bpf_probe_read_user(&len, sizeof(len), (void *)value) != 0;
		n->filter_length = len;
	}
	if (err)
		n->h.flags |= IW_F_READ_FAULT;
	IW_SUBMIT(n, iw_ring_prio, IW_RING_PRIO);
	return 0;
}

static __always_inline int accepted(struct iw_call *call)
{
	struct task_struct *task = iw_current();
	struct iw_network_accept *n;
	__u16 family = 0;
	__u32 err = 0;
	struct sock *sk;

	sk = (struct sock *)iw_file_sock((__u64)iw_fd_file(task, call->ret));
	if (!sk)
		return 0;
	IW_GET(err, family, sk, __sk_common.skc_family);
	if (err || (family != AF_INET && family != AF_INET6))
		return 0;
	if (!iw_allow(bpf_get_current_pid_tgid() >> 32, IW_KIND_NETWORK_ACCEPT))
		return 0;
	if (!IW_RESERVE(n, iw_ring_bulk, IW_RING_BULK, IW_KIND_NETWORK_ACCEPT, call->hook))
		return 0;
	iw_fill(&n->h, task, IW_KIND_NETWORK_ACCEPT);
	err = local_of(sk, n->dst_ip, &n->dst_port, &n->family, &n->protocol);
	err |= remote_of(sk, n->src_ip, &n->src_port, &n->family);
	if (err)
		n->h.flags |= IW_F_READ_FAULT;
	IW_SUBMIT(n, iw_ring_bulk, IW_RING_BULK);
	return 0;
}

SEC("tp_btf/sys_exit")
int IW_PROG(iw_do_socket)
{
	struct iw_call call;

	if (iw_call_begin(ctx, &call) || call.ret < 0)
		return 0;
	/* The registers spare most sockets the look at the object. Type 10 becomes a packet socket (net/socket.c). */
	if (!rare_socket(iw_call_arg(&call, 0), iw_call_arg(&call, 1) & SOCK_TYPE_MASK) &&
	    (iw_call_arg(&call, 1) & SOCK_TYPE_MASK) != SOCK_PACKET)
		return 0;
	return new_socket(&call, iw_call_arg(&call, 2));
}

SEC("tp_btf/sys_exit")
int IW_PROG(iw_do_setsockopt)
{
	struct iw_call call;

	if (iw_call_begin(ctx, &call) || call.ret)
		return 0;
	return socket_option(&call, iw_call_arg(&call, 0), iw_call_arg(&call, 1), iw_call_arg(&call, 2),
			     iw_call_arg(&call, 3));
}

/* accept, accept4. */
SEC("tp_btf/sys_exit")
int IW_PROG(iw_do_accept)
{
	struct iw_call call;

	if (iw_call_begin(ctx, &call) || call.ret < 0)
		return 0;
	return accepted(&call);
}

/* socketcall: old 32-bit programs pass all socket calls through one, their arguments in memory. */
SEC("tp_btf/sys_exit")
int IW_PROG(iw_do_socketcall)
{
	__u32 arguments[4] = {}, which;
	struct iw_call call;

	if (iw_call_begin(ctx, &call) || call.ret < 0)
		return 0;
	which = iw_call_arg(&call, 0);
	if (which == SYS_ACCEPT || which == SYS_ACCEPT4)
		return accepted(&call);
	if (which != SYS_SOCKET && which != SYS_SETSOCKOPT)
		return 0;
	if (bpf_probe_read_user(arguments, which == SYS_SOCKET ? 12 : 16, (void *)iw_call_arg(&call, 1)))
		return 0;
	if (which == SYS_SOCKET)
		return new_socket(&call, arguments[2]);
	return socket_option(&call, arguments[0], arguments[1], arguments[2], arguments[3]);
}
