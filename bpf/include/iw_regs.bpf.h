/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Arguments of the syscall that is just ending. A sys_exit tracepoint shows only the result, but the
 * caller's registers are still saved on its kernel stack: one hook instead of two, and no table
 * between them that can be flooded.
 */
#ifndef IW_REGS_BPF_H
#define IW_REGS_BPF_H

#include "iw_common.bpf.h"

/* Saved user registers; NULL before 5.15, where the helper that finds them does not exist. */
static __always_inline struct pt_regs *iw_regs(struct task_struct *task)
{
	if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
		return NULL;
	return (struct pt_regs *)bpf_task_pt_regs((void *)bpf_get_current_task_btf());
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
