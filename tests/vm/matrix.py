# SPDX-License-Identifier: Apache-2.0
"""The table kernel x hook, kept in build/vm/matrix.json and shown as build/vm/matrix.md.

python -m tests.vm.matrix --host    try every hook on this machine's kernel and print the table
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec

from innerwarden import paths
from tests.vm.image import REPOSITORY
from tests.vm.observe import Column, Row, observe

DIRECTORY = REPOSITORY / "build" / "vm"
LEGEND = (
    "fired: loaded, attached, and a record came when its action was done. standby: another hook does its work.\n"
    "absent: this kernel lacks what it sits on. failed: the kernel refused it. What follows is the fallback in use,\n"
    "or the ATT&CK techniques that go blind."
)


def cell(row: Row) -> str:
    """One field of the table."""
    if row.state == "attached":
        if row.fired is None:
            return "attached, untried"
        return "fired" if row.fired else "attached, SILENT"
    if row.covered_by:
        return f"{row.state}, {' + '.join(row.covered_by)}"
    return f"{row.state}, blind: {', '.join(row.lost_techniques) or 'NOT DECLARED'}"


def remark(row: Row) -> str:
    """Why a row is not simply `fired`; empty when there is nothing to say."""
    return row.untried or row.reason


def problems(column: Column) -> list[str]:
    """What must not be: an attached hook that stays silent or was never tried, one that is not there without a
    fallback or a declared blind spot, and a program that this kernel refused although it can be covered by nothing."""
    found = []
    for row in column.rows:
        where = f"{row.hook} on {column.release}"
        if row.state == "attached" and row.fired is None:
            found.append(f"{where} is attached and was not tried: {row.untried}")
        elif row.state == "attached" and not row.fired:
            found.append(f"{where} is attached and did not fire")
        elif row.state == "standby" and not row.covered_by:
            found.append(f"{where} stands by for a hook that is not attached")
        elif row.state in ("absent", "failed") and not (row.covered_by or row.lost_techniques):
            found.append(f"{where} is {row.state} ({row.reason}), has no fallback and declares no blind spot")
    return found


def refused(column: Column) -> list[str]:
    """Hooks that a kernel has and refused: on a Debian kernel a mistake of ours."""
    return [
        f"{row.hook} on {column.release} is refused: {row.reason}"
        for row in column.rows
        if row.state == "failed"
    ]


def _aligned(lines: list[list[str]]) -> list[str]:
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    shown = [
        "| " + " | ".join(w.ljust(n) for w, n in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    return [shown[0], "|" + "|".join("-" * (n + 2) for n in widths) + "|", *shown[1:]]


def markdown(columns: Iterable[Column]) -> str:
    """The table, the reasons below it, and what the verifier processed."""
    shown = list(columns)
    hooks = list(dict.fromkeys(row.hook for column in shown for row in column.rows))
    rows = [{row.hook: row for row in column.rows} for column in shown]
    ways = {row.hook: row.attach for column in shown for row in column.rows}
    lines = [["hook", "kind", *(column.release for column in shown)]]
    for hook in hooks:
        lines.append(
            [hook, ways[hook], *(cell(r[hook]) if hook in r else "not in this object" for r in rows)]
        )
    remarks = [
        f"- {row.hook}, {column.release}: {remark(row)}"
        for column in shown
        for row in column.rows
        if remark(row)
    ]
    counts = [
        f"- {column.release}: {sum(column.verified.values()):,} instructions in {len(column.verified)} programs,"
        f" largest {name} {largest:,}"
        for column in shown
        if column.verified
        for name, largest in [max(column.verified.items(), key=lambda item: item[1])]
    ]
    parts = [*_aligned(lines), "", LEGEND]
    parts += ["", *remarks] if remarks else []
    parts += ["", "Processed by the verifier:", *counts] if counts else []
    return "\n".join(parts) + "\n"


def keep(new: Iterable[Column], directory: Path = DIRECTORY) -> list[Column]:
    """Write both files: the new columns, and the kept ones of other kernels that tried the same kernel object."""
    store = directory / "matrix.json"
    current = hashlib.sha256(paths.bpf_object().read_bytes()).hexdigest()
    columns: dict[str, Column] = {}
    if store.exists():
        try:
            kept = msgspec.json.decode(store.read_bytes(), type=list[Column])
        except msgspec.MsgspecError:
            kept = []
        columns = {column.release: column for column in kept if column.object_sha256 == current}
    columns |= {column.release: column for column in new}
    ordered = [columns[release] for release in sorted(columns, key=_age)]
    directory.mkdir(parents=True, exist_ok=True)
    store.write_bytes(msgspec.json.format(msgspec.json.encode(ordered)))
    (directory / "matrix.md").write_text(markdown(ordered))
    return ordered


def _age(release: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", release)[:3]]


def main(arguments: list[str]) -> int:
    """Exit 0 when nothing is wrong with this machine's column."""
    if arguments != ["--host"]:
        print(__doc__)
        return 2
    column = observe()
    print(markdown(keep([column])))
    found = problems(column)
    for problem in found:
        print(f"matrix: {problem}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
