# SPDX-License-Identifier: Apache-2.0
"""The workers of all modules. A new set is prepared beside the running one, then taken over or given up.

A worker whose files did not change goes over with its state. `prepare` may run on another thread than the rest, one
call at a time.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from innerwarden.model.detector import Detector, DetectorSpec, Finding
from innerwarden.model.event import Event
from innerwarden.modules.apart.protocol import Answer, Described, File
from innerwarden.modules.apart.worker import Worker


class Workers:
    def __init__(self) -> None:
        self.active: dict[str, Worker] = {}
        self._candidates: dict[str, Worker] = {}

    def prepare(self, module: str, files: Sequence[File]) -> tuple[Described, ...]:
        """What the module's files hold; starts a worker unless the running one has just these files.

        Waits until the worker is ready. A worker that fails is told as a problem of each file.
        """
        running = self.active.get(module)
        if running is not None and running.files == tuple(files) and running.described:
            self._candidates[module] = running
            return running.described
        worker = self._candidates[module] = Worker(module, files)
        try:
            worker.start()
            worker.wait_ready()
        except OSError as error:
            worker.reason = f"it cannot be started: {error}"
        if worker.state != "working":
            reason = worker.reason
            worker.close()
            return tuple(Described(f.stem, problem=f"{f.path}:1: its worker: {reason}") for f in files)
        return worker.described

    def commit(self, specs: Mapping[str, DetectorSpec], modules: Mapping[str, str]) -> None:
        """Run what was prepared: detectors by id with their parameters, of the module that `modules` names."""
        old, self.active, self._candidates = self.active, self._candidates, {}
        for module, worker in self.active.items():
            wanted = {name: specs[name].parameters for name, owner in modules.items() if owner == module}
            if wanted != worker.parameters:
                worker.make(wanted)
        for module, worker in old.items():
            if self.active.get(module) is not worker:
                worker.close()

    def discard(self) -> None:
        """Give up what was prepared; the running set stays."""
        for module, worker in self._candidates.items():
            if self.active.get(module) is not worker:
                worker.close()
        self._candidates = {}

    def poll(self) -> list[tuple[str, Answer]]:
        """(module, answer) of every worker."""
        if not self.active:
            return []
        now_s = time.monotonic()
        return [(module, one) for module, worker in self.active.items() for one in worker.poll(now_s)]

    def asked(self, specs: Mapping[str, DetectorSpec], modules: Mapping[str, str]) -> dict[str, Detector]:
        """The running set as detectors that are called and waited for."""
        return {
            name: Asked(self.active[module], name, specs[name].parameters) for name, module in modules.items()
        }

    def close(self) -> None:
        self.discard()
        for worker in self.active.values():
            worker.close()
        self.active = {}


class Asked(Detector):
    """A detector of a worker, called like one of this process: for tests of cases, where waiting is right."""

    def __init__(self, worker: Worker, name: str, parameters: Mapping[str, int]) -> None:
        super().__init__(parameters)
        self._worker = worker
        self._name = name

    def again(self) -> Asked:
        """The same without state, as is every other detector of its worker."""
        self._worker.make(self._worker.parameters)
        return self

    def process(self, event: Event) -> Finding | None:
        """Raises RuntimeError with what the detector raised, or why the worker did not answer."""
        answer = self._worker.ask(self._name, event)
        if answer.error:
            raise RuntimeError(answer.error)
        return answer.finding
