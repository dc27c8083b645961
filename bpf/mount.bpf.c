// SPDX-License-Identifier: GPL-2.0-only
/* Mounts by the old call and by the new ones. */
#include "include/iw_call.bpf.h"

#define IW_FSTYPE_MAX 256

/* mount: at the exit, when it succeeded, the kernel has just read these strings, so they are resident. */
SEC("tp_btf/sys_exit")
int iw_do_mount(__u64 *ctx)
{
	struct task_struct *task = iw_current();
	struct iw_counters *c = iw_count();
	struct iw_filesystem_mount *m;
	struct iw_scratch *s;
	struct iw_call call;
	__u32 pos;

	if (iw_call_begin(ctx, &call) || call.ret || !c)
		return 0;
	s = iw_take(c, IW_KIND_FILESYSTEM_MOUNT);
	if (!s)
		return 0;
	m = (struct iw_filesystem_mount *)s->record;
	__builtin_memset(m, 0, sizeof(*m));
	iw_fill(&m->h, task, IW_KIND_FILESYSTEM_MOUNT);
	m->h.flags |= IW_F_PATH_FROM_ARG;
	m->mount_call = call.hook;
	m->mount_flags = iw_call_arg(&call, 3);
	pos = sizeof(*m);
	pos = IW_APPEND_TEXT(s, pos, &m->source, (void *)iw_call_arg(&call, 0), IW_PATH_MAX,
			     bpf_probe_read_user_str);
	pos = IW_APPEND_TEXT(s, pos, &m->path, (void *)iw_call_arg(&call, 1), IW_PATH_MAX,
			     bpf_probe_read_user_str);
	pos = IW_APPEND_TEXT(s, pos, &m->fs_type, (void *)iw_call_arg(&call, 2), IW_FSTYPE_MAX,
			     bpf_probe_read_user_str);
	if (!m->path.len)
		m->h.flags |= IW_F_READ_FAULT;
	iw_output(c, s, pos, IW_KIND_FILESYSTEM_MOUNT, call.hook, &iw_ring_prio, IW_RING_PRIO);
	iw_release(c);
	return 0;
}
