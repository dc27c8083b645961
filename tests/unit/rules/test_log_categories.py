# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501 - a log line is one line
"""Rules in the field's words on log lines: categories webserver and firewall, through the real parsers."""

from __future__ import annotations

import pytest
from innerwarden_core import AuthParser, Engine, LineParser, WebParser

from innerwarden.rules.compiler import Compiled, compile_sources
from innerwarden.rules.program import RuleSource

NOW_S = 1_795_252_800
REQUEST = '192.0.2.7 - kim [02/Nov/2026:10:00:00 +0000] "POST /json/setup-restore.action?x=%2e%2e%2f HTTP/1.1" 200 512 "https://example.org/" "Tool/1.0"'
PACKET = "2026-11-02T10:00:00+00:00 web kernel: [UFW BLOCK] IN=eth0 OUT= SRC=198.51.100.7 DST=203.0.113.5 LEN=40 PROTO=TCP SPT=55555 DPT=22 SYN URGP=0"


def compiled(source: str, detection: str) -> Compiled:
    text = f"""
title: A rule
id: 0b7f4a52-2c55-4c4e-8f6e-0d7b8f3a9c11
logsource: {{{source}}}
detection:
  s: {detection}
  condition: s
level: low
innerwarden: {{summary: s, checks: [c], blind_spots: [b]}}
"""
    return compile_sources([RuleSource(name="r.yml", stem="a_rule", text=text)])


def fires(source: str, detection: str, line: str, parser: LineParser) -> bool:
    result = compiled(source, detection)
    assert result.problems == ()
    engine = Engine()
    engine.configure([rule.native() for rule in result.rules], [], [])
    return bool(engine.feed_lines(line.encode() + b"\n", parser)[0])


WEB = [
    ("{cs-method: POST, sc-status: 200}", True),
    ("{cs-method: GET}", False),
    ("{sc-status: [403, 404]}", False),
    ("{sc-status|gte: 200, sc-status|lt: 300}", True),
    ("{cs-uri-stem: /json/setup-restore.action}", True),
    ("{cs-uri-stem|contains: x=}", False),
    ("{cs-uri-query|contains: /json/setup-restore.action}", True),
    ("{cs-uri-query|contains: x=%2e}", True),
    ("{cs-uri|endswith: '%2f'}", True),
    ("{url_query|startswith: x=}", True),
    ("{url_decoded|contains: x=../}", True),
    ("{c-ip|cidr: 192.0.2.0/24}", True),
    ("{c-ip: 192.0.2.8}", False),
    ("{cs-username: kim}", True),
    ("{cs-user-agent|startswith: tool}", True),
    ("{cs-referer|contains: example.org}", True),
    ("{sc-bytes|gt: 511}", True),
    ("[setup-restore, nothing-like-it]", True),
    ("[nothing-like-it]", False),
]


@pytest.mark.parametrize(("detection", "expected"), WEB)
def test_webserver(detection: str, expected: bool) -> None:
    assert fires("category: webserver", detection, REQUEST, WebParser(now_s=NOW_S)) is expected


FIREWALL = [
    ("{src_ip: 198.51.100.7, dst_port: 22, action: block}", True),
    ("{protocol: tcp, tcp_flags: SYN}", True),
    ("{protocol: udp}", False),
    ("{action: allow}", False),
    ("{dst_ip|cidr: 203.0.113.0/24, out_interface: null}", True),
]


@pytest.mark.parametrize(("detection", "expected"), FIREWALL)
def test_firewall(detection: str, expected: bool) -> None:
    assert fires("category: firewall", detection, PACKET, AuthParser(now_s=NOW_S)) is expected


def test_keywords_for_authentication_logs_do_not_search_the_webs() -> None:
    """`service: auth` means what authentication logs say, not every kind of log line."""
    rule = compiled("product: linux, service: auth", "[setup-restore]").rules[0]
    assert not {kind.partition(".")[0] for kind in rule.kinds} & {"web", "firewall", "kernel"}


def test_a_field_of_another_log_is_refused() -> None:
    result = compiled("category: firewall", "{cs-method: GET}")
    assert len(result.problems) == 1 and "cs-method" in result.problems[0]
