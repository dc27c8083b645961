# SPDX-License-Identifier: Apache-2.0
"""A module that means harm gets nothing, and the process that feeds it is told what happened."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from innerwarden_core import Record

from innerwarden.model.event import Event, from_record
from innerwarden.modules.apart import worker as workers
from innerwarden.modules.apart.protocol import Answer, File
from innerwarden.modules.apart.worker import Worker
from innerwarden.modules.factory import encode
from tests.unit.modules.apart.hostile import file

Start = Callable[..., Worker]


def event(**fields: str) -> Event:
    return from_record(Record(encode("process.exec", exe_path="/usr/bin/x", **fields)), host="h")


@pytest.fixture
def start() -> Iterator[Start]:
    started = []

    def one(body: str, before: str = "") -> Worker:
        worker = Worker("m", [file(body, before)])
        started.append(worker)
        worker.start()
        worker.wait_ready()
        if worker.state == "working":
            worker.make({"probe": {"n_count": 1}})
        return worker

    yield one
    for worker in started:
        worker.close()


def answer(worker: Worker) -> str:
    """What the detector said of one event."""
    told = worker.ask("probe", event())
    assert told.error == "", told.error
    assert told.finding is not None
    return told.finding.summary or ""


def ended(worker: Worker) -> str:
    """Why it ended, after one event."""
    told = worker.ask("probe", event())
    assert worker.state in ("waiting", "disabled")
    assert worker.pid is None
    return told.error


def test_a_detector_gets_the_event_and_its_finding_comes_back(start: Start) -> None:
    worker = start("result = (event.kind, event.field('exe_path'), event.details.argv, self.parameters)")
    assert answer(worker) == "('process.exec', '/usr/bin/x', ('/usr/bin/x',), {'n_count': 1})"


def test_it_has_no_rights(start: Start) -> None:
    worker = start("result = os.getcwd()")
    status = dict(
        line.split(":\t", 1)
        for line in Path(f"/proc/{worker.pid}/status").read_text().splitlines()
        if ":\t" in line
    )
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"
    assert status["CapEff"] == status["CapPrm"] == status["CapAmb"] == "0" * 16
    if os.geteuid() == 0:
        assert status["CapBnd"] == "0" * 16
        assert status["Uid"].split() == status["Gid"].split() == ["65534"] * 4
        assert status["Groups"].strip() == ""
        assert Path(f"/proc/{worker.pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()
        # What cannot be dumped belongs to root there, see proc(5).
        assert Path(f"/proc/{worker.pid}/environ").stat().st_uid == 0
    limits = Path(f"/proc/{worker.pid}/limits").read_text()
    assert re.search(rf"Max address space +{256 << 20} +{256 << 20} ", limits)
    assert re.search(r"Max file size +0 +0 ", limits)
    assert re.search(r"Max processes +0 +0 ", limits)
    assert answer(worker) == "/"


REFUSED = {
    "writing a file": "result = os.open('/tmp/iw-worker-was-here', os.O_WRONLY | os.O_CREAT)",
    "a directory": "os.mkdir('/tmp/iw-worker-was-here'); result = 'made'",
    "removing a file": "os.unlink('/etc/hostname'); result = 'removed'",
    "the password file": "result = open('/etc/shadow').read()",
    "the parent's memory": "result = open(f'/proc/{os.getppid()}/mem', 'rb').read(1)",
    "an internet socket": "result = socket.socket()",
    "a local socket": "result = socket.socket(socket.AF_UNIX)",
    "a child": "result = os.fork()",
    "a program": "os.execv('/bin/true', ['true'])",
    "another program": "result = subprocess.run(['/bin/true'])",
    "killing the parent": "os.kill(os.getppid(), signal.SIGKILL); result = 'killed'",
    "killing everybody": "os.kill(-1, signal.SIGTERM); result = 'killed'",
    "another user": "os.setuid(0); result = 'root'",
    "a terminal": "result = os.openpty()",
    "signals for others": "import fcntl; fcntl.fcntl(int(sys.argv[1]), fcntl.F_SETOWN, os.getppid()); result = 'set'",
    "a higher limit": "import resource; resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (1, 1)); result = 'set'",
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=list(REFUSED))
def test_it_is_refused(start: Start, body: str) -> None:
    worker = start(body)
    assert answer(worker) in ("PermissionError 1", "PermissionError 13", "FileNotFoundError 2")
    assert not Path("/tmp/iw-worker-was-here").exists()
    assert worker.state == "working"


def test_threads_cannot_be_made(start: Start) -> None:
    worker = start("threading.Thread(target=print).start(); result = 'started'")
    assert "can't start new thread" in worker.ask("probe", event()).error


def test_a_memory_bomb_is_an_error_of_its_detector(start: Start) -> None:
    worker = start("result = len(b'x' * (1 << 30))")
    assert worker.ask("probe", event()).error.startswith("MemoryError")
    assert worker.state == "working"


def test_an_endless_loop_is_ended(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "ANSWER_WITHIN_S", 0.3)
    assert ended(start("while True: pass")) == "it did not answer within 0 s"


def test_an_endless_loop_while_it_loads_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "READY_WITHIN_S", 0.5)
    worker = Worker("m", [file("result = 1", before="while True: pass")])
    worker.start()
    assert not worker.wait_ready(5)
    assert "not ready" in worker.reason
    worker.close()


GARBAGE = {
    "noise": (
        "os.write(int(sys.argv[1]), b'\\xff' * 4096); time.sleep(9); result = 0",
        "a frame of 4294967295 bytes",
    ),
    "a huge frame": (
        "os.write(int(sys.argv[1]), (1 << 30).to_bytes(4, 'little')); time.sleep(9)",
        "a frame of 1073741824",
    ),
    "no message": (
        "os.write(int(sys.argv[1]), b'\\x01\\0\\0\\0\\xc1'); time.sleep(9); result = 0",
        "no answer",
    ),
    "another's answer": (
        "p = sys.modules['innerwarden.modules.apart.protocol']\n"
        "os.write(int(sys.argv[1]), p.frame(p.Answers((p.Answer(77, Finding()),))))\n"
        "time.sleep(9); result = 0",
        "an answer to event 77, which was not asked",
    ),
    "itself anew": (
        "p = sys.modules['innerwarden.modules.apart.protocol']\n"
        "os.write(int(sys.argv[1]), p.frame(p.Ready({}, ())))\n"
        "time.sleep(9); result = 0",
        "it described itself twice",
    ),
}


@pytest.mark.parametrize(("body", "reason"), GARBAGE.values(), ids=list(GARBAGE))
def test_what_is_no_answer_ends_it(start: Start, body: str, reason: str) -> None:
    assert reason in ended(start(body))


ENDINGS = {
    "exit": ("os._exit(3)", "ended with code 3"),
    "crash": ("ctypes.string_at(0)", "ended by SIGSEGV"),
    "closing": ("os.close(int(sys.argv[1])); time.sleep(9)", "closed the connection"),
}


@pytest.mark.parametrize(("body", "reason"), ENDINGS.values(), ids=list(ENDINGS))
def test_its_end_is_told(start: Start, body: str, reason: str) -> None:
    assert reason in ended(start(body))


def test_it_is_started_again_later_and_given_up_in_the_end(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "BACK_OFF_S", 0.01)
    worker = start("os._exit(3)")
    pauses = []
    for crash in range(1, workers.MAX_CRASHES + 1):
        assert worker.state == "working"
        worker.ask("probe", event())
        assert worker.crashes == crash
        began = time.monotonic()
        while worker.state == "waiting":
            worker.poll(time.monotonic())
        pauses.append(time.monotonic() - began)
        worker.wait_ready()
    assert worker.state == "disabled"
    assert "5 times" in worker.reason
    assert "code 3" in worker.reason
    assert pauses[0] < pauses[3]
    assert not worker.submit(99, "probe", event())
    assert worker.lost == workers.MAX_CRASHES + 1


def test_a_restarted_worker_judges_with_its_parameters_and_empty(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "BACK_OFF_S", 0.0)
    worker = start("result = (self.seen, self.parameters)\nif event.field('cwd'): os._exit(1)")
    assert answer(worker) == "(1, {'n_count': 1})"
    assert answer(worker) == "(2, {'n_count': 1})"
    worker.ask("probe", event(cwd="/end"))
    worker.poll(time.monotonic())
    assert worker.wait_ready()
    assert answer(worker) == "(1, {'n_count': 1})"


def test_one_that_describes_itself_otherwise_the_second_time_is_not_taken(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "BACK_OFF_S", 0.0)
    worker = start("os._exit(1)", before="prefilter = str(os.getpid())")
    worker.ask("probe", event())
    worker.poll(time.monotonic())
    assert not worker.wait_ready()
    assert "other detectors than before" in worker.reason


def test_what_it_cannot_take_is_counted(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "PENDING_MAX", 3)
    worker = start("result = 1")
    assert [worker.submit(n, "probe", event()) for n in range(1, 6)] == [True, True, True, False, False]
    assert worker.lost == 2
    answers: list[Answer] = []
    while len(answers) < 3:
        answers += worker.poll(time.monotonic())
    assert [one.number for one in answers] == [1, 2, 3]


def test_what_was_lost_with_a_worker_is_answered_by_nothing(start: Start) -> None:
    worker = start("os._exit(1)")
    for number in (1, 2, 3):
        worker.submit(number, "probe", event())
    answers: list[Answer] = []
    while not answers:
        answers += worker.poll(time.monotonic())
    assert [(one.number, one.finding, one.error) for one in answers] == [(n, None, "") for n in (1, 2, 3)]
    assert worker.lost == 3


def test_an_event_as_large_as_a_command_line_can_be_goes_through(start: Start) -> None:
    worker = start("result = len(event.details.argv[1])")
    small = event()
    details = msgspec.structs.replace(small.details, argv=("x", "a" * (1 << 20)))
    big = msgspec.structs.replace(small, details=details)
    told = worker.ask("probe", big)
    assert told.finding is not None
    assert told.finding.summary == str(1 << 20)


def test_a_finding_without_end_is_an_error(start: Start) -> None:
    assert "more than 64 KiB" in start("result = 'x' * (1 << 17)").ask("probe", event()).error


def test_a_file_with_a_mistake_is_told_with_its_line() -> None:
    worker = Worker(
        "m", [File("/m/a.py", "a", "x = 1\nraise ValueError('no')\n"), File("/m/b.py", "b", "import numpy\n")]
    )
    worker.start()
    assert worker.wait_ready()
    assert [one.problem.split(". ")[0] for one in worker.described] == [
        "/m/a.py:2: ValueError: no",
        "/m/b.py:1: imports numpy",
    ]
    worker.close()


def test_a_stopped_feeder_does_not_count_against_it(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = start("result = 1")
    worker.poll(time.monotonic())
    worker.submit(1, "probe", event())
    assert worker.poll(time.monotonic() + 3600) is not None
    assert worker.state == "working"
