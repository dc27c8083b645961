# SPDX-License-Identifier: Apache-2.0
"""licences.py SITE: the stanzas of debian/copyright for each bundled distribution below SITE, from its own metadata."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from email.message import Message
from email.parser import Parser
from pathlib import Path

NAMES = re.compile(r"(licen[cs]e|copying|notice|authors)", re.I)
#: How to know a text that the system has, and what stands in its place.
IN_COMMON = {
    re.compile(r"TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION"): (
        "The full text of the Apache License version 2.0 is in /usr/share/common-licenses/Apache-2.0."
    ),
    re.compile(r"\A\s*GNU LESSER GENERAL PUBLIC LICENSE\s+Version 2\.1, February 1999\s"): (
        "The full text of the GNU Lesser General Public License version 2.1 is in"
        " /usr/share/common-licenses/LGPL-2.1."
    ),
}
#: Who holds the copyright of such a text, not of what comes under it.
ITS_OWN = "Free Software Foundation"
COPYRIGHT = re.compile(r"^\W*((?:\(c\)|copyright|©).{0,160}\d{4}.*)$", re.I | re.M)


def stanzas(site: Path) -> Iterator[str]:
    """Sorted by name, so that the same wheels give the same file."""
    for info in sorted(site.glob("*.dist-info"), key=lambda path: path.name.lower()):
        metadata = Parser().parsestr((info / "METADATA").read_text(encoding="utf-8"))
        texts = [path.read_text(encoding="utf-8", errors="replace") for path in _texts(info)]
        name, version = metadata["Name"], metadata["Version"]
        yield "\n".join(
            [
                f"Files: usr/lib/innerwarden/lib/*/site-packages/{info.name.split('-')[0]}*",
                f"Copyright: {_holders(texts) or _author(metadata)}",
                f"License: {name}-{version}",
                f" {name} {version}, {_called(metadata)}, from https://pypi.org/project/{name}/{version}/",
                *([" .", *_folded("\n\n".join(map(_short, texts)))] if texts else []),
            ]
        )


def _texts(info: Path) -> list[Path]:
    return sorted(path for path in info.rglob("*") if path.is_file() and NAMES.match(path.name))


def _called(metadata: Message) -> str:
    classifiers = [
        c.rpartition(" :: ")[2] for c in metadata.get_all("Classifier", []) if c.startswith("License")
    ]
    said = (
        metadata["License-Expression"] or ", ".join(classifiers) or (metadata["License"] or "").split("\n")[0]
    )
    return said or "see the text"


def _author(metadata: Message) -> str:
    return metadata["Author"] or metadata["Author-email"] or metadata["Maintainer"] or "its authors"


def _holders(texts: list[str]) -> str:
    found = dict.fromkeys(
        " ".join(line.split()) for text in texts for line in COPYRIGHT.findall(text) if ITS_OWN not in line
    )
    return "\n ".join(list(found)[:8])


def _short(text: str) -> str:
    return next((said for known, said in IN_COMMON.items() if known.search(text)), text)


def _folded(text: str) -> list[str]:
    """As a field of several lines: each begins with a space, an empty one is a dot."""
    return [f" {line.rstrip()}" if line.strip() else " ." for line in text.strip().splitlines()]


if __name__ == "__main__":
    for stanza in stanzas(Path(sys.argv[1])):
        sys.stdout.write(f"\n{stanza}\n")
