// SPDX-License-Identifier: GPL-2.0-only
/*
 * io_uring: rings made, and the first request of each kind on a ring that does what a syscall would. The requests
 * themselves make no syscall, and with a polling ring a thread of the kernel takes them.
 */
#include "include/iw_common.bpf.h"

#define IW_RINGS 4096

/*
 * Requests that are told, bit n for IORING_OP number n (include/uapi/linux/io_uring.h): accept 13, connect 16, openat 18,
 * openat2 28, renameat 35, unlinkat 36, symlinkat 38, linkat 39, fsetxattr 41, setxattr 42, socket 45, ftruncate 55, bind 56,
 * listen 57.
 */
const volatile __u64 iw_io_opcodes = 1ULL << 13 | 1ULL << 16 | 1ULL << 18 | 1ULL << 28 | 1ULL << 35 | 1ULL << 36 |
				     1ULL << 38 | 1ULL << 39 | 1ULL << 41 | 1ULL << 42 | 1ULL << 45 | 1ULL << 55 |
				     1ULL << 56 | 1ULL << 57;

/* Ring's context -> opcodes told, bit n. LRU: at worst one is told twice. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, IW_RINGS);
	__type(key, __u64);
	__type(value, __u64);
} iw_rings SEC(".maps");

/* The tracepoint's forms, newest first; the kernel's own is found by its parameters. */
typedef void (*btf_trace_io_uring_submit_sqe___request)(void *, struct io_kiocb *, _Bool);
typedef void (*btf_trace_io_uring_submit_sqe___both)(void *, void *, void *, __u64, __u8, __u32, _Bool, _Bool);

SEC("tp_btf/io_uring_create")
int IW_PROG(iw_io_uring_create, int fd, void *ring, __u32 entries, __u32 completions, __u32 flags)
{
	__u64 id = (__u64)ring, none = 0;
	struct iw_kernel_io_uring *k;

	/* The address may have been another ring's. */
	bpf_map_update_elem(&iw_rings, &id, &none, BPF_ANY);
	if (!IW_RESERVE(k, iw_ring_prio, IW_RING_PRIO, IW_KIND_KERNEL_IO_URING, IW_HOOK_IO_URING_CREATE))
		return 0;
	iw_fill(&k->h, iw_current(), IW_KIND_KERNEL_IO_URING);
	k->ring_id = id;
	k->io_operation = IW_IO_CREATE;
	k->ring_flags = flags;
	k->ring_entries = entries;
	IW_SUBMIT(k, iw_ring_prio, IW_RING_PRIO);
	return 0;
}

/* The process behind the request: since 5.12 the polling thread is one of its own, before it is the kernel's. */
static __always_inline struct task_struct *requester(__u64 ring)
{
	struct io_ring_ctx___sqo *context = (void *)ring;
	struct task_struct *task = iw_current(), *behind = NULL;
	__u32 err = 0, flags = 0;

	IW_GET(err, flags, task, flags);
	if (!(flags & PF_KTHREAD) || !bpf_core_field_exists(context->sqo_task))
		return task;
	IW_COPY(err, behind, context, sqo_task);
	return err || !behind ? task : behind;
}

static __always_inline int submitted(__u64 ring, __u32 opcode)
{
	struct iw_kernel_io_uring *k;
	__u64 *told, first, bit;

	if (opcode >= 64 || !(iw_io_opcodes >> opcode & 1))
		return 0;
	bit = 1ULL << opcode;
	told = bpf_map_lookup_elem(&iw_rings, &ring);
	if (told) {
		if (*told & bit)
			return 0;
		*told |= bit;
	} else {
		first = bit;
		bpf_map_update_elem(&iw_rings, &ring, &first, BPF_ANY);
	}
	if (!IW_RESERVE(k, iw_ring_prio, IW_RING_PRIO, IW_KIND_KERNEL_IO_URING, IW_HOOK_IO_URING_SUBMIT))
		return 0;
	iw_fill(&k->h, requester(ring), IW_KIND_KERNEL_IO_URING);
	k->ring_id = ring;
	k->io_operation = IW_IO_SUBMIT;
	k->opcode = opcode;
	IW_SUBMIT(k, iw_ring_prio, IW_RING_PRIO);
	return 0;
}

static __always_inline int submitted_request(struct io_kiocb *request)
{
	__u64 ring = 0;
	__u8 opcode = 0;
	__u32 err = 0;

	IW_COPY(err, opcode, request, opcode);
	IW_COPY(err, ring, request, ctx);
	return err ? 0 : submitted(ring, opcode);
}

/* Since 6.4. */
SEC("tp_btf/io_uring_submit_req")
int IW_PROG(iw_io_uring_submit_req)
{
	return submitted_request((struct io_kiocb *)ctx[0]);
}

/* Before: (request), since 6.0; (ring, request, ...), since 5.14; (ring, opcode, ...). */
SEC("tp_btf/io_uring_submit_sqe")
int IW_PROG(iw_io_uring_submit_sqe)
{
	if (bpf_core_type_exists(btf_trace_io_uring_submit_sqe___request))
		return submitted_request((struct io_kiocb *)ctx[0]);
	if (bpf_core_type_exists(btf_trace_io_uring_submit_sqe___both))
		return submitted_request((struct io_kiocb *)ctx[1]);
	return submitted(ctx[0], (__u8)ctx[1]);
}
