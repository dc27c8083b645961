/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Arguments of the syscall that is just ending. A sys_exit tracepoint shows only the result, but the
 * caller's registers are still saved on its kernel stack: one hook instead of two, and no table
 * between them that can be flooded.
 */
#ifndef IW_REGS_BPF_H
#define IW_REGS_BPF_H

#include "iw_common.bpf.h"

#define IW_THREAD_BYTES 16384 /* THREAD_SIZE of x86-64 without KASAN */

/*
 * Saved user registers of the current task, which is leaving syscall `nr`. Before 5.15 there is no helper: they
 * are taken from the stack's top and believed only when they hold this very syscall's number.
 */
static __always_inline struct pt_regs *iw_regs(struct task_struct *task, __s32 nr)
{
#if defined(__TARGET_ARCH_x86)
	struct pt_regs *regs;
	unsigned long number = 0;
	void *stack = NULL;
	__u32 err = 0;
#endif

	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
		return (struct pt_regs *)bpf_task_pt_regs((void *)bpf_get_current_task_btf());
#if defined(__TARGET_ARCH_x86)
	IW_GET(err, stack, task, stack);
	regs = stack + IW_THREAD_BYTES - bpf_core_type_size(struct pt_regs);
	IW_GET(err, number, regs, orig_ax);
	if (!err && (__s32)number == nr)
		return regs;
#endif
	return NULL;
}

/* One argument; a fault reads as 0. */
#define iw_arg(regs, member)                     \
	({                                       \
		unsigned long value_ = 0;        \
		__u32 err_ = 0;                  \
		IW_GET(err_, value_, regs, member); \
		value_;                          \
	})

#endif
