# SPDX-License-Identifier: Apache-2.0
"""What this sensor has not seen before: facts for the agent's baseline, no verdicts.

- lineage: a program started by a parent program, both by path;
- destination: a program's connection to a network (/24 or /48) and port, loopback left out;
- login: an account's first SSH login in an hour of the clock.

Hashes of what was seen are kept in sets of WAYS; in a full set the one that came longest ago gives way and is counted. Of
one parent or program at most `per_subject_count` are told, and of each variant `per_minute_count` a minute; what is beyond is
counted as skipped, and the minute's rest is told when it comes again. Nothing is kept across a restart: the agent
knows what it was told.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, strlen

from innerwarden_core.detector cimport *
from innerwarden_core.fields cimport IW_SHAPE_STR, iw_value
from innerwarden_core.hits cimport hits_group, hits_open, hits_sample
from innerwarden_core.proctable cimport image_exe, iw_process
from innerwarden_core.record cimport *
from innerwarden_core.text cimport hash_bytes, is_loopback, iw_load64, iw_mix
from innerwarden_core.view cimport view_actor, view_parent

cdef enum:
    SETS = 16384
    WAYS = 4
    SUBJECTS = 4096
    VARIANTS = 3
    LINEAGE = 0
    DESTINATION = 1
    LOGIN = 2
    FAMILY_INET = 2
    FAMILY_INET6 = 10

PARAMETERS = {"per_minute_count": 30, "per_subject_count": 200}

cdef struct iw_subject:
    uint64_t key
    uint64_t told

cdef struct iw_first_seen:
    iw_detector base
    uint64_t *seen          # SETS x WAYS hashes, the latest of a set first; 0: free
    iw_subject *subjects    # by hash; one that meets another begins anew
    uint64_t evicted
    uint64_t minute[VARIANTS]
    uint32_t told[VARIANTS]
    uint32_t per_minute
    uint32_t per_subject


cdef bint is_known(iw_first_seen *self, uint64_t key) noexcept nogil:
    """Known pairs move to the front of their set."""
    cdef uint64_t *slots = self.seen + (key & (SETS - 1)) * WAYS
    cdef uint32_t i, j
    for i in range(WAYS):
        if slots[i] == key:
            for j in range(i, 0, -1):
                slots[j] = slots[j - 1]
            slots[0] = key
            return True
    return False


cdef void keep(iw_first_seen *self, uint64_t key) noexcept nogil:
    cdef uint64_t *slots = self.seen + (key & (SETS - 1)) * WAYS
    cdef uint32_t i
    if slots[WAYS - 1]:
        self.evicted += 1
    for i in range(WAYS - 1, 0, -1):
        slots[i] = slots[i - 1]
    slots[0] = key


cdef bint may_tell(iw_first_seen *self, uint64_t ts_ns, int variant, uint64_t subject_key) noexcept nogil:
    """Within both bounds; counts the one that is told."""
    cdef uint64_t minute = ts_ns // 60000000000ULL
    cdef iw_subject *subject = &self.subjects[subject_key & (SUBJECTS - 1)]
    if self.minute[variant] != minute:
        self.minute[variant] = minute
        self.told[variant] = 0
    if subject.key != subject_key:
        subject.key = subject_key
        subject.told = 0
    if self.told[variant] >= self.per_minute or (variant != LOGIN and subject.told >= self.per_subject):
        self.base.skipped += 1
        return False
    self.told[variant] += 1
    subject.told += 1
    return True


cdef void tell(
    iw_first_seen *self, iw_scene *scene, int variant, const uint8_t *subject, uint32_t subject_size,
    const uint8_t *object_, uint32_t object_size,
) noexcept nogil:
    """A hit for a pair that is new; its samples are variant, subject and object."""
    cdef uint64_t subject_key = hash_bytes(subject, subject_size, self.base.owner_hash ^ iw_mix(variant + 1))
    cdef uint64_t key = max(<uint64_t>1, iw_mix(hash_bytes(object_, object_size, subject_key)))
    cdef const char *name = b"login"
    cdef iw_value value
    cdef iw_hit *hit
    if is_known(self, key) or not may_tell(self, scene.ts_ns, variant, subject_key):
        return
    hit = hits_open(scene.hits, self.base.owner, scene.record, scene.view.stamp, 0)
    if hit == NULL:
        return
    keep(self, key)
    if variant == LINEAGE:
        name = b"lineage"
    elif variant == DESTINATION:
        name = b"destination"
    value.shape = IW_SHAPE_STR
    value.data = subject
    value.size = subject_size
    hits_group(scene.hits, hit, &value)
    hits_sample(scene.hits, hit, <const uint8_t *>name, <uint32_t>strlen(name))
    hits_sample(scene.hits, hit, subject, subject_size)


cdef void on_exec(iw_first_seen *self, iw_scene *scene) noexcept nogil:
    cdef const iw_process_exec *record = <const iw_process_exec *>scene.record
    cdef iw_process *parent = view_parent(scene.view)
    if parent == NULL or parent.image == NULL or parent.image.exe_size == 0 or record.exe_path.len == 0:
        return
    tell(
        self, scene, LINEAGE, image_exe(parent.image), parent.image.exe_size,
        <const uint8_t *>record + record.exe_path.off, record.exe_path.len,
    )


cdef void on_connect(iw_first_seen *self, iw_scene *scene) noexcept nogil:
    cdef const iw_network_connect *record = <const iw_network_connect *>scene.record
    cdef const uint8_t *address = <const uint8_t *>record.dst_ip
    cdef iw_process *process = view_actor(scene.view)
    cdef uint8_t target[20]
    cdef uint32_t kept, i
    if process == NULL or process.image == NULL or process.image.exe_size == 0 or record.dst_port == 0:
        return
    if (record.family != FAMILY_INET and record.family != FAMILY_INET6) or is_loopback(address) or (
        iw_load64(address) == 0 and (iw_load64(address + 8) == 0 or iw_load64(address + 8) == 0xFFFF0000ULL)
    ):
        return
    # Addresses of version 4 are mapped: their network is the first 15 bytes. Of version 6 it is the first 6.
    kept = 15 if record.family == FAMILY_INET else 6
    for i in range(16):
        target[i] = address[i] if i < kept else 0
    memcpy(target + 16, &record.dst_port, 2)
    memcpy(target + 18, &record.protocol, 2)
    tell(self, scene, DESTINATION, image_exe(process.image), process.image.exe_size, target, 20)


cdef void on_login(iw_first_seen *self, iw_scene *scene) noexcept nogil:
    cdef const iw_log *record = <const iw_log *>scene.record
    cdef uint64_t hour = scene.ts_ns // 3600000000000ULL
    if record.user.len:
        tell(
            self, scene, LOGIN, <const uint8_t *>record + record.user.off, record.user.len, <uint8_t *>&hour,
            sizeof(uint64_t),
        )


cdef void handle(void *state, iw_scene *scene) noexcept nogil:
    cdef iw_first_seen *self = <iw_first_seen *>state
    if scene.record.kind == IW_KIND_PROCESS_EXEC:
        on_exec(self, scene)
    elif scene.record.kind == IW_KIND_NETWORK_CONNECT:
        on_connect(self, scene)
    else:
        on_login(self, scene)


cdef class FirstSeen(Detector):
    cdef iw_first_seen full

    def __init__(self, dict parameters not None):
        check_parameters(parameters, PARAMETERS)
        for name in PARAMETERS:
            if parameters[name] < 1:
                raise ValueError(f"{name} is {parameters[name]}; it must be at least 1")
        self.kinds = (IW_KIND_PROCESS_EXEC, IW_KIND_NETWORK_CONNECT, IW_KIND_SSH_LOGIN_SUCCESS)
        self.handler = handle
        self.base = &self.full.base
        self.full.seen = <uint64_t *>calloc(SETS * WAYS, sizeof(uint64_t))
        self.full.subjects = <iw_subject *>calloc(SUBJECTS, sizeof(iw_subject))
        if self.full.seen == NULL or self.full.subjects == NULL:
            raise MemoryError()
        self.full.per_minute = parameters["per_minute_count"]
        self.full.per_subject = parameters["per_subject_count"]

    def stats(self):
        """Facts that a bound kept back, and pairs forgotten for want of room."""
        return {"skipped": self.base.skipped, "evicted": self.full.evicted}

    def __dealloc__(self):
        free(self.full.seen)
        free(self.full.subjects)


DETECTOR = FirstSeen
