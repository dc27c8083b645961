// SPDX-License-Identifier: GPL-2.0-only
/* The peer of row 5: a record of 256 bytes for each open of the load, with the ring's own choice of when to wake. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define RECORD_BYTES 256
#define LOAD __builtin_bswap64(0x6c6f616400000000) /* "load" and what is behind it, of a little-endian machine */

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20);
} ring SEC(".maps");

SEC("tracepoint/syscalls/sys_enter_openat")
int on_open(void *context)
{
	char name[16] __attribute__((aligned(8))) = {};
	__u64 *record;

	(void)context;
	if (bpf_get_current_comm(name, sizeof(name)) || *(__u64 *)name != LOAD)
		return 0;
	record = bpf_ringbuf_reserve(&ring, RECORD_BYTES, 0);
	if (!record)
		return 0;
	__builtin_memset(record, 0, RECORD_BYTES);
	record[0] = bpf_ktime_get_boot_ns();
	record[1] = bpf_get_current_pid_tgid();
	bpf_ringbuf_submit(record, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
