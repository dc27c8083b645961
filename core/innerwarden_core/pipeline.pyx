# SPDX-License-Identifier: Apache-2.0
"""One path for every record: process table, rules, correlations, native detectors, hits. No Python, no GIL."""

from libc.stdlib cimport realloc
from libc.string cimport memcpy
from posix.time cimport clock_gettime, timespec

from innerwarden_core.chunks cimport chunks_add, chunks_join
from innerwarden_core.detector cimport iw_scene
from innerwarden_core.fields cimport iw_value
from innerwarden_core.hits cimport (
    hits_actor, hits_allowed, hits_group, hits_open, hits_sample, hits_step, iw_hit, iw_step,
)
from innerwarden_core.jsonl cimport event_line
from innerwarden_core.lifecycle cimport (
    table_credential, table_exec, table_exit, table_fork, table_see,
)
from innerwarden_core.payload cimport iw_payloads_take, iw_payloads_tick
from innerwarden_core.proctable cimport MAX_DEPTH, iw_process, same_start, table_find, table_parent
from innerwarden_core.program cimport (
    hash_value, iw_binding, iw_group, iw_rule, program_group, program_key, program_match,
)
from innerwarden_core.record cimport *
from innerwarden_core.text cimport iw_mix
from innerwarden_core.view cimport FIRST_HOST_KIND, FIRST_LOG_KIND, has_task, image_then, view_begin, view_get
from innerwarden_core.windows cimport (
    iw_event, iw_fired, sample_text, window_add, window_count, window_look, window_prefetch_head, window_prefetch_slot,
)

cdef extern from "<time.h>" nogil:
    enum:
        CLOCK_BOOTTIME

cdef enum:
    CAPTURE_MIN = 1048576
    CAPTURE_MAX = 268435456     # bytes kept for take_captured; more is counted as lost


cdef void pipeline_plan(iw_pipeline *self) noexcept:
    """Note what each kind's records need; after any change of rules, detectors or capture."""
    cdef uint32_t kind
    cdef iw_kind_state *state
    for kind in range(KINDS):
        state = &self.kinds[kind]
        if kind == IW_KIND_NETWORK_PAYLOAD:
            # A capture keeps what was made of it, which gives the same when it is fed again.
            state.work = WORK_PARSE
            continue
        state.work = (WORK_KEEP if self.capturing else 0) | (WORK_TELL if self.telling else 0)
        if IW_KIND_PROCESS_EXEC <= kind <= IW_KIND_PROCESS_EXIT or kind == IW_KIND_CREDENTIAL_CHANGE:
            state.work |= WORK_APPLY
        if self.program.kinds[kind].always_count or self.program.kinds[kind].index_count or state.native_count:
            state.work |= WORK_JUDGE


cdef void pipeline_work(iw_pipeline *self, const iw_header *record, uint32_t work) noexcept nogil:
    if self.exempt_pid and is_exempt(self, record):
        work &= WORK_APPLY
    if work & WORK_KEEP:
        keep(self, record)
    if work & WORK_APPLY:
        # What waits was matched with the table as it is now, and its record may be the joined one.
        pipeline_settle(self)
        if record.kind == IW_KIND_PROCESS_EXEC:
            record = &chunks_join(&self.chunks, <const iw_process_exec *>record, self.joined).h
        apply(self, record)
    if work & WORK_JUDGE:
        judge(self, record)
    if work & WORK_TELL:
        if not work & WORK_JUDGE or self.view.header != record:
            view_begin(&self.view, record)
        event_line(&self.lines, &self.view, self.offset_ns)
    if work & WORK_PARSE:
        iw_payloads_take(self.payloads, <const iw_network_payload *>record, run_made, self)


cdef void run_made(void *context, const uint8_t *record) noexcept nogil:
    """A record made here, whose place is used again when this returns."""
    cdef iw_pipeline *self = <iw_pipeline *>context
    pipeline_run(self, record)
    pipeline_settle(self)


cdef void pipeline_tick(iw_pipeline *self) noexcept nogil:
    """What has waited long enough on the kernel's clock; between batches."""
    cdef timespec now
    if self.payloads.used and clock_gettime(CLOCK_BOOTTIME, &now) == 0:
        iw_payloads_tick(self.payloads, <uint64_t>now.tv_sec * 1000000000 + <uint64_t>now.tv_nsec, run_made, self)


cdef inline bint is_exempt_process(const iw_pipeline *self, uint32_t pid, uint64_t start_ns) noexcept nogil:
    return pid == self.exempt_pid and same_start(start_ns, self.exempt_start_ns)


cdef bint is_exempt(iw_pipeline *self, const iw_header *record) noexcept nogil:
    """Is the acting process the exempt one, or born of it?"""
    cdef const iw_process *process
    cdef uint32_t depth = 0
    if not has_task(record):
        return False
    if is_exempt_process(self, record.pid, record.start_ns):
        return True
    if is_exempt_process(self, record.ppid, record.parent_start_ns):
        return True
    process = table_find(&self.table, record.pid, record.start_ns)
    while process != NULL and depth < MAX_DEPTH:
        if is_exempt_process(self, process.ppid, process.parent_start_ns):
            return True
        process = table_parent(&self.table, process)
        depth += 1
    return False


cdef void keep(iw_pipeline *self, const iw_header *record) noexcept nogil:
    """Append to the capture, whose room doubles up to CAPTURE_MAX."""
    cdef iw_capture *capture = &self.captured
    cdef size_t room = max(capture.room, <size_t>CAPTURE_MIN)
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


cdef void apply(iw_pipeline *self, const iw_header *record) noexcept nogil:
    """What the record says about processes."""
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


cdef inline uint32_t weight_of(const iw_header *record) noexcept nogil:
    """How often the record's event happened."""
    if FIRST_LOG_KIND <= record.kind < FIRST_HOST_KIND:
        return max((<const iw_log *>record).repeat_count, <uint32_t>1)
    return 1


cdef void judge(iw_pipeline *self, const iw_header *record) noexcept nogil:
    """Rules, the correlations that they feed, then detectors."""
    cdef const iw_kind_state *kind = &self.kinds[record.kind]
    cdef const iw_rule *rule
    cdef uint64_t ts_ns = record.ts_ns
    cdef uint32_t before = self.hits.count, weight = weight_of(record), count, i
    self.sequence += 1
    if not record.flags & IW_F_REALTIME:
        ts_ns += self.offset_ns
    view_begin(&self.view, record)
    count = program_match(self.program, &self.view)
    for i in range(count):
        rule = &self.program.rules[self.program.matches[i]]
        if rule.emit:
            emit(self, rule, ts_ns)
        if rule.binding_count:
            gather(self, rule, record, ts_ns, weight)
    if kind.native_count:
        detect(self, kind, record, ts_ns)
    if self.hits.count != before:
        make_known(self, record, before)


cdef void detect(
    iw_pipeline *self, const iw_kind_state *kind, const iw_header *record, uint64_t ts_ns,
) noexcept nogil:
    cdef iw_scene scene
    cdef const iw_native *native
    cdef uint32_t i
    scene.record = record
    scene.ts_ns = ts_ns
    scene.view = &self.view
    scene.table = &self.table
    scene.hits = &self.hits
    for i in range(kind.native_count):
        native = &self.natives[kind.natives[i]]
        native.handler(native.state, &scene)


cdef void make_known(iw_pipeline *self, const iw_header *record, uint32_t first) noexcept nogil:
    """Whoever reads the hits from `first` on will ask for their process."""
    cdef const iw_process *process
    cdef uint32_t i
    if record.kind < FIRST_LOG_KIND:
        table_see(&self.table, record)
    if not has_task(record):
        return
    process = table_find(&self.table, record.pid, record.start_ns)
    if process != NULL:
        for i in range(first, self.hits.count):
            hits_actor(&self.hits.hits[i], process, image_then(record, process))


cdef void emit(iw_pipeline *self, const iw_rule *rule, uint64_t ts_ns) noexcept nogil:
    cdef const iw_group *group = program_group(self.program, &self.view, rule.group, self.seed)
    cdef uint64_t suppressed
    cdef iw_hit *hit
    if not hits_allowed(
        &self.hits, iw_mix(rule.owner_hash ^ group.hash), ts_ns, rule.cooldown_ns, &suppressed
    ):
        return
    hit = hits_open(&self.hits, rule.owner, self.view.header, self.view.stamp, suppressed)
    if hit != NULL:
        name_group(self, hit, group)


cdef void name_group(iw_pipeline *self, iw_hit *hit, const iw_group *group) noexcept nogil:
    cdef uint32_t i
    for i in range(group.first, group.first + group.count):
        hits_group(&self.hits, hit, view_get(&self.view, self.program.group_fields[i]))


cdef inline void gather(
    iw_pipeline *self, const iw_rule *rule, const iw_header *record, uint64_t ts_ns, uint32_t weight,
) noexcept nogil:
    """Send an event to each window that a matched rule feeds.

    PERF: an event costs two cache misses per window, the second needing the first. So it waits in a short queue: the first
    is hinted at here; `turn` hints at the second and, when that has had time to come in, feeds the window. Row 2
    of the benchmarks.
    """
    cdef const iw_binding *binding = self.program.bindings + rule.binding_first
    cdef const iw_binding *end = binding + rule.binding_count
    cdef iw_window *window
    cdef iw_feed *feed
    cdef uint64_t key
    while binding != end:
        if program_key(self.program, &self.view, binding.group, self.seed, &key):
            window = self.windows[binding.window]
            feed = &self.feeds[self.made % FEEDS]
            feed.binding = binding
            feed.event.key = key
            feed.event.ts_ns = ts_ns
            feed.event.sequence = self.sequence
            feed.event.record = record
            feed.event.weight = weight
            if window.counts or admitted(self, window, &feed.event):
                window_prefetch_head(window, key)
                self.made += 1
                if self.made % FEED_BATCH == 0:
                    turn(self)
                    if self.view.header != record:
                        view_begin(&self.view, record)
        binding += 1


cdef bint admitted(iw_pipeline *self, iw_window *window, iw_event *event) noexcept nogil:
    """False: without the value that is counted, or the record's second event of one that counts records."""
    cdef const iw_value *value
    if window.value_field >= 0:
        value = view_get(&self.view, window.value_field)
        if value.shape == 0:
            return False
        event.value = hash_value(value, self.seed)
    if window.once:
        if window.counted_sequence == event.sequence and window.counted_key == event.key:
            return False
        window.counted_sequence = event.sequence
        window.counted_key = event.key
    return True


cdef void turn(iw_pipeline *self) noexcept nogil:
    """A batch of events is complete: hint at the slots of the batch before it, feed the batch before that one."""
    cdef const iw_feed *feed
    cdef uint32_t i
    if self.made < 2 * FEED_BATCH:
        return
    for i in range(self.made - 2 * FEED_BATCH, self.made - FEED_BATCH):
        feed = &self.feeds[i % FEEDS]
        window_prefetch_slot(self.windows[feed.binding.window], feed.event.key)
    pipeline_feed(self, self.made - 2 * FEED_BATCH)


cdef void pipeline_feed(iw_pipeline *self, uint32_t until) noexcept nogil:
    """Feed the oldest waiting events, up to number `until`. May leave the view on another record."""
    cdef iw_feed *feed
    cdef iw_window *window
    while self.fed != until:
        feed = &self.feeds[self.fed % FEEDS]
        window = self.windows[feed.binding.window]
        self.fed += 1
        if not (window.counts and window_count(window, &feed.event)):
            feed_window(self, window, feed)


cdef void feed_window(iw_pipeline *self, iw_window *window, iw_feed *feed) noexcept nogil:
    cdef iw_fired fired
    feed.event.step = feed.binding.step
    if window.sample_field >= 0:
        view_begin(&self.view, feed.event.record)
        feed.event.sample = view_get(&self.view, window.sample_field)
    if window_add(window, &feed.event, &fired):
        report(self, window, feed, &fired)


cdef void report(iw_pipeline *self, iw_window *window, const iw_feed *feed, const iw_fired *fired) noexcept nogil:
    cdef const iw_header *record = feed.event.record
    cdef uint64_t suppressed, back = record.ts_ns - feed.event.ts_ns  # times of a hit are on its record's clock
    cdef iw_step step
    cdef iw_hit *hit
    cdef const uint8_t *text
    cdef char scratch[46]
    cdef uint32_t i, size, before = self.hits.count
    if not hits_allowed(
        &self.hits, iw_mix(window.owner_hash ^ feed.event.key), feed.event.ts_ns, window.cooldown_ns, &suppressed
    ):
        return
    view_begin(&self.view, record)
    hit = hits_open(&self.hits, window.owner, record, self.view.stamp, suppressed)
    if hit == NULL:
        return
    hit.count = fired.count
    hit.first_ts_ns = fired.first_ts_ns + back
    name_group(self, hit, &self.program.groups[feed.binding.group])
    if fired.samples != NULL:
        for i in range(fired.samples.count):
            text = sample_text(&fired.samples.items[i], scratch, &size)
            hits_sample(&self.hits, hit, text, size)
    for i in range(fired.step_count):
        step.owner = window.step_owners[i]
        step.ts_ns = fired.steps[i].ts_ns + back
        step.pid = fired.steps[i].pid
        step.start_ns = fired.steps[i].start_ns
        hits_step(&self.hits, hit, &step)
    make_known(self, record, before)


cdef uint32_t pipeline_look(iw_pipeline *self, const iw_header *record, iw_look *out, uint32_t room) noexcept nogil:
    """The windows that the rules which match a checked record feed, under its keys; feeds nothing."""
    cdef const iw_rule *rule
    cdef const iw_binding *binding
    cdef const iw_binding *end
    cdef iw_window *window
    cdef uint64_t key
    cdef uint32_t count, i, used = 0
    view_begin(&self.view, record)
    count = program_match(self.program, &self.view)
    for i in range(count):
        rule = &self.program.rules[self.program.matches[i]]
        binding = self.program.bindings + rule.binding_first
        end = binding + rule.binding_count
        while binding != end and used < room:
            window = self.windows[binding.window]
            if program_key(self.program, &self.view, binding.group, self.seed, &key):
                out[used].owner = window.owner
                out[used].count = window_look(window, key, &out[used].steps)
                used += 1
            binding += 1
    return used
