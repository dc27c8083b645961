# SPDX-License-Identifier: Apache-2.0
"""Compiling in a child: sources from stdin, the compiled form to stdout, both MessagePack."""

from __future__ import annotations

import os
import resource
import sys

import msgspec

from innerwarden.rules.compiled import compile_here
from innerwarden.rules.program import RuleSource

#: Other people's rules are read here; a YAML document that grows beyond all measure ends this process and no other.
MEMORY_BYTES = 1 << 30


def main() -> None:
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    sources = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=list[RuleSource])
    sys.stdout.buffer.write(msgspec.msgpack.encode(compile_here(sources)))


if __name__ == "__main__":
    main()
