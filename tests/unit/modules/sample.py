# SPDX-License-Identifier: Apache-2.0
"""A small module that is valid: one rule, its cases, its documents."""

from __future__ import annotations

import uuid
from pathlib import Path

_MANIFEST = """\
[module]
id = "{id}"
name = "{name}"
version = "0.1.0"
description = "What this module sees, in one sentence."
authors = ["{author}"]
license = "Apache-2.0"
tier = "experimental"
min_innerwarden = "0.1.0"

[provides]
detectors = ["{detector}"]

[requires]
collectors = ["kernel"]

[security]
allowed_commands = []
"""

_RULE = """\
title: Network scanner started
id: {uuid}
status: experimental
description: Replace this rule by your own; field names are those of docs/module-authoring.md or Sigma's.
logsource:
  category: process_creation
  product: linux
detection:
  scanner:
    Image|endswith: /nmap
  itself_only:
    CommandLine|endswith: ' 127.0.0.1'
  condition: scanner and not itself_only
tags:
  - attack.t1046
falsepositives:
  - An administrator who looks at the own network
level: low
innerwarden:
  group_by: [exe_path, uid]
  cooldown_s: 300
  summary: "User id {{uid}} scanned a network: {{command_line}}."
  checks:
    - "Ask the person behind user id {{uid}} whether they did this"
  entities: ["process:pid"]
  blind_spots:
    - Scanners with another name
"""

_CASES = """\
[[case]]
name = "a scan of another machine"
expect = 1

[[case.event]]
kind = "process.exec"
pid = 500
exe_path = "/usr/bin/nmap"
argv = ["nmap", "-sS", "192.0.2.1"]

[[case]]
name = "a scan of this machine"
expect = 0

[[case.event]]
kind = "process.exec"
pid = 500
exe_path = "/usr/bin/nmap"
argv = ["nmap", "127.0.0.1"]
"""

_README = """\
# {name}

## Overview

Say here what an attacker does that this module sees, from which events it knows, and why a person
should care. The example detector `{detector}` reports that a network scanner was started for another
machine than this one.

## Configuration

```toml
[detectors.{detector}]
enabled = true
severity = "low"
cooldown_s = 300
```

## Security

Say here what the module reads, that it changes nothing, and whose input it handles. The example
detector only observes.
"""


def write_module(parent: Path, module_id: str) -> list[Path]:
    """Write the module below `parent`; returns its files."""
    directory = parent / module_id
    detector = module_id.replace("-", "_") + "_scan"
    values = {
        "id": module_id,
        "name": module_id.replace("-", " ").capitalize(),
        "author": "a person",
        "detector": detector,
        "uuid": str(uuid.uuid4()),
    }
    files = {
        directory / "module.toml": _MANIFEST.format(**values),
        directory / "detectors" / f"{detector}.yml": _RULE.format(**values),
        directory / "tests" / f"{detector}.toml": _CASES,
        directory / "docs" / "README.md": _README.format(**values),
    }
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        path.chmod(0o644)
    return list(files)
