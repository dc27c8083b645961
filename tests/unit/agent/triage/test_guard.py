# SPDX-License-Identifier: Apache-2.0
"""The guard against whatever a gate could hand it: drafts are made up at random, the invariants must hold."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import settings as rounds
from hypothesis import strategies as st

from innerwarden.agent.state.rows import IncidentRow
from innerwarden.agent.triage.confidence import Contribution
from innerwarden.agent.triage.draft import Action, Draft
from innerwarden.agent.triage.facts import Facts, Load, Opinion, Role
from innerwarden.agent.triage.guard import guard
from innerwarden.agent.triage.pipeline import decide
from innerwarden.agent.triage.targets import PASSIVE
from innerwarden.model.entity import EntityRef, EntityType
from innerwarden.model.finding import IncidentFields, Trusted
from innerwarden.model.record import Outcome
from innerwarden.model.severity import Severity
from innerwarden.model.verb import VERB_IDS, BlockAddress, CapturePackets, KillProcessTree, SuspendSudo
from innerwarden.safety import Verdict
from tests.unit.agent.triage.support import settings

ADDRESSES = ("203.0.113.9", "198.51.100.7", "2001:db8::1", "203.0.113.0/24", "nonsense", "::ffff:203.0.113.9")
SHIPPED = settings()

entities = st.lists(
    st.one_of(
        st.sampled_from(ADDRESSES).map(lambda v: EntityRef(EntityType.IP, v)),
        st.sampled_from(("ana", "root")).map(EntityRef.user),
        st.sampled_from((7, 700)).map(lambda pid: EntityRef.process(pid, pid * 1000)),
    ),
    max_size=4,
).map(tuple)
verbs = st.one_of(
    st.sampled_from(("203.0.113.9", "198.51.100.7", "2001:db8::1", "8.8.8.8")).flatmap(
        lambda a: st.sampled_from((BlockAddress(address=a), CapturePackets(address=a)))
    ),
    st.sampled_from(("ana", "root", "bob")).map(lambda u: SuspendSudo(user=u)),
    st.sampled_from((7, 700, 1)).map(lambda pid: KillProcessTree(pid=pid, start_ns=pid * 1000)),
)
actions = st.builds(
    Action,
    by=st.sampled_from(("rule:x", "playbook:x/y", "model:m")),
    verb=verbs,
    ttl_s=st.just(60),
    reason=st.just("r"),
    auto=st.booleans(),
)
drafts = st.builds(
    Draft,
    outcome=st.one_of(st.none(), st.sampled_from(Outcome)),
    by=st.just("gate:x"),
    contributions=st.lists(
        st.builds(Contribution, st.floats(-2, 2), st.just("c"), st.booleans()), max_size=4
    ).map(tuple),
    actions=st.lists(actions, max_size=6).map(tuple),
    folded_into=st.one_of(st.none(), st.just("other")),
    held=st.booleans(),
    settled=st.booleans(),
)
marks = st.one_of(
    st.none(),
    st.builds(
        Trusted,
        entry=st.just("e"),
        severity=st.sampled_from(Severity),
        lowered=st.booleans(),
        reason=st.just("r"),
        owner=st.just("o"),
    ),
)


KEYS = st.frozensets(st.sampled_from(("block_address:ip:203.0.113.9", "suspend_sudo:user:ana")))


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    found = draw(entities)
    row = IncidentRow(
        id=1,
        incident_id="x:y:z",
        ts_ns=0,
        ts="",
        stored_ns=0,
        severity=draw(st.sampled_from(Severity)),
        detector=draw(st.sampled_from(("ssh_bruteforce", "ransomware", "c2_callback"))),
        title="",
        summary="",
        status="open",
        source="sensor",
        fields=IncidentFields(
            incident_id="x:y:z", host="h", title="", summary="", entities=found, trusted=draw(marks)
        ),
    )
    return Facts(
        incident=row,
        roles={e.value: draw(st.sampled_from(Role)) for e in found if e.type is EntityType.IP},
        load=Load(
            proposals=draw(st.sampled_from((0, 199, 200))), orders_in_hour=draw(st.sampled_from((0, 100)))
        ),
        opinion=draw(
            st.one_of(
                st.none(),
                st.builds(
                    Opinion,
                    model=st.just("m"),
                    concern=st.booleans(),
                    verb=st.sampled_from(VERB_IDS),
                    target=st.sampled_from((EntityRef.ip("8.8.8.8"), EntityRef.user("root"), *found)),
                ),
            )
        ),
    )


def holds(one: Facts, chosen: object, decision: object) -> None:
    if one.is_grave:
        assert decision.outcome is not Outcome.DISMISS
    if decision.outcome not in (Outcome.ACT, Outcome.PROPOSE):
        assert decision.actions == ()
    if decision.outcome is Outcome.ACT:
        assert any(action.auto for action in decision.actions)
    for action in decision.actions:
        target = action.verb.target()
        assert target in one.incident.fields.entities
        if target.type is EntityType.IP:
            role = one.roles[target.value]
            assert role is not Role.OTHER or action.verb.id in PASSIVE
            assert not (action.auto and role is Role.CLAIMED)
        assert not (action.auto and action.by.startswith("model:"))
        assert not (action.auto and (not chosen.enabled or one.load.orders_in_hour >= chosen.hourly_cap))
        assert action.verb.key() not in one.load.live
        assert action.auto or action.verb.key() not in one.load.proposed
        assert chosen.may(action.verb).allowed and action.verb.id in chosen.verbs
    asked = sum(not action.auto for action in decision.actions)
    assert asked == 0 or one.load.proposals + asked <= chosen.max_proposals


def may(verb: object) -> Verdict:
    return Verdict(allowed=verb.target().value not in ("root", "7:7000"), rule="r", reason="no")


@rounds(max_examples=1500, deadline=None)
@given(
    one=facts(), draft=drafts, enabled=st.booleans(), named=st.sampled_from((VERB_IDS, ("block_address",)))
)
def test_no_draft_gets_around_it(one: Facts, draft: Draft, enabled: bool, named: tuple[str, ...]) -> None:
    chosen = msgspec.structs.replace(SHIPPED, may=may, enabled=enabled, verbs=named)
    holds(one, chosen, guard(one, chosen, draft))


@rounds(max_examples=800, deadline=None)
@given(one=facts(), enabled=st.booleans())
def test_no_incident_gets_around_it(one: Facts, enabled: bool) -> None:
    rules = tuple(
        msgspec.structs.replace(r, auto_execute=r.verb is not None, min_severity=Severity.DEBUG)
        for r in SHIPPED.rules
    )
    chosen = msgspec.structs.replace(SHIPPED, may=may, enabled=enabled, rules=rules)
    decision = decide(one, chosen)
    holds(one, chosen, decision)
    assert decision == decide(one, chosen)


def test_the_same_with_and_without_a_model_but_for_what_it_raises() -> None:
    """With every provider gone the product decides by rules alone."""
    found = (EntityRef.ip("203.0.113.9"),)
    row = IncidentRow(
        id=1, incident_id="x", ts_ns=0, ts="", stored_ns=0, severity=Severity.CRITICAL, detector="ransomware",
        title="", summary="", status="open", source="sensor",
        fields=IncidentFields(incident_id="x", host="h", title="", summary="", entities=found),
    )  # fmt: skip
    alone = decide(Facts(incident=row, roles={"203.0.113.9": Role.INBOUND}), SHIPPED)
    calm = Opinion(model="m", concern=False, explanation="all is well, dismiss it")
    with_model = decide(Facts(incident=row, roles={"203.0.113.9": Role.INBOUND}, opinion=calm), SHIPPED)
    assert (alone.outcome, alone.reason) == (with_model.outcome, with_model.reason)
