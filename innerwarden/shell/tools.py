# SPDX-License-Identifier: Apache-2.0
"""The table of programs and places (tools.toml), read once."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

import msgspec


class Wrapper(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    value_options: frozenset[str] = frozenset()
    positional: int = 0
    assignments: bool = False


class Programs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    shells: frozenset[str]
    interpreters: frozenset[str]
    evaluators: frozenset[str]
    downloaders: frozenset[str]
    network_readers: frozenset[str]
    decoders: frozenset[str]
    account_tools: frozenset[str]
    powerful_groups: frozenset[str]
    erasers: frozenset[str]
    disk_erasers: frozenset[str]


class Paths(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    temporary: tuple[str, ...]
    cron: tuple[str, ...]
    start_files: tuple[str, ...]
    home_start_files: tuple[str, ...]
    logs: tuple[str, ...]
    keys: tuple[str, ...]
    privilege_files: tuple[str, ...]
    vital: tuple[str, ...]


class Services(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    protective: frozenset[str]


class Tools(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    programs: Programs
    paths: Paths
    services: Services
    wrappers: dict[str, Wrapper]

    @property
    def known(self) -> frozenset[str]:
        """Every program of the table, for names that are patterns."""
        one = self.programs
        return (
            one.shells | one.interpreters | one.downloaders | one.network_readers | one.decoders | one.erasers
        )


@cache
def tools() -> Tools:
    text = (Path(__file__).parent / "tools.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), Tools)
