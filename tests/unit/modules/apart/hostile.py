# SPDX-License-Identifier: Apache-2.0
"""Python detectors of a module that means harm: one act each, done at the first event or when the file is loaded."""

from __future__ import annotations

from innerwarden.modules.apart.protocol import File

_DETECTOR = """\
import ctypes, os, signal, socket, subprocess, sys, threading, time
from innerwarden.sdk import Detector, DetectorSpec, Finding, Severity

spec = DetectorSpec(
    id="probe", title="t", severity=Severity.LOW, kinds=("process.exec",), summary="s", attack=("T1059",),
    blind_spots=("b",), false_positives=("f",), checks=("c",), parameters={{"n_count": 1}},
)
prefilter = None
{before}

class Probe(Detector):
    def __init__(self, parameters):
        super().__init__(parameters)
        self.seen = 0

    def process(self, event):
        self.seen += 1
{body}
        return Finding(summary=str(result), count=self.seen)
"""


def file(body: str, before: str = "") -> File:
    """A detector whose process() runs `body`, which sets `result`; an OSError becomes its name and errno."""
    guarded = "try:\n" + "".join(f"    {line}\n" for line in body.splitlines())
    guarded += "except OSError as error:\n    result = f'{type(error).__name__} {error.errno}'\n"
    indented = "".join(f"        {line}\n" for line in guarded.splitlines())
    return File("/m/detectors/probe.py", "probe", _DETECTOR.format(before=before, body=indented.rstrip()))
