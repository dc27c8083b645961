# SPDX-License-Identifier: Apache-2.0
"""Row 15: a packet of a blocked address, dropped by our XDP program or by an nftables set at ingress.

The kernel makes the frames itself (BPF_F_TEST_XDP_LIVE_FRAMES) on a veth in a network namespace, each with a random
source of the list. Both peers get the same frames in the same process, round by round; what both include is the making
of the frame, told as the cost of an XDP program that drops everything. The nftables figure includes building the
socket buffer, which XDP spares. Run as a program it is the worker inside the namespace.
"""

from __future__ import annotations

import ctypes
import ipaddress
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench.measure import (
    ROOT,
    Bound,
    Result,
    Unavailable,
    bpf_program,
    interleaved,
    median,
    need_root,
    on_cpu,
    spread,
)
from innerwarden import paths
from innerwarden.config import ResponderConfig
from innerwarden.errors import BpfError
from innerwarden.libbpf import XDP_NATIVE, Object, load
from innerwarden.libbpf._table import TestRunOptions
from innerwarden.xdp import XdpList, make_room

SIZES = {1_000: (4.0, 2.0), 100_000: (3.0, 2.0), 1_000_000: (2.5, 2.0)}
"""Addresses -> (goal, gate): how many times the peer's cost."""
FIRST = int(ipaddress.IPv4Address("10.0.0.0"))
TTL_S = 3600
"""Ours expire, as all blocks of the responder do; the peer's set has no timeouts, which spares it a comparison."""
LIVE_FRAMES, BATCH = 2, 64
NEAR, FAR = "near", "far"
TABLE = f"""table netdev t {{
  set s {{ type ipv4_addr; }}
  chain c {{ type filter hook ingress device {NEAR} priority 0; }}
}}
"""
ENFORCING = ResponderConfig(enabled=True, dry_run=False)


def nft(*words: str, script: str = "") -> str:
    done = subprocess.run(["nft", *words], input=script, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Unavailable(f"nft: {done.stderr.strip().splitlines()[0]}")
    return done.stdout


def frame() -> bytes:
    """A UDP datagram of 46 bytes; the generator puts the source in."""
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 46, 0, 0, 64, 17, 0, bytes(4), bytes(4))
    return bytes(12) + b"\x08\x00" + header + bytes(26)


class Generator:
    """The frames, on one interface of this network namespace."""

    def __init__(self, addresses: int) -> None:
        image = bpf_program("source.bpf.c").read_bytes()
        self.loaded = Object(image, "source")
        self.loaded.section_map(".rodata").write_initial(0, struct.pack("<2I", FIRST, addresses))
        self.loaded.load()
        self._interface = socket.if_nametoindex(NEAR)
        # A receive queue of veth exists for XDP only while a program is attached.
        self._link = self.loaded.programs["source"].attach_xdp(self._interface, XDP_NATIVE)

    def run(self, frames: int, program_fd: int | None) -> float:
        """CPU ns a frame, handed to that program or, without one, to the network stack. This thread's own time, in
        which the kernel does all of it: other programs of a busy machine are not in it."""
        key = bytes(4)
        if program_fd is None:
            self.loaded.maps["next"].delete(key)
        else:
            self.loaded.maps["next"].update(key, struct.pack("<I", program_fd))
        packet = frame()
        context = struct.pack("<6I", 0, len(packet), 0, self._interface, 0, 0)
        options = TestRunOptions(sz=ctypes.sizeof(TestRunOptions), data_in=packet, repeat=frames)
        options.data_size_in = len(packet)
        options.ctx_in = ctypes.cast(ctypes.c_char_p(context), ctypes.c_void_p)
        options.ctx_size_in = len(context)
        options.flags, options.batch_size = LIVE_FRAMES, BATCH
        fd = self.loaded.programs["source"].fd
        began = time.thread_time_ns()
        load().bpf_prog_test_run_opts(fd, ctypes.byref(options))
        return (time.thread_time_ns() - began) / frames

    def close(self) -> None:
        self._link.destroy()
        self.loaded.close()


def ours(addresses: list[str]) -> tuple[Object, XdpList]:
    """The shipped object with its XDP program only, and the list filled."""
    loaded = Object(paths.bpf_object().read_bytes())
    for name, program in loaded.programs.items():
        program.set_autoload(name in ("iw_xdp", "iw_xdp_observe"))
    make_room(loaded, max(ENFORCING.block_entries, len(addresses)))
    loaded.load()
    found = XdpList(loaded, ENFORCING)
    found.block_many(addresses, TTL_S)
    return loaded, found


def chain(rule: str) -> str:
    return f"flush chain netdev t c\nadd rule netdev t c ip saddr @s {rule}\nadd rule netdev t c counter\n"


def worker(size: int, rounds: int, frames: int) -> dict[str, list[float]]:
    """Inside the namespace: ns a frame of each variant, by round."""
    addresses = [str(ipaddress.IPv4Address(FIRST + i)) for i in range(size)]
    loaded, listed = ours(addresses)
    generator = Generator(size)
    nft(
        "-f",
        "-",
        script=TABLE + f"add element netdev t s {{ {', '.join(addresses)} }}\n" + chain("counter drop"),
    )
    ours_fd, drop_fd = loaded.programs["iw_xdp"].fd, generator.loaded.programs["drop"].fd
    # Both must really drop every frame, or the figures mean nothing.
    before = listed.counters()["dropped"]
    generator.run(frames, ours_fd)
    dropped = listed.counters()["dropped"] - before
    generator.run(frames, None)
    shown = nft("list", "chain", "netdev", "t", "c")
    if dropped != frames or f"counter packets {frames} " not in shown or "counter packets 0 " not in shown:
        told = " ".join(shown.split())
        raise Unavailable(f"not every frame was dropped: {dropped} of {frames} by XDP; nftables: {told}")
    nft("-f", "-", script=chain("drop"))
    variants = {
        "xdp": lambda: generator.run(frames, ours_fd),
        "nft": lambda: generator.run(frames, None),
        "bare": lambda: generator.run(frames, drop_fd),
    }
    with on_cpu(0):
        found = interleaved(rounds, variants)
    generator.close()
    listed.close()
    loaded.close()
    return found


@contextmanager
def namespace() -> Iterator[str]:
    name = f"iwbench{os.getpid()}"
    for command in ("ip", "nft"):
        if shutil.which(command) is None:
            raise Unavailable(f"{command} is missing (apt-get install iproute2 nftables)")
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        raise Unavailable(f"no network namespace: {made.stderr.strip()}")
    try:
        inside = ["ip", "-n", name, "link"]
        subprocess.run([*inside, "add", NEAR, "type", "veth", "peer", "name", FAR], check=True)
        for end in (NEAR, FAR):
            # Without an address of its own the interface sends nothing that the counters would hold.
            subprocess.run([*inside, "set", end, "addrgenmode", "none", "up"], check=True)
        yield name
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


def measured(size: int, rounds: int, frames: int) -> dict[str, list[float]]:
    with namespace() as name:
        command = ["ip", "netns", "exec", name, sys.executable, "-m", "bench.row15_xdp_block"]
        done = subprocess.run(
            [*command, str(size), str(rounds), str(frames)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        raise Unavailable((done.stderr or done.stdout).strip().splitlines()[-1])
    found: dict[str, list[float]] = json.loads(done.stdout)
    return found


def run(quick: bool) -> list[dict[str, object]]:
    need_root()
    results = []
    for size, (goal, gate) in SIZES.items():
        if quick and size > 100_000:
            continue
        found = measured(size, 15 if quick else 25, 100_000 if quick else 300_000)
        mine, theirs, bare = (median(found[name]) for name in ("xdp", "nft", "bare"))
        results.append(
            Result(
                row=15,
                what=f"a packet of one of {size:,} blocked addresses",
                value=mine,
                unit="ns",
                peer=f"nftables set at ingress {theirs:.0f} ns, XDP without a list {bare:.0f} ns",
                ratio=theirs / mine,
                goal=f"<= 1/{goal:g} of nftables",
                gate=f"<= 1/{gate:g} of nftables",
                passed=theirs / mine >= gate,
                spread=spread(found["xdp"]),
                rounds=len(found["xdp"]),
                bound=Bound(theirs / mine, goal, gate),
                details={"nft_ns": theirs, "nft_spread": spread(found["nft"]), "bare_ns": bare},
            ).as_dict()
        )
    return results


if __name__ == "__main__":
    try:
        print(json.dumps(worker(*map(int, sys.argv[1:]))))
    except (BpfError, Unavailable) as reason:
        sys.exit(str(reason))
