# SPDX-License-Identifier: Apache-2.0
"""Who must not be cut off, on the real kernel: routes of every table, and people that a real sshd let in."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.kernel

FACTS = """
import json
from innerwarden.safety import look
facts = look()
print(json.dumps({"own": [str(a) for a in facts.own_addresses], "gateways": [str(a) for a in facts.gateways],
  "sessions": [[s.user, s.pid, str(s.address)] for s in facts.sessions]}))
"""


def in_a_network_of_its_own(script: str, *more: str) -> str:
    """What the script prints in a network namespace that ends with it."""
    words = ["unshare", "--net", "sh", "-euc", script, "sh", sys.executable, FACTS, *more]
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout


def test_gateways_of_every_table_and_kind() -> None:
    facts = json.loads(
        in_a_network_of_its_own(
            """
            ip link set lo up
            ip link add v0 type veth peer name v1
            ip address add 198.51.100.1/24 brd + dev v0
            ip address add 2001:db8:1::1/64 dev v0 nodad
            ip link set v0 up; ip link set v1 up
            ip route add 203.0.113.0/24 table 77 via 198.51.100.77
            ip route add default proto static nexthop via 198.51.100.2 nexthop via 198.51.100.3
            ip route add 192.0.2.0/24 via inet6 2001:db8:1::9
            ip -6 route add default via 2001:db8:1::8
            exec "$1" -c "$2"
            """
        )
    )
    assert set(facts["gateways"]) == {
        "198.51.100.77",
        "198.51.100.2",
        "198.51.100.3",
        "2001:db8:1::9",
        "2001:db8:1::8",
    }
    assert {"198.51.100.1", "198.51.100.255", "2001:db8:1::1", "127.0.0.1"} <= set(facts["own"])


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A host key, a user's key, and sshd's configuration for them."""
    if shutil.which("sshd") is None and not Path("/usr/sbin/sshd").exists():
        pytest.skip("there is no sshd here; install openssh-server")
    tmp_path.chmod(0o755)
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-qt", "ed25519", "-N", "", "-f", tmp_path / name], check=True)
    Path("/run/sshd").mkdir(exist_ok=True)
    (tmp_path / "config").write_text(
        f"HostKey {tmp_path}/host\nAuthorizedKeysFile {tmp_path}/user.pub\nPidFile {tmp_path}/pid\n"
        "Port 2222\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\n"
    )
    return tmp_path


LOGIN = """
trap 'kill $sshd $login $guess' EXIT
cd "$3"
ip link set lo up
for n in 5 6 7; do ip address add 198.51.100.$n/32 dev lo; done
/usr/sbin/sshd -D -f config >/dev/null 2>&1 & sshd=$!
for try in $(seq 100); do
  ssh-keyscan -p 2222 198.51.100.7 >known 2>/dev/null && [ -s known ] && break
  sleep 0.05
done
ssh -p 2222 -b 198.51.100.5 -i user -o UserKnownHostsFile=known -o IdentitiesOnly=yes -o BatchMode=yes \\
  root@198.51.100.7 "touch $3/in; sleep 20" </dev/null >log 2>&1 & login=$!
"$1" -c "$4" >/dev/null & guess=$!
for try in $(seq 200); do [ -e in ] && [ -e guess ] && break; sleep 0.05; done
"$1" -c "$2"
"""
GUESS = """
import socket, time
connection = socket.create_connection(("198.51.100.7", 2222), 5, ("198.51.100.6", 0))
connection.recv(64)
connection.send(b"SSH-2.0-guess\\r\\n")
open("guess", "w").close()
time.sleep(20)
"""


def test_a_login_is_a_session_and_a_guess_is_none(keys: Path) -> None:
    """198.51.100.5 is let in, 198.51.100.6 only has a connection open."""
    facts = json.loads(in_a_network_of_its_own(LOGIN, str(keys), GUESS))
    addresses = {address: user for user, _pid, address in facts["sessions"]}
    assert addresses.get("198.51.100.5") == "root", (keys / "log").read_text()
    assert "198.51.100.6" not in addresses
