# SPDX-License-Identifier: Apache-2.0
"""The dashboard speaks plain HTTP: it listens where nobody else can hear, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from innerwarden.agent.dashboard.address import split_listen
from innerwarden.ctl.main import build
from innerwarden.errors import UsageError


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("127.0.0.1:1", ("127.0.0.1", 1)),
        ("127.8.8.8:80", ("127.8.8.8", 80)),
        ("[::1]:65535", ("::1", 65535)),
        ("localhost:0", ("127.0.0.1", 0)),
    ],
)
def test_this_host_alone(text: str, pair: tuple[str, int]) -> None:
    assert split_listen(text) == pair


@pytest.mark.parametrize(
    "text",
    [
        *("0.0.0.0:8787", "[::]:8787", "192.0.2.7:8787", "[2001:db8::1]:8787", "[fe80::1%eth0]:8787"),
        *("*:8787", "0:8787", "warden.example.org:8787", "[::ffff:0.0.0.0]:8787", "[::ffff:192.0.2.7]:1"),
        *("127.0.0.1.example.org:8787", "2130706433:8787", "0x7f.1:8787", "127.0.0.1 :8787"),
    ],
)
def test_nowhere_else(text: str) -> None:
    with pytest.raises(UsageError, match="others could read along") as caught:
        split_listen(text)
    assert "TLS proxy" in caught.value.remedy


@pytest.mark.parametrize(
    "text", ["8787", "localhost", ":1", "127.0.0.1:b", "127.0.0.1:65536", "127.0.0.1:\u0661"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(UsageError, match="not HOST:PORT"):
        split_listen(text)


@pytest.mark.parametrize("command", ["agent", "run"])
@pytest.mark.parametrize("how", ["option", "setting"])
def test_the_product_does_not_start(tmp_path: Path, command: str, how: str) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[dashboard]\nlisten = "0.0.0.0:8787"\n' if how == "setting" else "")
    argv = [command, "--config", str(config), "--data-dir", str(tmp_path / "data")]
    result = CliRunner().invoke(build(), argv + (["--listen", "[::]:8787"] if how == "option" else []))
    assert isinstance(result.exception, UsageError)
    assert "others could read along" in str(result.exception)
    assert not (tmp_path / "data").exists()
