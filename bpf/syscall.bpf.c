// SPDX-License-Identifier: GPL-2.0-only
/*
 * The one hook on the way out of every syscall. A number that nobody wants costs one table look-up; a wanted one is
 * handed by tail call to the program of its subject. First 32-bit calls of 64-bit processes are told here.
 */
#include "include/iw_call.bpf.h"

#define IW_HANDLERS 128
#define IW_SEEN_COMPAT 4096

struct iw_call_table_map iw_calls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, IW_HANDLERS);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} iw_handlers SEC(".maps");

/* Process id -> start time of those already told. LRU: at worst one is told twice. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, IW_SEEN_COMPAT);
	__type(key, __u32);
	__type(value, __u64);
} iw_seen_compat SEC(".maps");

/* A 32-bit call: told once for each process whose own code is 64-bit, where it is rarely innocent. */
static __always_inline void compat_call(struct iw_call *call)
{
	struct task_struct *task = iw_current(), *leader = NULL;
	struct iw_process_compat_syscall *k;
	__u32 err = 0, tgid = bpf_get_current_pid_tgid() >> 32;
	unsigned long top = 0;
	struct mm_struct *mm = NULL;
	__u64 start = 0, *seen;

	IW_GET(err, mm, task, mm);
	IW_GET(err, top, mm, task_size);
	if (err || !mm || top <= 1ULL << 32)
		return;
	IW_GET(err, leader, task, group_leader);
	IW_GET(err, start, leader, start_boottime);
	seen = bpf_map_lookup_elem(&iw_seen_compat, &tgid);
	if (seen && *seen == start)
		return;
	bpf_map_update_elem(&iw_seen_compat, &tgid, &start, BPF_ANY);
	if (!IW_RESERVE(k, iw_ring_prio, IW_RING_PRIO, IW_KIND_PROCESS_COMPAT_SYSCALL, IW_HOOK_COMPAT))
		return;
	iw_fill(&k->h, task, IW_KIND_PROCESS_COMPAT_SYSCALL);
	k->syscall_nr = call->nr;
	IW_SUBMIT(k, iw_ring_prio, IW_RING_PRIO);
}

/*
 * Hook of a 64-bit call whose number nobody wants in its 32-bit sense; -1 when this cannot be told at once. What tells
 * a 32-bit call costs a helper, so first the traces that SYSCALL leaves are looked at: rip in rcx, rflags in r11. A
 * program that lays them out for its int 0x80 gains nothing: a number that somebody wants of 32-bit calls goes the
 * long way, the handler of any other looks itself, and all that is kept is that a call of no interest was a 32-bit one.
 */
static __always_inline int native_hook(__u64 *ctx)
{
#if defined(__TARGET_ARCH_x86)
	struct pt_regs *regs = (struct pt_regs *)ctx[0];
	struct iw_call_table *table;
	__u32 zero = 0;
	__u64 nr = (__u32)regs->orig_ax & ~IW_X32_BIT;

	if (regs->cx != regs->ip || regs->r11 != regs->flags)
		return -1;
	table = bpf_map_lookup_elem(&iw_calls, &zero);
	if (!table || nr >= IW_CALL_MAX)
		return -1;
	nr = iw_masked(nr, IW_CALL_MAX - 1);
	return table->hook[1][nr] ? -1 : table->hook[0][nr];
#else
	return -1;
#endif
}

/* Hook of any other call; 0 when nobody wants it. */
static __noinline int any_hook(__u64 *ctx)
{
	struct iw_call call;

	iw_call_begin(ctx, &call);
	if (call.compat) {
		iw_preempt_off();
		compat_call(&call);
		iw_preempt_on();
	}
	return call.hook;
}

/* Preemption stays on where a tail call follows: a program may not leave by one while it is off. */
SEC("tp_btf/sys_exit")
int iw_sys_exit(__u64 *ctx)
{
	int hook = native_hook(ctx);

	if (hook < 0)
		hook = any_hook(ctx);
	if (hook)
		bpf_tail_call(ctx, &iw_handlers, hook);
	return 0;
}
