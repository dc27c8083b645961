// SPDX-License-Identifier: GPL-2.0-only
/* Reaching into another process without ptrace: its memory, its descriptors; page faults served by oneself. */
#include "include/iw_call.bpf.h"

#define PTRACE_MODE_ATTACH 0x02 /* include/linux/ptrace.h */
#define PIDFS_MAGIC 0x50494446	/* include/uapi/linux/magic.h, since 6.9 */
#define PIDTYPE_PID 0

/* Fill what is known of the target; the record tells a fault when it is gone. */
static __always_inline void access_target(struct iw_process_memory_access *a, struct task_struct *target)
{
	struct task_struct *leader = NULL;
	struct mnt_namespace *mnt = NULL;
	struct nsproxy *proxy = NULL;
	const struct cred *cred = NULL;
	__u32 err = 0;

	IW_GET(err, a->target_pid, target, tgid);
	IW_GET(err, leader, target, group_leader);
	IW_GET(err, a->target_start_ns, leader, start_boottime);
	IW_GET(err, cred, target, cred);
	IW_GET(err, a->target_uid, cred, uid);
	IW_GET(err, proxy, target, nsproxy);
	if (proxy) {
		IW_GET(err, mnt, proxy, mnt_ns);
		IW_GET(err, a->target_mnt_ns, mnt, ns.inum);
	}
	if (err)
		a->h.flags |= IW_F_READ_FAULT;
}

/*
 * process_vm_readv, process_vm_writev: the target is a number in the caller's namespace. Where the kernel finds a task by number
 * (6.2) the record has all of it; elsewhere only the number, for user space to look up; out of other namespaces nothing.
 */
SEC("tp_btf/sys_exit")
int IW_PROG(iw_do_process_vm)
{
	struct task_struct *task = iw_current(), *leader = NULL, *target = NULL;
	struct iw_process_memory_access *a;
	__u32 err = 0, wanted, level;
	struct iw_call call;

	if (iw_call_begin(ctx, &call) || call.ret < 0)
		return 0;
	wanted = iw_call_arg(&call, 0);
	level = iw_pid_level(task);
	IW_GET(err, leader, task, group_leader);
	if (err || wanted == id_at(task, level) || wanted == id_at(leader, level))
		return 0;
	if (!IW_RESERVE(a, iw_ring_prio, IW_RING_PRIO, IW_KIND_PROCESS_MEMORY_ACCESS, call.hook))
		return 0;
	iw_fill(&a->h, task, IW_KIND_PROCESS_MEMORY_ACCESS);
	a->access_kind = call.hook == IW_HOOK_PROCESS_VM_READV ? IW_ACCESS_VM_READ : IW_ACCESS_VM_WRITE;
	a->target_uid = IW_UNSET;
	if (level) {
		a->h.flags |= IW_F_READ_FAULT;
	} else {
		a->target_pid = wanted;
		if (iw_find_task) {
			target = bpf_task_from_pid(wanted);
			if (target) {
				access_target(a, target);
				bpf_task_release(target);
			}
		}
	}
	IW_SUBMIT(a, iw_ring_prio, IW_RING_PRIO);
	return 0;
}

/* The task that a pid descriptor stands for. */
static __always_inline struct task_struct *pidfd_task(struct file *file)
{
	struct super_block *sb = NULL;
	struct hlist_node *first = NULL;
	struct inode *inode = NULL;
	unsigned long magic = 0;
	struct pid *pid = NULL;
	__u32 err = 0;

	IW_GET(err, inode, file, f_inode);
	IW_GET(err, sb, inode, i_sb);
	IW_GET(err, magic, sb, s_magic);
	if (magic == PIDFS_MAGIC)
		IW_GET(err, pid, inode, i_private);
	else
		IW_GET(err, pid, file, private_data);
	if (err || !pid)
		return NULL;
	IW_GET(err, first, pid, tasks[PIDTYPE_PID].first);
	if (err || !first)
		return NULL;
	return (void *)first - bpf_core_field_offset(struct task_struct, pid_links);
}

SEC("tp_btf/sys_exit")
int IW_PROG(iw_do_pidfd_getfd)
{
	struct task_struct *task = iw_current(), *target;
	struct iw_process_memory_access *a;
	struct iw_call call;
	struct file *file;

	if (iw_call_begin(ctx, &call) || call.ret < 0)
		return 0;
	file = iw_fd_file(task, iw_call_arg(&call, 0));
	target = file ? pidfd_task(file) : NULL;
	if (!IW_RESERVE(a, iw_ring_prio, IW_RING_PRIO, IW_KIND_PROCESS_MEMORY_ACCESS, call.hook))
		return 0;
	iw_fill(&a->h, task, IW_KIND_PROCESS_MEMORY_ACCESS);
	a->access_kind = IW_ACCESS_GET_FD;
	a->target_uid = IW_UNSET;
	if (target)
		access_target(a, target);
	else
		a->h.flags |= IW_F_READ_FAULT;
	IW_SUBMIT(a, iw_ring_prio, IW_RING_PRIO);
	return 0;
}

/*
 * Whoever asks to take hold of a process: ptrace, process_vm_*, pidfd_getfd, /proc/pid/mem. The check of user ids has let them
 * pass, security modules may still refuse. Checks for mere reading (ps, top) are left out.
 */
SEC("fentry/security_ptrace_access_check")
int IW_PROG(iw_ptrace_access, struct task_struct *child, unsigned int mode)
{
	__u32 err = 0, tgid = 0, own = bpf_get_current_pid_tgid() >> 32;
	struct iw_process_memory_access *a;

	if (!(mode & PTRACE_MODE_ATTACH))
		return 0;
	IW_GET(err, tgid, child, tgid);
	if (err || tgid == own)
		return 0;
	if (!IW_RESERVE(a, iw_ring_prio, IW_RING_PRIO, IW_KIND_PROCESS_MEMORY_ACCESS, IW_HOOK_PTRACE_ACCESS))
		return 0;
	iw_fill(&a->h, iw_current(), IW_KIND_PROCESS_MEMORY_ACCESS);
	a->access_kind = IW_ACCESS_CHECK;
	access_target(a, child);
	IW_SUBMIT(a, iw_ring_prio, IW_RING_PRIO);
	return 0;
}

SEC("tp_btf/sys_exit")
int IW_PROG(iw_do_userfaultfd)
{
	struct iw_process_userfaultfd *u;
	struct iw_call call;

	if (iw_call_begin(ctx, &call) || call.ret < 0)
		return 0;
	if (!IW_RESERVE(u, iw_ring_prio, IW_RING_PRIO, IW_KIND_PROCESS_USERFAULTFD, call.hook))
		return 0;
	iw_fill(&u->h, iw_current(), IW_KIND_PROCESS_USERFAULTFD);
	u->userfault_flags = iw_call_arg(&call, 0);
	IW_SUBMIT(u, iw_ring_prio, IW_RING_PRIO);
	return 0;
}
