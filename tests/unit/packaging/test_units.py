# SPDX-License-Identifier: Apache-2.0
"""The services: from one source, with commands that exist, and no right that the other daemons' work would take."""

from __future__ import annotations

import shlex
from importlib import import_module
from pathlib import Path

import pytest
import typer

from innerwarden import paths
from innerwarden.config import Config
from innerwarden.ctl import plain
from innerwarden.ctl.main import build
from innerwarden.responder import server
from tests.unit.packaging.tools import DEBIAN, tool

UNITS = sorted((DEBIAN / "units").glob("*.service.in"))
DAEMONS = ["innerwarden-agent", "innerwarden-responder", "innerwarden-sensor"]


def rendered(name: str, architecture: str = "amd64") -> str:
    text: str = tool("units").render(DEBIAN / "units" / f"{name}.service.in", architecture)
    return text


def values(text: str, key: str) -> list[str]:
    return [line.partition("=")[2] for line in text.splitlines() if line.startswith(f"{key}=")]


def test_each_daemon_has_a_unit(tmp_path: Path) -> None:
    tool("units").main(DEBIAN / "units", "amd64", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"innerwarden.{one}.service" for one in DAEMONS
    ]


@pytest.mark.parametrize("name", DAEMONS)
def test_what_all_share_stands_in_one_file(name: str) -> None:
    lines = rendered(name).splitlines()
    for shared in ("environment", "hardening"):
        wanted = (DEBIAN / "units" / shared).read_text().splitlines()
        assert [line for line in wanted if line not in lines] == []
    assert not [line for line in lines if line.startswith("@") or "=@" in line.replace("=@system", "")]
    assert [line for line in lines if line.startswith("[")] == ["[Unit]", "[Service]", "[Install]"]


@pytest.mark.parametrize("name", DAEMONS)
def test_the_command_of_a_unit_exists(name: str) -> None:
    program, command, *options = shlex.split(values(rendered(name), "ExecStart")[0])
    assert program == "/usr/lib/innerwarden/bin/innerwarden"
    known = typer.main.get_command(build()).commands[command]  # type: ignore[attr-defined]
    names = {each for one in known.params for each in (*one.opts, *one.secondary_opts)}
    assert [one for one in options if one not in names] == []


@pytest.mark.parametrize("name", DAEMONS)
def test_a_daemon_is_started_plainly_and_sets_its_allocator(name: str) -> None:
    text = rendered(name)
    _program, command, *options = shlex.split(values(text, "ExecStart")[0])
    function = getattr(import_module(f"innerwarden.ctl.commands.{command}"), command)
    assert plain.arguments_of(function, options) is not None, "the command tree would stay in its memory"
    assert not [line for line in values(text, "Environment") if line.startswith(plain.SET_OUTSIDE)]


def test_the_agent_has_no_privilege() -> None:
    text = rendered("innerwarden-agent")
    assert values(text, "User") == [server.AGENT]
    assert values(text, "CapabilityBoundingSet") == [""]
    assert values(text, "NoNewPrivileges") == ["yes"]
    assert values(text, "ReadWritePaths") == [str(paths.SYSTEM_DATA_DIR / "agent")]


def test_the_sensor_reaches_loopback_at_most() -> None:
    text = rendered("innerwarden-sensor")
    assert values(text, "IPAddressDeny") == ["any"]
    assert values(text, "IPAddressAllow") == ["localhost"]


@pytest.mark.parametrize("name", DAEMONS)
def test_no_daemon_of_arm_asks_for_the_calls_of_x86(name: str) -> None:
    assert values(rendered(name, "arm64"), "SystemCallArchitectures") == ["native"]


def test_user_and_directories_are_those_of_the_code() -> None:
    user = (DEBIAN / "innerwarden.sysusers").read_text().split()
    assert user[:2] == ["u", server.AGENT]
    rows = [
        line.split() for line in (DEBIAN / "innerwarden.tmpfiles").read_text().splitlines() if line[0] != "#"
    ]
    made = {path: (mode, owner, group) for _kind, path, mode, owner, group, _age in rows}
    data = paths.SYSTEM_DATA_DIR
    socket = Path(Config().responder.socket)
    assert made == {
        str(data): ("2750", "root", server.AGENT),
        str(data / "agent"): ("0750", server.AGENT, server.AGENT),
        str(paths.responder(data)): ("0700", "root", "root"),
        str(socket.parent): ("0750", "root", server.AGENT),
    }
