# SPDX-License-Identifier: Apache-2.0
"""Three network namespaces in a row, and a responder in the middle one: far -- here -- behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from innerwarden.config import ResponderConfig
from innerwarden.model.responder import PACKET_BYTES, Answer, AnyReply, AnyRequest, Do
from innerwarden.model.verb import AnyVerb, BlockAddress

ROOT = Path(__file__).resolve().parents[2]
FAR_V4, HERE_V4, BEHIND_V4 = "203.0.113.9", "203.0.113.1", "198.51.100.7"
FAR_V6, HERE_V6 = "2001:db8:1::9", "2001:db8:1::1"
#: The second far address is blocked by nobody.
OTHER_V4 = "203.0.113.10"

CONNECT = """
import socket, sys
probe = socket.socket(socket.AF_INET6 if ':' in sys.argv[2] else socket.AF_INET)
probe.settimeout(float(sys.argv[3]))
probe.bind((sys.argv[1], 0))
try:
    probe.connect((sys.argv[2], 9))
except ConnectionRefusedError:
    print('passes')
except TimeoutError:
    print('dropped')
"""

#: The daemon with shorter times than anybody may configure.
DAEMON = """
import sys
from pathlib import Path
import msgspec
from innerwarden import log
from innerwarden.config import Config, ResponderConfig
from innerwarden.responder import executor, main, upkeep
log.setup('responder')
executor.MIN_TTL_S = 1
upkeep.SWEEP_S = 0.5
settings = msgspec.json.decode(sys.argv[2].encode(), type=ResponderConfig)
main.run(Config(responder=settings), Path(sys.argv[1]))
"""


def run(*words: str, given: str | None = None) -> str:
    done = subprocess.run(words, check=False, capture_output=True, text=True, input=given)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


class Net:
    """Made by root, gone with `close`. `inside`: words before a command in the middle one."""

    def __init__(self) -> None:
        tag = f"{os.getpid() % 100000}{time.monotonic_ns() % 1000}"
        self.far, self.here, self.behind = (f"iw{name}{tag}" for name in ("f", "h", "b"))
        try:
            self.inside = ["ip", "netns", "exec", self.here]
            self._make()
        except BaseException:
            self.close()
            raise

    def _make(self) -> None:
        for name in (self.far, self.here, self.behind):
            run("ip", "netns", "add", name)
            self.at(name, "ip", "link", "set", "lo", "up")
        for outer, link in ((self.far, "far"), (self.behind, "behind")):
            self.at(
                outer, "ip", "link", "add", "out", "type", "veth", "peer", "name", link, "netns", self.here
            )
            self.at(outer, "ip", "link", "set", "out", "up")
            self.at(self.here, "ip", "link", "set", link, "up")
        for name, link, *addresses in (
            (self.far, "out", f"{FAR_V4}/24", f"{OTHER_V4}/24", f"{FAR_V6}/64"),
            (self.here, "far", f"{HERE_V4}/24", f"{HERE_V6}/64"),
            (self.here, "behind", "198.51.100.1/24"),
            (self.behind, "out", f"{BEHIND_V4}/24"),
        ):
            for address in addresses:
                self.at(
                    name, "ip", "addr", "add", address, "dev", link, *(("nodad",) if ":" in address else ())
                )
        self.at(self.here, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.at(self.far, "ip", "route", "add", "198.51.100.0/24", "via", HERE_V4)
        self.at(self.behind, "ip", "route", "add", "default", "via", "198.51.100.1")

    def close(self) -> None:
        for name in (self.far, self.here, self.behind):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)

    def at(self, name: str, *words: str, given: str | None = None) -> str:
        inside = self.inside if name == self.here else ["ip", "netns", "exec", name]
        return run(*inside, *words, given=given)

    def nft(self, text: str) -> None:
        self.at(self.here, "nft", "-f", "-", given=text)

    def rules(self) -> list[dict[str, Any]]:
        """All of the middle one's rules, but for what a clock or a counter changes."""
        listed = json.loads(self.at(self.here, "nft", "-j", "list", "ruleset"))["nftables"]
        for one in listed:
            for element in one.get("set", {}).get("elem", []):
                if isinstance(element, dict):
                    element["elem"].pop("expires", None)
        return [one for one in listed if "metainfo" not in one]

    def blocked(self) -> list[str]:
        """Addresses in our sets."""
        return [
            element["elem"]["val"]
            for one in self.rules()
            if one.get("set", {}).get("table") == "innerwarden"
            for element in one["set"].get("elem", [])
        ]

    def connect(self, source: str = FAR_V4, target: str = "", wait_s: float = 1.0) -> str:
        """`passes` or `dropped`: a connection from the far one's address to a port where nobody listens."""
        target = target or (HERE_V6 if ":" in source else HERE_V4)
        return self.at(self.far, sys.executable, "-c", CONNECT, source, target, str(wait_s)).strip()


class Daemon:
    """A responder in a namespace; `kill` is kill -9."""

    def __init__(self, net: Net, data_dir: Path, config: ResponderConfig, code: str = DAEMON) -> None:
        self.socket = config.socket
        self.log = data_dir / "responder.log"
        words = [*net.inside, sys.executable, "-c", code, str(data_dir)]
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT}/core"}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*words, msgspec.json.encode(config).decode()],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=log,
            )
        wait(self.answers, 20)

    def answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            with self.connect():
                return True
        except OSError:
            return False

    def connect(self) -> socket.socket:
        link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        link.settimeout(20)
        link.connect(self.socket)
        return link

    def ask(self, request: AnyRequest) -> AnyReply:
        with self.connect() as link:
            link.send(msgspec.json.encode(request))
            return msgspec.json.decode(link.recv(PACKET_BYTES), type=AnyReply)

    def answer(self, request: AnyRequest) -> Answer:
        reply = self.ask(request)
        assert isinstance(reply, Answer), reply
        return reply

    def block(self, address: str = FAR_V4, request_id: str = "r1", ttl_s: int = 600) -> Answer:
        return self.do(BlockAddress(address=address), request_id, ttl_s)

    def do(self, verb: AnyVerb, request_id: str = "r1", ttl_s: int = 600) -> Answer:
        return self.answer(Do(request_id=request_id, verb=verb, ttl_s=ttl_s))

    def end(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(10)

    def kill(self) -> None:
        assert self.end(signal.SIGKILL) == -signal.SIGKILL


def wait(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.02)
