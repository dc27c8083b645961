// SPDX-License-Identifier: GPL-2.0-only
/*
 * Enforcement: LSM programs that refuse what user space listed. Nothing is refused unless the rule's mode says so and
 * user space gave a sign of life within the last seconds: otherwise the decision is only written down. Whatever cannot
 * be read, or cannot be recorded, is allowed and counted.
 *
 * Nobody's list touches process 1, kernel threads or our own processes. A program is known by its file's device and
 * inode, never by a name that it gave itself.
 */
#include "include/iw_common.bpf.h"

#define EPERM 1
#define PTRACE_MODE_ATTACH 0x02 /* include/linux/ptrace.h */
#define IW_O_TRUNC 01000	/* include/uapi/asm-generic/fcntl.h; x86 and arm64 have the same */
#define IW_MAP_GET_FD_BY_ID 14	/* enum bpf_cmd */

#define IW_RULES 8
#define IW_MODE_OFF 0
#define IW_LISTED_PATH 256
#define IW_CGROUP_LEVELS 32
#define IW_TICK_NS 10000000ULL /* proc_pid_stat(5) tells start times in 1/100 s */

/* Value of iw_enforce_exempt: what the program of that file may do. */
#define IW_EXEMPT_WRITE 1 /* change protected files */
#define IW_EXEMPT_BPF 2	  /* load programs, open our maps for writing */
#define IW_EXEMPT_SELF 4  /* signal or trace our processes */
#define IW_EXEMPT_EXEC 8  /* may always be executed, whoever listed it */

/* Roles in iw_enforce_process. */
#define IW_PROCESS_PROTECTED 1 /* nobody else may end, stop or trace it */
#define IW_PROCESS_TRUSTED 2   /* no rule is applied to what it does */
#define IW_PROCESS_OPERATOR 4  /* may end, stop and trace the protected ones: who started us */

struct iw_enforce_file {
	__u64 inode;
	__u32 dev; /* major << 20 | minor of the file system */
	__u32 reserved0;
};

struct iw_enforce_policy {
	__u64 beat_ns;	    /* CLOCK_BOOTTIME of user space's last sign of life */
	__u64 beat_max_ns;  /* older than that: observe only */
	__u64 signals;	    /* bit n - 1: signal n is kept from our processes */
	__u64 bpf_commands; /* bit n: command n is for those who may */
	__u32 mode[IW_RULES]; /* by enum iw_enforcement_rule: enum iw_enforcement_mode, 0 off */
};

/* By CPU. */
struct iw_enforce_counters {
	__u64 decided[IW_RULES]; /* recorded decisions */
	__u64 denied[IW_RULES];	 /* of those, carried out */
	__u64 exempt[IW_RULES];	 /* listed, but done by somebody who may */
	__u64 faults;		 /* allowed because something could not be read */
	__u64 stale;		 /* only observed because user space gave no sign of life */
	__u64 unrecorded;	 /* allowed because the decision could not be recorded */
	__u64 sampled;		 /* runs of the sample program */
};

struct iw_enforce_process {
	__u64 start_ticks;
	__u32 roles;
	__u32 reserved0;
};

struct iw_enforce_listed {
	__u32 length;
	__u32 reserved0;
	__u8 path[IW_LISTED_PATH];
};

struct iw_enforce_member {
	__u64 cgroup;
	struct iw_enforce_file file;
};

struct iw_enforce_member_path {
	__u64 cgroup;
	__u64 hash;
};

#define IW_TABLE(name, key_type, value_type, entries)   \
	struct {                                        \
		__uint(type, BPF_MAP_TYPE_HASH);        \
		__uint(max_entries, entries);           \
		__uint(map_flags, BPF_F_NO_PREALLOC);   \
		__type(key, key_type);                  \
		__type(value, value_type);              \
	} name SEC(".maps")

/* A path's key is one keyed hash, its value a second one under another key: a hit counts when both agree. */
IW_TABLE(iw_exec_deny_file, struct iw_enforce_file, __u32, 16384);
IW_TABLE(iw_exec_deny_path, __u64, __u64, 16384);
IW_TABLE(iw_exec_allow_cgroup, __u64, __u32, 1024);
IW_TABLE(iw_exec_allow_file, struct iw_enforce_member, __u32, 65536);
IW_TABLE(iw_exec_allow_path, struct iw_enforce_member_path, __u64, 65536);
IW_TABLE(iw_protect_file, struct iw_enforce_file, struct iw_enforce_listed, 4096);
IW_TABLE(iw_enforce_exempt, struct iw_enforce_file, __u32, 1024);
IW_TABLE(iw_enforce_process, __u32, struct iw_enforce_process, 64);
IW_TABLE(iw_enforce_map, __u32, __u32, 256);

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct iw_enforce_policy);
} iw_enforce_policy SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct iw_enforce_counters);
} iw_enforce_stats SEC(".maps");

/* Two keys of SipHash, random at each load, so that nobody can prepare a path that hashes like a listed one. */
const volatile __u64 iw_enforce_keys[4];

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct mm_struct___exe {
	struct file *exe_file;
};

struct bpf_map___id {
	__u32 id;
};

/* Since 6.1 pointers, before that ids. */
struct cgroup___level {
	int level;
};

struct cgroup___ids {
	__u64 ancestor_ids[1];
};

struct cgroup___ancestors {
	struct cgroup *ancestors[1];
};

#pragma clang attribute pop

/* What is about to be decided. */
struct iw_decision {
	struct iw_enforce_file file;
	__u64 target_start_ns;
	__u32 target_pid;
	__u32 rule;
	__u32 detail;
	__u32 hook;
};

static __always_inline struct iw_enforce_policy *policy_now(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&iw_enforce_policy, &zero);
}

static __always_inline struct iw_enforce_counters *enforce_count(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&iw_enforce_stats, &zero);
}

/*
 * The mode in force. The helper's clock may stand a little before the beat's (ktime_get_boot_fast_ns lags by up to a
 * tick); a beat further in the future than an old one may be in the past is none.
 */
static __always_inline __u32 mode_of(struct iw_enforce_policy *policy, struct iw_enforce_counters *c, __u32 rule)
{
	__u32 mode = policy->mode[rule & (IW_RULES - 1)];
	__u64 age;

	if (mode == IW_MODE_OFF)
		return IW_MODE_OFF;
	if (mode != IW_ENFORCEMENT_REHEARSE && mode != IW_ENFORCEMENT_ENFORCE)
		return IW_ENFORCEMENT_OBSERVE;
	age = bpf_ktime_get_boot_ns() - policy->beat_ns;
	if (age > policy->beat_max_ns && 0 - age > policy->beat_max_ns) {
		c->stale++;
		return IW_ENFORCEMENT_OBSERVE;
	}
	return mode;
}

/* Device and inode of a file; non-zero when they cannot be read. */
static __always_inline int identify(struct inode *inode, struct iw_enforce_file *file)
{
	struct super_block *sb = NULL;
	__u32 err = 0;

	file->reserved0 = 0;
	file->inode = 0;
	file->dev = 0;
	if (!inode)
		return 1;
	IW_GET(err, sb, inode, i_sb);
	if (err || !sb)
		return 1;
	IW_GET(err, file->inode, inode, i_ino);
	IW_GET(err, file->dev, sb, s_dev);
	return err || !file->inode;
}

static __always_inline __u32 roles_of(struct task_struct *task, __u32 tgid, __u64 *start_ns)
{
	struct iw_enforce_process *process;
	struct task_struct *leader = NULL;
	__u32 err = 0;

	*start_ns = 0;
	process = bpf_map_lookup_elem(&iw_enforce_process, &tgid);
	if (!process)
		return 0;
	IW_GET(err, leader, task, group_leader);
	if (err || !leader)
		return 0;
	IW_GET(err, *start_ns, leader, start_boottime);
	if (err || process->start_ticks != *start_ns / IW_TICK_NS)
		return 0;
	return process->roles;
}

/* Is the acting task one that no rule is applied to, or in one of `roles`? */
static __always_inline int unjudged(struct task_struct *task, __u32 roles)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32, flags = 0, err = 0;
	__u64 start_ns;

	if (tgid <= 1)
		return 1;
	IW_GET(err, flags, task, flags);
	if (err || (flags & PF_KTHREAD))
		return 1;
	return (roles_of(task, tgid, &start_ns) & (roles | IW_PROCESS_TRUSTED)) != 0;
}

/* What the acting task's program is exempt from. */
static __always_inline __u32 exemptions(struct task_struct *task)
{
	struct iw_enforce_file program;
	struct inode *inode = NULL;
	struct mm_struct *mm = NULL;
	struct file *file = NULL;
	__u32 err = 0, *roles;

	IW_GET(err, mm, task, mm);
	if (err || !mm)
		return 0;
	if (bpf_core_read(&file, sizeof(file), &((struct mm_struct___exe *)mm)->exe_file) || !file)
		return 0;
	IW_GET(err, inode, file, f_inode);
	if (err || identify(inode, &program))
		return 0;
	roles = bpf_map_lookup_elem(&iw_enforce_exempt, &program);
	return roles ? *roles : 0;
}

static __always_inline void fill_decision(struct iw_enforcement_decision *e, struct iw_decision *d, __u32 mode)
{
	e->inode = d->file.inode;
	e->dev = d->file.dev;
	e->target_start_ns = d->target_start_ns;
	e->target_pid = d->target_pid;
	e->enforcement_rule = d->rule;
	e->enforcement_mode = mode;
	e->enforcement_detail = d->detail;
}

/* The scratch is taken by a program that this one pre-empted: a record without path is better than none. */
static __always_inline int record_bare(struct iw_decision *d, __u32 mode)
{
	struct iw_enforcement_decision *e;

	if (!IW_RESERVE(e, iw_ring_prio, IW_RING_PRIO, IW_KIND_ENFORCEMENT_DECISION, d->hook))
		return 1;
	iw_fill(&e->h, iw_current(), IW_KIND_ENFORCEMENT_DECISION);
	e->h.flags |= IW_F_READ_FAULT;
	fill_decision(e, d, mode);
	IW_SUBMIT(e, iw_ring_prio, IW_RING_PRIO);
	return 0;
}

/* Write the decision with the path of (mnt, dentry), or as it was listed. Returns 0 when it was delivered. */
static __always_inline int record(struct iw_decision *d, __u32 mode, struct vfsmount *mnt, struct dentry *dentry,
				  struct iw_enforce_listed *listed)
{
	struct iw_enforcement_decision *e;
	struct iw_counters *c = iw_count();
	__u32 pos, seen = 0;
	struct iw_scratch *s;
	int lost;

	if (!c)
		return 1;
	if (c->busy)
		return record_bare(d, mode);
	s = iw_take(c, IW_KIND_ENFORCEMENT_DECISION);
	if (!s)
		return 1;
	e = (struct iw_enforcement_decision *)s->record;
	__builtin_memset(e, 0, sizeof(*e));
	iw_fill(&e->h, iw_current(), IW_KIND_ENFORCEMENT_DECISION);
	fill_decision(e, d, mode);
	pos = sizeof(*e);
	if (listed)
		pos = IW_APPEND(s, pos, &e->path, listed->path, listed->length, IW_LISTED_PATH, bpf_probe_read_kernel);
	else if (mnt && dentry)
		pos = iw_append_path(s, pos, &e->path, &e->h, mnt, dentry, &seen);
	lost = iw_output(c, s, pos, IW_KIND_ENFORCEMENT_DECISION, d->hook, &iw_ring_prio, IW_RING_PRIO);
	iw_release(c);
	return lost;
}

/*
 * The verdict: what cannot be recorded is not carried out. Not inlined: ten programs call it. The mode comes as a
 * number and not in `d`: verifiers before 6.8 lose the precision of a scalar that is read through a pointer to the
 * caller's stack (kernel commit 41f6f64e6999), take a path with another mode for one they have seen, and cut the
 * branch that refuses.
 */
static __noinline int decide(struct iw_decision *d, __u32 mode, struct vfsmount *mnt, struct dentry *dentry,
			     struct iw_enforce_listed *listed)
{
	struct iw_enforce_counters *c = enforce_count();

	if (!c)
		return 0;
	if (record(d, mode, mnt, dentry, listed)) {
		c->unrecorded++;
		return 0;
	}
	c->decided[d->rule & (IW_RULES - 1)]++;
	if (mode != IW_ENFORCEMENT_ENFORCE)
		return 0;
	c->denied[d->rule & (IW_RULES - 1)]++;
	return -EPERM;
}

#define ROTATE(value, bits) ((value) << (bits) | (value) >> (64 - (bits)))

/* SipHash-2-4 (Aumasson, Bernstein, 2012): one round. */
#define SIP_ROUND(v0, v1, v2, v3)                                   \
	do {                                                        \
		v0 += v1, v2 += v3;                                 \
		v1 = ROTATE(v1, 13) ^ v0, v3 = ROTATE(v3, 16) ^ v2; \
		v0 = ROTATE(v0, 32);                                \
		v2 += v1, v0 += v3;                                 \
		v1 = ROTATE(v1, 17) ^ v2, v3 = ROTATE(v3, 21) ^ v0; \
		v2 = ROTATE(v2, 32);                                \
	} while (0)

#define SIP_WORD(v0, v1, v2, v3, word)     \
	do {                               \
		v3 ^= (word);              \
		SIP_ROUND(v0, v1, v2, v3); \
		SIP_ROUND(v0, v1, v2, v3); \
		v0 ^= (word);              \
	} while (0)

/*
 * Global functions, so that each is verified once: the walk would otherwise be followed for every length of every name.
 *
 * Keyed hash of what came before and of one name: its bytes in zero-padded words, then its length.
 */
__noinline __u64 iw_hash_part(__u64 before, __u64 name, __u32 len, __u32 which)
{
	__u64 k0 = iw_enforce_keys[which ? 2 : 0], k1 = iw_enforce_keys[which ? 3 : 1], word;
	__u64 v0 = k0 ^ 0x736f6d6570736575ULL, v1 = k1 ^ 0x646f72616e646f6dULL;
	__u64 v2 = k0 ^ 0x6c7967656e657261ULL, v3 = k1 ^ 0x7465646279746573ULL;
	__u32 at, left;

	SIP_WORD(v0, v1, v2, v3, before);
#pragma clang loop unroll(disable)
	for (at = 0; at < IW_NAME_MAX + 1; at += 8) {
		if (at >= len)
			break;
		left = len - at - 1;
		if (left > 7)
			left = 7;
		word = 0;
		if (bpf_probe_read_kernel(&word, iw_masked(left, 7) + 1, (void *)name + at))
			return 0;
		SIP_WORD(v0, v1, v2, v3, word);
	}
	word = len;
	SIP_WORD(v0, v1, v2, v3, word);
	v2 ^= 0xff;
	SIP_ROUND(v0, v1, v2, v3);
	SIP_ROUND(v0, v1, v2, v3);
	SIP_ROUND(v0, v1, v2, v3);
	SIP_ROUND(v0, v1, v2, v3);
	return v0 ^ v1 ^ v2 ^ v3;
}

/*
 * Keyed hash of the canonical path of (mnt, dentry): the hash of each name takes in that of the name below it. No
 * buffer is shared, so nothing can pre-empt it into another path's hash. 0: no path, or one too deep. `which` key: 0, 1.
 */
__noinline __u64 iw_path_hash(__u64 mnt, __u64 at, __u32 which)
{
	struct dentry *dentry = (void *)at, *root = NULL, *parent = NULL;
	struct mount *mount, *above = NULL;
	__u32 err = 0, len = 0, steps = 0;
	__u64 hash = 0, name = 0;

	if (!mnt || !at)
		return 0;
	mount = (void *)mnt - bpf_core_field_offset(struct mount, mnt);
	IW_GET(err, root, mount, mnt.mnt_root);
#pragma clang loop unroll(disable)
	while (1) {
		/*
		 * Nothing may be moved to the end of the body: kernels before 6.4 accept a back-edge only from
		 * a jump, not from a plain instruction that falls through to the head (check_cfg).
		 */
		asm volatile("" ::: "memory");
		if (err || steps++ >= IW_WALK_MAX)
			return 0;
		if (dentry == root) {
			IW_GET(err, above, mount, mnt_parent);
			if (err || !above || above == mount)
				break;
			IW_GET(err, dentry, mount, mnt_mountpoint);
			mount = above;
			IW_GET(err, root, mount, mnt.mnt_root);
			continue;
		}
		IW_GET(err, parent, dentry, d_parent);
		IW_GET(err, len, dentry, d_name.len);
		/* Through the helper: a number to the verifier, which a global function takes. */
		IW_COPY(err, name, dentry, d_name.name);
		/* A dentry that is its own parent hangs in no directory: a memory file, a pipe. */
		if (err || !parent || parent == dentry || !len || len > IW_NAME_MAX)
			return 0;
		hash = iw_hash_part(hash, name, len, which);
		if (!hash)
			return 0;
		dentry = parent;
	}
	return hash;
}

/* Id of the ancestor at `level` of the task's cgroup, the group itself included; 0 beyond it. */
static __always_inline __u64 cgroup_at(struct cgroup *cgroup, __u32 depth, __u32 level)
{
	struct cgroup *ancestor = NULL;
	struct kernfs_node *kn = NULL;
	__u64 id = 0;
	__u32 err = 0;

	if (level > depth)
		return 0;
	if (bpf_core_field_exists(struct cgroup___ancestors, ancestors)) {
		if (bpf_probe_read_kernel(&ancestor, sizeof(ancestor),
					  (void *)cgroup +
						  bpf_core_field_offset(struct cgroup___ancestors, ancestors) +
						  level * sizeof(ancestor)))
			return 0;
		IW_GET(err, kn, ancestor, kn);
		IW_GET(err, id, kn, id);
		return err ? 0 : id;
	}
	if (bpf_probe_read_kernel(&id, sizeof(id),
				  (void *)cgroup + bpf_core_field_offset(struct cgroup___ids, ancestor_ids) +
					  level * sizeof(id)))
		return 0;
	return id;
}

/* Id of the innermost cgroup of the current task, or above it, that has an allow list; 0 without one. */
__noinline __u64 iw_listed_cgroup(void)
{
	struct task_struct *task = iw_current();
	struct css_set *css = NULL;
	struct cgroup *cgroup = NULL;
	__u32 err = 0, level, *found;
	__u64 id, best = 0;
	int depth = 0;

	IW_GET(err, css, task, cgroups);
	IW_GET(err, cgroup, css, dfl_cgrp);
	if (err || !cgroup)
		return 0;
	if (bpf_core_read(&depth, sizeof(depth), &((struct cgroup___level *)cgroup)->level) || depth < 0)
		return 0;
#pragma clang loop unroll(disable)
	for (level = 0; level < IW_CGROUP_LEVELS; level++) {
		id = cgroup_at(cgroup, depth, level);
		if (!id)
			break;
		found = bpf_map_lookup_elem(&iw_exec_allow_cgroup, &id);
		if (found && *found)
			best = id;
	}
	return best;
}

/* 1 listed, 0 not listed. `mnt` and `dentry` are numbers, so that they can go to a global function. */
static __always_inline int path_denied(__u64 mnt, __u64 dentry, __u64 hash)
{
	__u64 *check = bpf_map_lookup_elem(&iw_exec_deny_path, &hash);

	return check && *check == iw_path_hash(mnt, dentry, 1);
}

static __always_inline int path_allowed(__u64 mnt, __u64 dentry, __u64 hash, __u64 cgroup)
{
	struct iw_enforce_member_path key = { .cgroup = cgroup, .hash = hash };
	__u64 *check = bpf_map_lookup_elem(&iw_exec_allow_path, &key);

	return check && *check == iw_path_hash(mnt, dentry, 1);
}

static __always_inline int file_allowed(struct iw_enforce_file *file, __u64 cgroup)
{
	struct iw_enforce_member key = { .cgroup = cgroup, .file = *file };

	return bpf_map_lookup_elem(&iw_exec_allow_file, &key) != NULL;
}

static __always_inline int judge_exec(struct file *file)
{
	struct iw_enforce_policy *policy = policy_now();
	struct iw_enforce_counters *c = enforce_count();
	struct task_struct *task = iw_current();
	struct iw_decision d = { .hook = IW_HOOK_LSM_EXEC };
	__u64 mnt = 0, dentry = 0, hash = 0, cgroup = 0;
	__u32 err = 0, deny, allow, mode, *asked, *roles;
	struct inode *inode = NULL;

	if (!policy || !c)
		return 0;
	deny = policy->mode[IW_RULE_EXEC_DENY];
	allow = policy->mode[IW_RULE_EXEC_ALLOW];
	if ((!deny && !allow) || unjudged(task, 0))
		return 0;
	IW_COPY(err, mnt, file, f_path.mnt);
	IW_COPY(err, dentry, file, f_path.dentry);
	IW_GET(err, inode, file, f_inode);
	if (err || identify(inode, &d.file)) {
		c->faults++;
		return 0;
	}
	if (allow)
		cgroup = iw_listed_cgroup();
	/* 0 for a memory file, which has no path: that is an answer, not a fault. */
	if (cgroup || deny)
		hash = iw_path_hash(mnt, dentry, 0);
	if (deny && (bpf_map_lookup_elem(&iw_exec_deny_file, &d.file) || (hash && path_denied(mnt, dentry, hash)))) {
		d.rule = IW_RULE_EXEC_DENY;
		mode = mode_of(policy, c, IW_RULE_EXEC_DENY);
	} else if (cgroup && !file_allowed(&d.file, cgroup) && !(hash && path_allowed(mnt, dentry, hash, cgroup))) {
		d.rule = IW_RULE_EXEC_ALLOW;
		mode = mode_of(policy, c, IW_RULE_EXEC_ALLOW);
		asked = bpf_map_lookup_elem(&iw_exec_allow_cgroup, &cgroup);
		if (!asked)
			return 0; /* the list was taken away just now */
		if (mode > *asked)
			mode = *asked;
	} else {
		return 0;
	}
	roles = bpf_map_lookup_elem(&iw_enforce_exempt, &d.file);
	if (roles && (*roles & IW_EXEMPT_EXEC)) {
		c->exempt[d.rule & (IW_RULES - 1)]++;
		return 0;
	}
	return decide(&d, mode, (void *)mnt, (void *)dentry, NULL);
}

SEC("lsm/bprm_check_security")
int IW_PROG(iw_lsm_exec, struct linux_binprm *bprm, int ret)
{
	struct file *file = NULL;
	__u32 err = 0;

	if (ret)
		return ret;
	IW_GET(err, file, bprm, file);
	if (err || !file)
		return 0;
	return judge_exec(file);
}

/* A file is about to be written, cut, renamed, replaced or removed. */
static __always_inline int judge_change(struct inode *inode, __u32 detail, __u32 hook)
{
	struct iw_enforce_policy *policy = policy_now();
	struct iw_enforce_counters *c = enforce_count();
	struct iw_decision d = { .rule = IW_RULE_FILE_PROTECT, .detail = detail, .hook = hook };
	struct task_struct *task = iw_current();
	struct iw_enforce_listed *listed;

	if (!policy || !c || !policy->mode[IW_RULE_FILE_PROTECT])
		return 0;
	if (identify(inode, &d.file)) {
		c->faults++;
		return 0;
	}
	listed = bpf_map_lookup_elem(&iw_protect_file, &d.file);
	if (!listed)
		return 0;
	if (unjudged(task, 0) || (exemptions(task) & IW_EXEMPT_WRITE)) {
		c->exempt[IW_RULE_FILE_PROTECT]++;
		return 0;
	}
	return decide(&d, mode_of(policy, c, IW_RULE_FILE_PROTECT), NULL, NULL, listed);
}

SEC("lsm/file_open")
int IW_PROG(iw_lsm_file_open, struct file *file, int ret)
{
	__u32 err = 0, mode = 0, flags = 0;
	struct inode *inode = NULL;

	if (ret)
		return ret;
	IW_GET(err, mode, file, f_mode);
	IW_GET(err, flags, file, f_flags);
	/* O_RDONLY | O_TRUNC cuts the file too; the bit is taken away only after this hook. */
	if (err || (!(mode & FMODE_WRITE) && !(flags & IW_O_TRUNC)))
		return 0;
	IW_GET(err, inode, file, f_inode);
	if (err)
		return 0;
	return judge_change(inode, flags, IW_HOOK_LSM_FILE_OPEN);
}

/* Called a second time with the names swapped for RENAME_EXCHANGE. */
SEC("lsm/inode_rename")
int IW_PROG(iw_lsm_inode_rename, struct inode *old_dir, struct dentry *old_dentry, struct inode *new_dir,
	     struct dentry *new_dentry, int ret)
{
	struct inode *inode = NULL;
	__u32 err = 0;
	int verdict;

	if (ret)
		return ret;
	IW_GET(err, inode, old_dentry, d_inode);
	if (err || !inode)
		return 0;
	verdict = judge_change(inode, 0, IW_HOOK_LSM_INODE_RENAME);
	if (verdict)
		return verdict;
	IW_GET(err, inode, new_dentry, d_inode);
	if (err || !inode)
		return 0; /* nothing is replaced */
	return judge_change(inode, 0, IW_HOOK_LSM_INODE_RENAME);
}

SEC("lsm/inode_unlink")
int IW_PROG(iw_lsm_inode_unlink, struct inode *dir, struct dentry *dentry, int ret)
{
	struct inode *inode = NULL;
	__u32 err = 0;

	if (ret)
		return ret;
	IW_GET(err, inode, dentry, d_inode);
	if (err || !inode)
		return 0;
	return judge_change(inode, 0, IW_HOOK_LSM_INODE_UNLINK);
}

/* truncate(2); ftruncate needs a descriptor that file_open saw. */
SEC("lsm/path_truncate")
int IW_PROG(iw_lsm_path_truncate, struct path *path, int ret)
{
	struct dentry *dentry = NULL;
	struct inode *inode = NULL;
	__u32 err = 0;

	if (ret)
		return ret;
	IW_GET(err, dentry, path, dentry);
	if (err || !dentry)
		return 0;
	IW_GET(err, inode, dentry, d_inode);
	if (err || !inode)
		return 0;
	return judge_change(inode, IW_O_TRUNC, IW_HOOK_LSM_TRUNCATE);
}

static __always_inline int judge_bpf(__u32 command, __u32 hook)
{
	struct iw_enforce_policy *policy = policy_now();
	struct iw_enforce_counters *c = enforce_count();
	struct iw_decision d = { .rule = IW_RULE_BPF, .detail = command, .hook = hook };
	struct task_struct *task = iw_current();

	if (!policy || !c || !policy->mode[IW_RULE_BPF])
		return 0;
	if (unjudged(task, 0) || (exemptions(task) & IW_EXEMPT_BPF)) {
		c->exempt[IW_RULE_BPF]++;
		return 0;
	}
	return decide(&d, mode_of(policy, c, IW_RULE_BPF), NULL, NULL, NULL);
}

/*
 * The fourth slot is the verdict so far before 6.15, and from there on whether the kernel itself calls, 0 or 1. A
 * verdict other than 0 ends the chain anyway: the trampoline runs no further program (arch_prepare_bpf_trampoline).
 */
SEC("lsm/bpf")
int IW_PROG(iw_lsm_bpf, int command, void *attr, unsigned int size, int ret)
{
	struct iw_enforce_policy *policy = policy_now();

	if (ret < 0)
		return -EPERM;
	if (!policy || command < 0 || command > 63 || !(policy->bpf_commands >> command & 1))
		return 0;
	return judge_bpf(command, IW_HOOK_LSM_BPF);
}

/* A descriptor for a map of ours that could change it; whoever has none cannot write. */
SEC("lsm/bpf_map")
int IW_PROG(iw_lsm_bpf_map, struct bpf_map___id *map, unsigned int mode, int ret)
{
	__u32 err = 0, id = 0;

	if (ret)
		return ret;
	if (!(mode & FMODE_WRITE))
		return 0;
	IW_GET(err, id, map, id);
	if (err || !bpf_map_lookup_elem(&iw_enforce_map, &id))
		return 0;
	return judge_bpf(IW_MAP_GET_FD_BY_ID, IW_HOOK_LSM_BPF_MAP);
}

static __always_inline int judge_target(struct task_struct *target, __u32 rule, __u32 detail, __u32 hook)
{
	struct iw_enforce_policy *policy = policy_now();
	struct iw_enforce_counters *c = enforce_count();
	struct iw_decision d = { .rule = rule, .detail = detail, .hook = hook };
	struct task_struct *task = iw_current();
	__u32 err = 0;

	if (!policy || !c || !policy->mode[rule & (IW_RULES - 1)])
		return 0;
	IW_GET(err, d.target_pid, target, tgid);
	if (err || !(roles_of(target, d.target_pid, &d.target_start_ns) & IW_PROCESS_PROTECTED))
		return 0;
	if (unjudged(task, IW_PROCESS_OPERATOR) || (exemptions(task) & IW_EXEMPT_SELF)) {
		c->exempt[rule & (IW_RULES - 1)]++;
		return 0;
	}
	return decide(&d, mode_of(policy, c, rule), NULL, NULL, NULL);
}

/* Signals of users only: the kernel's own (a terminal's Ctrl-C, out of memory) are not asked about. */
SEC("lsm/task_kill")
int IW_PROG(iw_lsm_task_kill, struct task_struct *target, void *info, int signal, const struct cred *cred, int ret)
{
	struct iw_enforce_policy *policy = policy_now();

	if (ret)
		return ret;
	if (!policy || signal < 1 || signal > 64 || !(policy->signals >> (signal - 1) & 1))
		return 0;
	return judge_target(target, IW_RULE_SELF_SIGNAL, signal, IW_HOOK_LSM_TASK_KILL);
}

/* Attaching, /proc/pid/mem, process_vm_writev, pidfd_getfd. Reading /proc/pid, as ps does, is another mode. */
SEC("lsm/ptrace_access_check")
int IW_PROG(iw_lsm_ptrace, struct task_struct *target, unsigned int mode, int ret)
{
	if (ret)
		return ret;
	if (!(mode & PTRACE_MODE_ATTACH))
		return 0;
	return judge_target(target, IW_RULE_SELF_PTRACE, mode, IW_HOOK_LSM_PTRACE);
}

/* Loaded alone and attached to see whether this kernel runs LSM programs at all. It never has a say. */
SEC("lsm/task_setnice")
int IW_PROG(iw_lsm_sample, struct task_struct *task, int nice, int ret)
{
	struct iw_enforce_counters *c = enforce_count();

	if (c)
		c->sampled++;
	return ret;
}
