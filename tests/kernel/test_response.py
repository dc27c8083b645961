# SPDX-License-Identifier: Apache-2.0
"""The whole defence: an attack on a real sshd, from log line to dropped packet and back, with the operator logged in.

The attacker's and the operator's machine are addresses of one network namespace, the server is another.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.net import FAR_V4, HERE_V4, OTHER_V4, Net
from tests.kernel.product import REPOSITORY, Product, wait_for

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.apart,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make network namespaces"),
    pytest.mark.skipif(
        not Path("/usr/sbin/sshd").exists(), reason="there is no sshd; install openssh-server"
    ),
    pytest.mark.skipif(not Path("/usr/sbin/nft").exists(), reason="there is no nft; install nftables"),
]

TTL_S = 60
CONFIG = """
[collectors.kernel]
enabled = false
[collectors.journald]
enabled = false
[collectors.inventory.memory_maps]
enabled = false
[collectors.auth_log]
path = "{place}/auth.log"
[responder]
enabled = {enabled}
dry_run = {dry_run}
socket = "{place}/responder.sock"
{more}
[triage]
rules_directory = "{place}/triage.d"
"""
RULE = f"""
[[rule]]
id = "password-guessing"
why = "passwords are guessed from there"
detectors = ["ssh_bruteforce"]
verb = "block_address"
entity = "ip"
ttl_s = {TTL_S}
auto_execute = true
"""
SSHD = """HostKey {place}/host
AuthorizedKeysFile {place}/user.pub
PidFile {place}/pid
ListenAddress {here}
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication yes
MaxStartups 100
"""
#: sshd's own words, with what syslogd puts before them.
LOG = """
import sys, time
for line in sys.stdin:
    if line.strip():
        print(time.strftime('%b %e %H:%M:%S') + ' web sshd[4242]: ' + line.rstrip(), flush=True)
"""
PASSWORDS = {
    "SSH_ASKPASS": "/bin/hostname",
    "SSH_ASKPASS_REQUIRE": "force",
    "DISPLAY": ":0",
    "PATH": "/usr/bin:/bin",
}


class Guarded(Product):
    """The product inside a network namespace; its mounts are this machine's."""

    def __init__(self, net: Net, directory: Path, config: str) -> None:
        super().__init__(directory, config)
        self._inside = ["nsenter", f"--net=/run/netns/{net.here}"]

    def command(self, *words: str) -> list[str]:
        return [*self._inside, *super().command(*words)]

    def ask(self, *words: str, status: int = 0) -> Any:
        """What a command prints as JSON."""
        words = (*words, "--data-dir", str(self.data_dir), "--json")
        done = subprocess.run(
            self.command(*words), capture_output=True, text=True, cwd=REPOSITORY, check=False, timeout=60
        )
        assert done.returncode == status, (words, done.stdout, done.stderr)
        return json.loads(done.stdout)["data"]

    def responses(self) -> list[dict[str, Any]]:
        return list(self.ask("responses"))


class Scene:
    """Server, attacker, operator."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.net = Net()
        self.children: list[subprocess.Popen[Any]] = []
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-qt", "ed25519", "-N", "", "-f", place / name], check=True)
        Path("/run/sshd").mkdir(exist_ok=True)
        (place / "sshd_config").write_text(SSHD.format(place=place, here=HERE_V4))
        (place / "triage.d").mkdir()
        (place / "triage.d/own.toml").write_text(RULE)
        (place / "auth.log").touch()
        sshd = self.start(
            self.net.here,
            "/usr/sbin/sshd",
            "-D",
            "-e",
            "-f",
            str(place / "sshd_config"),
            stderr=subprocess.PIPE,
        )
        with (place / "auth.log").open("ab") as log:
            self.children.append(subprocess.Popen([sys.executable, "-c", LOG], stdin=sshd.stderr, stdout=log))
        (place / "known").write_text(f"{HERE_V4} {' '.join((place / 'host.pub').read_text().split()[:2])}\n")
        wait_for(lambda: "Server listening" in (place / "auth.log").read_text(), 10, "sshd did not listen")

    def start(self, namespace: str, *words: str, **more: Any) -> subprocess.Popen[Any]:
        child = subprocess.Popen(["nsenter", f"--net=/run/netns/{namespace}", *words], **more)
        self.children.append(child)
        return child

    def ssh(self, source: str, *words: str) -> list[str]:
        known = f"-oUserKnownHostsFile={self.place}/known"
        return ["ssh", "-F", "none", "-b", source, known, "-oConnectTimeout=3", *words]

    def log_in(self) -> Path:
        """The operator's session writes a line every 100 ms into the file that comes back."""
        said = self.place / "session"
        with said.open("wb") as out:
            self.operator = self.start(
                self.net.far,
                *self.ssh(OTHER_V4, "-i", f"{self.place}/user", "-oBatchMode=yes", f"root@{HERE_V4}"),
                "while sleep 0.1; do echo here; done",
                stdout=out,
                stdin=subprocess.DEVNULL,
            )
        wait_for(lambda: said.stat().st_size > 0, 15, "the operator could not log in")
        return said

    def guess(self, source: str = FAR_V4, times: int = 6) -> None:
        """Three passwords a connection."""
        words = self.ssh(
            source,
            "-oPreferredAuthentications=password",
            "-oPubkeyAuthentication=no",
            f"admin@{HERE_V4}",
            "true",
        )
        for _ in range(times):
            child = subprocess.run(
                ["nsenter", f"--net=/run/netns/{self.net.far}", "timeout", "6", *words],
                env=PASSWORDS,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                start_new_session=True,
            )
            # 124: it hangs, because it was blocked in between.
            assert child.returncode in (255, 124)
            if child.returncode == 124:
                return

    def product(self, *, enabled: bool = True, dry_run: bool = False, more: str = "") -> Guarded:
        text = CONFIG.format(
            place=self.place, enabled=str(enabled).lower(), dry_run=str(dry_run).lower(), more=more
        )
        return Guarded(self.net, self.place, text)

    def close(self) -> None:
        for child in self.children:
            child.send_signal(signal.SIGTERM)
        for child in self.children:
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self.net.close()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.close()


def grows(said: Path, seconds: float = 3.0) -> bool:
    before = said.stat().st_size
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if said.stat().st_size > before:
            return True
        time.sleep(0.05)
    return False


def test_from_the_log_line_to_the_dropped_packet_and_back(scene: Scene) -> None:
    said = scene.log_in()
    product = scene.product().start()
    try:
        assert scene.net.connect(FAR_V4) == "passes"
        scene.guess()
        active = wait_for(
            lambda: [one for one in product.responses() if one["state"] == "active"],
            40,
            "nothing was blocked",
        )
        assert [(one["verb"]["verb"], one["verb"]["address"]) for one in active] == [
            ("block_address", FAR_V4)
        ]
        assert active[0]["by"] == "rule:password-guessing"
        assert scene.net.connect(FAR_V4) == "dropped"
        assert scene.net.connect(OTHER_V4) == "passes" and grows(said), "the operator is cut off"
        product.stop()
        assert scene.net.connect(FAR_V4) == "dropped", "a stop of the product is no end of the block"
        product = scene.product().start()
        wait_for(lambda: [one["state"] for one in product.responses()] == ["active"], 20, "it was forgotten")
        assert scene.net.blocked() == [FAR_V4]
        assert grows(said)
        wait_for(
            lambda: [one["state"] for one in product.responses()] == ["undone"],
            TTL_S + 40,
            "it did not end in time",
        )
        assert scene.net.connect(FAR_V4) == "passes"
        assert scene.net.blocked() == []
        assert grows(said) and scene.operator.poll() is None, "the operator's session was dropped"
        assert product.ask("audit", "verify")["verdict"] == "intact"
    finally:
        product.stop()


def test_the_same_by_xdp_and_back_by_hand(scene: Scene) -> None:
    said = scene.log_in()
    product = scene.product(more='backend = "xdp"\nxdp_interfaces = ["far"]').start()
    try:
        scene.guess()
        active = wait_for(
            lambda: [one for one in product.responses() if one["state"] == "active"],
            40,
            "nothing was blocked",
        )
        assert scene.net.connect(FAR_V4) == "dropped"
        assert "xdp" in scene.net.at(scene.net.here, "ip", "link", "show", "dev", "far")
        assert scene.net.rules() == []
        assert scene.net.connect(OTHER_V4) == "passes" and grows(said), "the operator is cut off"
        assert product.ask("undo", active[0]["response_id"])["done"]
        wait_for(lambda: scene.net.connect(FAR_V4) == "passes", 20, "it was not let in again")
        assert grows(said) and scene.operator.poll() is None
    finally:
        product.stop()


def test_the_operator_s_own_address_is_never_blocked(scene: Scene) -> None:
    """Somebody behind the same NAT guesses passwords."""
    said = scene.log_in()
    product = scene.product().start()
    try:
        scene.guess(OTHER_V4)
        wait_for(
            lambda: [one for one in product.incidents() if one["detector"] == "ssh_bruteforce"], 40, "unseen"
        )
        time.sleep(3)
        assert scene.net.blocked() == []
        assert [one for one in product.responses() if one["state"] in ("intended", "active")] == []
        answer = product.ask("block", OTHER_V4, status=1)
        assert "operator_session" in answer["text"]
        assert grows(said)
    finally:
        product.stop()


@pytest.mark.parametrize(("enabled", "dry_run"), [(False, False), (True, True)])
def test_with_a_switch_off_nothing_is_touched(scene: Scene, enabled: bool, dry_run: bool) -> None:
    product = scene.product(enabled=enabled, dry_run=dry_run).start()
    try:
        before = scene.net.rules()
        scene.guess()
        wait_for(
            lambda: [one for one in product.incidents() if one["detector"] == "ssh_bruteforce"], 40, "unseen"
        )
        if enabled:
            wait_for(
                lambda: [one["state"] for one in product.responses()] == ["dry_run"],
                20,
                "no dry run was told",
            )
        else:
            time.sleep(3)
            assert not [one for one in product.responses() if one["state"] not in ("proposed", "refused")]
        assert scene.net.rules() == before
        assert scene.net.connect(FAR_V4) == "passes"
    finally:
        product.stop()
