# SPDX-License-Identifier: Apache-2.0
"""Tell the running agent something and show what it answers."""

from __future__ import annotations

import socket
from pathlib import Path

import msgspec
import typer

from innerwarden import paths
from innerwarden.ctl.output import emit_json, note, shown
from innerwarden.errors import UnavailableError
from innerwarden.model.command import Answer, AnyCommand

ANSWER_S = 15.0


def tell(data_dir: Path, command: AnyCommand) -> Answer:
    """Raises UnavailableError when no agent listens there."""
    path = paths.agent_socket(data_dir)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC) as agent:
        agent.settimeout(ANSWER_S)
        try:
            agent.connect(str(path))
            agent.send(msgspec.json.encode(command))
            data = agent.recv(65536)
        except OSError as error:
            remedy = "Run it as root, and start the agent first: systemctl start innerwarden-agent (or innerwarden run)"
            raise UnavailableError(
                f"the agent does not answer at {path}: {error.strerror or error}", remedy
            ) from error
    if not data:
        raise UnavailableError(f"the agent at {path} refused to listen", "Run it as root")
    return msgspec.json.decode(data, type=Answer)


def say(answer: Answer, kind: str, json: bool) -> None:
    """Print the answer; exit code 1 when nothing was done."""
    if json:
        emit_json(kind, answer)
    else:
        note(shown(answer.text))
    if not answer.done:
        raise typer.Exit(1)
