# SPDX-License-Identifier: Apache-2.0
"""Start files: real ones below a root of the test."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from innerwarden.model._wire import Change
from innerwarden.sensor.inventory import service_units
from innerwarden.sensor.inventory.baseline import Baseline
from innerwarden.sensor.inventory.service_units import ServiceUnits, started
from innerwarden.sensor.inventory.unit_places import PLACES
from tests.unit.sensor.inventory.support import changes, looked, write

UNIT = "[Service]\n#ExecStart=/no\nExecStartPre=-/bin/a\nExecStart=/usr/bin/x \\\n  --flag\nRestart=always\n"


def collector(root: Path, path: Path | None = None) -> ServiceUnits:
    return ServiceUnits(Baseline("service_units", path), str(root))


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.path)
def test_a_new_file_in_every_place_is_seen(tmp_path: Path, place: object) -> None:
    path, depth = place.path.replace("*", "bob"), place.depth  # type: ignore[attr-defined]
    file = tmp_path / path.lstrip("/") if depth == 0 else tmp_path / path.lstrip("/") / "new"
    file.parent.mkdir(parents=True)
    one = collector(tmp_path)
    assert looked(one) == []
    file.write_text("Exec=/bin/x\n")
    assert changes(looked(one)) == {str(file): Change.APPEARED}


def test_what_a_unit_starts_is_in_the_record(tmp_path: Path) -> None:
    unit = write(tmp_path / "etc/systemd/system/x.service", UNIT)
    found = looked(collector(tmp_path))
    assert [fact["value"] for fact in found] == ["ExecStartPre=-/bin/a; ExecStart=/usr/bin/x    --flag"]
    assert found[0]["name"] == "x.service"
    assert found[0]["sha256"] == hashlib.sha256(UNIT.encode()).hexdigest()
    assert found[0]["reason"] == "a systemd unit was there at the first look"
    unit.write_text(UNIT.replace("/usr/bin/x", "/tmp/y"))
    changed = looked(collector(tmp_path))
    assert "/tmp/y" in changed[0]["value"]


def test_appeared_changed_vanished(tmp_path: Path) -> None:
    base = tmp_path / "etc/cron.d"
    stays, goes, mode = (write(base / name, "* * * * * root x\n") for name in ("stays", "goes", "mode"))
    one = collector(tmp_path)
    assert set(changes(looked(one)).values()) == {Change.BASELINE}
    assert looked(one) == []
    stays.write_text("* * * * * root y\n")
    goes.unlink()
    mode.chmod(0o777)
    new = write(base / "new", "@reboot root z\n")
    found = looked(one)
    assert changes(found) == {
        str(stays): Change.CHANGED,
        str(mode): Change.CHANGED,
        str(goes): Change.VANISHED,
        str(new): Change.APPEARED,
    }
    by_path = {fact["path"]: fact for fact in found}
    assert by_path[str(stays)]["old_value"] == "* * * * * root x"
    assert by_path[str(stays)]["value"] == "* * * * * root y"


def test_links_and_drop_ins_count(tmp_path: Path) -> None:
    base = tmp_path / "etc/systemd/system"
    link = base / "multi-user.target.wants/x.service"
    link.parent.mkdir(parents=True)
    one = collector(tmp_path)
    looked(one)
    link.symlink_to("/tmp/x.service")
    drop = write(base / "ssh.service.d/override.conf", "[Service]\nExecStartPost=/tmp/x\n")
    found = looked(one)
    assert changes(found) == {str(link): Change.APPEARED, str(drop): Change.APPEARED}
    assert {fact["value"] for fact in found} == {"-> /tmp/x.service", "ExecStartPost=/tmp/x"}
    link.unlink()
    link.symlink_to("/tmp/y.service")
    assert changes(looked(one)) == {str(link): Change.CHANGED}


def test_a_directory_with_two_names_counts_once(tmp_path: Path) -> None:
    write(tmp_path / "usr/lib/systemd/system/x.service", UNIT)
    (tmp_path / "lib").symlink_to("usr/lib")
    assert len(looked(collector(tmp_path))) == 1


def test_more_directories_of_units(tmp_path: Path) -> None:
    one = ServiceUnits(Baseline("service_units"), more=[str(tmp_path / "opt")])
    looked(one)
    unit = write(tmp_path / "opt/x.service", UNIT)
    assert changes(looked(one)) == {str(unit): Change.APPEARED}


def test_a_restart_compares_with_what_was_saved(tmp_path: Path) -> None:
    root, file = tmp_path / "root", tmp_path / "baseline.json"
    write(root / "etc/crontab", "")
    one = collector(root, file)
    looked(one)
    one.baseline.save()
    new = write(root / "etc/rc.local", "/tmp/x\n")
    assert changes(looked(collector(root, file))) == {str(new): Change.APPEARED}


def test_more_files_than_are_remembered_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_units, "FILES", 3)
    for number in range(5):
        write(tmp_path / f"etc/cron.d/{number}")
    one = collector(tmp_path)
    assert len(looked(one)) == 3
    assert "2 files more" in one.remark()


@pytest.mark.parametrize(
    ("content", "keys", "found"),
    [
        (b"", ("",), ""),
        (b"# a\n\n  ; b\n", ("",), ""),
        (b"a\n b \n", ("",), "a; b"),
        (b"Exec=x\nExecStart=y\nWants=z\n", ("Exec",), "Exec=x; ExecStart=y"),
        (b"\xff\xfe root x\n", ("",), "\udcff\udcfe root x"),
        (b"a" * 5000, ("",), "a" * 1024),
        (b"x\n", (), ""),
    ],
)
def test_what_a_file_starts(content: bytes, keys: tuple[str, ...], found: str) -> None:
    assert started(content, keys) == found
