# SPDX-License-Identifier: Apache-2.0
"""The responder: puts journal, skills, judge and socket together and runs them until told to stop."""

from __future__ import annotations

import logging
import os
import signal
from contextlib import ExitStack
from pathlib import Path

from innerwarden import paths
from innerwarden.config import Config
from innerwarden.errors import UnavailableError
from innerwarden.files import who_else_writes
from innerwarden.model import health
from innerwarden.model.responder import Cleared
from innerwarden.model.verb import AnyVerb
from innerwarden.responder.effects import Effects
from innerwarden.responder.executor import Executor, Judge
from innerwarden.responder.journal import Journal
from innerwarden.responder.moments import Clock
from innerwarden.responder.server import Server, allowed_uids
from innerwarden.responder.skill import Means, find_skills
from innerwarden.responder.upkeep import Upkeep
from innerwarden.safety import Verdict, look, may_act, policy_of
from innerwarden.stopping import Stop

logger = logging.getLogger(__name__)

#: A signal is noticed within this time.
LONGEST_WAIT_S = 0.5
JOURNAL = "journal.jsonl"


class Responder:
    """All parts for one data directory. Raises JournalError, UnavailableError, SkillError."""

    def __init__(self, config: Config, data_dir: Path) -> None:
        self._config = config
        self._data_dir = data_dir
        self._stack = ExitStack()
        self.server: Server | None = None
        directory = private_directory(data_dir)
        at = Clock()
        try:
            self._journal = Journal(directory / JOURNAL, at)
            self._stack.callback(self._journal.close)
            means = Means(config=config.responder, directory=directory)
            effects = Effects(self._journal, find_skills(means), at)
            self.executor = Executor(config.responder, effects, self._facts, at)
            self.upkeep = Upkeep(self.executor, effects, at)
        except BaseException:
            self._stack.close()
            raise

    def run(self, stop: Stop) -> None:
        """Listen and answer until `stop` is set."""
        settings = self._config.responder
        self.server = Server(Path(settings.socket), allowed_uids(), self.executor.answer)
        self._stack.callback(self.server.close)
        self.upkeep.start()
        logger.info(
            "responder runs socket=%s enabled=%s dry_run=%s verbs=%s live=%d",
            settings.socket,
            settings.enabled,
            settings.dry_run,
            ",".join(settings.verbs),
            len(self._journal.live()),
        )
        while not stop.is_set():
            self.server.serve(min(LONGEST_WAIT_S, self.upkeep.wait_s()))
            try:
                self.upkeep.step()
            except Exception:  # the border of a worker: what is in effect still has to end in time
                logger.exception("upkeep failed and is tried again")
                stop.wait(1)
        logger.info(
            "responder stops; what is in effect stays until it is over live=%d", len(self._journal.live())
        )

    def close(self) -> None:
        self._stack.close()

    def _facts(self) -> Judge:
        """Facts and policy as they are now."""
        host = look(self._own_pids())
        policy = policy_of(self._config, paths.own_places(self._data_dir))

        def judge(verb: AnyVerb) -> Verdict:
            return may_act(verb, host, policy)

        return judge

    def _own_pids(self) -> set[int]:
        """Who talks to us, and the sensor."""
        found = set(self.server.pids()) if self.server is not None else set()
        report = health.read(paths.sensor_health(self._data_dir))
        return found | ({report.pid} if report is not None else set())


def has_live(data_dir: Path) -> bool:
    """Whether anything is in effect that has to be looked after. Raises JournalError, UnavailableError."""
    path = paths.responder(data_dir) / JOURNAL
    if not path.exists():
        return False
    journal = Journal(private_directory(data_dir) / JOURNAL, Clock())
    try:
        return bool(journal.live())
    finally:
        journal.close()


def private_directory(data_dir: Path) -> Path:
    """The responder's own directory, which nobody else can change. Raises UnavailableError when somebody could."""
    directory = paths.responder(data_dir)
    try:
        directory.parent.mkdir(mode=0o750, parents=True, exist_ok=True)  # of a parent mkdir masks nothing
        directory.mkdir(mode=0o700, exist_ok=True)
        doubt = who_else_writes(str(directory.resolve()), sticky=True, owner=os.geteuid())
    except OSError as error:
        raise UnavailableError(f"{directory} cannot be used: {error.strerror}", "Run as root") from error
    if doubt is not None:
        raise UnavailableError(
            f"the journal cannot be kept in {directory}: {doubt}",
            "Its directories belong to root, and others may write only where the sticky bit is set",
        )
    return directory


def run(config: Config, data_dir: Path, stop: Stop | None = None) -> None:
    """Serve until `stop` is set; without one, until SIGTERM or SIGINT."""
    if stop is None:
        stop = Stop()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
    responder = Responder(config, data_dir)
    try:
        responder.run(stop)
    finally:
        responder.close()


def clear(config: Config, data_dir: Path) -> Cleared:
    """Undo all that is in effect and remove what was made, with no daemon running."""
    responder = Responder(config, data_dir)
    try:
        return responder.executor.clear()
    finally:
        responder.close()
