# SPDX-License-Identifier: Apache-2.0
"""The native hot path: ring, decode, process table, rules, windows, detectors.

Everything here is bounded; `Engine.stats()` counts what a bound cost. No function
opens a file or a socket: only file descriptors and buffers cross into this package.
"""

from collections.abc import Sequence
from typing import Any, final

from innerwarden_core.authlog import AuthDedup as AuthDedup
from innerwarden_core.authlog import AuthParser as AuthParser
from innerwarden_core.intel import Intel as Intel
from innerwarden_core.lines import LineParser as LineParser
from innerwarden_core.view import registered_domain as registered_domain
from innerwarden_core.weblog import WebParser as WebParser

ABI_VERSION: int
FIELDS: dict[str, int]
"""Field name -> field id. Wire members (see iw_event.h) and the derived fields:
command_line (argv joined by one space), exe_name, parent_exe_path, parent_command_line, parent_comm,
parent_uid, parent_exe_name, grandparent_exe_path, file_name (last component of `path`), kind_name,
arg0 to arg9 (one argument each), tls_ja3, tls_ja4, dns_domain, dns_encoded_count, threat_list, threat_indicator."""
OPERATORS: dict[str, int]
"""Predicate operator -> code: equals, contains, startswith, endswith, glob, cidr, exists, is_null,
eq, ne, lt, le, gt, ge (numbers), bit_all, bit_any (masks), field_equals, field_contains,
field_startswith, field_endswith, re."""

LAYOUT: dict[str, dict[str, int]]
"""Struct -> field -> offset, as the C compiler of the extension laid them out; padding left out."""
SIZES: dict[str, int]
"""Struct -> bytes of its fixed part, from the same compiler."""

class Predicate:
    """One test. `literals` are alternatives (any one suffices); numbers for numeric operators;
    `cased` False folds ASCII case. An absent field is false for every operator but is_null.

    glob: `*` any run, `?` one UTF-8 character, backslash before `*`, `?` or backslash makes it literal.
    cidr, and equals on an address: text, v4 or v6. equals on a number is eq. field_*: other fields' ids.
    re: patterns in RE2's syntax, found anywhere in the text, letter case as they say; bytes that are no UTF-8 read as
    the character 0x1A. `needs`: text in lower case of which a field that matches holds one when folded; without it
    the rule is looked at for every record of its kinds.
    Raises ValueError naming field and operator for a literal or an operator that does not fit the field.
    """

    def __init__(
        self,
        field: int,
        operator: int,
        literals: Sequence[bytes | int],
        cased: bool = False,
        needs: Sequence[bytes] = (),
    ) -> None: ...

class Rule:
    """A decision graph over predicates: node i = (predicate index, on_true, on_false).

    Targets are greater than i, or -1 for a match, or -2 for none. Without nodes every record matches. `group_by`
    names the cooldown key; () means the acting process. `emit` False: seen only by correlations. `owner` comes back in
    the hit. Raises ValueError naming the node for a backward or missing target.
    """

    owner: str
    def __init__(
        self,
        owner: str,
        kinds: Sequence[int],
        predicates: Sequence[Predicate],
        nodes: Sequence[tuple[int, int, int]],
        *,
        group_by: Sequence[int] = (),
        cooldown_ns: int = 0,
        emit: bool = True,
    ) -> None: ...

class Correlation:
    """A Sigma correlation over rules by owner id.

    `kind`: event_count, value_count, temporal, temporal_ordered. `group_by`: one tuple of field ids per
    rule of `rules` (aliases resolved). Fires when the condition (`operator` in gt ge lt le eq ne, `threshold`)
    holds within `timespan_ns` of event time ending at the newest event, then re-arms. `repeat_count`
    of a log record counts as that many events. Keeps up to 4 recent values of `sample_field` for evidence.
    For temporal `threshold` is how many of the rules must match, 1 (the default) meaning all, which
    temporal_ordered always needs; equal times are in order of arrival, and one record is never two steps of an
    order. A record that several rules of an event_count match is one event. A record without one of the group
    values takes no part.

    Exact: event_count with a threshold up to 64, value_count (threshold up to 1024, by 64-bit hash), temporal,
    and temporal_ordered for the latest 32 events of a key. event_count above 64 counts in 32 parts of the
    timespan, so its window is up to 1/32 longer.
    """

    owner: str
    def __init__(
        self,
        owner: str,
        kind: str,
        rules: Sequence[str],
        group_by: Sequence[Sequence[int]],
        timespan_ns: int,
        *,
        operator: str = "ge",
        threshold: int = 1,
        value_field: int = -1,
        sample_field: int = -1,
        cooldown_ns: int = 0,
    ) -> None: ...

class NativeDetector:
    """A registered native detector by id with its parameters (integers, units in names)."""

    owner: str
    def __init__(self, owner: str, detector: str, parameters: dict[str, int]) -> None: ...

NATIVE_DETECTORS: dict[str, dict[str, int]]
"""Native detector id -> its parameters with defaults."""

@final
class Hit:
    """One match. `record` is a private copy of the triggering record (decode with `Record`)."""

    owner: str
    record: bytes
    ts_ns: int
    group: tuple[str, ...]
    count: int
    """Events in the window; 1 for a plain rule."""
    suppressed: int
    """Matches of the same key that the cooldown swallowed since the last hit."""
    first_ts_ns: int
    samples: tuple[str, ...]
    steps: tuple[tuple[str, int, int, int], ...]
    """For sequences: (rule owner, ts_ns, pid, start_ns) per step."""
    related: tuple[int, int] | None
    """(pid, start_ns) of another process that matters, e.g. the reader of a secret."""
    actor: ProcessInfo | None
    """The process of the record as it was then; None when the table did not know it, and for logs."""

@final
class Record:
    """A decoded view of one record; bounds were checked. Absent fields are None."""

    def __init__(self, data: bytes) -> None: ...
    kind: int
    def get(self, field: str) -> int | str | None: ...
    def argv(self) -> list[str]: ...
    def to_dict(self) -> dict[str, Any]:
        """Field name -> value, for fields that are present; ip as text, strings with invalid UTF-8 escaped \\xNN."""

@final
class ProcessInfo:
    pid: int
    start_ns: int
    ppid: int
    parent_start_ns: int
    uid: int
    login_uid: int
    exe_path: str | None
    argv: list[str]
    argv_len: int
    """Bytes passed to exec, terminators included."""
    argv_incomplete: bool
    """The table keeps fewer of them; see KEPT_ARGV."""
    comm: str
    cwd: str | None
    cgroup_path: str | None
    container_id: str | None
    container_runtime: str | None
    pod_uid: str | None
    exec_ts_ns: int
    exited: bool
    exec_flags: int
    exe_inode: int
    exe_dev: int
    """Of the file that it runs, major << 20 | minor; inode and dev are 0 when nobody said."""

@final
class Ring:
    """The consumer side of a BPF ring buffer map, or of a memory file with the same layout."""

    def __init__(self, fd: int, data_bytes: int, name: str = "ring") -> None: ...
    name: str
    consumed: int
    """Records given to an engine; reservations that were discarded are not counted."""
    resyncs: int
    """Times that the contents were dropped because positions or a length made no sense."""
    def pending(self) -> int:
        """Bytes that wait, ring headers included."""
    def close(self) -> None: ...

@final
class MemoryRing:
    """A memory file with the kernel ring's layout, and its producer side."""

    def __init__(self, data_bytes: int) -> None: ...
    fd: int
    def write(self, record: bytes) -> bool:
        """Append one record; False, and one more `lost`, when there is no room."""
    lost: int
    def write_discarded(self, size: int) -> bool:
        """Append a reservation of `size` bytes that its producer gave up."""
    def write_busy(self, record: bytes) -> int | None:
        """Append a record that is not committed yet; its token for `commit`, None when full."""
    def commit(self, token: int) -> None: ...
    def corrupt(self, producer_position: int) -> None:
        """Set the producer's position to anything, as damage would."""
    def close(self) -> None: ...

class StaleError(ValueError):
    """A prepared set is not for what the engine runs now."""

@final
class Prepared:
    """A set of rules, correlations and native detectors made ready for one engine, see Engine.prepare."""

@final
class Engine:
    """All state of one sensor's hot path. Methods may be called from any thread and take turns.

    `process_bytes` bounds the strings of the process table. `window_keys` is the number of keys expected over
    all correlations; one correlation's table holds up to four times its share. `boot_to_realtime_ns` puts
    records of both clocks on one time line. `max_hits` ends a batch; the next one follows in the same call,
    so hits are lost, and counted, only when one record alone makes more than a thousand.
    """

    def __init__(
        self,
        *,
        process_entries: int = 32768,
        process_bytes: int = 16 << 20,
        window_keys: int = 65536,
        boot_to_realtime_ns: int = 0,
        max_hits: int = 4096,
    ) -> None: ...
    def follow_clock(self, boot_to_realtime_ns: int) -> None:
        """The offset for all records from here on, after somebody set the wall clock; what windows hold stays."""
    def configure(
        self, rules: Sequence[Rule], correlations: Sequence[Correlation], natives: Sequence[NativeDetector]
    ) -> None:
        """Swap the whole set between batches.

        Windows, cooldowns, sequences and native state of an owner whose definition stays (for a correlation: its own
        and what its rules match) are kept exactly; one that changed, or went and came back, starts anew. Cooldown
        length and `emit` are no part of the definition.
        """
    def prepare(
        self, rules: Sequence[Rule], correlations: Sequence[Correlation], natives: Sequence[NativeDetector]
    ) -> Prepared:
        """All of `configure` but the swap, on any thread while others drain: milliseconds for hundreds of rules."""
    def install(self, prepared: Prepared) -> None:
        """The swap: microseconds. Raises StaleError when another set was installed since it was prepared."""
    def drain(
        self, rings: Sequence[Ring], timeout_ms: int, limit: int = 65536, idle_ms: int = 0
    ) -> list[Hit]:
        """Wait at most timeout_ms, then consume; priority follows the order of `rings`. The GIL is released.

        The wait ends early for a forced wake-up, when a ring is an eighth full, or when the last call left
        records behind. With `idle_ms`, empty rings are looked at again every `timeout_ms`, up to that long in all,
        before the call returns: a caller with nothing else to do is not woken for nothing.
        """
    behind: bool
    """The last drain ended before the rings were empty."""
    def exempt(self, pid: int, start_ns: int = 0) -> None:
        """Judge and keep no record of this process and of those born of it, until the next call; the process
        table and the counters still take them. 0 exempts nobody. `start_ns` may be rounded to clock ticks: the
        caller holds the process unreaped meanwhile, so that its pid is no other's."""
    def feed(self, records: bytes | bytearray | memoryview) -> list[Hit]:
        """Run contiguous records, each 8-aligned, header first, through the same path as the ring."""
    def feed_lines(self, chunk: bytes | memoryview, parser: LineParser) -> tuple[list[Hit], int]:
        """Parse whole lines natively and run their records; returns hits and bytes consumed."""
    def use_intel(self, intel: Intel | None) -> None:
        """From the next record on, look addresses, names and fingerprints up in these lists; None: in none."""
    def derive(self, record: bytes, names: Sequence[str]) -> dict[str, int | str]:
        """Derived fields of one record by name; absent ones are left out. Raises ValueError for a malformed record."""
    def seed_process(
        self,
        pid: int,
        start_ns: int,
        ppid: int,
        parent_start_ns: int,
        uid: int,
        login_uid: int,
        comm: bytes,
        exe_path: bytes | None,
        argv: bytes,
        cwd: bytes | None,
        cgroup_path: bytes = b"",
        argv_len: int = 0,
        exe_inode: int = 0,
        exe_dev: int = 0,
    ) -> None:
        """Insert from /proc (start resolution 10 ms); merged with kernel records by (pid, start). `argv_len`: bytes
        of all arguments, where `argv` holds the first of them only. `exe_dev` is major << 20 | minor."""
    def process(self, pid: int, start_ns: int = 0) -> ProcessInfo | None: ...
    def ancestors(self, pid: int, start_ns: int = 0, limit: int = 32) -> list[ProcessInfo]:
        """Birth chain, nearest first; ends at the first unknown parent."""
    def windows_of(self, record: bytes) -> dict[str, tuple[int, tuple[int, ...]]]:
        """Correlation owner -> (count, steps) of the window under this record's key, for every correlation that a rule
        which matches the record feeds: events, different values or steps inside the timespan, and for sequences which
        steps are there (of an ordered one: reached in order). Feeds nothing. Raises ValueError for what is no record.
        """
    def capture(self, enabled: bool) -> None:
        """Keep a copy of every record for `take_captured` (replay of what was recorded).

        Of network.payload it keeps the network.dns and network.tls records made of it instead, which give the same
        when they are fed again.
        """
    def take_captured(self) -> bytes: ...
    def stream(self, enabled: bool) -> None:
        """Make one line of JSON of every record, for `take_stream`.

        `{"kind": dotted kind, "details": {field: value}, "process": {...}}`: what `Record.to_dict` gives, argv as a
        list, time on the real-time clock; `process` (kernel records only) is what the process table adds, each text
        cut at 4096 bytes.
        """
    def take_stream(self) -> bytes:
        """The whole lines made since the last call. At most 128 MiB wait; events beyond are in `stream_lost`."""
    def stats(self) -> dict[str, Any]:
        """records and bytes per kind; malformed by reason; hits, suppressed, hits_lost,
        stream_lost, capture_lost, cooldowns_evicted; processes, argv_chunks, payloads, windows and natives (by
        owner), each a dict with what is held and what was evicted, refused, late or skipped by a documented
        exception. table_bytes: memory that each bounded table has touched and keeps: processes, process_images,
        windows (at most 4 * window_keys slots in all), cooldowns, hits.

        payloads: dns and tls records made; of the latter `incomplete`; streams in pieces that wait (256 at most),
        evicted by newer ones, expired after 10 s, with gaps, refused for want of memory; unparsed by reason."""
