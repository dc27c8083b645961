// SPDX-License-Identifier: GPL-2.0-only
/*
 * Namespaces made or entered, and new roots. What a process got is told, not what it asked for in memory that another
 * thread can rewrite: of clone and clone3 the child's namespaces are compared with its parent's.
 */
#include "include/iw_call.bpf.h"

#define CLONE_NEWTIME 0x00000080 /* include/uapi/linux/sched.h */
#define CLONE_NEWNS 0x00020000
#define CLONE_NEWCGROUP 0x02000000
#define CLONE_NEWUTS 0x04000000
#define CLONE_NEWIPC 0x08000000
#define CLONE_NEWUSER 0x10000000
#define CLONE_NEWPID 0x20000000
#define CLONE_NEWNET 0x40000000
#define IW_CLONE_NEW                                                                                         \
	(CLONE_NEWTIME | CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |       \
	 CLONE_NEWPID | CLONE_NEWNET)
#define NSFS_MAGIC 0x6e736673 /* include/uapi/linux/magic.h */
#define IW_BORN 1024

struct iw_born {
	__u32 flags; /* CLONE_NEW* of the namespaces that the child does not share */
	__u32 child_pid;
	__u32 user_ns;
	__u32 net_ns;
};

/* Thread -> the child in new namespaces that it is making: from the child's birth to the end of the call. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, IW_BORN);
	__type(key, __u64);
	__type(value, struct iw_born);
} iw_births SEC(".maps");

/* Inodes of the user and network namespaces of `task`; non-zero on a fault. */
static __always_inline __u32 namespaces_of(struct task_struct *task, __u32 *user_ns, __u32 *net_ns)
{
	struct user_namespace *user = NULL;
	struct nsproxy *proxy = NULL;
	const struct cred *cred = NULL;
	struct net *net = NULL;
	__u32 err = 0;

	IW_GET(err, cred, task, cred);
	IW_GET(err, user, cred, user_ns);
	IW_GET(err, *user_ns, user, ns.inum);
	IW_GET(err, proxy, task, nsproxy);
	IW_GET(err, net, proxy, net_ns);
	IW_GET(err, *net_ns, net, ns.inum);
	return err;
}

#define IW_DIFFERS(err, one, other, member, flag)       \
	({                                              \
		void *a_ = NULL, *b_ = NULL;            \
		IW_GET(err, a_, one, member);           \
		IW_GET(err, b_, other, member);         \
		a_ != b_ ? (flag) : 0;                  \
	})

/* At a birth (process.bpf.c): remember namespaces that the child has for itself. Most children share all of them. */
static __always_inline void iw_namespaces_born(struct task_struct *parent, struct task_struct *child, __u32 tgid)
{
	const struct cred *of_parent = NULL, *of_child = NULL;
	struct nsproxy *old = NULL, *new = NULL;
	struct iw_born born = {};
	__u32 err = 0;
	__u64 id;

	IW_GET(err, old, parent, nsproxy);
	IW_GET(err, new, child, nsproxy);
	IW_GET(err, of_parent, parent, cred);
	IW_GET(err, of_child, child, cred);
	if (of_parent != of_child)
		born.flags |= IW_DIFFERS(err, of_parent, of_child, user_ns, CLONE_NEWUSER);
	if (old != new && old && new) {
		born.flags |= IW_DIFFERS(err, old, new, mnt_ns, CLONE_NEWNS);
		born.flags |= IW_DIFFERS(err, old, new, uts_ns, CLONE_NEWUTS);
		born.flags |= IW_DIFFERS(err, old, new, ipc_ns, CLONE_NEWIPC);
		born.flags |= IW_DIFFERS(err, old, new, net_ns, CLONE_NEWNET);
		born.flags |= IW_DIFFERS(err, old, new, cgroup_ns, CLONE_NEWCGROUP);
		born.flags |= IW_DIFFERS(err, old, new, pid_ns_for_children, CLONE_NEWPID);
		born.flags |= IW_DIFFERS(err, old, new, time_ns_for_children, CLONE_NEWTIME);
	}
	if (err || !born.flags)
		return;
	born.child_pid = tgid;
	if (namespaces_of(child, &born.user_ns, &born.net_ns))
		return;
	id = bpf_get_current_pid_tgid();
	bpf_map_update_elem(&iw_births, &id, &born, BPF_ANY);
}

/* clone, clone3: at the parent's return. */
SEC("tp_btf/sys_exit")
int IW_PROG(iw_do_clone)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct iw_process_namespace *n;
	struct iw_born *found, born;
	struct iw_call call;

	if (iw_call_begin(ctx, &call) || call.ret <= 0)
		return 0;
	found = bpf_map_lookup_elem(&iw_births, &id);
	if (!found)
		return 0;
	born = *found;
	bpf_map_delete_elem(&iw_births, &id);
	if (!IW_RESERVE(n, iw_ring_prio, IW_RING_PRIO, IW_KIND_PROCESS_NAMESPACE, call.hook))
		return 0;
	iw_fill(&n->h, iw_current(), IW_KIND_PROCESS_NAMESPACE);
	n->namespace_call = call.hook;
	n->namespace_flags = born.flags;
	n->child_pid = born.child_pid;
	n->user_ns = born.user_ns;
	n->net_ns = born.net_ns;
	IW_SUBMIT(n, iw_ring_prio, IW_RING_PRIO);
	return 0;
}

/* CLONE_NEW* of the namespace that a descriptor stands for; 0 when it stands for a process. */
static __always_inline __u32 namespace_type(struct file *file)
{
	const struct proc_ns_operations *ops = NULL;
	struct super_block *sb = NULL;
	struct ns_common *ns = NULL;
	struct inode *inode = NULL;
	unsigned long magic = 0;
	__u32 err = 0, type = 0;

	IW_GET(err, inode, file, f_inode);
	IW_GET(err, sb, inode, i_sb);
	IW_GET(err, magic, sb, s_magic);
	if (err || magic != NSFS_MAGIC)
		return 0;
	IW_GET(err, ns, inode, i_private);
	if (bpf_core_field_exists(ns->ns_type)) {
		IW_GET(err, type, ns, ns_type);
	} else {
		IW_GET(err, ops, ns, ops);
		IW_GET(err, type, ops, type);
	}
	return err ? 0 : type;
}

/* unshare, setns. */
SEC("tp_btf/sys_exit")
int IW_PROG(iw_do_namespace)
{
	struct task_struct *task = iw_current();
	struct iw_process_namespace *n;
	struct iw_call call;
	__u32 flags;

	if (iw_call_begin(ctx, &call) || call.ret)
		return 0;
	if (call.hook == IW_HOOK_UNSHARE) {
		flags = iw_call_arg(&call, 0) & IW_CLONE_NEW;
		if (!flags)
			return 0;
	} else {
		flags = iw_call_arg(&call, 1);
		if (!flags)
			flags = namespace_type(iw_fd_file(task, iw_call_arg(&call, 0)));
	}
	if (!IW_RESERVE(n, iw_ring_prio, IW_RING_PRIO, IW_KIND_PROCESS_NAMESPACE, call.hook))
		return 0;
	iw_fill(&n->h, task, IW_KIND_PROCESS_NAMESPACE);
	n->namespace_call = call.hook;
	n->namespace_flags = flags;
	if (namespaces_of(task, &n->user_ns, &n->net_ns))
		n->h.flags |= IW_F_READ_FAULT;
	IW_SUBMIT(n, iw_ring_prio, IW_RING_PRIO);
	return 0;
}

/* chroot: the root that the process has now. pivot_root: the text, because that directory's own path is "/" now. */
SEC("tp_btf/sys_exit")
int IW_PROG(iw_do_root)
{
	struct task_struct *task = iw_current();
	struct iw_counters *c = iw_count();
	struct iw_process_namespace *n;
	struct dentry *dentry = NULL;
	struct vfsmount *mnt = NULL;
	__u32 err, pos, seen = 0;
	struct fs_struct *fs = NULL;
	struct iw_scratch *s;
	struct iw_call call;

	if (iw_call_begin(ctx, &call) || call.ret || !c)
		return 0;
	s = iw_take(c, IW_KIND_PROCESS_NAMESPACE);
	if (!s)
		return 0;
	n = (struct iw_process_namespace *)s->record;
	__builtin_memset(n, 0, sizeof(*n));
	iw_fill(&n->h, task, IW_KIND_PROCESS_NAMESPACE);
	n->namespace_call = call.hook;
	err = namespaces_of(task, &n->user_ns, &n->net_ns);
	pos = sizeof(*n);
	if (call.hook == IW_HOOK_PIVOT_ROOT) {
		n->h.flags |= IW_F_PATH_FROM_ARG;
		pos = IW_APPEND_TEXT(s, pos, &n->path, (void *)iw_call_arg(&call, 0), IW_PATH_MAX,
				     bpf_probe_read_user_str);
	} else {
		IW_GET(err, fs, task, fs);
		IW_GET(err, mnt, fs, root.mnt);
		IW_GET(err, dentry, fs, root.dentry);
		if (!err)
			pos = iw_append_path(s, pos, &n->path, &n->h, mnt, dentry, &seen);
	}
	if (err || !n->path.len)
		n->h.flags |= IW_F_READ_FAULT;
	iw_output(c, s, pos, IW_KIND_PROCESS_NAMESPACE, call.hook, &iw_ring_prio, IW_RING_PRIO);
	iw_release(c);
	return 0;
}
