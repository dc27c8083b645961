# SPDX-License-Identifier: Apache-2.0
"""Row 9: what an event costs with a thousand Sigma rules instead of ten, beside the same rules in plain Python.

Rules have the shapes of published ones for Linux: program and part of the command line, all of several parts,
wildcards, regular expressions, exclusions, written files by directory or ending, connections by program and port. They
are about the programs of the stream, and their words are of the same syllables as its words, so that parts of them are
everywhere. About one event in a hundred matches; both sides must match equally often, or the row is broken.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence

import yaml
from innerwarden_core import Engine, Rule
from innerwarden_core.regex import Regex

from bench.measure import Bound, Result, interleaved, median, on_cpu, spread
from bench.rule_set import MANY, Tree, plain, rules, stream
from innerwarden.rules.compiler import compile_sources
from innerwarden.rules.program import RuleSource
from innerwarden.rules.regex_form import engine_pattern
from innerwarden.rules.regex_tree import Flags

FEW = 10


def native_rules(trees: Sequence[Tree]) -> list[Rule]:
    """The rules as a person would load them: text, compiler, the engine's own objects."""
    sources = []
    for number, tree in enumerate(trees):
        document = {
            "title": f"rule {number}",
            "logsource": {"product": "linux", "category": tree["category"]},
            "detection": tree["detection"],
            "level": "low",
            "innerwarden": {"cooldown_s": 0},
        }
        text = yaml.safe_dump(document, sort_keys=False)
        sources.append(RuleSource(name=f"{number}.yml", stem=f"r{number}", text=text))
    compiled = compile_sources(sources)
    if compiled.problems:
        raise AssertionError(compiled.problems[0])
    return [one.native() for one in compiled.rules]


def engine(trees: Sequence[Tree]) -> Engine:
    made = Engine(max_hits=65536)
    made.configure(native_rules(trees), [], [])
    return made


def patterns() -> dict[str, float]:
    """ns a pattern that is run on a command line: RE2 as the engine has it, and Python's own, which is not linear."""
    found = [tree["detection"]["s"].get("CommandLine|re") for tree in rules()]
    wanted = [pattern for pattern in found if pattern][:20]
    lines = [fields["command_line"].encode() for fields in stream()[1] if "command_line" in fields][:200]
    sides = {
        "re2": [Regex(engine_pattern(pattern, Flags())[0]).search for pattern in wanted],
        "python_re": [re.compile(pattern.encode()).search for pattern in wanted],
    }
    out = {}
    for name, searches in sides.items():
        for _ in range(2):  # the first builds the automata
            began = time.thread_time_ns()
            matched = sum(bool(search(line)) for search in searches for line in lines)
            out[f"{name}_ns"] = (time.thread_time_ns() - began) / len(searches) / len(lines)
        out[f"{name}_matches"] = matched
    if out["re2_matches"] != out["python_re_matches"]:
        raise AssertionError(f"RE2 and Python's re differ: {out}")
    return out


def run(quick: bool) -> dict[str, object]:
    trees = rules()
    data, events, count = stream()
    engines = {"none": engine([]), "few": engine(trees[:FEW]), "many": engine(trees)}
    python = plain(trees)
    fires = python(events)
    found = len(engines["many"].feed(data))
    if found != fires or not fires:
        raise AssertionError(f"native matched {found} times, plain Python {fires}")

    def ours(name: str) -> Callable[[], float]:
        def once() -> float:
            with on_cpu(1):
                began = time.thread_time_ns()
                engines[name].feed(data)
                return (time.thread_time_ns() - began) / count

        return once

    def theirs() -> float:
        part = events[: 400 if quick else 2000]
        with on_cpu(1):
            began = time.thread_time_ns()
            python(part)
            return (time.thread_time_ns() - began) / len(part)

    variants = {name: ours(name) for name in engines} | {"python": theirs}
    for warm in variants.values():
        warm()
    times = interleaved(11 if quick else 41, variants)
    middle = {name: median(values) for name, values in times.items()}
    ratio = middle["many"] / middle["few"]
    matching = patterns()
    return Result(
        row=9,
        what=f"{MANY} Sigma rules instead of {FEW}, per event",
        value=middle["many"],
        unit="ns an event",
        peer=f"plain Python {middle['python'] / 1000:.0f} us: {middle['python'] / middle['many']:.0f} x",
        ratio=ratio,
        goal="<= 2 x",
        gate="<= 3 x",
        passed=ratio <= 3,
        spread=spread(times["many"]),
        rounds=len(times["many"]),
        lower_is_better=True,
        bound=Bound(ratio, 2, 3, at_least=False),
        note=f"a pattern that is run {matching['re2_ns']:.0f} ns (Python's re {matching['python_re_ns']:.0f}); "
        f"{middle['none']:.0f} ns without rules, {middle['few']:.0f} with {FEW}; "
        f"{fires} of {count} events match on both sides",
        details={f"{name}_ns": value for name, value in middle.items()} | matching,
    ).as_dict()
