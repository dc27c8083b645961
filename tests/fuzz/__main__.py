# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.fuzz`: every target for a while, two at a time; 1 when one found a fault. See README.md."""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from fnmatch import fnmatch
from pathlib import Path

from tests.fuzz import api, minimise, native, running, targets
from tests.fuzz.running import Result
from tests.fuzz.target import CRASHES, Target
from tests.fuzz.targets.logs import corpus_seeds

API = "dashboard-api"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    found = targets.find()
    names = [name for name in (*found, API) if _wanted(name, options.targets)]
    if options.list:
        print("\n".join(names))
        return 0
    if not names:
        print(f"no target is called {' or '.join(options.targets)}; --list names them", file=sys.stderr)
        return 2
    library = native.build() if any(found[name].native for name in names if name in found) else None
    began = time.monotonic()
    print(f"{len(names)} targets, {options.seconds} s each, {options.jobs} at a time", flush=True)
    print(f"{'target':<24}{'executions':>11}{'a second':>10}{'features':>18}{'corpus':>14}  ", flush=True)
    results = []
    with ThreadPoolExecutor(options.jobs) as pool:
        # What starts slowly goes first, so that no single one is left at the end.
        names.sort(key=lambda name: (name not in (API, "detectors", "sigma"), name))
        for done in as_completed([pool.submit(_one, found.get(name), library, options) for name in names]):
            results.append(done.result())
            _say(results[-1])
    bad = [result for result in results if result.fault is not None or result.problem]
    total = sum(result.executions for result in results)
    print(f"{total} executions in {time.monotonic() - began:.0f} s; {len(bad)} targets with a fault")
    return 1 if bad else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make fuzz ARGS=", description=__doc__)
    parser.add_argument("targets", nargs="*", help="some of them, * allowed; all by default")
    parser.add_argument("--seconds", type=int, default=int(os.environ.get("FUZZ_SECONDS") or 60))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--list", action="store_true", help="name the targets")
    return parser.parse_args(arguments)


def _wanted(name: str, patterns: Sequence[str]) -> bool:
    return not patterns or any(fnmatch(name, pattern) for pattern in patterns)


def _one(target: Target | None, library: Path | None, options: argparse.Namespace) -> Result:
    if target is None:
        return api.run(options.seconds)
    corpora = os.environ.get("CORPORA")
    more = (
        corpus_seeds(Path(corpora), target.name.removeprefix("log-"))
        if corpora and "log-" in target.name
        else ()
    )
    result = running.run(target, options.seconds, library if target.native else None, more)
    if result.fault is None:
        return result
    small = minimise.smaller(target, result.fault, library if target.native else None)
    place = CRASHES / target.name / hashlib.sha1(small).hexdigest()[:16]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(small)
    return result


def _say(result: Result) -> None:
    rate = result.executions / max(result.seconds, 0.1)
    features, corpus = (f"{a} -> {b}" for a, b in (result.coverage, result.corpus))
    said = "" if result.fault is None else f"FAULT: {result.why}"
    said = f"PROBLEM: {result.problem}" if result.problem else said
    print(
        f"{result.name:<24}{result.executions:>11}{rate:>10.0f}{features:>18}{corpus:>14}  {said}", flush=True
    )


if __name__ == "__main__":
    raise SystemExit(main())
