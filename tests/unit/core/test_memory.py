# SPDX-License-Identifier: Apache-2.0
"""What the engine holds: its tables say so themselves, and an index weighs by its literals."""

from __future__ import annotations

import subprocess
import sys

import pytest
from innerwarden_core import FIELDS, OPERATORS, Correlation, Engine, Predicate, Rule
from innerwarden_core.memory import limit, trim

from innerwarden.model._wire import Kind
from tests.factory import encode

NS = 1_000_000_000
ALWAYS = [Predicate(FIELDS["kind_name"], OPERATORS["exists"], [])]
GO = [(0, -1, -2)]

FIFTY_FIELDS = """
import re
from pathlib import Path
from innerwarden_core import FIELDS, OPERATORS, Engine, Predicate, Rule
from innerwarden.model._wire import Kind

def anonymous_kib():
    return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

texts = ["path", "exe_path", "command_line", "comm", "exe_name", "parent_exe_path", "parent_command_line", "file_name"]
rules = [
    Rule(f"{kind}.{field}", [kind], [Predicate(FIELDS[field], OPERATORS["contains"], [b"literal"])], [(0, -1, -2)])
    for kind in list(Kind)[:8]
    for field in texts
]
engine = Engine()
before = anonymous_kib()
engine.configure(rules, [], [])
print(anonymous_kib() - before)
"""


def test_an_index_of_few_literals_is_small() -> None:
    """A table for every hash that there could be took 256 KiB a field."""
    done = subprocess.run([sys.executable, "-c", FIFTY_FIELDS], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 4096


def test_tables_tell_what_they_hold() -> None:
    engine = Engine(window_keys=4096)
    rule = Rule("opened", [Kind.FILE_OPEN], ALWAYS, GO, emit=False)
    many = Correlation("many", "event_count", ["opened"], [(FIELDS["path"],)], 60 * NS, threshold=3)
    engine.configure([rule], [many], [])
    before = engine.stats()["table_bytes"]
    for number in range(1000):
        engine.feed(encode("file.open", path=f"/{number}"))
    after = engine.stats()["table_bytes"]
    grown = {name: after[name] - before[name] for name in after}
    # A slot is a 40-byte head and a time stamp for each of three events, in whole cache lines.
    assert grown.pop("windows") >= 1000 * 64
    assert not any(grown.values())


def test_bad_limits_are_refused() -> None:
    for arenas, threshold in ((0, 1 << 17), (1, 4095)):
        with pytest.raises(ValueError):
            limit(arenas, threshold)


def test_what_was_freed_goes_back() -> None:
    """glibc's own threshold grows with the largest block that was freed; a set one does not."""
    grown = (
        "import re, sys\nfrom pathlib import Path\nfrom innerwarden_core.memory import limit\n"
        "if sys.argv[1] == 'limited': assert limit(1, 131072)\n"
        "one = bytearray(24 << 20); del one\n"  # from now on blocks below 24 MiB come from the heap
        "blocks = [bytearray(1 << 20) for _ in range(20)]; pin = bytearray(600); del blocks\n"
        "print(re.search(r'RssAnon:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])\n"
    )
    kib = {
        how: int(
            subprocess.run(
                [sys.executable, "-c", grown, how], capture_output=True, text=True, check=True
            ).stdout
        )
        for how in ("limited", "as it comes")
    }
    assert kib["limited"] < kib["as it comes"] - 10_000
    assert trim() in (True, False)
