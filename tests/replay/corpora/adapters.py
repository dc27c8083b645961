# SPDX-License-Identifier: Apache-2.0
"""How each corpus is judged: as its README says, through the product's own parsers and detectors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from innerwarden.modules.log_sources import PARSERS, READERS
from tests.replay.corpora.reading import Read, Stream, alerted, read_file
from tests.replay.corpora.truth import Adapter, Case, Verdict, skipped, verdict

AUTH, SERVICE, WEB = "auth_log", "service_log", "nginx_access"
#: The corpora's collectors -> our sources that may read such lines, the likeliest first.
SOURCES: dict[str, tuple[str, ...]] = {
    "auth_log": (AUTH, SERVICE),
    "journald": (AUTH, SERVICE),
    "syslog_firewall": ("kernel_log",),
    "nginx": (WEB, SERVICE),
    "nginx_access": (WEB, SERVICE),
    "nginx_error": (WEB,),
    "other": (SERVICE, AUTH, WEB),
    "exec_audit": ("auditd",),
    "cloudtrail": ("cloudtrail",),
    "docker": ("docker",),
}
#: "At least 5 password failures within 600 s"; shipped is 8 within 300 s.
LOGHUB_THRESHOLD = '{"ssh_bruteforce": {"parameters": {"timespan_s": 600, "threshold_count": 5}}}'
NO_COLLECTOR = {
    "k8s": "no collector of Kubernetes audit logs",
    "osquery_log": "osquery is read by a recipe, which passes on what changed and judges nothing",
    "suricata_eve": "Suricata is read by a recipe, which passes its alerts on",
}


def loghub(directory: Path, cases: list[Case]) -> Iterator[Verdict]:
    """Alerted sources of the file, by the shipped SSH detectors, ssh_bruteforce with the corpus's own threshold."""
    for case in cases:
        path = directory / case.input
        first, last = case.lines or (1, None)
        read = read_file(path, (AUTH,), LOGHUB_THRESHOLD)[first - 1 : last]
        found = alerted(read)
        source, expected = case.expect.source or "", bool(case.expect.alert)
        told = source in found
        why = f"expected {'an alert' if expected else 'none'}: {case.expect.rule}"
        yield verdict(case, case.input.rsplit("/", 1)[1], told == expected, why, source)


def fail2ban(directory: Path, cases: list[Case]) -> Iterator[Verdict]:
    """Line and source; a deferred failure has no verdict."""
    for case in cases:
        group = f"{case.kind}" if case.collector == "auth_log" else f"{case.collector}: {case.kind}"
        if case.collector in NO_COLLECTOR:
            yield skipped(case, group, NO_COLLECTOR[case.collector])
            continue
        if case.expect.event is None or not case.lines:
            yield skipped(case, group, "deferred by fail2ban: no verdict on the line itself")
            continue
        read = read_file(directory / case.input, SOURCES[case.collector])
        yield _line(case, group, read[case.lines[-1] - 1], case.expect.host, bool(case.expect.event))


def _line(case: Case, group: str, read: Read, source: str | None, expected: bool) -> Verdict:
    agrees = read.suspicious and read.names(source) if expected else not read.suspicious
    wanted = f"an event from {source or 'anywhere'}" if expected else "nothing"
    return verdict(case, group, agrees, f"expected {wanted}, got {read.said()}", read.text)


def crowdsec(directory: Path, cases: list[Case]) -> Iterator[Verdict]:
    """Scenarios: every source that is to be alerted is. Parsers: the line is an event of that source."""
    for case in cases:
        group = f"{case.kind}: {case.collector}"
        if case.collector in NO_COLLECTOR:
            yield skipped(case, group, NO_COLLECTOR[case.collector])
            continue
        if case.collector == "exec_audit" and case.kind == "scenario":
            yield skipped(case, group, "its source is a process id: which one alerts is counted differently")
            continue
        path = directory / case.input
        read = read_file(path, SOURCES[case.collector])
        if case.kind == "scenario":
            found = alerted(read)
            missing = sorted(set(case.expect.sources) - found)
            agrees = not missing if case.expect.sources else not found
            why = f"no alert for {', '.join(missing)}" if missing else f"alerts: {', '.join(sorted(found))}"
            yield verdict(case, group, agrees, why, case.input)
        elif case.lines:
            one = read[case.lines[0] - 1]
            if not one.understood and case.expect.service:
                one = Stream(AUTH).read(one.text.encode(), case.expect.service)
            yield _parsed(case, group, one)


def _parsed(case: Case, group: str, read: Read) -> Verdict:
    """A parser test wants an event of the line, whether it is harmless or not; false wants no failed login."""
    if not case.expect.event:
        why = f"expected nothing, got {read.said()}"
        return verdict(case, group, not read.suspicious, why, read.text)
    agrees = read.kind is not None and read.names(case.expect.source_ip)
    return verdict(case, group, agrees, f"expected {case.expect.source_ip}, got {read.said()}", read.text)


def wazuh(_directory: Path, cases: list[Case]) -> Iterator[Verdict]:
    """One line at a time: an event that stands for something wrong, or an alert, from level 5 on."""
    for case in cases:
        if case.collector in NO_COLLECTOR or case.log is None:
            yield skipped(case, case.collector, NO_COLLECTOR.get(case.collector, "no line"))
            continue
        line = _docker_event(case.log) if case.collector == "docker" else case.log.encode()
        best: Read | None = None
        for source in SOURCES[case.collector]:
            read = Stream(source).read(line)
            if best is None or (read.kind is not None and best.kind is None):
                best = read
        assert best is not None
        expected = bool(case.expect.alert)
        wanted = "an event" if expected else "none"
        why = f"expected {wanted} ({case.expect.desc}), got {best.said()}"
        told = (
            best.suspicious or best.kind in OPERATIONAL or (best.kind is not None and best.source in READERS)
        )
        agrees = told if expected else not best.suspicious
        yield verdict(case, case.collector, agrees, why, case.log)


#: Kinds that are an answer to a rule of Wazuh's above level 4, though they stand for nothing wrong by themselves.
OPERATIONAL = frozenset(("firewall.packet", "kernel.log", "user.change"))


def _docker_event(log: str) -> bytes:
    """Wazuh wraps Docker's own event."""
    tree = msgspec.json.decode(log.encode())
    return msgspec.json.encode(tree.get("docker", tree))


def panther(directory: Path, cases: list[Case]) -> Iterator[Verdict]:
    """One JSON log a case; its source is the collector's name, once there is such a source."""
    for case in cases:
        if case.collector not in {*PARSERS, *READERS}:
            yield skipped(case, case.collector, NO_COLLECTOR[case.collector])
            continue
        event = msgspec.json.decode((directory / case.input).read_bytes())
        read = Stream(case.collector).read(msgspec.json.encode(event))
        expected = bool(case.expect.alert)
        why = f"expected {'an alert' if expected else 'none'} ({case.expect.title}), got {read.said()}"
        yield verdict(case, case.collector, bool(read.findings) == expected, why, case.input)


ADAPTERS: dict[str, Adapter] = {
    "loghub": loghub,
    "fail2ban": fail2ban,
    "crowdsec": crowdsec,
    "wazuh": wazuh,
    "panther": panther,
}
