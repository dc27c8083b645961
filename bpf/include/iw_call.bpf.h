/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A syscall that is just ending, as its handler sees it. One program sits on sys_exit for all of them (syscall.bpf.c);
 * the caller's registers come with the tracepoint, so nothing is remembered between entry and exit, and the 32-bit
 * calls of a 64-bit process arrive like the others.
 */
#ifndef IW_CALL_BPF_H
#define IW_CALL_BPF_H

#include "iw_common.bpf.h"

#define IW_CALL_MAX 1024	   /* syscall numbers, of either ABI */
#define IW_X32_BIT 0x40000000	   /* x32 calls share the native numbers and registers */
#define IW_TS_COMPAT 0x2	   /* arch/x86/include/asm/thread_info.h */
#define IW_ARM64_TIF_32BIT (1 << 22) /* arch/arm64/include/asm/thread_info.h */

/* Hook (enum iw_hook) of a syscall number: native, then 32-bit. 0: nobody wants it. */
struct iw_call_table {
	__u8 hook[2][IW_CALL_MAX];
};

struct iw_call_table_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct iw_call_table);
};
extern struct iw_call_table_map iw_calls SEC(".maps");

struct iw_call {
	struct pt_regs *regs;
	__s64 ret;
	__u32 hook;   /* enum iw_hook; 0 when the table does not want it */
	__u32 nr;     /* in the ABI's own table */
	__u32 compat; /* 1: a 32-bit call */
};

/* Is the current call a 32-bit one? */
static __always_inline __u32 iw_compat(void)
{
#if defined(__TARGET_ARCH_x86)
	struct task_struct *task;
	__u32 status = 0;

	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf)) {
		task = (void *)bpf_get_current_task_btf();
		status = task->thread_info.status;
	} else {
		task = (void *)bpf_get_current_task();
		bpf_core_read(&status, sizeof(status), &task->thread_info.status);
	}
	return (status & IW_TS_COMPAT) != 0;
#else
	struct task_struct *task = (void *)bpf_get_current_task();
	__u64 flags = 0;

	bpf_core_read(&flags, sizeof(flags), &task->thread_info.flags);
	return (flags & IW_ARM64_TIF_32BIT) != 0;
#endif
}

/* Describe the call that `ctx` (of tp_btf/sys_exit) is about; non-zero when there is nothing to do. */
static __always_inline int iw_call_begin(__u64 *ctx, struct iw_call *call)
{
	struct iw_call_table *table;
	__u32 zero = 0;
	__u64 nr;

	call->regs = (struct pt_regs *)ctx[0];
	call->ret = ctx[1];
	call->compat = iw_compat();
	nr = (__u32)call->regs->IW_CALL_NUMBER & ~IW_X32_BIT;
	call->nr = nr;
	call->hook = 0;
	table = bpf_map_lookup_elem(&iw_calls, &zero);
	if (!table || nr >= IW_CALL_MAX)
		return 1;
	call->hook = table->hook[call->compat][iw_masked(nr, IW_CALL_MAX - 1)];
	return !call->hook;
}

/* Argument n (a constant 0..5), zero-extended from 32 bits for a 32-bit call. */
static __always_inline __u64 iw_call_arg(struct iw_call *call, int n)
{
	struct pt_regs *regs = call->regs;

#if defined(__TARGET_ARCH_x86)
	if (call->compat)
		return (__u32)(n == 0 ? regs->bx : n == 1 ? regs->cx : n == 2 ? regs->dx :
			       n == 3 ? regs->si : n == 4 ? regs->di : regs->bp);
	return n == 0 ? regs->di : n == 1 ? regs->si : n == 2 ? regs->dx :
	       n == 3 ? regs->r10 : n == 4 ? regs->r8 : regs->r9;
#else
	__u64 value = n == 0 ? regs->orig_x0 : regs->regs[n];

	return call->compat ? (__u32)value : value;
#endif
}

#endif
