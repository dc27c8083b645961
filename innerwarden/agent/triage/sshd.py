# SPDX-License-Identifier: Apache-2.0
"""Whether sshd takes passwords, from its configuration files. What cannot be read or understood is not known."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from innerwarden.agent.triage.facts import SshLogin

CONFIG = Path("/etc/ssh/sshd_config")
MAX_BYTES = 1 << 20
MAX_FILES = 64
#: Keyboard-interactive asks PAM, and PAM asks for the password. The old name is an alias (sshd_config(5)).
_PASSWORDS = {
    "passwordauthentication": "passwordauthentication",
    "kbdinteractiveauthentication": "kbdinteractiveauthentication",
    "challengeresponseauthentication": "kbdinteractiveauthentication",
}


class _Unknown(Exception):
    pass


def read_sshd(config: Path = CONFIG) -> SshLogin:
    """The first value of a keyword counts; one "yes" below a Match counts for somebody, so passwords are taken."""
    found: dict[str, bool] = {}
    matched = False
    try:
        for keyword, value, in_match in _lines(config, [0]):
            name = _PASSWORDS.get(keyword)
            if name is None:
                continue
            if value not in ("yes", "no"):
                return SshLogin()
            if in_match:
                matched = matched or value == "yes"
            else:
                found.setdefault(name, value == "yes")
    except (_Unknown, OSError, UnicodeDecodeError, ValueError):
        return SshLogin()
    # Both default to yes (sshd_config(5)).
    return SshLogin(password=matched or any(found.get(name, True) for name in set(_PASSWORDS.values())))


def _lines(path: Path, opened: list[int]) -> Iterator[tuple[str, str, bool]]:
    """(keyword, first argument, inside of a Match), in the order in which sshd reads them."""
    opened[0] += 1
    if opened[0] > MAX_FILES or path.stat().st_size > MAX_BYTES:
        raise _Unknown
    in_match = False
    for line in path.read_text(encoding="utf-8").splitlines():
        # "Keyword value" and "Keyword=value" are the same.
        words = shlex.split(line.replace("=", " ", 1), comments=True)
        if not words:
            continue
        keyword = words[0].lower()
        if keyword == "match":
            in_match = [word.lower() for word in words[1:]] != ["all"]
        elif keyword == "include":
            for pattern in words[1:]:
                for name, value, inner in _included(path, pattern, opened):
                    yield name, value, inner or in_match
        elif len(words) > 1:
            yield keyword, words[1].lower(), in_match


def _included(path: Path, pattern: str, opened: list[int]) -> Iterator[tuple[str, str, bool]]:
    """Relative patterns are below the directory of sshd_config."""
    whole = pattern if pattern.startswith("/") else str(path.parent / pattern)
    for found in sorted(Path("/").glob(whole.lstrip("/"))):
        yield from _lines(found, opened)
