# SPDX-License-Identifier: Apache-2.0
"""Command lines that each detector of execution, lineage and discovery is for, through the running product.

Everything is harmless: what bears a bad name is a copy of true(1) in a directory of the test. Triggers run one after
another in one session; each must give exactly the incidents named beside it.
"""

from __future__ import annotations

import http.server
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.kernel.product import ACTS_ONLY, Product, wait_for

pytestmark = [pytest.mark.kernel, pytest.mark.slow, pytest.mark.timeout(300)]

SEEN_WITHIN_S = 6.0
#: Building blocks of correlations, and looks at the host that have their own cadence.
TOLD_BESIDE = {"download_tool", "chmod_executable", "privileged_file_appeared"}


class Place(NamedTuple):
    """Directories that the triggers may fill: among programs, at root's home, in a cache."""

    programs: Path
    home: Path
    cache: Path
    log: Path

    def copy(self, name: str, source: str = "/bin/true", directory: Path | None = None) -> str:
        path = (directory or self.programs) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, path)
        return str(path)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    name = f"iw-test-{os.getpid()}"
    log = tmp_path_factory.mktemp("log") / "auth.log"
    log.touch()
    made = Place(Path("/opt") / name, Path("/root") / name, Path("/var/cache") / name, log)
    for directory in made[:3]:
        directory.mkdir()
    yield made
    for directory in made[:3]:
        shutil.rmtree(directory)


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory, place: Place) -> Iterator[Product]:
    config = f'{ACTS_ONLY}[collectors.auth_log]\npath = "{place.log}"\n'
    running = Product(tmp_path_factory.mktemp("product"), config).start()
    try:
        yield running
    finally:
        running.stop()


def run(*argv: str) -> None:
    subprocess.run(
        list(argv),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
        timeout=30,
    )


def bash(text: str) -> None:
    run("bash", "-c", text)


def typed(place: Place, text: str) -> None:
    """As in a terminal: the shell reads it, and neither an argument nor a pipe holds it."""
    script = place.programs / "typed"
    script.write_text(text + "\n")
    with script.open("rb") as lines:
        subprocess.run(["bash", "-s"], stdin=lines, stdout=subprocess.DEVNULL, check=False, timeout=30)


class _Program(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = Path("/bin/true").read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


def fetched_and_run(place: Place) -> None:
    path = place.home / "fetched"
    with http.server.HTTPServer(("127.0.0.1", 0), _Program) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        run("curl", "-s", "-o", str(path), f"http://127.0.0.1:{server.server_port}/x")
        thread.join(timeout=10)
    run("chmod", "+x", str(path))
    run(str(path))


def owned_by_another(place: Place) -> None:
    path = place.copy("owned")
    os.chown(path, 1000, 1000)
    run(path)


def logging_changed(place: Place) -> None:
    path = Path(f"/etc/rsyslog.d/iw-test-{os.getpid()}.conf")
    made = not path.parent.exists()
    path.parent.mkdir(exist_ok=True)
    try:
        bash(f"echo '# nothing' > {path}")
    finally:
        path.unlink(missing_ok=True)
        if made:
            path.parent.rmdir()


def hidden_file(place: Place) -> None:
    path = Path(f"/tmp/.iw-test-{os.getpid()}")
    run("touch", str(path))
    path.unlink(missing_ok=True)


def sudo_lines(place: Place) -> None:
    commands = (
        "/usr/sbin/useradd iw-test",
        "/usr/bin/chmod u+s /srv/iw-test",
        "/usr/bin/bash -c 'curl http://127.0.0.1/ | sh'",
    )
    with place.log.open("a") as log:
        for command in commands:
            stamp = datetime.now(UTC).isoformat()
            log.write(f"{stamp} host sudo[77]:      iw : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND={command}\n")


def services_stopped(place: Place) -> None:
    systemctl = place.copy("systemctl")
    for number in range(5):
        run(systemctl, "stop", f"iw-test-{number}.service")


#: A control group with a container's name, and an overlay whose upper layer holds what the image does not.
ADDED_TO_CONTAINER = """
set -e
mkdir "$1"
echo $$ > "$1/cgroup.procs"
mount --make-rprivate /
mount -t tmpfs -o mode=755 none "$2"
mkdir "$2/lower" "$2/upper" "$2/work" "$2/merged"
mount -t overlay -o "lowerdir=$2/lower,upperdir=$2/upper,workdir=$2/work" none "$2/merged"
cp /bin/true "$2/merged/added"
sleep 0.3
"$2/merged/added"
"""


def added_to_container(place: Place) -> None:
    group = Path("/sys/fs/cgroup")
    group = (
        group if (group / "cgroup.procs").exists() else group / "pids"
    ) / f"docker-{os.getpid():064x}.scope"
    directory = place.programs / "overlay"
    directory.mkdir()
    try:
        run("unshare", "--mount", "bash", "-c", ADDED_TO_CONTAINER, "bash", str(group), str(directory))
    finally:
        if group.exists():
            wait_for(lambda: not (group / "cgroup.procs").read_text(), 5, f"{group} is not empty")
            group.rmdir()


TRIGGERS: dict[str, tuple[Callable[[Place], None], set[str]]] = {
    "a name spelled so that it does not stand there": (
        lambda p: bash("t''rue --version"),
        {"execution_guard"},
    ),
    "fetched, made executable, run": (fetched_and_run, {"execution_guard"}),
    "decoded text, typed": (
        lambda p: typed(p, "echo dHJ1ZQ== | base64 -d | sh"),
        {"decoded_pipe_shell"},
    ),
    "suspicious commands through sudo": (sudo_lines, {"sudo_abuse"}),
    "a shell below a database": (
        lambda p: run(p.copy("mysqld", "/bin/bash"), "-c", "sh -c true; true"),
        {"process_tree"},
    ),
    "root runs another's program": (owned_by_another, {"untrusted_root_exec"}),
    "a program in a cache": (lambda p: run(p.copy("tool", directory=p.cache)), {"host_drift"}),
    "sshd at home": (lambda p: run(p.copy("sshd", directory=p.home)), {"masquerading"}),
    "a program added to a container": (added_to_container, {"container_drift", "cgroup_left"}),
    "root's rights for a file": (lambda p: run("chmod", "u+s", p.copy("suid")), {"file_permission_mod"}),
    "a hidden file": (hidden_file, {"hidden_artifact"}),
    "what is logged": (logging_changed, {"log_config_change"}),
    "a job for later": (lambda p: run(p.copy("at"), "now"), {"at_job_persist"}),
    "remote control": (lambda p: run(p.copy("rustdesk"), "--service"), {"remote_access_tool"}),
    "a relay": (lambda p: run(p.copy("microsocks"), "-p", "1080"), {"proxy_tunnel"}),
    "keys packed": (
        lambda p: run("tar", "-cf", str(p.programs / "x.tar"), "--exclude=*", "/etc/ssl/private"),
        {"data_archive"},
    ),
    "a restart": (lambda p: run(p.copy("reboot")), {"system_shutdown"}),
    "services stopped": (services_stopped, {"service_stop"}),
    "keys looked for": (lambda p: run("find", str(p.programs), "-name", "id_rsa"), {"private_key_search"}),
    "a scanner": (lambda p: run(p.copy("masscan"), "127.0.0.1"), {"nmap_scan"}),
    "an interceptor": (lambda p: run(p.copy("arpspoof"), "127.0.0.1"), {"network_sniffing"}),
    "a look around": (
        lambda p: bash("whoami; id; uname -a; ps; df; hostname; groups; true"),
        {"discovery_burst"},
    ),
    "questions about the machine": (
        lambda p: bash("grep -c hypervisor /proc/cpuinfo; ls /sys/class/dmi; cat /proc/1/cgroup; true"),
        {"sandbox_evasion"},
    ),
}


def ours(row: dict[str, Any]) -> bool:
    process = row["fields"].get("process")
    if process is None:
        return row["detector"] == "sudo_abuse"
    return os.getpid() in (process["pid"], *(ancestor["pid"] for ancestor in process.get("ancestors", ())))


def seen(product: Product, since_s: float) -> set[str]:
    return {
        row["detector"]
        for row in product.incidents()
        if row["ts_ns"] >= since_s * 1e9 and row["severity"] != "info" and ours(row)
    } - TOLD_BESIDE


@pytest.mark.parametrize("name", TRIGGERS)
def test_trigger(product: Product, place: Place, name: str) -> None:
    act, expected = TRIGGERS[name]
    began = time.time()
    act(place)
    wait_for(
        lambda: seen(product, began) >= expected,
        SEEN_WITHIN_S,
        f"{expected} not told\n{product.output()[-2000:]}",
    )
    time.sleep(1.0)  # one more would have come by now
    assert seen(product, began) == expected
