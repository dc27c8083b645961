# SPDX-License-Identifier: Apache-2.0
"""What every kernel hook does on the running kernel: loaded, attached, and did it fire when its action was done.

The real KernelSource is started and each hook's harmless action is done once by a child process; whether a record
came is read from the kernel side's own counter of that hook. Other programs of a busy machine may raise the same
counter, so a column is proof where nothing else runs, as in a virtual machine, and a strong sign elsewhere.
"""

from __future__ import annotations

import hashlib
import os
import platform
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from innerwarden import paths
from innerwarden.canary.triggers import TRIGGERS
from innerwarden.config import KernelConfig, ResponderConfig
from innerwarden.errors import BpfError
from innerwarden.libbpf import libc
from innerwarden.model._wire import HookId
from innerwarden.sensor.kernel_hooks import HOOKS, LSM, RESPONDER_PROGRAMS, Hook
from innerwarden.sensor.loader import KernelSource
from innerwarden.xdp import XdpList
from tests.kernel import partial
from tests.vm import enforcing

WITHIN_S = 3.0
XDP = "xdp"
#: An address that nobody has (RFC 5737), and an Ethernet frame with an empty datagram from it.
STRANGER = "203.0.113.77"
FRAME = (
    b"\xff" * 6
    + bytes.fromhex("020000000001 0800 4500001c0000000040110000")
    + socket.inet_aton(STRANGER)
    + socket.inet_aton("203.0.113.78")
    + bytes.fromhex("1000 2000 0008 0000")
)
#: How an action tells that the call does not exist, although the kernel has its name.
NOT_BUILT_IN = "[Errno 38]"
NOBODY_CAN = "none: nobody can make the call"

Action = Callable[[Path], object]


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One hook. `state`: attached, standby (another hook does its work), absent or failed. `fired` counts the records
    that its action caused; None when no action was done, and then `untried` says why."""

    hook: str
    attach: str
    program: str
    state: str
    loaded: bool
    reason: str = ""
    covered_by: tuple[str, ...] = ()
    fired: int | None = None
    untried: str = ""
    lost_techniques: tuple[str, ...] = ()


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One kernel. `object_sha256` names the kernel object that was tried; `verified` maps a program to the
    instructions that the verifier processed, and is empty before 5.16."""

    release: str
    object_sha256: str
    seconds: float
    rows: tuple[Row, ...]
    verified: dict[str, int]


def reload_module(directory: Path) -> None:
    """Take the dummy module out and put it in again, where the virtual machine keeps it. Raises OSError."""
    module = next(iter(Path("/modules").glob("*-dummy.ko")), None)
    if module is None:
        raise OSError("only a machine of ours gets a module loaded")
    subprocess.run(["rmmod", "dummy"], check=False, capture_output=True)
    if subprocess.run(["insmod", str(module)], check=False, capture_output=True).returncode:
        raise OSError(f"{module} could not be loaded")


def pivot_off_the_initramfs(directory: Path) -> None:
    """The first file system of a boot cannot be pivoted from (pivot_root(2)); one that is mounted for it can."""
    libc.private_mount_namespace()
    libc.mount("root", str(directory), "tmpfs")
    os.chroot(directory)
    Path("/new").mkdir()
    libc.mount("new", "/new", "tmpfs")
    libc.syscall("pivot_root", b"/new", b"/new")


#: Actions that are not harmless enough for `innerwarden doctor`, or that only a virtual machine needs.
MORE_ACTIONS: dict[str, Action] = {"module_load": reload_module, "pivot_root": pivot_off_the_initramfs}


def actions(hook: str) -> list[Action]:
    """What makes the hook fire; any one of them suffices."""
    found: list[Action] = [trigger.action for trigger in TRIGGERS if hook in trigger.hooks]
    return [*found, MORE_ACTIONS[hook]] if hook in MORE_ACTIONS else found


def in_child(action: Action, directory: Path) -> str:
    """Do the action in a process that is not the sensor's own; returns why it failed, or an empty text."""
    report, end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            action(directory)
        except BaseException as error:
            os.write(end, f"{type(error).__name__}: {error}".encode()[:4096])
        finally:
            os._exit(0)
    os.close(end)
    with os.fdopen(report, "rb") as file:
        problem = file.read().decode(errors="replace")
    os.waitpid(pid, 0)
    return problem


def fired(source: KernelSource, hook: HookId) -> int:
    return source.stats()["fired"][hook.name.lower()]


def try_hook(
    source: KernelSource, hook: HookId, todo: list[Action], directory: Path
) -> tuple[int | None, str]:
    """(records that came, why it was not tried) after `todo`, each in a directory of its own below `directory`."""
    if not todo:
        return None, "no action is known that makes it fire"
    before = fired(source, hook)
    problems = []
    for number, action in enumerate(todo):
        place = directory / f"{hook.name}-{number}"
        place.mkdir(mode=0o777)
        if problem := in_child(action, place):
            problems.append(problem)
    deadline = time.monotonic() + WITHIN_S
    while (count := fired(source, hook) - before) == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    if count == 0 and len(problems) == len(todo):
        return None, "; ".join(dict.fromkeys(problems))
    return count, ""


def row(source: KernelSource, hook: Hook, todo: list[Action], directory: Path) -> Row:
    """One hook of the table."""
    attached = {one.name for one in source.hooks if one.state == "attached"}
    found = next((one for one in source.hooks if one.name == hook.name), None)
    state = found.state if found else "standby"
    reason = found.reason if found else ""
    lost = tuple(found.lost_techniques) if found else ()
    count: int | None = None
    untried = ""
    if state == "attached":
        count, untried = try_hook(source, hook.id, todo, directory)
        if NOT_BUILT_IN in untried:
            state, reason, untried, lost = "absent", "this kernel answers ENOSYS", "", (NOBODY_CAN,)
    standing_in = [h.name for h in HOOKS if hook.name in h.instead_of and h.name in attached]
    return Row(
        hook=hook.name,
        attach=hook.attach,
        program=hook.program,
        state=state,
        loaded=hook.program in source.verified_instructions(),
        reason=reason,
        covered_by=tuple(standing_in if found else [name for name in hook.instead_of if name in attached]),
        fired=count,
        untried=untried,
        lost_techniques=(enforcing.NOTHING_BLIND,) if hook.attach == LSM and state != "attached" else lost,
    )


def rows(source: KernelSource, lists: Path, directory: Path) -> Iterator[Row]:
    """A row for each hook of the table, in its order."""
    with enforcing.protected(source.enforcement) as victim:
        judged = enforcing.actions(victim)
        for hook in HOOKS:
            if hook.name in judged:
                action = judged[hook.name]
                yield row(source, hook, [lambda _place, action=action: action(lists)], directory)
            else:
                yield row(source, hook, actions(hook.name), directory)


def xdp_row() -> tuple[Row, dict[str, int]]:
    """As the responder has it: on the near one of a pair of interfaces for a moment, with one frame from a blocked
    address that nobody has. Also what the verifier processed."""
    count, reason, state = None, "", "failed"
    verified: dict[str, int] = {}
    try:
        loaded = partial.load(RESPONDER_PROGRAMS)
    except BpfError as error:
        reason = str(error)
    else:
        verified = {name: loaded.programs[name].verified_instructions() for name in RESPONDER_PROGRAMS}
        found = XdpList(loaded, ResponderConfig())
        try:
            with wire() as (near, far):
                found.attach(socket.if_nametoindex(near))
                state = "attached"
                found.block(STRANGER)
                with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
                    sender.bind((far, 0))
                    sender.send(FRAME)
                deadline = time.monotonic() + WITHIN_S
                while (count := found.packet_count(STRANGER)) == 0 and time.monotonic() < deadline:
                    time.sleep(0.01)
        except (BpfError, OSError, subprocess.CalledProcessError) as error:
            reason = str(error)
        finally:
            found.close()
            loaded.close()
    row = Row(
        hook=XDP,
        attach=XDP,
        program="iw_xdp",
        state=state,
        loaded="iw_xdp" in verified,
        reason=reason,
        fired=count,
        lost_techniques=() if state == "attached" else (enforcing.NOTHING_BLIND,),
    )
    return row, verified


@contextmanager
def wire() -> Iterator[tuple[str, str]]:
    """Names of two interfaces that are each other's other end. Raises OSError or CalledProcessError."""
    near, far = f"iwn{os.getpid()}", f"iwf{os.getpid()}"
    subprocess.run(
        ["ip", "link", "add", near, "type", "veth", "peer", "name", far], check=True, capture_output=True
    )
    try:
        for name in (near, far):
            subprocess.run(["ip", "link", "set", name, "up"], check=True, capture_output=True)
        yield near, far
    finally:
        subprocess.run(["ip", "link", "del", near], check=False, capture_output=True)


def observe() -> Column:
    """Start the kernel source, try everything, stop it. Raises what KernelSource.start raises."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="iw-hooks-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        lists = directory / "lists"
        lists.mkdir()
        source = KernelSource(KernelConfig(), responder=enforcing.prepare(lists))
        source.start()
        try:
            found = tuple(rows(source, lists, directory))
            counts = source.verified_instructions()
        finally:
            source.close()
    last, more = xdp_row()
    return Column(
        release=platform.release(),
        object_sha256=hashlib.sha256(paths.bpf_object().read_bytes()).hexdigest(),
        seconds=round(time.monotonic() - began, 1),
        rows=(*found, last),
        verified={name: count for name, count in {**counts, **more}.items() if count},
    )
