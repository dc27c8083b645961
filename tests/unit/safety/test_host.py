# SPDX-License-Identifier: Apache-2.0
"""Facts of this very host."""

from __future__ import annotations

import os
import subprocess
from ipaddress import ip_address
from pathlib import Path

from innerwarden.safety import look
from innerwarden.safety.host import _resolvers


def test_own_addresses_are_the_kernel_s() -> None:
    facts = look()
    said = subprocess.run(["/bin/hostname", "-I"], capture_output=True, text=True, check=True).stdout.split()
    assert {ip_address(one) for one in said} <= facts.own_addresses
    assert ip_address("127.0.0.1") in facts.own_addresses


def test_gateways_are_the_kernel_s() -> None:
    lines = Path("/proc/net/route").read_text().splitlines()[1:]
    wanted = {ip_address(int.from_bytes(bytes.fromhex(line.split()[2]), "little")) for line in lines}
    assert wanted - {ip_address("0.0.0.0")} <= look().gateways


def test_resolvers(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/resolv.conf").write_text(
        "# nameserver 192.0.2.9\nnameserver 192.0.2.53\nnameserver fe80::1%eth0\nnameserver\nsearch x\n"
    )
    assert set(_resolvers(tmp_path)) == {ip_address("192.0.2.53"), ip_address("fe80::1")}


def test_parents_and_kernel_threads() -> None:
    facts = look(own_pids=[1])
    assert facts.parents[os.getpid()] == os.getppid()
    assert 1 in facts.ancestors(os.getpid())
    assert os.getpid() in facts.own_pids and 1 in facts.own_pids
    assert os.getpid() not in facts.kernel_threads
    assert 2 in facts.kernel_threads
