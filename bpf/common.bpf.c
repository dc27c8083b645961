// SPDX-License-Identifier: GPL-2.0-only
/* Maps, tunables and the parts that every subject shares: header, path walk, watch list, socket. */
#include "include/iw_common.bpf.h"

/* Set by the loader before load: pending bytes at which a sleeping consumer is woken. */
const volatile __u64 iw_ring_wake_bytes[2] = { 1 << 20, 1 << 20 };
/* Some directory is watched for reads of any name: opens for reading look at directories too. */
const volatile __u32 iw_watch_dir_reads = 0;

/* See iw_kernel.bpf.h. */
const volatile __u32 iw_direct_reads = 0;
const volatile __u32 iw_find_task = 0;
const volatile __u32 iw_preemptible = 0;
const volatile __u32 iw_iterators = 0;

/* Consumer position + 1 at the last forced wake-up. */
__u64 iw_woken_at[2] = {};

/* Never read: names every record's type, so that the object's BTF carries the layouts for the loader's check. */
union iw_any_record {
	struct iw_process_exec process_exec;
	struct iw_process_exec_argv process_exec_argv;
	struct iw_process_fork process_fork;
	struct iw_process_exit process_exit;
	struct iw_network_connect network_connect;
	struct iw_network_bind network_bind;
	struct iw_network_listen network_listen;
	struct iw_file_open file_open;
	struct iw_file_rename file_rename;
	struct iw_file_delete file_delete;
	struct iw_credential_change credential_change;
	struct iw_process_ptrace process_ptrace;
	struct iw_process_memfd_create process_memfd_create;
	struct iw_kernel_module_load kernel_module_load;
	struct iw_filesystem_mount filesystem_mount;
	struct iw_process_fd_redirect process_fd_redirect;
	struct iw_kernel_bpf kernel_bpf;
	struct iw_network_xdp_drop network_xdp_drop;
	struct iw_file_link file_link;
	struct iw_file_attribute file_attribute;
	struct iw_file_node file_node;
	struct iw_network_accept network_accept;
	struct iw_network_socket network_socket;
	struct iw_network_filter network_filter;
	struct iw_network_payload network_payload;
	struct iw_network_dns network_dns;
	struct iw_network_tls network_tls;
	struct iw_process_namespace process_namespace;
	struct iw_process_memory_access process_memory_access;
	struct iw_process_memory_exec process_memory_exec;
	struct iw_process_signal process_signal;
	struct iw_process_rename process_rename;
	struct iw_process_cgroup_move process_cgroup_move;
	struct iw_process_compat_syscall process_compat_syscall;
	struct iw_kernel_io_uring kernel_io_uring;
	struct iw_kernel_kexec kernel_kexec;
	struct iw_kernel_perf_event kernel_perf_event;
	struct iw_kernel_port_access kernel_port_access;
	struct iw_credential_key credential_key;
	struct iw_process_userfaultfd process_userfaultfd;
	struct iw_enforcement_decision enforcement_decision;
	struct iw_sensor_flood sensor_flood;
};
union iw_any_record *iw_any_record;

struct iw_ring_prio_map iw_ring_prio SEC(".maps");
struct iw_ring_bulk_map iw_ring_bulk SEC(".maps");
struct iw_stats_map iw_stats SEC(".maps");
struct iw_scratch_map iw_scratch SEC(".maps");
struct iw_path_scratch_map iw_path_scratch SEC(".maps");
struct iw_self_map iw_self SEC(".maps");
struct iw_self_cgroup_map iw_self_cgroup SEC(".maps");
struct iw_protected_map iw_protected SEC(".maps");
struct iw_watch_name_map iw_watch_name SEC(".maps");
struct iw_watch_filter_map iw_watch_filter SEC(".maps");

/* By kind; the loader's default, then whatever user space writes. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, IW_KERNEL_KINDS);
	__type(key, __u32);
	__type(value, struct iw_limit);
} iw_limits SEC(".maps");

/* LRU: a process that was idle long enough to be evicted has its burst back anyway. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct iw_bucket_key);
	__type(value, struct iw_bucket);
} iw_buckets SEC(".maps");

/* Inode number of the pid namespace that `task` lives in (not the one its children will). */
static __always_inline __u32 pid_namespace_inode(struct task_struct *task, __u32 *err)
{
	struct pid_namespace *ns = NULL;
	struct pid *pid = NULL;
	__u32 level = 0, inode = 0;

	IW_GET(*err, pid, task, thread_pid);
	IW_GET(*err, level, pid, level);
	*err |= bpf_probe_read_kernel(&ns, sizeof(ns),
				      (void *)pid + bpf_core_field_offset(struct pid, numbers) +
					      level * bpf_core_type_size(struct upid) +
					      bpf_core_field_offset(struct upid, ns)) != 0;
	IW_GET(*err, inode, ns, ns.inum);
	return inode;
}

__hidden int iw_fill(struct iw_header *h, struct task_struct *task, __u32 kind)
{
	struct task_struct *leader = NULL, *parent = NULL;
	struct mnt_namespace *mnt_ns = NULL;
	struct nsproxy *nsproxy = NULL;
	const struct cred *cred = NULL;
	struct css_set *css = NULL;
	struct cgroup *cgroup = NULL;
	struct kernfs_node *kn = NULL;
	__u32 err = 0, gone = 0, flags = 0;

	h->kind = kind;
	h->cpu = bpf_get_smp_processor_id();
	h->ts_ns = bpf_ktime_get_boot_ns();
	IW_GET(err, flags, task, flags);
	IW_GET(err, h->pid, task, tgid);
	IW_GET(err, h->tid, task, pid);
	IW_GET(err, leader, task, group_leader);
	IW_GET(err, h->start_ns, leader, start_boottime);
	IW_GET(err, parent, task, real_parent);
	IW_GET(err, h->ppid, parent, tgid);
	IW_GET(err, parent, parent, group_leader);
	IW_GET(err, h->parent_start_ns, parent, start_boottime);
	IW_GET(err, cred, task, cred);
	IW_GET(err, h->uid, cred, uid);
	IW_GET(err, h->gid, cred, gid);
	IW_GET(err, h->euid, cred, euid);
	IW_GET(err, css, task, cgroups);
	IW_GET(err, cgroup, css, dfl_cgrp);
	IW_GET(err, kn, cgroup, kn);
	IW_GET(err, h->cgroup_id, kn, id);
	/* An exiting task has given its namespaces back already. */
	IW_GET(err, nsproxy, task, nsproxy);
	IW_GET(gone, mnt_ns, nsproxy, mnt_ns);
	IW_GET(gone, h->mnt_ns, mnt_ns, ns.inum);
	if (nsproxy)
		err |= gone;
	h->pid_ns = pid_namespace_inode(task, &err);
	IW_COPY(err, h->comm, task, comm);
	h->flags = (flags & PF_KTHREAD ? IW_F_KTHREAD : 0) | (err ? IW_F_READ_FAULT : 0);
	return 0;
}

/* One step of the walk is done: prepend the name to the path. Non-zero when there is no room or no name. */
static __always_inline int prepend(struct iw_path_scratch *p, struct dentry *dentry)
{
	const unsigned char *name = NULL;
	__u32 err = 0, len = 0, at = p->at;

	IW_GET(err, len, dentry, d_name.len);
	IW_GET(err, name, dentry, d_name.name);
	if (err || len > IW_NAME_MAX || at <= len + 1)
		return 1;
	at -= len;
	if (bpf_probe_read_kernel(&p->path[iw_masked(at, IW_TEXT_MASK)], iw_masked(len, IW_NAME_MAX), name))
		return 1;
	at--;
	p->path[iw_masked(at, IW_TEXT_MASK)] = '/';
	p->at = at;
	return 0;
}

/* Where a walk stands. Its counts are in the path scratch, so that the verifier does not follow every combination. */
struct walk {
	struct mount *mount;
	struct dentry *dentry;
	struct dentry *root; /* of the mount */
};

static __always_inline void walk_begin(struct walk *w, struct iw_path_scratch *p, __u32 *err)
{
	w->mount = (void *)p->mnt - bpf_core_field_offset(struct mount, mnt);
	w->dentry = (void *)p->dentry;
	IW_GET(*err, w->root, w->mount, mnt.mnt_root);
}

/* From a mount's root to the place it is mounted on; non-zero at the top. */
static __always_inline int walk_out(struct walk *w, __u32 *err)
{
	struct mount *above = NULL;

	IW_GET(*err, above, w->mount, mnt_parent);
	if (*err || !above || above == w->mount)
		return 1;
	IW_GET(*err, w->dentry, w->mount, mnt_mountpoint);
	w->mount = above;
	IW_GET(*err, w->root, w->mount, mnt.mnt_root);
	return 0;
}

/* One component or one crossing of a mount; non-zero when there is nothing above. */
static __always_inline int walk_step(struct walk *w, struct iw_path_scratch *p, __u32 *err)
{
	struct dentry *parent = NULL;
	struct inode *inode = NULL;
	unsigned short mode = 0;

	/* The mounted root's mode counts, not the mode of the directory it covers. */
	if (p->depth - 1 < 3 && !p->covered) {
		IW_GET(*err, inode, w->dentry, d_inode);
		IW_GET(*err, mode, inode, i_mode);
		if (mode & S_IWOTH)
			p->seen |= IW_SEEN_WORLD_WRITABLE;
	}
	if (*err)
		return 1;
	if (w->dentry == w->root) {
		p->covered = 1;
		return walk_out(w, err);
	}
	p->covered = 0;
	IW_GET(*err, parent, w->dentry, d_parent);
	if (*err || !parent || prepend(p, w->dentry)) {
		p->seen |= IW_SEEN_PARTIAL;
		return 1;
	}
	if (parent == w->dentry) {
		p->seen |= IW_SEEN_DETACHED;
		return 1;
	}
	w->dentry = parent;
	p->depth++;
	return 0;
}

__noinline int iw_walk(void)
{
	struct iw_path_scratch *p;
	__u32 err = 0, zero = 0;
	struct walk w;

	p = bpf_map_lookup_elem(&iw_path_scratch, &zero);
	if (!p)
		return IW_PATH_MAX;
	p->at = IW_PATH_MAX;
	p->seen = 0;
	p->depth = 0;
	p->covered = 0;
	p->ended = 0;
	walk_begin(&w, p, &err);
	IW_REPEAT(turn, IW_WALK_MAX, p->ended = walk_step(&w, p, &err));
	if (!p->ended)
		p->seen |= IW_SEEN_PARTIAL;
	if (err)
		p->seen |= IW_SEEN_FAULT | IW_SEEN_PARTIAL;
	if (p->at == IW_PATH_MAX && !err) {
		p->at = IW_PATH_MAX - 1;
		p->path[IW_PATH_MAX - 1] = '/';
	}
	return (p->at & IW_SEEN_OFFSET) | p->seen;
}

__noinline int iw_watched_text(__u32 start, __u32 len)
{
	struct iw_key key = {};
	struct iw_path_scratch *p;
	__u32 zero = 0;

	p = bpf_map_lookup_elem(&iw_path_scratch, &zero);
	if (!p || !len)
		return 0;
	if (len > IW_KEY_BYTES)
		len = IW_KEY_BYTES;
	if (bpf_probe_read_kernel(&key, iw_masked(len - 1, IW_KEY_BYTES - 1) + 1,
				  &p->text[iw_masked(start, IW_TEXT_MASK)]))
		return 0;
	return iw_watched(&key);
}

/* One component or one crossing of a mount; non-zero when that was the last one to look at. Adds to `found`. */
static __always_inline int above_step(struct walk *w, __u32 *level, __u32 levels, __u32 *found)
{
	struct dentry *parent = NULL;
	__u32 err = 0, flags;

	if (w->dentry == w->root)
		return walk_out(w, &err);
	if (*level) {
		flags = iw_watched_dentry(w->dentry);
		if (flags & IW_WATCH_DIR)
			*found |= flags;
	}
	if (*level >= levels)
		return 1;
	IW_GET(err, parent, w->dentry, d_parent);
	if (err || !parent || parent == w->dentry)
		return 1;
	w->dentry = parent;
	++*level;
	return 0;
}

__noinline int iw_watched_above(__u32 self, __u32 levels)
{
	struct iw_path_scratch *p;
	__u32 err = 0, zero = 0, level = self, found = 0;
	struct walk w;

	p = bpf_map_lookup_elem(&iw_path_scratch, &zero);
	if (!p)
		return 0;
	walk_begin(&w, p, &err);
	IW_REPEAT(turn, 8, above_step(&w, &level, levels, &found));
	return found;
}

__noinline __u64 iw_file_sock(__u64 at)
{
	struct file *file = (void *)at;
	struct super_block *sb = NULL;
	struct inode *inode = NULL;
	struct socket *socket = NULL;
	struct sock *sk = NULL;
	unsigned long magic = 0;
	unsigned short mode = 0;
	__u32 err = 0;

	IW_GET(err, inode, file, f_inode);
	IW_GET(err, mode, inode, i_mode);
	if (err || (mode & S_IFMT) != S_IFSOCK)
		return 0;
	/* A path descriptor of a unix socket's file has the mode too, but no socket behind it. */
	IW_GET(err, sb, inode, i_sb);
	IW_GET(err, magic, sb, s_magic);
	IW_GET(err, socket, file, private_data);
	if (err || magic != SOCKFS_MAGIC || !socket)
		return 0;
	/* Through the helper: a number to the verifier, as the caller wants it. */
	IW_COPY(err, sk, socket, sk);
	return err ? 0 : (__u64)sk;
}

static __always_inline void tell_flood(__u32 kind, __u64 suppressed)
{
	struct iw_sensor_flood *f;

	if (!IW_RESERVE(f, iw_ring_prio, IW_RING_PRIO, IW_KIND_SENSOR_FLOOD, IW_HOOK_FLOOD))
		return;
	iw_fill(&f->h, iw_current(), IW_KIND_SENSOR_FLOOD);
	f->suppressed = suppressed;
	f->flood_kind = kind;
	IW_SUBMIT(f, iw_ring_prio, IW_RING_PRIO);
}

/*
 * The bucket as one time (generic cell rate algorithm): each record moves `due` one period on, and may not move it further than
 * the burst ahead of now. Two CPUs at once may let one record more through; what is held back is counted exactly.
 */
__noinline int iw_allow(__u32 tgid, __u32 kind)
{
	struct iw_bucket_key key = { .tgid = tgid, .kind = kind };
	struct iw_bucket first = {}, *bucket;
	struct iw_counters *c = iw_count();
	struct iw_limit *limit;
	__u64 now, due;

	limit = bpf_map_lookup_elem(&iw_limits, &kind);
	if (!limit || !limit->period_ns || !c || kind >= IW_KERNEL_KINDS)
		return 1;
	now = bpf_ktime_get_boot_ns();
	bucket = bpf_map_lookup_elem(&iw_buckets, &key);
	if (!bucket) {
		first.due_ns = now + limit->period_ns;
		bpf_map_update_elem(&iw_buckets, &key, &first, BPF_ANY);
		return 1;
	}
	due = bucket->due_ns > now ? bucket->due_ns : now;
	if (due + limit->period_ns - now <= limit->burst_ns) {
		bucket->due_ns = due + limit->period_ns;
		return 1;
	}
	c->suppressed[iw_masked(kind, IW_KERNEL_KINDS - 1)]++;
	__sync_fetch_and_add(&bucket->suppressed, 1);
	if (now - bucket->told_ns >= IW_FLOOD_EVERY_NS) {
		bucket->told_ns = now;
		tell_flood(kind, bucket->suppressed);
	}
	return 0;
}
