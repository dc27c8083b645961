# SPDX-License-Identifier: Apache-2.0
"""Pausing containers by the real docker command, whose engine is one of the test's own; and by engines that fail."""

from __future__ import annotations

import json
import shutil
import socketserver
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from innerwarden.model.verb import PauseContainer
from innerwarden.responder import command
from innerwarden.responder.skill import Effect, Refusal, SkillError, TargetGone
from innerwarden.responder.skills.pause_container import Pause

pytestmark = pytest.mark.kernel

WHOLE = "4f" * 32
OTHER = "a1" * 32


class Engine(socketserver.ThreadingUnixStreamServer):
    """The part of the Docker Engine API that is asked for: ping, inspect, pause, unpause. `states` by whole id."""

    daemon_threads = True

    def __init__(self, place: Path) -> None:
        super().__init__(str(place), Api)
        self.states = {WHOLE: "running", OTHER: "running"}
        self.names = {"4f4f4f4f4f4f4f4f": OTHER}
        self.asked: list[str] = []


class Api(BaseHTTPRequestHandler):
    server: Engine
    protocol_version = "HTTP/1.1"

    def address_string(self) -> str:
        return "local"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._say(200)

    def do_GET(self) -> None:
        if self.path == "/_ping":
            self._say(200)
            return
        if (whole := self._whole()) is None:
            self._say(404, {"message": "No such container: x"})
            return
        state = self.server.states[whole]
        running = {"Running": state != "exited", "Paused": state == "paused", "Status": state}
        self._say(200, {"Id": whole, "State": running, "Name": "/web", "Config": {}, "HostConfig": {}})

    def do_POST(self) -> None:
        self.server.asked.append(self.path.partition("/containers/")[2])
        whole = self._whole()
        wanted, becomes = ("paused", "running") if self.path.endswith("unpause") else ("running", "paused")
        if whole is None or self.server.states[whole] != wanted:
            self._say(409, {"message": "not in that state"})
            return
        self.server.states[whole] = becomes
        self._say(204)

    def _whole(self) -> str | None:
        asked = self.path.partition("/containers/")[2].split("/")[0]
        if asked in self.server.names:
            return self.server.names[asked]
        return next((whole for whole in self.server.states if asked and whole.startswith(asked)), None)

    def _say(self, status: int, body: object = None) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Api-Version", "1.45")
        self.send_header("Content-Type", "application/json")
        if status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    place = shutil.which("docker")
    if place is None:
        pytest.skip("needs the docker command: apt-get install docker.io")
    monkeypatch.setattr(command, "DIRECTORIES", (*command.DIRECTORIES, Path(place).parent))
    made = Engine(tmp_path / "engine.sock")
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture
def skill(engine: Engine, tmp_path: Path) -> Pause:
    return Pause(("--config", str(tmp_path), "--host", f"unix://{tmp_path}/engine.sock"))


def effect(container: str = WHOLE, handle: str = "") -> Effect[PauseContainer]:
    verb = PauseContainer(container_id=container, runtime="docker")
    return Effect(request_id="r1", verb=verb, ttl_s=60, handle=handle)


@pytest.mark.parametrize("container", [WHOLE, WHOLE[:12]])
def test_one_container_is_paused_and_goes_on(engine: Engine, skill: Pause, container: str) -> None:
    kept: list[str] = []
    assert skill.plan(effect(container).verb, 60) == [f"docker pause {WHOLE}"]
    assert engine.asked == []
    skill.do(effect(container), kept.append)
    assert (kept, engine.states) == ([WHOLE], {WHOLE: "paused", OTHER: "running"})
    after = effect(container, WHOLE)
    assert skill.check(after) is None
    skill.do(after, kept.append)
    skill.undo(after)
    skill.undo(after)
    assert engine.states == {WHOLE: "running", OTHER: "running"}
    assert "is running" in str(skill.check(after))
    assert engine.asked == [f"{WHOLE}/pause", f"{WHOLE}/unpause"]


def test_a_pause_of_somebody_else_is_not_ended(engine: Engine, skill: Pause) -> None:
    engine.states[WHOLE] = "paused"
    with pytest.raises(Refusal, match="somebody else"):
        skill.do(effect(), lambda handle: None)
    skill.undo(effect())
    assert engine.states[WHOLE] == "paused"


@pytest.mark.parametrize("state", ["exited", "gone"])
def test_what_does_not_run_is_gone(engine: Engine, skill: Pause, state: str) -> None:
    engine.states[WHOLE] = state
    if state == "gone":
        del engine.states[WHOLE]
    with pytest.raises(TargetGone):
        skill.do(effect(), lambda handle: None)
    skill.undo(effect(handle=WHOLE))
    assert f"is {'gone' if state == 'gone' else 'stopped'}" in str(skill.check(effect(handle=WHOLE)))
    assert engine.asked == []


def test_a_container_that_is_named_like_an_id_is_not_taken_for_it(engine: Engine, skill: Pause) -> None:
    with pytest.raises(TargetGone):
        skill.do(effect("4f4f4f4f4f4f4f4f"), lambda handle: None)
    assert engine.asked == []


@pytest.mark.parametrize("container", ["--all", "web", "", "4f4f", "4f4f4f4f4f4f/../a1a1", "4F" * 32])
def test_what_is_no_id_reaches_no_engine(engine: Engine, skill: Pause, container: str) -> None:
    with pytest.raises(Refusal):
        skill.do(effect(container), lambda handle: None)
    assert engine.asked == []


@pytest.mark.parametrize("runtime", ["docker", "podman"])
def test_an_engine_that_does_not_answer_is_an_error_and_no_end(
    runtime: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not taken for a container that is gone: an undo is tried again."""
    place = shutil.which(runtime)
    if place is None:
        pytest.skip(f"needs {runtime}: apt-get install {runtime}")
    monkeypatch.setattr(command, "DIRECTORIES", (*command.DIRECTORIES, Path(place).parent))
    more = ("--remote", "--url") if runtime == "podman" else ("--config", str(tmp_path), "--host")
    skill = Pause((*more, f"unix://{tmp_path}/nobody.sock"))
    verb = PauseContainer(container_id=WHOLE, runtime=runtime)  # type: ignore[arg-type]
    for handle in ("", WHOLE):
        with pytest.raises(SkillError) as failed:
            skill.do(Effect(request_id="r1", verb=verb, ttl_s=60, handle=handle), lambda handle: None)
        assert not isinstance(failed.value, TargetGone | Refusal)
    with pytest.raises(SkillError):
        skill.undo(Effect(request_id="r1", verb=verb, ttl_s=60, handle=WHOLE))


def test_podman_itself_says_that_a_container_is_gone() -> None:
    if command.find("podman") is None:
        pytest.skip("needs podman: apt-get install podman")
    with tempfile.TemporaryDirectory(prefix="iw") as place:  # podman takes no long paths
        skill = Pause(
            (f"--root={place}/a", f"--runroot={place}/b", f"--tmpdir={place}/c", "--storage-driver=vfs")
        )
        verb = PauseContainer(container_id=WHOLE, runtime="podman")
        with pytest.raises(TargetGone):
            skill.do(Effect(request_id="r1", verb=verb, ttl_s=60), lambda handle: None)
        skill.undo(Effect(request_id="r1", verb=verb, ttl_s=60, handle=WHOLE))
