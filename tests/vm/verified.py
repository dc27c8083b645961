# SPDX-License-Identifier: Apache-2.0
"""What the verifier processes for each program, against bpf/verified.json: {kernel family: {program: instructions}}.

The kernel gives up at one million, and a load's time grows with the count. A program may rise by a fifth unnoticed.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Collection, Mapping

from tests.vm.image import REPOSITORY

PATH = REPOSITORY / "bpf" / "verified.json"
RISE = 1.2

Counts = Mapping[str, int]


def family(release: str) -> str:
    """`6.1` of 6.1.0-50-cloud-amd64: stable updates of one series change little in the verifier."""
    match = re.match(r"\d+\.\d+", release)
    if match is None:
        raise ValueError(f"not a kernel release: {release!r}")
    return match[0]


def recorded() -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = json.loads(PATH.read_text()) if PATH.exists() else {}
    return found


def record(release: str, counts: Counts) -> None:
    """Replace what is recorded for this kernel's family."""
    known = recorded() | {family(release): dict(sorted(counts.items()))}
    ordered = {
        name: known[name] for name in sorted(known, key=lambda text: [int(n) for n in text.split(".")])
    }
    PATH.write_text(json.dumps(ordered, indent=1) + "\n")


def problems(known: Counts, found: Counts, programs: Collection[str]) -> list[str]:
    """`known` are the recorded counts, `found` what this kernel says, `programs` all that the object holds."""
    wrong = []
    for name, count in sorted(found.items()):
        if name not in known:
            wrong.append(f"{name} has no record (now {count:,})")
        elif count > known[name] * RISE:
            rise = count / known[name] * 100 - 100
            wrong.append(f"{name} rose by {rise:.0f} %, from {known[name]:,} to {count:,} instructions")
    wrong += [f"{name} is recorded and no longer exists" for name in sorted(known) if name not in programs]
    return [f"{line}; when it is meant so: make bpf-record" for line in wrong]


def summary(counts: Counts) -> str:
    """Total and largest."""
    name, largest = max(counts.items(), key=lambda item: item[1])
    return f"{sum(counts.values()):,} instructions in {len(counts)} programs, largest {name} with {largest:,}"


def main() -> int:
    """Record this machine's kernel."""
    from tests.vm.observe import observe

    column = observe()
    release, found = column.release, column.verified
    if not found:
        print(f"verified: kernel {release} does not tell the count (since 5.16); nothing recorded")
        return 1
    record(release, found)
    print(f"verified: {release}: {summary(found)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
