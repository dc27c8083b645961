// SPDX-License-Identifier: GPL-2.0-only
/* Mounts by the old call and by the new ones. */
#include "include/iw_call.bpf.h"

#define IW_FSTYPE_MAX 256
#define MOVE_MOUNT_F_EMPTY_PATH 0x4 /* include/uapi/linux/mount.h */
#define OPEN_TREE_CLONE 1
#define IW_NR_OLD_UMOUNT 22 /* 32-bit x86: umount without flags */

/* mount: at the exit, when it succeeded, the kernel has just read these strings, so they are resident. */
SEC("tp_btf/sys_exit")
int IW_PROG(iw_do_mount)
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

/* Begin a record in the scratch; NULL when it is taken. */
static __always_inline struct iw_filesystem_mount *mount_begin(struct iw_counters *c, struct iw_scratch **scratch,
							       struct iw_call *call)
{
	struct iw_filesystem_mount *m;
	struct iw_scratch *s;

	s = iw_take(c, IW_KIND_FILESYSTEM_MOUNT);
	if (!s)
		return NULL;
	*scratch = s;
	m = (struct iw_filesystem_mount *)s->record;
	__builtin_memset(m, 0, sizeof(*m));
	iw_fill(&m->h, iw_current(), IW_KIND_FILESYSTEM_MOUNT);
	m->mount_call = call->hook;
	return m;
}

/* File system type and device of the mount behind a descriptor; NULL when that is none. */
static __always_inline struct vfsmount *mount_of_fd(__u32 fd, const char **type, const char **device)
{
	struct file_system_type *fs = NULL;
	struct super_block *sb = NULL;
	struct vfsmount *mnt = NULL;
	struct mount *mount;
	struct file *file;
	__u32 err = 0;

	file = iw_fd_file(iw_current(), fd);
	if (!file)
		return NULL;
	IW_GET(err, mnt, file, f_path.mnt);
	if (err || !mnt)
		return NULL;
	mount = (void *)mnt - bpf_core_field_offset(struct mount, mnt);
	IW_GET(err, *device, mount, mnt_devname);
	IW_GET(err, sb, mnt, mnt_sb);
	IW_GET(err, fs, sb, s_type);
	IW_GET(err, *type, fs, name);
	return err ? NULL : mnt;
}

/*
 * move_mount of a descriptor that fsmount or open_tree gave: the mount is in its place by now, and its path is what the kernel
 * has. A move from path to path is told as text.
 */
SEC("tp_btf/sys_exit")
int IW_PROG(iw_do_move_mount)
{
	const char *type = NULL, *device = NULL;
	struct iw_counters *c = iw_count();
	struct iw_filesystem_mount *m;
	struct vfsmount *mnt = NULL;
	struct dentry *root = NULL;
	__u32 err = 0, pos, seen = 0;
	struct iw_scratch *s = NULL;
	struct iw_call call;

	if (iw_call_begin(ctx, &call) || call.ret || !c)
		return 0;
	m = mount_begin(c, &s, &call);
	if (!m)
		return 0;
	pos = sizeof(*m);
	if (iw_call_arg(&call, 4) & MOVE_MOUNT_F_EMPTY_PATH)
		mnt = mount_of_fd(iw_call_arg(&call, 0), &type, &device);
	if (mnt) {
		IW_GET(err, root, mnt, mnt_root);
		pos = IW_APPEND_TEXT(s, pos, &m->source, device, IW_PATH_MAX, bpf_probe_read_kernel_str);
		pos = iw_append_path(s, pos, &m->path, &m->h, mnt, root, &seen);
		pos = IW_APPEND_TEXT(s, pos, &m->fs_type, type, IW_FSTYPE_MAX, bpf_probe_read_kernel_str);
	} else {
		m->h.flags |= IW_F_PATH_FROM_ARG;
		pos = IW_APPEND_TEXT(s, pos, &m->source, (void *)iw_call_arg(&call, 1), IW_PATH_MAX,
				     bpf_probe_read_user_str);
		pos = IW_APPEND_TEXT(s, pos, &m->path, (void *)iw_call_arg(&call, 3), IW_PATH_MAX,
				     bpf_probe_read_user_str);
	}
	if (err || !m->path.len)
		m->h.flags |= IW_F_READ_FAULT;
	iw_output(c, s, pos, IW_KIND_FILESYSTEM_MOUNT, call.hook, &iw_ring_prio, IW_RING_PRIO);
	iw_release(c);
	return 0;
}

/* fsmount, open_tree with OPEN_TREE_CLONE: a mount that is nowhere yet. */
SEC("tp_btf/sys_exit")
int IW_PROG(iw_do_new_mount)
{
	const char *type = NULL, *device = NULL;
	struct iw_counters *c = iw_count();
	struct iw_filesystem_mount *m;
	struct iw_scratch *s = NULL;
	struct iw_call call;
	__u32 pos;

	if (iw_call_begin(ctx, &call) || call.ret < 0 || !c)
		return 0;
	if (call.hook == IW_HOOK_OPEN_TREE && !(iw_call_arg(&call, 2) & OPEN_TREE_CLONE))
		return 0;
	m = mount_begin(c, &s, &call);
	if (!m)
		return 0;
	pos = sizeof(*m);
	if (!mount_of_fd(call.ret, &type, &device))
		m->h.flags |= IW_F_READ_FAULT;
	if (call.hook == IW_HOOK_FSMOUNT) {
		m->mount_flags = iw_call_arg(&call, 2);
		pos = IW_APPEND_TEXT(s, pos, &m->source, device, IW_PATH_MAX, bpf_probe_read_kernel_str);
	} else {
		m->h.flags |= IW_F_PATH_FROM_ARG;
		m->mount_flags = iw_call_arg(&call, 2);
		pos = IW_APPEND_TEXT(s, pos, &m->source, (void *)iw_call_arg(&call, 1), IW_PATH_MAX,
				     bpf_probe_read_user_str);
	}
	pos = IW_APPEND_TEXT(s, pos, &m->fs_type, type, IW_FSTYPE_MAX, bpf_probe_read_kernel_str);
	iw_output(c, s, pos, IW_KIND_FILESYSTEM_MOUNT, call.hook, &iw_ring_prio, IW_RING_PRIO);
	iw_release(c);
	return 0;
}

/* umount, umount2, mount_setattr: an existing mount, by its path as text. */
SEC("tp_btf/sys_exit")
int IW_PROG(iw_do_mount_path)
{
	struct iw_counters *c = iw_count();
	struct iw_filesystem_mount *m;
	struct iw_scratch *s = NULL;
	__u64 path, flags = 0;
	struct iw_call call;
	__u32 err = 0, pos;

	if (iw_call_begin(ctx, &call) || call.ret || !c)
		return 0;
	m = mount_begin(c, &s, &call);
	if (!m)
		return 0;
	if (call.hook == IW_HOOK_MOUNT_SETATTR) {
		path = iw_call_arg(&call, 1);
		/* struct mount_attr begins with the attributes to set. */
		err = bpf_probe_read_user(&flags, sizeof(flags), (void *)iw_call_arg(&call, 3)) != 0;
	} else {
		path = iw_call_arg(&call, 0);
		if (!call.compat || call.nr != IW_NR_OLD_UMOUNT)
			flags = (__u32)iw_call_arg(&call, 1);
	}
	m->h.flags |= IW_F_PATH_FROM_ARG;
	m->mount_flags = flags;
	pos = IW_APPEND_TEXT(s, sizeof(*m), &m->path, (void *)path, IW_PATH_MAX, bpf_probe_read_user_str);
	if (err)
		m->h.flags |= IW_F_READ_FAULT;
	iw_output(c, s, pos, IW_KIND_FILESYSTEM_MOUNT, call.hook, &iw_ring_prio, IW_RING_PRIO);
	iw_release(c);
	return 0;
}
