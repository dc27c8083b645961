// SPDX-License-Identifier: GPL-2.0-only
/*
 * Changes of user, group and capabilities by syscall. Nothing keeps the old credentials at a call's end, so each
 * process's last known ones are kept here: from its birth, its exec, and its changes; user space adds those that were
 * there before. Nothing is remembered between a call's entry and its exit, so nothing can be flooded in between.
 */
#include "include/iw_call.bpf.h"

#define IW_IDENTITIES 32768
#define IW_KEY_TYPE_MAX 32 /* security/keys/keyctl.c: type names are shorter */

struct iw_identity {
	__u64 start_ns; /* of the process, so that a reused id inherits nothing */
	__u64 cap_effective;
	__u32 uid;
	__u32 euid;
	__u32 gid;
	__u32 mixed; /* threads may differ: one of several changed its own */
};

/* Set by the loader when every call that changes an identity is seen: without one, a changed identity means nothing. */
const volatile __u32 iw_compare_identities = 0;

/* By process id. LRU: on a host with more processes the idlest one's next change has no "before". */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, IW_IDENTITIES);
	__type(key, __u32);
	__type(value, struct iw_identity);
} iw_identities SEC(".maps");

static __always_inline __u32 identity_of(struct task_struct *task, struct iw_identity *identity)
{
	struct task_struct *leader = NULL;
	const struct cred *cred = NULL;
	__u32 err = 0;

	IW_GET(err, leader, task, group_leader);
	IW_GET(err, identity->start_ns, leader, start_boottime);
	IW_GET(err, cred, task, cred);
	IW_COPY(err, identity->cap_effective, cred, cap_effective);
	IW_GET(err, identity->uid, cred, uid);
	IW_GET(err, identity->euid, cred, euid);
	IW_GET(err, identity->gid, cred, gid);
	return err;
}

/* Remember what `task` is now; called at birth and exec (process.bpf.c). */
static __always_inline void iw_identity_keep(struct task_struct *task, __u32 tgid)
{
	struct iw_identity identity = {};

	if (!identity_of(task, &identity))
		bpf_map_update_elem(&iw_identities, &tgid, &identity, BPF_ANY);
}

/* May other threads of the current process have other credentials than the current one? */
static __always_inline __u32 has_threads(struct task_struct *task)
{
	struct signal_struct *signal = NULL;
	__u32 err = 0;
	int count = 0;

	IW_GET(err, signal, task, signal);
	IW_GET(err, count, signal, nr_threads);
	return err || count > 1;
}

static __always_inline int tell_change(const struct iw_identity *before, const struct iw_identity *after, __u32 nr,
				       __u32 hook)
{
	struct iw_credential_change *k;

	if (!IW_RESERVE(k, iw_ring_prio, IW_RING_PRIO, IW_KIND_CREDENTIAL_CHANGE, hook))
		return 0;
	iw_fill(&k->h, iw_current(), IW_KIND_CREDENTIAL_CHANGE);
	k->cap_effective = after->cap_effective;
	k->old_cap_effective = before->cap_effective;
	k->old_uid = before->uid;
	k->old_euid = before->euid;
	k->old_gid = before->gid;
	k->syscall_nr = nr;
	IW_SUBMIT(k, iw_ring_prio, IW_RING_PRIO);
	return 0;
}

/*
 * At a birth and an exec (process.bpf.c): is the current process root without a call that made it so? That is what an exploit
 * leaves that writes credentials in kernel memory. Not for processes whose threads differ; set-uid files are the caller's to
 * leave out.
 */
__noinline int iw_identity_check(__u32 hook)
{
	__u32 err = 0, euid = 0, tgid = bpf_get_current_pid_tgid() >> 32;
	struct iw_identity before, after = {}, *kept;
	struct task_struct *task = iw_current();
	const struct cred *cred = NULL;

	kept = bpf_map_lookup_elem(&iw_identities, &tgid);
	if (!iw_compare_identities || !kept || !kept->euid || kept->mixed)
		return 0;
	IW_GET(err, cred, task, cred);
	IW_GET(err, euid, cred, euid);
	if (err || euid || identity_of(task, &after) || after.start_ns - kept->start_ns > IW_START_SLACK_NS)
		return 0;
	before = *kept;
	bpf_map_update_elem(&iw_identities, &tgid, &after, BPF_ANY);
	return tell_change(&before, &after, IW_UNSET, hook);
}

/* setuid, setreuid, setresuid, setgid, setregid, setresgid, setfsuid, setfsgid, capset. */
SEC("tp_btf/sys_exit")
int IW_PROG(iw_do_credential)
{
	struct iw_identity before = {}, after = {}, *kept;
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct iw_counters *c = iw_count();
	struct iw_call call;

	if (iw_call_begin(ctx, &call) || call.ret < 0 || !c)
		return 0;
	if (identity_of(iw_current(), &after)) {
		bpf_map_delete_elem(&iw_identities, &tgid);
		return 0;
	}
	kept = bpf_map_lookup_elem(&iw_identities, &tgid);
	if (kept)
		before = *kept;
	if (!kept || after.start_ns - before.start_ns > IW_START_SLACK_NS) {
		c->unpaired[IW_KIND_CREDENTIAL_CHANGE]++;
		before.uid = IW_UNSET;
		before.euid = IW_UNSET;
		before.gid = IW_UNSET;
		before.cap_effective = 0;
	}
	if (before.uid == after.uid && before.euid == after.euid && before.gid == after.gid &&
	    before.cap_effective == after.cap_effective) {
		c->filtered[IW_KIND_CREDENTIAL_CHANGE]++;
		return 0;
	}
	after.mixed = before.mixed | has_threads(iw_current());
	bpf_map_update_elem(&iw_identities, &tgid, &after, BPF_ANY);
	return tell_change(&before, &after, call.nr, call.hook);
}

/*
 * keyctl operations that read or change somebody's key, bit n for KEYCTL_* number n (include/uapi/linux/keyctl.h): update 2,
 * chown 4, setperm 5, link 8, read 11, instantiate 12, session_to_parent 18, instantiate_iov 20, get_persistent 22, move 30.
 * Logins join and revoke keyrings all the time.
 */
const volatile __u64 iw_key_operations = 1ULL << 2 | 1ULL << 4 | 1ULL << 5 | 1ULL << 8 | 1ULL << 11 | 1ULL << 12 |
					 1ULL << 18 | 1ULL << 20 | 1ULL << 22 | 1ULL << 30;

/* Type and description of a key as "type:description". */
static __always_inline __u32 key_name(struct iw_scratch *s, __u32 pos, struct iw_str *name, struct iw_call *call)
{
	__u32 at = iw_masked(pos, IW_START_MASK), len;
	long n;

	n = bpf_probe_read_user_str(&s->record[at], IW_KEY_TYPE_MAX, (void *)iw_call_arg(call, 0));
	if (n <= 1 || n > IW_KEY_TYPE_MAX)
		return pos;
	len = n;
	s->record[iw_masked(at + len - 1, IW_START_MASK)] = ':';
	n = bpf_probe_read_user_str(&s->record[iw_masked(at + len, IW_START_MASK)], IW_PATH_MAX,
				    (void *)iw_call_arg(call, 1));
	if (n < 1 || n > IW_PATH_MAX)
		return pos;
	len += (__u32)n - 1;
	name->off = pos;
	name->len = len;
	iw_clear_after(s, pos + len);
	return (pos + len + 7) & ~7u;
}

/* keyctl, add_key, request_key, when they succeeded. */
SEC("tp_btf/sys_exit")
int IW_PROG(iw_do_key)
{
	struct iw_counters *c = iw_count();
	struct iw_credential_key *k;
	__u32 operation = 0, pos;
	struct iw_scratch *s;
	struct iw_call call;

	if (iw_call_begin(ctx, &call) || call.ret < 0 || !c)
		return 0;
	if (call.hook == IW_HOOK_KEYCTL) {
		operation = iw_call_arg(&call, 0);
		if (operation >= 64 || !(iw_key_operations >> operation & 1))
			return 0;
	}
	s = iw_take(c, IW_KIND_CREDENTIAL_KEY);
	if (!s)
		return 0;
	k = (struct iw_credential_key *)s->record;
	__builtin_memset(k, 0, sizeof(*k));
	iw_fill(&k->h, iw_current(), IW_KIND_CREDENTIAL_KEY);
	k->key_call = call.hook;
	k->key_operation = operation;
	pos = sizeof(*k);
	if (call.hook != IW_HOOK_KEYCTL) {
		pos = key_name(s, pos, &k->name, &call);
		if (!k->name.len)
			k->h.flags |= IW_F_READ_FAULT;
	}
	iw_output(c, s, pos, IW_KIND_CREDENTIAL_KEY, call.hook, &iw_ring_prio, IW_RING_PRIO);
	iw_release(c);
	return 0;
}
