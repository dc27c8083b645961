# SPDX-License-Identifier: Apache-2.0
"""Record packets to and from one address with tcpdump, bounded by time, count and bytes.

tcpdump writes to a descriptor that we opened, so that it can give up root before the first packet; it is told to end by
`timeout`, which needs nobody of us. Source: tcpdump(1), "-Z", "-w -", "-c"; timeout(1).
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

from innerwarden.model.verb import CapturePackets
from innerwarden.responder import command, processes
from innerwarden.responder.evidence import Evidence
from innerwarden.responder.skill import Effect, Keep, Means, Refusal, Skill, SkillError

MAX_SECONDS = 300
MAX_PACKETS = 10_000
#: Of each packet. With the header of its record it bounds the file, whatever the traffic.
SNAP_BYTES, RECORD_BYTES = 2048, 16
MAX_RUNNING = 4
QUOTA_BYTES = 256 << 20
START_S = 4.0
PACKETS, SAID = "packets.pcap", "tcpdump.log"


class Capture(Skill[CapturePackets]):
    """The handle is the directory's name, and `pid:start_ns` of what ends it once that runs."""

    verb = CapturePackets
    one_boot = True

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._running: list[subprocess.Popen[bytes]] = []

    def plan(self, verb: CapturePackets, ttl_s: int) -> list[str]:
        return [f"timeout {' '.join(_words(verb))} > {self._evidence.directory}/<time>/{PACKETS}"]

    def do(self, effect: Effect[CapturePackets], keep: Keep) -> None:
        words = _words(effect.verb)
        name = effect.handle.partition(" ")[0] or self._evidence.new_name()
        if self._evidence.is_complete(name):
            return
        self._running = [one for one in self._running if one.poll() is None]
        if len(self._running) >= MAX_RUNNING:
            raise Refusal("busy", f"{MAX_RUNNING} captures run already")
        keep(name)
        room = _packets(effect.verb) * (SNAP_BYTES + RECORD_BYTES) + (1 << 16)
        try:
            place = self._evidence.begin(name, room)
            started = command.start("timeout", *words, out=place / PACKETS, said=place / SAID)
            self._running.append(started)
            if (seen := processes.look(started.pid)) is not None:
                keep(f"{name} {processes.written([seen.identity])}")
            _listens(started, place / SAID)
            self._evidence.finish(name)
        except OSError as error:
            raise SkillError(
                f"packets cannot be kept: {error}", "Look at the disk of the data directory"
            ) from error

    def undo(self, effect: Effect[CapturePackets]) -> None:
        name, _space, ending = effect.handle.partition(" ")
        for pid, start_ns in processes.read(ending):
            _end(pid, start_ns)
        if name:
            self._evidence.discard(name)

    def check(self, effect: Effect[CapturePackets]) -> str | None:
        place = self._evidence.place(effect.handle.partition(" ")[0])
        return None if (place / PACKETS).is_file() else f"{place / PACKETS} is not there"

    def clear(self) -> None:
        self._evidence.clear()


def _packets(verb: CapturePackets) -> int:
    return min(max(verb.packet_count, 1), MAX_PACKETS)


def _words(verb: CapturePackets) -> list[str]:
    """The arguments of timeout. Raises Refusal: a scope of an address could be any text."""
    try:
        address = str(ip_address(verb.target().value))
    except ValueError as error:
        raise Refusal("not_an_address", f"{verb.address[:64]!r} is not one address") from error
    if "%" in address:
        raise Refusal("not_an_address", f"{verb.address[:64]!r} has a scope")
    place = command.find("tcpdump")
    if place is None:
        raise SkillError("tcpdump is not installed", "Install tcpdump")
    seconds = min(max(verb.seconds, 1), MAX_SECONDS)
    bounds = ["-s", str(SNAP_BYTES), "-c", str(_packets(verb))]
    return [
        "-k",
        "2",
        str(seconds),
        str(place),
        "-i",
        "any",
        "-n",
        "-p",
        "-U",
        *bounds,
        "-w",
        "-",
        "host",
        address,
    ]


def _listens(started: subprocess.Popen[bytes], said: Path) -> None:
    """Returns when packets are recorded. Raises SkillError when it ended before that, or says nothing."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if "listening on" in said.read_text():
            return
        if started.poll() is not None:
            break
        time.sleep(0.02)
    lines = said.read_text().strip().splitlines()
    raise SkillError(
        f"tcpdump does not record: {lines[-1] if lines else 'it says nothing'}", "Try it by hand"
    )


def _end(pid: int, start_ns: int) -> None:
    """`timeout` passes the signal on, and tcpdump writes what it has."""
    with suppress(ProcessLookupError):
        fd = os.pidfd_open(pid)
        try:
            if processes.is_same(processes.look(pid), start_ns):
                signal.pidfd_send_signal(fd, signal.SIGTERM)
        finally:
            os.close(fd)


def make(means: Means) -> Capture:
    return Capture(Evidence(means.directory, "captures", QUOTA_BYTES))
