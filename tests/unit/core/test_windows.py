# SPDX-License-Identifier: Apache-2.0
"""Correlations fire at the same events as the oracle that keeps everything."""

from __future__ import annotations

import gc
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from innerwarden_core import FIELDS, OPERATORS, Correlation, Engine, Hit, Predicate, Record, Rule, StaleError

from innerwarden.model._wire import Kind
from tests.factory import REAL_BASE_NS, encode
from tests.oracles.windows import Event, Oracle

MS = 1_000_000
LOG_KINDS = ("ssh.login_failed", "ssh.login_success", "ssh.probe", "ssh.disconnect")


def engine_with(correlation: Correlation, steps: int = 1) -> Engine:
    engine = Engine()
    always = Predicate(FIELDS["kind_name"], OPERATORS["exists"], [])
    rules = [
        Rule(f"step{i}", [Kind[kind.replace(".", "_").upper()]], [always], [(0, -1, -2)], emit=False)
        for i, kind in enumerate(LOG_KINDS[:steps])
    ]
    engine.configure(rules, [correlation], [])
    return engine


def correlation(kind: str, timespan_ns: int, steps: int = 1, **extra: Any) -> Correlation:
    group = [[FIELDS["src_ip"]]] * steps
    names = [f"step{i}" for i in range(steps)]
    return Correlation("c", kind, names, group, timespan_ns, **extra)


def record(event: Event) -> bytes:
    return encode(
        LOG_KINDS[event.step],
        ts_ns=REAL_BASE_NS + event.ts_ns,
        src_ip=str(event.key),
        user=f"u{event.value}",
        repeat_count=event.weight,
    )


def run(engine: Engine, oracle: Oracle, events: list[Event]) -> None:
    for number, event in enumerate(events):
        expected = oracle.add(event)
        hits = engine.feed(record(event))
        assert len(hits) == (expected is not None), (number, event)
        if hits:
            assert (hits[0].group, hits[0].ts_ns) == ((event.key,), REAL_BASE_NS + event.ts_ns)
            if oracle.kind in ("event_count", "value_count"):
                assert hits[0].count == expected
        assert engine.windows_of(record(event))["c"][0] == oracle.held(event.key), (number, event)


def streams(steps: int, size: int) -> st.SearchStrategy[list[Event]]:
    """Mostly forward in time, some events late."""

    def build(rows: list[tuple[int, int, int, int, int, int]]) -> list[Event]:
        now, out = 10_000, []
        for number, (key, gap, late, step, value, weight) in enumerate(rows):
            now += gap
            at = max(now - late, 1) * MS
            out.append(Event(f"10.0.0.{key}", at, step, value, weight, number))
        return out

    return st.lists(
        st.tuples(
            st.integers(1, 2),
            st.integers(0, 40),
            st.one_of(st.just(0), st.integers(0, 120)),
            st.integers(0, steps - 1),
            st.integers(0, 5),
            st.one_of(st.just(1), st.integers(1, 7)),
        ),
        max_size=size,
    ).map(build)


@settings(max_examples=200, deadline=None)
@given(streams(1, 60), st.integers(1, 6), st.sampled_from(["ge", "gt"]), st.integers(1, 120))
def test_event_count(events: list[Event], threshold: int, operator: str, span: int) -> None:
    one = correlation("event_count", span * MS, threshold=threshold, operator=operator)
    run(engine_with(one), Oracle("event_count", span * MS, operator, threshold), events)


@settings(max_examples=100, deadline=None)
@given(
    streams(1, 60).map(lambda es: [e for e in es if e.weight == 1]), st.sampled_from(["lt", "le", "eq", "ne"])
)
def test_event_count_with_the_other_conditions(events: list[Event], operator: str) -> None:
    one = correlation("event_count", 50 * MS, threshold=3, operator=operator)
    seen: list[Event] = []
    oracle = Oracle("event_count", 50 * MS, operator, 3)
    engine = engine_with(one)
    for event in events:
        seen.append(event)
        expected = oracle.add(event)
        hits = engine.feed(record(event))
        # Above threshold + 1 the exact number no longer matters to any condition but is not kept either.
        assert len(hits) == (expected is not None), (seen, operator)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 60), st.integers(1, 9)), max_size=150),
    st.integers(65, 90),
)
def test_event_count_with_a_large_threshold(rows: list[tuple[int, int, int]], threshold: int) -> None:
    span = 320 * MS
    now, events = 100_000, []
    for gap, late, weight in rows:
        now += gap
        events.append(Event("10.0.0.1", (now - late) * MS, weight=weight))
    one = correlation("event_count", span, threshold=threshold)
    run(engine_with(one), Oracle("event_count", span, "ge", threshold, exact=False), events)


@settings(max_examples=200, deadline=None)
@given(streams(1, 60), st.integers(1, 5), st.integers(1, 120))
def test_value_count(events: list[Event], threshold: int, span: int) -> None:
    one = correlation("value_count", span * MS, threshold=threshold, value_field=FIELDS["user"])
    run(engine_with(one), Oracle("value_count", span * MS, "ge", threshold), events)


@settings(max_examples=200, deadline=None)
@given(streams(3, 40), st.integers(1, 200))
def test_temporal(events: list[Event], span: int) -> None:
    one = correlation("temporal", span * MS, 3)
    run(engine_with(one, 3), Oracle("temporal", span * MS, "ge", 1, steps=3), events)


@settings(max_examples=200, deadline=None)
@given(streams(4, 40), st.integers(1, 200), st.integers(2, 4))
def test_temporal_with_some_of_the_rules(events: list[Event], span: int, needed: int) -> None:
    one = correlation("temporal", span * MS, 4, threshold=needed)
    run(engine_with(one, 4), Oracle("temporal", span * MS, "ge", 1, steps=4, needed=needed), events)


def test_a_temporal_correlation_wants_no_more_than_its_rules() -> None:
    with pytest.raises(ValueError, match="ge 4 of 3 rules"):
        correlation("temporal", MS, 3, threshold=4)
    with pytest.raises(ValueError, match="gt 2 of 3 rules"):
        correlation("temporal", MS, 3, threshold=2, operator="gt")
    with pytest.raises(ValueError, match="an order needs every rule"):
        correlation("temporal_ordered", MS, 3, threshold=2)


def test_a_record_that_two_rules_match_is_counted_once_for_each_key() -> None:
    engine = Engine()
    always = Predicate(FIELDS["kind_name"], OPERATORS["exists"], [])
    rules = [Rule(n, [Kind.NETWORK_CONNECT], [always], [(0, -1, -2)], emit=False) for n in ("a", "b")]
    same = Correlation("same", "event_count", ["a", "b"], [[FIELDS["pid"]]] * 2, 1000 * MS, threshold=2)
    group = [[FIELDS["pid"]], [FIELDS["ppid"]]]
    both = Correlation("both", "event_count", ["a", "b"], group, 1000 * MS, threshold=2)
    engine.configure(rules, [same, both], [])
    assert not engine.feed(encode("network.connect", pid=7, ppid=7))
    hits = engine.feed(encode("network.connect", pid=7, ppid=9))
    assert [hit.owner for hit in hits] == ["same", "both"]
    assert [hit.owner for hit in engine.feed(encode("network.connect", pid=8, ppid=9))] == ["both"]


@settings(max_examples=200, deadline=None)
@given(streams(3, 30), st.integers(1, 200))
def test_temporal_ordered(events: list[Event], span: int) -> None:
    """Thirty events: no more than the engine remembers for one key, so that it must agree exactly."""
    one = correlation("temporal_ordered", span * MS, 3)
    run(engine_with(one, 3), Oracle("temporal_ordered", span * MS, "ge", 1, steps=3), events)


def feed(engine: Engine, kind: str, at_ms: int, **fields: Any) -> list[Hit]:
    return engine.feed(encode(kind, ts_ns=REAL_BASE_NS + at_ms * MS, src_ip="10.0.0.1", **fields))


def test_a_flood_of_one_step_does_not_push_the_others_out() -> None:
    engine = engine_with(correlation("temporal_ordered", 10_000 * MS, 3), 3)
    assert not feed(engine, LOG_KINDS[0], 1)
    assert not feed(engine, LOG_KINDS[1], 2)
    for i in range(500):
        assert not feed(engine, LOG_KINDS[0], 3 + i)
    (hit,) = feed(engine, LOG_KINDS[2], 600)
    assert [step[0] for step in hit.steps] == ["step0", "step1", "step2"]
    assert [step[1] - REAL_BASE_NS for step in hit.steps] == [1 * MS, 2 * MS, 600 * MS]
    assert hit.first_ts_ns == REAL_BASE_NS + MS


def test_a_record_that_matches_two_steps_is_one_of_them() -> None:
    engine = Engine()
    always = Predicate(FIELDS["kind_name"], OPERATORS["exists"], [])
    rules = [Rule(n, [Kind.SSH_PROBE], [always], [(0, -1, -2)], emit=False) for n in ("a", "b")]
    group = [[FIELDS["src_ip"]]] * 2
    engine.configure(rules, [Correlation("c", "temporal_ordered", ["a", "b"], group, 1000 * MS)], [])
    assert not feed(engine, "ssh.probe", 1)
    assert len(feed(engine, "ssh.probe", 1)) == 1, "the second record is a later step of the first"


def test_steps_of_one_second_count_in_the_order_of_arrival() -> None:
    engine = engine_with(correlation("temporal_ordered", 1000 * MS, 2), 2)
    assert not feed(engine, LOG_KINDS[1], 5)
    assert not feed(engine, LOG_KINDS[0], 5)
    assert len(feed(engine, LOG_KINDS[1], 5)) == 1


def test_groups_are_apart_and_an_absent_group_value_takes_no_part() -> None:
    engine = engine_with(correlation("event_count", 1000 * MS, threshold=2))
    assert not engine.feed(encode("ssh.login_failed", src_ip="10.0.0.1"))
    assert not engine.feed(encode("ssh.login_failed", src_ip="10.0.0.2"))
    assert not engine.feed(encode("ssh.login_failed") * 5)
    assert len(engine.feed(encode("ssh.login_failed", src_ip="10.0.0.2"))) == 1


def test_without_group_by_all_events_are_one_window() -> None:
    engine = engine_with(Correlation("c", "event_count", ["step0"], [[]], 1000 * MS, threshold=3))
    assert len(engine.feed(b"".join(encode("ssh.login_failed", pid=i) for i in range(3)))) == 1


def test_aliases_group_different_fields_of_different_rules() -> None:
    engine = Engine()
    always = Predicate(FIELDS["kind_name"], OPERATORS["exists"], [])
    rules = [
        Rule("login", [Kind.SSH_LOGIN_SUCCESS], [always], [(0, -1, -2)], emit=False),
        Rule("out", [Kind.NETWORK_CONNECT], [always], [(0, -1, -2)], emit=False),
    ]
    group = [[FIELDS["src_ip"]], [FIELDS["dst_ip"]]]
    one = Correlation("back", "temporal_ordered", ["login", "out"], group, 1000 * MS)
    engine.configure(rules, [one], [])
    login = encode("ssh.login_success", ts_ns=5 * MS, flags=0, src_ip="203.0.113.5")
    assert not engine.feed(login + encode("network.connect", ts_ns=6 * MS, dst_ip="203.0.113.6"))
    (hit,) = engine.feed(encode("network.connect", ts_ns=7 * MS, dst_ip="203.0.113.5", pid=44))
    assert hit.group == ("203.0.113.5",)
    assert hit.steps[1][:3] == ("out", 7 * MS, 44)


@pytest.mark.parametrize(
    ("field", "one", "other"),
    [
        ("cgroup_id", 7, 7 | 1 << 40),  # a number of 8 bytes: all of them tell
        ("pid", 7, 8),
        ("pid_ns", 1, 2),  # the last of the header
    ],
)
def test_a_number_of_the_header_as_a_group(field: str, one: int, other: int) -> None:
    group = [[FIELDS[field]]]
    engine = engine_with(Correlation("c", "event_count", ["step0"], group, 1000 * MS, threshold=2))
    first, apart, again = (
        encode("ssh.login_failed", **({"tid": number, "comm": f"name{number}"} | {field: value}))
        for number, value in ((20, one), (21, other), (22, one))
    )
    assert not engine.feed(first + apart)
    (hit,) = engine.feed(again)
    assert hit.group == (str(one),)


def test_times_of_both_clocks_meet_and_a_hit_is_on_its_records_clock() -> None:
    offset = REAL_BASE_NS
    engine = Engine(boot_to_realtime_ns=offset)
    always = Predicate(FIELDS["kind_name"], OPERATORS["exists"], [])
    rules = [
        Rule("a", [Kind.SSH_LOGIN_SUCCESS], [always], [(0, -1, -2)], emit=False),
        Rule("b", [Kind.FILE_OPEN], [always], [(0, -1, -2)], emit=False),
    ]
    engine.configure(rules, [Correlation("c", "temporal_ordered", ["a", "b"], [[], []], 1000 * MS)], [])
    engine.feed(encode("ssh.login_success", ts_ns=REAL_BASE_NS + 5 * MS))
    (hit,) = engine.feed(encode("file.open", ts_ns=9 * MS))
    assert (hit.ts_ns, hit.first_ts_ns) == (9 * MS, 5 * MS)
    assert [s[1] for s in hit.steps] == [5 * MS, 9 * MS]


def test_samples_are_the_latest_different_values() -> None:
    one = correlation("event_count", 10_000 * MS, threshold=8, sample_field=FIELDS["user"])
    engine = engine_with(one)
    hits = [feed(engine, "ssh.login_failed", i, user=u) for i, u in enumerate("abbcadez")][-1]
    assert set(hits[0].samples) == {"c", "d", "e", "z"}
    long = [feed(engine, "ssh.login_failed", 100 + i, user="x" * 100) for i in range(8)][-1]
    assert long[0].samples == ("x" * 62,)


def test_a_full_table_gives_up_its_oldest_key_and_counts_it() -> None:
    engine = Engine(window_keys=64)
    always = Predicate(FIELDS["kind_name"], OPERATORS["exists"], [])
    rule = Rule("step0", [Kind.SSH_LOGIN_FAILED], [always], [(0, -1, -2)], emit=False)
    engine.configure([rule], [correlation("event_count", 10**15, threshold=2)], [])
    for i in range(1000):
        engine.feed(encode("ssh.login_failed", at_s=i, src_ip=f"10.0.{i // 250}.{i % 250}"))
    stats = engine.stats()["windows"]["c"]
    assert (stats["keys"], stats["capacity"], stats["evicted"]) == (64, 64, 936)
    assert len(engine.feed(encode("ssh.login_failed", at_s=1001, src_ip="10.0.3.249"))) == 1


def test_many_keys_do_not_disturb_one_another() -> None:
    """As many keys as double the hash table several times."""
    engine = engine_with(correlation("event_count", 10**15, threshold=3))
    blob = b"".join(encode("ssh.login_failed", src_ip=f"10.{i // 250}.{i % 250}.1") for i in range(5000))
    assert engine.feed(blob) == []
    assert engine.feed(blob) == []
    assert len(engine.feed(blob)) == 5000
    assert engine.stats()["windows"]["c"]["evicted"] == 0


def test_what_stays_in_a_configure_keeps_its_window_and_what_changes_does_not() -> None:
    same = correlation("event_count", 10_000 * MS, threshold=3)
    engine = engine_with(same)
    feed(engine, "ssh.login_failed", 1)
    feed(engine, "ssh.login_failed", 2)
    always = Predicate(FIELDS["kind_name"], OPERATORS["exists"], [])
    rule = Rule("step0", [Kind.SSH_LOGIN_FAILED], [always], [(0, -1, -2)], emit=False)
    engine.configure([rule], [correlation("event_count", 10_000 * MS, threshold=3)], [])
    assert len(feed(engine, "ssh.login_failed", 3)) == 1
    feed(engine, "ssh.login_failed", 4)
    engine.configure([rule], [correlation("event_count", 10_000 * MS, threshold=2)], [])
    assert not feed(engine, "ssh.login_failed", 5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "median"}, "kind 'median'"),
        ({"timespan_ns": 0}, "not positive"),
        ({"operator": "about"}, "operator 'about'"),
        ({"group_by": []}, "one group_by for each"),
        ({"threshold": -1}, "threshold -1"),
        ({"kind": "value_count"}, "needs a value_field"),
        ({"kind": "value_count", "value_field": 3, "threshold": 5000}, "counts to 1024"),
    ],
)
def test_a_wrong_correlation_is_refused(changes: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {
        "owner": "c",
        "kind": "event_count",
        "rules": ["r"],
        "group_by": [[]],
        "timespan_ns": 1,
    }
    with pytest.raises(ValueError, match=message):
        Correlation(**{**arguments, **changes})


def test_a_correlation_over_a_rule_that_is_not_there_leaves_the_old_set() -> None:
    engine = engine_with(correlation("event_count", 10_000 * MS, threshold=1))
    with pytest.raises(ValueError, match="unknown rule step0"):
        engine.configure([], [correlation("event_count", 1, threshold=1)], [])
    assert len(feed(engine, "ssh.login_failed", 1)) == 1


def test_the_hits_record_is_the_one_that_completed_the_window() -> None:
    engine = engine_with(correlation("event_count", 10_000 * MS, threshold=2))
    feed(engine, "ssh.login_failed", 1, user="first")
    (hit,) = feed(engine, "ssh.login_failed", 2, user="second")
    assert Record(hit.record).get("user") == "second"


@given(streams(2, 200), st.integers(2, 6), st.integers(1, 400))
@settings(max_examples=100, deadline=None)
def test_a_long_buffer_fires_where_its_events_one_by_one_do(
    events: list[Event], threshold: int, span: int
) -> None:
    """Events wait for their windows in a queue; what comes out does not depend on it."""
    events = [replace(event, key=f"10.0.0.{number % 5}") for number, event in enumerate(events)]
    oracle = Oracle("event_count", span * MS, "ge", threshold)
    expected = [
        (event.ts_ns, event.key, count) for event in events if (count := oracle.add(event)) is not None
    ]
    one = correlation("event_count", span * MS, steps=2, threshold=threshold)
    hits = engine_with(one, 2).feed(b"".join(map(record, events)))
    assert [(hit.ts_ns - REAL_BASE_NS, *hit.group, hit.count) for hit in hits] == expected


KINDS_OF_CORRELATION = (
    ("event_count", {"threshold": 4}),
    ("value_count", {"threshold": 3, "value_field": FIELDS["user"]}),
    ("temporal", {}),
    ("temporal_ordered", {}),
)


@pytest.mark.parametrize(("kind", "extra"), KINDS_OF_CORRELATION)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_a_configure_between_any_two_events_changes_nothing(
    kind: str, extra: dict[str, Any], data: st.DataObject
) -> None:
    """Other detectors come and go between all events; the one that stays fires as the oracle says."""
    steps = 3 if kind.startswith("temporal") else 1
    events = data.draw(streams(steps, 60))
    made = correlation(kind, 100 * MS, steps, cooldown_ns=0, sample_field=FIELDS["user"], **extra)
    engine = engine_with(made, steps)
    oracle = Oracle(
        kind,
        100 * MS,
        threshold=extra.get("threshold", steps),
        steps=steps,
    )
    for number, event in enumerate(events):
        swap(engine, kind, extra, steps, others=number % 3)
        expected = oracle.add(event)
        fired = [hit for hit in engine.feed(record(event)) if hit.owner == "c"]
        assert len(fired) == (expected is not None), number


def test_a_count_in_parts_goes_on_over_every_configure() -> None:
    extra = {"threshold": 70}
    engine = engine_with(
        correlation("event_count", 100 * MS, cooldown_ns=0, sample_field=FIELDS["user"], **extra)
    )
    for number in range(1, 70):
        assert engine.feed(record(Event("10.0.0.1", 10_000 * MS + number * MS))) == []
        swap(engine, "event_count", extra, 1, others=number % 3)
    (hit,) = engine.feed(record(Event("10.0.0.1", 10_070 * MS)))
    assert (hit.owner, hit.count) == ("c", 70)


def swap(engine: Engine, kind: str, extra: dict[str, Any], steps: int, others: int) -> None:
    """The same correlation from new objects, after and before others that change its place in every table."""
    always = Predicate(FIELDS["kind_name"], OPERATORS["exists"], [])
    rules = [
        Rule(f"step{i}", [Kind[name.replace(".", "_").upper()]], [always], [(0, -1, -2)], emit=False)
        for i, name in enumerate(LOG_KINDS[:steps])
    ]
    more = [Rule(f"other{i}", [Kind.SSH_PROBE], [always], [(0, -1, -2)], emit=False) for i in range(others)]
    counts = [
        Correlation(f"count{i}", "event_count", [f"other{i}"], [[]], 5 * MS, threshold=2)
        for i in range(others)
    ]
    mine = correlation(kind, 100 * MS, steps, cooldown_ns=0, sample_field=FIELDS["user"], **extra)
    engine.configure([*more, *rules], [*counts, mine], [])


def test_events_between_prepare_and_install_count() -> None:
    counts = correlation("event_count", 10_000 * MS, threshold=3)
    engine = engine_with(counts)
    feed(engine, "ssh.login_failed", 1)
    always = Predicate(FIELDS["kind_name"], OPERATORS["exists"], [])
    rule = Rule("step0", [Kind.SSH_LOGIN_FAILED], [always], [(0, -1, -2)], emit=False)
    more = Rule("more", [Kind.SSH_PROBE], [always], [(0, -1, -2)])
    ready = engine.prepare([more, rule], [counts], [])
    feed(engine, "ssh.login_failed", 2)
    engine.install(ready)
    assert [hit.owner for hit in feed(engine, "ssh.login_failed", 3)] == ["c"]


def test_a_set_that_was_prepared_beside_another_is_refused() -> None:
    engine = engine_with(correlation("event_count", 10_000 * MS, threshold=1))
    late, soon = engine.prepare([], [], []), engine.prepare([], [], [])
    engine.install(soon)
    for stale in (late, soon):
        with pytest.raises(StaleError, match="prepare it again"):
            engine.install(stale)
    assert set(gc.get_referents(soon)) == {None}, "an installed set stays alive with what it was prepared as"
    with pytest.raises(StaleError, match="prepare it again"):
        Engine().install(engine.prepare([], [], []))


def test_a_changed_rule_starts_the_window_of_its_correlation_anew() -> None:
    engine = engine_with(correlation("event_count", 10_000 * MS, threshold=2))
    feed(engine, "ssh.login_failed", 1)
    for user in (b"root", b"u1"):
        other = Predicate(FIELDS["user"], OPERATORS["equals"], [user])
        rule = Rule("step0", [Kind.SSH_LOGIN_FAILED], [other], [(0, -1, -2)], emit=False)
        engine.configure([rule], [correlation("event_count", 10_000 * MS, threshold=2)], [])
    assert feed(engine, "ssh.login_failed", 2, user="u1") == []
    assert len(feed(engine, "ssh.login_failed", 3, user="u1")) == 1


def test_how_a_rule_groups_its_own_hits_is_nothing_to_a_window() -> None:
    engine = engine_with(correlation("event_count", 10_000 * MS, threshold=2))
    feed(engine, "ssh.login_failed", 1)
    always = Predicate(FIELDS["kind_name"], OPERATORS["exists"], [])
    rule = Rule(
        "step0", [Kind.SSH_LOGIN_FAILED], [always], [(0, -1, -2)], emit=False, group_by=(FIELDS["src_ip"],)
    )
    engine.configure([rule], [correlation("event_count", 10_000 * MS, threshold=2)], [])
    assert len(feed(engine, "ssh.login_failed", 2)) == 1


def test_what_went_and_came_back_starts_anew() -> None:
    engine = engine_with(correlation("event_count", 10_000 * MS, threshold=2, cooldown_ns=10**15))
    feed(engine, "ssh.login_failed", 1)
    assert len(feed(engine, "ssh.login_failed", 2)) == 1
    engine.configure([], [], [])
    always = Predicate(FIELDS["kind_name"], OPERATORS["exists"], [])
    rule = Rule("step0", [Kind.SSH_LOGIN_FAILED], [always], [(0, -1, -2)], emit=False)
    engine.configure([rule], [correlation("event_count", 10_000 * MS, threshold=2, cooldown_ns=10**15)], [])
    assert feed(engine, "ssh.login_failed", 3) == []
    assert len(feed(engine, "ssh.login_failed", 4)) == 1


def test_looking_at_a_window_says_its_steps_and_feeds_nothing() -> None:
    engine = engine_with(correlation("temporal_ordered", 10 * MS, steps=3), steps=3)
    first, second, third = (record(Event("192.0.2.1", at * MS, step=n)) for n, at in enumerate((2, 1, 3)))
    engine.feed(second)
    assert engine.windows_of(second) == {"c": (0, ())}
    engine.feed(first)
    for _ in range(3):
        assert engine.windows_of(third) == {"c": (1, (0,))}
    assert engine.windows_of(record(Event("192.0.2.2", 0))) == {"c": (0, ())}
    engine.feed(record(Event("192.0.2.1", 4 * MS, step=1)))
    assert engine.windows_of(first) == {"c": (2, (0, 1))}
    assert engine.windows_of(encode("web.request", src_ip="192.0.2.1")) == {}
    with pytest.raises(ValueError, match="short"):
        engine.windows_of(b"123")


def test_what_a_rule_is_folded_by_does_not_touch_the_window_of_its_correlation() -> None:
    engine = engine_with(correlation("event_count", 10_000 * MS, threshold=3))
    feed(engine, "ssh.login_failed", 1)
    always = Predicate(FIELDS["kind_name"], OPERATORS["exists"], [])
    for group in ((FIELDS["user"],), (FIELDS["user"], FIELDS["src_ip"])):
        rule = Rule("step0", [Kind.SSH_LOGIN_FAILED], [always], [(0, -1, -2)], emit=False, group_by=group)
        engine.configure([rule], [correlation("event_count", 10_000 * MS, threshold=3)], [])
    assert feed(engine, "ssh.login_failed", 2) == []
    assert len(feed(engine, "ssh.login_failed", 3)) == 1
