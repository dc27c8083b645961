// SPDX-License-Identifier: GPL-2.0-only
/*
 * One sample of each sort of program that can carry a hook, in an object of its own: what of it loads, attaches and
 * runs is what this kernel lets us use. Each only counts that it ran, at its own place of iw_probe; none changes
 * what it looks at.
 */
#include "include/iw_kernel.bpf.h"
#include <bpf/bpf_tracing.h>

/* Places of iw_probe; innerwarden/sensor/capabilities.py names them in the same order. */
enum iw_sample {
	IW_SAMPLE_TP_BTF,
	IW_SAMPLE_RAW_TP,
	IW_SAMPLE_TP,
	IW_SAMPLE_KPROBE,
	IW_SAMPLE_KRETPROBE,
	IW_SAMPLE_FENTRY,
	IW_SAMPLE_FEXIT,
	IW_SAMPLE_LSM,
	IW_SAMPLE_UPROBE,
	IW_SAMPLE_SOCK_ADDR,
	IW_SAMPLE_CGROUP_SKB,
	IW_SAMPLE_XDP,
	IW_SAMPLE_TC,
	IW_SAMPLE_ITER,
	IW_SAMPLES,
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, IW_SAMPLES);
	__type(key, __u32);
	__type(value, __u64);
} iw_probe SEC(".maps");

static __always_inline int ran(__u32 sample, int result)
{
	__u64 *count = bpf_map_lookup_elem(&iw_probe, &sample);

	if (count)
		__sync_fetch_and_add(count, 1);
	return result;
}

#define IW_SAMPLE(section, name, place, result)		\
	SEC(section)					\
	int name(void *ctx)				\
	{						\
		return ran(place, result);		\
	}

IW_SAMPLE("tp_btf/sched_process_fork", iw_probe_tp_btf, IW_SAMPLE_TP_BTF, 0)
IW_SAMPLE("raw_tp/sched_process_fork", iw_probe_raw_tp, IW_SAMPLE_RAW_TP, 0)
IW_SAMPLE("tp/sched/sched_process_fork", iw_probe_tp, IW_SAMPLE_TP, 0)
IW_SAMPLE("kprobe/security_file_open", iw_probe_kprobe, IW_SAMPLE_KPROBE, 0)
IW_SAMPLE("kretprobe/security_file_open", iw_probe_kretprobe, IW_SAMPLE_KRETPROBE, 0)
IW_SAMPLE("fentry/security_file_open", iw_probe_fentry, IW_SAMPLE_FENTRY, 0)
IW_SAMPLE("fexit/security_file_open", iw_probe_fexit, IW_SAMPLE_FEXIT, 0)
IW_SAMPLE("lsm/file_open", iw_probe_lsm, IW_SAMPLE_LSM, 0)
IW_SAMPLE("uprobe", iw_probe_uprobe, IW_SAMPLE_UPROBE, 0)
IW_SAMPLE("cgroup/connect4", iw_probe_sock_addr, IW_SAMPLE_SOCK_ADDR, 1)	 /* 1: allowed */
IW_SAMPLE("cgroup_skb/egress", iw_probe_cgroup_skb, IW_SAMPLE_CGROUP_SKB, 1)
IW_SAMPLE("xdp", iw_probe_xdp, IW_SAMPLE_XDP, 2)				 /* XDP_PASS */
IW_SAMPLE("tc", iw_probe_tc, IW_SAMPLE_TC, -1)					 /* TC_ACT_UNSPEC: go on */
IW_SAMPLE("iter/task", iw_probe_iter, IW_SAMPLE_ITER, 0)

/* Global: a kernel may let a program forbid preemption and then call no such function. */
__noinline int iw_probe_step(__u64 value)
{
	return value & 1;
}

/* Loaded alone, never attached: may a program forbid preemption, as the hooks want to? */
SEC("?tp_btf/sched_process_fork")
int iw_probe_preempt(__u64 *ctx)
{
	int odd;

	bpf_preempt_disable();
	odd = iw_probe_step(bpf_get_current_pid_tgid());
	bpf_preempt_enable();
	asm volatile("" : : "r"(odd)); /* else the compiler leaves the call out */
	return ran(IW_SAMPLE_TP_BTF, 0);
}

char LICENSE[] SEC("license") = "GPL";
