# SPDX-License-Identifier: Apache-2.0
"""Suspending sudo: the real visudo on private files, and the real sudo in a mount namespace with an /etc/sudoers of
the test's own."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from innerwarden.model.verb import SuspendSudo
from innerwarden.responder.skill import Effect, Refusal, SkillError, TargetGone
from innerwarden.responder.skills.suspend_sudo import Suspend
from tests.kernel.net import ROOT

pytestmark = pytest.mark.kernel

USER = "nobody"
UID = pwd.getpwnam(USER).pw_uid
OURS = f"zzzz_innerwarden_{UID}"
#: Someone who may do anything as root without a password.
GRANT = f"{USER} ALL=(ALL:ALL) NOPASSWD: ALL\n"

#: In a mount namespace: what sudo lets the user do, before, while suspended and after.
LIVE = """
import subprocess, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from innerwarden.model.verb import SuspendSudo
from innerwarden.responder.skill import Effect
from innerwarden.responder.skills.suspend_sudo import DIRECTORY, MAIN, Suspend

def may(*more):
    words = ['setpriv', '--reuid', 'nobody', '--clear-groups', 'sudo', '-n', *more, 'id', '-un']
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=20)
    return done.stdout.strip() or 'refused'

skill = Suspend(MAIN, DIRECTORY, Path(sys.argv[2]))
kept = []
effect = Effect(request_id='r1', verb=SuspendSudo(user='nobody'), ttl_s=60)
print(may(), may('-u', 'daemon'))
skill.do(effect, kept.append)
effect = Effect(request_id='r1', verb=effect.verb, ttl_s=60, handle=kept[-1])
print(may(), may('-u', 'daemon'), skill.check(effect))
Path('/etc/sudoers').write_text(Path('/etc/sudoers').read_text() + '\\nnobody ALL=(ALL:ALL) NOPASSWD: ALL\\n')
print(may(), 'goes on after' in str(skill.check(effect)))
skill.undo(effect)
print(may(), may('-u', 'daemon'), sorted(one.name for one in DIRECTORY.iterdir()))
"""


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    if shutil.which("visudo") is None:
        pytest.skip("needs visudo: apt-get install sudo")
    made = tmp_path / "etc"
    (made / "sudoers.d").mkdir(parents=True)
    (made / "sudoers").write_text(f"root ALL=(ALL:ALL) ALL\n@includedir {made}/sudoers.d\n")
    (made / "sudoers.d" / "50-user").write_text(GRANT)
    for place in (made / "sudoers", made / "sudoers.d" / "50-user"):
        place.chmod(0o440)
    return made


@pytest.fixture
def skill(etc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Suspend:
    monkeypatch.setattr("innerwarden.responder.skills.suspend_sudo.who_else_writes", lambda path: None)
    return Suspend(etc / "sudoers", etc / "sudoers.d", tmp_path)


def effect(handle: str = "", user: str = USER) -> Effect[SuspendSudo]:
    return Effect(request_id="r1", verb=SuspendSudo(user=user), ttl_s=60, handle=handle)


def names(etc: Path) -> list[str]:
    return sorted(path.name for path in (etc / "sudoers.d").iterdir())


def test_the_real_sudo_refuses_while_it_is_suspended(tmp_path: Path) -> None:
    if shutil.which("sudo") is None:
        pytest.skip("needs sudo: apt-get install sudo")
    sudoers = tmp_path / "sudoers"
    sudoers.write_text("root ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n")
    below = tmp_path / "sudoers.d"
    below.mkdir(mode=0o755)
    (below / "50-user").write_text(GRANT)
    for place in (sudoers, below / "50-user"):
        place.chmod(0o440)
    mounts = (
        'mount --bind "$0/sudoers" /etc/sudoers && mount --bind "$0/sudoers.d" /etc/sudoers.d && exec "$@"'
    )
    words = ["unshare", "-m", "--propagation", "private", "sh", "-c", mounts, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT}/core"}
    done = subprocess.run(
        [*words, sys.executable, "-c", LIVE, str(ROOT), str(tmp_path)],
        capture_output=True, text=True, check=False, timeout=90, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    before, while_suspended, undermined, after = done.stdout.splitlines()
    if before == "refused refused":
        pytest.skip("sudo gains no rights here: no set-user-id programs on this file system")
    assert before == "root daemon"
    assert while_suspended == "refused refused None"
    assert undermined == "root True"
    assert after == "root daemon ['50-user']"


def test_one_file_that_sudo_reads_last_and_undo_removes(etc: Path, skill: Suspend) -> None:
    kept: list[str] = []
    skill.do(effect(), kept.append)
    assert kept[-1] == OURS
    place = etc / "sudoers.d" / OURS
    assert place.read_text().splitlines()[1] == f"#{UID} ALL=(ALL:ALL) !ALL"
    assert (place.stat().st_mode & 0o7777, place.stat().st_uid) == (0o440, 0)
    assert skill.check(effect(OURS)) is None
    assert [(found.verb, found.handle) for found in skill.present()] == [(SuspendSudo(user=USER), OURS)]
    skill.do(effect(OURS), kept.append)
    skill.undo(effect(OURS))
    skill.undo(effect(OURS))
    assert (names(etc), list(skill.present())) == (["50-user"], [])
    assert "not there" in str(skill.check(effect(OURS)))


def test_a_dry_run_writes_nothing(etc: Path, skill: Suspend, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert skill.plan(SuspendSudo(user=USER), 60)[1].endswith(f"{OURS}: #{UID} ALL=(ALL:ALL) !ALL")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("root ALL=(ALL:ALL) ALL\n", "sudoers"),
        ("@includedir {etc}/elsewhere\n", "sudoers"),
        ("# @includedir {etc}/sudoers.d\n", "sudoers"),
        ("@includedir {etc}/sudoers.d\n%sudo ALL=(ALL) ALL\n", "sudoers"),
        ("@includedir {etc}/sudoers.d\n@include {etc}/more\n", "sudoers"),
        ("@includedir {etc}/sudoers.d\n#65534 ALL=(ALL) ALL\n", "sudoers"),
        ("root ALL=ALL ALL=\n@includedir {etc}/sudoers.d\n", "visudo"),
    ],
)
def test_where_the_file_would_not_be_the_last_word_nothing_is_written(
    etc: Path, skill: Suspend, text: str, rule: str
) -> None:
    (etc / "sudoers").chmod(0o640)
    (etc / "sudoers").write_text(text.format(etc=etc))
    with pytest.raises(Refusal) as refused:
        skill.do(effect(), lambda handle: None)
    assert (refused.value.rule, names(etc)) == (rule, ["50-user"])


@pytest.mark.parametrize("line", ["", "# a comment", "Defaults env_reset", "User_Alias OPS = root"])
def test_what_grants_nothing_may_follow(etc: Path, skill: Suspend, line: str) -> None:
    (etc / "sudoers").chmod(0o640)
    (etc / "sudoers").write_text(f"#includedir {etc}/sudoers.d\n{line}\n")
    skill.do(effect(), lambda handle: None)
    assert skill.check(effect(OURS)) is None


def test_it_sorts_behind_what_others_named_to_be_last(etc: Path, skill: Suspend) -> None:
    for name in ("zzzzz-mine", "zzzzzzzz.ignored", "zzzzzzzzz~"):
        (etc / "sudoers.d" / name).write_text(GRANT)
    kept: list[str] = []
    skill.do(effect(), kept.append)
    assert kept[-1] > "zzzzz-mine"
    assert skill.check(effect(kept[-1])) is None
    (etc / "sudoers.d" / "zzzzzzz-later").write_text(GRANT)
    assert "is read after" in str(skill.check(effect(kept[-1])))
    assert "is read after" in next(iter(skill.present())).problem
    (etc / "sudoers.d" / "{").write_text(GRANT)
    with pytest.raises(Refusal):
        skill.do(effect(), lambda handle: None)


@pytest.mark.parametrize(
    "user", ["root", "ALL", "%sudo", "-x", "a\nALL ALL=(ALL) ALL", "nobody ALL", "#0", "", "a!"]
)
def test_what_is_no_user_is_refused(etc: Path, skill: Suspend, user: str) -> None:
    with pytest.raises(Refusal):
        skill.do(effect(user=user), lambda handle: None)
    with pytest.raises(Refusal):
        skill.plan(SuspendSudo(user=user), 60)
    assert names(etc) == ["50-user"]


def test_a_user_who_is_not_there_is_gone(etc: Path, skill: Suspend) -> None:
    with pytest.raises(TargetGone):
        skill.do(effect(user="nobody-of-this-name"), lambda handle: None)


def test_a_changed_file_is_noticed_and_another_ones_file_is_not_removed(etc: Path, skill: Suspend) -> None:
    skill.do(effect(), lambda handle: None)
    place = etc / "sudoers.d" / OURS
    place.chmod(0o644)
    assert "not as it was written" in str(skill.check(effect(OURS)))
    place.write_text(GRANT)
    place.chmod(0o440)
    assert "not as it was written" in str(skill.check(effect(OURS)))
    skill.undo(effect(OURS))
    assert place.read_text() == GRANT


@pytest.mark.parametrize("handle", ["../sudoers", "50-user", "zzzz_innerwarden_1/../50-user"])
def test_a_handle_that_is_no_file_of_ours_removes_nothing(etc: Path, skill: Suspend, handle: str) -> None:
    with pytest.raises(SkillError, match="no file of ours"):
        skill.undo(effect(handle))
    assert names(etc) == ["50-user"]
