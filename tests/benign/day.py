# SPDX-License-Identifier: Apache-2.0
"""A server's ordinary day, in a few minutes, in front of a real sensor with every detector and every source on.

Each part is a shell text, run in a directory of its own that only root writes. Nothing of it hides or hurries past
anything: programs stand where packages put them, and a part that needs what is not installed says so.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.kernel.attacks import LocalSshd
from tests.kernel.product import free_port, wait_for

REPOSITORY = Path(__file__).resolve().parents[2]
#: A directory that only root writes: who works in /tmp as root is told about, and rightly.
ROOM = Path("/var/lib/innerwarden-benign-day")
GRAVE = ("high", "critical")
PART_S = 240.0
#: How long after the last piece of work a finding may come; looks at the host come once a minute.
SETTLE_S = 5.0

BUILD = r"""
mkdir src; for n in $(seq 30); do printf 'int f%s(int x) { return x + %s; }\n' $n $n >src/f$n.c; done
printf 'int main(void) { return 0; }\n' >src/main.c
printf 'OBJ := $(patsubst %%.c,%%.o,$(wildcard src/*.c))\napp: $(OBJ)\n\tcc -o $@ $^\n%%.o: %%.c\n\tcc -O2 -c -o $@ $<\n' >Makefile
make -s -j2 && ./app && make -s -B -j2 && strip app && install -m 755 app installed
"""
PACKAGES = """
apt-get -qq update || true
apt-get -qq -y --reinstall install hostname >/dev/null
dpkg --verify hostname; dpkg -l >list; ldconfig; update-alternatives --list editor || true; apt-get -qq check
"""
BACKUP = """
tar -czf etc.tar.gz /etc 2>/dev/null; tar -tzf etc.tar.gz >names
find /etc -type f -mtime -30 -print0 | xargs -0 -r sha256sum >sums 2>/dev/null
mkdir copy && cp -a /etc/apt /etc/default copy/ && tar -cf - copy | gzip -9 >copy.tgz && rm -r copy
for n in 1 2 3; do mv -f day.$n.tgz day.$((n + 1)).tgz 2>/dev/null; done; cp copy.tgz day.1.tgz; touch -r copy.tgz day.1.tgz
"""
RSYNC = "rsync -a --delete /etc/default/ mirror/ && rsync -a --delete /etc/default/ mirror/"
DATABASE_DUMP = r"""
python3 - <<'END'
import sqlite3, subprocess
base = sqlite3.connect("shop.db")
base.execute("create table orders (id integer primary key, what text)")
base.executemany("insert into orders (what) values (?)", [("thing %d" % n,) for n in range(20000)])
base.commit()
open("dump.sql", "w").writelines(line + "\n" for line in base.iterdump())
END
gzip dump.sql && openssl dgst -sha256 dump.sql.gz
"""
COMPRESS = """
mkdir files; for n in $(seq 120); do head -c 20000 /dev/urandom | base64 >files/report-$n.txt; done
gzip files/*.txt && gunzip files/*.gz && xz -0 files/*.txt && ls files | wc -l
"""
ROTATE = """
mkdir log; seq 20000 >log/app.log; seq 100 >log/web.log
printf '%s/log/*.log {\\n rotate 4\\n size 1\\n compress\\n missingok\\n}\\n' "$PWD" >conf
for n in 1 2 3; do logrotate -f -s state conf; seq 20000 >log/app.log; done; ls log
"""
DEVELOPER = """
export HOME=$PWD
git init -q --bare origin.git && git clone -q origin.git work 2>/dev/null && cd work
git config user.name t && git config user.email t@example.org
for n in $(seq 40); do echo "line $n" >file$n; git add . && git commit -qm "commit $n"; done
git push -q origin HEAD && git gc -q && git log --stat >/dev/null && git grep line >/dev/null && grep -r "line 3" . | wc -l
git checkout -qb other && sed -i s/line/row/ file1 && git diff | cat >/dev/null && git stash -q && git rebase -q HEAD~3
cd .. && python3 -m venv --without-pip env && env/bin/python -c 'import json, ssl, sqlite3' && chmod +x work/file1
find . -name '*.py' -newer origin.git -exec grep -l import {} + | head -3; id; uname -a; ls -la
"""
ADMINISTRATOR = """
uptime; who; w; df -h; free -m || true; ps aux | head -5; ss -tln || true; ip addr || true; cat /etc/os-release
ls -la /root /home; last -n 3 || true; id; groups; dmesg 2>/dev/null | tail -1; cat /proc/loadavg; lsblk || true; mount | head -3
top -b -n 1 | head -5; journalctl -n 1 2>/dev/null || true; env | wc -l; hostname; date; command -v nginx || true
"""
MONITORING = """
for n in $(seq 15); do
  cat /proc/loadavg /proc/meminfo /proc/stat /proc/net/dev >/dev/null
  for p in /proc/[0-9]*; do cat $p/stat $p/cmdline >/dev/null 2>&1; done
  ss -s >/dev/null 2>&1; df >/dev/null; sleep 0.2
done
"""
CERTIFICATE = """
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 30 -subj /CN=example.org 2>/dev/null
openssl x509 -in cert.pem -noout -enddate && chmod 600 key.pem && ssh-keygen -q -t ed25519 -N '' -f deploy && ssh-keygen -lf deploy
"""
SCRIPTS = """
python3 - <<'END'
import json, multiprocessing, socket, subprocess, tempfile, threading, urllib.request
with multiprocessing.Pool(2) as pool:
    pool.map(abs, range(500))
with tempfile.TemporaryDirectory() as place:
    open(place + "/x", "w").write(json.dumps({"a": 1}))
subprocess.run(["sh", "-c", "echo done | tr a-z A-Z"], check=True)
END
perl -MPOSIX -e 'print strftime("%F", localtime), "\\n"'; awk 'BEGIN { for (i = 0; i < 10; i++) print i }' | sort -n | tail -1
seq 5 | xargs -n1 -P2 sh -c 'echo $0'; echo 'print 1' | python3 -c 'import sys; sys.stdin.read()'; bash -c 'for i in 1 2 3; do :; done'
"""
CRON = r"""
unshare -m --propagation private sh -c '
mount -t tmpfs x /etc/cron.d && mount -t tmpfs y /var/spool/cron && mkdir -p /var/spool/cron/crontabs
echo "* * * * * root cd '"$PWD"' && run-parts parts && touch ran" >/etc/cron.d/day
mkdir parts; printf "#!/bin/sh\ntar -cf backup.tar /etc/default\nfind . -mtime +30 -delete\n" >parts/backup; chmod 755 parts/backup
exec timeout 75 cron -f'
test -e ran
"""
CONTAINERS = r"""
export TMPDIR=$PWD
short=$(mktemp -d /run/iwdXXXXXX); trap 'rm -rf "$short"' EXIT
mkdir -p root/bin root/tmp root/etc && cp "$(command -v busybox)" root/bin/ && for p in sh ls cat id sleep; do ln -s busybox root/bin/$p; done
podman="podman --root $PWD/store --runroot $short --storage-driver vfs --cgroup-manager cgroupfs --events-backend file"
tar -C root -c . | $podman import - local/box:1 >/dev/null || exit 1
for n in 1 2 3; do
  $podman run --rm --network none --cgroups disabled local/box:1 sh -c 'id; ls /; cat /etc/hostname; sleep 0.2' || exit 1
done
$podman images; $podman ps -a; $podman rmi -f local/box:1
"""
WEB = r"""
mkdir -p www temp logs && for n in $(seq 20); do echo "<p>page $n</p>" >www/page$n.html; done; echo hello >www/index.html
cat >nginx.conf <<END
daemon off; pid $PWD/nginx.pid; error_log $PWD/logs/error.log; worker_processes 2; user www-data;
events { worker_connections 64; }
http { access_log $IW_WEB_LOG combined; client_body_temp_path $PWD/temp; proxy_temp_path $PWD/temp; fastcgi_temp_path $PWD/temp;
  uwsgi_temp_path $PWD/temp; scgi_temp_path $PWD/temp; server { listen 127.0.0.1:$IW_WEB_PORT; root $PWD/www; } }
END
nginx -c "$PWD/nginx.conf" & server=$!
for n in $(seq 50); do curl -sf -o page "http://127.0.0.1:$IW_WEB_PORT/" && break; sleep 0.1; done
for n in $(seq 150); do
  curl -s -A "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0" -o page "http://127.0.0.1:$IW_WEB_PORT/page$((n % 22 + 1)).html?from=$n"
done
curl -s -o page http://127.0.0.1:$IW_WEB_PORT/favicon.ico; curl -s -o page http://127.0.0.1:$IW_WEB_PORT/robots.txt
kill -HUP $server; sleep 0.3; kill -QUIT $server; wait $server; true
"""
REDIS = """
redis-server --port 0 --unixsocket "$PWD/r.sock" --daemonize no --save '' >log & server=$!
for n in $(seq 50); do redis-cli -s "$PWD/r.sock" ping 2>/dev/null | grep -q PONG && break; sleep 0.1; done
redis-benchmark -q -s "$PWD/r.sock" -n 20000 -t get,set >/dev/null; redis-cli -s "$PWD/r.sock" info >/dev/null
kill $server; wait $server; true
"""
ACCOUNTS = r"""
unshare -m --propagation private sh -c '
mkdir etc && cp -a /etc/passwd /etc/group /etc/shadow /etc/gshadow /etc/login.defs /etc/default /etc/skel /etc/pam.d /etc/nsswitch.conf etc/ 2>/dev/null
mount --bind etc /etc && useradd -m -d "$PWD/home" -s /bin/bash clerk && chage -l clerk >/dev/null && usermod -c Clerk clerk && userdel -r clerk 2>/dev/null; true'
"""


@dataclass(frozen=True)
class Part:
    """`text` is for sh; `needs` are the programs without which it is left out."""

    name: str
    text: str
    needs: tuple[str, ...] = ()


PARTS = (
    Part("packages", PACKAGES, ("apt-get", "dpkg")),
    Part("build", BUILD, ("cc", "make", "strip")),
    Part("backup", BACKUP, ("tar", "gzip")),
    Part("mirror", RSYNC, ("rsync",)),
    Part("database dump", DATABASE_DUMP, ("python3", "openssl")),
    Part("compression", COMPRESS, ("gzip", "xz")),
    Part("log rotation", ROTATE, ("logrotate",)),
    Part("developer", DEVELOPER, ("git", "python3")),
    Part("administrator", ADMINISTRATOR),
    Part("monitoring", MONITORING),
    Part("certificates", CERTIFICATE, ("openssl", "ssh-keygen")),
    Part("scripts", SCRIPTS, ("python3", "perl")),
    Part("accounts", ACCOUNTS, ("useradd", "unshare")),
    Part("containers", CONTAINERS, ("podman", "busybox")),
    Part("web server", WEB, ("nginx", "curl")),
    Part("cache server", REDIS, ("redis-server", "redis-benchmark")),
    Part("cron", CRON, ("cron", "unshare")),
)


@dataclass
class Report:
    """What became of the day. `findings` are those of the day's own processes, and those that name none."""

    done: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    findings: list[dict[str, Any]] = field(default_factory=list)

    def grave(self) -> list[str]:
        return [
            f"{one['severity']} {one['detector']}: {one['fields']['summary']}"
            for one in self.findings
            if one["severity"] in GRAVE
        ]

    def counts(self) -> dict[str, int]:
        """Severity -> number."""
        out: dict[str, int] = {}
        for one in self.findings:
            out[one["severity"]] = out.get(one["severity"], 0) + 1
        return out


class Day:
    """One sensor, every part in turn, then what it told."""

    def __init__(self, room: Path, say: Callable[[str], None]) -> None:
        self.room = room
        self._say = say
        self.data = room / "data"
        self.report = Report()
        self._web_port = free_port()
        self._logs = room / "logs"

    def live(self) -> Report:
        self._logs.mkdir(parents=True)
        sensor = self._start()
        try:
            self._logins()
            for part in PARTS:
                self._do(part)
            time.sleep(SETTLE_S)
        finally:
            sensor.send_signal(signal.SIGINT)
            sensor.wait(30)
        self.report.findings = list(self._own(self.data / "findings.jsonl"))
        return self.report

    def _start(self) -> subprocess.Popen[bytes]:
        config = self.room / "config.toml"
        config.write_text(
            f'[collectors.auth_log]\npath = "{self._logs}/auth.log"\n'
            f'[collectors.nginx_access]\npaths = ["{self._logs}/access.log"]\n'
        )
        for name in ("auth.log", "access.log"):
            (self._logs / name).touch()
        command = [sys.executable, "-m", "innerwarden", "sensor"]
        command += ["--data-dir", str(self.data), "--config", str(config)]
        log = (self.room / "sensor.log").open("w")
        sensor = subprocess.Popen(command, cwd=REPOSITORY, stdout=log, stderr=subprocess.STDOUT)
        wait_for((self.data / "sensor-health.json").exists, 60, "the sensor did not get ready")
        return sensor

    def _logins(self) -> None:
        """Two mistyped passwords, then an administrator who looks around, through a real sshd."""
        directory = self.room / "sshd"
        directory.mkdir()
        try:
            server = LocalSshd(directory)
        except RuntimeError as reason:
            self.report.left_out["logins"] = str(reason)
            return
        server.auth_log = self._logs / "auth.log"
        server.start()
        try:
            server.failed_logins(2)
            server.session(ADMINISTRATOR)
        finally:
            server.stop()
        self.report.done.append("logins")
        self._say("logins")

    def _do(self, part: Part) -> None:
        missing = [name for name in part.needs if shutil.which(name) is None]
        if missing:
            self.report.left_out[part.name] = f"not installed: {', '.join(missing)}"
            return
        directory = self.room / part.name.replace(" ", "-")
        directory.mkdir()
        surroundings = {
            **os.environ,
            "IW_WEB_LOG": str(self._logs / "access.log"),
            "IW_WEB_PORT": str(self._web_port),
            "DEBIAN_FRONTEND": "noninteractive",
        }
        ran = subprocess.run(
            ["sh", "-c", part.text],
            cwd=directory,
            env=surroundings,
            capture_output=True,
            timeout=PART_S,
            check=False,
        )
        if ran.returncode:
            self.report.failed[part.name] = ran.stderr.decode(errors="replace")[-800:]
        self.report.done.append(part.name)
        self._say(part.name)

    def _own(self, path: Path) -> Iterator[dict[str, Any]]:
        """Findings of processes that descend from this one, and those without a process."""
        for line in path.read_text().splitlines() if path.exists() else ():
            finding = json.loads(line)
            process = finding["fields"].get("process")
            if finding["detector"] == "telemetry":
                continue
            if process is None or os.getpid() in {one["pid"] for one in (process, *process["ancestors"])}:
                yield finding


def live(say: Callable[[str], None] = lambda text: None) -> Report:
    """The whole day; its files are gone afterwards. Root only."""
    ROOM.mkdir(mode=0o755, exist_ok=True)
    room = ROOM / f"day-{os.getpid()}"
    room.mkdir(mode=0o755)
    try:
        return Day(room, say).live()
    finally:
        shutil.rmtree(room, ignore_errors=True)
        if not any(ROOM.iterdir()):
            ROOM.rmdir()
