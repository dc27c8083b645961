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
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from innerwarden import paths
from innerwarden.canary.triggers import TRIGGERS
from innerwarden.config import EnforcementConfig, KernelConfig, ResponderConfig
from innerwarden.errors import BpfError
from innerwarden.model._wire import HookId
from innerwarden.sensor.enforcement import self_test
from innerwarden.sensor.kernel_hooks import HOOKS, LSM, Hook
from innerwarden.sensor.loader import KernelSource, cgroup2_root

WITHIN_S = 3.0
XDP = "xdp"
#: An address that nobody has, on the interface that nobody reaches from outside.
STRANGER = "127.213.7.7"

#: Every rule of enforcement, so that its programs are loaded: observing, with nothing on its lists.
EVERY_RULE = ResponderConfig(
    enforcement=EnforcementConfig(
        exec_deny=("/no-such-file",),
        protected_files=("/no-such-file",),
        bpf_mode="observe",
        self_mode="observe",
    )
)
#: In the place of the techniques that go blind: what these hooks see, others see too.
REFUSES = ("none: it refuses, it does not look",)

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


#: Actions that are not harmless enough for `innerwarden doctor`.
MORE_ACTIONS: dict[str, Action] = {"module_load": reload_module}


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


def try_hook(source: KernelSource, hook: Hook, directory: Path) -> tuple[int | None, str]:
    """(records that came, why it was not tried) after the hook's actions."""
    if hook.attach == LSM:
        return try_enforcement(source, hook)
    todo = actions(hook.name)
    if not todo:
        return None, "no action is known that makes it fire"
    before = fired(source, hook.id)
    problems = []
    for number, action in enumerate(todo):
        place = directory / f"{hook.name}-{number}"
        place.mkdir(mode=0o777)
        if problem := in_child(action, place):
            problems.append(problem)
    deadline = time.monotonic() + WITHIN_S
    while (count := fired(source, hook.id) - before) == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    if count == 0 and len(problems) == len(todo):
        return None, "; ".join(problems)
    return count, ""


def try_enforcement(source: KernelSource, hook: Hook) -> tuple[int | None, str]:
    """The same by the positive controls of enforcement, which list what they try."""
    if source.enforcement is None:
        return None, "enforcement is not there"
    before = fired(source, hook.id)
    controls = [c for c in self_test(source.enforcement, cgroup2_root()) if c.hook == hook.name]
    problems = [c.reason for c in controls if c.reason]
    return (None, "; ".join(problems)) if problems else (fired(source, hook.id) - before, "")


def rows(source: KernelSource) -> Iterator[Row]:
    """A row for each hook of the table, in its order, then XDP, which is attached on demand only."""
    health = {hook.name: hook for hook in source.hooks}
    loaded = source.verified_instructions()
    attached = {name for name, hook in health.items() if hook.state == "attached"}
    directory = Path(tempfile.mkdtemp(prefix="iw-hooks-"))
    directory.chmod(0o755)
    try:
        for hook in HOOKS:
            found = health.get(hook.name)
            state = found.state if found else "standby"
            count, untried = try_hook(source, hook, directory) if state == "attached" else (None, "")
            covering = [h.name for h in HOOKS if hook.name in h.instead_of and h.name in attached]
            yield Row(
                hook=hook.name,
                attach=hook.attach,
                program=hook.program,
                state=state,
                loaded=hook.program in loaded,
                reason=found.reason if found else "",
                covered_by=tuple(covering if found else [n for n in hook.instead_of if n in attached]),
                fired=count,
                untried=untried,
                lost_techniques=REFUSES
                if hook.attach == LSM
                else tuple(found.lost_techniques)
                if found
                else (),
            )
    finally:
        shutil.rmtree(directory)
    yield xdp_row(source, loaded)


def xdp_row(source: KernelSource, loaded: dict[str, int]) -> Row:
    """On the loopback interface for a moment, with one datagram from a blocked address that nobody has."""
    count, reason, state = None, "", "failed"
    if source.xdp is not None:
        loopback = socket.if_nametoindex("lo")
        before = fired(source, HookId.XDP)
        try:
            source.xdp.attach(loopback)
            state = "attached"
            source.xdp.block(STRANGER)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.bind((STRANGER, 0))
                sender.sendto(b"", ("127.0.0.1", 9))
            count = fired(source, HookId.XDP) - before
            source.xdp.unblock(STRANGER)
            source.xdp.detach(loopback)
        except BpfError as error:
            reason = error.problem
    return Row(
        hook=XDP,
        attach=XDP,
        program="iw_xdp",
        state=state,
        loaded="iw_xdp" in loaded,
        reason=reason,
        fired=count,
        lost_techniques=() if state == "attached" else ("none: it blocks, it does not look",),
    )


def counts() -> tuple[str, dict[str, int]]:
    """This kernel's release, and for each loaded program what the verifier processed; empty before 5.16."""
    source = KernelSource(KernelConfig(), responder=EVERY_RULE)
    source.start()
    try:
        return platform.release(), {n: count for n, count in source.verified_instructions().items() if count}
    finally:
        source.close()


def observe() -> Column:
    """Start the kernel source, try everything, stop it. Raises what KernelSource.start raises."""
    began = time.monotonic()
    source = KernelSource(KernelConfig(), responder=EVERY_RULE)
    source.start()
    try:
        found = tuple(rows(source))
        verified = {name: count for name, count in source.verified_instructions().items() if count}
    finally:
        source.close()
    return Column(
        release=platform.release(),
        object_sha256=hashlib.sha256(paths.bpf_object().read_bytes()).hexdigest(),
        seconds=round(time.monotonic() - began, 1),
        rows=found,
        verified=verified,
    )
