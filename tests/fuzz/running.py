# SPDX-License-Identifier: Apache-2.0
"""One target in a process of its own: its directory, its environment, what came of it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

from tests.fuzz.target import CRASHES, ROOT, Target

WORK = ROOT / "build/fuzz"
SANITIZER = (
    "detect_leaks=0",
    "detect_container_overflow=0",  # libraries that were not built for it make some of these up
    "allocator_may_return_null=1",
    "quarantine_size_mb=32",
)
#: What an instrumented native build does to the time that an input takes, and Python's instrumentation.
SLOWER_NATIVE, SLOWER_PYTHON = 8, 4
_STATUS = re.compile(r"cov: (\d+) ft: (\d+) corp: (\d+)/")
_EXECUTED = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
_PROGRESS = re.compile(r"^#(\d+)\s", re.MULTILINE)
#: Beyond the time of fuzzing: imports, seeds, the last input.
GRACE_S = 240


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """`fault` is the input that showed one, `why` its last words; `problem`: the target itself did not run."""

    name: str
    seconds: float
    executions: int = 0
    coverage: tuple[int, int] = (0, 0)
    corpus: tuple[int, int] = (0, 0)
    fault: bytes | None = None
    why: str = ""
    problem: str = ""


def environment(target: Target, native_library: Path | None) -> dict[str, str]:
    """For a process that runs the target: with the sanitizer loaded first, where its extensions need it."""
    out = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    out["IW_FUZZ_SLOWER"] = str(SLOWER_NATIVE if native_library else SLOWER_PYTHON)
    if target.native and native_library is not None:
        import atheris

        out["PYTHONPATH"] = f"{native_library}{os.pathsep}{ROOT}"
        out["LD_PRELOAD"] = str(Path(atheris.path()) / "asan_with_fuzzer.so")
        # Python's own allocator would hide small overflows; it frees nothing at its end.
        out["PYTHONMALLOC"] = "malloc"
        out["ASAN_OPTIONS"] = ":".join(SANITIZER)
    return out


def run(target: Target, seconds: int, native_library: Path | None, more: Iterable[bytes] = ()) -> Result:
    """Fuzz for so long. `more` are seeds beside the target's own. Raises nothing for what the target does."""
    place = WORK / target.name
    _prepare(target, place, more)
    command = [sys.executable, "-m", "tests.fuzz.worker", target.name, str(place), str(seconds)]
    command.append(",".join(target.packages))
    began = time.monotonic()
    with (place / "log").open("wb") as log:
        try:
            subprocess.run(
                command, cwd=ROOT, env=environment(target, native_library), stdout=log, stderr=log,
                timeout=seconds + GRACE_S, check=False,
            )  # fmt: skip
            problem = ""
        except subprocess.TimeoutExpired:
            problem = f"it did not end {GRACE_S} s after its time"
    return _result(target, place, time.monotonic() - began, problem)


def _prepare(target: Target, place: Path, more: Iterable[bytes]) -> None:
    for left in place.glob("fault-*"):
        left.unlink()
    (place / "corpus").mkdir(parents=True, exist_ok=True)
    shutil.rmtree(place / "seeds", ignore_errors=True)
    (place / "seeds").mkdir()
    for data in (*target.seeds(), *more, *(path.read_bytes() for path in (CRASHES / target.name).glob("*"))):
        seed = data[: target.max_bytes]
        (place / "seeds" / hashlib.sha1(seed).hexdigest()).write_bytes(seed)
    words = ("".join(f"\\x{byte:02x}" for byte in word) for word in target.words)
    (place / "words").write_text("".join(f'"{word}"\n' for word in words))


def _result(target: Target, place: Path, seconds: float, problem: str) -> Result:
    log = (place / "log").read_bytes().decode("utf-8", "replace")
    status = [tuple(map(int, found)) for found in _STATUS.findall(log)]
    executed = _EXECUTED.search(log)
    counted = [int(number) for number in _PROGRESS.findall(log)]
    faults = sorted(place.glob("fault-*"))
    if not problem and not faults and executed is None:
        problem = f"it did not run: {_last_words(log)}; see {place / 'log'}"
    first, last = (status[0], status[-1]) if status else ((0, 0, 0), (0, 0, 0))
    return Result(
        name=target.name,
        seconds=seconds,
        executions=int(executed[1]) if executed else max(counted, default=0),
        coverage=(first[1], last[1]),
        corpus=(first[2], last[2]),
        fault=faults[0].read_bytes() if faults else None,
        why=_last_words(log) if faults else "",
        problem=problem,
    )


def _last_words(log: str) -> str:
    """What a person wants of a failed run: the exception, or the sanitizer's line."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    for number, line in enumerate(lines):
        if "Uncaught Python exception" in line:
            return lines[number + 1][:300] if number + 1 < len(lines) else line
    for line in lines:
        if line.startswith("SUMMARY:") or "ERROR: libFuzzer" in line or "ERROR: AddressSanitizer" in line:
            return line[:300]
    return lines[-1][:300] if lines else "it said nothing"
