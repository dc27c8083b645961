# SPDX-License-Identifier: Apache-2.0
"""JA3 and JA4 of third-party captures against the answers that their projects give.

`python -m tests.fingerprints DIRECTORY...`: each directory has a `truth.jsonl`; a line names a capture (`input`,
relative to the directory above) and in `expect` its `flows` with a `ja4` each, or lists `ja3` and `ja4`. Hellos over
TCP are compared; those of QUIC (q...) are encrypted, are counted apart, and the sensor sees none. No capture is part
of this repository.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from innerwarden_core.payload import parse_client_hello
from innerwarden_core.view import fingerprints

MAX_FILE_BYTES = 64 << 20
MAX_PACKETS = 1_000_000
STREAM_BYTES = 16384

Flow = tuple[str, int, str, int]


def packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(link type, frame) of a capture in pcap or pcapng form; ends at the first thing that makes no sense."""
    if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1"):
        yield from _pcap(data, ">" if data[0] == 0xA1 else "<")
    else:
        yield from _pcapng(data)


def _pcap(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    (link,) = struct.unpack_from(order + "I", data, 20)
    at = 24
    while at + 16 <= len(data):
        (size,) = struct.unpack_from(order + "I", data, at + 8)
        yield link, data[at + 16 : at + 16 + size]
        at += 16 + size


def _pcapng(data: bytes) -> Iterator[tuple[int, bytes]]:
    at, order, links = 0, "<", []
    while at + 12 <= len(data):
        if data[at : at + 4] == b"\x0a\x0d\x0d\x0a":
            order, links = "<" if data[at + 8] == 0x4D else ">", []
        kind, size = struct.unpack_from(order + "II", data, at)
        if size < 12:
            return
        if kind == 1:
            links.append(struct.unpack_from(order + "H", data, at + 8)[0])
        elif kind == 6:
            number, _, _, length = struct.unpack_from(order + "IIII", data, at + 8)
            yield links[number], data[at + 28 : at + 28 + length]
        at += size


def internet(link: int, frame: bytes) -> bytes:
    """The IP packet of an Ethernet, loopback, raw or "cooked" frame; empty for others."""
    if link != 1:
        return {0: frame[4:], 101: frame, 228: frame, 229: frame, 113: frame[16:]}.get(link, b"")
    at = 12
    while frame[at : at + 2] in (b"\x81\x00", b"\x88\xa8"):
        at += 4
    return frame[at + 2 :] if frame[at : at + 2] in (b"\x08\x00", b"\x86\xdd") else b""


def segment(packet: bytes) -> tuple[Flow, int, bytes] | None:
    """(flow, sequence number of the first byte, payload) of a TCP segment."""
    if not packet:
        return None
    if packet[0] >> 4 == 4 and packet[9] == 6:
        family, source, target = socket.AF_INET, packet[12:16], packet[16:20]
        body = packet[(packet[0] & 15) * 4 : struct.unpack_from(">H", packet, 2)[0] or None]
    elif packet[0] >> 4 == 6 and packet[6] == 6:
        family, source, target = socket.AF_INET6, packet[8:24], packet[24:40]
        body = packet[40 : 40 + struct.unpack_from(">H", packet, 4)[0]]
    else:
        return None
    source_port, target_port, sequence = struct.unpack_from(">HHI", body)
    flow = (socket.inet_ntop(family, source), source_port, socket.inet_ntop(family, target), target_port)
    return flow, sequence + (body[13] >> 1 & 1), body[(body[12] >> 4) * 4 :]


def streams(path: Path) -> dict[Flow, bytes]:
    """The first bytes of each direction of each connection."""
    parts: dict[Flow, dict[int, bytes]] = {}
    begins: dict[Flow, int] = {}
    for count, (link, frame) in enumerate(packets(path.read_bytes()[:MAX_FILE_BYTES])):
        try:
            found = segment(internet(link, frame))
        except (struct.error, IndexError):
            continue
        if found is None or count > MAX_PACKETS:
            continue
        flow, sequence, payload = found
        offset = sequence - begins.setdefault(flow, sequence) & 0xFFFFFFFF
        if payload and offset < STREAM_BYTES:
            parts.setdefault(flow, {}).setdefault(offset, payload)
    return {flow: _join(pieces) for flow, pieces in parts.items()}


def _join(pieces: dict[int, bytes]) -> bytes:
    joined = b""
    for offset in sorted(pieces):
        if offset > len(joined):
            break
        joined += pieces[offset][len(joined) - offset :]
    return joined


def of_capture(path: Path) -> dict[Flow, tuple[str, str]]:
    """(JA3, JA4) of each flow that begins with a whole client hello."""
    found = {}
    for flow, stream in streams(path).items():
        hello = parse_client_hello(stream[:4096])
        pair = None if isinstance(hello, str) else fingerprints(hello["tls_hello"])
        if pair is not None:
            found[flow] = pair
    return found


def wanted(expect: dict[str, Any], found: dict[Flow, tuple[str, str]]) -> Iterator[tuple[str, bool]]:
    """(fingerprint, is it there) for all that a case expects."""
    for flow in expect.get("flows", ()):
        if "ja4" in flow:
            key = (flow["src"], int(flow["srcport"]), flow["dst"], int(flow["dstport"]))
            yield flow["ja4"], found.get(key, ("", ""))[1] == flow["ja4"]
    for place, name in enumerate(("ja3", "ja4")):
        for one in expect.get(name, ()):
            yield one, one in {pair[place] for pair in found.values()}


def main(directories: list[str]) -> int:
    right = wrong = quic = 0
    for directory in map(Path, directories):
        for line in (directory / "truth.jsonl").read_text().splitlines():
            case = json.loads(line)
            for name, there in wanted(case["expect"], of_capture(directory.parent / case["input"])):
                if name.startswith("q"):
                    quic += 1
                    continue
                right, wrong = right + there, wrong + (not there)
                if not there:
                    print(f"{case['case']}: {name} was not found")
    print(f"{right} of {right + wrong} fingerprints over TCP agree; {quic} of QUIC were not compared")
    return 1 if wrong or not right else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
