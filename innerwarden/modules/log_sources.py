# SPDX-License-Identifier: Apache-2.0
"""Log sources by name, with the parser of their lines: for cases, for replay, for the tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol

from innerwarden_core import AuthParser, Engine, Hit, LineParser, WebParser

from innerwarden.errors import UsageError
from innerwarden.logs.auditd import AuditReader
from innerwarden.logs.cloudtrail import CloudTrailReader
from innerwarden.logs.containers import ContainerReader
from innerwarden.logs.reader import Reader
from innerwarden.logs.recipe import Recipe, RecipeReader


class MakeParser(Protocol):
    def __call__(self, *, now_s: int, utc_offset_s: int = 0) -> LineParser: ...


#: A source's name is its collector's.
PARSERS: dict[str, MakeParser] = {
    "auth_log": AuthParser,
    "kernel_log": AuthParser,
    "service_log": partial(AuthParser, service_files=True),
    "nginx_access": WebParser,
    "apache_access": WebParser,
    "nginx_error": WebParser,
    "apache_error": WebParser,
}

#: Sources that a reader in Python understands.
READERS: dict[str, Callable[[], Reader]] = {
    "auditd": AuditReader,
    "docker": partial(ContainerReader, "docker"),
    "cloudtrail": CloudTrailReader,
    "podman": partial(ContainerReader, "podman"),
}


#: Of these a file is one document, not a number of lines.
DOCUMENTS = frozenset({"cloudtrail"})


def readers_of(recipes: Iterable[Recipe]) -> dict[str, Callable[[], Reader]]:
    """Every source that a reader in Python understands, those of recipes by their id."""
    return {**READERS, **{recipe.recipe.id: partial(RecipeReader, recipe) for recipe in recipes}}


def feed_text(
    engine: Engine, source: str, text: bytes, now_s: int, recipes: Iterable[Recipe] = ()
) -> list[Hit]:
    """Run a whole text of one source through an engine. Raises UsageError for a source that is not known."""
    readers = readers_of(recipes)
    if source not in readers:
        return engine.feed_lines(text, parser_of(source, now_s))[0]
    reader = readers[source]()
    return engine.feed(b"".join([*reader.read(text), *reader.finish()]))


def parser_of(source: str, now_s: int, utc_offset_s: int = 0) -> LineParser:
    """A fresh parser; the time bounds the year that some lines leave out. Raises UsageError."""
    if source not in PARSERS:
        known = ", ".join([*PARSERS, *READERS])
        raise UsageError(f"unknown log source {source!r}", f"Use one of {known}")
    return PARSERS[source](now_s=now_s, utc_offset_s=utc_offset_s)
