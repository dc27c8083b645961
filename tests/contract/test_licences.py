# SPDX-License-Identifier: Apache-2.0
"""Every package that the product runs on has a licence that somebody decided to take, and stands in the SBOM."""

from __future__ import annotations

from email.message import Message
from typing import Any, cast

import pytest

from tests import sbom


def about(**fields: str | list[str]) -> Any:
    made = Message()
    for name, values in fields.items():
        for value in [values] if isinstance(values, str) else values:
            made[name.replace("_", "-")] = value
    return cast(Any, made)


def test_every_licence_is_allowed() -> None:
    assert sbom.refused() == []


def test_no_entry_is_left_over() -> None:
    assert set(sbom.TABLE["packages"]) <= set(sbom.locked())


@pytest.mark.parametrize(
    "said",
    [
        {"License_Expression": "AGPL-3.0-only"},
        {"License_Expression": "MIT AND SSPL-1.0"},
        {"License_Expression": "(MIT)"},
        {"License": "Proprietary"},
        {"License": "Commercial, see LICENSE"},
        {"Classifier": ["License :: OSI Approved :: GNU Affero General Public License v3"]},
        {"Classifier": ["Programming Language :: Python"]},
        {},
    ],
)
def test_any_other_is_refused(said: dict[str, str | list[str]]) -> None:
    assert not sbom.is_allowed(sbom.licence_of("a-package", about(**said)))


@pytest.mark.parametrize(
    "said",
    [
        {"License_Expression": "MIT"},
        {"License_Expression": "AGPL-3.0-only OR MIT"},
        {"License": "Apache 2.0"},
        {"Classifier": ["License :: OSI Approved :: MIT License"]},
    ],
)
def test_these_are_taken(said: dict[str, str | list[str]]) -> None:
    assert sbom.is_allowed(sbom.licence_of("a-package", about(**said)))


def test_the_sbom_names_what_is_locked_and_what_is_compiled_in() -> None:
    made = sbom.document()
    names = {one["name"] for one in made["components"]}
    assert set(sbom.locked()) <= names
    assert {"core/data/public_suffix_list.dat", "bpf/objects/x86_64/innerwarden.bpf.o", "libbpf1"} <= names
    refs = [one["bom-ref"] for one in made["components"]]
    assert len(refs) == len(set(refs))
    known = {"innerwarden", *refs}
    for one in made["dependencies"]:
        assert {one["ref"], *one["dependsOn"]} <= known
    reached = {ref for one in made["dependencies"] for ref in one["dependsOn"]}
    assert set(refs) <= reached, "something stands there that nobody asks for"
    assert made == sbom.document()
