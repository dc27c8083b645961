# SPDX-License-Identifier: Apache-2.0
"""The locks pin all that pyproject.toml and the packages themselves ask for, each with digests."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PIN = re.compile(r"^([a-z0-9.-]+)==([^ ;\\]+)(?: ; ([^\\]+))?$")
DIGEST = re.compile(r"^--hash=sha256:[0-9a-f]{64}$")


def read_lock(name: str) -> dict[str, str]:
    """Package -> version; a line that is neither a pin nor a digest of one is an error."""
    text = (ROOT / f"requirements/{name}.lock").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.strip().startswith("#")]
    pins: dict[str, str] = {}
    for entry in "\n".join(lines).replace("\\\n", "\0").splitlines():
        head, *digests = (part.strip() for part in entry.split("\0"))
        found = PIN.match(head)
        assert found, f"requirements/{name}.lock: {head!r} is not name==version"
        assert digests, f"requirements/{name}.lock: {head} has no digest"
        assert all(DIGEST.match(digest) for digest in digests), f"{name}: {head}: {digests}"
        assert found[1] not in pins, f"requirements/{name}.lock: {found[1]} stands twice"
        pins[found[1]] = found[2]
    return pins


LOCKS = {name: read_lock(name) for name in ("runtime", "build", "dev", "fuzz")}
EXTRAS = PROJECT["project"]["optional-dependencies"]
ASKED = {
    "runtime": PROJECT["project"]["dependencies"],
    "build": PROJECT["build-system"]["requires"],
    "dev": PROJECT["project"]["dependencies"] + EXTRAS["dev"] + EXTRAS["notify"],
    "fuzz": PROJECT["project"]["dependencies"] + [line for extra in EXTRAS.values() for line in extra],
}


def unmet(wanted: list[Requirement], lock: dict[str, str]) -> Iterator[str]:
    for one in wanted:
        version = lock.get(canonicalize_name(one.name))
        if version is None:
            yield f"{one} is not locked"
        elif not one.specifier.contains(version, prereleases=True):
            yield f"{one} is locked at {version}"


@pytest.mark.parametrize("name", LOCKS)
def test_the_lock_satisfies_pyproject(name: str) -> None:
    assert list(unmet([Requirement(line) for line in ASKED[name]], LOCKS[name])) == [], "run make lock"


@pytest.mark.parametrize("name", ["runtime", "build", "dev"])  # the fuzzers are installed for make fuzz only
def test_the_lock_holds_what_its_packages_ask_for_and_nothing_else(name: str) -> None:
    """Closed under the dependencies of what is installed; a marker for another system counts as not asked."""
    lock = LOCKS[name]
    todo = [Requirement(line) for line in ASKED[name]]
    reached: set[tuple[str, frozenset[str]]] = set()
    while todo:
        one = todo.pop()
        key = (canonicalize_name(one.name), frozenset(one.extras))
        if key in reached:
            continue
        reached.add(key)
        assert list(unmet([one], lock)) == []
        for line in metadata.requires(one.name) or ():
            other = Requirement(line)
            extras = one.extras or {""}
            if other.marker is None or any(other.marker.evaluate({"extra": x}) for x in extras):
                todo.append(other)
    needless = set(lock) - {package for package, _ in reached}
    assert {package for package in needless if is_installed(package)} == set(), "run make lock"


def is_installed(package: str) -> bool:
    try:
        metadata.distribution(package)
    except metadata.PackageNotFoundError:
        return False
    return True


@pytest.mark.parametrize(("name", "within"), [("runtime", "dev"), ("build", "dev"), ("dev", "fuzz")])
def test_a_package_has_one_version_in_all_locks(name: str, within: str) -> None:
    assert LOCKS[name].items() <= LOCKS[within].items()


def test_what_is_installed_is_what_is_locked() -> None:
    installed = {pack: metadata.version(pack) for pack in LOCKS["dev"] if is_installed(pack)}
    assert installed.items() <= LOCKS["dev"].items(), "run make dev"


def test_set_up_installs_nothing_without_its_digest() -> None:
    script = (ROOT / ".ci/setup").read_text(encoding="utf-8")
    calls = re.findall(r"-m pip install (.*)", script)
    assert calls
    for call in calls:
        assert "--require-hashes" in call or "--no-deps" in call, call
