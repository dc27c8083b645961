#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A sensor in a few lines: whatever appends this shape to findings.jsonl replaces ours."""

import json
import sys
import time
from pathlib import Path


def finding(number: int) -> bytes:
    now = time.time_ns()
    ts = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 10**9)) + f".{now % 10**9:09d}Z"
    fields = {
        "incident_id": f"door_sensor:rack-{number}:{ts}",
        "host": "rack-room",
        "title": "Cabinet opened",
        "summary": f"The door of cabinet {number} was opened.",
        "entities": [{"type": "service", "value": f"rack-{number}"}],
        "temperature_c": 21,
    }
    line = {"ts": ts, "detector": "door_sensor", "severity": "medium", "fields": fields}
    return json.dumps(line).encode() + b"\n"


with (Path(sys.argv[1]) / "findings.jsonl").open("ab", buffering=0) as out:
    for number in range(int(sys.argv[2])):
        out.write(finding(number))
