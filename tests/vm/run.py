# SPDX-License-Identifier: Apache-2.0
"""Run the kernel tests on Debian's kernels in QEMU: `python -m tests.vm.run [5.10 6.1 6.12 newest]`.

In each guest every hook is tried first (a column of the matrix), then pytest runs tests/kernel, so a hook that this
machine refuses (kprobes, modules, LSM) is tried on a kernel that has it. `--record` writes what the verifier processed
on these kernels into bpf/verified.json instead of comparing it, and leaves the tests out. `--hooks` tries every hook,
the evasions that need a kernel of their own and the flood that shows losses, and leaves the rest of tests/kernel out:
software emulation takes a quarter of an hour for those on one kernel.
"""

from __future__ import annotations

import sys
import time

import msgspec

from tests.conftest import kernel_obstacle
from tests.evasion import build
from tests.vm import boot, image, kernels, matrix, verified
from tests.vm.observe import Column, observe

DEFAULT = ("6.1",)
RECORD, HOOKS_ONLY = "--record", "--hooks"
HOOKS = "echo GUEST-PHASE hooks; python3 -m tests.vm.guest 2>&1"
TESTS = (
    "echo GUEST-PHASE tests; python3 -m pytest -p no:cacheprovider --color=no -q --durations=5 -m kernel tests/kernel"
    " tests/evasion --ignore=tests/kernel/test_main_job.py --ignore=tests/kernel/test_matrix.py"
    " --ignore=tests/evasion/test_benign.py 2>&1"
)
EVASIONS = (
    "echo GUEST-PHASE evasions; python3 -m pytest -p no:cacheprovider --color=no -q -m kernel tests/evasion"
    " tests/kernel/test_loss.py --ignore=tests/evasion/test_benign.py 2>&1"
)
#: Both parts run, whatever the first one says.
BOTH = f"{HOOKS}; first=$?; {TESTS}; second=$?; (exit $((first | second)))"
SHORT = f"{HOOKS}; first=$?; {EVASIONS}; second=$?; (exit $((first | second)))"


def run(name: str, command: str) -> tuple[Column | None, list[str]]:
    """One kernel's column, and what is wrong there."""
    kernel = kernels.fetch(name)
    print(f"vm: {kernel.release} ...", flush=True)
    initramfs = kernels.CACHE / f"{kernel.release}.cpio"
    began = time.monotonic()
    image.build(initramfs, command, kernel.modules() | build.carried(kernels.CACHE / "evasion"))
    built_s = time.monotonic() - began
    done = boot.boot_patiently(kernel.release, kernel.image, initramfs, kernels.CACHE)
    initramfs.unlink()
    log = kernels.CACHE / f"{kernel.release}.log"
    log.write_text(done.console)
    print(done.body())
    seconds = {"image": built_s, **done.phases}
    spent = ", ".join(f"{phase} {took:.1f}" for phase, took in seconds.items() if took >= 0.1)
    print(
        f"vm: {kernel.release}: status {done.status}, {sum(seconds.values()):.0f} s ({spent}), console in {log}"
    )
    wrong = [] if done.status == 0 else [f"the guest on {kernel.release} ended with status {done.status}"]
    if "column" not in done.reports:
        return None, [*wrong, f"no report of the hooks came from {kernel.release}"]
    column = msgspec.convert(done.reports["column"], Column)
    return column, wrong + matrix.problems(column) + matrix.refused(column)


def main(arguments: list[str]) -> int:
    """Exit 0 when every kernel's hooks fired and its tests passed."""
    recording = RECORD in arguments
    command = HOOKS if recording else SHORT if HOOKS_ONLY in arguments else BOTH
    names = [name for name in arguments if name not in (RECORD, HOOKS_ONLY)] or DEFAULT
    wrong: list[str] = []
    columns: list[Column] = []
    if not recording and kernel_obstacle() is None:
        columns.append(observe())
        wrong += matrix.problems(columns[0])
    for name in names:
        column, problems = run(name, command)
        wrong += problems
        columns += [column] if column else []
        if recording and column and column.verified:
            verified.record(column.release, column.verified)
            print(f"verified: {column.release}: {verified.summary(column.verified)}")
    print(matrix.markdown(matrix.keep(columns)))
    for problem in wrong:
        print(f"vm: {problem}")
    print("vm: failed" if wrong else "vm: all kernels passed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
