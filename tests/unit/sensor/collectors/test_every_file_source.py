# SPDX-License-Identifier: Apache-2.0
"""Every source that is a log file: whatever happens to the file, each line counts once and nothing stops."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from innerwarden_core import Engine, Record

from innerwarden import paths
from innerwarden.config import AuthLogConfig, CollectorsConfig, Config, LogFilesConfig, RecipeConfig
from innerwarden.modules.loader import load_modules
from innerwarden.sensor import collectors
from innerwarden.sensor.collectors import tail_set
from innerwarden.sensor.collectors.base import Collector, Context
from innerwarden.sensor.collectors.recipes import collector_of
from innerwarden.sensor.collectors.tail import LINGER_S

RECIPES = {one.recipe.id: one for one in load_modules([paths.REPOSITORY / "modules"], Config()).recipes}
#: Children and directories of whole files have tests of their own.
NO_LOG_FILES = {"journald", "docker", "podman", "cloudtrail"}
START_S = 1793613600


@dataclass(frozen=True)
class Kind:
    """`line` makes the line that stands for a number at a second after START_S, `field` is where the record has it."""

    line: Callable[[int, int], str]
    field: str


def syslog(text: str) -> Callable[[int, int], str]:
    """RFC 3339 frame, so that no year is guessed."""
    return lambda number, second: f"{stamp(second)} web {text.format(number)}"


def stamp(second: int, form: str = "%Y-%m-%dT%H:%M:%S.000000+00:00") -> str:
    return time.strftime(form, time.gmtime(START_S + second))


def access(number: int, second: int) -> str:
    when = stamp(second, "%d/%b/%Y:%H:%M:%S +0000")
    return f'192.0.2.7 - - [{when}] "GET / HTTP/1.1" {200 + number} 5 "-" "-"'


def nginx_error(number: int, second: int) -> str:
    return (
        f'{stamp(second, "%Y/%m/%d %H:%M:%S")} [error] 1#1: *{number} open() "/srv/x" failed (2: No such file or '
        f'directory), client: 192.0.2.7, server: x, request: "GET /{number} HTTP/1.1", host: "x"'
    )


def apache_error(number: int, second: int) -> str:
    when = stamp(second, "%a %b %d %H:%M:%S.000000 %Y")
    return f"[{when}] [core:info] [pid 1] [client 192.0.2.7:{number}] AH00128: File does not exist: /srv/x"


def audit(number: int, second: int) -> str:
    return (
        f"type=USER_AUTH msg=audit({START_S + second}.000:{number}): pid=1 uid=0 auid=0 ses=1 "
        'msg=\'op=PAM:authentication acct="root" exe="/usr/sbin/sshd" addr=192.0.2.7 terminal=ssh res=failed\''
    )


def line_of(**members: Any) -> str:
    return json.dumps(members)


def falco(number: int, second: int) -> str:
    fields = {"proc.pid": number}
    return line_of(time=stamp(second), rule="r", priority="Error", output="o", output_fields=fields)


def suricata(number: int, second: int) -> str:
    alert = {"signature_id": 1, "signature": "s", "category": "c", "severity": 1}
    return line_of(timestamp=stamp(second), event_type="alert", dest_port=number, alert=alert)


def wazuh(number: int, second: int) -> str:
    rule = {"level": 10, "id": "1", "description": "d", "groups": ["g"]}
    return line_of(
        timestamp=stamp(second), id=str(number), rule=rule, full_log="l", data={"srcport": str(number)}
    )


def osquery(number: int, second: int) -> str:
    return line_of(
        unixTime=START_S + second, name="q", action="added", counter=number, columns={"pid": str(number)}
    )


KINDS = {
    "auth_log": Kind(syslog("sshd[1]: Failed password for root from 192.0.2.7 port {} ssh2"), "src_port"),
    "kernel_log": Kind(
        syslog(
            "kernel: [    1.000000] [UFW BLOCK] IN=eth0 OUT= MAC=00 SRC=192.0.2.7 DST=192.0.2.8 LEN=40 TOS=0x00 "
            "PREC=0x00 TTL=1 ID=1 PROTO=TCP SPT={} DPT=22 WINDOW=1 RES=0x00 SYN URGP=0"
        ),
        "src_port",
    ),
    "service_log": Kind(
        syslog(
            "postfix/smtpd[{}]: warning: unknown[192.0.2.7]: SASL LOGIN authentication failed: UGFzc3dvcmQ6"
        ),
        "pid",
    ),
    "nginx_access": Kind(access, "http_status"),
    "apache_access": Kind(access, "http_status"),
    "nginx_error": Kind(nginx_error, "url"),
    "apache_error": Kind(apache_error, "src_port"),
    "auditd": Kind(audit, "audit_serial"),
    "falco": Kind(falco, "pid"),
    "suricata": Kind(suricata, "dst_port"),
    "wazuh": Kind(wazuh, "src_port"),
    "osquery": Kind(osquery, "pid"),
}


def test_no_source_of_files_is_left_out() -> None:
    assert set(KINDS) == {*collectors.modules(), *RECIPES} - NO_LOG_FILES


class Log:
    """One source's log with its collector, which may be started again."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self.kind = KINDS[name]
        self.path = directory / "the.log"
        self.now = 1000.0
        self.cursor: bytes | None = None
        self.engine = Engine()
        self.engine.capture(True)
        self.path.touch()
        self.start()

    def start(self) -> None:
        context = Context(config=self._config(), cursor=self.cursor, monotonic=lambda: self.now)
        made: Collector | None
        if self.name in RECIPES:
            made = collector_of(RECIPES[self.name], context)
        else:
            made = importlib.import_module(f"innerwarden.sensor.collectors.{self.name}").create(context)
        assert made is not None
        self.collector = made
        self.collector.warm_up(self.engine)
        self._taken()

    def _config(self) -> CollectorsConfig:
        if self.name in RECIPES:
            return CollectorsConfig(recipes={self.name: RecipeConfig(paths=(str(self.path),))})
        shape = type(getattr(CollectorsConfig(), self.name))
        section: Any = None
        if issubclass(shape, LogFilesConfig):
            section = shape(paths=(str(self.path),))
        elif shape is AuthLogConfig:
            section = shape(path=str(self.path))
        return CollectorsConfig(**{self.name: section})

    def again(self) -> None:
        """As a new process would: the cursor goes through JSON."""
        self.cursor = msgspec.json.encode(self.collector.cursor())
        self.collector.close()
        self.start()

    def write(self, *numbers: int, path: Path | None = None, second: int = 0) -> None:
        with (path or self.path).open("a") as file:
            file.writelines(self.kind.line(number, second) + "\n" for number in numbers)

    def raw(self, data: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(data)

    def read(self) -> list[int]:
        """The numbers of what one poll gave; what waited for more lines is given up waiting for."""
        self.collector.poll(self.engine)
        self.now += 2
        self.collector.poll(self.engine)
        return self._taken()

    def _taken(self) -> list[int]:
        taken, found = self.engine.take_captured(), []
        while taken:
            size = int.from_bytes(taken[:4], "little")
            value = Record(taken[:size]).get(self.kind.field)
            taken = taken[size:]
            if value is None:
                continue  # what the collector says of itself: audit.state
            number = int(str(value).strip("/"))
            found.append(number - 200 if self.kind.field == "http_status" else number)
        return found


@pytest.fixture(params=sorted(KINDS))
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Log]:
    one = Log(request.param, tmp_path)
    yield one
    one.collector.close()


def test_each_line_is_one_record(log: Log) -> None:
    log.write(1, 2, 3)
    assert log.read() == [1, 2, 3]
    assert log.read() == []
    health = log.collector.health()
    assert health is not None and (health.state, health.matched, health.malformed) == ("working", 3, 0)


def test_rotation_loses_and_doubles_nothing(log: Log) -> None:
    log.write(1)
    assert log.read() == [1]
    log.write(2)
    old = log.path.with_name("the.log.1")
    log.path.rename(old)
    log.write(3)
    log.now += tail_set.RESCAN_S
    assert log.read() == [2, 3]
    log.write(4, path=old)
    log.write(5)
    assert sorted(log.read()) == [4, 5], "the daemon writes on to the renamed file for a while"
    log.now += LINGER_S
    assert log.read() == []


def test_truncation_starts_over(log: Log) -> None:
    log.write(1, 2)
    assert log.read() == [1, 2]
    os.truncate(log.path, 0)
    log.write(3)
    assert log.read() == [3]


def test_a_copy_that_is_cut_loses_nothing(log: Log) -> None:
    log.write(1, 2)
    assert log.read() == [1, 2]
    log.write(3)
    shutil.copy(log.path, log.path.with_name("the.log.1"))
    os.truncate(log.path, 0)
    log.write(*range(4, 9))
    assert log.read() == [3, *range(4, 9)]


def test_a_link_that_is_turned_elsewhere_is_followed(log: Log) -> None:
    one, two = log.path.with_name("one"), log.path.with_name("two")
    log.path.rename(one)
    log.path.symlink_to(one)
    log.write(1, path=one)
    assert log.read() == [1]
    log.write(2, path=two)
    log.path.with_name("new").symlink_to(two)
    log.path.with_name("new").replace(log.path)
    log.write(3, path=two)
    assert log.read() == [2, 3]


@pytest.mark.parametrize("what", ["a pipe", "a directory", "a link to nothing"])
def test_something_else_in_its_place_blocks_nobody(log: Log, what: str) -> None:
    log.write(1)
    assert log.read() == [1]
    log.path.unlink()
    if what == "a pipe":
        os.mkfifo(log.path)
    elif what == "a directory":
        log.path.mkdir()
    else:
        log.path.symlink_to("/nonexistent")
    assert log.read() == []
    (log.path.rmdir if what == "a directory" else log.path.unlink)()
    log.write(2)
    assert log.read() == [2]


def test_a_line_of_100_mib_is_skipped_and_counted_once(log: Log) -> None:
    log.raw(b"x")
    os.truncate(log.path, 100 << 20)
    log.raw(b"\n")
    log.write(1)
    seen: list[int] = []
    for _ in range(40):
        seen += log.read()
    assert seen == [1]
    health = log.collector.health()
    assert health is not None and (health.lost, health.matched) == (1, 1)


def test_invalid_bytes_cost_their_own_line_only(log: Log) -> None:
    whole = log.kind.line(1, 0).encode()
    log.raw(b"\xff\xfe\x00\x01 \x1b[0m\r\n\n\x00\n" + whole[:40] + b"\n" + b"\xc3" + whole + b"\xff\n")
    log.write(2)
    log.raw(bytes(range(256)).replace(b"\n", b"") + b"\n")
    log.write(3)
    assert [number for number in log.read() if number != 1] == [2, 3]


def test_a_line_in_two_halves_is_one(log: Log) -> None:
    whole = log.kind.line(1, 0).encode() + b"\n"
    log.raw(whole[:25])
    assert log.read() == []
    log.raw(whole[25:])
    assert log.read() == [1]


def test_clocks_that_jump_lose_nothing(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    log.write(1, second=0)
    log.write(2, second=86_400)
    log.write(3, second=-86_400)
    assert sorted(log.read()) == [1, 2, 3], "the log's own times go forth and back"
    for number, jump in ((4, -3 * 86_400), (5, 6 * 86_400)):
        now = time.time()
        monkeypatch.setattr(time, "time", lambda at=now + jump: at)
        log.now += 3600
        log.write(number, second=number)
        assert log.read() == [number], "the machine's clock is set"


def test_a_restart_goes_on_at_the_byte(log: Log) -> None:
    log.write(1, 2)
    assert log.read() == [1, 2]
    log.write(3)
    log.again()
    log.write(4)
    assert log.read() == [3, 4]
    log.write(5)
    log.path.rename(log.path.with_name("the.log.1"))
    log.write(6)
    log.again()
    assert log.read() == [5, 6], "also over a rotation"


def test_a_cursor_of_another_shape_starts_at_the_end(log: Log) -> None:
    log.write(1)
    log.cursor = b'{"cursor":"nonsense","files":7}'
    log.collector.close()
    log.start()
    log.write(2)
    assert log.read() == [2]


def test_a_file_that_comes_later_is_read_from_its_start(log: Log) -> None:
    log.path.unlink()
    log.collector.close()
    log.start()
    assert log.read() == []
    health = log.collector.health()
    assert health is not None and health.state == "absent" and "as soon as it" in health.reason
    log.write(1)
    log.now += tail_set.RESCAN_S
    assert log.read() == [1]
