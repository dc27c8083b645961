# SPDX-License-Identifier: Apache-2.0
"""A file with secrets is read, and then the reader or a near relative connects to the outside.

The connecting process is the reader, a descendant of it, or one of its three nearest ancestors (`tar | curl` under
one script). What an ancestor's other children do is not held against it: `sudo` reads the password hashes, and what a
person then runs in the same shell is no exfiltration. Each kind of secret has owners, programs by path that
read it for their work; their reads are counted as skipped. Connections to loopback count only when
`include_loopback` is 1.

Opens and connections travel on different rings, so a connection may be seen a moment before the read that came
first. The last PENDING connections are therefore kept for ORDER_NS and looked at again when a read turns up.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

from innerwarden_core.detector cimport *
from innerwarden_core.fields cimport IW_SHAPE_U64, iw_value
from innerwarden_core.hits cimport hits_group, hits_sample
from innerwarden_core.proctable cimport table_find, table_parent
from innerwarden_core.record cimport *
from innerwarden_core.text cimport is_loopback, iw_load64, iw_mix
from innerwarden_core.view cimport view_actor

cdef extern from *:
    """
    static const struct iw_name iw_login_programs[] = {
        IW_NAME("/usr/bin/sudo"), IW_NAME("/usr/bin/su"), IW_NAME("/bin/su"), IW_NAME("/usr/bin/login"),
        IW_NAME("/bin/login"), IW_NAME("/usr/sbin/sshd"), IW_NAME("/usr/lib/openssh/sshd-session"),
        IW_NAME("/usr/libexec/openssh/sshd-session"), IW_NAME("/usr/libexec/sshd-session"),
        IW_NAME("/usr/lib/openssh/sshd-auth"), IW_NAME("/usr/libexec/sshd-auth"),
        IW_NAME("/usr/sbin/unix_chkpwd"), IW_NAME("/sbin/unix_chkpwd"), IW_NAME("/usr/bin/passwd"),
        IW_NAME("/usr/bin/chage"), IW_NAME("/usr/bin/chfn"), IW_NAME("/usr/bin/chsh"),
        IW_NAME("/usr/bin/newgrp"), IW_NAME("/usr/bin/gpasswd"), IW_NAME("/usr/sbin/useradd"),
        IW_NAME("/usr/sbin/usermod"), IW_NAME("/usr/sbin/userdel"), IW_NAME("/usr/sbin/groupadd"),
        IW_NAME("/usr/sbin/groupmod"), IW_NAME("/usr/sbin/groupdel"), IW_NAME("/usr/sbin/chpasswd"),
        IW_NAME("/usr/sbin/pwck"), IW_NAME("/usr/sbin/grpck"), IW_NAME("/usr/sbin/cron"),
        IW_NAME("/usr/sbin/crond"), IW_NAME("/usr/lib/systemd/systemd"),
        IW_NAME("/usr/lib/systemd/systemd-executor"), IW_NAME("/usr/lib/systemd/systemd-logind"),
        IW_NAME("/usr/lib/systemd/systemd-userwork"), IW_NAME("/usr/bin/systemd-sysusers"),
        IW_NAME("/usr/bin/systemd-tmpfiles"), IW_NAME("/usr/lib/polkit-1/polkit-agent-helper-1"),
        IW_NAME("/usr/bin/pkexec"), IW_NAME("/usr/sbin/nscd"), IW_NAME("/usr/sbin/agetty"),
        IW_NAME("/sbin/agetty"), { 0, 0 } };
    static const struct iw_name iw_ssh_programs[] = {
        IW_NAME("/usr/bin/ssh"), IW_NAME("/usr/bin/ssh-add"), IW_NAME("/usr/bin/ssh-agent"),
        IW_NAME("/usr/bin/ssh-keygen"), IW_NAME("/usr/lib/openssh/ssh-keysign"),
        IW_NAME("/usr/libexec/openssh/ssh-keysign"), { 0, 0 } };
    static const struct iw_name iw_sshd_programs[] = {
        IW_NAME("/usr/sbin/sshd"), IW_NAME("/usr/lib/openssh/sshd-session"),
        IW_NAME("/usr/libexec/openssh/sshd-session"), IW_NAME("/usr/libexec/sshd-session"),
        IW_NAME("/usr/bin/ssh-keygen"), { 0, 0 } };
    static const struct iw_name iw_cluster_programs[] = {
        IW_NAME("/usr/bin/kubectl"), IW_NAME("/usr/local/bin/kubectl"), IW_NAME("/usr/bin/helm"),
        IW_NAME("/usr/local/bin/helm"), IW_NAME("/usr/bin/k9s"), IW_NAME("/usr/local/bin/k9s"), { 0, 0 } };
    static const struct iw_name iw_container_programs[] = {
        IW_NAME("/usr/bin/docker"), IW_NAME("/usr/bin/dockerd"), IW_NAME("/usr/bin/podman"),
        IW_NAME("/usr/bin/buildah"), IW_NAME("/usr/bin/skopeo"),
        IW_NAME("/usr/libexec/docker/cli-plugins/docker-buildx"),
        IW_NAME("/usr/libexec/docker/cli-plugins/docker-compose"), { 0, 0 } };
    static const struct iw_name iw_git_programs[] = {
        IW_NAME("/usr/bin/git"), IW_NAME("/usr/lib/git-core/git"), IW_NAME("/usr/libexec/git-core/git"),
        IW_NAME("/usr/lib/git-core/git-credential-store"),
        IW_NAME("/usr/libexec/git-core/git-credential-store"), { 0, 0 } };
    static const struct iw_name iw_nobody[] = { { 0, 0 } };

    struct iw_secret { struct iw_name tail; const struct iw_name *owners; };
    static const struct iw_secret iw_secrets[] = {
        { IW_NAME("/etc/shadow"), iw_login_programs }, { IW_NAME("/etc/shadow-"), iw_login_programs },
        { IW_NAME("/etc/gshadow"), iw_login_programs }, { IW_NAME("/etc/gshadow-"), iw_login_programs },
        { IW_NAME("/etc/security/opasswd"), iw_login_programs }, { IW_NAME("/id_rsa"), iw_ssh_programs },
        { IW_NAME("/id_dsa"), iw_ssh_programs }, { IW_NAME("/id_ecdsa"), iw_ssh_programs },
        { IW_NAME("/id_ed25519"), iw_ssh_programs }, { IW_NAME("/id_ecdsa_sk"), iw_ssh_programs },
        { IW_NAME("/id_ed25519_sk"), iw_ssh_programs }, { IW_NAME("/ssh_host_rsa_key"), iw_sshd_programs },
        { IW_NAME("/ssh_host_ecdsa_key"), iw_sshd_programs },
        { IW_NAME("/ssh_host_ed25519_key"), iw_sshd_programs },
        { IW_NAME("/ssh_host_dsa_key"), iw_sshd_programs }, { IW_NAME("/.aws/credentials"), iw_nobody },
        { IW_NAME("/.azure/msal_token_cache.json"), iw_nobody },
        { IW_NAME("/gcloud/credentials.db"), iw_nobody }, { IW_NAME("/gcloud/access_tokens.db"), iw_nobody },
        { IW_NAME("/gcloud/application_default_credentials.json"), iw_nobody },
        { IW_NAME("/.kube/config"), iw_cluster_programs }, { IW_NAME("/serviceaccount/token"), iw_nobody },
        { IW_NAME("/.docker/config.json"), iw_container_programs },
        { IW_NAME("/.git-credentials"), iw_git_programs }, { IW_NAME("/.netrc"), iw_nobody },
        { IW_NAME("/.pgpass"), iw_nobody }, { IW_NAME("/.my.cnf"), iw_nobody },
        { IW_NAME("/.vault-token"), iw_nobody },
        { { 0, 0 }, 0 } };
    """
    cdef struct iw_secret:
        iw_name tail
        const iw_name *owners
    const iw_secret *iw_secrets

cdef enum:
    UP = 3              # ancestors of the reader whose own connection counts
    PENDING = 128
    ORDER_NS = 1000000000

PARAMETERS = {"window_s": 60, "levels": 8, "include_loopback": 0, "cooldown_s": 600}

cdef struct iw_late:
    uint64_t ts_ns
    uint64_t padding
    iw_network_connect record

cdef struct iw_sensitive_read:
    iw_detector base
    uint64_t window_ns
    uint32_t levels
    bint include_loopback
    uint32_t next_pending
    uint64_t last_pending_ns    # event time of the latest
    iw_late pending[PENDING]


cdef const iw_secret *secret_of(const uint8_t *path, uint32_t size) noexcept nogil:
    cdef const iw_secret *secret = iw_secrets
    while secret.tail.text != NULL:
        if secret.tail.size <= size and memcmp(path + size - secret.tail.size, secret.tail.text, secret.tail.size) == 0:
            return secret
        secret += 1
    return NULL


cdef bint is_outside(const iw_sensitive_read *self, const iw_network_connect *record) noexcept nogil:
    """Not loopback, and not the unspecified address, which connects to loopback."""
    cdef const uint8_t *address = record.dst_ip
    if record.family != 2 and record.family != 10:
        return False
    if self.include_loopback:
        return True
    if iw_load64(address) == 0 and (iw_load64(address + 8) == 0 or iw_load64(address + 8) == 0xFFFF0000ULL):
        return False
    return not is_loopback(address)


cdef iw_tracked *reader_of(
    iw_sensitive_read *self, iw_scene *scene, uint64_t ts_ns, uint32_t pid, uint64_t start_ns,
    uint32_t *reader_pid, uint64_t *reader_start_ns,
) noexcept nogil:
    """What links a connection of (pid, start) to a read before it, or NULL."""
    cdef iw_process *process = table_find(scene.table, pid, start_ns)
    cdef iw_tracked *tracked = tracked_find(&self.base.tracker, pid, start_ns)
    cdef uint32_t depth = 0
    while True:
        if tracked != NULL and ts_ns >= tracked.own_ns and within(ts_ns, tracked.own_ns, self.window_ns):
            reader_pid[0] = tracked.pid
            reader_start_ns[0] = tracked.start_ns
            return tracked
        if depth == 0 and tracked != NULL and ts_ns >= tracked.relative_ns \
                and within(ts_ns, tracked.relative_ns, self.window_ns):
            reader_pid[0] = tracked.relative_pid
            reader_start_ns[0] = tracked.relative_start_ns
            return tracked
        depth += 1
        if process == NULL or depth > self.levels:
            return NULL
        process = table_parent(scene.table, process)
        if process == NULL:
            return NULL
        tracked = tracked_find(&self.base.tracker, process.pid, process.start_ns)


cdef bint judge(iw_sensitive_read *self, iw_scene *scene, const iw_network_connect *record, uint64_t ts_ns) noexcept nogil:
    """Raise the hit for a connection that follows a read; the hit's record is the connection."""
    cdef uint32_t pid = 0, size
    cdef uint64_t start_ns = 0
    cdef iw_tracked *tracked = reader_of(self, scene, ts_ns, record.h.pid, record.h.start_ns, &pid, &start_ns)
    cdef const iw_header *current = scene.record
    cdef iw_hit *hit
    cdef iw_value value
    cdef char peer[64]
    if tracked == NULL:
        return False
    scene.record = &record.h
    hit = detector_hit(&self.base, scene, iw_mix(start_ns ^ pid))
    scene.record = current
    if hit != NULL:
        value.shape = IW_SHAPE_U64
        value.number = pid
        hits_group(scene.hits, hit, &value)
        hits_sample(scene.hits, hit, tracked.text, tracked.text_size)
        size = format_peer(record.dst_ip, record.dst_port, peer)
        hits_sample(scene.hits, hit, <uint8_t *>peer, size)
        hit.first_ts_ns = record.h.ts_ns - (ts_ns - max(tracked.own_ns, tracked.relative_ns))
        hit.related_pid = pid
        hit.related_start_ns = start_ns
    return True


cdef void on_open(iw_sensitive_read *self, iw_scene *scene) noexcept nogil:
    cdef const iw_file_open *record = <const iw_file_open *>scene.record
    cdef const uint8_t *path = <const uint8_t *>record + record.path.off
    cdef const iw_secret *secret
    cdef iw_process *process = view_actor(scene.view)
    cdef iw_tracked *tracked
    cdef uint32_t depth
    if not record.open_flags & IW_OPEN_WATCHED_READ or record.path.len == 0:
        return
    secret = secret_of(path, record.path.len)
    if secret == NULL:
        return
    if exe_in(process, secret.owners):
        self.base.skipped += 1
        return
    tracked = tracked_make(&self.base.tracker, record.h.pid, record.h.start_ns, scene.ts_ns)
    tracked.own_ns = scene.ts_ns
    tracked_note(tracked, path, record.path.len)
    for depth in range(UP):
        process = table_parent(scene.table, process) if process != NULL else NULL
        if process == NULL or process.pid == 1:
            break
        tracked = tracked_make(&self.base.tracker, process.pid, process.start_ns, scene.ts_ns)
        tracked.relative_ns = scene.ts_ns
        tracked.relative_pid = record.h.pid
        tracked.relative_start_ns = record.h.start_ns
        tracked_note(tracked, path, record.path.len)
    if self.last_pending_ns < scene.ts_ns:
        return
    for depth in range(PENDING):
        if self.pending[depth].ts_ns >= scene.ts_ns and self.pending[depth].ts_ns - scene.ts_ns <= ORDER_NS:
            if judge(self, scene, &self.pending[depth].record, self.pending[depth].ts_ns):
                self.pending[depth].ts_ns = 0


cdef void on_connect(iw_sensitive_read *self, iw_scene *scene) noexcept nogil:
    cdef const iw_network_connect *record = <const iw_network_connect *>scene.record
    cdef iw_late *late
    if not is_outside(self, record) or judge(self, scene, record, scene.ts_ns):
        return
    late = &self.pending[self.next_pending]
    self.next_pending = (self.next_pending + 1) % PENDING
    memcpy(&late.record, record, sizeof(iw_network_connect))
    late.record.h.size = sizeof(iw_network_connect)
    late.ts_ns = scene.ts_ns
    self.last_pending_ns = max(self.last_pending_ns, scene.ts_ns)


cdef void handle(void *state, iw_scene *scene) noexcept nogil:
    if scene.record.kind == IW_KIND_FILE_OPEN:
        on_open(<iw_sensitive_read *>state, scene)
    else:
        on_connect(<iw_sensitive_read *>state, scene)


cdef class SensitiveRead(Detector):
    cdef iw_sensitive_read full

    def __init__(self, dict parameters not None):
        check_parameters(parameters, PARAMETERS)
        self.kinds = (IW_KIND_FILE_OPEN, IW_KIND_NETWORK_CONNECT)
        self.handler = handle
        self.adopt(&self.full.base)
        self.full.base.cooldown_ns = <uint64_t>parameters["cooldown_s"] * 1000000000
        self.full.window_ns = <uint64_t>parameters["window_s"] * 1000000000
        self.full.levels = min(parameters["levels"], 64)
        self.full.include_loopback = parameters["include_loopback"] != 0


DETECTOR = SensitiveRead
