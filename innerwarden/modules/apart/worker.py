# SPDX-License-Identifier: Apache-2.0
"""One worker as the sensor sees it: started, fed, listened to, ended and started again; never waited for.

Nothing that it does blocks or breaks the caller: queues are bounded and count what they drop, a worker that does not
answer is killed, and one that keeps ending is given up.
"""

from __future__ import annotations

import contextlib
import logging
import select
import signal
import socket
import subprocess
import time
from collections import deque
from collections.abc import Mapping, Sequence

import msgspec

from innerwarden import paths
from innerwarden.log import safe
from innerwarden.model.event import Event
from innerwarden.modules.apart.protocol import (
    ANSWER_MAX_BYTES,
    EVENT_MAX_BYTES,
    HEAD_BYTES,
    Answer,
    Described,
    File,
    FromWorker,
    Load,
    Make,
    Ready,
    Sent,
    frame,
)

logger = logging.getLogger(__name__)

#: Events that a worker may have without having answered; more are dropped and counted.
PENDING_MAX = 1024
OUTBOX_MAX_BYTES = 8 << 20
#: An event that is not answered for so long ends the worker: it hangs.
ANSWER_WITHIN_S = 2.0
READY_WITHIN_S = 10.0
#: First pause before a new start; it doubles.
BACK_OFF_S = 1.0
#: Ends without so many answered seconds between them after which it is not started again.
MAX_CRASHES = 5
CALM_AFTER_S = 600.0
READ_BYTES = 1 << 18


class Worker:
    """One module's Python. Times are of time.monotonic()."""

    def __init__(self, module: str, files: Sequence[File]) -> None:
        self.module = module
        self.files = tuple(files)
        self.state = "starting"  # starting, working, waiting (for the next start), disabled
        self.reason = ""  # of its last end
        self.confinement: dict[str, str] = {}
        self.described: tuple[Described, ...] = ()
        self.parameters: dict[str, dict[str, int]] = {}
        self.sent = self.answered = self.lost = self.crashes = 0
        self._decoder = msgspec.msgpack.Decoder(FromWorker)
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        self._outbox = bytearray()
        self._inbox = bytearray()
        self._pending: deque[int] = deque()
        self._dropped: list[Answer] = []
        self._next_start_s = self._began_s = self._polled_s = self._waited_s = 0.0
        self._recent_crashes = 0

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start the process; it is `working` when it has described itself. Raises OSError."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [*paths.child_python("innerwarden.modules.apart.child"), str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    cwd="/",
                    env=paths.child_environment(),
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                )
            except OSError:
                ours.close()
                raise
        self._connection = ours
        self._began_s = self._polled_s = time.monotonic()
        self._waited_s = 0.0
        self.state = "starting"
        self._outbox[:] = frame(Load(self.module, self.files))
        if self.parameters:
            self._outbox += frame(Make(self.parameters))

    def make(self, parameters: Mapping[str, Mapping[str, int]]) -> None:
        """Which of the described detectors run, with which parameters."""
        self.parameters = {name: dict(values) for name, values in parameters.items()}
        self._outbox += frame(Make(self.parameters))
        self._flush()

    def submit(self, number: int, detector: str, event: Event) -> bool:
        """Queue one event; False, and one more `lost`, when it is not taken."""
        if self.state != "working" or len(self._pending) >= PENDING_MAX:
            self.lost += 1
            return False
        data = frame(
            Sent(
                number,
                detector,
                event.ts_ns,
                event.host,
                event.source,
                event.kind,
                event.severity,
                event.details,
                event.entities,
                event.process,
            )
        )
        if len(data) > EVENT_MAX_BYTES or len(self._outbox) + len(data) > OUTBOX_MAX_BYTES:
            self.lost += 1
            return False
        self._outbox += data
        self._pending.append(number)
        self.sent += 1
        return True

    def poll(self, now_s: float) -> list[Answer]:
        """Send what waits, take what came, end what hangs, start again what is due.

        An event that got lost with its worker is answered by nothing, too.
        """
        if self.state == "disabled":
            return []
        if self.state == "waiting":
            if now_s >= self._next_start_s:
                try:
                    self.start()
                except OSError as error:
                    self._failed(f"cannot be started: {error}", now_s)
            return []
        # Only time in which the sensor itself was awake counts against the worker.
        self._waited_s += min(now_s - self._polled_s, 0.25)
        self._polled_s = now_s
        answers: list[Answer] = []
        try:
            self._flush()
            answers = self._receive()
        except (EOFError, ConnectionError):
            self._failed(self._ending(), now_s)
        except (ValueError, msgspec.MsgspecError) as error:
            self._failed(f"it sent what is no answer: {safe(str(error))}", now_s)
        else:
            if answers or not self._pending:
                self._waited_s = 0.0
            self._check_time(now_s)
        dropped, self._dropped = self._dropped, []
        return [*answers, *dropped]

    def _check_time(self, now_s: float) -> None:
        if self.state == "starting" and now_s - self._began_s > READY_WITHIN_S:
            self._failed(f"it was not ready within {READY_WITHIN_S:.0f} s", now_s)
        elif self._waited_s > ANSWER_WITHIN_S:
            self._failed(f"it did not answer within {ANSWER_WITHIN_S:.0f} s", now_s)
        elif self._recent_crashes and self.state == "working" and now_s - self._began_s > CALM_AFTER_S:
            self._recent_crashes = 0

    def wait_ready(self, timeout_s: float = READY_WITHIN_S) -> bool:
        """Poll until it has described itself or has failed; only where waiting is right."""
        deadline = time.monotonic() + timeout_s
        while self.state == "starting" and (left := deadline - time.monotonic()) > 0:
            self._wait(left)
            self.poll(time.monotonic())
        return self.state == "working"

    def ask(self, detector: str, event: Event) -> Answer:
        """One event and its answer, waited for; the answer says so when there is none."""
        number = self.sent + 1
        if not self.submit(number, detector, event):
            return Answer(number, error=f"the worker is {self.state}: {self.reason}")
        while self.state == "working":
            answers = self.poll(time.monotonic())
            if answers and self.state == "working":
                return answers[0]
            if self.state == "working":
                self._wait(0.1)
        return Answer(number, error=self.reason)

    def _wait(self, timeout_s: float) -> None:
        if self._connection is not None:
            writable = [self._connection] if self._outbox else []
            select.select([self._connection], writable, [], min(timeout_s, 0.1))

    def _flush(self) -> None:
        while self._outbox and self._connection is not None:
            try:
                done = self._connection.send(memoryview(self._outbox)[:READ_BYTES])
            except BlockingIOError:
                return
            except ConnectionError:
                return  # what it said before it ended is still to be read
            del self._outbox[:done]

    def _receive(self) -> list[Answer]:
        """Raises EOFError, ConnectionError, and ValueError for what a worker never sends."""
        if self._connection is None:
            return []
        out: list[Answer] = []
        # Four reads at most: a worker that floods must not hold the sensor up.
        for _ in range(4):
            try:
                data = self._connection.recv(READ_BYTES)
            except BlockingIOError:
                break
            if not data:
                raise EOFError
            self._inbox += data
            self._take_frames(out)
        return out

    def _take_frames(self, out: list[Answer]) -> None:
        while len(self._inbox) >= HEAD_BYTES:
            length = int.from_bytes(self._inbox[:HEAD_BYTES], "little")
            if length > ANSWER_MAX_BYTES:
                raise ValueError(f"a frame of {length} bytes")
            if len(self._inbox) - HEAD_BYTES < length:
                return
            message = self._decoder.decode(bytes(self._inbox[HEAD_BYTES : HEAD_BYTES + length]))
            del self._inbox[: HEAD_BYTES + length]
            if isinstance(message, Ready):
                self._ready(message)
                continue
            for answer in message.rows:
                if not self._pending or self._pending[0] != answer.number:
                    raise ValueError(f"an answer to event {answer.number}, which was not asked")
                self._pending.popleft()
                self.answered += 1
                out.append(answer)

    def _ready(self, message: Ready) -> None:
        if self.state != "starting":
            raise ValueError("it described itself twice")
        if self.described and message.detectors != self.described:
            raise ValueError("it described other detectors than before")
        self.described, self.confinement = message.detectors, message.confinement
        self.state = "working"

    def _ending(self) -> str:
        """Why the process is gone; it has closed its side, so it is gone or will be."""
        if self._process is None:
            return "it never ran"
        try:
            status = self._process.wait(0.05)
        except subprocess.TimeoutExpired:
            return "it closed the connection"
        return (
            f"it ended with code {status}" if status >= 0 else f"it ended by {signal.Signals(-status).name}"
        )

    def _failed(self, reason: str, now_s: float) -> None:
        self.crashes += 1
        self._recent_crashes += 1
        self.lost += len(self._pending)
        self._dropped = [Answer(number) for number in self._pending]
        self.reason = reason
        self._end()
        if self._recent_crashes >= MAX_CRASHES:
            self.state = "disabled"
            self.reason = f"it failed {self._recent_crashes} times, the last time because {reason}"
            logger.error("worker given up module=%s reason=%s", self.module, self.reason)
            return
        pause_s = BACK_OFF_S * 2 ** (self._recent_crashes - 1)
        self.state, self._next_start_s = "waiting", now_s + pause_s
        logger.warning("worker ended module=%s reason=%s next_start_s=%.0f", self.module, reason, pause_s)

    def _end(self) -> None:
        self._pending.clear()
        self._outbox.clear()
        self._inbox.clear()
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is not None:
            self._process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(2)
            self._process = None

    def close(self) -> None:
        """End it for good."""
        self._end()
        self.state, self.reason = "disabled", "it was switched off"
