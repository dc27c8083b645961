/* SPDX-License-Identifier: GPL-2.0-only */
/* Another process's memory, reached through its file in /proc. */
#ifndef IW_MEMORY_BPF_H
#define IW_MEMORY_BPF_H

#include "iw_common.bpf.h"

/* The task behind an inode of /proc/<pid>; NULL when it is gone. The thread of that id, which need not be a leader. */
static __always_inline struct task_struct *iw_proc_task(struct inode *inode)
{
	struct proc_inode *node = (void *)inode - bpf_core_field_offset(struct proc_inode, vfs_inode);
	struct hlist_node *first = NULL;
	struct pid *pid = NULL;
	__u32 err = 0;

	IW_GET(err, pid, node, pid);
	IW_GET(err, first, pid, tasks[0].first);
	if (err || !pid || !first)
		return NULL;
	return (void *)first - bpf_core_field_offset(struct task_struct, pid_links);
}

/* A file was opened for writing: tell it apart when it is the memory of a process other than the current one. */
static __always_inline void iw_memory_opened(__u32 hook, struct inode *inode, struct super_block *sb,
					     struct dentry *dentry)
{
	struct task_struct *target, *leader = NULL;
	struct iw_process_memory_access *a;
	struct mnt_namespace *mnt_ns = NULL;
	const unsigned char *name = NULL;
	struct nsproxy *nsproxy = NULL;
	const struct cred *cred = NULL;
	unsigned long magic = 0;
	__u32 err = 0, tgid = 0, len = 0, pid = bpf_get_current_pid_tgid() >> 32;
	char text[4] = {};

	IW_GET(err, magic, sb, s_magic);
	if (err || magic != PROC_SUPER_MAGIC)
		return;
	IW_GET(err, len, dentry, d_name.len);
	IW_GET(err, name, dentry, d_name.name);
	if (err || len != 3 || bpf_probe_read_kernel(text, 3, name) || text[0] != 'm' || text[1] != 'e' || text[2] != 'm')
		return;
	target = iw_proc_task(inode);
	if (target)
		IW_GET(err, tgid, target, tgid);
	if (err || tgid == pid)
		return;
	if (!IW_RESERVE(a, iw_ring_prio, IW_RING_PRIO, IW_KIND_PROCESS_MEMORY_ACCESS, hook))
		return;
	iw_fill(&a->h, iw_current(), IW_KIND_PROCESS_MEMORY_ACCESS);
	a->access_kind = IW_ACCESS_MEM_FILE;
	a->target_pid = tgid;
	a->target_uid = IW_UNSET;
	if (target) {
		IW_GET(err, leader, target, group_leader);
		IW_GET(err, a->target_start_ns, leader, start_boottime);
		IW_GET(err, cred, target, cred);
		IW_GET(err, a->target_uid, cred, uid);
		IW_GET(err, nsproxy, target, nsproxy);
		if (nsproxy) {
			IW_GET(err, mnt_ns, nsproxy, mnt_ns);
			IW_GET(err, a->target_mnt_ns, mnt_ns, ns.inum);
		}
	}
	if (err)
		a->h.flags |= IW_F_READ_FAULT;
	IW_SUBMIT(a, iw_ring_prio, IW_RING_PRIO);
}

#endif
