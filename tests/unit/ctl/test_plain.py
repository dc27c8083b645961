# SPDX-License-Identifier: Apache-2.0
"""A daemon's plain command line means what typer makes of it; all else is typer's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from innerwarden.ctl import plain

PLAIN = [
    "sensor",
    "sensor --data-dir /x --config /y --for 2.5",
    "agent --no-token --listen 127.0.0.1:1",
    "agent --data-dir /x --token",
    "sensor --for=2 --data-dir=/a=b",
    "responder --clear --config /y",
]
LEFT_TO_TYPER = [
    "sensor --help",
    "sensor --for",
    "sensor --for soon",
    "sensor --data-dir --for",
    "sensor --for=soon",
    "agent --token=1",
    "agent --tokens",
    "agent extra",
]


def daemon(name: str) -> Callable[..., None]:
    return getattr(import_module(f"innerwarden.ctl.commands.{name}"), name)  # type: ignore[no-any-return]


def of_typer(name: str, words: list[str]) -> dict[str, object]:
    """The keyword arguments that typer calls the same function with."""
    import functools

    function, taken = daemon(name), {}
    app = typer.Typer()

    @functools.wraps(function)
    def take(**given: object) -> None:
        taken.update(given)

    app.command()(take)
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    return taken


@pytest.mark.parametrize("environment", ["", "/from/environment"])
@pytest.mark.parametrize("line", PLAIN)
def test_a_plain_line_is_read_as_typer_reads_it(
    line: str, environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INNERWARDEN_DATA_DIR", environment)
    name, *words = line.split()
    given = plain.arguments_of(daemon(name), words)
    assert given == of_typer(name, words)


@pytest.mark.parametrize("line", LEFT_TO_TYPER)
def test_what_is_not_plain_is_left_to_typer(line: str) -> None:
    name, *words = line.split()
    assert plain.arguments_of(daemon(name), words) is None


def test_what_is_no_daemon_is_left_to_typer() -> None:
    assert not plain.run([])
    assert not plain.run(["status"])
    assert not plain.run(["--debug", "sensor"])


def test_a_daemon_that_was_started_plainly_carries_no_command_tree(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[collectors.kernel]\nenabled = false\n")
    words = ["innerwarden", "sensor", "--data-dir", str(tmp_path), "--config", str(config), "--for", "0"]
    look = (
        "import atexit, sys\n"
        "heavy = {'pydantic', 'rich', 'innerwarden.ctl.commands.trust'}\n"
        "atexit.register(lambda: print(sorted(heavy & set(sys.modules))))\n"
        f"sys.argv = {words!r}\n"
        "from innerwarden.ctl.main import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", look], capture_output=True, text=True, check=True, timeout=100
    )
    assert done.stdout == "[]\n"
