# SPDX-License-Identifier: Apache-2.0
"""Which files a command writes, downloads to, or runs."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from innerwarden.shell.facts import Command
from innerwarden.shell.tools import tools

_COPIERS = frozenset({"cp", "mv", "install", "ln", "rsync", "scp"})
_EDITORS = frozenset({"vi", "vim", "nano", "ed", "emacs", "tee", "sponge", "touch", "truncate", "unzip"})

_OWN = tuple(
    ip_network(text)
    for text in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16", "100.64.0.0/10"),
        *("::1/128", "fc00::/7", "fe80::/10"),
    )
)
"""RFC 1918, 3927, 4193, 4291, 6598: where a server of one's own stands."""


def absolute(path: str, cwd: str | None) -> str:
    """Normal form; a relative path is taken from `cwd` where that is known."""
    if not path:
        return path
    if not path.startswith(("/", "~", "$")) and cwd:
        path = posixpath.join(cwd, path)
    joined = posixpath.normpath(path)
    return joined[1:] if joined.startswith("//") else joined


def below(path: str, places: tuple[str, ...]) -> bool:
    return path.startswith(places)


def operands(command: Command) -> list[str]:
    return [word for word in command.arguments if word and not word.startswith("-")]


def written(command: Command, cwd: str | None) -> Iterator[str]:
    """Files that a command creates, appends to or replaces."""
    for one in command.redirections:
        if one.writes:
            yield absolute(one.target, cwd)
    names = operands(command)
    if command.name in _COPIERS and len(names) > 1:
        yield absolute(names[-1], cwd)
    elif command.name in _EDITORS:
        yield from (absolute(name, cwd) for name in names)
    elif command.name in ("sed", "perl") and any(
        word.startswith(("-i", "--in-place")) for word in command.arguments
    ):
        yield from (absolute(name, cwd) for name in names[-1:])
    elif command.name == "dd":
        yield from (absolute(word[3:], cwd) for word in command.arguments if word.startswith("of="))


def downloaded(command: Command, cwd: str | None) -> Iterator[str]:
    """Files that a download tool puts what it fetched into."""
    if command.name not in tools().programs.downloaders:
        return
    for one in command.redirections:
        if one.writes:
            yield absolute(one.target, cwd)
    words = command.arguments
    to_file = (
        ("-o", "--output", "--output-document") if command.name != "wget" else ("-O", "--output-document")
    )
    named = False
    for place, word in enumerate(words):
        value = _value(words, place, word, to_file)
        if value:
            named = True
            yield absolute(value, cwd)
    by_address = command.name in ("wget", "aria2c", "axel") or any(
        word in ("-O", "--remote-name") or (word[:1] == "-" and word[1:2] != "-" and "O" in word)
        for word in words
    )
    if by_address and not named:
        for address in addresses(command):
            base = posixpath.basename(urlsplit(address).path)
            yield absolute(base or "index.html", cwd)


def _value(words: tuple[str, ...], place: int, word: str, options: tuple[str, ...]) -> str:
    """The value of an option: separate, after `=`, or joined to a cluster of short ones (`-fsSLo x`)."""
    short = options[0][1]
    following = words[place + 1] if place + 1 < len(words) else ""
    if word in options:
        return following
    for option in options[1:]:
        if word.startswith(option + "="):
            return word[len(option) + 1 :]
    if word[:1] == "-" and word[1:2] not in ("-", "") and short in word:
        rest = word[word.index(short) + 1 :]
        if word[1 : word.index(short)].isalpha() or word[1] == short:
            return rest or following
    return ""


def addresses(command: Command) -> list[str]:
    """Words that name something on the network."""
    return [word for word in command.arguments if "://" in word or (word[:1] != "-" and _is_host(word))]


def _is_host(word: str) -> bool:
    host = word.partition("/")[0].partition(":")[0]
    return "." in host and not host.startswith(".") and host.replace(".", "").replace("-", "").isalnum()


def raw_address(address: str) -> bool:
    """Whether the host of a URL is a number instead of a name, and not of the own networks."""
    try:
        host = urlsplit(address if "://" in address else f"//{address}").hostname or ""
    except ValueError:
        return False
    return _outside(host)


def ran(command: Command, cwd: str | None) -> str | None:
    """The file whose code a command runs, when it is named: itself, or the script given to a shell."""
    programs = tools().programs
    if command.name in programs.shells | programs.interpreters:
        if any(word[:1] == "-" and word[1:2] != "-" and word[-1:] in "cem" for word in command.arguments[:1]):
            return None
        names = operands(command)
        return absolute(names[0], cwd) if names else absolute(command.path, cwd)
    if command.name in ("source", "."):
        names = operands(command)
        return absolute(names[0], cwd) if names else None
    return absolute(command.path, cwd) if "/" in command.path else None


def _outside(host: str) -> bool:
    """Whether a host is an address beyond the own networks; a plain number is an address too (inet_aton)."""
    try:
        address = ip_address(int(host) if host.isdigit() else host)
    except ValueError:
        return False
    return not any(address in net for net in _OWN if net.version == address.version)
