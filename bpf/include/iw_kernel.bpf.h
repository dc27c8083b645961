/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The few kernel types that the programs read, with only the members they read. Every access is
 * relocated against the running kernel's BTF, so order and distance here mean nothing. A member that
 * some supported kernel lacks is tested with bpf_core_field_exists before it is read.
 */
#ifndef IW_KERNEL_BPF_H
#define IW_KERNEL_BPF_H

#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>

/* include/linux/fs.h; the values are ABI between the kernel's own parts since 2.6, FMODE_CREATED since 4.19. */
#define FMODE_READ 0x1
#define FMODE_WRITE 0x2
#define FMODE_PATH 0x4000
#define FMODE_CREATED 0x100000
#define FMODE_NOACCOUNT 0x20000000 /* opened by the kernel for itself: the file below an overlay */
#define FMODE_EXEC 0x20		   /* in f_flags */

/* include/uapi/linux/stat.h */
#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define S_IFBLK 0060000
#define S_IFDIR 0040000
#define S_IFCHR 0020000
#define S_IFIFO 0010000
#define S_ISUID 0004000
#define S_ISGID 0002000
#define S_IXGRP 0000010
#define S_IWOTH 0000002

#define PF_KTHREAD 0x00200000	 /* include/linux/sched.h */
#define SIGNAL_GROUP_EXIT 0x4	 /* include/linux/sched/signal.h */
#define SOCKFS_MAGIC 0x534F434B	 /* include/uapi/linux/magic.h */
#define OVERLAYFS_MAGIC 0x794c7630 /* include/uapi/linux/magic.h */
#define PROC_SUPER_MAGIC 0x9fa0	   /* include/uapi/linux/magic.h */
#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define SOCK_STREAM 1
#define AF_PACKET 17
#define SOCK_DGRAM 2
#define SOCK_PACKET 10
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define TCP_SYN_SENT 2 /* include/net/tcp_states.h */
#define TCP_LISTEN 10

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	unsigned int val;
} kuid_t;

typedef struct {
	unsigned int val;
} kgid_t;

/* u32[2] before 6.3, u64 later: eight bytes, and the same ones on little-endian machines. */
typedef struct {
	__u64 val;
} kernel_cap_t;

struct list_head {
	struct list_head *next;
};

struct hlist_node {
	struct hlist_node *next;
};

struct hlist_head {
	struct hlist_node *first;
};

struct qstr {
	union {
		struct {
			__u32 hash;
			__u32 len;
		};
		__u64 hash_len;
	};
	const unsigned char *name;
};

struct file_system_type {
	const char *name;
};

struct super_block {
	__u32 s_dev;
	unsigned long s_magic;
	struct file_system_type *s_type;
};

struct inode {
	unsigned short i_mode;
	kuid_t i_uid;
	kgid_t i_gid;
	struct super_block *i_sb;
	unsigned long i_ino;
	unsigned int i_nlink;
	void *i_private;
};

struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
};

struct vfsmount {
	struct dentry *mnt_root;
	struct super_block *mnt_sb;
};

struct mount {
	struct mnt_namespace *mnt_ns;
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
	const char *mnt_devname;
};

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

struct file {
	unsigned int f_mode;
	unsigned int f_flags;
	struct path f_path;
	struct inode *f_inode;
	void *private_data;
};

struct ovl_inode {
	struct inode vfs_inode;
	struct dentry *__upperdentry;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct fs_struct {
	struct path root;
	struct path pwd;
};

struct proc_ns_operations {
	int type; /* before 6.18, then ns_common.ns_type */
};

struct ns_common {
	__u32 ns_type; /* since 6.18 */
	const struct proc_ns_operations *ops;
	unsigned int inum;
};

struct user_namespace {
	struct ns_common ns;
};

struct net {
	struct ns_common ns;
};

struct cred {
	kuid_t uid;
	kgid_t gid;
	kuid_t euid;
	kernel_cap_t cap_permitted;
	kernel_cap_t cap_effective;
	struct user_namespace *user_ns;
};

struct mnt_namespace {
	struct ns_common ns;
};

struct pid_namespace {
	struct ns_common ns;
};

struct uts_namespace;
struct ipc_namespace;
struct time_namespace;
struct cgroup_namespace;

struct nsproxy {
	struct uts_namespace *uts_ns;
	struct ipc_namespace *ipc_ns;
	struct mnt_namespace *mnt_ns;
	struct pid_namespace *pid_ns_for_children;
	struct net *net_ns;
	struct time_namespace *time_ns_for_children; /* since 5.6 */
	struct cgroup_namespace *cgroup_ns;
};

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid {
	unsigned int level;
	struct hlist_head tasks[1];
	struct upid numbers[1];
};

struct proc_inode {
	struct pid *pid;
	struct inode vfs_inode;
};

struct kernel_siginfo {
	int si_code;
};

struct kernfs_node {
	__u64 id;
	const char *name;
	struct kernfs_node *parent;
};

/* Since 6.15. */
struct kernfs_node___rcu {
	struct kernfs_node *__parent;
};

struct cgroup {
	struct kernfs_node *kn;
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
};

/* Their numbers depend on the kernel's configuration. */
enum cgroup_subsys_id {
	memory_cgrp_id = 4,
	pids_cgrp_id = 11,
};

struct css_set {
	struct cgroup_subsys_state *subsys[14];
	struct cgroup *dfl_cgrp;
};

struct tty_driver {
	int major;
	int minor_start;
};

struct tty_struct {
	struct tty_driver *driver;
	int index;
};

struct signal_struct {
	atomic_t live;
	int nr_threads;
	int group_exit_code;
	unsigned int flags;
	struct tty_struct *tty;
};

struct mm_struct {
	unsigned long task_size;
	unsigned long arg_start;
	unsigned long arg_end;
	unsigned long start_brk;
	unsigned long brk;
	unsigned long start_stack;
	unsigned long env_start;
	unsigned long env_end;
};

struct vm_area_struct {
	unsigned long vm_start;
	unsigned long vm_end;
	struct file *vm_file;
};

struct thread_info {
	unsigned long flags;
	__u32 status;
};

struct task_struct {
	struct thread_info thread_info;
	unsigned int flags;
	unsigned int personality;
	int exit_code;
	int pid;
	int tgid;
	struct task_struct *real_parent;
	struct list_head ptraced;
	struct list_head ptrace_entry;
	struct task_struct *group_leader;
	struct pid *thread_pid;
	struct hlist_node pid_links[1];
	__u64 start_boottime;
	const struct cred *cred;
	char comm[16];
	struct fs_struct *fs;
	struct files_struct *files;
	struct nsproxy *nsproxy;
	struct signal_struct *signal;
	struct mm_struct *mm;
	struct css_set *cgroups;
	kuid_t loginuid;
	unsigned int sessionid;
};

struct linux_binprm {
	struct file *file;
	struct file *executable; /* whose set-user-id bit counts */
	const char *filename;
	const char *interp;
	const char *fdpath;
};

struct in6_addr {
	__u8 bytes[16];
};

struct sock_fprog_kern {
	__u16 len;
};

struct bpf_prog;

struct sk_filter {
	struct bpf_prog *prog;
};

struct sock_common {
	unsigned short skc_family;
	__u32 skc_daddr;
	__u32 skc_rcv_saddr;
	__u16 skc_dport;
	__u16 skc_num;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
};

typedef struct {
	int owned;
} socket_lock_t;

struct sock {
	struct sock_common __sk_common;
	__u16 sk_type;
	struct sk_filter *sk_filter;
	socket_lock_t sk_lock;
	__u16 sk_protocol;
};

struct socket {
	short type;
	struct sock *sk;
};

struct module {
	char name[56];
	unsigned long taints;
};

struct bpf_prog_aux {
	char name[16];
};

struct bpf_prog {
	enum bpf_prog_type type;
	enum bpf_attach_type expected_attach_type;
	struct bpf_prog_aux *aux;
	struct sock_fprog_kern *orig_prog;
};

struct bpf_link {
	struct bpf_prog *prog;
};

struct io_kiocb {
	void *ctx;
	__u8 opcode;
};

/* Before 5.12. */
struct io_ring_ctx___sqo {
	struct task_struct *sqo_task;
};

struct perf_event {
	struct perf_event_attr attr;
};

#if defined(__TARGET_ARCH_x86)
struct pt_regs {
	unsigned long bp;
	unsigned long bx;
	unsigned long r11;
	unsigned long r10;
	unsigned long r9;
	unsigned long r8;
	unsigned long cx;
	unsigned long dx;
	unsigned long si;
	unsigned long di;
	unsigned long orig_ax;
	unsigned long ip;
	unsigned long flags;
};
#define IW_CALL_NUMBER orig_ax
#elif defined(__TARGET_ARCH_arm64)
struct pt_regs {
	__u64 regs[31];
	__u64 orig_x0;
	int syscallno;
};
#define IW_CALL_NUMBER syscallno
#else
#error "no syscall argument registers for this architecture"
#endif

#pragma clang attribute pop

/* Since 6.2. The verifier turns the call into a move, so a read costs one load and not a helper's ~10 ns. */
extern void *bpf_rdonly_cast(const void *object, __u32 btf_id) __ksym __weak;
/* Since 6.2: the task of that number in the initial pid namespace. */
extern struct task_struct *bpf_task_from_pid(__s32 pid) __ksym __weak;
extern void bpf_task_release(struct task_struct *task) __ksym __weak;
/* Set by the loader where the kernel has these two. */
extern const volatile __u32 iw_find_task;

/* Since 6.10: no other task runs on this CPU in between. Since 6.15 with global functions called there. */
extern void bpf_preempt_disable(void) __ksym __weak;
extern void bpf_preempt_enable(void) __ksym __weak;
/* Set by the loader where the kernel has these two and lets our programs use them. */
extern const volatile __u32 iw_preemptible;

/* Since 6.4: a loop whose body the verifier follows until nothing new comes of it, not once a turn. */
struct bpf_iter_num {
	__u64 state;
};
extern int bpf_iter_num_new(struct bpf_iter_num *turns, int start, int end) __ksym __weak;
extern int *bpf_iter_num_next(struct bpf_iter_num *turns) __ksym __weak;
extern void bpf_iter_num_destroy(struct bpf_iter_num *turns) __ksym __weak;
/* Set by the loader where the kernel has these three. */
extern const volatile __u32 iw_iterators;

/* Evaluate `step` until it is non-zero, with `turn` 0, 1, 2 ... up to a constant number of `times`. */
#define IW_ITERATE(turn, times, step)                             \
	do {                                                      \
		struct bpf_iter_num turns_;                       \
		int *at_;                                         \
								  \
		bpf_iter_num_new(&turns_, 0, times);              \
		while ((at_ = bpf_iter_num_next(&turns_))) {      \
			__u32 turn __attribute__((unused)) = *at_; \
								  \
			if ((step))                               \
				break;                            \
		}                                                 \
		bpf_iter_num_destroy(&turns_);                    \
	} while (0)

#define IW_LOOP(turn, times, step)                           \
	do {                                                 \
		_Pragma("clang loop unroll(disable)")        \
		for (__u32 turn = 0; turn < (times); turn++) \
			if ((step))                          \
				break;                       \
	} while (0)

#define IW_REPEAT(turn, times, step)                   \
	do {                                           \
		if (iw_iterators)                      \
			IW_ITERATE(turn, times, step); \
		else                                   \
			IW_LOOP(turn, times, step);    \
	} while (0)
/* Set by the loader where the kernel has that function and lets these program types use it. */
extern const volatile __u32 iw_direct_reads;

/*
 * Read one member of a kernel object into a variable of the same size. Reads through the helper or-s a fault into
 * `err` and leave zero; direct loads leave zero only, so a pointer that may be NULL is tested by its user.
 */
#define IW_GET(err, dst, ptr, member)                                                                     \
	do {                                                                                              \
		const typeof(*(ptr)) *p_ = (ptr);                                                         \
		if (iw_direct_reads) {                                                                    \
			const typeof(*(ptr)) *q_ = bpf_rdonly_cast(p_, bpf_core_type_id_kernel(typeof(*(ptr)))); \
			(dst) = *(typeof(dst) *)&q_->member;                                              \
		} else {                                                                                  \
			(err) |= (__u32)bpf_core_read(&(dst), sizeof(dst), &p_->member);                  \
		}                                                                                         \
	} while (0)

/* The same for arrays and for types that may live in a module: always through the helper. */
#define IW_COPY(err, dst, ptr, member) ((err) |= (__u32)bpf_core_read(&(dst), sizeof(dst), &(ptr)->member))

#endif
