# SPDX-License-Identifier: Apache-2.0
"""Modules of the running sensor: the set it started with, and every change of what is switched on.

The file of switches is looked at once a second. A changed set is compiled in a child and loaded on a thread of its own,
so that events go on being read; only the swap itself holds them up. A set in which a module that is new or changed has
a problem is refused whole, and the running one stays as it was.
"""

from __future__ import annotations

import gc
import logging
import os
import threading
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import msgspec
from innerwarden_core import Prepared, StaleError
from innerwarden_core.memory import trim

from innerwarden import paths
from innerwarden.config import Config
from innerwarden.errors import ConfigError, InnerWardenError, UnavailableError
from innerwarden.model.health import ModulesHealth, WorkerHealth
from innerwarden.modules import ownership
from innerwarden.modules import state as states
from innerwarden.modules.apart.pool import Workers
from innerwarden.modules.loader import Live, ModuleSet, load_modules
from innerwarden.modules.state import ModuleState
from innerwarden.rules.compiled import Saved, compile_here, compile_in_child
from innerwarden.rules.program import RuleSource

logger = logging.getLogger(__name__)

LOOK_PERIOD_S = 1.0


#: No file is this one, so the next look takes the switches for changed.
UNSEEN = (-1, -1, -1)


class Ready(msgspec.Struct, frozen=True):
    """A set that the engine can install at once; `apart` are the detectors that it keeps apart for trust."""

    prepared: Prepared
    apart: frozenset[str]


class _Loaded(msgspec.Struct, frozen=True):
    """What the thread made of the switches: a set ready to be swapped in, or why not."""

    state: ModuleState
    modules: ModuleSet | None = None
    ready: Ready | None = None
    refused: tuple[str, ...] = ()


class ModuleSwitch:
    """`current` is the running set. All but the loading itself is on the caller's thread."""

    def __init__(self, config: Config, cache: Path, prepare: Callable[[ModuleSet], Ready]) -> None:
        """Load what is switched on; `first` is that set made ready. Raises ConfigError for switches that cannot be
        read."""
        self._make_ready = prepare
        self._config = config
        self._cache = cache
        self._path = paths.module_state()
        self._seen = _identity(self._path)
        self._state = read_safely(self._path)
        self.workers = Workers()
        self.current = self._load(self._state, None)
        self.first = prepare(self.current)
        self.workers.commit(self.current.specs, self.current.remote)
        # One thread for the sensor's life: a worker ends with the thread that started it (prctl(2), PR_SET_PDEATHSIG).
        self._thread: threading.Thread | None = None
        self._wanted = threading.Event()
        self._is_loading = self._is_closed = False
        self._is_tidy = True
        self._loaded: _Loaded | None = None
        self._refused: tuple[str, tuple[str, ...]] = ("", ())
        self._next_look_s = 0.0
        self._swaps = 0
        self._swap_ms = 0.0

    def _load(self, state: ModuleState, before: ModuleSet | None) -> ModuleSet:
        compile_ = compile_in_child if before else compile_at_start
        live = Live(state=state, workers=self.workers, before=before, compile=compile_)
        return load_modules(paths.modules_dirs(), self._config, cache=self._cache, live=live)

    def step(self, now_s: float, apply: Callable[[ModuleSet, Ready], None]) -> bool:
        """Look, and swap by `apply` when a new set is ready. True when something was decided."""
        if self._is_loading:
            return False
        if self._loaded is not None:
            return self._decide(apply)
        if now_s < self._next_look_s:
            return False
        self._next_look_s = now_s + LOOK_PERIOD_S
        identity = _identity(self._path)
        if identity == self._seen:
            return False
        self._seen = identity
        self._is_loading = True
        self._wanted.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="modules", daemon=True)
            self._thread.start()
        return False

    def _serve(self) -> None:
        """On the thread, for good."""
        while True:
            self._wanted.wait()
            self._wanted.clear()
            if self._is_closed:
                return
            if not self._is_tidy:
                self._is_tidy = True
                gc.collect()
                trim()  # two sets were there at once
            if self._is_loading:
                self._prepare()
                self._is_loading = False

    def _prepare(self) -> None:
        """On the thread: read the switches, load the set."""
        state = ModuleState()
        try:
            state = read_safely(self._path)
            loaded = self._load(state, self.current)
            ready = self._make_ready(loaded)
        except (InnerWardenError, OSError) as error:
            self._loaded = _Loaded(state, refused=(str(error),))
        except ValueError as error:
            self._loaded = _Loaded(state, refused=(f"the engine refuses the set: {error}",))
        except Exception as error:
            logger.exception("modules could not be loaded")
            self._loaded = _Loaded(state, refused=(f"{type(error).__name__}: {error}",))
        else:
            self._loaded = _Loaded(state, loaded, ready, self._objections(state, loaded))

    def _objections(self, state: ModuleState, loaded: ModuleSet) -> tuple[str, ...]:
        """Problems of modules that are new or were switched on anew; what was wrong before holds nobody up."""
        fresh = {name for name, digest in state.enabled.items() if self._state.enabled.get(name) != digest}
        fresh |= set(self._state.disabled) - set(state.disabled)
        return tuple(text for text in loaded.problems if module_of(text, fresh) is not None)

    def _decide(self, apply: Callable[[ModuleSet, Ready], None]) -> bool:
        new, self._loaded = self._loaded, None
        if new is None:
            return False
        if new.modules is None or new.ready is None or new.refused:
            return self._refuse(new.state, new.refused)
        began = time.perf_counter()
        try:
            apply(new.modules, new.ready)
        except StaleError:
            # Trust changed what the engine runs meanwhile: load it again.
            self.workers.discard()
            self._seen = UNSEEN
            return False
        except ValueError as error:
            return self._refuse(new.state, (str(error),))
        self.workers.commit(new.modules.specs, new.modules.remote)
        self._swap_ms = (time.perf_counter() - began) * 1000
        self._swaps += 1
        self._refused = ("", ())
        self._state, self.current = new.state, new.modules
        self._is_tidy = False
        self._wanted.set()
        logger.info("modules changed detectors=%d swap_ms=%.1f", len(self.current.specs), self._swap_ms)
        return True

    def _refuse(self, state: ModuleState, reasons: tuple[str, ...]) -> bool:
        self.workers.discard()
        self._refused = (states.stamp_of(state), reasons)
        for text in reasons:
            logger.warning("modules stay as they were: %s", text)
        return True

    def health(self) -> ModulesHealth:
        return ModulesHealth(
            state=states.stamp_of(self._state),
            refused_state=self._refused[0],
            refused=self._refused[1],
            problems=self.current.problems,
            notices=self.current.notices,
            active=tuple(module.id for module in self.current.modules),
            swaps=self._swaps,
            swap_ms=round(self._swap_ms, 2),
            workers=tuple(
                WorkerHealth(
                    module=name,
                    state=one.state,
                    reason=one.reason,
                    pid=one.pid,
                    sent=one.sent,
                    answered=one.answered,
                    lost=one.lost,
                    crashes=one.crashes,
                    confinement=one.confinement,
                )
                for name, one in self.workers.active.items()
            ),
        )

    def close(self) -> None:
        self._is_closed = True
        self._wanted.set()
        self.workers.close()


def compile_at_start(sources: Sequence[RuleSource]) -> Saved:
    """In a child, so that the sensor stays small; here where that fails, because a sensor has to start."""
    try:
        return compile_in_child(sources)
    except UnavailableError as error:
        logger.warning("compiling in this process: %s", error)
        return compile_here(sources)


def module_of(problem: str, modules: Collection[str]) -> str | None:
    """Which of the modules a problem speaks of: by its id, or by the place of a file of its directory."""
    place = problem.split(": ", 1)[0]
    return next((m for m in modules if place == m or m in Path(place).parts), None)


def read_safely(path: Path) -> ModuleState:
    """The switches, unless somebody else could have set them. Raises ConfigError."""
    if path.exists() and (problems := ownership.problems_of_file(path)):
        raise ConfigError(problems[0].partition("; ")[0], problems[0].partition("; ")[2])
    return states.read(path)


def _identity(path: Path) -> tuple[int, int, int] | None:
    """Changes whenever the file is replaced; None while there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - once a second for the sensor's life
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
