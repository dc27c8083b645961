# SPDX-License-Identifier: Apache-2.0
"""Who vouches for a module: forged, altered, swapped and foreign signatures, and what is loaded after all."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from innerwarden import paths
from innerwarden.config import Config, ModulesConfig
from innerwarden.errors import ConfigError, UnavailableError, UsageError
from innerwarden.libbpf import libcrypto
from innerwarden.modules import keys, signature
from innerwarden.modules.apart.pool import Workers
from innerwarden.modules.loader import Live, ModuleSet, load_modules
from innerwarden.modules.package import of_directory, pack, unpack
from innerwarden.modules.state import ModuleState
from tests.unit.modules.sample import write_module

SEED = bytes(range(32))
FOREIGN = bytes(range(1, 33))
RULE = "detectors/net_watch_scan.yml"


def sign(module: Path, seed: bytes = SEED) -> None:
    (module / signature.FILE).write_bytes(signature.sign(of_directory(module), seed))
    (module / signature.FILE).chmod(0o644)


@pytest.fixture
def trusted(tmp_path: Path) -> Path:
    place = tmp_path / "keys"
    place.mkdir(mode=0o755)
    keys.write_new(place / "ours.pem", keys.public_pem(libcrypto.public_of(SEED)), 0o644)
    return place


@pytest.fixture
def module(tmp_path: Path) -> Path:
    write_module(tmp_path / "modules", "net-watch")
    sign(tmp_path / "modules/net-watch")
    return tmp_path / "modules/net-watch"


def load(module: Path, trusted: Path, policy: str = "require") -> ModuleSet:
    config = Config(modules=msgspec.convert({"signatures": policy, "keys": str(trusted)}, ModulesConfig))
    live = Live(state=ModuleState().with_enabled(module.name, ""), workers=Workers())
    return load_modules([module.parent], config, trusted=[], live=live)


def test_a_signed_module_is_loaded(module: Path, trusted: Path) -> None:
    loaded = load(module, trusted)
    assert loaded.problems == loaded.notices == ()
    assert set(loaded.specs) == {"net_watch_scan"}
    assert loaded.signed == {"net-watch": keys.id_of(libcrypto.public_of(SEED))}


def append(name: str) -> Callable[[Path], object]:
    return lambda module: (module / name).write_text((module / name).read_text() + "\n# more\n")


def add(name: str) -> Callable[[Path], object]:
    return lambda module: (module / name).write_text("# more\n")


def resigned(change: dict[str, object]) -> Callable[[Path], object]:
    def alter(module: Path) -> None:
        file = module / signature.FILE
        file.write_bytes(msgspec.json.encode({**msgspec.json.decode(file.read_bytes()), **change}))

    return alter


def other_module(module: Path) -> None:
    """The signature of another module by the same key."""
    write_module(module.parent / "elsewhere", "net-watch")
    other = module.parent / "elsewhere/net-watch"
    (other / "docs/README.md").write_text("another\n")
    sign(other)
    shutil.copy(other / signature.FILE, module / signature.FILE)
    shutil.rmtree(other.parent)


ATTACKS: dict[str, tuple[Callable[[Path], object], str]] = {
    "unsigned": (lambda m: (m / signature.FILE).unlink(), "it is not signed"),
    "a rule altered": (append(RULE), "its files are not those that"),
    "a test altered": (append("tests/net_watch_scan.toml"), "its files are not those that"),
    "a file added": (add("detectors/more.yml"), "its files are not those that"),
    "a list added": (
        lambda m: ((m / "lists").mkdir(), add("lists/l.txt")(m)),
        "its files are not those that",
    ),
    "a file removed": (lambda m: (m / "docs/README.md").unlink(), "its files are not those that"),
    "a file renamed": (
        lambda m: (m / "docs/README.md").rename(m / "docs/OTHER.md"),
        "its files are not those that",
    ),
    "two files swapped": (
        lambda m: (
            (m / "docs/README.md").rename(m / "x"),
            (m / RULE).rename(m / "docs/README.md"),
            (m / "x").rename(m / RULE),
        ),
        "its files are not those that",
    ),
    "signed by a stranger": (lambda m: sign(m, FOREIGN), "none of the trusted keys"),
    "a stranger with our key's name": (
        lambda m: (sign(m, FOREIGN), resigned({"key": keys.id_of(libcrypto.public_of(SEED))})(m)),
        "its files are not those that",
    ),
    "another module's signature": (other_module, "its files are not those that"),
    "zeros": (resigned({"signature": base64.b64encode(bytes(64)).decode()}), "its files are not those that"),
    "an empty signature": (resigned({"signature": ""}), "its files are not those that"),
    "no base64": (resigned({"signature": "%%%"}), "is no signature"),
    "no JSON": (lambda m: (m / signature.FILE).write_text("{"), "is no signature"),
    "another format": (resigned({"format": 2}), "not known here"),
    "an unknown member": (resigned({"trusted": True}), "is no signature"),
    "a link in it": (lambda m: (m / "detectors/x.yml").symlink_to("/etc/passwd"), "neither a file nor"),
    "set-user-id": (lambda m: (m / RULE).chmod(0o4644), "set-user-id"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_with_require_it_is_not_loaded(module: Path, trusted: Path, attack: str) -> None:
    act, said = ATTACKS[attack]
    act(module)
    loaded = load(module, trusted)
    assert loaded.modules == ()
    assert loaded.specs == {}
    assert any("net-watch" in problem and said in problem for problem in loaded.problems), loaded.problems


def test_with_warn_it_is_loaded_and_said(module: Path, trusted: Path) -> None:
    append(RULE)(module)
    loaded = load(module, trusted, "warn")
    assert set(loaded.specs) == {"net_watch_scan"}
    assert loaded.problems == ()
    assert len(loaded.notices) == 1
    assert "its files are not those that" in loaded.notices[0]
    assert loaded.signed == {"net-watch": None}


def test_with_off_nobody_asks(module: Path, trusted: Path) -> None:
    (module / signature.FILE).unlink()
    loaded = load(module, trusted, "off")
    assert set(loaded.specs) == {"net_watch_scan"}
    assert loaded.notices == loaded.problems == ()


def test_what_is_loaded_is_what_was_verified(
    module: Path, trusted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything on the disk is replaced between the signature's check and the loading."""
    (module / "lists").mkdir()
    (module / "lists/scanners.txt").write_text("# Source: tests\n/nmap\n")
    rule = (module / RULE).read_text()
    (module / RULE).write_text(rule.replace("Image|endswith: /nmap", "Image|endswith|expand: '%scanners%'"))
    sign(module)
    check = signature.check

    def check_then_swap(directory: Path, config: ModulesConfig) -> signature.Verdict:
        verdict = check(directory, config)
        (directory / RULE).write_text(rule.replace("title: Network scanner started", "title: Swapped"))
        (directory / "detectors/more.yml").write_text(rule)
        (directory / "lists/scanners.txt").write_text("# Source: tests\n/swapped\n")
        (directory / "module.toml").write_text("swapped")
        return verdict

    monkeypatch.setattr(signature, "check", check_then_swap)
    loaded = load(module, trusted)
    assert loaded.problems == ()
    assert set(loaded.specs) == {"net_watch_scan"}
    assert loaded.specs["net_watch_scan"].title == "Network scanner started"
    sources = [source for rule in loaded.compiled_rules for source in (rule.native,)]
    assert sources
    assert "swapped" not in str(loaded.compiled_rules)


def test_lists_beside_the_modules_are_of_nobody(module: Path, trusted: Path) -> None:
    rule = (module / RULE).read_text()
    (module / RULE).write_text(rule.replace("Image|endswith: /nmap", "Image|endswith|expand: '%scanners%'"))
    sign(module)
    (module.parent / "lists").mkdir()
    (module.parent / "lists/scanners.txt").write_text("# Source: tests\n/nmap\n")
    assert set(load(module, trusted, "warn").specs) == {"net_watch_scan"}
    assert load(module, trusted).specs == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a file to another user")
def test_keys_that_others_can_change_count_for_nothing(module: Path, trusted: Path) -> None:
    for alter in (
        lambda: (trusted / "ours.pem").chmod(0o666),
        lambda: ((trusted / "ours.pem").chmod(0o644), os.chown(trusted / "ours.pem", 65534, 0)),
        lambda: (os.chown(trusted / "ours.pem", 0, 0), trusted.chmod(0o777)),
    ):
        alter()
        assert load(module, trusted).modules == ()
    trusted.chmod(0o755)
    assert load(module, trusted).problems == ()


def test_one_broken_key_is_told(module: Path, trusted: Path) -> None:
    (trusted / "broken.pem").write_text("-----BEGIN PUBLIC KEY-----\n")
    loaded = load(module, trusted)
    assert loaded.modules == ()
    assert "broken.pem" in loaded.problems[0]
    with pytest.raises(ConfigError):
        keys.trusted(trusted)


def test_the_signature_travels_in_a_package(module: Path, trusted: Path, tmp_path: Path) -> None:
    file = tmp_path / "one.iwm"
    file.write_bytes(pack(of_directory(module)))
    assert signature.judge(unpack(file), keys.trusted(trusted)).signed_by is not None


def test_openssl_reads_our_keys_and_we_read_its(tmp_path: Path) -> None:
    theirs, ours = tmp_path / "theirs.pem", tmp_path / "ours.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", theirs], check=True)
    theirs.chmod(0o600)
    public = subprocess.run(["openssl", "pkey", "-in", theirs, "-pubout"], check=True, capture_output=True)
    assert keys.public_pem(libcrypto.public_of(keys.read_private(theirs))) == public.stdout
    keys.write_new(ours, keys.private_pem(SEED), 0o600)
    public = subprocess.run(["openssl", "pkey", "-in", ours, "-pubout"], check=True, capture_output=True)
    assert public.stdout == keys.public_pem(libcrypto.public_of(SEED))


def test_openssl_verifies_what_we_sign(module: Path, tmp_path: Path) -> None:
    message, sig, public = tmp_path / "message", tmp_path / "sig", tmp_path / "public.pem"
    message.write_bytes(signature.message_of(of_directory(module).contents))
    made = msgspec.json.decode((module / signature.FILE).read_bytes(), type=signature.Signature)
    sig.write_bytes(base64.b64decode(made.signature))
    public.write_bytes(keys.public_pem(libcrypto.public_of(SEED)))
    argv = [
        "openssl",
        "pkeyutl",
        "-verify",
        "-rawin",
        "-pubin",
        "-inkey",
        public,
        "-in",
        message,
        "-sigfile",
        sig,
    ]
    assert subprocess.run(argv, check=False, capture_output=True).returncode == 0


@pytest.mark.parametrize("kind", ["rsa", "x25519", "empty", "private", "long"])
def test_what_is_no_public_key(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "key.pem"
    good = keys.public_pem(bytes(32))
    text = {
        "rsa": b"-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAK==\n-----END PUBLIC KEY-----\n",
        "x25519": good.replace(b"MCowBQYDK2Vw", b"MCowBQYDK2Vu"),
        "empty": b"",
        "private": keys.private_pem(bytes(32)),
        "long": good + b" " * 5000 + b"x",
    }[kind]
    file.write_bytes(text)
    with pytest.raises(UsageError):
        keys.read_public(file)


def test_a_private_key_is_private(tmp_path: Path) -> None:
    file = tmp_path / "key"
    keys.write_new(file, keys.private_pem(SEED), 0o600)
    assert keys.read_private(file) == SEED
    with pytest.raises(UnavailableError):
        keys.write_new(file, b"", 0o600)
    file.chmod(0o640)
    with pytest.raises(UsageError, match="others have rights"):
        keys.read_private(file)


def test_yara_files_of_others_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INNERWARDEN_MODULES", str(tmp_path))
    (tmp_path / "other/yara").mkdir(parents=True)
    (tmp_path / "other/yara/own.yar").write_text("rule x { condition: true }")
    assert paths.yara_rules()
    assert not [path for path in paths.yara_rules() if path.is_relative_to(tmp_path)]
