# SPDX-License-Identifier: Apache-2.0
"""Event streams and `inspect` of Docker and Podman -> records."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from innerwarden_core import Record

from innerwarden.logs import containers
from innerwarden.logs.container_settings import settings_of
from innerwarden.logs.containers import ContainerReader, rfc3339_ns
from innerwarden.model._wire import ContainerFlag as F

ID = "4f3c" * 16


def docker(action: str, *, nano: int = 1793613600_000000005, **attributes: str) -> dict[str, Any]:
    names = {"image": "nginx:1.25", "name": "web", **attributes}
    actor = {"ID": ID, "Attributes": names}
    return {"Type": "container", "Action": action, "Actor": actor, "time": nano // 10**9, "timeNano": nano}


def read(*trees: object, reader: ContainerReader | None = None) -> list[dict[str, Any]]:
    reader = reader or ContainerReader("docker", 21)
    text = b"".join(msgspec.json.encode(tree) + b"\n" for tree in trees)
    return [Record(record).to_dict() for record in reader.read(text)]


def test_an_event_of_docker() -> None:
    (event,) = read(docker("die", exitCode="137"))
    assert event["ts_ns"] == 1793613600_000000005
    assert (event["action"], event["exit_code"], event["container_ref"]) == ("die", 137, ID)
    assert (event["container_name"], event["container_image"], event["program"]) == (
        "web",
        "nginx:1.25",
        "docker",
    )


def test_an_event_of_podman_in_dockers_words() -> None:
    (event,) = read(
        {
            "ID": ID, "Name": "web", "Image": "docker.io/library/nginx", "Status": "died", "Type": "container",
            "Time": "2026-11-02T10:00:00.169137999Z", "ContainerExitCode": 3, "Attributes": {},
        }
    )  # fmt: skip
    assert (event["action"], event["exit_code"], event["container_image"]) == (
        "die",
        3,
        "docker.io/library/nginx",
    )
    assert event["ts_ns"] == 1793613600_169137999


def test_a_command_in_a_container_is_told_without_its_words() -> None:
    (event,) = read(docker("exec_create: /bin/sh -c secret"))
    assert event["action"] == "exec_create"


def test_a_signal_is_named() -> None:
    (event,) = read(docker("kill", signal="9"))
    assert event["reason"] == "signal 9"


@pytest.mark.parametrize(
    "tree",
    [
        {"Type": "image", "Action": "pull", "Actor": {"ID": ID}, "timeNano": 5},
        {"Type": "network", "Action": "connect", "Actor": {"ID": ID}, "timeNano": 5},
        docker("start", nano=0), docker("start", nano=-1), docker(""),
        {**docker("start"), "Actor": {"ID": "../../etc"}},
        {**docker("start"), "Actor": None},
        {"Status": "start", "ID": ID, "Time": "yesterday"},
        {"Status": "start", "ID": ID, "Time": "0001-01-01T00:00:00Z"},
        {"HostConfig": {}}, {"HostConfig": None}, {}, [], 3, "text", None,
    ],
)  # fmt: skip
def test_what_is_no_event_of_a_container_makes_no_record(tree: object) -> None:
    assert read(tree) == []


def test_text_that_is_no_json_is_counted() -> None:
    reader = ContainerReader()
    assert reader.read(b'{"ID":\n"ID":"4f3c"}\n\xff\xfe\n' + b"[" * 5000 + b"\n\n") == []
    assert (reader.stats.lines, reader.stats.malformed) == (4, 4)


def test_an_event_that_is_told_again_counts_once() -> None:
    reader = ContainerReader()
    events = [docker("die", nano=1793613600_000000000 + n, exitCode="1") for n in range(3)]
    assert len(read(*events, *events, reader=reader)) == 3
    assert reader.last_ns == 1793613600_000000002


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "MAX_SEEN", 4)
    reader = ContainerReader()
    read(*(docker("start", nano=1793613600_000000000 + n) for n in range(50)), reader=reader)
    assert len(reader._seen) == 4


@pytest.mark.parametrize(
    ("host", "flags"),
    [
        ({}, F(0)),
        ({"Privileged": True}, F.PRIVILEGED),
        ({"Privileged": "true"}, F(0)),
        ({"NetworkMode": "host", "PidMode": "host"}, F.HOST_NETWORK | F.HOST_PID),
        ({"IpcMode": "host", "UTSMode": "host", "UsernsMode": "host"}, F.HOST_IPC | F.HOST_UTS | F.HOST_USER),
        ({"CapAdd": ["cap_sys_module"]}, F.DANGEROUS_CAPABILITY),
        ({"CapAdd": ["CHOWN"], "CapDrop": ["ALL"]}, F(0)),
        ({"Binds": ["/run/containerd/containerd.sock:/x"]}, F.RUNTIME_SOCKET),
        ({"Binds": ["/var/run/:/x"]}, F.SENSITIVE_MOUNT),
        ({"Binds": ["data:/etc"]}, F(0)),
        ({"Binds": ["/srv/etc:/etc"]}, F(0)),
        ({"SecurityOpt": ["seccomp:unconfined"]}, F.UNCONFINED),
        ({"SecurityOpt": ["label=disable"]}, F(0)),
        ({"Devices": [{"PathOnHost": "/dev/mem"}]}, F.HOST_DEVICE),
        ({"Devices": [{"PathOnHost": "/dev/null"}, 3, {}]}, F(0)),
        ({"CapAdd": 3, "Binds": "x", "SecurityOpt": {}, "Devices": None}, F(0)),
    ],
)
def test_what_leads_out_of_a_container(host: dict[str, Any], flags: F) -> None:
    found = settings_of({"Id": ID, "Name": "/web", "HostConfig": host})
    assert found is not None and F(found.container_flags) == flags
    assert found.container_name == "web"


def test_inspect_is_an_array_or_one_object() -> None:
    tree = {"Id": ID, "Name": "/web", "Created": "2026-11-02T10:00:00Z", "HostConfig": {"Privileged": True}}
    for shape in (tree, [tree]):
        (record,) = read(shape)
        assert record["container_flags"] == 1 and record["ts_ns"] == 1793613600_000000000
        assert record["reason"] == "it is privileged" and record["user"] == "root"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-02T10:00:00Z", 1793613600_000000000),
        ("2026-11-02T12:00:00.5+02:00", 1793613600_500000000),
        ("2026-11-02T10:00:00", None),
        ("", None),
        (7, None),
    ],
)
def test_times(text: object, expected: int | None) -> None:
    assert rfc3339_ns(text) == expected
