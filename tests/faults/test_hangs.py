# SPDX-License-Identifier: Apache-2.0
"""What others made hangs: a module, a tool that a source reads, servers that are asked, nft. All else goes on."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from tests.faults.daemons import Host, until
from tests.faults.disks import Space, need_root
from tests.unit.agent.notify.servers import Answer, http_server, secret_file
from tests.unit.sensor.test_module_switch import make

pytestmark = pytest.mark.timeout(400)

HANGS = "#!/bin/sh\nexec sleep 300\n"
ASKED = """
[notify]
enabled = true
[notify.channels.hangs]
kind = "webhook"
secret = "{secret}"
timeout_s = 1
[notify.channels.works]
kind = "webhook"
secret = "{good}"
[triage.reputation.crowdsec]
enabled = true
url = "{url}"
key_file = "{key}"
[triage.model]
enabled = true
protocol = "ollama"
url = "{url}"
model = "any"
timeout_s = 2.0
min_severity = "low"
"""


@pytest.mark.fault(
    fault="a module's Python loops for ever",
    expect="its own process is killed after two seconds and started again with growing pauses; all others go on",
    levels=("worker_down",),
)
def test_a_module_that_loops(host: Host) -> None:
    body = "if event.field('src_ip').startswith('198.18.66.'): sum(1 for _ in iter(int, 1))"
    make(host.directory / "work", "net-watch", body)
    for words in (("install", str(host.directory / "work/net-watch")), ("enable", "net-watch")):
        done = host.module(*words)
        assert done.returncode == 0, done.stdout + done.stderr
    host.start("sensor")
    host.start("agent")
    host.until_levels()

    strangers = iter(range(1, 255))  # several tries of one would be told as guessing, rightly

    def told() -> bool:
        now = time.strftime("%b %d %H:%M:%S", time.gmtime())
        with host.log.open("a") as log:
            log.write(
                f"{now} web sshd[1]: Failed password for guest from 198.18.66.{next(strangers)} port 1 ssh2\n"
            )
        in_text = "worker_down" in host.run("status").stdout
        return "net-watch" in host.levels().get("worker_down", "") and in_text

    until(told, 90, lambda: str(host.status()["health"]["modules"]))
    host.until_told(host.attack())


@pytest.mark.fault(
    fault="the tool that a source reads hangs (docker, podman, journalctl)",
    expect="keeps working: the source is unconfirmed, all others go on, the sensor ends in time and leaves no child",
)
def test_tools_of_sources(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = host.directory / "bin"
    tools.mkdir()
    for name in ("docker", "podman", "journalctl"):
        (tools / name).write_text(HANGS)
        (tools / name).chmod(0o755)
    text = host.config.read_text()
    for name in ("docker", "podman", "journald"):
        text = text.replace(f"[collectors.{name}]\nenabled = false", f"[collectors.{name}]\nenabled = true")
    host.config.write_text(text)
    host.environment["PATH"] = f"{tools}:{os.environ['PATH']}"
    sensor = host.start("sensor")
    host.start("agent")
    host.until_told(host.attack())

    def collectors() -> dict[str, dict[str, Any]]:
        return {one["id"]: one for one in host.status()["health"]["collectors"]}

    until(lambda: collectors()["auth_log"]["state"] == "working", 30, lambda: str(collectors()))
    found = collectors()
    assert {found[name]["state"] for name in ("docker", "podman") if name in found} <= {
        "unconfirmed",
        "absent",
    }
    children = [
        int(pid) for pid in Path(f"/proc/{sensor.pid}/task/{sensor.pid}/children").read_text().split()
    ]
    began = time.monotonic()
    assert host.end("sensor") == 0
    assert time.monotonic() - began < 10
    until(
        lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), 10, f"a child is left: {children}"
    )


@pytest.mark.fault(
    fault="notification channel, reputation provider and model take requests and never answer",
    expect="decided by rules within seconds; other channels are told; what the hanging one gets waits",
    levels=("notify_waits",),
)
def test_servers_that_are_asked(host: Host) -> None:
    with http_server() as hanging, http_server() as good:
        hanging.answer = lambda seen: Answer(wait_s=300)
        key = host.directory / "key"
        key.write_text("secret\n")
        key.chmod(0o600)
        secret, well = host.directory / "one", host.directory / "two"
        for place in (secret, well):
            place.mkdir()
        host.config.write_text(
            host.config.read_text()
            + ASKED.format(
                secret=secret_file(secret, hanging.url),
                good=secret_file(well, good.url),
                url=hanging.url,
                key=key,
            )
        )
        host.start("sensor")
        host.start("agent")
        host.attack()
        until(lambda: good.seen, 30, lambda: host.said("agent"))
        until(lambda: len(hanging.seen) >= 2, 30, lambda: str(hanging.seen))
        until(
            lambda: host.status()["triage"]["came_in"] and not host.status()["triage"]["waiting"],
            20,
            "triage",
        )
        host.until_levels("notify_waits", seconds=90)
        assert host.end("agent") == 0
        assert "Traceback" not in host.said("agent")


RESPONDER = """
[responder]
enabled = true
dry_run = false
backend = "nftables"
socket = "{socket}"
verbs = ["block_address"]
"""


@pytest.mark.long
@pytest.mark.fault(
    fault="nft hangs under the responder",
    expect="each nft is ended after ten seconds, the order fails and says so, and nothing counts as in effect",
)
def test_nft_that_hangs(tmp_path: Path) -> None:
    need_root("unshare", "nsenter", "nft")
    nft = shutil.which("nft")
    assert nft is not None
    fake = tmp_path / "nft"
    fake.write_text(HANGS)
    fake.chmod(0o755)
    space = Space('mount --bind "$1" "$2"', str(fake), str(Path(nft).resolve()))
    host = Host(tmp_path, inside=space.inside, more=RESPONDER.format(socket=tmp_path / "responder.sock"))
    host.data_dir.chmod(0o750)
    try:
        host.start("responder")
        host.start("sensor")
        host.start("agent")
        done = host.run("block", "203.0.113.77", "--for", "10m")
        assert done.returncode == 0, done.stdout + done.stderr
        attacked = host.attack()
        host.until_told(attacked)

        def failed() -> dict[str, Any] | None:
            rows = json.loads(host.run("responses", "--json").stdout)["data"]
            return next((row for row in rows if row["state"] == "failed"), None)

        row = until(failed, 90, lambda: host.said("responder"))
        assert "took more than" in row["detail"]
        assert host.status()["triage"]["in_effect"] == 0
        assert host.end("responder") == 0
    finally:
        host.close()
        space.close()
