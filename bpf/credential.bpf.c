// SPDX-License-Identifier: GPL-2.0-only
/* Changes of user, group and capabilities by syscall: remembered at the entry, compared at the exit. */
#include "include/iw_common.bpf.h"

struct iw_identity {
	__u64 cap_effective;
	__u32 uid;
	__u32 euid;
	__u32 gid;
	__u32 nr;
};

/* LRU, so that entries whose exit was never seen (a thread killed in the call) cannot fill it. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct iw_identity);
} iw_identity_before SEC(".maps");

static __always_inline __u32 identity_of(struct task_struct *task, struct iw_identity *identity)
{
	const struct cred *cred = NULL;
	__u32 err = 0;

	IW_GET(err, cred, task, cred);
	IW_COPY(err, identity->cap_effective, cred, cap_effective);
	IW_GET(err, identity->uid, cred, uid);
	IW_GET(err, identity->euid, cred, euid);
	IW_GET(err, identity->gid, cred, gid);
	return err;
}

/* Entries of setuid, setreuid, setresuid, setgid, setregid, setresgid, capset. */
SEC("tp")
int iw_identity_enter(struct iw_sys_enter *ctx)
{
	struct iw_identity identity = {};
	struct iw_counters *c;
	__u32 tid = bpf_get_current_pid_tgid();

	identity.nr = ctx->nr;
	if (identity_of(iw_current(), &identity) || bpf_map_update_elem(&iw_identity_before, &tid, &identity, BPF_ANY)) {
		c = iw_count();
		if (c)
			c->unpaired[IW_KIND_CREDENTIAL_CHANGE]++;
	}
	return 0;
}

/* Their exits. */
SEC("tp")
int iw_identity_exit(struct iw_sys_exit *ctx)
{
	__u32 tid = bpf_get_current_pid_tgid(), nr;
	struct iw_identity before, after = {}, *kept;
	struct iw_credential_change *k;
	struct iw_counters *c;

	kept = bpf_map_lookup_elem(&iw_identity_before, &tid);
	if (!kept) {
		c = iw_count();
		if (c && ctx->ret == 0)
			c->unpaired[IW_KIND_CREDENTIAL_CHANGE]++;
		return 0;
	}
	before = *kept;
	nr = before.nr;
	bpf_map_delete_elem(&iw_identity_before, &tid);
	if (ctx->ret)
		return 0;
	if (identity_of(iw_current(), &after))
		return 0;
	if (before.uid == after.uid && before.euid == after.euid && before.gid == after.gid &&
	    before.cap_effective == after.cap_effective) {
		c = iw_count();
		if (c)
			c->filtered[IW_KIND_CREDENTIAL_CHANGE]++;
		return 0;
	}
	if (!IW_RESERVE(k, iw_ring_prio, IW_RING_PRIO, IW_KIND_CREDENTIAL_CHANGE))
		return 0;
	iw_fill(&k->h, iw_current(), IW_KIND_CREDENTIAL_CHANGE);
	k->cap_effective = after.cap_effective;
	k->old_cap_effective = before.cap_effective;
	k->old_uid = before.uid;
	k->old_euid = before.euid;
	k->old_gid = before.gid;
	k->syscall_nr = nr;
	IW_SUBMIT(k, iw_ring_prio, IW_RING_PRIO);
	return 0;
}
