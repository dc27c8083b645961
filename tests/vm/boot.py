# SPDX-License-Identifier: Apache-2.0
"""One boot of a kernel in QEMU: the console as it came, seconds per phase, and what the guest reports.

Software emulation needs no KVM; it shows what works, never how fast. The console is the first serial port; reports
come over the second, one JSON object a line, so that no message of the kernel can fall between their bytes.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TIMEOUT_S = 1800
BOOTS = 3
#: What the emulator does to a guest: CPUs that starve each other on a loaded host, and a breakpoint of the kernel's own
#: code patching that one CPU still runs into after another has removed it (seen at boot).
EMULATOR_FAULTS = ("soft lockup", "Oops: int3")
#: A guest CPU that is stuck ends the guest with its stack on the console, rather than at the time limit.
#: Newest kernels take a socket's storage by kmalloc_nolock(), which without cmpxchg16b (see below) gives nothing but
#: from caches with checks on: hence slab_debug.
APPEND = (
    "console=ttyS0 quiet panic=-1 loglevel=3 softlockup_panic=1 softlockup_all_cpu_backtrace=1"
    " lsm=landlock,lockdown,yama,integrity,apparmor,bpf slab_debug=F,kmalloc-*"
)
REPORT_PORT = "/dev/ttyS1"
_PHASE = re.compile(r"GUEST-(?:BEGIN|PHASE (\w+)|END (\d+))")


@dataclass
class Boot:
    """`status` is the guest command's, None when it never ended; `phases` maps a name to seconds."""

    status: int | None = None
    console: str = ""
    phases: dict[str, float] = field(default_factory=dict)
    reports: dict[str, Any] = field(default_factory=dict)

    def body(self) -> str:
        """What the guest command printed."""
        text = self.console.partition("GUEST-BEGIN")[2].partition("GUEST-END")[0]
        return "\n".join(line for line in text.replace("\r", "").splitlines() if "GUEST-PHASE" not in line)


def command(image: Path, initramfs: Path, reports: Path) -> list[str]:
    # cx16=off: this emulator's cmpxchg16b makes 6.12 and later oops at boot.
    return [
        "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max,cx16=off", "-smp", "2", "-m", "3G",
        "-display", "none", "-monitor", "none", "-serial", "stdio", "-serial", f"file:{reports}",
        "-no-reboot", "-nic", "none", "-kernel", str(image), "-initrd", str(initramfs), "-append", APPEND,
    ]  # fmt: skip


def boot(image: Path, initramfs: Path, timeout_s: float = TIMEOUT_S) -> Boot:
    """Boot, run, power off."""
    reports = initramfs.with_suffix(".reports")
    reports.unlink(missing_ok=True)
    done = Boot()
    emulator = subprocess.Popen(
        command(image, initramfs, reports),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        _follow(emulator, done, timeout_s)
    finally:
        emulator.kill()
        emulator.wait()
    if reports.exists():
        done.reports = _reports(reports.read_bytes())
        reports.unlink()
    return done


def _follow(emulator: subprocess.Popen[bytes], done: Boot, timeout_s: float) -> None:
    """Collect the console until the emulator ends or the time is over; stamp the phase marks as they come."""
    assert emulator.stdout is not None
    descriptor = emulator.stdout.fileno()
    began = last = time.monotonic()
    phase, waiting = "boot", b""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while (left := began + timeout_s - time.monotonic()) > 0:
            if not selector.select(left):
                break
            chunk = os.read(descriptor, 65536)
            if not chunk:
                done.phases[phase] = time.monotonic() - last
                return
            done.console += chunk.decode(errors="replace")
            *lines, waiting = (waiting + chunk).split(b"\n")
            for line in lines:
                if match := _PHASE.search(line.decode(errors="replace")):
                    now = time.monotonic()
                    done.phases[phase] = done.phases.get(phase, 0.0) + now - last
                    last, phase = now, match[1] or ("off" if match[2] else "begin")
                    done.status = int(match[2]) if match[2] else done.status
    done.console += f"\nno end within {timeout_s:.0f} s"


def _reports(raw: bytes) -> dict[str, Any]:
    """Lines {"report": name, "content": ...}; one that is cut is left out, and so its reader sees it missing."""
    found = {}
    for line in raw.splitlines():
        try:
            report = json.loads(line)
        except ValueError:
            continue
        found[report["report"]] = report["content"]
    return found


def boot_patiently(release: str, image: Path, initramfs: Path, kept: Path) -> Boot:
    """Boot again when the emulator spoilt it, at most twice, and say so each time.

    The console of every such boot is kept below `kept`, so that a fault of our making, which would come back, can be
    told from the emulator's.
    """
    for attempt in range(1, BOOTS + 1):
        done = boot(image, initramfs)
        fault = next((fault for fault in EMULATOR_FAULTS if fault in done.console), None)
        if done.status is not None or fault is None or attempt == BOOTS:
            break
        log = kept / f"{release}.spoilt-{attempt}.log"
        log.write_text(done.console)
        print(f"vm: {release}: {fault}, console in {log}; boot {attempt + 1} of {BOOTS}", flush=True)
    return done
