# SPDX-License-Identifier: Apache-2.0
"""A package is the same bytes for the same content, and a hostile one leaves nothing behind."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from innerwarden.errors import ModuleError, UsageError
from innerwarden.modules import state as states
from innerwarden.modules.install import find, install, read_source, remove
from innerwarden.modules.package import LIST, MAX_BYTES, of_directory, pack, unpack
from innerwarden.modules.state import ModuleState
from tests.unit.modules.sample import write_module

Change = Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]


@pytest.fixture
def operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where modules are installed."""
    monkeypatch.setenv("INNERWARDEN_MODULES", str(tmp_path / "installed"))
    return tmp_path / "installed"


@pytest.fixture
def module(tmp_path: Path) -> Path:
    write_module(tmp_path, "net-watch")
    return tmp_path / "net-watch"


def changed(module: Path, change: Change) -> Path:
    """The module's package with other entries than it should have."""
    data = gzip.decompress(pack(of_directory(module)))
    entries = []
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for entry in archive:
            file = archive.extractfile(entry)
            entries.append((entry, file.read() if file else b""))
    change(entries)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for entry, content in entries:
            entry.size = len(content) if entry.isreg() else 0
            archive.addfile(entry, io.BytesIO(content))
    path = module.parent / "changed.iwm"
    path.write_bytes(gzip.compress(out.getvalue()))
    return path


def test_the_same_content_is_the_same_bytes(module: Path, tmp_path: Path) -> None:
    first = pack(of_directory(module))
    for path in module.rglob("*"):
        os.utime(path, (1, 1))
    (module / "module.toml").chmod(0o600)
    (module / "__pycache__").mkdir()
    (module / "__pycache__/x.pyc").write_bytes(b"x")
    assert pack(of_directory(module)) == first
    rule = next(module.glob("detectors/*.yml"))
    rule.write_text(rule.read_text() + "\n")
    assert pack(of_directory(module)) != first


def test_what_was_packed_is_what_is_installed_and_it_is_off(
    module: Path, operator: Path, tmp_path: Path
) -> None:
    file = tmp_path / "net-watch.iwm"
    file.write_bytes(pack(of_directory(module)))
    os.umask(0o022)
    there = install(read_source(file))
    assert there == operator / "net-watch"
    assert states.digest_of(there) == states.digest_of(module)
    assert {path.stat().st_mode & 0o7777 for path in there.rglob("*")} == {0o644, 0o755}
    assert states.read(operator / "state.json") == ModuleState()
    assert [path.name for path in operator.iterdir()] == ["net-watch"]


def add(name: str, content: bytes = b"x", **values: object) -> Change:
    def change(entries: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        entry = tarfile.TarInfo(name)
        for key, value in values.items():
            setattr(entry, key, value)
        entries.append((entry, content))

    return change


def spoil(name: str) -> Change:
    def change(entries: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        entries[:] = [(e, b"evil" if e.name.endswith(name) else content) for e, content in entries]

    return change


def turn_one_letter(entries: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    entries[:] = [
        (e, content.replace(b"Apache", b"Apachf") if e.name.endswith("module.toml") else content)
        for e, content in entries
    ]


def leave_out(name: str) -> Change:
    def change(entries: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        entries[:] = [(e, content) for e, content in entries if not e.name.endswith(name)]

    return change


def last_first(entries: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    entries.reverse()


HOSTILE = {
    "symbolic link": (add("net-watch/l", type=tarfile.SYMTYPE, linkname="/etc/shadow"), "is no plain file"),
    "hard link": (
        add("net-watch/l", type=tarfile.LNKTYPE, linkname="net-watch/module.toml"),
        "is no plain file",
    ),
    "device": (add("net-watch/d", type=tarfile.CHRTYPE, devmajor=1, devminor=1), "is no plain file"),
    "pipe": (add("net-watch/p", type=tarfile.FIFOTYPE), "is no plain file"),
    "directory": (add("net-watch/dir", type=tarfile.DIRTYPE), "is no plain file"),
    "set-user-id": (add("net-watch/s", mode=0o4755), "set-user-id"),
    "absolute path": (add("/etc/cron.d/evil"), "leads out of the module"),
    "parent": (add("net-watch/../../etc/evil"), "leads out of the module"),
    "another root": (add("other/file"), "is not below 'net-watch'"),
    "hidden file": (add("net-watch/.evil"), "no name for a file"),
    "control character": (add("net-watch/a\x1b[2Jb"), "no name for a file"),
    "twice": (add("net-watch/module.toml"), "is there twice"),
    "not in the list": (add("net-watch/extra"), "extra: is not in the list"),
    "changed file": (spoil("module.toml"), "module.toml: is not what the list says"),
    "one letter": (turn_one_letter, "module.toml: is not what the list says"),
    "missing file": (leave_out("module.toml"), "module.toml: is missing"),
    "no list": (leave_out(LIST), "its first file is not"),
    "list not first": (last_first, "its first file is not"),
    "large file": (add("net-watch/big", b"\0" * (5 << 20)), "is larger than"),
}


@pytest.mark.parametrize(("change", "reason"), HOSTILE.values(), ids=list(HOSTILE))
def test_a_hostile_package_leaves_nothing_behind(
    module: Path, operator: Path, change: Change, reason: str
) -> None:
    with pytest.raises(ModuleError) as refused:
        install(read_source(changed(module, change)))
    assert reason in str(refused.value)
    assert not operator.exists() or list(operator.iterdir()) == []


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.iwm"
    path.write_bytes(gzip.compress(b"\0" * (4 * MAX_BYTES)))
    with pytest.raises(ModuleError, match="when it is unpacked"):
        unpack(path)


@pytest.mark.parametrize("cut", [0, 1, 20, 300])
def test_a_cut_package_is_refused(module: Path, tmp_path: Path, cut: int) -> None:
    path = tmp_path / "cut.iwm"
    path.write_bytes(pack(of_directory(module))[:cut])
    with pytest.raises(ModuleError, match=r"cut\.iwm"):
        unpack(path)


def test_no_byte_of_a_package_can_change_unseen(module: Path, tmp_path: Path) -> None:
    whole = pack(of_directory(module))
    path = tmp_path / "changed.iwm"
    for at in range(10, len(whole), 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        with pytest.raises(ModuleError):
            unpack(path)


def test_what_cannot_be_part_of_a_package_is_named(module: Path) -> None:
    (module / "link").symlink_to("/etc/passwd")
    os.mkfifo(module / "pipe")
    (module / "s").write_text("")
    (module / "s").chmod(0o4755)
    with pytest.raises(ModuleError) as refused:
        of_directory(module)
    assert [text.rpartition("/")[2].split(":")[0] for text in refused.value.problems] == ["link", "pipe", "s"]


def test_an_installed_module_is_replaced_only_when_asked_and_off(module: Path, operator: Path) -> None:
    install(read_source(module))
    manifest = module / "module.toml"
    manifest.write_text(manifest.read_text().replace("0.1.0", "0.2.0", 1))
    with pytest.raises(UsageError, match="is installed"):
        install(read_source(module))
    states.write(operator / "state.json", ModuleState().with_enabled("net-watch", ""))
    with pytest.raises(UsageError, match="is switched on"):
        install(read_source(module), replace=True)
    with pytest.raises(UsageError, match="is switched on"):
        remove("net-watch")
    states.write(operator / "state.json", ModuleState())
    assert '"0.2.0"' in (install(read_source(module), replace=True) / "module.toml").read_text()
    remove("net-watch")
    assert find("net-watch") is None
    assert [path.name for path in operator.iterdir()] == ["state.json"]


def test_the_id_of_a_shipped_module_is_nobody_elses(tmp_path: Path, operator: Path) -> None:
    write_module(tmp_path, "ssh-protection")
    with pytest.raises(UsageError, match="came with the product"):
        install(read_source(tmp_path / "ssh-protection"))
    with pytest.raises(UsageError, match="came with the product"):
        remove("ssh-protection")
