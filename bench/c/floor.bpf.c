// SPDX-License-Identifier: GPL-2.0-only
/* Programs that return at once: what the kernel takes for the way to ours, and what any traced system call costs all. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tp_btf/sys_exit")
int call_end(void *ctx)
{
	return 0;
}

SEC("tp/syscalls/sys_exit_sysinfo")
int other_call(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
