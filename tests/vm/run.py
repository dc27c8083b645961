# SPDX-License-Identifier: Apache-2.0
"""Run the kernel tests on Debian's kernels in QEMU: `python -m tests.vm.run [5.10 6.1 6.12 newest]`.

Software emulation needs no KVM; it shows what works, never how fast. The guest command is pytest on
tests/kernel, so a hook that this machine refuses (kprobes, modules, LSM) is tried on a kernel that has it.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

from tests.vm import image, kernels

DEFAULT = ("6.1",)
TIMEOUT_S = 600
BOOTS = 3
LOCKUP = "soft lockup"
#: A guest CPU that is stuck ends the guest with its stack on the console, rather than at the time limit.
APPEND = (
    "console=ttyS0 quiet panic=-1 loglevel=3 softlockup_panic=1 softlockup_all_cpu_backtrace=1"
    " lsm=landlock,lockdown,yama,integrity,apparmor,bpf"
)
GUEST = (
    "python3 -m pytest -p no:cacheprovider --color=no -q -m kernel tests/kernel"
    " --ignore=tests/kernel/test_main_job.py 2>&1"
)


def boot(kernel: kernels.Kernel, initramfs: Path) -> tuple[int | None, str]:
    """Boot, run, power off; returns the guest command's status (None when it never ended) and the console."""
    # cx16=off: this emulator's cmpxchg16b makes 6.12 and later oops at boot.
    command = [
        "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max,cx16=off", "-smp", "2", "-m", "3G",
        "-nographic", "-no-reboot", "-nic", "none", "-kernel", str(kernel.image), "-initrd", str(initramfs),
        "-append", APPEND,
    ]  # fmt: skip
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=TIMEOUT_S, stdin=subprocess.DEVNULL, check=False
        )
        console = done.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired as expired:
        console = (expired.stdout or b"").decode(errors="replace") + f"\nno end within {TIMEOUT_S} s"
    match = re.search(r"GUEST-END (\d+)", console)
    return (int(match[1]) if match else None), console


def _until_no_lockup(kernel: kernels.Kernel, initramfs: Path) -> tuple[int | None, str]:
    """Boot again when the guest's CPUs locked up, at most twice, and say so each time.

    On a loaded host the emulated CPUs can starve each other. The console of every such boot is kept, so that a
    lock-up of our making, which would come back, can be told from the emulator's.
    """
    for attempt in range(1, BOOTS + 1):
        status, console = boot(kernel, initramfs)
        if status is not None or LOCKUP not in console or attempt == BOOTS:
            break
        kept = kernels.CACHE / f"{kernel.release}.lockup-{attempt}.log"
        kept.write_text(console)
        print(
            f"vm: {kernel.release}: the guest's CPUs locked up, console in {kept}; boot {attempt + 1} of {BOOTS}"
        )
    return status, console


def main(names: list[str]) -> int:
    """Exit 0 when every kernel's tests passed."""
    failed = []
    for name in names or DEFAULT:
        kernel = kernels.fetch(name)
        print(f"vm: {kernel.release} ...", flush=True)
        began = time.monotonic()
        initramfs = kernels.CACHE / f"{kernel.release}.cpio.gz"
        image.build(initramfs, GUEST, kernel.modules())
        status, console = _until_no_lockup(kernel, initramfs)
        initramfs.unlink()
        log = kernels.CACHE / f"{kernel.release}.log"
        log.write_text(console)
        body = console.partition("GUEST-BEGIN")[2].partition("GUEST-END")[0]
        print(body.replace("\r", ""))
        print(f"vm: {kernel.release}: status {status}, {time.monotonic() - began:.0f} s, console in {log}")
        if status != 0:
            failed.append(kernel.release)
    print(f"vm: {'failed on ' + ', '.join(failed) if failed else 'all kernels passed'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
