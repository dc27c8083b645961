// SPDX-License-Identifier: GPL-2.0-only
/* Opens of watched files, from the open file itself. */
#include "include/iw_call.bpf.h"
#include "include/iw_file.bpf.h"

/* The bits that the open file forgets once they are done (do_dentry_open), from the call. */
static __always_inline __u32 call_flags(struct iw_call *call)
{
	__u64 flags = 0;

	switch (call->hook) {
	case IW_HOOK_OPEN:
		flags = iw_call_arg(call, 1);
		break;
	case IW_HOOK_CREAT:
		flags = O_CREAT | O_TRUNC;
		break;
	case IW_HOOK_OPENAT2: /* struct open_how begins with them */
		if (bpf_probe_read_user(&flags, sizeof(flags), (void *)iw_call_arg(call, 2)))
			flags = 0;
		break;
	default: /* openat, open_by_handle_at */
		flags = iw_call_arg(call, 2);
	}
	return flags & (O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC);
}

/* openat, open, openat2, creat, open_by_handle_at: whichever call made the descriptor, the file is the same. */
SEC("tp_btf/sys_exit")
int IW_PROG(iw_do_open)
{
	struct iw_call call;
	struct file *file;

	if (iw_call_begin(ctx, &call) || call.ret < 0)
		return 0;
	file = iw_fd_object(iw_current(), call.ret);
	if (file)
		iw_opened(call.hook, call_flags(&call), file);
	return 0;
}
