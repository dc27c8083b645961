// SPDX-License-Identifier: GPL-2.0-only
/*
 * Block list at the driver. Single addresses in a table of cache lines (v4) and a hash (v6), prefixes in small tries
 * (a trie look-up among a million costs ten times a hash's); an allow entry wins over every block. Only the source
 * address decides, and it stands at a fixed place behind the tags, so that fragments, options and extension headers
 * cannot hide it; they are counted.
 *
 * Two programs from one text: iw_xdp_observe counts and records what iw_xdp drops, and has no drop in it.
 */
#include "include/iw_common.bpf.h"

#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd
#define ETH_P_8021Q 0x8100
#define ETH_P_8021AD 0x88a8
#define IW_VLAN_TAGS 2
#define IW_REPORTS 16 /* records that one CPU makes in a jiffy: a flood of many sources is counted, not told one by one */
#define IW_EXTENSIONS 8 /* headers of one IPv6 packet; RFC 8200, 4.1, recommends each at most once */
#define IP_MF_OR_OFFSET 0x3fff /* RFC 791: more fragments, fragment offset */
#define IP6_FRAGMENT_OFFSET 0xfff8
#define IW_ROW_ENTRIES 4
#define IW_SPILLED (1ULL << 63)
#define IW_EXPIRES_S 0x7fffffff
#define IW_EXPIRES_UNIT_NS 1000000000ULL

/* IANA protocol numbers of IPv6 extension headers (RFC 7045, 4). */
#define NEXT_HOP_BY_HOP 0
#define NEXT_ROUTING 43
#define NEXT_FRAGMENT 44
#define NEXT_AH 51
#define NEXT_DESTINATION 60
#define NEXT_MOBILITY 135
#define NEXT_HIP 139
#define NEXT_SHIM6 140

/* `expires_ns` is CLOCK_BOOTTIME; 0 never expires. */
struct iw_block {
	__u64 expires_ns;
	__u64 packet_count; /* matched by the entry, dropped or not; see listed */
};

/*
 * One cache line of v4 addresses: with a million of them listed a packet pays one miss, where the kernel's hash pays
 * three. An entry is the address as it stands in the packet (low half), the second of CLOCK_BOOTTIME in which it
 * expires (31 bits, 0 never), and in the first one of a row IW_SPILLED: an address that had no place here is in
 * iw_xdp_block_v4. There 0.0.0.0 always is, which here would look like a free place. The writer is
 * innerwarden/xdp/table.py, which says why its stores may be seen at any moment.
 */
struct iw_row {
	struct {
		__u64 entry;
		__u64 packet_count;
	} at[IW_ROW_ENTRIES];
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
	__u64 observed;	 /* listed, and only noted: the program that observes is attached */
	__u64 allowed;	 /* listed, but an allow entry won */
	__u64 expired;	 /* listed, but the time was over */
	__u64 unparsed;	 /* cut short, malformed, more than two tags or eight extension headers */
	__u64 refused;	 /* of those, dropped because the policy says so */
	__u64 fragments; /* not first and only: matched by their source like all others */
	__u64 extended;	 /* IPv6 with extension headers: the same */
	__u64 mapped;	 /* IPv6 source ::ffff:a.b.c.d: looked up in the v4 lists as well */
	__u64 tunnelled; /* IPv6 source of 6to4 or Teredo: the v4 address inside is not looked at */
	__u64 unreported; /* records held back, see IW_REPORTS */
	__u64 tick;	 /* jiffy of the last record, and how many it has had */
	__u64 reports;
	__u64 clock_ns; /* see now_ns */
	__u64 clock_tick;
};

struct iw_xdp_policy {
	__u32 drop_unparsed;
	__u32 allows; /* an allow list has entries; 0 spares two look-ups for each listed packet */
	__u64 mix[2]; /* odd and random, made once for each load, so that nobody can choose addresses that fill a row */
	__u64 rows;   /* of iw_xdp_rows_v4, a power of two */
};

#define IW_LIST(name, map_type, key_type, value_type, entries)  \
	struct {                                                \
		__uint(type, map_type);                         \
		__uint(max_entries, entries);                   \
		__uint(map_flags, BPF_F_NO_PREALLOC);           \
		__type(key, key_type);                          \
		__type(value, value_type);                      \
	} name SEC(".maps")

/* The loader sets the room of the table and the hashes; rows and bucket arrays are as large from the start. */
IW_LIST(iw_xdp_block_v4, BPF_MAP_TYPE_HASH, __u32, struct iw_block, 1 << 15);
IW_LIST(iw_xdp_block_v6, BPF_MAP_TYPE_HASH, struct iw_address6, struct iw_block, 1 << 17);
IW_LIST(iw_xdp_allow_v4, BPF_MAP_TYPE_HASH, __u32, __u32, 4096);
IW_LIST(iw_xdp_allow_v6, BPF_MAP_TYPE_HASH, struct iw_address6, __u32, 4096);
IW_LIST(iw_xdp_block_prefix_v4, BPF_MAP_TYPE_LPM_TRIE, struct iw_prefix4, struct iw_block, 8192);
IW_LIST(iw_xdp_block_prefix_v6, BPF_MAP_TYPE_LPM_TRIE, struct iw_prefix6, struct iw_block, 8192);
IW_LIST(iw_xdp_allow_prefix_v4, BPF_MAP_TYPE_LPM_TRIE, struct iw_prefix4, __u32, 1024);
IW_LIST(iw_xdp_allow_prefix_v6, BPF_MAP_TYPE_LPM_TRIE, struct iw_prefix6, __u32, 1024);

/* Mapped into its writer, which is why its first value begins a page and each value a cache line (array_map_alloc). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << 16);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct iw_row);
} iw_xdp_rows_v4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct iw_xdp_counters);
} iw_xdp_stats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct iw_xdp_policy);
} iw_xdp_policy SEC(".maps");

static __always_inline struct iw_xdp_counters *counters(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&iw_xdp_stats, &zero);
}

/* One record for the 1st, 2nd, 4th, 8th ... packet of an entry: a flood writes 64 at most. */
static __always_inline void report(struct iw_xdp_counters *c, __u64 count, const __u8 *ip16, __u32 ifindex, __u32 mode)
{
	struct iw_network_xdp_drop *d;
	__u64 tick;

	if (count & (count - 1))
		return;
	tick = bpf_jiffies64();
	if (c->tick != tick) {
		c->tick = tick;
		c->reports = 0;
	}
	if (c->reports++ >= IW_REPORTS) {
		c->unreported++;
		return;
	}
	if (!IW_RESERVE(d, iw_ring_bulk, IW_RING_BULK, IW_KIND_NETWORK_XDP_DROP, IW_HOOK_XDP))
		return;
	d->h.kind = IW_KIND_NETWORK_XDP_DROP;
	d->h.cpu = bpf_get_smp_processor_id();
	d->h.ts_ns = bpf_ktime_get_boot_ns();
	__builtin_memcpy(d->src_ip, ip16, 16);
	d->packet_count = count;
	d->interface_index = ifindex;
	d->enforcement_mode = mode;
	IW_SUBMIT(d, iw_ring_bulk, IW_RING_BULK);
}

static __always_inline struct iw_xdp_policy *xdp_policy(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&iw_xdp_policy, &zero);
}

/*
 * CLOCK_BOOTTIME, read once in a jiffy: every block of the responder expires, and reading the clock costs as much as
 * all the rest (45 ns where it is a virtual machine's). So an entry may last a jiffy longer. The time is stored before
 * its jiffy, because an interrupt may bring a packet in between.
 */
static __always_inline __u64 now_ns(volatile struct iw_xdp_counters *c)
{
	__u64 tick = bpf_jiffies64();

	if (c->clock_tick != tick) {
		c->clock_ns = bpf_ktime_get_boot_ns();
		c->clock_tick = tick;
	}
	return c->clock_ns;
}

static __always_inline int listed(__u64 expires_ns, __u64 *packet_count, const __u8 *ip16, int allowed, __u32 ifindex,
				  __u32 mode)
{
	struct iw_xdp_counters *c = counters();
	__u64 count;

	if (!c)
		return XDP_PASS;
	if (allowed) {
		c->allowed++;
		return XDP_PASS;
	}
	if (expires_ns && now_ns(c) >= expires_ns) {
		c->expired++;
		return XDP_PASS;
	}
	/*
	 * Not atomic: a locked add to a line that is in no cache stalls for the whole miss, 100 ns with a full list.
	 * Two CPUs that get packets of one source at once may count one of them.
	 */
	count = ++*packet_count;
	report(c, count, ip16, ifindex, mode);
	if (mode != IW_ENFORCEMENT_ENFORCE) {
		c->observed++;
		return XDP_PASS;
	}
	c->dropped++;
	return XDP_DROP;
}

static __always_inline int unparsed(__u32 mode)
{
	struct iw_xdp_counters *c = counters();
	struct iw_xdp_policy *p = xdp_policy();

	if (!c || !p)
		return XDP_PASS;
	c->unparsed++;
	if (mode != IW_ENFORCEMENT_ENFORCE || !p->drop_unparsed)
		return XDP_PASS;
	c->refused++;
	return XDP_DROP;
}

/* 0 for the same address, else 1; hidden from the compiler, which would make a branch of it. */
static __always_inline __u64 differs(__u64 entry, __u32 address)
{
	__u64 found = (__u32)entry ^ address;

	found = (found + 0xffffffff) >> 32;
	asm volatile("" : "+r"(found));
	return found;
}

/*
 * How many entries stand before that of the address; IW_ROW_ENTRIES when it has none. Without a branch: which of the
 * four it is cannot be guessed, and a wrong guess costs as much as the rest of the look-up.
 */
static __always_inline __u64 place_in(const volatile struct iw_row *row, __u32 address)
{
	__u64 one = differs(row->at[0].entry, address);
	__u64 two = differs(row->at[1].entry, address) & one;
	__u64 three = differs(row->at[2].entry, address) & two;

	return one + two + three + (differs(row->at[3].entry, address) & three);
}

static __always_inline struct iw_row *row_of(const struct iw_xdp_policy *p, __u32 address)
{
	__u64 mixed = address * p->mix[0];
	__u32 index;

	mixed = (mixed ^ mixed >> 32) * p->mix[1];
	index = mixed >> 32 & (p->rows - 1);
	return bpf_map_lookup_elem(&iw_xdp_rows_v4, &index);
}

static __always_inline int source4(const __u8 *at, __u32 ifindex, __u32 mode)
{
	struct iw_prefix4 prefix = { .bits = 32 };
	__u64 *packet_count = NULL, expires_ns = 0, place, entry;
	struct iw_xdp_policy *p = xdp_policy();
	struct iw_block *block = NULL;
	__u8 ip16[16] = {};
	struct iw_row *row;
	__u32 address;
	int allowed;

	if (!p)
		return XDP_PASS;
	address = *(const __u32 *)at;
	__builtin_memcpy(prefix.ip, at, 4);
	row = row_of(p, address);
	if (!row)
		return XDP_PASS;
	place = place_in(row, address);
	if (place < IW_ROW_ENTRIES && address) {
		/* Read anew, and this is what counts: the writer may have put another address there since. */
		entry = *(const volatile __u64 *)&row->at[place].entry;
		if ((__u32)entry == address) {
			packet_count = &row->at[place].packet_count;
			expires_ns = (entry >> 32 & IW_EXPIRES_S) * IW_EXPIRES_UNIT_NS;
		}
	}
	if (!packet_count) {
		if (row->at[0].entry & IW_SPILLED)
			block = bpf_map_lookup_elem(&iw_xdp_block_v4, &address);
		if (!block)
			block = bpf_map_lookup_elem(&iw_xdp_block_prefix_v4, &prefix);
		if (!block)
			return XDP_PASS;
		packet_count = &block->packet_count;
		expires_ns = block->expires_ns;
	}
	allowed = p->allows && (bpf_map_lookup_elem(&iw_xdp_allow_v4, &address) ||
				bpf_map_lookup_elem(&iw_xdp_allow_prefix_v4, &prefix));
	iw_ip4(ip16, address);
	return listed(expires_ns, packet_count, ip16, allowed, ifindex, mode);
}

static __always_inline int source6(const __u8 *at, __u32 ifindex, __u32 mode)
{
	struct iw_prefix6 prefix = { .bits = 128 };
	struct iw_xdp_policy *p = xdp_policy();
	struct iw_address6 address;
	struct iw_xdp_counters *c;
	struct iw_block *block;
	__u32 head, third;
	int allowed;

	__builtin_memcpy(&address, at, 16);
	__builtin_memcpy(&head, at, 4);
	__builtin_memcpy(&third, at + 8, 4);
	if (!address.high && third == bpf_htonl(0xffff)) {
		c = counters();
		if (c)
			c->mapped++;
		if (source4(at + 12, ifindex, mode) == XDP_DROP)
			return XDP_DROP;
	}
	/* 2002::/16, RFC 3056; 2001::/32, RFC 4380 */
	if ((head & bpf_htonl(0xffff0000)) == bpf_htonl(0x20020000) || head == bpf_htonl(0x20010000)) {
		c = counters();
		if (c)
			c->tunnelled++;
	}
	__builtin_memcpy(prefix.ip, at, 16);
	block = bpf_map_lookup_elem(&iw_xdp_block_v6, &address);
	if (!block)
		block = bpf_map_lookup_elem(&iw_xdp_block_prefix_v6, &prefix);
	if (!block || !p)
		return XDP_PASS;
	allowed = p->allows && (bpf_map_lookup_elem(&iw_xdp_allow_v6, &address) ||
				bpf_map_lookup_elem(&iw_xdp_allow_prefix_v6, &prefix));
	return listed(block->expires_ns, &block->packet_count, prefix.ip, allowed, ifindex, mode);
}

static __always_inline int is_extension(__u8 next)
{
	return next == NEXT_HOP_BY_HOP || next == NEXT_ROUTING || next == NEXT_FRAGMENT || next == NEXT_AH ||
	       next == NEXT_DESTINATION || next == NEXT_MOBILITY || next == NEXT_HIP || next == NEXT_SHIM6;
}

/* The source passed: say whether the chain behind the fixed header can be followed to its end. */
static __always_inline int extensions(const __u8 *at, const __u8 *end, __u8 next, __u32 mode)
{
	struct iw_xdp_counters *c = counters();
	__u16 offset;
	__u8 type;
	int i;

	if (!c)
		return XDP_PASS;
	c->extended++;
#pragma clang loop unroll(full)
	for (i = 0; i < IW_EXTENSIONS; i++) {
		if (at + 8 > end)
			return unparsed(mode);
		type = next;
		next = at[0];
		if (type == NEXT_FRAGMENT) {
			__builtin_memcpy(&offset, at + 2, 2);
			c->fragments++;
			/* Behind a later fragment's header stand bytes of the middle, not a header. */
			if (bpf_ntohs(offset) & IP6_FRAGMENT_OFFSET)
				return XDP_PASS;
			at += 8;
		} else if (type == NEXT_AH) {
			at += (at[1] + 2) * 4; /* RFC 4302, 2.2 */
		} else {
			at += (at[1] + 1) * 8;
		}
		if (at > end)
			return unparsed(mode);
		if (!is_extension(next))
			return XDP_PASS;
	}
	return unparsed(mode);
}

static __always_inline int packet4(const __u8 *at, const __u8 *end, __u32 ifindex, __u32 mode)
{
	struct iw_xdp_counters *c;
	__u16 fragment;

	if (at + 20 > end || at[0] >> 4 != 4 || (at[0] & 15) < 5)
		return unparsed(mode);
	__builtin_memcpy(&fragment, at + 6, 2);
	if (fragment & bpf_htons(IP_MF_OR_OFFSET)) {
		c = counters();
		if (c)
			c->fragments++;
	}
	return source4(at + 12, ifindex, mode);
}

static __always_inline int packet6(const __u8 *at, const __u8 *end, __u32 ifindex, __u32 mode)
{
	if (at + 40 > end || at[0] >> 4 != 6)
		return unparsed(mode);
	if (source6(at + 8, ifindex, mode) == XDP_DROP)
		return XDP_DROP;
	if (!is_extension(at[6]))
		return XDP_PASS;
	return extensions(at + 40, end, at[6], mode);
}

static __always_inline int judge(struct xdp_md *ctx, __u32 mode)
{
	const __u8 *at = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u16 type;
	int i;

	at += 12; /* both hardware addresses */
	if (at + 2 > end)
		return unparsed(mode);
	__builtin_memcpy(&type, at, 2);
	at += 2;
#pragma clang loop unroll(full)
	for (i = 0; i < IW_VLAN_TAGS; i++) {
		if (type != bpf_htons(ETH_P_8021Q) && type != bpf_htons(ETH_P_8021AD))
			break;
		if (at + 4 > end)
			return unparsed(mode);
		__builtin_memcpy(&type, at + 2, 2);
		at += 4;
	}
	if (type == bpf_htons(ETH_P_IP))
		return packet4(at, end, ctx->ingress_ifindex, mode);
	if (type == bpf_htons(ETH_P_IPV6))
		return packet6(at, end, ctx->ingress_ifindex, mode);
	if (type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD))
		return unparsed(mode);
	return XDP_PASS;
}

SEC("xdp")
int iw_xdp(struct xdp_md *ctx)
{
	return judge(ctx, IW_ENFORCEMENT_ENFORCE);
}

SEC("xdp")
int iw_xdp_observe(struct xdp_md *ctx)
{
	return judge(ctx, IW_ENFORCEMENT_OBSERVE);
}
