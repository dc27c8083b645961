# SPDX-License-Identifier: Apache-2.0
"""What a pipeline of text filters prints, when all that goes in stands in the script (`echo aWQ= | base64 -d`)."""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Callable, Sequence

from innerwarden.shell.facts import Command, Pipeline

#: A decompressed or repeated text longer than this is nobody's command line.
MAX_BYTES = 64 * 1024

_PRINTF = re.compile(rb"%(?:%|[-0-9.]*[sbdq])")


def output_of(pipeline: Pipeline) -> str | None:
    """None when some part is known only to the running shell, or a program is none of the text filters."""
    text: bytes | None = None
    for place, stage in enumerate(pipeline.stages):
        if len(stage) != 1:
            return None
        command = stage[0]
        if not command.constant:
            return None
        given = _given(command)
        text = _printed(command) if place == 0 and given is None else _filtered(command, given or text)
        if text is None or len(text) > MAX_BYTES:
            return None
    return None if text is None else text.decode("utf-8", "replace")


def _given(command: Command) -> bytes | None:
    """The here-document or here-string of a command."""
    for one in command.redirections:
        if one.operator in ("<<", "<<<") and one.constant:
            return one.target.encode() + (b"\n" if one.operator == "<<<" else b"")
    return None


def _printed(command: Command) -> bytes | None:
    if command.name == "echo":
        words = list(command.arguments)
        escapes = False
        while words and re.fullmatch(r"-[neE]+", words[0]):
            escapes = escapes or "e" in words[0]
            words.pop(0)
        text = " ".join(words).encode()
        return (unescaped(text) if escapes or b"\\x" in text or b"\\0" in text else text) + b"\n"
    if command.name == "printf" and command.arguments:
        shape, *values = (word.encode() for word in command.arguments)
        rest = iter(values)
        return _PRINTF.sub(
            lambda m: b"%" if m[0] == b"%%" else _value(m[0], next(rest, b"")), unescaped(shape)
        )
    return None


def _value(conversion: bytes, value: bytes) -> bytes:
    return unescaped(value) if conversion.endswith(b"b") else value


def unescaped(text: bytes) -> bytes:
    """Backslash escapes of echo -e, printf and $'...': hexadecimal, octal, Unicode and letters."""

    def one(found: re.Match[bytes]) -> bytes:
        body = found[1]
        if body[:1] in b"01234567":
            return bytes([int(body, 8) & 255])
        if body[:1] == b"x" and len(body) > 1:
            return bytes([int(body[1:], 16)])
        if body[:1] in b"uU" and len(body) > 1:
            code = int(body[1:], 16)
            return chr(code).encode("utf-8", "replace") if code < 0x110000 else b"?"
        return {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"e": b"\x1b", b"a": b"\a", b"b": b"\b"}.get(
            body, body
        )

    pattern = rb"\\(0?[0-7]{1,3}|x[0-9a-fA-F]{1,2}|u[0-9a-fA-F]{1,4}|U[0-9a-fA-F]{1,8}|.)"
    return re.sub(pattern, one, text, flags=re.DOTALL)


def _filtered(command: Command, text: bytes | None) -> bytes | None:
    known = _FILTERS.get(command.name)
    if known is None or text is None:
        return None
    try:
        return known(command.arguments, text)
    except (ValueError, binascii.Error, zlib.error, EOFError):
        return None


def _cat(arguments: Sequence[str], text: bytes) -> bytes | None:
    return text if all(word in ("-", "/dev/stdin") for word in arguments) else None


def _base64(arguments: Sequence[str], text: bytes) -> bytes | None:
    wanted = any(re.fullmatch(r"--d[a-z]*|-[a-zA-Z]*[dD][a-z]*", word) for word in arguments)
    if not wanted:
        return base64.b64encode(text)
    body = b"".join(text.split())
    return base64.b64decode(body + b"=" * (-len(body) % 4))


def _base32(arguments: Sequence[str], text: bytes) -> bytes | None:
    body = b"".join(text.split())
    return base64.b32decode(body + b"=" * (-len(body) % 8)) if arguments else None


def _openssl(arguments: Sequence[str], text: bytes) -> bytes | None:
    is_base64 = arguments[:1] == ("base64",) or "-base64" in arguments or "-a" in arguments
    return _base64(("-d",), text) if is_base64 and "-d" in arguments else None


def _xxd(arguments: Sequence[str], text: bytes) -> bytes | None:
    plain = "".join(word[1:] for word in arguments if word.startswith("-"))
    if "r" not in plain or "p" not in plain:
        return None
    return bytes.fromhex("".join(text.decode("ascii", "strict").split()))


def _rev(arguments: Sequence[str], text: bytes) -> bytes | None:
    lines = text.decode("utf-8", "replace").split("\n")
    return "\n".join(line[::-1] for line in lines).encode() if not arguments else None


def _tac(arguments: Sequence[str], text: bytes) -> bytes | None:
    return b"".join(reversed(text.splitlines(keepends=True))) if not arguments else None


def _tr(arguments: Sequence[str], text: bytes) -> bytes | None:
    words = [unescaped(word.encode()) for word in arguments]
    if len(words) == 2 and words[0] == b"-d":
        return text.translate(None, delete=_set(words[1]))
    if len(words) != 2 or words[0][:1] == b"-":
        return None
    old, new = _set(words[0]), _set(words[1])
    if not old or not new:
        return None
    new = (new + new[-1:] * len(old))[: len(old)]
    table = bytearray(range(256))
    for before, after in zip(old, new, strict=True):
        table[before] = after
    return text.translate(bytes(table))


def _set(word: bytes) -> bytes:
    """A set of tr: characters and ranges."""
    out = bytearray()
    place = 0
    while place < len(word):
        if place + 2 < len(word) and word[place + 1] == ord("-") and word[place] <= word[place + 2]:
            out += bytes(range(word[place], word[place + 2] + 1))
            place += 3
        else:
            out.append(word[place])
            place += 1
    return bytes(out)


def _sed(arguments: Sequence[str], text: bytes) -> bytes | None:
    """`s/X/Y/g` with X a plain text."""
    script = (
        arguments[-1].encode() if len(arguments) in (1, 2) and arguments[0] in ("-e", arguments[-1]) else b""
    )
    parts = script[2:].split(script[1:2]) if script[:1] == b"s" and len(script) > 2 else []
    if len(parts) != 3 or re.search(rb"[\\.*\[\]^$+?(){}|&]", parts[0] + parts[1]) or not parts[0]:
        return None
    count = -1 if b"g" in parts[2] else 1
    return b"\n".join(line.replace(parts[0], parts[1], count) for line in text.split(b"\n"))


def _gunzip(arguments: Sequence[str], text: bytes) -> bytes | None:
    return zlib.decompressobj(wbits=47).decompress(text, MAX_BYTES)


def _gzip(arguments: Sequence[str], text: bytes) -> bytes | None:
    packs = not any(word.startswith("-") and "d" in word for word in arguments)
    return None if packs else _gunzip(arguments, text)


_FILTERS: dict[str, Callable[[Sequence[str], bytes], bytes | None]] = {
    "cat": _cat,
    "base64": _base64,
    "base32": _base32,
    "openssl": _openssl,
    "xxd": _xxd,
    "rev": _rev,
    "tac": _tac,
    "tr": _tr,
    "sed": _sed,
    "gunzip": _gunzip,
    "zcat": _gunzip,
    "gzip": _gzip,
}
