# SPDX-License-Identifier: Apache-2.0
"""A shell or interpreter whose standard input or output is a network connection.

Four forms, each by what the kernel saw and not by command lines:
- socket_on_stdio: a shell or interpreter starts with a connected internet socket as descriptor 0 or 1;
- shell_redirects: a running shell copies such a socket onto 0, 1 or 2;
- redirect_then_shell: another program does, and it or a descendant starts a shell (also on a terminal: pty.spawn);
- shell_then_redirect: it does so after a descendant started a shell.

Not a match: local sockets (systemd, sshd give those), sockets without a peer, and a service that gets its socket from
inetd: a program that is neither shell nor interpreter and takes over the descriptors ends the suspicion.
One hit for a process tree: matches below a process that matched within the cooldown are the same shell.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, strlen

from innerwarden_core.detector cimport *
from innerwarden_core.fields cimport IW_SHAPE_STR, IW_SHAPE_U64, iw_value
from innerwarden_core.hits cimport hits_group, hits_sample
from innerwarden_core.proctable cimport image_exe, table_find, table_parent
from innerwarden_core.record cimport *
from innerwarden_core.text cimport base_name, is_text, iw_mix
from innerwarden_core.view cimport view_actor

cdef extern from *:
    """
    static const char *const iw_shells[] = {
        "sh", "bash", "dash", "ash", "zsh", "ksh", "ksh93", "mksh", "fish", "tcsh", "csh", "busybox", 0 };
    /* A version may follow: python3.11, lua5.4, nc.openbsd. */
    static const char *const iw_interpreters[] = {
        "python", "perl", "ruby", "php", "node", "nodejs", "lua", "luajit", "awk", "gawk", "mawk", "tclsh",
        "nc", "ncat", "netcat", "socat", 0 };
    """
    const char *const *iw_shells
    const char *const *iw_interpreters

cdef enum:
    FAMILY_INET = 2
    FAMILY_INET6 = 10
    TREE_DEPTH = 8  # how far up a match looks for one that it belongs to
    PROGRAM_OTHER = 0
    PROGRAM_INTERPRETER = 1
    PROGRAM_SHELL = 2

PARAMETERS = {"window_s": 60, "levels": 2, "cooldown_s": 300}

cdef struct iw_reverse_shell:
    iw_detector base
    uint64_t window_ns
    uint32_t levels


cdef bint is_version(const uint8_t *text, uint32_t size) noexcept nogil:
    """What may follow an interpreter's name: digits and dots, or a dot and a variant."""
    cdef uint32_t i
    if size == 0 or text[0] == c'.':
        return True
    for i in range(size):
        if text[i] != c'.' and not c'0' <= text[i] <= c'9':
            return False
    return True


cdef int program_of(const uint8_t *path, uint32_t size) noexcept nogil:
    cdef const uint8_t *name = base_name(path, &size)
    cdef const char *const *each = iw_shells
    cdef uint32_t length
    while each[0] != NULL:
        if is_text(name, size, each[0]):
            return PROGRAM_SHELL
        each += 1
    each = iw_interpreters
    while each[0] != NULL:
        length = <uint32_t>strlen(each[0])
        if length <= size and memcmp(name, each[0], length) == 0 and is_version(name + length, size - length):
            return PROGRAM_INTERPRETER
        each += 1
    return PROGRAM_OTHER


cdef bint is_peer(uint16_t family, uint16_t port) noexcept nogil:
    """A connected internet socket, loopback included: tunnels end there."""
    return (family == FAMILY_INET or family == FAMILY_INET6) and port != 0


cdef iw_tracked *tree_top(iw_reverse_shell *self, iw_scene *scene, iw_process *actor) noexcept nogil:
    """The topmost process from the actor upwards that took part in a match; NULL when none did."""
    cdef iw_tracked *found = NULL
    cdef iw_tracked *tracked
    cdef uint32_t depth
    for depth in range(TREE_DEPTH):
        if actor == NULL:
            break
        tracked = tracked_find(&self.base.tracker, actor.pid, actor.start_ns)
        if tracked != NULL and (within(scene.ts_ns, tracked.alarm_ns, self.base.cooldown_ns)
                                or within(scene.ts_ns, tracked.own_ns, self.window_ns)):
            found = tracked
        actor = table_parent(scene.table, actor)
    return found


cdef void report(
    iw_reverse_shell *self, iw_scene *scene, const char *form, const uint8_t *peer, uint32_t peer_size,
) noexcept nogil:
    cdef const iw_header *record = scene.record
    cdef iw_tracked *top = tree_top(self, scene, view_actor(scene.view))
    cdef iw_tracked *own
    cdef iw_hit *hit
    cdef iw_value value
    cdef uint32_t top_pid = record.pid
    cdef uint64_t top_start_ns = record.start_ns
    if top != NULL:
        top_pid = top.pid
        top_start_ns = top.start_ns
        top.alarm_ns = scene.ts_ns
    hit = detector_hit(&self.base, scene, iw_mix(top_start_ns ^ top_pid))
    if hit != NULL:
        value.shape = IW_SHAPE_U64
        value.number = top_pid
        hits_group(scene.hits, hit, &value)
        hits_sample(scene.hits, hit, <const uint8_t *>form, <uint32_t>strlen(form))
        hits_sample(scene.hits, hit, peer, peer_size)
        if top_pid != record.pid or top_start_ns != record.start_ns:
            hit.related_pid = top_pid
            hit.related_start_ns = top_start_ns
    own = tracked_make(&self.base.tracker, record.pid, record.start_ns, scene.ts_ns)
    own.alarm_ns = scene.ts_ns


cdef void on_exec(iw_reverse_shell *self, iw_scene *scene) noexcept nogil:
    cdef const iw_process_exec *record = <const iw_process_exec *>scene.record
    cdef iw_process *process = view_actor(scene.view)
    cdef iw_tracked *tracked
    cdef uint32_t depth, size
    cdef int program = PROGRAM_OTHER
    cdef char peer[64]
    if record.exe_path.len:
        program = program_of(<const uint8_t *>record + record.exe_path.off, record.exe_path.len)
    if program == PROGRAM_OTHER:
        tracked = tracked_find(&self.base.tracker, record.h.pid, record.h.start_ns)
        if tracked != NULL:
            tracked.own_ns = 0
        return
    if record.exec_flags & (IW_EXEC_STDIN_SOCKET | IW_EXEC_STDOUT_SOCKET) \
            and is_peer(record.stdio_peer_family, record.stdio_peer_port):
        size = format_peer(record.stdio_peer_ip, record.stdio_peer_port, peer)
        report(self, scene, b"socket_on_stdio", <uint8_t *>peer, size)
        return
    if program != PROGRAM_SHELL:
        return
    for depth in range(self.levels + 1):
        if process == NULL:
            return
        tracked = tracked_find(&self.base.tracker, process.pid, process.start_ns)
        if tracked != NULL and within(scene.ts_ns, tracked.own_ns, self.window_ns):
            report(self, scene, b"redirect_then_shell", tracked.text, tracked.text_size)
            return
        if depth:
            tracked = tracked_make(&self.base.tracker, process.pid, process.start_ns, scene.ts_ns)
            tracked.relative_ns = scene.ts_ns
        process = table_parent(scene.table, process)


cdef void on_redirect(iw_reverse_shell *self, iw_scene *scene) noexcept nogil:
    cdef const iw_process_fd_redirect *record = <const iw_process_fd_redirect *>scene.record
    cdef iw_process *process = view_actor(scene.view)
    cdef iw_tracked *tracked
    cdef char peer[64]
    cdef uint32_t size
    if not is_peer(record.family, record.peer_port):
        return
    size = format_peer(record.peer_ip, record.peer_port, peer)
    if process != NULL and process.image != NULL and program_of(
        image_exe(process.image), process.image.exe_size
    ) == PROGRAM_SHELL:
        report(self, scene, b"shell_redirects", <uint8_t *>peer, size)
        return
    tracked = tracked_make(&self.base.tracker, record.h.pid, record.h.start_ns, scene.ts_ns)
    tracked.own_ns = scene.ts_ns
    tracked_note(tracked, <uint8_t *>peer, size)
    if within(scene.ts_ns, tracked.relative_ns, self.window_ns):
        report(self, scene, b"shell_then_redirect", <uint8_t *>peer, size)


cdef void handle(void *state, iw_scene *scene) noexcept nogil:
    if scene.record.kind == IW_KIND_PROCESS_EXEC:
        on_exec(<iw_reverse_shell *>state, scene)
    else:
        on_redirect(<iw_reverse_shell *>state, scene)


cdef class ReverseShell(Detector):
    cdef iw_reverse_shell full

    def __init__(self, dict parameters not None):
        check_parameters(parameters, PARAMETERS)
        self.kinds = (IW_KIND_PROCESS_EXEC, IW_KIND_PROCESS_FD_REDIRECT)
        self.handler = handle
        self.adopt(&self.full.base)
        self.full.base.cooldown_ns = <uint64_t>parameters["cooldown_s"] * 1000000000
        self.full.window_ns = <uint64_t>parameters["window_s"] * 1000000000
        self.full.levels = min(parameters["levels"], TREE_DEPTH)


DETECTOR = ReverseShell
