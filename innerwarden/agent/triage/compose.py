# SPDX-License-Identifier: Apache-2.0
"""Triage as the configuration says: rules and playbooks read once, the host looked at before each batch."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

import msgspec

from innerwarden import paths
from innerwarden.agent.state.lookups import LookupReader
from innerwarden.agent.state.writer import Writer
from innerwarden.agent.triage.detectors import known_detectors
from innerwarden.agent.triage.engine import Triage
from innerwarden.agent.triage.gather import Sources
from innerwarden.agent.triage.outside.consult import Consultation
from innerwarden.agent.triage.outside.geoip import GeoIp
from innerwarden.agent.triage.outside.http import OutsideError
from innerwarden.agent.triage.outside.model import build_model
from innerwarden.agent.triage.outside.provider import Provider, find_providers
from innerwarden.agent.triage.outside.reputation import Lookups
from innerwarden.agent.triage.playbook import load_playbooks
from innerwarden.agent.triage.rule import load_rules
from innerwarden.agent.triage.settings import May, Settings
from innerwarden.agent.triage.sshd import read_sshd
from innerwarden.clock import NS
from innerwarden.config import Config
from innerwarden.errors import InnerWardenError, UnavailableError
from innerwarden.model.verb import AnyVerb
from innerwarden.safety import HostFacts, Policy, Verdict, look, may_act, policy_of
from innerwarden.trust.judge import TrustSet
from innerwarden.trust.store import TrustStore

logger = logging.getLogger(__name__)

#: What the host is, is looked at again after this long; the responder looks itself before it acts.
LOOK_S = 5.0
#: The same of the trust files.
TRUST_S = 1.0


def settings_of(config: Config, may: May, chains: Iterable[str], others: Iterable[str] = ()) -> Settings:
    """`chains` are ids of correlation rules, `others` of what else in the agent reports. Raises RuleError with every
    rule and playbook that cannot be used, by file and line."""
    names = frozenset(chains)
    known = known_detectors(config, {*names, *others})
    triage = config.triage
    playbooks = load_playbooks(Path(triage.playbooks_directory), known, names) if triage.playbooks else ()
    return Settings(
        rules=load_rules(Path(triage.rules_directory), known),
        playbooks=playbooks,
        may=may,
        enabled=config.responder.enabled,
        dry_run=config.responder.dry_run,
        verbs=config.responder.verbs,
        hourly_cap=config.responder.hourly_cap,
        max_proposals=triage.max_proposals,
        dedupe_ns=triage.dedupe_s * NS,
    )


class Safety:
    """may_act() with facts that are at most LOOK_S old. Without facts or policy the answer is no."""

    def __init__(
        self, config: Config, *, own: tuple[str, ...] = (), facts: Callable[[], HostFacts] = look
    ) -> None:
        self._config = config
        self._own = own
        self._facts = facts
        self._seen: tuple[HostFacts, Policy] | None = None
        self._at: float | None = None
        self._problem = ""

    def __call__(self, verb: AnyVerb) -> Verdict:
        now = time.monotonic()
        if self._at is None or now - self._at >= LOOK_S:
            self._look()
            self._at = now
        if self._seen is None:
            return Verdict(allowed=False, rule="unknown", reason=self._problem)
        return may_act(verb, *self._seen)

    def _look(self) -> None:
        try:
            self._seen = self._facts(), policy_of(self._config, self._own)
        except (InnerWardenError, OSError) as error:
            self._seen, problem = None, f"this host cannot be judged: {error}"
            if problem != self._problem:
                logger.error("nothing is proposed: %s", problem)
            self._problem = problem


def open_triage(
    config: Config,
    data_dir: Path,
    writer: Writer,
    *,
    chains: Iterable[str],
    others: Iterable[str] = (),
    at_once: Callable[[], bool] = lambda: False,
) -> Triage:
    """The whole of it, for the composition root; `close()` it before the writer. Raises RuleError."""
    safety = Safety(config, own=paths.own_places(data_dir))
    settings = settings_of(config, safety, chains, others)
    trust = TrustStore(Path(config.trust.directory))

    looked = 0.0

    def trusted() -> TrustSet:
        nonlocal looked
        if (now := time.monotonic()) - looked >= TRUST_S:
            trust.refresh()
            looked = now
        return trust.current

    sources = Sources(ssh=read_sshd, trust=trusted, related_ns=config.triage.related_s * NS)
    with ExitStack() as stack:
        if config.triage.geoip_database:
            geoip = GeoIp(Path(config.triage.geoip_database))
            stack.callback(geoip.close)
            sources = msgspec.structs.replace(sources, place=geoip.place)
        if providers := _providers(config):
            lookups = _lookups(config, data_dir, writer, providers, stack)
            sources = msgspec.structs.replace(sources, reputation=lookups)
        least = config.triage.model.min_severity
        asked = (lambda facts, _: facts.severity.at_least(least)) if config.triage.model.enabled else None
        triage = Triage(
            paths.state_db(data_dir),
            writer,
            lambda: settings,
            sources=sources,
            asked=asked,
            at_once=at_once,
        )
        triage.also_close(stack.pop_all())
    return triage


def open_consultation(
    config: Config, data_dir: Path, writer: Writer, *, chains: Iterable[str], others: Iterable[str] = ()
) -> Consultation | None:
    """What asks the model, for a thread of its own; None where there is none. Raises UnavailableError, RuleError."""
    if not config.triage.model.enabled:
        return None
    try:
        model = build_model(config.triage.model)
    except OutsideError as error:
        raise UnavailableError(f"triage.model: {error}", "Correct it, or switch the model off") from error
    safety = Safety(config, own=paths.own_places(data_dir))
    settings = settings_of(config, safety, chains, others)
    return Consultation(paths.state_db(data_dir), writer, model, config.triage.model, lambda: settings)


def _providers(config: Config) -> list[Provider]:
    try:
        return find_providers(config.triage.reputation)
    except OutsideError as error:
        raise UnavailableError(
            f"triage.reputation: {error}", "Correct it, or switch the provider off"
        ) from error


def _lookups(
    config: Config, data_dir: Path, writer: Writer, providers: list[Provider], stack: ExitStack
) -> Lookups:
    reputation = config.triage.reputation
    reader = LookupReader(paths.state_db(data_dir))
    stack.callback(reader.close)
    lookups = Lookups(
        reader, writer, providers, wait_s=reputation.wait_ms / 1000, keep_s=reputation.keep_hours * 3600.0
    )
    stack.callback(lookups.close)
    logger.info("addresses are looked up at %s", ", ".join(one.name for one in providers))
    return lookups
