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

PYTHON = """\
\"\"\"One user runs programs with the argument --{id} three times within a minute. Replace it by your own.\"\"\"

from innerwarden.sdk import Detector, DetectorSpec, Event, EventCount, Finding, Severity

spec = DetectorSpec(
    id="{detector}",
    title="{name} example",
    severity=Severity.MEDIUM,
    kinds=("process.exec",),
    summary="user id {{uid}} ran {{count}} programs with --{id}, the last of them {{exe_path}}",
    attack=("T1059",),
    parameters={{"window_s": 60, "runs_count": 3}},
    group_key=("uid",),
    cooldown_s=60,
    checks=("Ask who started it: innerwarden incident shows the process tree",),
    entities=("path:exe_path",),
    blind_spots=("A program that changes its arguments after it was started",),
    false_positives=("A program that really has an option of this name",),
)
prefilter = \"\"\"
selection:
  CommandLine|contains: '--{id}'
condition: selection
\"\"\"


class {word}(Detector):
    def __init__(self, parameters):
        super().__init__(parameters)
        self.runs = EventCount(self.parameters["window_s"])

    def process(self, event: Event) -> Finding | None:
        count = self.runs.add(event.field("uid"), event.ts_ns)
        return Finding(count=count) if count >= self.parameters["runs_count"] else None
"""

PYTHON_CASES = """\
[[case]]
name = "three times within a minute"
expect = 1

[[case.event]]
kind = "process.exec"
exe_path = "/usr/bin/example"
argv = ["example", "--{id}"]

[[case.event]]
kind = "process.exec"
at_s = 20.0
exe_path = "/usr/bin/example"
argv = ["example", "--{id}"]

[[case.event]]
kind = "process.exec"
at_s = 40.0
exe_path = "/usr/bin/example"
argv = ["example", "--{id}"]

[[case]]
name = "too far apart"
expect = 0

[[case.event]]
kind = "process.exec"
exe_path = "/usr/bin/example"
argv = ["example", "--{id}"]

[[case.event]]
kind = "process.exec"
at_s = 20.0
exe_path = "/usr/bin/example"
argv = ["example", "--{id}"]

[[case.event]]
kind = "process.exec"
at_s = 90.0
exe_path = "/usr/bin/example"
argv = ["example", "--{id}"]
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
This module has one detector, `{detector}`. It fires when {behaviour}
`--{id}`. It is a starting point: replace the detection with the behaviour that you want to see, say
what it cannot see under `blind_spots`, and give every rule at least one case that must stay silent.

## Configuration
The detector can be switched off or given another severity or cooldown in the configuration file,
in the table `[detectors.{detector}]`.

## Security
{safety}
"""

SIGMA_SAFETY = "The detector is data: it runs in the native engine, reads events only, and starts nothing."
PYTHON_SAFETY = (
    "The detector runs in a worker process without rights: it is given events, answers with findings, and can\n"
    "neither write files, nor open sockets, nor start programs."
)


def create(directory: Path, *, python: bool = False) -> list[Path]:
    """Write the module, with a Sigma rule or a Python detector, and return its files; refuses a directory that holds
    something."""
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
        "word": "".join(part.capitalize() for part in name.split("-")),
        "safety": PYTHON_SAFETY if python else SIGMA_SAFETY,
        "behaviour": "one user three times within a minute runs a program with the argument"
        if python
        else "a program is run with the argument",
    }
    files = {
        "module.toml": MANIFEST,
        f"detectors/{words['detector']}.{'py' if python else 'yml'}": PYTHON if python else DETECTOR,
        f"tests/{words['detector']}.toml": PYTHON_CASES if python else CASES,
        "docs/README.md": README,
    }
    made = []
    try:
        for relative, text in files.items():
            path = directory / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.format(**words), encoding="utf-8")
            path.chmod(0o644)
            made.append(path)
    except OSError as error:
        raise UnavailableError(
            f"cannot write {directory}: {error.strerror}", "Choose another directory"
        ) from error
    return made
