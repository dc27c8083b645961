# SPDX-License-Identifier: Apache-2.0
"""Which entry covers a finding: conditions together, longest prefix, expiry, files as they are on disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from innerwarden.model.severity import Severity
from innerwarden.trust import Actor, Entry, Executable, Image, Subject
from innerwarden.trust.programs import Programs, device_text, image_of_file
from tests.unit.trust.support import DAY, NOW_NS, entry, needs_root, roots_own, trust


def about(**fields: object) -> Subject:
    usual: dict[str, object] = {"detector": "web_scan", "module": "web-protection", "tags": ("attack.t1595",)}
    return Subject(**(usual | fields))  # type: ignore[arg-type]


def by(subject: Subject, *entries: Entry, now_ns: int = NOW_NS) -> str | None:
    verdict = trust(*entries).judge(subject, now_ns)
    return verdict.by.entry.id if verdict.by else None


def test_detectors_are_meant_by_id_module_or_tag() -> None:
    subject = about(addresses=("192.0.2.7",))
    net = ("192.0.2.0/24",)
    for names in (
        ("all",),
        ("web_scan",),
        ("module:web-protection",),
        ("tag:attack.t1595",),
        ("x", "web_scan"),
    ):
        assert by(subject, entry(detectors=names, networks=net)) == "one", names
    for names in (("web",), ("web-protection",), ("attack.t1595",), ("module:web_scan",), ("tag:t1595",)):
        assert by(subject, entry(detectors=names, networks=net)) is None, names


def test_every_address_must_lie_in_the_networks() -> None:
    mine = entry(networks=("192.0.2.0/24", "2001:db8::/32"))
    assert by(about(addresses=("192.0.2.7", "2001:db8::1")), mine) == "one"
    assert by(about(addresses=("::ffff:192.0.2.7",)), mine) == "one"
    assert by(about(addresses=("192.0.2.7", "198.51.100.1")), mine) is None
    assert by(about(), mine) is None


def test_the_longest_prefix_decides_and_a_tie_distrusts() -> None:
    wide, never = (
        entry("wide", networks=("10.0.0.0/8",)),
        entry("never", networks=("10.1.0.0/16",), distrust=True),
    )
    again = entry("again", networks=("10.1.2.0/24",))
    tie = entry("tie", networks=("10.1.2.0/24",), distrust=True)
    assert by(about(addresses=("10.2.0.1",)), wide, never) == "wide"
    assert by(about(addresses=("10.1.0.1",)), wide, never) is None
    assert by(about(addresses=("10.1.2.1",)), wide, never, again) == "again"
    assert by(about(addresses=("10.1.2.1",)), wide, never, again, tie) is None
    # An entry that lies above the distrust does not come back where the one below it has another objection.
    narrow = entry("narrow", networks=("10.1.2.0/24",), uids=(7,))
    assert by(about(addresses=("10.1.2.1",)), wide, never, narrow) is None


def test_a_distrust_counts_for_its_detectors_and_until_its_expiry() -> None:
    wide = entry("wide", networks=("10.0.0.0/8",))
    subject = about(addresses=("10.1.0.1",))
    other = entry("never", networks=("10.1.0.0/16",), distrust=True, detectors=("ssh_bruteforce",))
    assert by(subject, wide, other) == "wide"
    ended = entry("never", networks=("10.1.0.0/16",), distrust=True, expires=DAY)
    assert by(subject, wide, ended) == "wide"


def test_an_entry_ends_with_its_moment() -> None:
    mine = entry(networks=("192.0.2.0/24",), expires=DAY + timedelta(hours=1))
    assert by(about(addresses=("192.0.2.7",)), mine, now_ns=NOW_NS - 1) == "one"
    assert by(about(addresses=("192.0.2.7",)), mine, now_ns=NOW_NS) is None


def test_what_is_graver_than_up_to_is_marked_and_not_lowered() -> None:
    mine = entry(networks=("192.0.2.0/24",), up_to=Severity.HIGH)
    for severity, lowered in ((Severity.LOW, True), (Severity.HIGH, True), (Severity.CRITICAL, False)):
        verdict = trust(mine).judge(about(addresses=("192.0.2.7",), severity=severity), NOW_NS)
        assert verdict.by is not None
        assert verdict.lowered is lowered
    assert entry().up_to is Severity.MEDIUM


@pytest.fixture
def program() -> Iterator[Path]:
    with roots_own() as directory:
        path = directory / "tool"
        path.write_bytes(b"\x7fELF tool")
        path.chmod(0o755)
        yield path


def ran(path: Path, *ancestors: Path, uid: int = 0) -> Actor:
    return Actor(
        own=image_of_file(str(path), uid), ancestors=tuple(image_of_file(str(one)) for one in ancestors)
    )


def objection(wanted: Executable, image: Image) -> str | None:
    return Programs().objection(wanted, image)


@needs_root
def test_a_file_of_roots_is_known_by_path_inode_and_content(program: Path) -> None:
    image = image_of_file(str(program))
    assert image.inode is not None
    assert image.dev is not None
    wanted = Executable(path=str(program))
    assert objection(wanted, image) is None
    pinned = Executable(path=str(program), inode=image.inode, dev=device_text(image.dev))
    assert objection(pinned, image) is None
    digest = "f8b2bf4ea0ac3bb39c9ec4c3e1a7d54e1c5f9a4c4b2e7b1f3c6a1b2c3d4e5f60"
    assert "content" in str(objection(Executable(path=str(program), sha256=digest), image))
    other = Image(path=str(program), inode=image.inode + 1, dev=image.dev)
    assert "another one than it runs" in str(objection(wanted, other))
    elsewhere = Image(path=str(program), inode=image.inode, dev=image.dev + 1)
    assert "another one than it runs" in str(objection(wanted, elsewhere))
    assert "not known" in str(objection(wanted, Image(path=str(program))))
    assert "not known" in str(objection(wanted, Image()))


@needs_root
def test_a_replaced_file_is_another_one(program: Path) -> None:
    image = image_of_file(str(program))
    fresh = program.with_name("fresh")
    fresh.write_bytes(b"\x7fELF other")
    fresh.rename(program)
    assert "replaced" in str(objection(Executable(path=str(program)), image))
    dev = device_text(image.dev or 0)
    pinned = Executable(path=str(program), inode=image.inode, dev=dev)
    assert "was replaced" in str(objection(pinned, image_of_file(str(program))))


@needs_root
def test_changed_content_of_the_same_file_is_noticed(program: Path) -> None:
    import hashlib

    image = image_of_file(str(program))
    wanted = Executable(path=str(program), sha256=hashlib.sha256(program.read_bytes()).hexdigest())
    programs = Programs()
    assert programs.objection(wanted, image) is None
    assert programs.objection(wanted, image) is None
    assert programs.hashed == 1
    with program.open("r+b") as file:
        file.write(b"\x7fELF evil")
    assert "content" in str(programs.objection(wanted, image))
    assert programs.hashed == 2


@needs_root
@pytest.mark.parametrize("mode", [0o775, 0o757, 0o1777])
def test_what_others_may_write_is_not_trusted(program: Path, mode: int) -> None:
    image, wanted = image_of_file(str(program)), Executable(path=str(program))
    program.parent.chmod(mode)
    assert "may be written by others" in str(objection(wanted, image))
    program.parent.chmod(0o755)
    assert objection(wanted, image) is None
    program.chmod(mode)
    assert "may be written by others" in str(objection(wanted, image))


@needs_root
def test_another_owner_and_a_link_are_not_trusted(program: Path) -> None:
    image, wanted = image_of_file(str(program)), Executable(path=str(program))
    os.chown(program, 12345, 0)
    assert "belongs to uid 12345" in str(objection(wanted, image))
    os.chown(program, 0, 0)
    link = program.with_name("link")
    link.symlink_to(program)
    assert "symbolic link" in str(objection(Executable(path=str(link)), image_of_file(str(link))))


def test_a_file_below_tmp_is_never_trusted(tmp_path: Path) -> None:
    path = tmp_path / "tool"
    path.write_bytes(b"x")
    path.chmod(0o755)
    assert "others may change it" in str(objection(Executable(path=str(path)), image_of_file(str(path))))


@needs_root
def test_user_and_ancestor_narrow(program: Path) -> None:
    agent = program.with_name("agent")
    shutil.copy(program, agent)
    mine = entry(exe=Executable(path=str(program)), ancestor=Executable(path=str(agent)), uids=(0, 33))
    other = Path("/usr/bin/env").resolve()
    assert by(about(actors=(ran(program, other, agent),)), mine) == "one"
    assert by(about(actors=(ran(program, other),)), mine) is None
    assert by(about(actors=(ran(program, agent, uid=34),)), mine) is None
    assert by(about(actors=(ran(agent, agent),)), mine) is None
    assert by(about(), mine) is None
    # Of several processes every one must be covered.
    assert by(about(actors=(ran(program, agent), ran(other, agent))), mine) is None
    assert by(about(actors=(ran(program, agent), ran(program, agent))), mine) == "one"


@needs_root
def test_a_distrusted_address_speaks_against_a_program_as_well(program: Path) -> None:
    mine = entry(exe=Executable(path=str(program)))
    never = entry("never", networks=("203.0.113.0/24",), distrust=True)
    assert by(about(actors=(ran(program),), addresses=("198.51.100.1",)), mine, never) == "one"
    assert by(about(actors=(ran(program),), addresses=("203.0.113.9",)), mine, never) is None


@needs_root
def test_a_package_of_an_interpreter_is_not_enough() -> None:
    shell = Path("/usr/bin/dash")
    if not shell.exists():
        pytest.skip("no /usr/bin/dash here: install dash")
    mine = entry(exe=Executable(package="dash"))
    assert by(about(actors=(ran(shell),)), mine) is None
    verdict = trust(mine).judge(about(actors=(ran(shell),)), NOW_NS)
    assert "runs whatever it is given" in str(verdict.answers[0].objection)
