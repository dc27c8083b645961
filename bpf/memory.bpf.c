// SPDX-License-Identifier: GPL-2.0-only
/* Memory that becomes executable where code does not usually lie. */
#include "include/iw_call.bpf.h"
#include "include/iw_common.bpf.h"

#define PROT_READ 1 /* include/uapi/asm-generic/mman-common.h */
#define PROT_WRITE 2
#define PROT_EXEC 4
#define MAP_ANONYMOUS 0x20
#define READ_IMPLIES_EXEC 0x0400000 /* include/uapi/linux/personality.h */
#define IW_OLD_MMAP 90		    /* 32-bit x86: its six arguments lie in memory */
#define IW_STACK_BYTES (8 << 20)    /* RLIMIT_STACK's usual value */
#define IW_MEMORY_PROCESSES 2048
#define IW_MEMORY_FIRST 8 /* told one by one; then the 16th, 32nd, ... */

/* What a process did before: just-in-time compilers do it all day. LRU: at worst something is told once more. */
struct iw_memory_key {
	__u64 start_ns;
	__u32 tgid;
	__u32 memory_flags; /* enum iw_memory_flag: each flavour has a count of its own */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, IW_MEMORY_PROCESSES);
	__type(key, struct iw_memory_key);
	__type(value, __u64);
} iw_memory_seen SEC(".maps");

struct iw_range {
	__u64 address;
	__u64 length;
	__u32 protection;
	__u32 memory_flags;
};

static __always_inline int seldom(struct task_struct *task, __u32 memory_flags)
{
	struct task_struct *leader = NULL;
	struct iw_memory_key key = {};
	__u64 first = 1, *count, n;
	__u32 err = 0;

	IW_GET(err, leader, task, group_leader);
	IW_GET(err, key.start_ns, leader, start_boottime);
	key.tgid = bpf_get_current_pid_tgid() >> 32;
	key.memory_flags = memory_flags;
	count = bpf_map_lookup_elem(&iw_memory_seen, &key);
	if (!count) {
		bpf_map_update_elem(&iw_memory_seen, &key, &first, BPF_ANY);
		return 1;
	}
	/* Threads may add at once: one is told too many or too few. */
	n = ++*count;
	return n <= IW_MEMORY_FIRST || !(n & (n - 1));
}

/* Is one of the three directories above world-writable? Libraries lie on the file system of their directory. */
static __always_inline int below_world_writable(struct dentry *dentry)
{
	struct dentry *parent = NULL;
	struct inode *inode = NULL;
	unsigned short mode = 0;
	__u32 err = 0;
	int i;

#pragma clang loop unroll(full)
	for (i = 0; i < 3; i++) {
		IW_GET(err, parent, dentry, d_parent);
		if (err || !parent || parent == dentry)
			return 0;
		IW_GET(err, inode, parent, d_inode);
		IW_GET(err, mode, inode, i_mode);
		if (err)
			return 0;
		if (mode & S_IWOTH)
			return 1;
		dentry = parent;
	}
	return 0;
}

/* IW_MEMORY_* of a file from which no program comes; 0 for an ordinary one. */
static __always_inline __u32 suspect_file(struct file *file)
{
	struct dentry *dentry = NULL;
	struct inode *inode = NULL;
	unsigned int links = 0;
	__u32 err = 0;

	IW_GET(err, dentry, file, f_path.dentry);
	IW_GET(err, inode, file, f_inode);
	IW_GET(err, links, inode, i_nlink);
	if (err || !dentry)
		return 0;
	if (!links)
		return iw_memfd_name(dentry) ? IW_MEMORY_MEMFD : IW_MEMORY_DELETED;
	return below_world_writable(dentry) ? IW_MEMORY_WORLD_WRITABLE : 0;
}

/* Does the range touch the stack or the heap of the current process? */
static __always_inline __u32 old_memory(struct task_struct *task, struct iw_range *range)
{
	unsigned long stack = 0, top = 0, heap = 0, end = 0;
	__u64 last = range->address + range->length;
	struct mm_struct *mm = NULL;
	__u32 err = 0;

	IW_GET(err, mm, task, mm);
	IW_GET(err, stack, mm, start_stack);
	IW_GET(err, top, mm, env_end);
	IW_GET(err, heap, mm, start_brk);
	IW_GET(err, end, mm, brk);
	if (err || !mm)
		return 0;
	if (last > stack - IW_STACK_BYTES && range->address < top)
		return IW_MEMORY_STACK | IW_MEMORY_ANONYMOUS;
	return last > heap && range->address < end ? IW_MEMORY_ANONYMOUS : 0;
}

static __always_inline int send_memory(__u32 hook, struct iw_range *range, struct file *file)
{
	struct task_struct *task = iw_current();
	struct iw_counters *c = iw_count();
	struct iw_process_memory_exec *m;
	struct super_block *sb = NULL;
	struct dentry *dentry = NULL;
	struct vfsmount *mnt = NULL;
	struct inode *inode = NULL;
	__u32 err = 0, seen = 0, pos;
	struct iw_scratch *s;

	if (!c)
		return 0;
	if (!seldom(task, range->memory_flags)) {
		c->filtered[IW_KIND_PROCESS_MEMORY_EXEC]++;
		return 0;
	}
	s = iw_take(c, IW_KIND_PROCESS_MEMORY_EXEC);
	if (!s)
		return 0;
	m = (struct iw_process_memory_exec *)s->record;
	__builtin_memset(m, 0, sizeof(*m));
	iw_fill(&m->h, task, IW_KIND_PROCESS_MEMORY_EXEC);
	m->address = range->address;
	m->length = range->length;
	m->protection = range->protection;
	m->memory_flags = range->memory_flags;
	pos = sizeof(*m);
	if (file) {
		IW_GET(err, dentry, file, f_path.dentry);
		IW_GET(err, mnt, file, f_path.mnt);
		IW_GET(err, inode, file, f_inode);
		IW_GET(err, m->inode, inode, i_ino);
		IW_GET(err, sb, inode, i_sb);
		IW_GET(err, m->dev, sb, s_dev);
		pos = iw_append_path(s, pos, &m->path, &m->h, mnt, dentry, &seen);
	}
	if (err)
		m->h.flags |= IW_F_READ_FAULT;
	iw_output(c, s, pos, IW_KIND_PROCESS_MEMORY_EXEC, hook, &iw_ring_prio, IW_RING_PRIO);
	iw_release(c);
	return 0;
}

/* PROT_* as the kernel takes them: a process may have asked that whatever is readable be executable. */
static __always_inline __u32 taken(struct task_struct *task, __u32 protection)
{
	unsigned int personality = 0;
	__u32 err = 0;

	if ((protection & PROT_EXEC) || !(protection & PROT_READ))
		return protection;
	IW_GET(err, personality, task, personality);
	return personality & READ_IMPLIES_EXEC ? protection | PROT_EXEC : protection;
}

/* mmap, mmap2: nearly every one ends at the first test, nearly every other one is an ordinary library. */
SEC("tp_btf/sys_exit")
int IW_PROG(iw_do_mmap)
{
	struct task_struct *task = iw_current();
	struct iw_range range = {};
	__u32 flags, fd, old[6];
	struct file *file = NULL;
	struct iw_call call;

	/* The result is an address, or an error, which is one of the last 4095 addresses. */
	if (iw_call_begin(ctx, &call) || (__u64)call.ret >= -4095ULL)
		return 0;
	if (call.compat && call.nr == IW_OLD_MMAP) {
		if (bpf_probe_read_user(old, sizeof(old), (void *)iw_call_arg(&call, 0)))
			return 0;
		range.length = old[1];
		range.protection = old[2];
		flags = old[3];
		fd = old[4];
	} else {
		range.length = iw_call_arg(&call, 1);
		range.protection = iw_call_arg(&call, 2);
		flags = iw_call_arg(&call, 3);
		fd = iw_call_arg(&call, 4);
	}
	range.protection = taken(task, range.protection);
	if (!(range.protection & PROT_EXEC))
		return 0;
	range.address = call.ret;
	if (range.protection & PROT_WRITE)
		range.memory_flags = IW_MEMORY_RWX;
	if (flags & MAP_ANONYMOUS)
		range.memory_flags |= range.memory_flags ? IW_MEMORY_ANONYMOUS : 0;
	else
		file = iw_fd_file(task, fd);
	if (file)
		range.memory_flags |= suspect_file(file);
	if (!range.memory_flags)
		return 0;
	return send_memory(call.hook, &range, file);
}

/* mprotect, pkey_mprotect: what lies there is not known, but the stack and the heap have known places. */
SEC("tp_btf/sys_exit")
int IW_PROG(iw_do_mprotect)
{
	struct task_struct *task = iw_current();
	struct iw_range range = {};
	struct iw_call call;

	if (iw_call_begin(ctx, &call) || call.ret)
		return 0;
	range.protection = taken(task, iw_call_arg(&call, 2));
	if (!(range.protection & PROT_EXEC))
		return 0;
	range.address = iw_call_arg(&call, 0);
	range.length = iw_call_arg(&call, 1);
	range.memory_flags = old_memory(task, &range) | (range.protection & PROT_WRITE ? IW_MEMORY_RWX : 0);
	if (!range.memory_flags)
		return 0;
	return send_memory(call.hook, &range, NULL);
}

/*
 * The same from the mapping itself, with the file behind it. `address` and `length` are the mapping's; it lies in one
 * piece, while a call that spans several gets here once for each.
 */
SEC("fentry/security_file_mprotect")
int IW_PROG(iw_object_mprotect, struct vm_area_struct *vma, unsigned long asked, unsigned long protection)
{
	struct task_struct *task = iw_current();
	unsigned long start = 0, end = 0;
	struct iw_range range = {};
	struct file *file = NULL;
	__u32 err = 0;

	if (!(protection & PROT_EXEC))
		return 0;
	IW_GET(err, start, vma, vm_start);
	IW_GET(err, end, vma, vm_end);
	IW_GET(err, file, vma, vm_file);
	if (err)
		return 0;
	range.address = start;
	range.length = end - start;
	range.protection = protection;
	if (file)
		range.memory_flags = suspect_file(file);
	else
		range.memory_flags = old_memory(task, &range);
	if (protection & PROT_WRITE)
		range.memory_flags |= IW_MEMORY_RWX | (file ? 0 : IW_MEMORY_ANONYMOUS);
	if (!range.memory_flags)
		return 0;
	return send_memory(IW_HOOK_OBJECT_MPROTECT, &range, file);
}
