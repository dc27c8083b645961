// SPDX-License-Identifier: GPL-2.0-only
/*
 * Block list at the driver. Single addresses in hashes, prefixes in small tries (a trie look-up among a million
 * costs ten times a hash's); an allow entry wins over every block. What cannot be parsed passes and is counted.
 */
#include "include/iw_common.bpf.h"

#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd
#define ETH_P_8021Q 0x8100
#define ETH_P_8021AD 0x88a8
#define IW_VLAN_TAGS 2

/* `expires_ns` is CLOCK_BOOTTIME; 0 never expires. */
struct iw_block {
	__u64 expires_ns;
	__u64 packet_count;
};

struct iw_prefix4 {
	__u32 bits;
	__u8 ip[4];
};

struct iw_prefix6 {
	__u32 bits;
	__u8 ip[16];
};

struct iw_address6 {
	__u64 high;
	__u64 low;
};

/* By CPU. */
struct iw_xdp_counters {
	__u64 dropped;
	__u64 allowed;	/* listed, but an allow entry won */
	__u64 expired;	/* listed, but the time was over */
	__u64 unparsed; /* too short, or more tags than two: passed */
};

#define IW_LIST(name, map_type, key_type, value_type, entries)  \
	struct {                                                \
		__uint(type, map_type);                         \
		__uint(max_entries, entries);                   \
		__uint(map_flags, BPF_F_NO_PREALLOC);           \
		__type(key, key_type);                          \
		__type(value, value_type);                      \
	} name SEC(".maps")

IW_LIST(iw_xdp_block_v4, BPF_MAP_TYPE_HASH, __u32, struct iw_block, 1 << 20);
IW_LIST(iw_xdp_block_v6, BPF_MAP_TYPE_HASH, struct iw_address6, struct iw_block, 1 << 20);
IW_LIST(iw_xdp_allow_v4, BPF_MAP_TYPE_HASH, __u32, __u32, 4096);
IW_LIST(iw_xdp_allow_v6, BPF_MAP_TYPE_HASH, struct iw_address6, __u32, 4096);
IW_LIST(iw_xdp_block_prefix_v4, BPF_MAP_TYPE_LPM_TRIE, struct iw_prefix4, struct iw_block, 8192);
IW_LIST(iw_xdp_block_prefix_v6, BPF_MAP_TYPE_LPM_TRIE, struct iw_prefix6, struct iw_block, 8192);
IW_LIST(iw_xdp_allow_prefix_v4, BPF_MAP_TYPE_LPM_TRIE, struct iw_prefix4, __u32, 1024);
IW_LIST(iw_xdp_allow_prefix_v6, BPF_MAP_TYPE_LPM_TRIE, struct iw_prefix6, __u32, 1024);

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct iw_xdp_counters);
} iw_xdp_stats SEC(".maps");

/* One record for the 1st, 2nd, 4th, 8th ... packet of a source: a flood writes 64 at most. */
static __always_inline void report(struct iw_block *block, const __u8 *ip16, __u32 ifindex)
{
	__u64 count = block->packet_count;
	struct iw_network_xdp_drop *d;

	if (count & (count - 1))
		return;
	if (!IW_RESERVE(d, iw_ring_bulk, IW_RING_BULK, IW_KIND_NETWORK_XDP_DROP, IW_HOOK_XDP))
		return;
	d->h.kind = IW_KIND_NETWORK_XDP_DROP;
	d->h.cpu = bpf_get_smp_processor_id();
	d->h.ts_ns = bpf_ktime_get_boot_ns();
	__builtin_memcpy(d->src_ip, ip16, 16);
	d->packet_count = count;
	d->interface_index = ifindex;
	IW_SUBMIT(d, iw_ring_bulk, IW_RING_BULK);
}

static __always_inline int drop(struct iw_block *block, const __u8 *ip16, int allowed, __u32 ifindex)
{
	struct iw_xdp_counters *c;
	__u32 zero = 0;

	c = bpf_map_lookup_elem(&iw_xdp_stats, &zero);
	if (!c)
		return XDP_PASS;
	if (allowed) {
		c->allowed++;
		return XDP_PASS;
	}
	if (block->expires_ns && bpf_ktime_get_boot_ns() >= block->expires_ns) {
		c->expired++;
		return XDP_PASS;
	}
	c->dropped++;
	__sync_fetch_and_add(&block->packet_count, 1);
	report(block, ip16, ifindex);
	return XDP_DROP;
}

static __always_inline int unparsed(void)
{
	struct iw_xdp_counters *c;
	__u32 zero = 0;

	c = bpf_map_lookup_elem(&iw_xdp_stats, &zero);
	if (c)
		c->unparsed++;
	return XDP_PASS;
}

static __always_inline int source4(const __u8 *at, __u32 ifindex)
{
	struct iw_prefix4 prefix = { .bits = 32 };
	struct iw_block *block;
	__u8 ip16[16] = {};
	__u32 address;
	int allowed;

	__builtin_memcpy(&address, at, 4);
	__builtin_memcpy(prefix.ip, at, 4);
	block = bpf_map_lookup_elem(&iw_xdp_block_v4, &address);
	if (!block)
		block = bpf_map_lookup_elem(&iw_xdp_block_prefix_v4, &prefix);
	if (!block)
		return XDP_PASS;
	allowed = bpf_map_lookup_elem(&iw_xdp_allow_v4, &address) ||
		  bpf_map_lookup_elem(&iw_xdp_allow_prefix_v4, &prefix);
	iw_ip4(ip16, address);
	return drop(block, ip16, allowed, ifindex);
}

static __always_inline int source6(const __u8 *at, __u32 ifindex)
{
	struct iw_prefix6 prefix = { .bits = 128 };
	struct iw_address6 address;
	struct iw_block *block;
	int allowed;

	__builtin_memcpy(&address, at, 16);
	__builtin_memcpy(prefix.ip, at, 16);
	block = bpf_map_lookup_elem(&iw_xdp_block_v6, &address);
	if (!block)
		block = bpf_map_lookup_elem(&iw_xdp_block_prefix_v6, &prefix);
	if (!block)
		return XDP_PASS;
	allowed = bpf_map_lookup_elem(&iw_xdp_allow_v6, &address) ||
		  bpf_map_lookup_elem(&iw_xdp_allow_prefix_v6, &prefix);
	return drop(block, prefix.ip, allowed, ifindex);
}

SEC("xdp")
int iw_xdp(struct xdp_md *ctx)
{
	__u8 *at = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u16 type;
	int i;

	at += 12; /* both hardware addresses */
	if (at + 2 > end)
		return unparsed();
	__builtin_memcpy(&type, at, 2);
	at += 2;
#pragma clang loop unroll(full)
	for (i = 0; i < IW_VLAN_TAGS; i++) {
		if (type != bpf_htons(ETH_P_8021Q) && type != bpf_htons(ETH_P_8021AD))
			break;
		if (at + 4 > end)
			return unparsed();
		__builtin_memcpy(&type, at + 2, 2);
		at += 4;
	}
	if (type == bpf_htons(ETH_P_IP)) {
		if (at + 20 > end || at[0] >> 4 != 4)
			return unparsed();
		return source4(at + 12, ctx->ingress_ifindex);
	}
	if (type == bpf_htons(ETH_P_IPV6)) {
		if (at + 40 > end || at[0] >> 4 != 6)
			return unparsed();
		return source6(at + 8, ctx->ingress_ifindex);
	}
	if (type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD))
		return unparsed();
	return XDP_PASS;
}
