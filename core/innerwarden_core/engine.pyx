# SPDX-License-Identifier: Apache-2.0
"""One path for every record: check, process table, rules, correlations, native detectors, hits.

Everything between two `hits_take` runs without the GIL and without Python objects. Methods may be called
from any thread; a lock serialises them, and `drain` does not hold it while it waits.
"""

from cython cimport final
from libc.errno cimport EEXIST, EINTR, EPERM, errno
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memchr, memcpy, memset

import os
from threading import RLock

from innerwarden_core.authlog cimport AuthParser
from innerwarden_core.chunks cimport chunks_add, chunks_free, chunks_join
from innerwarden_core.decode cimport JOINED_MAX, MALFORMED_NONE, check_record
from innerwarden_core.detector cimport Detector, iw_scene
from innerwarden_core.fields cimport iw_value
from innerwarden_core.hits cimport (
    hits_allowed, hits_free, hits_full, hits_group, hits_init, hits_open, hits_sample, hits_step, hits_take, iw_hit,
    iw_step,
)
from innerwarden_core.process_info cimport process_info
from innerwarden_core.proctable cimport *
from innerwarden_core.program cimport (
    hash_value, iw_binding, iw_group, iw_rule, program_group, program_match,
)
from innerwarden_core.record cimport *
from innerwarden_core.ring cimport Ring, ring_due, ring_finish, ring_next, ring_publish, ring_refresh
from innerwarden_core.rules cimport Correlation, NativeDetector, Rule
from innerwarden_core.text cimport hash_bytes, iw_mix
from innerwarden_core.view cimport view_begin, view_free, view_get, view_init
from innerwarden_core.windows cimport (
    Window, iw_event, iw_fired, window_add, window_prefetch_head, window_prefetch_slot,
)

from innerwarden_core.decode import KIND_NAMES, MALFORMED_NAMES
from innerwarden_core.detectors import MODULES

cdef extern from "sys/epoll.h" nogil:
    enum: EPOLL_CTL_ADD
    enum: EPOLLIN
    enum: EPOLLET
    cdef union iw_epoll_data "epoll_data_t":
        void *ptr
    cdef struct iw_epoll_event "epoll_event":
        uint32_t events
        iw_epoll_data data
    int epoll_create1(int flags)
    int epoll_ctl(int epfd, int op, int fd, iw_epoll_event *event)
    int epoll_wait(int epfd, iw_epoll_event *events, int count, int timeout_ms)

cdef extern from "unistd.h" nogil:
    int usleep(unsigned int microseconds)

cdef enum:
    EPOLL_CLOEXEC_ = 0o2000000
    FIRST_LOG_KIND = 64
    CAPTURE_MAX = 268435456     # bytes kept for take_captured; more is counted as lost
    LINE_MAX = 65536


@final
cdef class Engine:

    def __cinit__(self):
        self.epoll_fd = -1
        memset(&self.captured, 0, sizeof(iw_capture))

    def __init__(self, *, uint32_t process_entries=32768, uint64_t process_bytes=16 << 20,
                 uint32_t window_keys=65536, boot_to_realtime_ns=0, uint32_t max_hits=4096):
        if self.joined != NULL:
            raise ValueError("an engine is set up once")
        self.seed = int.from_bytes(os.urandom(8), "little") | 1
        # A negative offset (real-time clock before 1970) is right modulo 2^64.
        self.offset_ns = boot_to_realtime_ns & 0xFFFFFFFFFFFFFFFF
        self.window_keys = max(window_keys, 1)
        self.joined = <uint8_t *>malloc(JOINED_MAX)
        if self.joined == NULL:
            raise MemoryError()
        if not table_init(&self.table, process_entries, process_bytes):
            raise MemoryError()
        if not view_init(&self.view, &self.table) or not hits_init(&self.hits, max_hits):
            raise MemoryError()
        self._lock = RLock()
        self._windows, self._natives = {}, {}
        self.configure((), (), ())
        self.epoll_fd = epoll_create1(EPOLL_CLOEXEC_)
        if self.epoll_fd < 0:
            raise OSError(errno, f"epoll_create1: {os.strerror(errno)}")

    def __dealloc__(self):
        table_free(&self.table)
        view_free(&self.view)
        hits_free(&self.hits)
        chunks_free(&self.chunks)
        free(self.joined)
        free(self.windows)
        free(self.captured.data)
        if self.epoll_fd >= 0:
            os.close(self.epoll_fd)

    # --- configuration -------------------------------------------------------------------------------

    def configure(self, rules, correlations, natives):
        """Swap the whole set. On any error the old set stays."""
        with self._lock:
            rules, correlations, natives = list(rules), list(correlations), list(natives)
            windows, table, bindings = self._make_windows(rules, correlations)
            program = Program(rules, bindings, self._owner_hash)
            detectors = self._make_natives(natives)
            self._install(program, windows, table, detectors)

    def _owner_hash(self, str owner):
        cdef bytes name = owner.encode()
        return hash_bytes(<const uint8_t *><const char *>name, len(name), self.seed)

    def _make_windows(self, rules, correlations):
        """(owner -> Window, windows in order with their correlation, rule owner -> bindings)."""
        known = {rule.owner for rule in rules}
        share = 4 * self.window_keys // max(1, len(correlations))
        capacity = min(max(share, 1024), self.window_keys)
        windows, ordered, bindings = {}, [], {}
        for number, correlation in enumerate(correlations):
            if correlation.owner in windows:
                raise ValueError(f"two correlations have the owner {correlation.owner}")
            old = self._windows.get(correlation.owner)
            if old is None or old.key != correlation.key:
                old = Window(correlation, capacity)
            windows[correlation.owner] = old
            ordered.append((old, correlation))
            for step, owner in enumerate(correlation.rules):
                if owner not in known:
                    raise ValueError(f"correlation {correlation.owner} names the unknown rule {owner}")
                bindings.setdefault(owner, []).append((number, step, correlation.group_by[step]))
        return windows, ordered, bindings

    def _make_natives(self, natives):
        out = {}
        if len(natives) > MAX_DETECTORS:
            raise ValueError(f"{len(natives)} native detectors are more than {MAX_DETECTORS}")
        for source in natives:
            key = (source.detector, tuple(sorted(source.parameters.items())))
            old = self._natives.get(source.owner)
            if old is None or old[0] != key:
                old = (key, MODULES[source.detector].DETECTOR(source.parameters))
            out[source.owner] = old
        return out

    def _install(self, Program program, windows, ordered, natives):
        """Nothing here fails half way: the array is made first, then everything is pointed at the new set."""
        cdef iw_window **table = <iw_window **>calloc(len(ordered) + 1, sizeof(void *))
        cdef Window window
        cdef Correlation correlation
        cdef Detector detector
        cdef uint32_t i, kind
        if table == NULL:
            raise MemoryError()
        owners = program.owners
        for number, (window, correlation) in enumerate(ordered):
            table[<uint32_t>number] = &window.window
            window.window.owner = program.owner_id(correlation.owner)
            window.window.owner_hash = self._owner_hash(correlation.owner)
            window.window.cooldown_ns = correlation.cooldown_ns
            if len(correlation.rules) <= 16:
                for step, owner in enumerate(correlation.rules):
                    window.window.step_owners[<uint32_t>step] = program.owner_id(owner)
        memset(self.native_counts, 0, sizeof(self.native_counts))
        for number, (owner, (key, detector)) in enumerate(natives.items()):
            i = number
            detector.base.owner = program.owner_id(owner)
            detector.base.owner_hash = self._owner_hash(owner)
            self.natives[i].handler = detector.handler
            self.natives[i].state = detector.base
            for one in detector.kinds:
                kind = one
                self.native_lists[kind][self.native_counts[kind]] = <uint8_t>i
                self.native_counts[kind] += 1
        free(self.windows)
        self.windows = table
        self._program, self.program = program, &program.program
        self._windows, self._natives, self._owners = windows, natives, owners

    # --- one record ----------------------------------------------------------------------------------

    cdef void run(self, const uint8_t *data) noexcept nogil:
        """A checked record."""
        cdef const iw_header *record = <const iw_header *>data
        cdef uint32_t kind = record.kind
        self.sequence += 1
        self.records[kind] += 1
        self.bytes_[kind] += record.size
        if self.captured.enabled:
            self.keep(record)
        if kind <= IW_KIND_PROCESS_EXIT or kind == IW_KIND_CREDENTIAL_CHANGE:
            if kind == IW_KIND_PROCESS_EXEC:
                record = &chunks_join(&self.chunks, <const iw_process_exec *>record, self.joined).h
            self.apply(record)
        if self.program.kinds[kind].always_count or self.program.kinds[kind].index_count \
                or self.native_counts[kind]:
            self.judge(record)

    cdef void apply(self, const iw_header *record) noexcept nogil:
        if record.kind == IW_KIND_PROCESS_EXEC:
            table_exec(&self.table, <const iw_process_exec *>record)
        elif record.kind == IW_KIND_PROCESS_FORK:
            table_fork(&self.table, <const iw_process_fork *>record)
        elif record.kind == IW_KIND_PROCESS_EXIT:
            table_exit(&self.table, <const iw_process_exit *>record)
        elif record.kind == IW_KIND_PROCESS_EXEC_ARGV:
            chunks_add(&self.chunks, <const iw_process_exec_argv *>record)
        else:
            table_credential(&self.table, <const iw_credential_change *>record)

    cdef void judge(self, const iw_header *record) noexcept nogil:
        cdef uint64_t ts_ns = record.ts_ns
        cdef uint32_t kind = record.kind, before = self.hits.count, count, i
        cdef iw_scene scene
        cdef iw_native *native
        if not record.flags & IW_F_REALTIME:
            ts_ns += self.offset_ns
        view_begin(&self.view, record)
        count = program_match(self.program, &self.view)
        if count:
            for i in range(count):
                if self.program.rules[self.program.matches[i]].emit:
                    self.emit(self.program.matches[i], ts_ns)
            self.correlate(count, ts_ns)
        if self.native_counts[kind]:
            scene.record = record
            scene.ts_ns = ts_ns
            scene.view = &self.view
            scene.table = &self.table
            scene.hits = &self.hits
            for i in range(self.native_counts[kind]):
                native = &self.natives[self.native_lists[kind][i]]
                native.handler(native.state, &scene)
        if self.hits.count != before and kind < FIRST_LOG_KIND:
            table_see(&self.table, record)  # whoever reads the hit will ask for the process

    cdef void emit(self, uint32_t rule, uint64_t ts_ns) noexcept nogil:
        cdef const iw_rule *source = &self.program.rules[rule]
        cdef const iw_group *group = program_group(self.program, &self.view, source.group, self.seed)
        cdef uint64_t suppressed
        cdef iw_hit *hit
        cdef uint32_t i
        if not hits_allowed(&self.hits, iw_mix(source.owner_hash ^ group.hash), ts_ns, source.cooldown_ns, &suppressed):
            return
        hit = hits_open(&self.hits, source.owner, self.view.header, self.view.stamp, suppressed)
        if hit == NULL:
            return
        for i in range(group.first, group.first + group.count):
            hits_group(&self.hits, hit, view_get(&self.view, self.program.group_fields[i]))

    cdef void correlate(self, uint32_t count, uint64_t ts_ns) noexcept nogil:
        """Feed the windows that the matched rules belong to.

        PERF: three passes, so that the cache misses of all windows overlap; row 2 of the benchmarks.
        """
        cdef const iw_rule *rule
        cdef const iw_binding *binding
        cdef const iw_group *group
        cdef uint32_t i, j, feeds = 0
        cdef iw_feed *feed
        for i in range(count):
            rule = &self.program.rules[self.program.matches[i]]
            for j in range(rule.binding_first, rule.binding_first + rule.binding_count):
                if feeds == MAX_FEEDS:
                    self.feeds_lost += 1
                    break
                binding = &self.program.bindings[j]
                group = program_group(self.program, &self.view, binding.group, self.seed)
                if group.count and not group.complete:
                    continue
                feed = &self.feeds[feeds]
                # Without group-by all events share one window.
                feed.key = group.hash if group.count else self.seed
                feed.window = binding.window
                feed.step = binding.step
                feed.group = binding.group
                window_prefetch_head(self.windows[feed.window], feed.key)
                feeds += 1
        for i in range(feeds):
            window_prefetch_slot(self.windows[self.feeds[i].window], self.feeds[i].key)
        for i in range(feeds):
            self.feed_window(&self.feeds[i], ts_ns)

    cdef void feed_window(self, const iw_feed *feed, uint64_t ts_ns) noexcept nogil:
        cdef iw_window *window = self.windows[feed.window]
        cdef const iw_header *record = self.view.header
        cdef const iw_value *value
        cdef iw_event event
        cdef iw_fired fired
        event.key = feed.key
        event.ts_ns = ts_ns
        event.value = 0
        event.sequence = self.sequence
        event.start_ns = record.start_ns
        event.pid = record.pid
        event.step = feed.step
        event.weight = 1
        event.sample = NULL
        if record.kind >= FIRST_LOG_KIND:
            event.weight = max((<const iw_log *>record).repeat_count, <uint32_t>1)
        if window.value_field >= 0:
            value = view_get(&self.view, window.value_field)
            if value.shape == 0:
                return
            event.value = hash_value(value, self.seed)
        if window.sample_field >= 0:
            event.sample = view_get(&self.view, window.sample_field)
        if window_add(window, &event, &fired):
            self.report(window, feed, &fired, ts_ns)

    cdef void report(
        self, iw_window *window, const iw_feed *feed, const iw_fired *fired, uint64_t ts_ns,
    ) noexcept nogil:
        cdef const iw_header *record = self.view.header
        cdef const iw_group *group = &self.program.groups[feed.group]
        cdef iw_step step
        cdef iw_hit *hit
        cdef uint64_t suppressed, back = record.ts_ns - ts_ns  # times of a hit are on its record's clock
        cdef uint32_t i
        if not hits_allowed(
            &self.hits, iw_mix(window.owner_hash ^ feed.key), ts_ns, window.cooldown_ns, &suppressed
        ):
            return
        hit = hits_open(&self.hits, window.owner, record, self.view.stamp, suppressed)
        if hit == NULL:
            return
        hit.count = fired.count
        hit.first_ts_ns = fired.first_ts_ns + back
        for i in range(group.first, group.first + group.count):
            hits_group(&self.hits, hit, view_get(&self.view, self.program.group_fields[i]))
        if fired.samples != NULL:
            for i in range(fired.samples.count):
                hits_sample(&self.hits, hit, fired.samples.items[i].text, fired.samples.items[i].size)
        for i in range(fired.step_count):
            step.owner = window.step_owners[i]
            step.ts_ns = fired.steps[i].ts_ns + back
            step.pid = fired.steps[i].pid
            step.start_ns = fired.steps[i].start_ns
            hits_step(&self.hits, hit, &step)

    cdef void keep(self, const iw_header *record) noexcept nogil:
        """Append to the capture; its room doubles up to CAPTURE_MAX."""
        cdef iw_capture *capture = &self.captured
        cdef size_t room = max(capture.room, <size_t>1048576)
        cdef void *grown
        while room < capture.used + record.size:
            room *= 2
        if room != capture.room:
            grown = realloc(capture.data, room) if room <= CAPTURE_MAX else NULL
            if grown == NULL:
                capture.lost += 1
                return
            capture.data = <uint8_t *>grown
            capture.room = room
        memcpy(capture.data + capture.used, record, record.size)
        capture.used += record.size

    # --- rings ---------------------------------------------------------------------------------------

    cdef uint32_t slice(self, iw_ring *ring, uint32_t limit) noexcept nogil:
        """Up to `limit` records of one ring, without publishing the rest; returns how many."""
        cdef uint32_t done = 0, size = 0
        cdef int reason
        cdef const uint8_t *data
        if not ring_refresh(ring):
            return 0
        while done < limit and not hits_full(&self.hits):
            data = ring_next(ring, &size)
            if data == NULL:
                break
            done += 1
            # The ring's own length bounds the walk, so a bad record costs only itself.
            reason = check_record(data, size, IW_RECORD_MAX)
            if reason == MALFORMED_NONE:
                self.run(data)
            else:
                self.malformed[reason] += 1
            if ring_due(ring):
                ring_publish(ring)
        ring_finish(ring)
        return done

    cdef uint32_t consume(self, iw_ring **rings, uint32_t count, uint32_t limit) noexcept nogil:
        """Empty the rings, earlier ones first: after every slice of a later ring the earlier get a turn."""
        cdef uint32_t done = 0, i = 0, taken
        while i < count and done < limit and not hits_full(&self.hits):
            taken = self.slice(rings[i], min(limit - done, <uint32_t>SLICE))
            done += taken
            if taken == 0 or rings[i].busy:
                i += 1
            elif i > 0:
                i = 0
        return done

    cdef bint wait(self, iw_ring **rings, uint32_t count, int timeout_ms, bint pollable) noexcept nogil:
        """Sleep until a forced wake-up or the end of the timeout; False on an interrupt.

        Producers do not wake us for single records, so epoll is edge-triggered here: it reports wake-ups, not
        data. Level-triggered it would find data at nearly every call and the batches would shrink to
        nothing. A wake-up that an edge misses costs one timeout at most, because the timeout is always finite and
        the drain looks at the rings whatever epoll said. Nor does a reserved record keep us spinning.
        """
        cdef iw_epoll_event events[8]
        cdef int waited = 0
        cdef uint32_t i
        for i in range(count):
            if ring_refresh(rings[i]) and not rings[i].busy \
                    and rings[i].limit - rings[i].position > rings[i].mask >> 3:
                return True  # a burst: an eighth of the ring is waiting
        if pollable:
            return epoll_wait(self.epoll_fd, events, 8, timeout_ms) >= 0
        while waited < timeout_ms:  # memory files have no wake-ups
            for i in range(count):
                if ring_refresh(rings[i]) and not rings[i].busy:
                    return True
            if usleep(1000) < 0:
                return False
            waited += 1
        return True

    cdef uint32_t collect(self, iw_ring **rings, object sequence) except? 0xFFFFFFFF:
        """Fill `rings`; registers each pollable ring with epoll once. Returns their number."""
        cdef uint32_t count = 0
        cdef Ring ring
        cdef iw_epoll_event event
        for ring in sequence:
            if count == MAX_RINGS:
                raise ValueError(f"more than {MAX_RINGS} rings")
            if not ring.is_open():
                raise ValueError(f"ring {ring.name} is closed")
            if ring.pollable and ring.epoll_fd != self.epoll_fd:
                memset(&event, 0, sizeof(event))
                event.events = <uint32_t>EPOLLIN | <uint32_t>EPOLLET
                if epoll_ctl(self.epoll_fd, EPOLL_CTL_ADD, ring.fd, &event) < 0 and errno != EEXIST:
                    if errno != EPERM:  # EPERM: a memory file
                        raise OSError(errno, f"epoll on ring {ring.name}: {os.strerror(errno)}")
                    ring.pollable = False
                else:
                    ring.epoll_fd = self.epoll_fd
            rings[count] = &ring.ring
            count += 1
        return count

    def drain(self, rings, int timeout_ms, uint32_t limit=65536):
        """Wait at most timeout_ms, then consume up to `limit` records; earlier rings go first."""
        cdef iw_ring *list_[MAX_RINGS]
        cdef uint32_t count, taken, i
        cdef bint pollable = False
        rings = tuple(rings)  # keeps them alive while the GIL is released
        count = self.collect(list_, rings)
        if timeout_ms < 0:
            raise ValueError("a wait without end would miss records that nobody announces; give timeout_ms >= 0")
        for ring in rings:
            pollable = pollable or (<Ring>ring).pollable
        if timeout_ms and not self.behind:
            with nogil:
                self.wait(list_, count, timeout_ms, pollable)
        hits = []
        with self._lock:
            while True:
                with nogil:
                    taken = self.consume(list_, count, limit)
                limit -= taken
                full = hits_full(&self.hits)
                hits += hits_take(&self.hits, self._owners)
                if not full or limit == 0:
                    break
            self.behind = limit == 0
        return hits

    # --- buffers -------------------------------------------------------------------------------------

    cdef size_t walk(self, const uint8_t *data, size_t size) noexcept nogil:
        """Run contiguous records until the end or until the hits are full; returns the bytes done.

        Nothing but a record's own size says where the next one is: after a size that can not be, the rest is
        one malformed record.
        """
        cdef size_t at = 0
        cdef uint32_t length
        cdef int reason
        while at < size and not hits_full(&self.hits):
            reason = check_record(data + at, size - at, JOINED_MAX)
            if reason == MALFORMED_NONE:
                self.run(data + at)
            else:
                self.malformed[reason] += 1
            if size - at < sizeof(iw_header):
                at = size
                break
            length = (<const iw_header *>(data + at)).size
            if length < sizeof(iw_header) or length & 7 or length > size - at:
                at = size
                break
            at += length
        return at

    def feed(self, const uint8_t[::1] records not None):
        """Run contiguous records, each 8-aligned, header first."""
        cdef size_t size = <size_t>records.shape[0], at = 0
        cdef uint8_t *copy = NULL
        cdef const uint8_t *data
        if size == 0:
            return []
        data = &records[0]
        if <size_t>data & 7:  # a slice of bytes may start anywhere
            copy = <uint8_t *>malloc(size)
            if copy == NULL:
                raise MemoryError()
            memcpy(copy, data, size)
            data = copy
        hits = []
        try:
            with self._lock:
                while at < size:
                    with nogil:
                        at += self.walk(data + at, size - at)
                    hits += hits_take(&self.hits, self._owners)
        finally:
            free(copy)
        return hits

    def feed_auth_lines(self, const uint8_t[::1] chunk not None, AuthParser parser not None):
        """Parse whole lines and run their records; returns hits and bytes consumed (whole lines only)."""
        cdef size_t size = <size_t>chunk.shape[0], at = 0
        cdef size_t written
        cdef const char *text
        cdef const char *end
        cdef uint64_t *scratch
        if size == 0:
            return [], 0
        scratch = <uint64_t *>malloc(LINE_MAX)
        if scratch == NULL:
            raise MemoryError()
        text = <const char *>&chunk[0]
        hits = []
        try:
            with self._lock:
                while True:
                    with nogil:
                        while not hits_full(&self.hits):
                            end = <const char *>memchr(text + at, c'\n', size - at)
                            if end == NULL:
                                break
                            written = parser.parse_into(text + at, end - text - at, <char *>scratch, LINE_MAX)
                            at = end - text + 1
                            if written:
                                self.walk(<const uint8_t *>scratch, written)
                    full = hits_full(&self.hits)
                    hits += hits_take(&self.hits, self._owners)
                    if not full:
                        break
        finally:
            free(scratch)
        return hits, at

    # --- the process table ---------------------------------------------------------------------------

    def seed_process(self, uint32_t pid, uint64_t start_ns, uint32_t ppid, uint64_t parent_start_ns, uint32_t uid,
                     uint32_t login_uid, bytes comm not None, bytes exe_path, bytes argv not None, bytes cwd):
        """Insert from /proc; what the kernel's records already said stays."""
        cdef iw_process *process
        cdef bytes exe = exe_path or b""
        cdef bytes directory = cwd or b""
        cdef bytes name = comm[:15]
        with self._lock:
            process = table_find(&self.table, pid, start_ns)
            if process == NULL:
                process = table_insert(&self.table, pid, start_ns)
                process.coarse = 1
                process.uid = uid
            if process.ppid == 0:
                process.ppid = ppid
                process.parent_start_ns = parent_start_ns
            if process.comm[0] == 0 and name:
                memset(process.comm, 0, 16)
                memcpy(process.comm, <const char *>name, len(name))
            if process.image == NULL and (exe or argv or directory):
                process.login_uid = login_uid
                table_set_image(
                    &self.table, process,
                    <const uint8_t *><const char *>exe, len(exe),
                    <const uint8_t *><const char *>argv, len(argv),
                    <const uint8_t *><const char *>directory, len(directory), 0,
                )

    def process(self, uint32_t pid, uint64_t start_ns=0):
        """The process, or None. Without a start time the pid's latest."""
        cdef iw_process *process
        with self._lock:
            process = table_find(&self.table, pid, start_ns)
            return None if process == NULL else process_info(process)

    def ancestors(self, uint32_t pid, uint64_t start_ns=0, uint32_t limit=32):
        """Birth chain, nearest first; ends at the first unknown parent."""
        cdef iw_process *process
        cdef uint32_t depth = 0
        out = []
        with self._lock:
            process = table_find(&self.table, pid, start_ns)
            while process != NULL and depth < min(limit, <uint32_t>MAX_DEPTH):
                process = table_parent(&self.table, process)
                if process != NULL:
                    out.append(process_info(process))
                depth += 1
        return out

    # --- capture and numbers -------------------------------------------------------------------------

    def capture(self, bint enabled):
        """Keep a copy of every record for take_captured."""
        with self._lock:
            self.captured.enabled = enabled

    def take_captured(self):
        """What was kept since the last call, contiguous; frees it."""
        with self._lock:
            out = (<char *>self.captured.data)[: self.captured.used] if self.captured.used else b""
            free(self.captured.data)
            self.captured.data = NULL
            self.captured.used = self.captured.room = 0
            return out

    def stats(self):
        """Counters since the start; see the interface file."""
        with self._lock:
            return {
                "records": {name: self.records[<uint32_t>kind] for kind, name in KIND_NAMES.items()},
                "bytes": {name: self.bytes_[<uint32_t>kind] for kind, name in KIND_NAMES.items()},
                "malformed": {name: self.malformed[<uint32_t>i] for i, name in enumerate(MALFORMED_NAMES) if name},
                "hits": self.hits.total,
                "suppressed": self.hits.suppressed,
                "hits_lost": self.hits.lost,
                "correlation_feeds_lost": self.feeds_lost,
                "capture_lost": self.captured.lost,
                "cooldowns_evicted": self.hits.cooldowns_evicted,
                "processes": {
                    "entries": self.table.entries,
                    "bytes": self.table.bytes,
                    "evicted": self.table.evicted_exited + self.table.evicted_live,
                    "evicted_live": self.table.evicted_live,
                    "images_refused": self.table.images_refused,
                },
                "argv_chunks": {
                    "joined": self.chunks.joined,
                    "evicted": self.chunks.evicted,
                    "orphaned": self.chunks.orphaned,
                },
                "windows": {owner: window_stats(window) for owner, window in self._windows.items()},
                "natives": {owner: native[1].stats() for owner, native in self._natives.items()},
            }


cdef dict window_stats(Window window):
    return {
        "keys": window.window.used,
        "capacity": window.window.capacity,
        "evicted": window.window.evicted,
        "late": window.window.late,
    }
