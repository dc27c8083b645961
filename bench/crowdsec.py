# SPDX-License-Identifier: Apache-2.0
"""Debian's CrowdSec on one log file, offline: its parsers and scenarios for sshd, with its own API on loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from bench import peers
from bench.measure import Unavailable, children_cpu_ns, scratch

HUB = Path("usr/share/crowdsec/hub")
#: Where each file of the hub goes below the configuration.
PARTS = (
    ("parsers/s00-raw", "crowdsecurity/syslog-logs.yaml"),
    ("parsers/s01-parse", "crowdsecurity/sshd-logs.yaml"),
    ("parsers/s02-enrich", "crowdsecurity/dateparse-enrich.yaml"),
    ("scenarios", "crowdsecurity/ssh-bf.yaml"),
    ("scenarios", "crowdsecurity/ssh-slow-bf.yaml"),
)
SETTINGS = """common: {{daemonize: false, log_media: stdout, log_level: info, working_dir: {here}}}
config_paths:
  config_dir: {here}/etc
  data_dir: {here}/data
  simulation_path: {here}/etc/simulation.yaml
  hub_dir: {hub}
  index_path: {hub}/.index.json
  notification_dir: {here}/etc/notifications
  plugin_dir: {here}/plugins
crowdsec_service: {{acquisition_path: {here}/acquis.yaml, parser_routines: 1}}
cscli: {{output: human}}
db_config: {{log_level: info, type: sqlite, db_path: {here}/data/crowdsec.db}}
api:
  client: {{credentials_path: {here}/credentials.yaml}}
  server: {{log_level: info, listen_uri: "127.0.0.1:{port}", profiles_path: {here}/etc/profiles.yaml}}
prometheus: {{enabled: false}}
"""
LONGEST_S = 60.0


class CrowdSec:
    """One reading, set up in a directory of its own; raises Unavailable when Debian's package cannot be had."""

    def __init__(self) -> None:
        self._tool = peers.find("crowdsec", "crowdsec")
        self._here = Path(tempfile.mkdtemp(prefix="crowdsec-", dir=scratch()))
        hub, etc = self._tool.root / HUB, self._here / "etc"
        for name in ("data", "plugins", "etc/notifications"):
            (self._here / name).mkdir(parents=True)
        for directory, name in PARTS:
            (etc / directory).mkdir(parents=True, exist_ok=True)
            shutil.copy(hub / directory / name, etc / directory)
        shipped = self._tool.root / "etc/crowdsec"
        shutil.copytree(shipped / "patterns", etc / "patterns")
        for name in ("profiles.yaml", "simulation.yaml"):
            shutil.copy(shipped / name, etc)
        (self._here / "acquis.yaml").touch()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        self._settings = self._here / "config.yaml"
        self._settings.write_text(SETTINGS.format(here=self._here, hub=hub, port=port))
        admin = peers.find("cscli", "crowdsec").program
        credentials = str(self._here / "credentials.yaml")
        self._run([str(admin), "machines", "add", "bench", "-p", "bench", "--force", "-f", credentials])

    def cpu_ns(self, log: Path) -> tuple[float, str]:
        """CPU time of reading the whole file, start and end included, and what it printed."""
        before = children_cpu_ns()
        out = self._run([str(self._tool.program), "-dsn", f"file://{log}", "-type", "syslog"])
        return float(children_cpu_ns() - before), out

    def _run(self, command: list[str]) -> str:
        try:
            done = subprocess.run(
                [command[0], "-c", str(self._settings), *command[1:]],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                timeout=LONGEST_S,
                env={**os.environ, **self._tool.environment},
            )
        except subprocess.TimeoutExpired:
            raise Unavailable(f"crowdsec did not end within {LONGEST_S:.0f} s") from None
        if done.returncode != 0:
            raise Unavailable(f"crowdsec: {done.stdout.strip().splitlines()[-1:]}")
        return done.stdout
