# SPDX-License-Identifier: Apache-2.0
"""Blocks by iptables: a real responder, the real iptables and ip6tables, real packets between network namespaces."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from innerwarden.config import ResponderConfig
from innerwarden.model.responder import Check, Clear, Cleared, Do, Undo
from innerwarden.model.verb import BlockAddress
from innerwarden.responder import command
from innerwarden.responder.backends import iptables
from tests.kernel.net import BEHIND_V4, FAR_V4, FAR_V6, OTHER_V4, Daemon, Net, wait

pytestmark = [pytest.mark.kernel, pytest.mark.apart]

PROGRAMS = ("iptables", "ip6tables")


@pytest.fixture
def net() -> Iterator[Net]:
    for program in (*PROGRAMS, "ip"):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}: apt-get install iptables iproute2")
    made = Net()
    yield made
    made.close()


Start = Callable[[], Daemon]


@pytest.fixture
def start(net: Net, tmp_path: Path) -> Iterator[Start]:
    started: list[Daemon] = []

    def begin() -> Daemon:
        socket = str(tmp_path / "r.sock")
        config = ResponderConfig(enabled=True, dry_run=False, socket=socket, backend="iptables")
        started.append(Daemon(net, tmp_path, config))
        return started[-1]

    yield begin
    for daemon in started:
        daemon.end()


def rules(net: Net) -> dict[str, list[str]]:
    return {program: net.at(net.here, program, "-S").splitlines() for program in PROGRAMS}


def accept_all(net: Net) -> None:
    for program in PROGRAMS:
        for chain in ("INPUT", "FORWARD"):
            net.at(
                net.here,
                program,
                "-I",
                chain,
                "1",
                "-j",
                "ACCEPT",
                "-m",
                "comment",
                "--comment",
                'it\'s "ok"',
            )


@pytest.mark.parametrize("address", [FAR_V4, FAR_V6])
def test_a_block_drops_ahead_of_what_accepts_and_undo_leaves_no_rule(
    net: Net, start: Start, address: str
) -> None:
    accept_all(net)
    before = rules(net)
    daemon = start()
    assert net.connect(address) == "passes"
    assert daemon.block(address).state == "active"
    assert net.connect(address) == "dropped"
    assert net.connect(OTHER_V4) == "passes"
    assert daemon.answer(Check(request_id="r1")).detail == ""
    assert daemon.answer(Undo(request_id="r1")).state == "undone"
    assert net.connect(address) == "passes"
    assert not [line for lines in rules(net).values() for line in lines if "-s " in line]
    assert daemon.ask(Clear()) == Cleared(undone_count=0)
    assert rules(net) == before


def test_forwarded_packets_are_dropped_too(net: Net, start: Start) -> None:
    accept_all(net)
    assert net.connect(FAR_V4, BEHIND_V4) == "passes"
    start().block()
    assert net.connect(FAR_V4, BEHIND_V4) == "dropped"
    assert net.connect(OTHER_V4, BEHIND_V4) == "passes"


@pytest.mark.parametrize(
    "harm", ["accept first", "rule removed", "chain flushed", "all flushed", "jump removed", "accept inside"]
)
def test_what_others_did_to_it_is_repaired(net: Net, start: Start, harm: str) -> None:
    daemon = start()
    daemon.block()
    mark = ("-m", "comment", "--comment", "innerwarden")
    words = {
        "accept first": ("-I", "INPUT", "1", "-j", "ACCEPT"),
        "rule removed": ("-D", "INNERWARDEN", "-s", FAR_V4, *mark, "-j", "DROP"),
        "chain flushed": ("-F", "INNERWARDEN"),
        "all flushed": ("-F",),
        "jump removed": ("-D", "INPUT", *mark, "-j", "INNERWARDEN"),
        "accept inside": ("-I", "INNERWARDEN", "1", "-j", "ACCEPT"),
    }[harm]
    net.at(net.here, "iptables", *words)
    wait(lambda: net.connect() == "dropped")
    lines = rules(net)["iptables"]
    assert next(line for line in lines if line.startswith("-A INPUT")).endswith("-j INNERWARDEN")
    assert not [line for line in lines if line.startswith("-A INNERWARDEN") and not line.endswith("-j DROP")]
    assert sum("-j INNERWARDEN" in line for line in lines) == 2
    assert sum(FAR_V4 in line for line in lines) == 1
    daemon.answer(Undo(request_id="r1"))
    assert net.connect() == "passes"


def test_two_blocks_behind_an_accept_come_first_again(net: Net, start: Start) -> None:
    daemon = start()
    daemon.block(FAR_V4)
    daemon.block(OTHER_V4, "r2")
    net.at(net.here, "iptables", "-I", "INPUT", "1", "-j", "ACCEPT")
    wait(lambda: net.connect(FAR_V4) == net.connect(OTHER_V4) == "dropped")


def test_a_rule_that_no_journal_knows_is_removed(net: Net, start: Start, tmp_path: Path) -> None:
    daemon = start()
    daemon.block(FAR_V4)
    daemon.block(FAR_V6, "r2")
    daemon.kill()
    (tmp_path / "responder" / "journal.jsonl").unlink()
    start()
    wait(lambda: net.connect(FAR_V4) == "passes" and net.connect(FAR_V6) == "passes")


def test_a_restart_makes_nothing_twice(net: Net, start: Start) -> None:
    daemon = start()
    daemon.block()
    once = rules(net)
    daemon.kill()
    start()
    assert net.connect() == "dropped"
    assert rules(net) == once


def test_a_dry_run_tells_the_commands_and_runs_none(net: Net, start: Start) -> None:
    before = rules(net)
    verb = BlockAddress(address=FAR_V6)
    answer = start().answer(Do(request_id="r1", verb=verb, ttl_s=600, plan_only=True))
    assert answer.plan == (
        "ip6tables -N INNERWARDEN",
        "ip6tables -I INPUT 1 -m comment --comment innerwarden -j INNERWARDEN",
        "ip6tables -I FORWARD 1 -m comment --comment innerwarden -j INNERWARDEN",
        f"ip6tables -I INNERWARDEN 1 -s {FAR_V6}/128 -m comment --comment innerwarden -j DROP",
    )
    assert rules(net) == before


@pytest.mark.parametrize(("loaded", "asked"), [("", False), ("nat\n", False), ("nat\nfilter\n", True)])
def test_a_look_loads_no_module_of_the_legacy_variant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loaded: str, asked: bool
) -> None:
    names = tmp_path / "names"
    names.write_text(loaded)
    ran: list[tuple[str, ...]] = []

    def run(program: str, *words: str) -> command.Output:
        ran.append(words)
        return command.Output(0, b"iptables v1.8.9 (legacy)" if words == ("-V",) else b"-P INPUT ACCEPT", "")

    monkeypatch.setattr(command, "run", run)
    monkeypatch.setattr(command, "find", Path)
    monkeypatch.setattr(iptables, "_TABLES", dict.fromkeys(PROGRAMS, names))
    backend = iptables.Iptables()
    assert (backend.missing(), list(backend.present())) == (None, [])
    backend.clear()
    assert any("-S" in words for words in ran) is asked
