# SPDX-License-Identifier: Apache-2.0
"""What one part of the product tells another, and what lies on the disk between two of its runs."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import msgspec

from innerwarden import paths
from innerwarden.errors import InnerWardenError
from tests.fuzz.framing import framed, pieces_of
from tests.fuzz.target import Judge, Target, must

WORDS = (b'"', b"\\u0000", b"\\ud800", b"\xff", b"null", b"true", b"-1", b"[]", b"{}", b"1e308", b"[[[[[[[[",
         b"18446744073709551616", b"9223372036854775808", b"99999999999999999999999999", b"0.5", b"::1",
         b"../../etc/passwd", b"1970-01-01T00:00:00Z", b"9999-12-31T23:59:59Z")  # fmt: skip
START_NS = 1_767_323_045 * 10**9


class _Scratch:
    """A directory that is there as long as the process."""

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory()
        self.path = Path(self._directory.name)


def _finding_lines() -> Iterator[bytes]:
    from tests.unit.dashboard import samples

    yield samples.line(samples.reverse_shell(START_NS))
    yield samples.line(samples.brute_force(START_NS, 1))
    yield samples.line(samples.telemetry(START_NS))


def _findings() -> Judge:
    """Lines are stored or counted as bad; what is stored can be read and drawn."""
    from innerwarden.agent.dashboard.context import summary
    from innerwarden.agent.ingest import Ingest
    from innerwarden.agent.state.read import Reader
    from innerwarden.agent.state.writer import Writer

    scratch = _Scratch()
    writer = Writer(paths.state_db(scratch.path))
    numbers: list[int] = []
    file, other = paths.findings(scratch.path), scratch.path / "other"
    reader = Reader(paths.state_db(scratch.path))

    def judge(data: bytes) -> None:
        # A file that begins like the one before is that one: a line of its own comes first.
        numbers.append(len(numbers))
        data = b"%d\n" % len(numbers) + data
        other.write_bytes(data)
        other.replace(file)
        before = reader.counters()
        ingest = Ingest(file, writer, lambda tx, stored: 0)
        told = 0
        try:
            for _ in range(300):
                done = ingest.step()
                if done is None:
                    break
                told += done.incidents + done.duplicates + done.telemetry + done.bad_lines
        finally:
            ingest.close()
        whole = data.count(b"\n")
        must(told >= whole, f"{whole} lines, {told} of them told: {before} {reader.counters()}")
        for row in reader.incidents(limit=3):
            msgspec.json.encode(summary(row))
            reader.related(row.incident_id)

    judge.keep = (scratch, writer)  # type: ignore[attr-defined]
    return judge


def _line() -> Judge:
    """A line alone; what was taken is as it was when it is written and taken again."""
    from innerwarden.agent.lines import Refused, parse
    from innerwarden.agent.state.tx import NewIncident

    def judge(data: bytes) -> None:
        found = parse(data)
        if isinstance(found, Refused):
            must(bool(found.reason) and found.reason.isprintable(), f"a reason that cannot be shown: {found}")
        if isinstance(found, NewIncident):
            again = parse(msgspec.json.encode(found.finding))
            must(isinstance(again, NewIncident), f"what was written is refused: {again}")
            must(again.finding == found.finding, "a finding is another one when it is written")

    return judge


def _findings_seeds() -> Iterator[bytes]:
    lines = list(_finding_lines())
    yield b"".join(lines)
    yield lines[0] + b"not json\n" + lines[1] + lines[2][:40]


def _cursor() -> Judge:
    """A cursor file of the agent's kind names a place, and one of the sensor's is taken or set aside."""
    from innerwarden.sensor.collectors.base import decode_cursor
    from innerwarden.sensor.collectors.cursors import CursorStore

    scratch = _Scratch()
    path = scratch.path / "cursors.json"
    shapes = _cursor_shapes()

    def judge(data: bytes) -> None:
        path.write_bytes(data)
        store = CursorStore(path)
        if store.corrupt:
            must(not path.exists(), "a file that cannot be read was left")
        for name in ("auth_log", "journald", "cloudtrail", "docker"):
            for shape in shapes:
                decode_cursor(store.get(name), shape)
        store.save({})
        must(not store.failures and not CursorStore(path).corrupt, "what was saved cannot be read")

    judge.keep = scratch  # type: ignore[attr-defined]
    return judge


def _cursor_shapes() -> list[type[msgspec.Struct]]:
    """Every collector's own."""
    import importlib

    from innerwarden.sensor import collectors

    for name in (*collectors.modules(), "tail", "tail_file", "tail_set", "reader_files"):
        importlib.import_module(f"{collectors.__name__}.{name}")
    found: list[type[msgspec.Struct]] = []
    for struct in msgspec.Struct.__subclasses__():
        if struct.__module__.startswith(collectors.__name__) and "ursor" in struct.__name__ + str(
            struct.__doc__
        ):
            found.append(struct)
    return found


def _state_files() -> Judge:
    """Small JSON files of ours: each is read, set aside or refused with the declared error."""
    from innerwarden.agent.state.anchor import parse_anchors
    from innerwarden.model import health
    from innerwarden.modules import state
    from innerwarden.sensor.inventory.baseline import Baseline

    scratch = _Scratch()
    path = scratch.path / "one.json"

    def baseline() -> None:
        must(not Baseline("c", path).refused or not path.exists(), "a file that cannot be read was left")

    def anchors() -> None:
        parse_anchors(path.read_text("utf-8", "surrogateescape").splitlines(), path.name)

    readers: list[Callable[[], object]] = [
        lambda: health.read(path),
        lambda: state.read(path),
        baseline,
        anchors,
    ]

    def judge(data: bytes) -> None:
        for read in readers:
            path.write_bytes(data)
            with suppress(InnerWardenError):
                read()

    judge.keep = scratch  # type: ignore[attr-defined]
    return judge


def _state_seeds() -> Iterator[bytes]:
    from innerwarden.agent.state.anchor import Anchor
    from innerwarden.modules.state import ModuleState, encode
    from tests.unit.dashboard import samples

    yield msgspec.json.encode(samples.health(START_NS))
    yield encode(ModuleState())
    anchor = Anchor(host="h", ts="2026-01-02T03:04:05Z", seq=1, hash="0" * 64, count=1)
    yield anchor.sealed().line().encode()


def _requests() -> Iterator[bytes]:
    from innerwarden.model.responder import Check, Clear, Do, Hello, List, Undo
    from innerwarden.model.verb import BlockAddress, KillProcessTree, QuarantineFile

    for request in (
        Hello(),
        Do(request_id="r1", verb=BlockAddress(address="203.0.113.9"), ttl_s=600),
        Do(request_id="r2", verb=KillProcessTree(pid=7, start_ns=8), ttl_s=600, plan_only=True),
        Do(request_id="r3", verb=QuarantineFile(path="/tmp/x", inode=1, dev=2), ttl_s=600),
        Undo(request_id="r1"),
        Check(request_id="r1"),
        List(),
        Clear(),
    ):
        yield msgspec.json.encode(request)


def _responder() -> Judge:
    """Packets to a whole responder over its socket; skills are files. Each is answered, with an answer of the
    declared shape, and the server goes on."""
    from innerwarden.model.responder import AnyReply, Problem
    from innerwarden.responder.server import Server
    from tests.unit.responder.support import Rig

    scratch = _Scratch()
    rig = Rig(scratch.path)
    rig.upkeep.start()
    server = Server(scratch.path / "s", frozenset({os.geteuid()}), rig.executor.answer)
    reply_of = msgspec.json.Decoder(AnyReply)
    link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    link.settimeout(5)
    link.connect(str(scratch.path / "s"))
    server.serve(1)

    def judge(data: bytes) -> None:
        _, pieces = pieces_of(data)
        rig.time.pass_s(1)
        for piece in pieces[:8]:
            if not piece:
                continue
            bad = server.bad_packets
            link.send(piece)
            server.serve(1)
            reply = reply_of.decode(link.recv(1 << 20))
            must(isinstance(reply, Problem) or bad == server.bad_packets, f"a bad packet became {reply}")
            if isinstance(reply, Problem):
                must("Error" not in reply.detail.split(":")[0], f"an error came out: {reply.detail}")
        must(len(rig.files.names()) <= 4096, "effects without end")

    judge.keep = (scratch, rig)  # type: ignore[attr-defined]
    return judge


def _journal() -> Judge:
    """A journal as something left it: what cannot be read is counted and kept aside, what was read is kept."""
    from innerwarden.responder.journal import Journal, JournalError
    from tests.unit.responder.support import Time

    scratch = _Scratch()
    path = scratch.path / "responder" / "journal.jsonl"
    path.parent.mkdir()

    def judge(data: bytes) -> None:
        for old in path.parent.iterdir():
            old.unlink()
        path.write_bytes(data)
        with suppress(JournalError):
            with closing(Journal(path, Time().clock())) as journal:
                live, damaged = journal.live(), journal.damaged_lines
            aside = [one for one in path.parent.iterdir() if "damaged" in one.name]
            must(bool(aside) == bool(damaged), f"{damaged} lines damaged, {len(aside)} copies")
            with closing(Journal(path, Time().clock())) as journal:
                must(journal.live() == live, "other effects after a second start")

    judge.keep = scratch  # type: ignore[attr-defined]
    return judge


def _journal_seeds() -> Iterator[bytes]:
    from tests.unit.responder.support import Rig

    with tempfile.TemporaryDirectory() as name:
        rig = Rig(Path(name))
        rig.upkeep.start()
        rig.do("r1")
        rig.do("r2", "203.0.113.10")
        rig.undo("r1")
        data = (Path(name) / "responder" / "journal.jsonl").read_bytes()
        rig.journal.close()
    yield data
    yield data[:-20]
    yield data.replace(b"\n", b"\nnot json\n", 1)


def _control() -> Judge:
    """Packets to the agent's command socket, over a real state.db. The socket goes on after each."""
    from innerwarden.agent.operate.control import Control
    from innerwarden.agent.operate.operator import Operator
    from innerwarden.agent.state.writer import Writer
    from innerwarden.config import Config, ResponderConfig
    from innerwarden.model.command import Answer

    scratch = _Scratch()
    writer = Writer(paths.state_db(scratch.path))
    config = Config(responder=ResponderConfig(enabled=True, dry_run=True, verbs=("block_address",)))
    place = paths.agent_socket(scratch.path)
    control = Control(place, Operator(writer, config).run)
    link: list[socket.socket] = []

    def ask(piece: bytes) -> bytes:
        if not link:
            link.append(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
            link[0].settimeout(5)
            link[0].connect(str(place))
        link[0].send(piece)
        return link[0].recv(1 << 20)

    def judge(data: bytes) -> None:
        _, pieces = pieces_of(data)
        for piece in pieces[:8]:
            if piece:
                answer = msgspec.json.decode(ask(piece), type=Answer)
                must("the agent's log says why" not in answer.text, f"a command failed: {piece!r}")

    judge.keep = (scratch, writer, control)  # type: ignore[attr-defined]
    return judge


def _commands() -> Iterator[bytes]:
    from innerwarden.model.command import Approve, Block, Close, Deny, Reopen, Unblock, Undo

    for command in (
        Approve(response_id="r"),
        Deny(response_id="r", reason="x"),
        Undo(response_id="r"),
        Block(address="203.0.113.9", ttl_s=600),
        Unblock(address="203.0.113.9"),
        Close(incident_id="i"),
        Reopen(incident_id="i"),
    ):
        yield msgspec.json.encode(command)


def _packets(make: Callable[[], Iterator[bytes]]) -> Callable[[], Iterator[bytes]]:
    def seeds() -> Iterator[bytes]:
        packets = list(make())
        yield from (framed(0, [packet]) for packet in packets)
        yield framed(0, packets)

    return seeds


class _Database:
    """A state.db with incidents, a record and its head; an input changes bytes of a copy."""

    def __init__(self) -> None:
        from innerwarden.agent.ingest import Ingest
        from innerwarden.agent.state.responses import Order, intend
        from innerwarden.agent.state.tx import Tx
        from innerwarden.agent.state.writer import Writer
        from innerwarden.model.record import Decided, Outcome
        from innerwarden.model.verb import BlockAddress

        class Fill(msgspec.Struct, frozen=True):
            durable: bool = True

            def apply(self, tx: Tx) -> None:
                for number in range(40):
                    verb = BlockAddress(address=f"203.0.113.{number}")
                    decided = Decided(
                        incident_id="i", outcome=Outcome.ACT, by="rule:x", reason="r", verb=verb
                    )
                    intend(tx, Order(decided=decided, verb=verb, ttl_s=600, incident=1))

        self._scratch = _Scratch()
        directory = self._scratch.path / "made"
        directory.mkdir()
        paths.findings(directory).write_bytes(b"".join(_finding_lines()))
        writer = Writer(paths.state_db(directory))
        ingest = Ingest(paths.findings(directory), writer, lambda tx, stored: 0)
        while ingest.step() is not None:
            pass
        ingest.close()
        writer.run(Fill())
        writer.close()
        self._bytes = paths.state_db(directory).read_bytes()
        self._path = self._scratch.path / "state.db"

    def __call__(self, data: bytes) -> None:
        from innerwarden.agent.state.audit import Audit

        changed = bytearray(self._bytes)
        mode, pieces = pieces_of(data)
        for piece in pieces[:16]:
            at = int.from_bytes(piece[:3], "little") % len(changed)
            changed[at : at + len(piece[3:])] = piece[3:]
        if mode & 1 and len(data) > 4:
            del changed[int.from_bytes(data[1:4], "little") % len(changed) :]
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self._path}{suffix}").unlink(missing_ok=True)
        self._path.write_bytes(changed)
        with suppress(InnerWardenError), Audit(self._path) as audit:
            report = audit.verify()
            must(not report.holds or report.entry_count > 0, "an empty record that holds")
        self._read()

    def _read(self) -> None:
        from innerwarden.agent.dashboard.context import response_summary, summary
        from innerwarden.agent.state.read import Reader

        with suppress(InnerWardenError), Reader(self._path) as reader:
            questions: list[Callable[[], Any]] = [
                lambda: [summary(row) for row in reader.incidents(limit=20)],
                lambda: [response_summary(row) for row in reader.responses(limit=20)],
                lambda: reader.counts(0),
                reader.telemetry_latest,
                reader.tasks,
                reader.checks,
                reader.cursor,
                reader.response_counts,
                reader.funnel,
                reader.outbox,
            ]
            for question in questions:
                with suppress(InnerWardenError):
                    question()


def _database_seeds() -> Iterator[bytes]:
    for at in (16, 100, 4096, 8192, 12300, 20500, 40960, 61440, 90000):
        yield framed(0, [at.to_bytes(3, "little") + b"\xff\x00text"])
    yield framed(1, [b"\x00\x20\x00"])


def targets() -> Iterator[Target]:
    agent = "innerwarden.agent"
    yield Target(
        name="findings", make=_findings, seeds=_findings_seeds, words=WORDS, max_bytes=16384,
        packages=(f"{agent}.ingest", f"{agent}.lines", f"{agent}.tail", f"{agent}.state.tx"),
    )  # fmt: skip
    yield Target(
        name="finding-line", make=_line, seeds=_finding_lines, words=WORDS, max_bytes=8192,
        packages=(f"{agent}.lines", "innerwarden.clock", "innerwarden.log"),
    )  # fmt: skip
    yield Target(
        name="cursors", make=_cursor, seeds=_cursor_seeds, words=WORDS, max_bytes=2048,
        packages=("innerwarden.sensor.collectors",),
    )  # fmt: skip
    yield Target(
        name="state-files", make=_state_files, seeds=_state_seeds, words=WORDS, max_bytes=4096,
        packages=("innerwarden.modules.state", "innerwarden.model.health", f"{agent}.state.anchor"),
    )  # fmt: skip
    yield Target(
        name="responder", make=_responder, seeds=_packets(_requests), words=WORDS, max_bytes=4096,
        packages=("innerwarden.responder",),
    )  # fmt: skip
    yield Target(
        name="responder-journal", make=_journal, seeds=_journal_seeds, words=WORDS, max_bytes=8192,
        packages=("innerwarden.responder.journal", "innerwarden.responder.moments"),
    )  # fmt: skip
    yield Target(
        name="commands", make=_control, seeds=_packets(_commands), words=WORDS, max_bytes=4096,
        packages=(f"{agent}.operate",),
    )  # fmt: skip
    yield Target(
        name="state-db", make=_Database, seeds=_database_seeds, max_bytes=2048,
        packages=(f"{agent}.state",),
    )  # fmt: skip


def _cursor_seeds() -> Iterator[bytes]:
    yield b'{"version":1,"cursors":{"auth_log":{"path":"/var/log/auth.log","inode":1,"device":2,"offset":3}}}'
    yield b'{"version":1,"cursors":{"journald":{"cursor":"s=1"},"docker":{"last_ns":7}}}'
    yield b'{"version":2}'
