# SPDX-License-Identifier: Apache-2.0
"""Quarantine of real files, on one file system and between two, and attackers who swap what is to be moved."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from innerwarden.config import Config, ResponderConfig
from innerwarden.files import kernel_dev
from innerwarden.model.responder import Answer, Check, Do, Undo
from innerwarden.model.verb import QuarantineFile
from innerwarden.responder import moving
from innerwarden.responder.main import Responder
from innerwarden.responder.skill import Effect, Refusal, SkillError, TargetGone
from innerwarden.responder.skills import quarantine_file
from innerwarden.responder.skills.quarantine_file import Quarantine

pytestmark = pytest.mark.kernel


@pytest.fixture(params=["one file system", "two"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A directory in which the attacker's files lie."""
    made = tmp_path / "attacker"
    made.mkdir()
    if request.param == "one file system":
        yield made
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(made)], check=True)
    yield made
    subprocess.run(["umount", "-l", str(made)], check=True)


@pytest.fixture
def evil(place: Path) -> Path:
    made = place / "evil"
    made.write_bytes(b"#!/bin/sh\necho evil\n")
    os.chown(made, 65534, 65533)
    made.chmod(0o4755)
    os.utime(made, ns=(1_500_000_000_123_456_000, 1_400_000_000_654_321_000))
    with suppress(OSError):
        os.setxattr(made, "security.capability", bytes.fromhex("0100000200200000000000000000000000000000"))
    return made


@pytest.fixture
def responder(tmp_path: Path) -> Iterator[Responder]:
    settings = ResponderConfig(enabled=True, dry_run=False, verbs=("quarantine_file",))
    made = Responder(Config(responder=settings), tmp_path / "data")
    yield made
    made.close()


@pytest.fixture
def skill(tmp_path: Path) -> Quarantine:
    return Quarantine(tmp_path / "quarantine")


def verb_of(path: Path) -> QuarantineFile:
    fd = os.open(path, os.O_PATH | os.O_NOFOLLOW)
    found = os.fstat(fd)
    dev = kernel_dev(fd, found)
    os.close(fd)
    return QuarantineFile(path=str(path), inode=found.st_ino, dev=dev)


def looks(path: Path) -> tuple[object, ...]:
    """All that undo has to bring back."""
    found = path.lstat()
    xattrs = {name: os.getxattr(path, name) for name in os.listxattr(path)}
    return found.st_mode, found.st_uid, found.st_gid, found.st_mtime_ns, xattrs, path.read_bytes()


def kept_files(tmp_path: Path) -> list[Path]:
    """What lies in quarantine, whoever's."""
    return sorted(path for path in tmp_path.glob("**/quarantine/*") if path.suffix != ".json")


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def effect(path: Path, handle: str = "") -> Effect[QuarantineFile]:
    return Effect(request_id="r1", verb=verb_of(path), ttl_s=60, handle=handle)


def ask(responder: Responder, verb: QuarantineFile) -> Answer:
    answer = responder.executor.answer(Do(request_id="r1", verb=verb, ttl_s=600), 0)
    assert isinstance(answer, Answer)
    return answer


def test_nobody_can_read_or_execute_it_and_undo_brings_it_back(
    evil: Path, responder: Responder, tmp_path: Path
) -> None:
    before = looks(evil)
    assert ask(responder, verb_of(evil)).state == "active"
    assert names(evil.parent) == []
    (kept,) = kept_files(tmp_path)
    assert (kept.stat().st_mode & 0o7777, kept.stat().st_uid, kept.parent.stat().st_mode & 0o777) == (
        0,
        0,
        0o700,
    )
    with pytest.raises(PermissionError):
        subprocess.run([str(kept)], check=False)
    assert responder.executor.answer(Check(request_id="r1"), 0).detail == ""
    assert responder.executor.answer(Undo(request_id="r1"), 0).state == "undone"
    assert looks(evil) == before
    assert names(evil.parent) == ["evil"]
    assert list((tmp_path / "data" / "responder" / "quarantine").iterdir()) == []


def test_who_has_it_open_cannot_give_it_a_mode_again(
    evil: Path, responder: Responder, tmp_path: Path
) -> None:
    fd = os.open(evil, os.O_RDONLY)
    ask(responder, verb_of(evil))
    child = os.fork()
    if child == 0:
        try:
            os.setuid(65534)
            os.fchmod(fd, 0o755)
            os._exit(0)
        except PermissionError:
            os._exit(7)
    os.close(fd)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_something_else_in_its_place_is_not_replaced(
    evil: Path, responder: Responder, tmp_path: Path
) -> None:
    ask(responder, verb_of(evil))
    evil.write_text("the operator's own")
    answer = responder.executor.answer(Undo(request_id="r1"), 0)
    assert answer.state == "undoing"
    assert "cannot be put back" in answer.detail
    assert evil.read_text() == "the operator's own"
    assert len(kept_files(tmp_path)) == 1
    evil.unlink()
    assert responder.executor.answer(Undo(request_id="r1"), 0).state == "undone"
    assert b"echo evil" in evil.read_bytes()


def test_a_dry_run_moves_nothing(evil: Path, responder: Responder, tmp_path: Path) -> None:
    before = looks(evil)
    request = Do(request_id="r1", verb=verb_of(evil), ttl_s=600, plan_only=True)
    assert responder.executor.answer(request, 0).plan[0].startswith(f"move {evil} (20 bytes)")
    assert looks(evil) == before
    assert not (tmp_path / "data" / "responder" / "quarantine").exists()


@pytest.mark.parametrize("what", ["inode", "dev", "gone"])
def test_another_file_of_that_name_stays(evil: Path, responder: Responder, tmp_path: Path, what: str) -> None:
    verb = verb_of(evil)
    if what == "gone":
        evil.unlink()
    else:
        seen = {"inode": verb.inode, "dev": verb.dev, what: getattr(verb, what) + 1}
        verb = QuarantineFile(path=str(evil), **seen)
    assert ask(responder, verb).rule == "target_gone"
    assert (evil.exists(), kept_files(tmp_path)) == (what != "gone", [])


@pytest.mark.parametrize("what", ["link", "directory link", "fifo", "directory", "hard link"])
def test_what_is_no_file_of_one_name_is_refused(evil: Path, skill: Quarantine, what: str) -> None:
    """A precious file is what a link leads to."""
    precious = evil
    target = evil.parent / "bait"
    if what == "link":
        target.symlink_to(precious)
    elif what == "directory link":
        (evil.parent / "other").symlink_to(evil.parent)
        target = evil.parent / "other" / "evil"
    elif what == "fifo":
        os.mkfifo(target)
    elif what == "directory":
        target.mkdir()
    else:
        target.hardlink_to(precious)
    before = looks(precious)
    with pytest.raises((Refusal, TargetGone)):
        skill.do(effect(target), lambda handle: None)
    assert looks(precious) == before
    assert target.exists()


@pytest.mark.parametrize("path", ["evil", "/tmp/../etc/passwd", "/tmp//x", "/a\0b", "/"])
def test_a_path_with_detours_is_refused(skill: Quarantine, path: str) -> None:
    with pytest.raises(Refusal):
        skill.plan(QuarantineFile(path=path, inode=1, dev=1), 60)


def test_a_file_swapped_at_the_last_moment_goes_back(
    evil: Path, skill: Quarantine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at it and the rename."""
    rename, swapped = moving.rename, []

    def late(from_dir: int, name: str, to_dir: int, to: str) -> None:
        if name == "evil" and not swapped:
            swapped.append(evil.rename(evil.with_name("hidden")))
            evil.write_text("precious")
        rename(from_dir, name, to_dir, to)

    monkeypatch.setattr(moving, "rename", late)
    kept: list[str] = []
    with pytest.raises(TargetGone):
        skill.do(effect(evil), kept.append)
    skill.undo(effect(evil, kept[-1]))
    assert (evil.read_text(), kept_files(tmp_path)) == ("precious", [])
    assert names(evil.parent) == ["evil", "hidden"]


class Crash(Exception):
    """The process ended here."""


@pytest.mark.parametrize("step", range(12))
@pytest.mark.parametrize("then", ["do", "undo"])
def test_a_crash_between_any_two_steps_loses_nothing(
    evil: Path, skill: Quarantine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int, then: str
) -> None:
    before = looks(evil)
    kept: list[str] = []
    whole = effect(evil)
    with monkeypatch.context() as patch:
        crash_after(patch, step)
        with suppress(Crash):
            skill.do(whole, kept.append)
    again = Effect(request_id="r1", verb=whole.verb, ttl_s=60, handle=kept[-1])
    if then == "do":
        skill.do(again, kept.append)
        assert skill.check(again) is None
        assert names(evil.parent) == []
    skill.undo(again)
    assert looks(evil) == before
    assert (names(evil.parent), kept_files(tmp_path), list(skill.present())) == (["evil"], [], [])


@pytest.mark.parametrize("step", range(8))
def test_a_crash_inside_undo_loses_nothing(
    evil: Path, skill: Quarantine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    before = looks(evil)
    kept: list[str] = []
    whole = effect(evil)
    skill.do(whole, kept.append)
    again = Effect(request_id="r1", verb=whole.verb, ttl_s=60, handle=kept[-1])
    with monkeypatch.context() as patch:
        crash_after(patch, step)
        with suppress(Crash):
            skill.undo(again)
    skill.undo(again)
    assert looks(evil) == before
    assert (names(evil.parent), kept_files(tmp_path)) == (["evil"], [])


def crash_after(patch: pytest.MonkeyPatch, steps: int) -> None:
    """End with the nth call of what changes something, before or after it has."""
    done = [0]
    for module, name in (
        (quarantine_file, "replace_whole"),
        (moving, "rename"),
        (os, "chown"),
        (os, "chmod"),
        (quarantine_file, "_copy"),
        (os, "unlink"),
    ):
        patch.setattr(module, name, counted(getattr(module, name), done, steps))


def counted(call, done, steps):  # type: ignore[no-untyped-def]
    def step(*arguments, **named):  # type: ignore[no-untyped-def]
        if done[0] > steps:
            raise Crash
        result = call(*arguments, **named)
        done[0] += 1
        if done[0] > steps:
            raise Crash
        return result

    return step


def test_an_immutable_file_is_moved_and_is_immutable_again(evil: Path, responder: Responder) -> None:
    if subprocess.run(["chattr", "+i", str(evil)], check=False, capture_output=True).returncode:
        pytest.skip("the file system here has no immutable flag")
    assert ask(responder, verb_of(evil)).state == "active"
    assert responder.executor.answer(Undo(request_id="r1"), 0).state == "undone"
    with pytest.raises(PermissionError):
        evil.unlink()
    subprocess.run(["chattr", "-i", str(evil)], check=True)


def test_what_no_journal_knows_is_found_by_its_note(evil: Path, skill: Quarantine) -> None:
    before = looks(evil)
    verb = verb_of(evil)
    skill.do(effect(evil), lambda handle: None)
    (found,) = skill.present()
    assert found.verb == verb
    skill.undo(Effect(request_id="r2", verb=found.verb, ttl_s=1, handle=found.handle))
    assert (looks(evil), list(skill.present())) == (before, [])
    skill.clear()
    assert not skill._directory.exists()


def test_what_somebody_took_out_of_quarantine_is_missed(
    evil: Path, skill: Quarantine, tmp_path: Path
) -> None:
    kept: list[str] = []
    whole = effect(evil)
    skill.do(whole, kept.append)
    after = Effect(request_id="r1", verb=whole.verb, ttl_s=60, handle=kept[-1])
    (file,) = kept_files(tmp_path)
    file.chmod(0o755)
    assert "not sealed" in str(skill.check(after))
    assert "not sealed" in next(iter(skill.present())).problem
    file.unlink()
    assert "not there" in str(skill.check(after))
    with pytest.raises((TargetGone, SkillError)):
        skill.do(after, kept.append)
    skill.undo(after)
    assert skill.present() == []
