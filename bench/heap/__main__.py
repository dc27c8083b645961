# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.heap`: what sensor and agent weigh under load, and whether that is flat; row 14 of the budgets.

Exit code 0; 1 when a gate is missed, 2 when it cannot be measured here.
"""

from __future__ import annotations

import argparse
import sys

from bench.heap import allocator, runs
from bench.measure import Unavailable

LEAK_BYTES = 100


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.heap", description=__doc__)
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        "--full", action="store_true", help="a million processes and addresses (what happens anyway)"
    )
    size.add_argument("--quick", action="store_true", help="a tenth of it: a minute or two")
    parser.add_argument("--only", choices=runs.ROLES, help="one of the two processes")
    parser.add_argument("--leak", action="store_true", help=f"leak {LEAK_BYTES} bytes an event: must fail")
    parser.add_argument(
        "--must-fail", action="store_true", help="exit code 0 when every process measured fails"
    )
    parser.add_argument("--trace", action="store_true", help="tell who allocated what; slow, weighs more")
    parser.add_argument("--allocator", action="store_true", help="compare settings of the allocator")
    arguments = parser.parse_args()
    roles = (arguments.only,) if arguments.only else runs.ROLES
    try:
        if arguments.allocator:
            return allocator.compare(roles)
        return runs.check(
            roles,
            runs.Size.of(quick=arguments.quick),
            leak=LEAK_BYTES if arguments.leak else 0,
            must_fail=arguments.must_fail,
            traced=arguments.trace,
        )
    except Unavailable as reason:
        print(f"not measured: {reason}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
