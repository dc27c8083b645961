# SPDX-License-Identifier: Apache-2.0
"""The vocabulary and the engine name the same fields, both ways."""

from __future__ import annotations

import pytest
from innerwarden_core import FIELDS, Engine

from innerwarden.model._wire import KINDS, LAYOUT, MEANING, RECORD_OF
from innerwarden.model.details import DETAILS
from innerwarden.model.vocabulary import DERIVED_OF_RECORD, NOT_FIELDS, TASK_KINDS, VOCABULARY, FieldType
from innerwarden.modules.factory import encode
from innerwarden.rules.pipeline import CATEGORIES, CONSTANTS, SERVICES, UNSEEN
from innerwarden.rules.program import CompiledPredicate, CompiledRule


def test_every_field_of_the_wire_and_of_the_engine_is_in_the_vocabulary() -> None:
    assert set(MEANING) - NOT_FIELDS - set(VOCABULARY) == set()
    assert set(FIELDS) - set(VOCABULARY) == set()


def test_everything_in_the_vocabulary_is_a_field_of_the_engine() -> None:
    assert set(VOCABULARY) - set(FIELDS) == set()


def test_types_and_kinds_are_those_of_the_record() -> None:
    numbers = {"u16", "u32", "u64"}
    for dotted, kind in KINDS.items():
        for name, _, shape in LAYOUT[RECORD_OF[kind]]:
            if name in NOT_FIELDS or name.startswith("reserved"):
                continue
            field = VOCABULARY[name]
            assert dotted in field.kinds
            assert not field.derived
            assert (shape in numbers) == (field.type in (FieldType.NUMBER, FieldType.FLAGS)), name
            assert (shape == "ip") == (field.type is FieldType.IP), name


def test_every_entry_says_what_it_means() -> None:
    for field in VOCABULARY.values():
        assert field.meaning
        assert field.kinds
        for flag, bit in field.flags.items():
            assert flag.islower()
            assert bit & (bit - 1) == 0


def test_a_sigma_name_means_one_field_in_a_category() -> None:
    seen: dict[tuple[str, str], str] = {}
    assert not set(CATEGORIES) & set(SERVICES)
    kinds_of = {name: kinds for name, (kinds, _) in CATEGORIES.items()} | SERVICES
    for field in VOCABULARY.values():
        for name, categories in field.sigma.items():
            for category in categories:
                assert category in kinds_of, category
                assert seen.setdefault((name, category), field.name) == field.name
                assert field.kinds & set(kinds_of[category]), (name, category)
    assert {category for category, _ in CONSTANTS} <= set(kinds_of)


def test_details_have_the_records_fields() -> None:
    for dotted, shape in DETAILS.items():
        wire = {name for name, _, _ in LAYOUT[RECORD_OF[KINDS[dotted]]]}
        wire = {name for name in wire - NOT_FIELDS if not name.startswith("reserved")}
        assert set(shape.__struct_fields__) == wire


def test_log_sources_name_kinds_that_exist() -> None:
    for kinds in [*(kinds for kinds, _ in CATEGORIES.values()), *SERVICES.values()]:
        assert set(kinds) <= set(KINDS)


@pytest.mark.parametrize("kind", sorted(TASK_KINDS - {"process.exec", "process.fork", *UNSEEN}))
def test_fields_of_the_acting_process_are_there_on_every_record_of_a_task(kind: str) -> None:
    """What the vocabulary promises for kinds that do not carry the field: table and engine supply it."""
    engine = Engine()
    rules = [
        CompiledRule(
            owner=name,
            kinds=(kind,),
            predicates=(CompiledPredicate(name, "exists", ()),),
            nodes=((0, -1, -2),),
        ).native()
        for name, field in VOCABULARY.items()
        if kind in field.kinds and name not in DERIVED_OF_RECORD.get(kind, ())
        if field.derived or name in ("exe_path", "cwd", "cgroup_path")
    ]
    engine.configure(rules, [], [])
    container = f"kubepods/pod{'0123456789abcdef' * 2}/{'4f3c' * 16}"
    program = {"argv": list("abcdefghij"), "cwd": "/root", "exe_path": "/usr/bin/a", "cgroup_path": container}
    for pid, ppid in ((20, 1), (21, 20), (22, 21)):
        engine.feed(encode("process.exec", pid=pid, ppid=ppid, **program))
    samples = {"path": "/etc/x", "src_ip": "192.0.2.1"}
    carried = {name for name, _, _ in LAYOUT[RECORD_OF[KINDS[kind]]]}
    names = {name: value for name, value in samples.items() if name in carried}
    hits = engine.feed(encode(kind, at_s=1.0, pid=22, ppid=21, **names))
    missing = {rule.owner for rule in rules} - {hit.owner for hit in hits}
    assert missing == set()
