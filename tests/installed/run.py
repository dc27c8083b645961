# SPDX-License-Identifier: Apache-2.0
"""Install the package on a fresh Debian with systemd and use it: `python -m tests.installed.run [PACKAGE.deb]`.

`--release trixie` is Debian 13; without it, it is 12. `--arch arm64` emulates that processor. Without a file it is the
newest package for them in dist/.
Every check is printed as it ends, with its seconds; one that could not be tried because of another is printed as not
tried, and counts as failed.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from tests.installed import image, packages
from tests.installed.checks import CHECKS, Run
from tests.installed.guest import CheckError, Guest
from tests.installed.machine import Machine, MachineError
from tests.vm import kernels
from tests.vm.image import REPOSITORY

DIST = REPOSITORY / "dist"
TRIES = 3
JOURNAL = "journalctl -b --no-pager -o short-monotonic -q; dmesg"


def wanted(arguments: list[str]) -> tuple[Path, image.Release]:
    """The package, and what it is installed on. Raises RuntimeError when there is none."""
    parser = argparse.ArgumentParser(prog="tests.installed.run")
    suites, architectures = (sorted(set(names)) for names in zip(*image.RELEASES, strict=True))
    parser.add_argument("--release", choices=suites, default=image.DEFAULT)
    parser.add_argument("--arch", choices=architectures, default=kernels.ARCHITECTURE)
    parser.add_argument("package", nargs="?", type=Path)
    said = parser.parse_args(arguments)
    release = image.RELEASES[said.release, said.arch]
    return said.package.resolve() if said.package else _newest(release), release


def _newest(release: image.Release) -> Path:
    pattern = f"innerwarden_*+{release.version}_{release.architecture}.deb"
    found = sorted(DIST.glob(pattern), key=lambda path: path.stat().st_mtime)
    if not found:
        how = f"make deb SUITE={release.suite} ARCH={release.architecture}"
        raise RuntimeError(f"there is no package for {release.suite} {release.architecture} in {DIST}: {how}")
    return found[-1]


class Log:
    """Prints, and keeps what was printed."""

    def __init__(self) -> None:
        self._file = (image.CACHE / "run.log").open("w", buffering=1)

    def __call__(self, text: str) -> None:
        print(f"installed: {text}", flush=True)
        self._file.write(f"{text}\n")


def check_all(machine: Machine, disk: packages.Disk, blind: tuple[str, ...], log: Log) -> int:
    """How many checks did not hold."""
    run = Run(Guest(machine), disk, blind)
    wrong = 0
    obstacle = ""
    for check in CHECKS:
        if obstacle:
            log(f"NOT TRIED {check.title}: because of {obstacle}")
            wrong += 1
            continue
        began, used_s = time.monotonic(), machine.cpu_s()
        try:
            said, verdict = check.do(run), "ok    "
        except CheckError as error:
            said, verdict = str(error), "FAILED"
            wrong += 1
            obstacle = check.title if check.needed else ""
        _tell(log, verdict, began, machine.cpu_s() - used_s, f"{check.title}: {said}")
    return wrong


def _tell(log: Log, verdict: str, began: float, used_s: float, text: str) -> None:
    log(f"{verdict} {time.monotonic() - began:6.1f} s {used_s:6.1f} cpu  {text}")


def once(disk: packages.Disk, debian: image.Image, log: Log) -> int:
    began = time.monotonic()
    with Machine(debian, disk.path) as machine:
        _tell(log, "ok    ", began, machine.cpu_s(), f"boot of {debian.kernel.release}")
        wrong = check_all(machine, disk, debian.release.blind, log)
        (image.CACHE / "journal.log").write_text(machine.run(JOURNAL).text)
        return wrong


def main(arguments: list[str]) -> int:
    """Exit 0 when every check held."""
    began = time.monotonic()
    image.CACHE.mkdir(parents=True, exist_ok=True)
    log = Log()
    tried, release = wanted(arguments)
    debian = image.ready(release)
    disk = packages.disk_of(tried, debian)
    _tell(log, "ok    ", began, 0, f"image, and {disk.package} with all that it needs")
    for attempt in range(1, TRIES + 1):
        try:
            wrong = once(disk, debian, log)
            break
        except MachineError as error:
            if error.spoilt is None or attempt == TRIES:
                raise
            log(f"the emulator spoilt it ({error.spoilt}): run {attempt + 1} of {TRIES}")
    log(f"{len(CHECKS) - wrong} of {len(CHECKS)} checks hold, {time.monotonic() - began:.0f} s")
    if wrong:
        log(f"what the guest's journal says is in {image.CACHE / 'journal.log'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
