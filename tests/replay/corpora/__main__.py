# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.replay.corpora --corpora DIR`: judge the corpora, print the table, fail below a gate."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from innerwarden.errors import InnerWardenError
from tests.replay.corpora.report import as_json, failed_gates, judge, print_table


def main() -> int:
    args = _arguments()
    if args.corpora is None:
        print("corpora: none given (CORPORA=<directory>); skipped")
        return 0
    try:
        verdicts = judge(args.corpora, args.only)
    except InnerWardenError as error:
        print(error, file=sys.stderr)
        return 3
    missed = failed_gates(verdicts)
    if args.json:
        print(as_json(verdicts, missed))
    else:
        print_table(verdicts, args.show)
        for line in missed:
            print(f"FAILED {line}")
    return 1 if missed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.replay.corpora", description=__doc__)
    given = os.environ.get("CORPORA") or None
    parser.add_argument(
        "--corpora", type=Path, default=Path(given) if given else None, help="their directory"
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="CORPUS[:GROUP]", help="this one (repeat)"
    )
    parser.add_argument("--show", type=int, default=0, metavar="N", help="disagreements to print, per group")
    parser.add_argument("--json", action="store_true", help="every verdict and the gates")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
