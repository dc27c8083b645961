# SPDX-License-Identifier: Apache-2.0
"""The files of a new module: small, complete, and valid from the first moment."""

from __future__ import annotations

import getpass
import uuid
from pathlib import Path

from innerwarden import __version__
from innerwarden.errors import UnavailableError, UsageError

MANIFEST = """\
[module]
id = "{id}"
name = "{name}"
version = "0.1.0"
description = "Detects that a program is run with the argument --{id}"
authors = ["{author}"]
license = "Apache-2.0"
tier = "experimental"
min_innerwarden = "{version}"

[provides]
detectors = ["{detector}"]
"""

DETECTOR = """\
title: {name} example
id: {uuid}
status: experimental
description: Fires when a program is run with the argument --{id}. Replace the detection with your own.
logsource:
  category: process_creation
  product: linux
detection:
  selection:
    CommandLine|contains: '--{id}'
  condition: selection
falsepositives:
  - A program that really has an option of this name
level: medium
tags:
  - attack.execution
  - attack.t1059
innerwarden:
  id: {detector}
  group_by: [pid]
  cooldown_s: 60
  summary: '{{exe_path}} was run as {{command_line}}'
  checks:
    - 'Ask who started it: innerwarden incident shows the process tree'
  entities:
    - 'path:exe_path'
  blind_spots:
    - A program that changes its arguments after it was started
"""

CASES = """\
[[case]]
name = "the argument is used"
expect = 1

[[case.event]]
kind = "process.exec"
exe_path = "/usr/bin/example"
argv = ["example", "--{id}"]

[[case]]
name = "another argument"
expect = 0

[[case.event]]
kind = "process.exec"
exe_path = "/usr/bin/example"
argv = ["example", "--help"]
"""

README = """\
# {name}

## Overview
This module has one detector, `{detector}`. It fires when a program is run with the argument
`--{id}`. It is a starting point: replace the detection with the behaviour that you want to see, say
what it cannot see under `blind_spots`, and give every rule at least one case that must stay silent.

## Configuration
The detector can be switched off or given another severity or cooldown in the configuration file,
in the table `[detectors.{detector}]`.

## Security
The detector is data: it runs in the native engine, reads events only, and starts nothing.
"""


def create(directory: Path) -> list[Path]:
    """Write the module; refuses a directory that holds something. Returns the files made."""
    from innerwarden.modules.manifest import KEBAB

    name = directory.resolve().name
    if not KEBAB.fullmatch(name):
        raise UsageError(
            f"{name!r} is not a module id", "Use small letters, digits and single dashes, e.g. my-detections"
        )
    if directory.exists() and any(directory.iterdir()):
        raise UsageError(f"{directory} is not empty", "Choose a new directory")
    words = {
        "id": name,
        "name": name.replace("-", " ").capitalize(),
        "detector": name.replace("-", "_"),
        "author": getpass.getuser(),
        "version": __version__,
        "uuid": str(uuid.uuid4()),
    }
    files = {
        "module.toml": MANIFEST,
        f"detectors/{words['detector']}.yml": DETECTOR,
        f"tests/{words['detector']}.toml": CASES,
        "docs/README.md": README,
    }
    made = []
    try:
        for relative, text in files.items():
            path = directory / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.format(**words), encoding="utf-8")
            made.append(path)
    except OSError as error:
        raise UnavailableError(
            f"cannot write {directory}: {error.strerror}", "Choose another directory"
        ) from error
    return made
