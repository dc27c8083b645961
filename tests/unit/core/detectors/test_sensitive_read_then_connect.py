# SPDX-License-Identifier: Apache-2.0
"""Secrets that leave: by the reader, a descendant or a near ancestor; owners of the secrets do not count."""

from __future__ import annotations

from typing import Any

import pytest
from innerwarden_core import Engine, MemoryRing, Record, Ring

from innerwarden.model._wire import OpenFlag
from tests.factory import encode, start_of
from tests.unit.core.detectors.support import engine_with, fork, skipped, start

NAME = "sensitive_read_then_connect"


def read(pid: int, at_s: float, path: str = "/etc/shadow", flags: int = OpenFlag.WATCHED_READ) -> bytes:
    return encode("file.open", at_s, pid=pid, path=path, open_flags=int(flags))


def connect(pid: int, at_s: float, ip: str = "203.0.113.8", **fields: Any) -> bytes:
    values = {"family": 10 if ":" in ip else 2, "protocol": 6, "dst_ip": ip, "dst_port": 443, **fields}
    return encode("network.connect", at_s, pid=pid, **values)


@pytest.mark.parametrize(
    "path",
    [
        "/etc/shadow",
        "/etc/gshadow-",
        "/root/.ssh/id_ed25519",
        "/home/bob/.aws/credentials",
        "/home/bob/.kube/config",
        "/etc/ssh/ssh_host_rsa_key",
        "/run/secrets/kubernetes.io/serviceaccount/token",
        "/home/bob/.git-credentials",
    ],
)
def test_the_reader_connects(path: str) -> None:
    data = connect(50, 2.0)
    (hit,) = engine_with(NAME).feed(start(50, 1, "/usr/bin/python3") + read(50, 1.0, path) + data)
    assert hit.record == data
    assert hit.samples == (path, "203.0.113.8:443")
    assert (hit.group, hit.related) == (("50",), (50, start_of(50)))
    assert hit.first_ts_ns == hit.ts_ns - 10**9


def test_a_descendant_connects() -> None:
    tree = start(50, 1, "/bin/bash") + start(51, 50, "/usr/bin/python3") + read(51, 1.0)
    tree += fork(52, 51, 1.1) + start(53, 52, "/usr/bin/curl", 1.2)
    (hit,) = engine_with(NAME).feed(tree + connect(53, 2.0))
    assert hit.related == (51, start_of(51))
    assert engine_with(NAME, levels=1).feed(tree + connect(53, 2.0)) == []


def test_a_near_ancestor_connects_itself() -> None:
    tree = start(50, 1, "/opt/implant") + start(51, 50, "/usr/bin/cat") + read(51, 1.0)
    (hit,) = engine_with(NAME).feed(tree + connect(50, 2.0))
    assert hit.related == (51, start_of(51))


def test_another_child_of_an_ancestor_is_not_blamed() -> None:
    tree = start(50, 1, "/bin/bash") + start(51, 50, "/usr/bin/cat") + read(51, 1.0)
    assert engine_with(NAME).feed(tree + start(52, 50, "/usr/bin/curl", 2.0) + connect(52, 3.0)) == []


def test_an_unrelated_process_is_not_blamed() -> None:
    tree = start(50, 1, "/usr/bin/cat") + start(60, 1, "/usr/bin/curl") + read(50, 1.0)
    assert engine_with(NAME).feed(tree + connect(60, 2.0)) == []


@pytest.mark.parametrize(
    ("exe", "path"),
    [
        ("/usr/bin/sudo", "/etc/shadow"),
        ("/usr/sbin/sshd", "/etc/ssh/ssh_host_ed25519_key"),
        ("/usr/bin/ssh", "/home/bob/.ssh/id_rsa"),
        ("/usr/local/bin/kubectl", "/home/bob/.kube/config"),
    ],
)
def test_the_owner_of_a_secret_reads_it_for_its_work(exe: str, path: str) -> None:
    engine = engine_with(NAME)
    tree = start(50, 1, exe) + read(50, 1.0, path) + start(51, 50, "/usr/bin/apt", 1.5)
    assert engine.feed(tree + connect(51, 2.0) + connect(50, 2.0)) == []
    assert skipped(engine, NAME) == 1


def test_an_owner_of_one_secret_is_none_of_another() -> None:
    tree = start(50, 1, "/usr/bin/ssh") + read(50, 1.0, "/etc/shadow")
    assert len(engine_with(NAME).feed(tree + connect(50, 2.0))) == 1


@pytest.mark.parametrize("ip", ["127.0.0.1", "127.8.8.8", "::1", "0.0.0.0", "::"])
def test_loopback_counts_only_when_asked(ip: str) -> None:
    tree = start(50, 1, "/usr/bin/cat") + read(50, 1.0)
    assert engine_with(NAME).feed(tree + connect(50, 2.0, ip)) == []
    assert len(engine_with(NAME, include_loopback=1).feed(tree + connect(50, 2.0, ip))) == 1


@pytest.mark.parametrize(
    "opened",
    [
        read(50, 1.0, "/etc/passwd"),
        read(50, 1.0, "/srv/backup/shadow"),
        read(50, 1.0, flags=OpenFlag.WRITE),
        encode("file.open", 1.0, pid=50, open_flags=4),
    ],
)
def test_other_opens_are_no_secrets(opened: bytes) -> None:
    assert engine_with(NAME).feed(start(50, 1, "/usr/bin/cat") + opened + connect(50, 2.0)) == []


def test_order_and_window() -> None:
    begin = start(50, 1, "/usr/bin/cat")
    assert engine_with(NAME).feed(begin + connect(50, 1.0) + read(50, 2.0)) == []
    assert engine_with(NAME).feed(begin + read(50, 1.0) + connect(50, 62.0)) == []
    assert len(engine_with(NAME).feed(begin + read(50, 1.0) + connect(50, 60.0))) == 1


def test_a_connection_that_is_seen_before_the_earlier_read() -> None:
    """Opens come on the ring of lower priority: the connection of the same millisecond arrives first."""
    begin = start(50, 1, "/usr/bin/cat") + start(51, 50, "/usr/bin/curl")
    data = connect(51, 1.002)
    (hit,) = engine_with(NAME).feed(begin + data + connect(51, 5.0) + read(50, 1.001))
    assert hit.record == data


def test_one_hit_for_a_reader() -> None:
    engine = engine_with(NAME)
    begin = start(50, 1, "/usr/bin/cat") + read(50, 1.0) + start(51, 50, "/usr/bin/curl", 1.5)
    hits = engine.feed(begin + connect(50, 2.0) + connect(50, 3.0) + connect(51, 4.0) + read(50, 5.0))
    assert len(hits) == 1
    assert engine.stats()["suppressed"] == 2


def test_both_rings_of_one_batch() -> None:
    engine: Engine = engine_with(NAME)
    prio, bulk = MemoryRing(1 << 16), MemoryRing(1 << 16)
    rings = [Ring(prio.fd, 1 << 16), Ring(bulk.fd, 1 << 16)]
    exec_ = encode("process.exec", 0.0, pid=50, exe_path="/usr/bin/tar")
    for data in (exec_, connect(50, 1.5)):
        assert prio.write(data)
    assert bulk.write(read(50, 1.0))
    (hit,) = engine.drain(rings, 0)
    assert Record(hit.record).get("dst_port") == 443


def test_a_flood_of_readers_is_bounded_and_counted() -> None:
    engine = engine_with(NAME)
    for pid in range(2, 6000):
        engine.feed(read(pid, 1.0 + pid / 1e6))
    assert engine.stats()["natives"][NAME]["evicted"] > 3000
