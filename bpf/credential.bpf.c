// SPDX-License-Identifier: GPL-2.0-only
/*
 * Changes of user, group and capabilities by syscall. Nothing keeps the old credentials at a call's end, so each
 * process's last known ones are kept here: from its birth, its exec, and its changes; user space adds those that were
 * there before. Nothing is remembered between a call's entry and its exit, so nothing can be flooded in between.
 */
#include "include/iw_call.bpf.h"

#define IW_IDENTITIES 32768

struct iw_identity {
	__u64 start_ns; /* of the process, so that a reused id inherits nothing */
	__u64 cap_effective;
	__u32 uid;
	__u32 euid;
	__u32 gid;
	__u32 reserved0;
};

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

/* setuid, setreuid, setresuid, setgid, setregid, setresgid, setfsuid, setfsgid, capset. */
SEC("tp_btf/sys_exit")
int iw_do_credential(__u64 *ctx)
{
	struct iw_identity before = {}, after = {}, *kept;
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct iw_credential_change *k;
	struct iw_counters *c = iw_count();
	struct iw_call call;

	if (iw_call_begin(ctx, &call) || call.ret < 0 || !c || identity_of(iw_current(), &after))
		return 0;
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
	bpf_map_update_elem(&iw_identities, &tgid, &after, BPF_ANY);
	if (!IW_RESERVE(k, iw_ring_prio, IW_RING_PRIO, IW_KIND_CREDENTIAL_CHANGE, call.hook))
		return 0;
	iw_fill(&k->h, iw_current(), IW_KIND_CREDENTIAL_CHANGE);
	k->cap_effective = after.cap_effective;
	k->old_cap_effective = before.cap_effective;
	k->old_uid = before.uid;
	k->old_euid = before.euid;
	k->old_gid = before.gid;
	k->syscall_nr = call.nr;
	IW_SUBMIT(k, iw_ring_prio, IW_RING_PRIO);
	return 0;
}
