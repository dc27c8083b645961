# SPDX-License-Identifier: Apache-2.0
"""A program that comes from memory, from a file that no longer exists, or from a directory that anyone can write.

Samples of a hit: the variant (memfd, deleted, world_writable) and the path. For a script the script's own path counts, as
its interpreter is a system program. Exceptions, each counted as skipped:
- container runtimes re-execute themselves from a memory file: the file is named runc_cloned and the parent, by path,
  is a runtime (the defence against CVE-2019-5736);
- package managers run maintainer scripts from /tmp and replace running programs: an ancestor, by path, is dpkg, apt or
  rpm. A memory file below them is still a match.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, strlen

from innerwarden_core.detector cimport *
from innerwarden_core.fields cimport IW_SHAPE_STR, iw_value
from innerwarden_core.hits cimport hits_group, hits_sample
from innerwarden_core.proctable cimport table_parent
from innerwarden_core.record cimport *
from innerwarden_core.text cimport hash_bytes, iw_mix
from innerwarden_core.view cimport view_actor, view_parent

cdef extern from *:
    """
    static const char *const iw_open_directories[] = { "/tmp/", "/var/tmp/", "/dev/shm/", 0 };
    static const struct iw_name iw_runtimes[] = {
        IW_NAME("/usr/bin/runc"), IW_NAME("/usr/sbin/runc"), IW_NAME("/usr/local/bin/runc"),
        IW_NAME("/usr/local/sbin/runc"), IW_NAME("/usr/bin/crun"), IW_NAME("/usr/local/bin/crun"),
        IW_NAME("/usr/bin/containerd-shim-runc-v2"), IW_NAME("/usr/local/bin/containerd-shim-runc-v2"),
        IW_NAME("/usr/bin/containerd"), IW_NAME("/usr/bin/dockerd"), IW_NAME("/usr/bin/podman"),
        IW_NAME("/usr/bin/buildah"), IW_NAME("/usr/bin/conmon"), IW_NAME("/usr/libexec/podman/conmon"),
        { 0, 0 } };
    static const struct iw_name iw_package_managers[] = {
        IW_NAME("/usr/bin/dpkg"), IW_NAME("/usr/bin/dpkg-deb"), IW_NAME("/usr/bin/apt"),
        IW_NAME("/usr/bin/apt-get"), IW_NAME("/usr/bin/apt-cache"), IW_NAME("/usr/bin/aptitude"),
        IW_NAME("/usr/bin/rpm"), IW_NAME("/usr/bin/dnf-3"), IW_NAME("/usr/bin/microdnf"),
        IW_NAME("/usr/bin/zypper"), { 0, 0 } };
    static const char iw_clone_name[] = "/memfd:runc_cloned:";
    """
    const char *const *iw_open_directories
    const iw_name *iw_runtimes
    const iw_name *iw_package_managers
    const char *iw_clone_name

cdef enum:
    VARIANT_NONE
    VARIANT_MEMFD
    VARIANT_DELETED
    VARIANT_WORLD_WRITABLE
    DEPTH = 16

PARAMETERS = {"cooldown_s": 300}


cdef bint begins(const uint8_t *text, uint32_t size, const char *head) noexcept nogil:
    cdef uint32_t length = <uint32_t>strlen(head)
    return length <= size and memcmp(text, head, length) == 0


cdef bint in_open_directory(const uint8_t *path, uint32_t size) noexcept nogil:
    cdef const char *const *each = iw_open_directories
    while each[0] != NULL:
        if begins(path, size, each[0]):
            return True
        each += 1
    return False


cdef bint below_package_manager(iw_scene *scene) noexcept nogil:
    cdef iw_process *process = view_parent(scene.view)
    cdef uint32_t depth
    for depth in range(DEPTH):
        if process == NULL:
            return False
        if exe_in(process, iw_package_managers):
            return True
        process = table_parent(scene.table, process)
    return False


cdef void handle(void *state, iw_scene *scene) noexcept nogil:
    cdef iw_detector *base = <iw_detector *>state
    cdef const iw_process_exec *record = <const iw_process_exec *>scene.record
    cdef const uint8_t *path = <const uint8_t *>record + record.exe_path.off
    cdef uint32_t size = record.exe_path.len
    cdef int variant = VARIANT_NONE
    if record.exec_flags & IW_EXEC_MEMFD:
        variant = VARIANT_MEMFD
    elif record.exec_flags & IW_EXEC_DELETED:
        variant = VARIANT_DELETED
    elif record.exec_flags & IW_EXEC_SCRIPT and in_open_directory(
        <const uint8_t *>record + record.filename.off, record.filename.len
    ):
        path = <const uint8_t *>record + record.filename.off
        size = record.filename.len
        variant = VARIANT_WORLD_WRITABLE
    elif record.exec_flags & IW_EXEC_DIR_WORLD_WRITABLE or in_open_directory(path, size):
        variant = VARIANT_WORLD_WRITABLE
    if variant == VARIANT_NONE:
        return
    if variant == VARIANT_MEMFD:
        if begins(path, size, iw_clone_name) and exe_in(view_parent(scene.view), iw_runtimes):
            base.skipped += 1
            return
    elif below_package_manager(scene):
        base.skipped += 1
        return
    report(base, scene, variant, path, size)


cdef void report(iw_detector *base, iw_scene *scene, int variant, const uint8_t *path, uint32_t size) noexcept nogil:
    """One hit per variant, file and user within the cooldown."""
    cdef const char *name = b"world_writable"
    cdef iw_value value
    cdef iw_hit *hit
    if variant == VARIANT_MEMFD:
        name = b"memfd"
    elif variant == VARIANT_DELETED:
        name = b"deleted"
    hit = detector_hit(base, scene, hash_bytes(path, size, iw_mix(<uint64_t>scene.record.uid << 8 | variant)))
    if hit == NULL:
        return
    value.shape = IW_SHAPE_STR if size else 0
    value.data = path
    value.size = size
    hits_group(scene.hits, hit, &value)
    hits_sample(scene.hits, hit, <const uint8_t *>name, <uint32_t>strlen(name))
    hits_sample(scene.hits, hit, path, size)


cdef class SuspiciousExecOrigin(Detector):

    def __init__(self, dict parameters not None):
        check_parameters(parameters, PARAMETERS)
        self.kinds = (IW_KIND_PROCESS_EXEC,)
        self.handler = handle
        self.adopt(&self.own)
        self.own.cooldown_ns = <uint64_t>parameters["cooldown_s"] * 1000000000


DETECTOR = SuspiciousExecOrigin
