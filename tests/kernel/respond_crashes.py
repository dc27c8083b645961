# SPDX-License-Identifier: Apache-2.0
"""One life from findings to responses, killed at a chosen step of the agent's or the responder's side, then started
anew. The agent's steps are each statement and each write to its database (that one is torn) and each word to the
responder, while it ingests, decides, asks and undoes; the responder's are each line of its journal, each command,
signal and answer.

    unshare -n python -m tests.kernel.respond_crashes DIRECTORY [agent:N | responder:N | agent:N+responder:M]...

Prints a JSON line for each: where it was killed, how many steps there were, and what is wrong afterwards. Without a
point it runs undisturbed, and tells how many steps each side has. Everything real: findings files, rules, state.db,
socket, journal, nft, processes; the two sides are forked from this process, which has no threads, so that a life takes
about three seconds.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import msgspec

from innerwarden import paths
from innerwarden.agent import derived
from innerwarden.agent.correlate.registry import find_rules
from innerwarden.agent.ingest import Ingest
from innerwarden.agent.main import observer
from innerwarden.agent.respond import respond as respond_module
from innerwarden.agent.respond.client import Client
from innerwarden.agent.respond.respond import Respond
from innerwarden.agent.state.commands import MoveResponse
from innerwarden.agent.state.read import Reader
from innerwarden.agent.state.rows import ResponseRow
from innerwarden.agent.state.tx import Tx
from innerwarden.agent.state.writer import Operation, Writer
from innerwarden.agent.triage.compose import open_triage
from innerwarden.config import Config, ResponderConfig, TriageConfig
from innerwarden.model.entity import EntityRef
from innerwarden.model.finding import Finding
from innerwarden.model.record import Answered, AnyEntry, Undone
from innerwarden.model.verb import AnyVerb, BlockAddress, KillProcessTree, StopProcessTree
from innerwarden.responder import command, executor, journal, main, processes, server, upkeep
from innerwarden.responder.backends import nftables
from innerwarden.responder.journal import Entry
from tests.unit.agent.support import append, finding, process, rotate
from tests.unit.agent.triage.support import guessing

UNDONE, KEPT, SHORT = "203.0.113.1", "203.0.113.2", "203.0.113.3"
#: What is asked for this long ends after a second: by the responder's clock, so that a busy machine delays it, and
#: never makes it come too late.
SHORT_S = 61
DEADLINE_S = 90.0
RULES = f"""
[[rule]]
id = "block"
why = "guessing"
detectors = ["ssh_bruteforce"]
verb = "block_address"
entity = "ip"
ttl_s = 600
auto_execute = true

[[rule]]
id = "block-shortly"
why = "guessing with patience"
detectors = ["ssh_patient_guessing"]
verb = "block_address"
entity = "ip"
ttl_s = {SHORT_S}
auto_execute = true

[[rule]]
id = "kill"
why = "it answers a stranger"
detectors = ["ransomware_format_loss"]
verb = "kill_process_tree"
entity = "process"
ttl_s = 60
auto_execute = true

[[rule]]
id = "stop"
why = "it encrypts"
detectors = ["ransomware"]
verb = "stop_process_tree"
entity = "process"
ttl_s = {SHORT_S}
auto_execute = true
"""
SLEEPER = "import os, time\nprint(os.getpid(), flush=True)\nos.close(1)\nwhile True: time.sleep(60)"


class Points:
    """Counts the steps of one process; at the chosen one it ends as by kill -9."""

    def __init__(self, at: int | None, count_file: Path) -> None:
        self._at = at
        self._file = os.open(count_file, os.O_WRONLY | os.O_CREAT, 0o600)
        self.count = 0

    def hit(self, before: Callable[[], None] = lambda: None) -> None:
        self.count += 1
        os.pwrite(self._file, f"{self.count:8d}".encode(), 0)
        if self.count == self._at:
            before()
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **named: Any) -> Any:
            self.hit()
            result = function(*arguments, **named)
            self.hit()
            return result

        return wrapped


class CrashingWriter(Writer):
    """Operations that change nothing are no steps; opening and migrating the file is."""

    def __init__(self, path: Path, points: Points) -> None:
        self._points = points
        self._counting = True
        apsw.connection_hooks.append(self._watch)
        watch_writes(self._write)
        super().__init__(path)
        self._counting = False

    def _watch(self, db: apsw.Connection) -> None:
        if not db.readonly("main"):
            db.exec_trace = self._statement

    def _statement(self, _cursor: object, sql: str, _values: object) -> bool:
        if self._counting and not re.match(r"\s*(SELECT|WITH|PRAGMA)", sql):
            self._points.hit()
        return True

    def _write(self, torn: Callable[[], None]) -> None:
        if self._counting:
            self._points.hit()
            self._points.hit(torn)

    def run(self, operation: Operation[Any], timeout_s: float | None = None) -> Any:
        self._counting = operation.durable
        try:
            return super().run(operation, timeout_s)
        finally:
            self._counting = False


_PWRITE = ctypes.CFUNCTYPE(ctypes.c_ssize_t, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64)
_KEPT: list[object] = []  # what C calls must not be collected


def watch_writes(before: Callable[[Callable[[], None]], None]) -> None:
    """`before` each write of SQLite in this process, with what makes the first half of it."""
    real = ctypes.CDLL(None, use_errno=True).pwrite64
    real.restype, real.argtypes = ctypes.c_ssize_t, list(_PWRITE._argtypes_)

    def pwrite(fd: int, data: int, size: int, offset: int) -> int:
        before(lambda: real(fd, data, size // 2, offset))
        return int(real(fd, data, size, offset))

    called = _PWRITE(pwrite)
    system = apsw.VFS("watched", "unix")
    _KEPT.extend((called, system))
    for name in ("pwrite", "pwrite64"):
        system.xSetSystemCall(name, ctypes.cast(called, ctypes.c_void_p).value)


class CrashingClient(Client):
    points: Points

    def _exchange(self, link: Any, packet: bytes) -> Any:
        self.points.hit()
        link.send(packet)
        self.points.hit()
        reply = link.recv(1 << 16)
        self.points.hit()
        if not reply:
            raise ConnectionResetError("closed")
        return msgspec.json.decode(reply, type=respond_module.Answer | server.AnyReply)


class Entries(msgspec.Struct, frozen=True):
    """Operation: the record."""

    durable: bool = False

    def apply(self, tx: Tx) -> list[AnyEntry]:
        rows = tx.db.execute("SELECT body FROM record ORDER BY seq").fetchall()
        return [msgspec.json.decode(row[0], type=AnyEntry) for row in rows]


def sleeper() -> tuple[int, int]:
    """A process that no process of ours started."""
    words = ["setsid", "-f", sys.executable, "-S", "-c", SLEEPER]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        seen = processes.look(int(parent.stdout.readline()))
    assert seen is not None
    return seen.identity


class Life:
    """`point`: which sides are killed at which of their steps; nobody where it is empty."""

    def __init__(self, directory: Path, point: str) -> None:
        self.directory = directory
        directory.mkdir(mode=0o700)
        self.at: dict[str, int | None] = {"agent": None, "responder": None}
        for part in filter(None, point.split("+")):
            side, _colon, at = part.partition(":")
            if side not in self.at:
                raise ValueError(f"{part!r} is no point")
            self.at[side] = int(at)
        self.pids: dict[str, int] = {}
        self.crashes = 0
        self.config = ResponderConfig(
            enabled=True,
            dry_run=False,
            socket=str(directory / "r.sock"),
            verbs=("block_address", "kill_process_tree", "stop_process_tree"),
            operators=("nobody",),
        )
        self.killed, self.stopped = sleeper(), sleeper()
        rules = directory / "rules"
        rules.mkdir(mode=0o755)
        (rules / "acts.toml").write_text(RULES)
        self.data_dir = directory / "data"
        self.data_dir.mkdir(mode=0o700)
        self.findings = self._findings()
        verbs: dict[str, AnyVerb] = {
            "undone": BlockAddress(address=UNDONE),
            "kept": BlockAddress(address=KEPT),
            "short": BlockAddress(address=SHORT),
            "killed": KillProcessTree(pid=self.killed[0], start_ns=self.killed[1]),
            "stopped": StopProcessTree(pid=self.stopped[0], start_ns=self.stopped[1]),
        }
        self.names = {verb.key(): name for name, verb in verbs.items()}

    def _findings(self) -> list[Finding]:
        """What a rule acts on, with a story of two beside it; the file is rotated in the middle."""
        shell = process(400, 399)
        kill, stop = (EntityRef.process(*one) for one in (self.killed, self.stopped))
        found = [
            guessing(UNDONE),
            finding("web_server_shell", at_s=1, process=shell),
            guessing(KEPT, at_s=2),
            msgspec.structs.replace(guessing(SHORT, at_s=3), detector="ssh_patient_guessing"),
            finding("ransomware_format_loss", at_s=5, entities=(kill,)),
            finding("reverse_shell", at_s=6, process=shell),
            finding("ransomware", at_s=7, entities=(stop,)),
        ]
        append(self.data_dir, *found[:4])
        rotate(self.data_dir)
        append(self.data_dir, b"no finding\n", *found[4:])
        return found

    def run(self) -> dict[str, Any]:
        subprocess.run(["nft", "flush", "ruleset"], check=True)
        try:
            self._live()
            problems = self._problems()
        except TimeoutError as error:
            problems = [str(error), *self._problems()]
        finally:
            for pid in self.pids.values():
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            for pid, start_ns in (self.killed, self.stopped):
                if processes.alive([(pid, start_ns)]):
                    os.kill(pid, signal.SIGKILL)
        counts = {
            side: int((self.directory / f"{side}.count").read_text()) for side in ("agent", "responder")
        }
        return {"at": self.at, "crashes": self.crashes, "steps": counts, "problems": problems}

    def _live(self) -> None:
        """Both sides until the agent is through, each started anew when it dies."""
        deadline = time.monotonic() + DEADLINE_S
        for side in ("responder", "agent"):
            self._start(side, self.at[side])
        while True:
            for side, pid in list(self.pids.items()):
                done, status = os.waitpid(pid, os.WNOHANG)
                if not done:
                    continue
                del self.pids[side]
                code = os.waitstatus_to_exitcode(status)
                if side == "agent" and code == 0:
                    return
                if code != -signal.SIGKILL:
                    raise TimeoutError(
                        f"{side} ended with {code}: {(self.directory / f'{side}.log').read_text()[-2000:]}"
                    )
                self.crashes += 1
                self._start(side, None)
            if time.monotonic() > deadline:
                raise TimeoutError("it did not come to its end")
            time.sleep(0.005)

    def _start(self, side: str, at: int | None) -> None:
        pid = os.fork()
        if pid:
            self.pids[side] = pid
            return
        code = 1
        try:
            output = os.open(self.directory / f"{side}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(output, 2)
            name = side if self.at[side] == at else f"{side}-again"
            points = Points(at, self.directory / f"{name}.count")
            (self._agent if side == "agent" else self._responder)(points)
            code = 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(code)

    def _agent(self, points: Points) -> None:
        respond_module.FIRST_PAUSE_S, respond_module.LAST_PAUSE_S = 0.02, 0.1
        respond_module.RECONCILE_S = 0.3
        config = Config(
            responder=self.config,
            triage=TriageConfig(rules_directory=str(self.directory / "rules"), playbooks=False),
        )
        state = paths.state_db(self.data_dir)
        writer = CrashingWriter(state, points)
        rules = find_rules()
        ingest = Ingest(paths.findings(self.data_dir), writer, observer(rules, config))
        triage = open_triage(
            config,
            self.data_dir,
            writer,
            chains=[rule.id for rule in rules],
            others=derived.ids(),
            at_once=lambda: (self.at["agent"] or 0) % 2 == 0,
        )
        client = CrashingClient(self.config.socket)
        client.points = points
        respond = Respond(writer, config, client)
        reader = Reader(state)

        def states() -> dict[str, str]:
            return {name: row.state for name, row in self._responses(reader).items()}

        def until(condition: Callable[[dict[str, str]], bool]) -> None:
            while not condition(states()):
                if not respond.step():
                    time.sleep(0.01)

        while ingest.step() is not None or triage.step():
            pass
        until(lambda now: "intended" not in now.values())
        if states()["undone"] == "active":
            undo = MoveResponse(
                who="operator:ana",
                what="undo",
                response_id=self._responses(reader)["undone"].response_id,
                before="active",
                after="undoing",
                said="",
            )
            writer.run(undo)
        until(lambda now: "undoing" not in now.values())
        until(lambda now: "active" not in (now["short"], now["stopped"]))
        for _ in range(40):  # two more looks at what is in effect
            respond.step()
            time.sleep(0.02)

    def _responses(self, reader: Reader) -> dict[str, ResponseRow]:
        """What is to be done, by its name; where there were two of one, the names would not do: they are counted."""
        found = {self.names[row.verb.key()]: row for row in reader.responses()}
        if len(found) != len(reader.responses()):
            raise AssertionError(f"doubled: {[row.verb for row in reader.responses()]}")
        return found

    def _responder(self, points: Points) -> None:
        executor.MIN_TTL_S = 1
        upkeep.SWEEP_S = 0.3
        ask = executor.Executor._do

        def shorter(self: executor.Executor, request: Any, uid: int) -> Any:
            ttl_s = 1 if request.ttl_s == SHORT_S else request.ttl_s
            return ask(self, msgspec.structs.replace(request, ttl_s=ttl_s), uid)

        executor.Executor._do = shorter  # type: ignore[method-assign]
        append = journal.Journal._append

        def torn(self: journal.Journal, line: bytes) -> None:
            points.hit()
            points.hit(lambda: os.write(self._fd, line[: len(line) // 2]) and None)
            append(self, line)
            points.hit()

        journal.Journal._append = torn  # type: ignore[method-assign]
        journal.replace_whole = points.around(journal.replace_whole)
        command.run = points.around(command.run)
        processes.signal.pidfd_send_signal = points.around(signal.pidfd_send_signal)
        reply = server.Server._reply

        def answered(*arguments: Any) -> Any:
            found = reply(*arguments)
            points.hit()
            return found

        server.Server._reply = answered  # type: ignore[method-assign]
        main.run(Config(responder=self.config), self.directory)

    def _problems(self) -> list[str]:
        """What is not as it should be; nothing when no decision was lost, no effect doubled or left over."""
        found = []

        def expect(what: str, got: object, wanted: object) -> None:
            if got != wanted:
                found.append(f"{what}: {got!r}, not {wanted!r}")

        expect("blocked", sorted(a for a, _handle in nftables.Nftables().present()), [KEPT])
        expect("in effect", nftables.Nftables().check(KEPT, ""), None)
        expect("killed", processes.alive([self.killed]), [])
        expect("goes on", processes.running([self.stopped]), [self.stopped[0]])
        with Reader(paths.state_db(self.data_dir)) as reader:
            rows = self._responses(reader)
            told, counters, cursor = reader.incidents(limit=1000), reader.counters(), reader.cursor()
            decided = Counter(row.outcome for one in told for row in [reader.triage(one.incident_id)] if row)
        ids = Counter(one.fields.incident_id for one in self.findings)
        expect("from the sensor", Counter(one.incident_id for one in told if one.source == "sensor"), ids)
        expect(
            "stories", [one.detector for one in told if one.source == "correlation"], ["web_shell_outbound"]
        )
        expect("lines refused", (cursor.bad_lines, cursor.duplicates), (1, 0))
        expect(
            "decided",
            (sum(decided.values()), decided["act"], counters["triage.in"]),
            (len(told), 5, len(told)),
        )
        writer = Writer(paths.state_db(self.data_dir))
        entries = writer.run(Entries())
        writer.close()
        wanted = {
            "undone": "undone",
            "kept": "active",
            "short": "undone",
            "killed": "done",
            "stopped": "undone",
        }
        expect("states", {name: row.state for name, row in rows.items()}, wanted)
        names = {row.response_id: name for name, row in rows.items()}
        # A failure that passed, such as nft taking too long on a busy machine, is a step on the way.
        steps = [one for one in entries if not (isinstance(one, Answered) and one.state == "failed")]
        counted = Counter((one.kind, names.get(getattr(one, "response_id", ""), "")) for one in steps)
        for kind in ("requested", "answered"):
            expect(kind, {name: counted[kind, name] for name in wanted}, dict.fromkeys(wanted, 1))
        # One that was over before its answer could be written down is told as over by the answer.
        ends = [names[e.response_id] for e in entries if isinstance(e, Undone)]
        ends += [names[e.response_id] for e in entries if isinstance(e, Answered) and e.state == "undone"]
        expect("ends", sorted(ends), ["short", "stopped", "undone"])
        path = self.directory / "responder" / "journal.jsonl"
        lines = path.read_bytes().splitlines() if path.exists() else []
        held = {names[one.request_id.split("-")[0]]: one for line in lines for one in [decoded(line)] if one}
        expect("journal", {name: one.state for name, one in held.items() if one.live}, {"kept": "active"})
        expect("asked", sorted(held), sorted(wanted))
        return found


def decoded(line: bytes) -> Entry | None:
    try:
        return msgspec.json.decode(line, type=Entry)
    except msgspec.DecodeError:
        return None  # torn


def all_of(directory: Path, points: list[str]) -> None:
    for n, point in enumerate(points or [""]):
        print(json.dumps(Life(directory / f"{n}-{point or 'nobody'}", point).run()), flush=True)


if __name__ == "__main__":
    all_of(Path(sys.argv[1]), sys.argv[2:])
