# SPDX-License-Identifier: Apache-2.0
"""What the package's copyright says of a bundled wheel: its holder, and its text, or where the system has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.packaging.tools import tool

METADATA = "Name: some\nVersion: 1.0\nLicense: As below\nAuthor: A. Author\n\nWhat it does.\n"
MIT = "MIT License\n\nCopyright (c) 2020 B. Holder\n\nPermission is hereby granted, free of charge\n"
LGPL = """                  GNU LESSER GENERAL PUBLIC LICENSE
                       Version 2.1, February 1999

 Copyright (C) 1991, 1999 Free Software Foundation, Inc.
 Everyone is permitted to copy and distribute verbatim copies
"""
APACHE = "Copyright 2019 C. Holder\n\nTERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION\n\n1. Definitions.\n"


@pytest.mark.parametrize(
    ("licence", "holder", "told", "untold"),
    [
        (MIT, "Copyright (c) 2020 B. Holder", "Permission is hereby granted", "common-licenses"),
        (LGPL, "A. Author", "/usr/share/common-licenses/LGPL-2.1", "Everyone is permitted"),
        (APACHE, "Copyright 2019 C. Holder", "/usr/share/common-licenses/Apache-2.0", "Definitions"),
        (f"MIT or {LGPL.strip()}", "A. Author", "MIT or GNU LESSER", "common-licenses"),
    ],
)
def test_a_text_that_the_system_has_is_named_and_not_repeated(
    tmp_path: Path, licence: str, holder: str, told: str, untold: str
) -> None:
    info = tmp_path / "some-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(METADATA)
    (info / "LICENSE").write_text(licence)
    (stanza,) = tool("licences").stanzas(tmp_path)
    assert f"Copyright: {holder}\n" in stanza
    assert told in stanza
    assert untold not in stanza
