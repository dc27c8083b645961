# SPDX-License-Identifier: Apache-2.0
"""One life of responses, killed at a chosen step of the agent's or the responder's side, then started anew.

    unshare -n python -m tests.kernel.respond_crashes DIRECTORY [agent:N | responder:N | agent:N+responder:M]...

Prints a JSON line for each: where it was killed, how many steps there were, and what is wrong afterwards. Without a
point it runs undisturbed, and tells how many steps each side has. Everything real: state.db, socket, journal, nft,
processes; the two sides are forked from this process, which has no threads, so that a life takes about three seconds.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from innerwarden.agent.respond import respond as respond_module
from innerwarden.agent.respond.client import Client
from innerwarden.agent.respond.respond import Respond
from innerwarden.agent.state.commands import MoveResponse
from innerwarden.agent.state.read import Reader
from innerwarden.agent.state.responses import Order, intend
from innerwarden.agent.state.tx import Tx
from innerwarden.agent.state.writer import Operation, Writer
from innerwarden.config import Config, ResponderConfig
from innerwarden.model.record import Answered, AnyEntry, Decided, Outcome, Undone
from innerwarden.model.verb import AnyVerb, BlockAddress, KillProcessTree, StopProcessTree
from innerwarden.responder import command, executor, journal, main, processes, server, upkeep
from innerwarden.responder.backends import nftables
from innerwarden.responder.journal import Entry

UNDONE, KEPT, SHORT = "203.0.113.1", "203.0.113.2", "203.0.113.3"
#: What is asked for this long ends after a second: by the responder's clock, so that a busy machine delays it, and
#: never makes it come too late.
SHORT_S = 61
DEADLINE_S = 90.0
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
    """Operations that change nothing are no steps."""

    points: Points

    def run(self, operation: Operation[Any], timeout_s: float | None = None) -> Any:
        if not operation.durable:
            return super().run(operation, timeout_s)
        return self.points.around(super().run)(operation, timeout_s)


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


class Propose(msgspec.Struct, frozen=True):
    """Operation: decide all of it."""

    orders: tuple[tuple[AnyVerb, int], ...]
    durable: bool = True

    def apply(self, tx: Tx) -> list[str | None]:
        made = []
        for verb, ttl_s in self.orders:
            decided = Decided(
                incident_id="i", outcome=Outcome.ACT, by="rule:x", reason="r", verb=verb, ttl_s=ttl_s
            )
            made.append(intend(tx, Order(decided=decided, verb=verb, ttl_s=ttl_s)))
        return made


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
        self.orders: tuple[tuple[AnyVerb, int], ...] = (
            (BlockAddress(address=UNDONE), 600),
            (BlockAddress(address=KEPT), 600),
            (BlockAddress(address=SHORT), SHORT_S),
            (KillProcessTree(pid=self.killed[0], start_ns=self.killed[1]), 60),
            (StopProcessTree(pid=self.stopped[0], start_ns=self.stopped[1]), SHORT_S),
        )
        self.undone, self.kept, self.short, self.kill, self.stop = (f"r{n}" for n in range(1, 6))

    def run(self) -> dict[str, Any]:
        subprocess.run(["nft", "flush", "ruleset"], check=True)
        writer = Writer(self.directory / "state.db")
        writer.run(Propose(self.orders))
        writer.close()
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
        writer = CrashingWriter(self.directory / "state.db")
        writer.points = points
        client = CrashingClient(self.config.socket)
        client.points = points
        respond = Respond(writer, Config(responder=self.config), client)
        reader = Reader(self.directory / "state.db")

        def states() -> dict[str, str]:
            return {row.response_id: row.state for row in reader.responses()}

        def until(condition: Callable[[dict[str, str]], bool]) -> None:
            while not condition(states()):
                if not respond.step():
                    time.sleep(0.01)

        until(lambda now: "intended" not in now.values())
        if states()[self.undone] == "active":
            undo = MoveResponse(
                who="operator:ana",
                what="undo",
                response_id=self.undone,
                before="active",
                after="undoing",
                said="",
            )
            writer.run(undo)
        until(lambda now: "undoing" not in now.values())
        until(lambda now: "active" not in (now[self.short], now[self.stop]))
        for _ in range(40):  # two more looks at what is in effect
            respond.step()
            time.sleep(0.02)

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
        writer = Writer(self.directory / "state.db")
        entries = writer.run(Entries())
        writer.close()
        with Reader(self.directory / "state.db") as reader:
            rows = {row.response_id: row.state for row in reader.responses()}
        wanted = {
            self.undone: "undone",
            self.kept: "active",
            self.short: "undone",
            self.kill: "done",
            self.stop: "undone",
        }
        expect("states", rows, wanted)
        # A failure that passed, such as nft taking too long on a busy machine, is a step on the way.
        told = [one for one in entries if not (isinstance(one, Answered) and one.state == "failed")]
        counted = Counter((one.kind, getattr(one, "response_id", "")) for one in told)
        for kind in ("requested", "answered"):
            expect(kind, {name: counted[kind, name] for name in wanted}, dict.fromkeys(wanted, 1))
        # One that was over before its answer could be written down is told as over by the answer.
        ends = [e.response_id for e in entries if isinstance(e, Undone)]
        ends += [e.response_id for e in entries if isinstance(e, Answered) and e.state == "undone"]
        expect("ends", sorted(ends), [self.undone, self.short, self.stop])
        path = self.directory / "responder" / "journal.jsonl"
        lines = path.read_bytes().splitlines() if path.exists() else []
        held = {one.request_id.split("-")[0]: one for line in lines for one in [decoded(line)] if one}
        expect("journal", {name: one.state for name, one in held.items() if one.live}, {self.kept: "active"})
        expect("asked", len(held), len(self.orders))
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
