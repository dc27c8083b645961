# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.benign [--json]`: live an ordinary day in front of a sensor and print what it was told about.

Exit code 0 when nothing high or critical was told and every part did its work, else 1.
"""

from __future__ import annotations

import argparse
import json
import sys

from tests.benign.day import Report, live


def show(report: Report) -> None:
    for name, reason in report.left_out.items():
        print(f"left out  {name}: {reason}")
    for name, text in report.failed.items():
        print(f"failed    {name}: {text}")
    for finding in sorted(report.findings, key=lambda one: str(one["severity"])):
        print(f"{finding['severity']:9} {finding['detector']}: {finding['fields']['summary'][:160]}")
    counted = ", ".join(f"{count} {severity}" for severity, count in sorted(report.counts().items()))
    print(f"{len(report.done)} parts done; findings: {counted or 'none'}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benign", description=__doc__)
    parser.add_argument("--json", action="store_true", help="for a program to read")
    options = parser.parse_args()
    report = live(lambda part: print(f"... {part}", file=sys.stderr, flush=True))
    if options.json:
        rows = [
            {"severity": f["severity"], "detector": f["detector"], **f["fields"]} for f in report.findings
        ]
        print(json.dumps({"done": report.done, "left_out": report.left_out, "findings": rows}))
    else:
        show(report)
    return 1 if report.grave() or report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
