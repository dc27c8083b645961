# SPDX-License-Identifier: Apache-2.0
"""Content against names, with files made here by the programs that make them everywhere."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from innerwarden.sensor.inventory import file_content
from innerwarden.sensor.inventory.file_content import (
    APPENDED,
    FORMAT_LOST,
    RANSOM_EXTENSION,
    SAMPLE,
    SCRAMBLED,
    judge,
    promise_of,
)

WORDS = " ".join(f"{number} apples cost {number * 3 % 17} crowns;" for number in range(4000)).encode()
SOURCE = Path(file_content.__file__).read_bytes() * 3


def cipher(data: bytes, key: bytes = b"key") -> bytes:
    """A stream cipher: SHA-256 in counter mode."""
    stream = b"".join(
        hashlib.sha256(key + block.to_bytes(8, "big")).digest() for block in range(len(data) // 32 + 1)
    )
    return bytes(a ^ b for a, b in zip(data, stream, strict=False))


def exclusive_or(data: bytes) -> bytes:
    return bytes(byte ^ 0xA7 for byte in data)


def archive(kind: str) -> bytes:
    out = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("word/document.xml", WORDS)
    else:
        with tarfile.open(fileobj=out, mode=f"w:{kind}") as packed:
            entry = tarfile.TarInfo("words")
            entry.size = len(WORDS)
            packed.addfile(entry, io.BytesIO(WORDS))
    return out.getvalue()


PDF = b"%PDF-1.7\n" + zlib.compress(WORDS * 3)
PNG = b"\x89PNG\r\n\x1a\n" + zlib.compress(WORDS * 3)


def verdict(name: str, content: bytes) -> str:
    promise = promise_of(name)
    if promise is None:
        return ""
    middle, end = len(content) // 2, max(0, len(content) - SAMPLE)
    others = tuple(content[at : at + SAMPLE] for at in (middle, end))
    return judge(promise, content[:SAMPLE], others)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.docx", archive("zip")), ("a.pdf", PDF), ("a.png", PNG), ("a.txt", WORDS), ("a.py", SOURCE),
        ("a.json", json.dumps(list(range(4000))).encode()),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("rename", "change", "expected"),
    [
        (str, bytes, ""),
        (str, cipher, SCRAMBLED),
        (str, lambda data: b"Salted__" + cipher(data), SCRAMBLED),
        (lambda name: f"{name}.k7q2x", cipher, APPENDED),
        (lambda name: f"{name}.lockbit", cipher, RANSOM_EXTENSION),
        (lambda name: f"{name}.k7q2x", bytes, ""),
        (lambda name: f"{name}.lockbit", bytes, ""),
        (lambda name: f"{name}.gpg", cipher, ""),
        (lambda name: f"{name}.tmp", cipher, ""),
        (lambda name: f"{name}.1", cipher, ""),
        (lambda name: f"{name}.gz", gzip.compress, ""),
        (lambda name: f"{name}.xz", lzma.compress, ""),
        (lambda name: f"{name}.bz2", bz2.compress, ""),
        (lambda name: name.partition(".")[0], cipher, ""),
    ],
)
def test_each_format_and_what_becomes_of_it(
    name: str, content: bytes, rename: Callable[[str], str], change: Callable[[bytes], bytes], expected: str
) -> None:
    assert verdict(rename(name), change(content)) == expected


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
def test_archives_keep_their_promise(kind: str) -> None:
    assert verdict(f"backup.tar.{kind}", archive(kind)) == ""
    assert verdict(f"backup.tar.{kind}", cipher(archive(kind))) == SCRAMBLED


def test_weak_encryption_takes_the_format_and_is_not_random() -> None:
    word = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(range(64)) * 40 + WORDS
    assert verdict("a.doc", word) == ""
    assert verdict("a.doc", exclusive_or(word)) == FORMAT_LOST


def test_what_stands_in_for_a_file_is_no_loss() -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 600
    assert verdict("photo.png", pointer) == ""
    assert verdict("photo.png", bytes(SAMPLE)) == "", "room that was reserved"
    assert verdict("photo.png", "Ничего не найдено. ".encode() * 90) == "", "a page that says so"
    assert verdict("photo.jpg", PNG) == "", "another picture's format"
    assert verdict("photo.png", b"\0\0\0\x20ftypavif" + cipher(WORDS)) == ""


def test_a_text_that_is_encrypted_in_parts() -> None:
    middle = len(WORDS) // 2
    assert verdict("a.csv", WORDS[:middle] + cipher(WORDS[: 3 * SAMPLE]) + WORDS[middle:]) == SCRAMBLED


def test_too_little_says_nothing() -> None:
    assert verdict("a.txt", cipher(WORDS)[: file_content.LEAST - 1]) == ""
    assert verdict("a.txt", cipher(WORDS)[: file_content.LEAST]) == SCRAMBLED


@pytest.mark.parametrize(
    "name", ["docx", ".docx", ".bashrc", "a", "a.", "a.unknown", "a.docx.", ".a.encrypted~"]
)
def test_names_that_promise_nothing(name: str) -> None:
    assert promise_of(name) is None


def test_random_bytes_stay_far_below_the_bound() -> None:
    stream = cipher(bytes(SAMPLE * 1000))
    values = [file_content.chi_squared(stream[at : at + SAMPLE]) for at in range(0, len(stream), SAMPLE)]
    assert min(values) > file_content.RANDOM_ABOVE and max(values) < file_content.RANDOM_BELOW
    assert 250 < sum(values) / len(values) < 260, "255 is the mean for random bytes"


def test_a_pattern_with_every_value_is_not_random() -> None:
    assert not file_content.is_random(bytes(range(256)) * 16)


def test_machine_code_and_base64_are_not_random() -> None:
    import base64

    assert not file_content.is_random(base64.b64encode(cipher(WORDS))[:SAMPLE])
    code = Path("/bin/ls").read_bytes()
    assert not any(file_content.is_random(code[at : at + SAMPLE]) for at in range(0, len(code), SAMPLE))


NOTE = b"All your files are encrypted. Pay 2 bitcoin and write to http://abcdef.onion to get the decryptor."


def test_a_note_and_what_only_sounds_like_one() -> None:
    assert file_content.is_note(NOTE)
    for left_out in (b"encrypted", b"bitcoin", b".onion"):
        text = NOTE.replace(left_out, b"").replace(b"Pay", b"").replace(b"decryptor", b"")
        assert not file_content.is_note(text), left_out
    assert not file_content.is_note(
        b"How to restore a backup that was encrypted with restic: run restic restore."
    )


@pytest.mark.parametrize(
    "name", ["HOW_TO_DECRYPT.txt", "README.txt", "restore-my-files.hta", "RECOVER-FILES.html"]
)
def test_names_of_notes(name: str) -> None:
    assert file_content.is_note_name(name)


@pytest.mark.parametrize("name", ["readme.py", "notes.txt", "howto.docx", "HOWTO.jpg"])
def test_names_of_other_files(name: str) -> None:
    assert not file_content.is_note_name(name)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/var/www/html/a.php", True), ("/home/a/public_html/x/A.PHTML", True), ("/srv/tomcat/webapps/a.jsp", True),
        ("/var/www/html/a.txt", False), ("/usr/share/doc/a.php", False), ("/srv/a.php/www", False),
        ("/var/www.old/a.php", False), ("/home/a/www.php", False),
    ],
)  # fmt: skip
def test_pages_that_a_server_executes(path: str, expected: bool) -> None:
    assert file_content.is_web_script(path) is expected
