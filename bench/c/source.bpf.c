// SPDX-License-Identifier: GPL-2.0-only
/* Gives each frame a random source of a list's addresses, then hands it to the program under test, or to the stack. */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define SOURCE_AT 26 /* Ethernet header, then twelve bytes of the IPv4 header */

/* First address, in host order, and how many: one variable, because only bpftool's linker tells where each one is. */
const volatile __u32 list[2];

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} next SEC(".maps");

SEC("xdp")
int source(struct xdp_md *ctx)
{
	__u8 *frame = (void *)(long)ctx->data;
	__u32 address = bpf_htonl(list[0] + bpf_get_prandom_u32() % list[1]);

	if ((void *)(frame + SOURCE_AT + 4) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	__builtin_memcpy(frame + SOURCE_AT, &address, 4);
	bpf_tail_call(ctx, &next, 0);
	return XDP_PASS;
}

SEC("xdp")
int drop(struct xdp_md *ctx)
{
	return XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
