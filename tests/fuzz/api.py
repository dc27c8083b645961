# SPDX-License-Identifier: Apache-2.0
"""The dashboard, live on loopback, asked by schemathesis as its own description says, and beyond it."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fuzz.running import WORK, Result
from tests.fuzz.target import must
from tests.fuzz.targets.dashboard import TOKEN, fill

NAME = "dashboard-api"
ANSWER_S = 5.0
#: Requests of one operation before the next one is asked.
TURN = 20


@contextmanager
def live() -> Iterator[str]:
    """Its address."""
    from innerwarden import paths
    from innerwarden.agent.dashboard.auth import hash_of
    from innerwarden.agent.dashboard.server import serve
    from innerwarden.agent.state.read import Reader

    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        fill(place)
        server = serve(
            lambda: Reader(paths.state_db(place)),
            paths.sensor_health(place),
            "127.0.0.1:0",
            tokens=lambda sha256: sha256 == hash_of(TOKEN),
        )
        server.start()
        try:
            yield server.url
        finally:
            server.stop()


def run(seconds: int) -> Result:
    """Ask for so long, and every operation at least."""
    began = time.monotonic()
    executions, operations, fault, why = 0, 0, None, ""
    logging.disable(logging.CRITICAL)  # each refusal is one
    with live() as url:
        asking = _Asking(url)
        operations = len(asking.operations)
        try:
            while True:
                asking.turn()
                if time.monotonic() - began >= seconds:
                    break
        except Exception as error:  # whatever schemathesis or the transport says is about one request
            fault, why = asking.last.encode(), f"{type(error).__name__}: {str(error)[:600]}"
            WORK.mkdir(parents=True, exist_ok=True)
            (WORK / f"{NAME}.fault").write_text(f"{asking.last}\n{error}\n")
        executions = asking.count
    return Result(
        name=NAME,
        seconds=time.monotonic() - began,
        executions=executions,
        coverage=(0, operations),
        fault=fault,
        why=why.replace("\n", " "),
    )


class _Asking:
    def __init__(self, url: str) -> None:
        import schemathesis

        self._url = url
        self._headers = {"Authorization": f"Bearer {TOKEN}"}
        schema = schemathesis.openapi.from_url(f"{url}/api/v1/openapi.json", headers=self._headers)
        self.operations = [found.ok() for found in schema.get_all_operations()]
        must(bool(self.operations), "the description has no operation")
        self.count = 0
        self.last = ""

    def turn(self) -> None:
        """Some requests of every operation: what the description allows, then what it does not."""
        from schemathesis.generation import GenerationMode

        for operation in self.operations:
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                self._ask(operation, mode)

    def _ask(self, operation: object, mode: object) -> None:
        from hypothesis import HealthCheck, Phase, given, settings
        from hypothesis.errors import Unsatisfiable
        from schemathesis.checks import not_a_server_error
        from schemathesis.specs.openapi.checks import (
            content_type_conformance,
            response_schema_conformance,
            status_code_conformance,
        )

        checks = (
            not_a_server_error,
            status_code_conformance,
            content_type_conformance,
            response_schema_conformance,
        )

        @given(case=operation.as_strategy(generation_mode=mode))  # type: ignore[attr-defined]
        @settings(
            max_examples=TURN,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def one(case: object) -> None:
            self.count += 1
            self.last = f"{case.method} {case.path} {case.path_parameters} {case.query}"  # type: ignore[attr-defined]
            began = time.monotonic()
            answer = case.call(base_url=self._url, headers=self._headers, timeout=ANSWER_S)  # type: ignore[attr-defined]
            took = time.monotonic() - began
            must(took < ANSWER_S, f"answered after {took:.1f} s")
            case.validate_response(answer, checks=checks)  # type: ignore[attr-defined]

        try:
            one()
        except Unsatisfiable:  # there is nothing wrong to send where there are no parameters
            return
