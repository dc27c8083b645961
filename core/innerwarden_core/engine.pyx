# SPDX-License-Identifier: Apache-2.0
"""What callers hold: configuration, rings and buffers in, hits out, the process table, the counters.

Records run through pipeline.pyx without the GIL. Methods may be called from any thread; a lock serialises them,
and `drain` does not hold it while it waits.
"""

from cython cimport final
from libc.stdint cimport uint8_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memchr, memcpy, memset

import os
from threading import RLock

from innerwarden_core.chunks cimport chunks_free
from innerwarden_core.decode cimport JOINED_MAX, MALFORMED_NONE, check_record, value_object
from innerwarden_core.detector cimport Detector
from innerwarden_core.drain cimport buffer_walk, rings_collect, rings_drain, rings_open, rings_wait
from innerwarden_core.lifecycle cimport table_seed
from innerwarden_core.lines cimport LineParser
from innerwarden_core.jsonl cimport lines_free, lines_take
from innerwarden_core.intel cimport Intel
from innerwarden_core.hits cimport (
    COOLDOWN_SETS, COOLDOWN_WAYS, hits_free, hits_full, hits_init, hits_take, iw_cooldown, iw_hit, iw_hits,
)
from innerwarden_core.payload cimport iw_payloads_free, iw_payloads_new, payload_stats
from innerwarden_core.pipeline cimport (
    MAX_DETECTORS, iw_look, iw_pipeline, pipeline_look, pipeline_plan, pipeline_tick,
)
from innerwarden_core.process_info cimport process_info
from innerwarden_core.proctable cimport *
from innerwarden_core.program cimport KINDS, Program
from innerwarden_core.record cimport IW_RECORD_MAX, iw_header
from innerwarden_core.rules cimport Correlation, NativeDetector
from innerwarden_core.text cimport iw_mix
from innerwarden_core.view cimport view_begin, view_free, view_get, view_init
from innerwarden_core.windows cimport STEPS_MAX, Window, iw_window

from innerwarden_core.decode import KIND_NAMES, MALFORMED_NAMES, Record
from innerwarden_core.rules import FIELDS
from innerwarden_core.detectors import MODULES

cdef enum:
    LOOKS = 1024                # windows that one record may feed and `windows_of` tells


class StaleError(ValueError):
    """A prepared set is not for what the engine runs now."""


@final
cdef class Engine:

    def __cinit__(self):
        self.rings.epoll_fd = -1

    def __init__(self, *, uint32_t process_entries=32768, uint64_t process_bytes=16 << 20,
                 uint32_t window_keys=65536, boot_to_realtime_ns=0, uint32_t max_hits=4096):
        cdef iw_pipeline *p = &self.pipeline
        if p.joined != NULL:
            raise ValueError("an engine is set up once")
        p.seed = int.from_bytes(os.urandom(8), "little") | 1
        # A negative offset (real-time clock before 1970) is right modulo 2^64.
        p.offset_ns = boot_to_realtime_ns & 0xFFFFFFFFFFFFFFFF
        self.window_keys = max(window_keys, 1)
        p.joined = <uint8_t *>malloc(JOINED_MAX)
        p.payloads = iw_payloads_new()
        if p.joined == NULL or p.payloads == NULL or not table_init(&p.table, process_entries, process_bytes):
            raise MemoryError()
        if not view_init(&p.view, &p.table) or not hits_init(&p.hits, max_hits):
            raise MemoryError()
        self._lock = RLock()
        self._windows, self._natives, self._states, self._state_count = {}, {}, {}, 0
        self.configure((), (), ())
        rings_open(&self.rings)

    def __dealloc__(self):
        cdef iw_pipeline *p = &self.pipeline
        table_free(&p.table)
        view_free(&p.view)
        hits_free(&p.hits)
        chunks_free(&p.chunks)
        lines_free(&p.lines)
        iw_payloads_free(p.payloads)
        free(p.joined)
        free(p.windows)
        free(p.captured.data)
        if self.rings.epoll_fd >= 0:
            os.close(self.rings.epoll_fd)

    def follow_clock(self, boot_to_realtime_ns):
        """Put records of the boot clock on the time line of a wall clock that was set."""
        with self._lock:
            self.pipeline.offset_ns = boot_to_realtime_ns & 0xFFFFFFFFFFFFFFFF

    # --- configuration -------------------------------------------------------------------------------

    def configure(self, rules, correlations, natives):
        """Swap the whole set. On any error the old set stays."""
        with self._lock:
            self.install(self.prepare(rules, correlations, natives))

    def prepare(self, rules, correlations, natives):
        """All of a configure that takes time, beside a running drain."""
        rules, correlations, natives = list(rules), list(correlations), list(natives)
        cdef Prepared out = Prepared()
        out.base = self._program
        definitions = definitions_of(rules, correlations, natives)
        states = out.states = self._make_states(definitions)
        out.windows, out.ordered, bindings = self._make_windows(rules, correlations, definitions)
        out.program = Program(rules, bindings, lambda owner: states[owner][1])
        out.natives = self._make_natives(natives)
        return out

    def install(self, Prepared prepared not None):
        """Judge by a prepared set from the next record on."""
        with self._lock:
            if prepared.base is not self._program:
                raise StaleError("another set was installed since this one was prepared; prepare it again")
            self._install(
                prepared.program, prepared.windows, prepared.ordered, prepared.natives, prepared.states
            )
            # Whoever keeps it keeps no set alive with it.
            prepared.base = prepared.program = prepared.windows = prepared.ordered = None
            prepared.natives = prepared.states = None

    def _make_states(self, definitions):
        """owner -> (definition, hash of its cooldowns): a hash is kept as long as the definition stays, and then never
        used again, so that what changed or came back is heard at once."""
        out = {}
        for owner, definition in definitions.items():
            old = self._states.get(owner)
            if old is None or old[0] != definition:
                self._state_count += 1
                old = (definition, iw_mix(self.pipeline.seed ^ iw_mix(<uint64_t>self._state_count)))
            out[owner] = old
        return out

    def _make_windows(self, rules, correlations, definitions):
        """(owner -> Window, windows in order with their correlation, rule owner -> bindings)."""
        known = {rule.owner for rule in rules}
        share = 4 * self.window_keys // max(1, len(correlations))
        capacity = min(max(share, 1024), self.window_keys)
        windows, ordered, bindings = {}, [], {}
        for number, correlation in enumerate(correlations):
            if correlation.owner in windows:
                raise ValueError(f"two correlations have the owner {correlation.owner}")
            old = self._windows.get(correlation.owner)
            if old is None or old.key != definitions[correlation.owner]:
                old = Window(correlation, capacity, definitions[correlation.owner])
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
            key = native_definition(source)
            old = self._natives.get(source.owner)
            if old is None or old[0] != key:
                old = (key, MODULES[source.detector].DETECTOR(source.parameters))
            out[source.owner] = old
        return out

    def _install(self, Program program, windows, ordered, natives, states):
        """Nothing here fails half way: what can fail comes first, then everything is pointed at the new set."""
        cdef iw_pipeline *p = &self.pipeline
        cdef iw_window **table = <iw_window **>calloc(len(ordered) + 1, sizeof(void *))
        cdef Window window
        cdef Correlation correlation
        cdef Detector detector
        cdef uint32_t i, kind
        if table == NULL:
            raise MemoryError()
        for number, (window, correlation) in enumerate(ordered):
            table[<uint32_t>number] = &window.window
            window.window.owner = program.owner_id(correlation.owner)
            window.window.owner_hash = states[correlation.owner][1]
            window.window.cooldown_ns = correlation.cooldown_ns
            for step, owner in enumerate(correlation.rules[:STEPS_MAX]):
                window.window.step_owners[<uint32_t>step] = program.owner_id(owner)
        for i in range(KINDS):
            p.kinds[i].native_count = 0
        for number, (owner, (_, detector)) in enumerate(natives.items()):
            i = number
            detector.base.owner = program.owner_id(owner)
            detector.base.owner_hash = states[owner][1]
            p.natives[i].handler = detector.handler
            p.natives[i].state = detector.base
            for one in detector.kinds:
                kind = one
                p.kinds[kind].natives[p.kinds[kind].native_count] = <uint8_t>i
                p.kinds[kind].native_count += 1
        free(p.windows)
        p.windows = table
        self._program, p.program = program, &program.program
        self._windows, self._natives, self._owners, self._states = windows, natives, program.owners, states
        pipeline_plan(p)

    # --- records in ----------------------------------------------------------------------------------

    def drain(self, rings, int timeout_ms, uint32_t limit=65536, int idle_ms=0):
        """Wait at most timeout_ms, then consume up to `limit` records; earlier rings go first.

        With `idle_ms` an empty ring is looked at every timeout_ms, and the wait ends then only when there is a record.
        """
        cdef uint32_t taken
        rings = tuple(rings)  # keeps them alive while the GIL is released
        if timeout_ms < 0:
            raise ValueError("a wait without end would miss records that nobody announces; give timeout_ms >= 0")
        rings_collect(&self.rings, rings)
        if timeout_ms and not self.behind_:
            with nogil:
                rings_wait(&self.rings, timeout_ms, idle_ms)
        hits = []
        with self._lock:
            while True:
                with nogil:
                    taken = rings_drain(&self.rings, &self.pipeline, limit)
                limit -= taken
                full = hits_full(&self.pipeline.hits)
                hits += hits_take(&self.pipeline.hits, &self.pipeline.table, self._owners)
                if not full or limit == 0:
                    break
            self.behind_ = limit == 0
            with nogil:
                pipeline_tick(&self.pipeline)
            hits += hits_take(&self.pipeline.hits, &self.pipeline.table, self._owners)
        return hits

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
                        at += buffer_walk(&self.rings, &self.pipeline, data + at, size - at)
                    hits += hits_take(&self.pipeline.hits, &self.pipeline.table, self._owners)
        finally:
            free(copy)
        return hits

    def feed_lines(self, const uint8_t[::1] chunk not None, LineParser parser not None):
        """Parse whole lines and run their records; returns hits and bytes consumed (whole lines only)."""
        cdef size_t size = <size_t>chunk.shape[0], at = 0
        cdef size_t written
        cdef const char *text
        cdef const char *end
        cdef uint64_t *scratch
        if size == 0:
            return [], 0
        scratch = <uint64_t *>malloc(IW_RECORD_MAX)
        if scratch == NULL:
            raise MemoryError()
        text = <const char *>&chunk[0]
        hits = []
        try:
            with self._lock:
                while True:
                    with nogil:
                        while not hits_full(&self.pipeline.hits):
                            end = <const char *>memchr(text + at, c'\n', size - at)
                            if end == NULL:
                                break
                            written = parser.parse_into(text + at, end - text - at, <char *>scratch, IW_RECORD_MAX)
                            at = end - text + 1
                            if written:
                                buffer_walk(&self.rings, &self.pipeline, <const uint8_t *>scratch, written)
                    full = hits_full(&self.pipeline.hits)
                    hits += hits_take(&self.pipeline.hits, &self.pipeline.table, self._owners)
                    if not full:
                        break
        finally:
            free(scratch)
        return hits, at

    @property
    def behind(self):
        """Did the last drain end before the rings were empty?"""
        return self.behind_

    def exempt(self, uint32_t pid, uint64_t start_ns=0):
        """Judge and keep nothing of this process and those born of it, until the next call. 0: nobody."""
        with self._lock:
            self.pipeline.exempt_pid = pid
            self.pipeline.exempt_start_ns = start_ns

    def use_intel(self, Intel intel):
        """Look addresses, names and fingerprints up in these lists from the next record on; None: in none."""
        with self._lock:
            self._intel = intel
            self.pipeline.view.intel = &intel.table if intel is not None else NULL

    def derive(self, bytes record not None, names):
        """Derived fields of one checked record, name -> value; those that are absent are left out."""
        cdef size_t size = len(record)
        cdef uint8_t *copy
        out = {}
        copy = <uint8_t *>malloc(size if size else 1)  # malloc aligns; bytes need not be
        if copy == NULL:
            raise MemoryError()
        try:
            memcpy(copy, <const char *>record, size)
            if check_record(copy, size, JOINED_MAX) != MALFORMED_NONE:
                raise ValueError("malformed record")
            with self._lock:
                view_begin(&self.pipeline.view, <const iw_header *>copy)
                for name in names:
                    value = value_object(view_get(&self.pipeline.view, FIELDS[name]))
                    if value is not None:
                        out[name] = value
                self.pipeline.view.header = NULL
        finally:
            free(copy)
        return out

    # --- the process table ---------------------------------------------------------------------------

    def seed_process(self, uint32_t pid, uint64_t start_ns, uint32_t ppid, uint64_t parent_start_ns, uint32_t uid,
                     uint32_t login_uid, bytes comm not None, bytes exe_path, bytes argv not None, bytes cwd,
                     bytes cgroup_path=b"", uint32_t argv_len=0, uint64_t exe_inode=0, uint32_t exe_dev=0):
        """Insert from /proc; what the kernel's records already said stays."""
        with self._lock:
            table_seed(
                &self.pipeline.table, pid, start_ns, ppid, parent_start_ns, uid, login_uid, comm, exe_path or b"",
                argv, cwd or b"", cgroup_path, argv_len, exe_inode, exe_dev,
            )

    def process(self, uint32_t pid, uint64_t start_ns=0):
        """The process, or None. Without a start time the pid's latest."""
        cdef iw_process *process
        with self._lock:
            process = table_find(&self.pipeline.table, pid, start_ns)
            return None if process == NULL else process_info(process)

    def ancestors(self, uint32_t pid, uint64_t start_ns=0, uint32_t limit=32):
        """Birth chain, nearest first; ends at the first unknown parent."""
        cdef iw_process *process
        cdef uint32_t depth = 0
        out = []
        with self._lock:
            process = table_find(&self.pipeline.table, pid, start_ns)
            while process != NULL and depth < min(limit, <uint32_t>MAX_DEPTH):
                process = table_parent(&self.pipeline.table, process)
                if process != NULL:
                    out.append(process_info(process))
                depth += 1
        return out

    def windows_of(self, const uint8_t[::1] record not None):
        """What the windows that this record feeds hold now, under its keys."""
        cdef iw_look looks[LOOKS]
        cdef uint8_t *copy
        cdef uint32_t count, i, step
        Record(record)  # raises ValueError for what is none
        copy = <uint8_t *>malloc(<size_t>record.shape[0])
        if copy == NULL:
            raise MemoryError()
        memcpy(copy, &record[0], <size_t>record.shape[0])
        try:
            with self._lock:
                with nogil:
                    count = pipeline_look(&self.pipeline, <const iw_header *>copy, looks, LOOKS)
                return {
                    self._owners[looks[i].owner]: (
                        looks[i].count, tuple(step for step in range(STEPS_MAX) if looks[i].steps >> step & 1)
                    )
                    for i in range(count)
                }
        finally:
            free(copy)

    # --- capture and numbers -------------------------------------------------------------------------

    def capture(self, bint enabled):
        """Keep a copy of every record for take_captured."""
        with self._lock:
            self.pipeline.capturing = enabled
            pipeline_plan(&self.pipeline)

    def take_captured(self):
        """What was kept since the last call, contiguous; frees it."""
        with self._lock:
            out = (<char *>self.pipeline.captured.data)[: self.pipeline.captured.used] if self.pipeline.captured.used else b""
            free(self.pipeline.captured.data)
            self.pipeline.captured.data = NULL
            self.pipeline.captured.used = self.pipeline.captured.room = 0
            return out

    def stream(self, bint enabled):
        """Make a line of JSON of every record, for take_stream."""
        with self._lock:
            self.pipeline.telling = enabled
            pipeline_plan(&self.pipeline)

    def take_stream(self):
        """The lines made since the last call."""
        with self._lock:
            return lines_take(&self.pipeline.lines)

    def stats(self):
        """Counters since the start; see the interface file."""
        with self._lock:
            return {
                "records": {name: self.pipeline.kinds[<uint32_t>kind].records for kind, name in KIND_NAMES.items()},
                "bytes": {name: self.pipeline.kinds[<uint32_t>kind].bytes for kind, name in KIND_NAMES.items()},
                "malformed": {name: self.rings.malformed[<uint32_t>i] for i, name in enumerate(MALFORMED_NAMES) if name},
                "hits": self.pipeline.hits.total,
                "suppressed": self.pipeline.hits.suppressed,
                "hits_lost": self.pipeline.hits.lost,
                "stream_lost": self.pipeline.lines.lost,
                "capture_lost": self.pipeline.captured.lost,
                "cooldowns_evicted": self.pipeline.hits.cooldowns_evicted,
                "processes": {
                    "entries": self.pipeline.table.entries,
                    "bytes": self.pipeline.table.bytes,
                    "evicted": self.pipeline.table.evicted_exited + self.pipeline.table.evicted_live,
                    "evicted_live": self.pipeline.table.evicted_live,
                    "images_refused": self.pipeline.table.images_refused,
                },
                "argv_chunks": {
                    "joined": self.pipeline.chunks.joined,
                    "evicted": self.pipeline.chunks.evicted,
                    "orphaned": self.pipeline.chunks.orphaned,
                },
                "payloads": payload_stats(self.pipeline.payloads),
                "windows": {owner: window_stats(window) for owner, window in self._windows.items()},
                "natives": {owner: native[1].stats() for owner, native in self._natives.items()},
                "table_bytes": self._table_bytes(),
            }

    def _table_bytes(self):
        """What of each bounded table was touched, so is resident: it stays until the set is swapped."""
        cdef iw_table *table = &self.pipeline.table
        cdef iw_hits *hits = &self.pipeline.hits
        cdef Window window
        cdef uint64_t windows = 0
        for window in self._windows.values():
            windows += <uint64_t>window.window.used * window.window.stride
            windows += (<uint64_t>window.window.head_mask + 1) * sizeof(uint32_t)
        return {
            "processes": table.capacity * sizeof(iw_process) + (<uint64_t>table.head_mask + 1) * sizeof(uint32_t),
            "process_images": table.bytes,
            "windows": windows,
            "cooldowns": COOLDOWN_SETS * COOLDOWN_WAYS * sizeof(iw_cooldown),
            "hits": hits.capacity * sizeof(iw_hit) + hits.touched,
        }


cdef dict window_stats(Window window):
    return {
        "keys": window.window.used,
        "capacity": window.window.capacity,
        "evicted": window.window.evicted,
        "late": window.window.late,
    }


cdef class Prepared:
    """A set that Engine.install takes; good for one engine, as long as nothing else is installed there."""
    cdef object base            # the program that it was made beside
    cdef Program program
    cdef dict windows
    cdef list ordered
    cdef dict natives
    cdef dict states


cdef dict definitions_of(list rules, list correlations, list natives):
    """owner -> what it does, equal when its state means the same: a correlation's has what its rules match in it, and
    not what they are folded by, which its windows do not know."""
    cdef Correlation correlation
    known = {rule.owner: rule.key[:3] for rule in rules}
    out = {rule.owner: rule.key for rule in rules}
    for correlation in correlations:
        out[correlation.owner] = (correlation.key, tuple(known.get(owner) for owner in correlation.rules))
    for source in natives:
        out[source.owner] = native_definition(source)
    return out


cdef tuple native_definition(NativeDetector source):
    return (source.detector, tuple(sorted(source.parameters.items())))
