// SPDX-License-Identifier: GPL-2.0-only
/* Signals to protected processes, and names that imitate the kernel's own threads. */
#include "include/iw_common.bpf.h"

#define SEND_SIG_PRIV ((struct kernel_siginfo *)1) /* include/linux/sched/signal.h: sent by the kernel itself */
#define SI_KERNEL 0x80				   /* include/uapi/asm-generic/siginfo.h */
#define IW_SIGNALS 64
#define IW_KERNEL_NAMES 12
#define IW_KERNEL_NAME_BYTES 8
#define TASK_COMM_LEN 16 /* include/linux/sched.h */

/* Signals that end or stop a process unless it handles them (signal(7)), bit n for number n. */
const volatile __u64 iw_signals_told =
	1ULL << 1 | 1ULL << 2 | 1ULL << 3 | 1ULL << 4 | 1ULL << 5 | 1ULL << 6 | 1ULL << 7 | 1ULL << 8 | 1ULL << 9 |
	1ULL << 10 | 1ULL << 11 | 1ULL << 12 | 1ULL << 13 | 1ULL << 14 | 1ULL << 15 | 1ULL << 16 | 1ULL << 19 |
	1ULL << 20 | 1ULL << 21 | 1ULL << 22 | 1ULL << 24 | 1ULL << 25 | 1ULL << 26 | 1ULL << 27 | 1ULL << 29 |
	1ULL << 30 | 1ULL << 31;

/* How names of kernel threads begin (ps -e of Debian's kernels); the first bytes are enough to tell. */
const volatile struct {
	char text[IW_KERNEL_NAME_BYTES];
	__u32 len;
} iw_kernel_names[IW_KERNEL_NAMES] = {
	{ "[", 1 },	    { "kworker", 7 }, { "ksoftirq", 8 }, { "kthreadd", 8 }, { "migratio", 8 },
	{ "rcu_", 4 },	    { "kswapd", 6 },  { "watchdog", 8 }, { "jbd2/", 5 },    { "kdevtmpf", 8 },
	{ "khugepag", 8 }, { "cpuhp/", 6 },
};

/* Start time of the process when it is protected, else 0. */
static __always_inline __u64 protected_since(__u32 tgid, struct task_struct *task)
{
	__u64 *kept = bpf_map_lookup_elem(&iw_protected, &tgid), start = 0;
	struct task_struct *leader = NULL;
	__u32 err = 0;

	if (!kept)
		return 0;
	IW_GET(err, leader, task, group_leader);
	IW_GET(err, start, leader, start_boottime);
	return err || start - *kept > IW_START_SLACK_NS ? 0 : start;
}

/*
 * Whatever the sender claims in si_code: rt_sigqueueinfo() may pass any negative one, and F_SETSIG sends by positive ones. Only
 * what the kernel raises for itself is left out (SEND_SIG_PRIV, SI_KERNEL), and our own processes among each other.
 */
SEC("tp_btf/signal_generate")
int IW_PROG(iw_signal, int signal, struct kernel_siginfo *info, struct task_struct *target)
{
	__u32 err = 0, tgid = 0, sender = bpf_get_current_pid_tgid() >> 32;
	const struct cred *cred = NULL;
	struct iw_process_signal *g;
	__u64 start;
	int code = 0;

	if ((__u32)signal >= IW_SIGNALS || !(iw_signals_told >> signal & 1) || info == SEND_SIG_PRIV)
		return 0;
	IW_GET(err, tgid, target, tgid);
	if (err || tgid == sender)
		return 0;
	start = protected_since(tgid, target);
	if (!start || iw_own(sender))
		return 0;
	if (info)
		IW_COPY(err, code, info, si_code);
	if (code == SI_KERNEL)
		return 0;
	if (!IW_RESERVE(g, iw_ring_prio, IW_RING_PRIO, IW_KIND_PROCESS_SIGNAL, IW_HOOK_SIGNAL))
		return 0;
	iw_fill(&g->h, iw_current(), IW_KIND_PROCESS_SIGNAL);
	g->target_start_ns = start;
	g->target_pid = tgid;
	g->signal = signal;
	IW_GET(err, cred, target, cred);
	IW_GET(err, g->target_uid, cred, uid);
	if (err)
		g->h.flags |= IW_F_READ_FAULT;
	IW_SUBMIT(g, iw_ring_prio, IW_RING_PRIO);
	return 0;
}

static __always_inline int is_kernel_name(const char *name)
{
	__u64 head[TASK_COMM_LEN / 8] = {};
	int i;

	if (bpf_probe_read_kernel_str(head, sizeof(head), name) <= 0)
		return 0;
#pragma clang loop unroll(full)
	for (i = 0; i < IW_KERNEL_NAMES; i++) {
		__u64 wanted = *(const volatile __u64 *)iw_kernel_names[i].text;

		if (iw_kernel_names[i].len && !((head[0] ^ wanted) << (64 - 8 * iw_kernel_names[i].len)))
			return 1;
	}
	return 0;
}

/* prctl(PR_SET_NAME), /proc/self/comm, and exec of a file with such a name: the task still has its former one. */
SEC("tp_btf/task_rename")
int IW_PROG(iw_task_rename, struct task_struct *task, const char *name)
{
	struct iw_counters *c = iw_count();
	struct iw_process_rename *r;
	__u32 err = 0, flags = 0, pos;
	struct iw_scratch *s;

	if (!c || !is_kernel_name(name))
		return 0;
	IW_GET(err, flags, task, flags);
	if (err || (flags & PF_KTHREAD))
		return 0;
	s = iw_take(c, IW_KIND_PROCESS_RENAME);
	if (!s)
		return 0;
	r = (struct iw_process_rename *)s->record;
	__builtin_memset(r, 0, sizeof(*r));
	iw_fill(&r->h, task, IW_KIND_PROCESS_RENAME);
	pos = IW_APPEND_TEXT(s, sizeof(*r), &r->name, name, TASK_COMM_LEN, bpf_probe_read_kernel_str);
	if (!r->name.len)
		r->h.flags |= IW_F_READ_FAULT;
	iw_output(c, s, pos, IW_KIND_PROCESS_RENAME, IW_HOOK_TASK_RENAME, &iw_ring_prio, IW_RING_PRIO);
	iw_release(c);
	return 0;
}
