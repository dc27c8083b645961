# SPDX-License-Identifier: Apache-2.0
"""The border of the command line: errors, exit codes, help, start time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from innerwarden.ctl import commands
from innerwarden.ctl import main as ctl_main
from innerwarden.errors import ConfigError, ModuleError, UnavailableError


def cli(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "innerwarden", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, env=env, check=False)


def test_every_file_in_commands_is_a_command() -> None:
    names = {path.stem for path in Path(commands.__path__[0]).glob("*.py")} - {"__init__"}
    app = ctl_main.build()
    found = {c.name for c in app.registered_commands} | {g.name for g in app.registered_groups}
    assert names == found
    assert {
        "run",
        "sensor",
        "agent",
        "replay",
        "incidents",
        "incident",
        "status",
        "doctor",
        "config",
    } <= found


def test_help_names_the_commands_and_loads_nothing_heavy() -> None:
    heavy = (
        "rich.table",
        "apsw",
        "falcon",
        "waitress",
        "sigma",
        "innerwarden_core",
        "innerwarden.agent.main",
    )
    script = (
        "import sys\nfrom innerwarden.ctl import main\n"
        "sys.argv = ['innerwarden', '--help']\n"
        "try:\n    main.main()\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "doctor" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("file.toml:3: no", "Do this"), 2),
        (UnavailableError("no root", "Use sudo"), 3),
        (ModuleError("bad module", ["a.yml:1: one", "a.yml:2: two"], "Mend it"), 1),
    ],
)
def test_an_error_is_problem_and_remedy(
    error: ConfigError, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ctl_main.report(error) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert said.err.rstrip().splitlines()[-1] == f"try: {error.remedy}"
    assert len(said.err.splitlines()) == 1 + len(error.problem.splitlines())


def test_outside_text_in_an_error_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    ctl_main.report(UnavailableError("bad \x1b[2J name \u202e", "remedy"))
    assert "\x1b" not in (err := capsys.readouterr().err)
    assert "\\x1b[2J" in err


def test_usage_errors_end_with_2() -> None:
    for arguments in (
        ["no-such-command"],
        ["incidents", "--no-such-option"],
        ["incidents", "--since", "soon"],
    ):
        done = cli(*arguments)
        assert done.returncode == 2, arguments
        assert "Traceback" not in done.stderr


def test_missing_state_ends_with_3_and_says_how_to_get_it(tmp_path: Path) -> None:
    done = cli("incidents", "--data-dir", str(tmp_path))
    assert done.returncode == 3
    assert done.stderr.startswith("error: ")
    assert "innerwarden run" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unexpected_error_is_one_line_and_a_private_file(tmp_path: Path) -> None:
    (tmp_path / "state.db").mkdir()
    script = (
        "import sys\nfrom innerwarden.ctl import main\nimport innerwarden.config\n"
        "def broken(path): raise ValueError('odd \\x1b thing')\n"
        "innerwarden.config.load = broken\nsys.argv = ['innerwarden', 'config', 'explain']\nmain.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env={"TMPDIR": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 3
    assert done.stderr.splitlines()[0] == "error: unexpected ValueError: odd \\x1b thing"
    assert "Traceback" not in done.stderr
    (written,) = tmp_path.glob("innerwarden-error-*.txt")
    assert written.stat().st_mode & 0o777 == 0o600
    assert "Traceback" in written.read_text()


def test_debug_shows_the_traceback() -> None:
    script = (
        "import sys\nfrom innerwarden.ctl import main\nimport innerwarden.config\n"
        "def broken(path): raise ValueError('odd')\n"
        "innerwarden.config.load = broken\n"
        "sys.argv = ['innerwarden', '--debug', 'config', 'explain']\nmain.main()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "Traceback" in done.stderr


def test_config_check_names_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text("[agent]\nretention_days = 3\npool_ms = 5\n")
    done = cli("config", "check", str(file))
    assert done.returncode == 2
    assert f"{file}:3" in done.stderr
    file.write_text("[agent]\nretention_days = 3\n")
    done = cli("config", "check", str(file), "--json")
    assert done.returncode == 0
    reply = json.loads(done.stdout)
    assert reply == {
        "version": 1,
        "command": "config check",
        "data": {"file": str(file), "valid": True, "settings_changed": 1},
    }


def test_config_explain_lists_every_setting_once() -> None:
    reply = json.loads(cli("config", "explain", "--json").stdout)
    keys = [row["key"] for row in reply["data"]]
    assert len(keys) == len(set(keys))
    assert {"collectors.kernel.poll_ms", "dashboard.listen", "responder.dry_run"} <= set(keys)
