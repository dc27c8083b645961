# SPDX-License-Identifier: Apache-2.0
"""Which keys a finding has, and which would only say that two things happen on one host."""

from __future__ import annotations

import msgspec
import pytest

from innerwarden.agent.correlate.keys import keys_of
from innerwarden.agent.correlate.registry import find_parts
from innerwarden.model.entity import EntityRef, EntityType
from innerwarden.model.finding import Process, ProcessRef
from tests.unit.agent.support import finding, process, user_of

FULL = "0123456789abcdef" * 4


def keys(detector: str = "x", *entities: EntityRef, acting: Process | None = None) -> set[str]:
    return set(keys_of(finding(detector, entities=entities, process=acting), user_of, find_parts()))


@pytest.mark.parametrize(
    ("entity", "expected"),
    [
        (EntityRef.ip("192.0.2.1"), {"ip:192.0.2.1"}),
        (EntityRef.ip("127.0.0.1"), set()),
        (EntityRef.ip("::1"), set()),
        (EntityRef.ip("0.0.0.0"), set()),
        (EntityRef(EntityType.IP, "nonsense"), set()),
        (EntityRef.user("ana"), {"user:ana", "account:ana"}),
        (EntityRef.service("postfix"), {"service:postfix"}),
        (EntityRef.container(FULL), {"container:0123456789ab"}),
        (EntityRef.container("0123456789ab"), {"container:0123456789ab"}),
        (EntityRef.container("shop"), {"container:shop"}),
        (EntityRef.path("/home/ana/x"), {"path:/home/ana/x"}),
        (EntityRef.path("/usr/bin/bash"), set()),
        (EntityRef.process(7, 9_870_000_000), {"process:7:987"}),
        (EntityRef.process(7, 9_871_234_567), {"process:7:987"}),
        (EntityRef.process(7, 0), set()),
        (EntityRef.path(""), set()),
    ],
)
def test_of_an_entity(entity: EntityRef, expected: set[str]) -> None:
    assert keys("x", entity) == expected


def test_of_a_process_below_a_login() -> None:
    acting = process(77, 5000, 400, user="root", login_uid=1000)
    assert keys(acting=acting) == {"process:77:0", "process:5000:0", "user:ana", "account:ana"}


def test_what_no_login_started_and_runs_as_root_has_no_user() -> None:
    assert keys(acting=process(77, 400, user="root")) == {"process:77:0", "account:root"}
    assert keys(acting=process(77, 400, user="www-data")) >= {"user:www-data", "account:www-data"}


def test_a_process_in_a_container_names_it() -> None:
    inside = msgspec.structs.replace(process(77, 5000, 400), container_id=FULL)
    assert "container:0123456789ab" in keys(acting=inside)


def test_what_runs_below_the_web_server_is_about_it() -> None:
    chain = (
        ProcessRef(pid=6, start_ns=6, ppid=5, exe="/bin/sh"),
        ProcessRef(pid=5, start_ns=5, ppid=4, exe="/usr/sbin/php-fpm8.2"),
        ProcessRef(pid=4, start_ns=4, ppid=1, exe="/usr/sbin/php-fpm8.2"),
    )
    below = Process(pid=7, start_ns=7, ppid=6, exe="/usr/bin/id", ancestors=chain)
    assert "part:web" in keys(acting=below)
    beside = msgspec.structs.replace(below, ancestors=chain[:1])
    assert "part:web" not in keys(acting=beside)


def test_a_log_source_belongs_to_its_part() -> None:
    assert "part:web" in keys("baseline_rate_spike", EntityRef.service("web.request"))
    assert "part:web" not in keys("baseline_rate_spike", EntityRef.service("ssh.login_failed"))
    assert "part:logging" in keys("baseline_silence", EntityRef.service("ssh.login_failed"))
