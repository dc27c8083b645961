# SPDX-License-Identifier: Apache-2.0
"""Options that several commands share, and how their text becomes values."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, overload

import typer

from innerwarden import clock, paths
from innerwarden.errors import UnavailableError, UsageError
from innerwarden.model.severity import Severity

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        envvar="INNERWARDEN_DATA_DIR",
        help="Where findings and state are (root: /var/lib/innerwarden; else ~/.local/state/innerwarden).",
    ),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", help="Configuration file (default: /etc/innerwarden/config.toml when it exists)."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print versioned JSON instead of text.")]

_SPAN = re.compile(r"(\d+)\s*(s|m|min|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}


def data_dir_of(given: Path | None) -> Path:
    """The directory to read; it need not exist."""
    return given if given is not None else paths.default_data_dir()


def since_ns(text: str | None) -> int | None:
    """'90s', '15m', '1h', '2d', '1w' back from now, or an RFC 3339 time; raises UsageError otherwise."""
    if text is None:
        return None
    if span := _SPAN.fullmatch(text.strip().lower()):
        return clock.realtime_ns() - int(span[1]) * _SECONDS[span[2]] * clock.NS
    try:
        return clock.parse_rfc3339(text.strip())
    except ValueError:
        raise UsageError(
            f"--since {text!r} is not a time", "Use 15m, 1h, 2d, or a time such as 2026-01-02T03:04:05Z"
        ) from None


@overload
def seconds_of(text: str, option: str = ...) -> int: ...
@overload
def seconds_of(text: None, option: str = ...) -> None: ...
def seconds_of(text: str | None, option: str = "--for") -> int | None:
    """'90s', '15m', '1h', '2d', '1w'; raises UsageError otherwise."""
    if text is None:
        return None
    span = _SPAN.fullmatch(text.strip().lower())
    if span is None:
        raise UsageError(f"{option} {text!r} is no length of time", "Use for example 30m, 2h or 7d")
    return int(span[1]) * _SECONDS[span[2]]


@overload
def severity_of(text: str, option: str = ...) -> Severity: ...
@overload
def severity_of(text: None, option: str = ...) -> None: ...
def severity_of(text: str | None, option: str = "--severity") -> Severity | None:
    """A severity by name; raises UsageError that lists the names."""
    if text is None:
        return None
    try:
        return Severity(text.strip().lower())
    except ValueError:
        raise UsageError(
            f"{option} {text!r} is not a severity", "Use one of: " + ", ".join(Severity)
        ) from None


def private_dir(path: Path) -> Path:
    """Create the data directory for its owner alone, and check that it can be written."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UnavailableError(
            f"cannot create the data directory {path}: {error.strerror}", "Choose another with --data-dir"
        ) from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise UnavailableError(
            f"the data directory {path} cannot be written", "Choose another with --data-dir"
        )
    if path.stat().st_uid == os.geteuid() and path.stat().st_mode & 0o007:
        # What was seen on this host is for its operator; a group may be let in on purpose, the world may not.
        path.chmod(path.stat().st_mode & 0o770)
    return path
