// SPDX-License-Identifier: GPL-2.0-only
/* Fills a ring with equal records as fast as the kernel can, so that only the drain is timed. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "iw_event.h"

#define RECORD_BYTES 256

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20);
} ring SEC(".maps");

struct fill_args {
	__u32 count;
	__u32 kind;
	__u64 made;
};

static long one_record(__u32 index, void *context)
{
	struct fill_args *args = context;
	struct iw_header *h = bpf_ringbuf_reserve(&ring, RECORD_BYTES, 0);

	if (!h)
		return 1;
	__builtin_memset(h, 0, RECORD_BYTES);
	h->size = RECORD_BYTES;
	h->kind = args->kind;
	h->sequence = index;
	h->ts_ns = bpf_ktime_get_boot_ns();
	h->pid = 1000 + (index & 1023);
	h->tid = h->pid;
	h->start_ns = h->pid;
	bpf_ringbuf_submit(h, BPF_RB_NO_WAKEUP);
	args->made++;
	return 0;
}

SEC("syscall")
int fill(struct fill_args *args)
{
	/* bpf_loop wants stack memory as its context. */
	struct fill_args own = { .count = args->count, .kind = args->kind };

	bpf_loop(own.count, one_record, &own, 0);
	args->made = own.made;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
