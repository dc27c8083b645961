// SPDX-License-Identifier: GPL-2.0-only
/* Processes: exec from the new image's own objects, birth, death, ptrace, memfd_create, stdio redirection. */
#include "include/iw_common.bpf.h"
#include "include/iw_call.bpf.h"

/* ptrace requests that take hold of, or write into, another process (include/uapi/linux/ptrace.h). */
#define PTRACE_TRACEME 0
#define PTRACE_POKETEXT 4
#define PTRACE_POKEDATA 5
#define PTRACE_POKEUSR 6
#define PTRACE_SETREGS 13
#define PTRACE_SETFPREGS 15
#define PTRACE_ATTACH 16
#define PTRACE_SETREGSET 0x4205
#define PTRACE_SEIZE 0x4206
#define IW_CGROUP_PARTS 8 /* last components of a cgroup's path */
#define IW_ENV_BLOCK 2048 /* bytes of the environment looked at together */
#define IW_ENV_BLOCKS 8
#define IW_ENV_STEP 64
#define IW_BYTES(byte) ((byte)*0x0101010101010101ULL)
#define IW_WORD_LD_PRELOAD 0x4f4c4552505f444cULL /* "LD_PRELO", little-endian */
#define IW_WORD_LD_AUDIT 0x54494455415f444cULL	 /* "LD_AUDIT" */
#define IW_WORD_LD_LIBRARY 0x415242494c5f444cULL /* "LD_LIBRA" */
#define F_DUPFD 0 /* include/uapi/linux/fcntl.h */
#define F_DUPFD_CLOEXEC 1030
#define IW_PTRACED_MAX 32 /* tracees looked at to find the one meant */

/* Peer of a socket into an ip/port/family triple of a record. */
static __always_inline void peer_of(struct sock *sk, __u8 *ip, __u16 *port, __u16 *family)
{
	__u32 err = 0, address = 0;
	struct in6_addr address6 = {};
	__u16 raw_port = 0, raw_family = 0;

	IW_GET(err, raw_family, sk, __sk_common.skc_family);
	*family = raw_family;
	if (raw_family == AF_INET) {
		IW_GET(err, address, sk, __sk_common.skc_daddr);
		iw_ip4(ip, address);
	} else if (raw_family == AF_INET6) {
		IW_COPY(err, address6, sk, __sk_common.skc_v6_daddr);
		__builtin_memcpy(ip, &address6, 16);
	} else {
		return;
	}
	IW_GET(err, raw_port, sk, __sk_common.skc_dport);
	*port = bpf_ntohs(raw_port);
}

static __always_inline void exec_stdio(struct iw_process_exec *e, struct task_struct *task)
{
	struct inode *inode = NULL;
	unsigned short mode = 0;
	struct file *file;
	struct sock *sk;
	__u32 err = 0;

	file = iw_fd_file(task, 0);
	IW_GET(err, inode, file, f_inode);
	IW_GET(err, mode, inode, i_mode);
	if (!err && (mode & S_IFMT) == S_IFIFO)
		e->exec_flags |= IW_EXEC_STDIN_PIPE;
	/* Unrolled by hand: the flag is a constant of each position. */
#define IW_STDIO(fd, flag)                                                                           \
	file = iw_fd_file(task, fd);                                                                 \
	sk = (struct sock *)iw_file_sock((__u64)file);                                                     \
	if (sk) {                                                                                    \
		e->exec_flags |= flag;                                                               \
		if (!e->stdio_peer_family)                                                           \
			peer_of(sk, e->stdio_peer_ip, &e->stdio_peer_port, &e->stdio_peer_family);   \
	}
	IW_STDIO(0, IW_EXEC_STDIN_SOCKET)
	IW_STDIO(1, IW_EXEC_STDOUT_SOCKET)
	IW_STDIO(2, IW_EXEC_STDERR_SOCKET)
#undef IW_STDIO
}

static __always_inline void exec_identity(struct iw_process_exec *e, struct task_struct *task)
{
	struct signal_struct *signal = NULL;
	struct tty_struct *tty = NULL;
	struct tty_driver *driver = NULL;
	struct user_namespace *user_ns = NULL;
	struct nsproxy *nsproxy = NULL;
	struct net *net = NULL;
	const struct cred *cred = NULL;
	__u32 err = 0;
	int major = 0, minor = 0, index = 0;

	e->login_uid = IW_UNSET;
	e->session_id = IW_UNSET;
	if (bpf_core_field_exists(task->loginuid))
		IW_GET(err, e->login_uid, task, loginuid);
	if (bpf_core_field_exists(task->sessionid))
		IW_GET(err, e->session_id, task, sessionid);
	IW_GET(err, cred, task, cred);
	IW_COPY(err, e->cap_effective, cred, cap_effective);
	IW_COPY(err, e->cap_permitted, cred, cap_permitted);
	IW_GET(err, user_ns, cred, user_ns);
	IW_GET(err, e->user_ns, user_ns, ns.inum);
	IW_GET(err, nsproxy, task, nsproxy);
	IW_GET(err, net, nsproxy, net_ns);
	IW_GET(err, e->net_ns, net, ns.inum);
	IW_GET(err, signal, task, signal);
	IW_GET(err, tty, signal, tty);
	if (tty) {
		IW_GET(err, driver, tty, driver);
		IW_GET(err, index, tty, index);
		IW_GET(err, major, driver, major);
		IW_GET(err, minor, driver, minor_start);
		e->tty_dev = (__u32)major << 20 | (__u32)(minor + index);
	}
	if (err)
		e->h.flags |= IW_F_READ_FAULT;
}

/* Is the inode an overlay's, with a copy in the upper layer? */
static __always_inline int overlay_upper(struct inode *inode, struct super_block *sb)
{
	struct dentry *upper = NULL;
	unsigned long magic = 0;
	__u32 err = 0;
	struct ovl_inode *ovl = NULL;

	if (!bpf_core_field_exists(ovl->__upperdentry))
		return 0;
	IW_GET(err, magic, sb, s_magic);
	if (err || magic != OVERLAYFS_MAGIC)
		return 0;
	ovl = (void *)inode - bpf_core_field_offset(struct ovl_inode, vfs_inode);
	IW_COPY(err, upper, ovl, __upperdentry);
	return upper != NULL;
}

/* The executed file: identity, mode bits and path. Returns the next free position. */
static __always_inline __u32 exec_file(struct iw_scratch *s, struct iw_process_exec *e, __u32 pos,
				       struct linux_binprm *bprm)
{
	struct super_block *sb = NULL;
	struct dentry *dentry = NULL;
	struct vfsmount *mnt = NULL;
	struct inode *inode = NULL;
	struct file *file = NULL;
	unsigned short mode = 0;
	__u32 err = 0, seen = 0;

	IW_GET(err, file, bprm, file);
	IW_GET(err, inode, file, f_inode);
	IW_GET(err, mnt, file, f_path.mnt);
	IW_GET(err, dentry, file, f_path.dentry);
	IW_GET(err, sb, inode, i_sb);
	IW_GET(err, e->exe_inode, inode, i_ino);
	IW_GET(err, e->exe_dev, sb, s_dev);
	IW_GET(err, mode, inode, i_mode);
	IW_GET(err, e->exe_uid, inode, i_uid);
	IW_GET(err, e->exe_gid, inode, i_gid);
	IW_GET(err, e->exe_nlink, inode, i_nlink);
	if (err) {
		e->h.flags |= IW_F_READ_FAULT;
		return pos;
	}
	e->exe_mode = mode;
	if (mode & S_ISUID)
		e->exec_flags |= IW_EXEC_SETUID;
	/* Without group execute the bit means mandatory locking, not privilege. */
	if ((mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
		e->exec_flags |= IW_EXEC_SETGID;
	if (!e->exe_nlink)
		e->exec_flags |= IW_EXEC_DELETED;
	if (overlay_upper(inode, sb))
		e->exec_flags |= IW_EXEC_OVERLAY_UPPER;
	pos = iw_append_path(s, pos, &e->exe_path, &e->h, mnt, dentry, &seen);
	if (seen & IW_SEEN_WORLD_WRITABLE)
		e->exec_flags |= IW_EXEC_DIR_WORLD_WRITABLE;
	if ((seen & IW_SEEN_DETACHED) && !e->exe_nlink && iw_memfd_name(dentry))
		e->exec_flags |= IW_EXEC_MEMFD;
	return pos;
}

/* Name as passed, and how it was passed. */
static __always_inline __u32 exec_name(struct iw_scratch *s, struct iw_process_exec *e, __u32 pos,
				       struct linux_binprm *bprm)
{
	const char *filename = NULL, *interp = NULL, *fdpath = NULL;
	__u32 err = 0;

	IW_GET(err, filename, bprm, filename);
	IW_GET(err, interp, bprm, interp);
	if (bpf_core_field_exists(bprm->fdpath))
		IW_GET(err, fdpath, bprm, fdpath);
	if (interp != filename)
		e->exec_flags |= IW_EXEC_SCRIPT;
	if (fdpath)
		e->exec_flags |= IW_EXEC_FROM_FD;
	pos = IW_APPEND_TEXT(s, pos, &e->filename, filename, IW_PATH_MAX, bpf_probe_read_kernel_str);
	if (err || !e->filename.len)
		e->h.flags |= IW_F_READ_FAULT;
	return pos;
}

static __always_inline struct kernfs_node *cgroup_parent(struct kernfs_node *kn)
{
	struct kernfs_node___rcu *newer = (void *)kn;
	struct kernfs_node *parent = NULL;
	__u32 err = 0;

	if (bpf_core_field_exists(newer->__parent))
		IW_COPY(err, parent, newer, __parent);
	else
		IW_COPY(err, parent, kn, parent);
	return err ? NULL : parent;
}

static __always_inline __u32 exec_cwd(struct iw_scratch *s, struct iw_process_exec *e, __u32 pos,
				      struct task_struct *task)
{
	struct dentry *dentry = NULL;
	struct vfsmount *mnt = NULL;
	struct fs_struct *fs = NULL;
	__u32 err = 0, seen = 0;

	IW_GET(err, fs, task, fs);
	IW_GET(err, mnt, fs, pwd.mnt);
	IW_GET(err, dentry, fs, pwd.dentry);
	if (err) {
		e->h.flags |= IW_F_READ_FAULT;
		return pos;
	}
	return iw_append_path(s, pos, &e->cwd, &e->h, mnt, dentry, &seen);
}

/* Cgroup that tells the container: v2's, or on a host that keeps version 1 the pids or memory hierarchy's. */
static __always_inline struct kernfs_node *exec_cgroup(struct task_struct *task)
{
	struct cgroup_subsys_state *state = NULL;
	struct css_set *css = NULL;
	struct cgroup *cgroup = NULL;
	struct kernfs_node *kn = NULL, *parent;
	__u32 err = 0;

	IW_GET(err, css, task, cgroups);
	IW_GET(err, cgroup, css, dfl_cgrp);
	IW_GET(err, kn, cgroup, kn);
	if (err)
		return NULL;
	parent = cgroup_parent(kn);
	if (parent)
		return kn;
#define IW_HIERARCHY(id)                                                                            \
	if (bpf_core_enum_value_exists(enum cgroup_subsys_id, id)) {                                \
		bpf_probe_read_kernel(&state, sizeof(state),                                        \
				      (void *)css + bpf_core_field_offset(struct css_set, subsys) + \
					      bpf_core_enum_value(enum cgroup_subsys_id, id) * sizeof(state)); \
		IW_GET(err, cgroup, state, cgroup);                                                 \
		IW_GET(err, kn, cgroup, kn);                                                        \
		if (!err && cgroup_parent(kn))                                                      \
			return kn;                                                                  \
	}
	IW_HIERARCHY(pids_cgrp_id)
	IW_HIERARCHY(memory_cgrp_id)
#undef IW_HIERARCHY
	return NULL;
}

/* Its last components, built from their end in the path scratch. Returns the first byte's offset; IW_PATH_MAX: none. */
__noinline int iw_cgroup_walk(void)
{
	struct kernfs_node *kn = exec_cgroup(iw_current()), *parent;
	const char *name = NULL;
	struct iw_path_scratch *p;
	__u32 err = 0, zero = 0, at = IW_PATH_MAX;
	long length;
	int i;

	p = bpf_map_lookup_elem(&iw_path_scratch, &zero);
	if (!p)
		return IW_PATH_MAX;
#pragma clang loop unroll(disable)
	for (i = 0; i < IW_CGROUP_PARTS; i++) {
		if (!kn)
			break;
		parent = cgroup_parent(kn);
		if (!parent)
			break;
		IW_GET(err, name, kn, name);
		length = bpf_probe_read_kernel_str(p->text, IW_NAME_MAX + 1, name);
		if (err || length <= 1 || length > IW_NAME_MAX + 1)
			break;
		if (at < IW_PATH_MAX) {
			at--;
			p->path[iw_masked(at, IW_TEXT_MASK)] = '/';
		}
		at -= length - 1;
		if (bpf_probe_read_kernel(&p->path[iw_masked(at, IW_TEXT_MASK)], iw_masked(length - 1, IW_NAME_MAX),
					  p->text))
			break;
		kn = parent;
	}
	return at & IW_SEEN_OFFSET;
}

static __always_inline __u32 exec_cgroup_path(struct iw_scratch *s, struct iw_process_exec *e, __u32 pos)
{
	__u32 zero = 0, start = iw_cgroup_walk();
	struct iw_path_scratch *p = bpf_map_lookup_elem(&iw_path_scratch, &zero);

	if (!p || start >= IW_PATH_MAX)
		return pos;
	return IW_APPEND(s, pos, &e->cgroup_path, &p->path[iw_masked(start, IW_TEXT_MASK)], IW_PATH_MAX - start,
			 IW_PATH_MAX, bpf_probe_read_kernel);
}

/* What the variable whose name begins at `at` of the block in p->path makes the loader do. */
__noinline int iw_env_name(__u32 at)
{
	struct iw_path_scratch *p;
	__u32 zero = 0;
	__u64 head;

	p = bpf_map_lookup_elem(&iw_path_scratch, &zero);
	if (!p)
		return 0;
	head = *(__u64 *)&p->path[iw_masked(at, IW_TEXT_MASK)];
	if (head == IW_WORD_LD_PRELOAD || head == IW_WORD_LD_AUDIT)
		return IW_EXEC_LD_PRELOAD;
	return head == IW_WORD_LD_LIBRARY ? IW_EXEC_LD_LIBRARY_PATH : 0;
}

/* Every byte of the word that is zero becomes 0x80 (and sometimes one above it: a filter, not an answer). */
static __always_inline __u64 zero_bytes(__u64 word)
{
	return (word - IW_BYTES(1)) & ~word & IW_BYTES(0x80);
}

/* What begins in the eight bytes at `at` of the block. */
static __always_inline __u32 env_word(struct iw_path_scratch *p, __u32 at)
{
	__u64 word = *(__u64 *)&p->path[iw_masked(at, IW_ENV_BLOCK - 8)], ends = zero_bytes(word);
	__u32 k, flags = 0;

	/* An end before an 'L', or as the last byte, behind which anything may begin. */
	if (!((ends << 8) & zero_bytes(word ^ IW_BYTES('L'))) && !(ends >> 63))
		return 0;
#pragma clang loop unroll(disable)
	for (k = 1; k <= 8; k++) {
		if (!(word & 0xff))
			flags |= iw_env_name(at + k);
		word >>= 8;
	}
	return flags;
}

/* The next eight bytes; non-zero at the block's end. */
static __always_inline int env_step(struct iw_path_scratch *p, __u32 size, __u32 at, __u32 *flags)
{
	if (at >= size)
		return 1;
	*flags |= env_word(p, at);
	return 0;
}

/* The next IW_ENV_STEP bytes: a turn of an iterator costs more than a word. */
static __always_inline int env_steps(struct iw_path_scratch *p, __u32 size, __u32 at, __u32 *flags)
{
	__u32 i;

	if (at >= size)
		return 1;
#pragma clang loop unroll(full)
	for (i = 0; i < IW_ENV_STEP; i += 8)
		*flags |= env_word(p, at + i);
	return 0;
}

/* The same for the block's variables but the first: a NUL, then a name. `size` bytes are there. */
__noinline int iw_env_block(__u32 size)
{
	struct iw_path_scratch *p;
	__u32 zero = 0, flags = 0;

	p = bpf_map_lookup_elem(&iw_path_scratch, &zero);
	if (!p)
		return 0;
	if (iw_iterators)
		IW_ITERATE(turn, IW_ENV_BLOCK / IW_ENV_STEP, env_steps(p, size, turn * IW_ENV_STEP, &flags));
	else
		IW_LOOP(turn, IW_ENV_BLOCK / 8, env_step(p, size, turn * 8, &flags));
	return flags;
}

/* Does the new image's environment name a library to load, or where to look for them? Its first 16 KiB. */
__noinline int iw_env_flags(__u64 start, __u64 end)
{
	struct iw_path_scratch *p;
	__u32 zero = 0, flags = 0;
	__u64 size;
	int i;

	p = bpf_map_lookup_elem(&iw_path_scratch, &zero);
	if (!p)
		return 0;
#pragma clang loop unroll(disable)
	for (i = 0; i < IW_ENV_BLOCKS; i++) {
		if (start >= end)
			break;
		size = end - start;
		/* A name that begins at the block's end is looked at there, so its first bytes come along. */
		if (size > IW_ENV_BLOCK + 8)
			size = IW_ENV_BLOCK + 8;
		if (bpf_probe_read_user(p->path, iw_masked(size, IW_TEXT_MASK), (void *)start))
			break;
		*(__u64 *)&p->path[iw_masked(size, IW_TEXT_MASK)] = 0;
		if (i == 0)
			flags |= iw_env_name(0);
		flags |= iw_env_block(size);
		start += IW_ENV_BLOCK;
	}
	return flags;
}

struct argv_rest {
	__u64 start; /* user address of all of it */
	__u32 total;
	__u32 offset;
	__u32 delivered;
};

/* One record of one chunk; non-zero at the end. */
static __always_inline int send_chunk(struct iw_counters *c, struct iw_scratch *s, struct argv_rest *r)
{
	struct iw_process_exec_argv *a = (struct iw_process_exec_argv *)s->record;
	__u32 size, pos;

	if (r->offset >= r->total)
		return 1;
	size = r->total - r->offset;
	if (size > IW_ARGV_CHUNK)
		size = IW_ARGV_CHUNK;
	__builtin_memset(a, 0, sizeof(*a));
	iw_fill(&a->h, iw_current(), IW_KIND_PROCESS_EXEC_ARGV);
	a->argv_offset = r->offset;
	a->argv_len = r->total;
	pos = IW_APPEND(s, sizeof(*a), &a->argv, (void *)r->start + r->offset, size, IW_ARGV_CHUNK, bpf_probe_read_user);
	if (a->argv.len &&
	    !iw_output(c, s, pos, IW_KIND_PROCESS_EXEC_ARGV, IW_HOOK_SCHED_EXEC, &iw_ring_prio, IW_RING_PRIO))
		r->delivered += a->argv.len;
	r->offset += size;
	return 0;
}

/* Send argv beyond the first chunk, one record a chunk; returns the bytes delivered. The caller holds the scratch. */
__noinline int iw_argv_rest(__u64 start, __u32 total)
{
	struct argv_rest rest = { .start = start, .total = total, .offset = IW_ARGV_CHUNK };
	struct iw_counters *c = iw_count();
	struct iw_scratch *s;
	__u32 zero = 0;

	s = bpf_map_lookup_elem(&iw_scratch, &zero);
	if (!s || !c)
		return 0;
	IW_REPEAT(turn, IW_ARGV_MAX / IW_ARGV_CHUNK - 1, send_chunk(c, s, &rest));
	return rest.delivered;
}

/* Mode of the executed file, or of the one whose set-user-id bit counts; all bits when it cannot be read. */
static __always_inline __u32 file_mode(struct linux_binprm *bprm, int of_executable)
{
	struct inode *inode = NULL;
	struct file *file = NULL;
	unsigned short mode = 0;
	__u32 err = 0;

	if (of_executable)
		IW_GET(err, file, bprm, executable);
	else
		IW_GET(err, file, bprm, file);
	if (!file)
		return of_executable ? 0 : ~0u;
	IW_GET(err, inode, file, f_inode);
	IW_GET(err, mode, inode, i_mode);
	return err ? ~0u : mode;
}

SEC("tp_btf/sched_process_exec")
int IW_PROG(iw_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	struct iw_counters *c = iw_count();
	unsigned long start = 0, end = 0, env = 0, env_end = 0;
	struct mm_struct *mm = NULL;
	struct iw_process_exec *e;
	__u32 err = 0, pos, total = 0, rest = 0, first;
	struct iw_scratch *s;

	if (!c)
		return 0;
	s = iw_take(c, IW_KIND_PROCESS_EXEC);
	if (!s)
		return 0;
	IW_GET(err, mm, task, mm);
	IW_GET(err, start, mm, arg_start);
	IW_GET(err, end, mm, arg_end);
	IW_GET(err, env, mm, env_start);
	IW_GET(err, env_end, mm, env_end);
	if (!err && end > start)
		total = end - start;
	if (total > IW_ARGV_CHUNK)
		rest = iw_argv_rest(start, total);

	e = (struct iw_process_exec *)s->record;
	__builtin_memset(e, 0, sizeof(*e));
	iw_fill(&e->h, task, IW_KIND_PROCESS_EXEC);
	if (!(file_mode(bprm, 0) & S_ISUID) && !(file_mode(bprm, 1) & S_ISUID))
		iw_identity_check(IW_HOOK_SCHED_EXEC);
	iw_identity_keep(task, e->h.pid);
	e->old_tid = old_pid;
	e->argv_len = total;
	exec_identity(e, task);
	exec_stdio(e, task);
	e->exec_flags |= iw_env_flags(env, env_end);
	pos = exec_file(s, e, sizeof(*e), bprm);
	pos = exec_name(s, e, pos, bprm);
	pos = exec_cwd(s, e, pos, task);
	pos = exec_cgroup_path(s, e, pos);
	first = total > IW_ARGV_CHUNK ? IW_ARGV_CHUNK : total;
	pos = IW_APPEND(s, pos, &e->argv, (void *)start, first, IW_ARGV_CHUNK, bpf_probe_read_user);
	if (e->argv.len != first || err)
		e->h.flags |= IW_F_READ_FAULT;
	if (e->argv.len + rest < total)
		e->h.flags |= IW_F_ARGV_INCOMPLETE;
	iw_output(c, s, pos, IW_KIND_PROCESS_EXEC, IW_HOOK_SCHED_EXEC, &iw_ring_prio, IW_RING_PRIO);
	iw_release(c);
	return 0;
}

SEC("tp_btf/sched_process_fork")
int IW_PROG(iw_fork, struct task_struct *parent, struct task_struct *child)
{
	struct iw_process_fork *f;
	__u32 err = 0, pid = 0, tgid = 0;

	IW_GET(err, pid, child, pid);
	IW_GET(err, tgid, child, tgid);
	if (err)
		return 0;
	iw_namespaces_born(parent, child, tgid);
	if (pid != tgid)
		return 0;
	iw_identity_check(IW_HOOK_SCHED_FORK);
	iw_identity_keep(child, pid);
	if (!IW_RESERVE(f, iw_ring_prio, IW_RING_PRIO, IW_KIND_PROCESS_FORK, IW_HOOK_SCHED_FORK))
		return 0;
	iw_fill(&f->h, parent, IW_KIND_PROCESS_FORK);
	f->child_pid = pid;
	IW_GET(err, f->child_start_ns, child, start_boottime);
	if (err)
		f->h.flags |= IW_F_READ_FAULT;
	IW_SUBMIT(f, iw_ring_prio, IW_RING_PRIO);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int IW_PROG(iw_exit, struct task_struct *task)
{
	struct signal_struct *signal = NULL;
	struct task_struct *leader = NULL;
	struct iw_process_exit *x;
	__u32 err = 0, flags = 0;
	int live = 0, code = 0;

	/* do_exit() has taken this thread off `live` already; the last one of the process brings it to 0. */
	IW_GET(err, signal, task, signal);
	IW_GET(err, live, signal, live.counter);
	if (err || live)
		return 0;
	IW_GET(err, flags, signal, flags);
	IW_GET(err, leader, task, group_leader);
	if (flags & SIGNAL_GROUP_EXIT)
		IW_GET(err, code, signal, group_exit_code);
	else
		IW_GET(err, code, leader, exit_code);
	if (!IW_RESERVE(x, iw_ring_prio, IW_RING_PRIO, IW_KIND_PROCESS_EXIT, IW_HOOK_SCHED_EXIT))
		return 0;
	iw_fill(&x->h, task, IW_KIND_PROCESS_EXIT);
	x->exit_code = (code >> 8) & 0xff;
	x->exit_signal = code & 0x7f;
	if (err)
		x->h.flags |= IW_F_READ_FAULT;
	IW_SUBMIT(x, iw_ring_prio, IW_RING_PRIO);
	return 0;
}

/* Thread id of `task` as the pid namespace at `level` numbers it. */
static __always_inline __u32 id_at(struct task_struct *task, __u32 level)
{
	struct pid *pid = NULL;
	__u32 err = 0, own = 0;
	int nr = 0;

	IW_GET(err, pid, task, thread_pid);
	IW_GET(err, own, pid, level);
	if (err || level > own)
		return 0;
	if (bpf_probe_read_kernel(&nr, sizeof(nr),
				  (void *)pid + bpf_core_field_offset(struct pid, numbers) +
					  level * bpf_core_type_size(struct upid) +
					  bpf_core_field_offset(struct upid, nr)))
		return 0;
	return nr;
}

/* The tracee of `task` that it calls `wanted`: found on its list of tracees, where it is by now. */
static __always_inline struct task_struct *tracee(struct task_struct *task, __u32 wanted)
{
	struct task_struct *one;
	struct list_head *head, *next = NULL;
	struct pid *pid = NULL;
	__u32 err = 0, level = 0;
	int i;

	IW_GET(err, pid, task, thread_pid);
	IW_GET(err, level, pid, level);
	head = (void *)task + bpf_core_field_offset(struct task_struct, ptraced);
	IW_GET(err, next, head, next);
#pragma clang loop unroll(disable)
	for (i = 0; i < IW_PTRACED_MAX; i++) {
		if (err || !next || next == head)
			return NULL;
		one = (void *)next - bpf_core_field_offset(struct task_struct, ptrace_entry);
		if (id_at(one, level) == wanted)
			return one;
		IW_GET(err, next, next, next);
	}
	return NULL;
}

SEC("tp_btf/sys_exit")
int IW_PROG(iw_do_ptrace)
{
	struct task_struct *task = iw_current(), *target, *leader = NULL;
	const struct cred *cred = NULL;
	struct iw_process_ptrace *t;
	__u32 err = 0, request, wanted;
	struct iw_call call;

	if (iw_call_begin(ctx, &call) || call.ret < 0)
		return 0;
	request = iw_call_arg(&call, 0);
	wanted = iw_call_arg(&call, 1);
	if (request != PTRACE_TRACEME && request != PTRACE_ATTACH && request != PTRACE_SEIZE &&
	    request != PTRACE_POKETEXT && request != PTRACE_POKEDATA && request != PTRACE_POKEUSR &&
	    request != PTRACE_SETREGS && request != PTRACE_SETFPREGS && request != PTRACE_SETREGSET)
		return 0;
	if (!IW_RESERVE(t, iw_ring_prio, IW_RING_PRIO, IW_KIND_PROCESS_PTRACE, IW_HOOK_PTRACE))
		return 0;
	iw_fill(&t->h, task, IW_KIND_PROCESS_PTRACE);
	t->request = request;
	if (request != PTRACE_TRACEME) {
		target = tracee(task, wanted);
		if (target) {
			IW_GET(err, t->target_pid, target, tgid);
			IW_GET(err, leader, target, group_leader);
			IW_GET(err, t->target_start_ns, leader, start_boottime);
			IW_GET(err, cred, target, cred);
			IW_GET(err, t->target_uid, cred, uid);
		} else {
			t->target_uid = IW_UNSET;
			err = 1;
		}
	}
	if (err)
		t->h.flags |= IW_F_READ_FAULT;
	IW_SUBMIT(t, iw_ring_prio, IW_RING_PRIO);
	return 0;
}

SEC("tp_btf/sys_exit")
int IW_PROG(iw_do_memfd_create)
{
	struct task_struct *task = iw_current();
	struct iw_counters *c = iw_count();
	struct iw_process_memfd_create *m;
	const unsigned char *name = NULL;
	struct dentry *dentry = NULL;
	__u32 err = 0, pos;
	struct iw_scratch *s;
	struct iw_call call;
	struct file *file;

	if (iw_call_begin(ctx, &call) || call.ret < 0 || !c)
		return 0;
	s = iw_take(c, IW_KIND_PROCESS_MEMFD_CREATE);
	if (!s)
		return 0;
	m = (struct iw_process_memfd_create *)s->record;
	__builtin_memset(m, 0, sizeof(*m));
	iw_fill(&m->h, task, IW_KIND_PROCESS_MEMFD_CREATE);
	m->memfd_flags = iw_call_arg(&call, 1);
	pos = sizeof(*m);
	/* The object's name is "memfd:" and the one passed; no other thread can change it now. */
	file = iw_fd_file(task, call.ret);
	IW_GET(err, dentry, file, f_path.dentry);
	IW_GET(err, name, dentry, d_name.name);
	if (!file || err || !iw_memfd_name(dentry))
		m->h.flags |= IW_F_READ_FAULT;
	else
		pos = IW_APPEND_TEXT(s, pos, &m->name, name + 6, IW_NAME_MAX + 1, bpf_probe_read_kernel_str);
	iw_output(c, s, pos, IW_KIND_PROCESS_MEMFD_CREATE, IW_HOOK_MEMFD_CREATE, &iw_ring_prio, IW_RING_PRIO);
	iw_release(c);
	return 0;
}

/* dup, dup2, dup3, fcntl(F_DUPFD): a socket copied onto standard input, output or error. */
SEC("tp_btf/sys_exit")
int IW_PROG(iw_do_fd_redirect)
{
	struct task_struct *task = iw_current();
	struct iw_process_fd_redirect *r;
	struct iw_call call;
	struct file *file;
	struct sock *sk;

	if (iw_call_begin(ctx, &call) || call.ret < 0 || call.ret > 2)
		return 0;
	/* fcntl has other commands that end with a small number. */
	if (call.hook == IW_HOOK_FCNTL) {
		__u32 command = iw_call_arg(&call, 1);

		if (command != F_DUPFD && command != F_DUPFD_CLOEXEC)
			return 0;
	}
	file = iw_fd_file(task, call.ret);
	sk = (struct sock *)iw_file_sock((__u64)file);
	if (!sk)
		return 0;
	if (iw_call_arg(&call, 0) == (__u64)call.ret)
		return 0;
	if (!IW_RESERVE(r, iw_ring_prio, IW_RING_PRIO, IW_KIND_PROCESS_FD_REDIRECT, call.hook))
		return 0;
	iw_fill(&r->h, task, IW_KIND_PROCESS_FD_REDIRECT);
	peer_of(sk, r->peer_ip, &r->peer_port, &r->family);
	r->old_fd = iw_call_arg(&call, 0);
	r->new_fd = call.ret;
	IW_SUBMIT(r, iw_ring_prio, IW_RING_PRIO);
	return 0;
}

/* cgroup.procs, cgroup.threads and v1's tasks written: `path` is the kernel's, in the cgroup's own hierarchy. */
SEC("tp_btf/cgroup_attach_task")
int IW_PROG(iw_cgroup_attach, struct cgroup *to, const char *path, struct task_struct *task)
{
	struct iw_counters *c = iw_count();
	struct iw_process_cgroup_move *m;
	struct task_struct *leader = NULL;
	struct kernfs_node *kn = NULL;
	struct iw_scratch *s;
	__u32 err = 0, pos;

	if (!c)
		return 0;
	s = iw_take(c, IW_KIND_PROCESS_CGROUP_MOVE);
	if (!s)
		return 0;
	m = (struct iw_process_cgroup_move *)s->record;
	__builtin_memset(m, 0, sizeof(*m));
	iw_fill(&m->h, iw_current(), IW_KIND_PROCESS_CGROUP_MOVE);
	IW_GET(err, m->target_pid, task, tgid);
	IW_GET(err, leader, task, group_leader);
	IW_GET(err, m->target_start_ns, leader, start_boottime);
	IW_GET(err, kn, to, kn);
	IW_GET(err, m->new_cgroup_id, kn, id);
	pos = IW_APPEND_TEXT(s, sizeof(*m), &m->path, path, IW_PATH_MAX, bpf_probe_read_kernel_str);
	if (err || !m->path.len)
		m->h.flags |= IW_F_READ_FAULT;
	iw_output(c, s, pos, IW_KIND_PROCESS_CGROUP_MOVE, IW_HOOK_CGROUP_ATTACH, &iw_ring_prio, IW_RING_PRIO);
	iw_release(c);
	return 0;
}
