# SPDX-License-Identifier: Apache-2.0
"""What the checks ask of the guest: commands that must succeed, the product's own CLI, and waiting with an end."""

from __future__ import annotations

import json
import shlex
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

from tests.installed.machine import Answer, Machine

#: Everything in an emulated guest takes five to twenty times as long, and the host may have other work.
COMMAND_S = 180.0
WAIT_S = 180.0
POLL_S = 1.0
DASHBOARD = "http://127.0.0.1:8787"
Found = TypeVar("Found")


class CheckError(Exception):
    """What a check found to be wrong."""


class Guest:
    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.token = ""
        """Opens the dashboard."""

    def run(self, script: str, limit_s: float = COMMAND_S) -> Answer:
        return self._machine.run(script, limit_s)

    def do(self, script: str, limit_s: float = COMMAND_S) -> str:
        """Output of a script. Raises CheckError when it fails."""
        status, text = self.run(script, limit_s)
        if status != 0:
            ended = f"took longer than {limit_s:.0f} s" if status == 124 else f"exit code {status}"
            raise CheckError(f"{script.strip().splitlines()[-1][:160]}: {ended}: {_end(text)}")
        return text

    def cli(self, *arguments: str, codes: tuple[int, ...] = (0,)) -> Any:
        """`data` of what `innerwarden ARGUMENTS --json` prints."""
        command = shlex.join(["innerwarden", *arguments, "--json"])
        status, text = self.run(f"{command} 2>/run/cli.errors; s=$?; cat /run/cli.errors >&2; exit $s")
        if status not in codes:
            raise CheckError(f"{command}: exit code {status}: {_end(text)}")
        line = next((line for line in text.splitlines() if line.startswith('{"version"')), None)
        if line is None:
            raise CheckError(f"{command} printed no JSON: {_end(text)}")
        return json.loads(line)["data"]

    def wait_for(self, what: str, look: Callable[[], Found | None], limit_s: float = WAIT_S) -> Found:
        """The first answer of `look` that is not None. A look that cannot be done yet is no answer."""
        until = time.monotonic() + limit_s
        last = ""
        while True:
            try:
                found = look()
            except CheckError as error:
                found, last = None, f" ({error})"
            if found is not None:
                return found
            if time.monotonic() > until:
                raise CheckError(f"no {what} within {limit_s:.0f} s{last}")
            time.sleep(POLL_S)

    def api(self, path: str) -> Any:
        """What the dashboard's API answers; a CLI call takes an emulated guest five seconds, this none."""
        text = self.do(f"curl -sS -f -H 'Authorization: Bearer {self.token}' '{DASHBOARD}/api/v1/{path}'")
        return json.loads(text)

    def incidents(self) -> list[dict[str, Any]]:
        """All that are stored. Raises CheckError when one is there twice."""
        answer = self.api("incidents?limit=500")
        found: list[dict[str, Any]] = answer["incidents"]
        doubled = [key for key, count in Counter(row["incident_id"] for row in found).items() if count > 1]
        if doubled or answer["next_before"] is not None:
            raise CheckError(f"stored twice: {', '.join(doubled)}" if doubled else "more than 500 incidents")
        return found

    def incidents_of(self, detector: str, text: str) -> list[str]:
        """Ids of a detector's incidents whose summary names `text`."""
        return [
            row["incident_id"]
            for row in self.incidents()
            if row["detector"] == detector and text in row["summary"]
        ]

    def wait_for_incident(self, detector: str, text: str) -> str:
        """The id of the one such incident. Raises CheckError when none comes, and when there are several."""
        found = self.wait_for(
            f"incident of {detector} about {text}", lambda: self.incidents_of(detector, text) or None
        )
        if len(found) > 1:
            raise CheckError(f"one act became {len(found)} incidents: {', '.join(found)}")
        return found[0]

    def main_pid(self, unit: str) -> int:
        """0 when it does not run."""
        return int(self.do(f"systemctl show --value -p MainPID {unit}"))


def _end(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-6:])[-700:] or "no output"
