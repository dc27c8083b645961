# SPDX-License-Identifier: Apache-2.0
"""Cases 14, 39 and 41: shells without a new program, sockets that are no connections, names asked for in odd forms."""

from __future__ import annotations

import ctypes
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable

from common import Job, main, own_network


def _with_listener(act: Callable[[int], subprocess.Popen[bytes]]) -> None:
    """Accept one connection on loopback, say `exit`, and wait for the other end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        child = act(listener.getsockname()[1])
        try:
            peer, _ = listener.accept()
            with peer:
                peer.settimeout(10)
                peer.sendall(b"exit\n")
                while peer.recv(4096):
                    pass
        finally:
            child.kill()
            child.wait()


def bash_tcp(job: Job) -> None:
    _with_listener(
        lambda port: subprocess.Popen(
            ["bash", "-c", f"exec 5<>/dev/tcp/127.0.0.1/{port}; sh <&5 >&5 2>&5; : {job.mark}"]
        )
    )


PYTHON_SHELL = """
import os, socket
s = socket.create_connection(("127.0.0.1", %d))
for fd in 0, 1, 2: os.dup2(s.fileno(), fd)
os.execv("/bin/sh", ["sh", "-i"])
"""


def python_shell(job: Job) -> None:
    _with_listener(
        lambda port: subprocess.Popen([sys.executable, "-E", "-s", "-S", "-c", PYTHON_SHELL % port, job.mark])
    )


RELAY = (
    "import socket,subprocess as p;s=socket.create_connection(('127.0.0.1',%d));"
    "s.sendall(p.run(['/bin/sh','-c',s.recv(99).decode()],capture_output=True).stdout)"
)


def python_relay(job: Job) -> None:
    """Commands and answers travel through pipes; no descriptor of the shell is ever a socket."""
    _with_listener(
        lambda port: subprocess.Popen([sys.executable, "-E", "-s", "-S", "-c", RELAY % port, job.mark])
    )


PERL = (
    "use Socket;socket(S,PF_INET,SOCK_STREAM,6);connect(S,sockaddr_in(%d,inet_aton('127.0.0.1')));"
    "$c=<S>;print S `$c`;"
)


def perl_relay(job: Job) -> None:
    _with_listener(lambda port: subprocess.Popen(["perl", "-e", PERL % port, job.mark]))


def packet_filter(job: Job) -> None:
    """A packet socket that waits for one port, as BPFDoor does; it is never read."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as door:
        program = struct.pack("HBBI", 0x28, 0, 0, 12) + struct.pack("HBBI", 6, 0, 0, 65535)
        text = ctypes.create_string_buffer(program)
        door.setsockopt(
            socket.SOL_SOCKET, 26, struct.pack("HL", 2, ctypes.addressof(text))
        )  # SO_ATTACH_FILTER


def raw_icmp(job: Job) -> None:
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()


def xdp_socket(job: Job) -> None:
    socket.socket(44, socket.SOCK_RAW, 0).close()


def vsock(job: Job) -> None:
    socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM).close()


def _question(name: bytes, *, edns: bool = False) -> bytes:
    labels = b"".join(bytes([len(part)]) + part for part in name.split(b".")) + b"\0"
    message = struct.pack("!6H", 0x1234, 0x100, 1, 0, 0, int(edns)) + labels + struct.pack("!2H", 1, 1)
    if edns:
        message += b"\0" + struct.pack("!HHIH", 41, 1232, 0, 4) + struct.pack("!2H", 65001, 0)
    return message


def _hello(name: bytes) -> bytes:
    """A TLS 1.3 ClientHello with a GREASE cipher, a GREASE extension and the server's name."""
    entry = b"\0" + struct.pack("!H", len(name)) + name
    sni = struct.pack("!3H", 0, len(entry) + 2, len(entry)) + entry
    grease = struct.pack("!2H", 0x3A3A, 1) + b"\0"
    versions = struct.pack("!2HB2H", 43, 5, 4, 0x2A2A, 0x304)
    extensions = grease + sni + versions
    body = struct.pack("!H", 0x303) + bytes(32) + b"\0" + struct.pack("!3H", 4, 0x1A1A, 0x1301) + b"\1\0"
    body += struct.pack("!H", len(extensions)) + extensions
    handshake = b"\1" + len(body).to_bytes(3, "big") + body
    return b"\x16\3\1" + struct.pack("!H", len(handshake)) + handshake


def _swallow(listener: socket.socket) -> None:
    peer, _ = listener.accept()
    with peer:
        while peer.recv(4096):
            pass


def dns_mixed_case(job: Job) -> None:
    own_network()
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        server.bind(("203.0.113.1", 53))
        client.sendto(_question(b"PoOl.SuPpOrTxMr.CoM", edns=True), ("203.0.113.1", 53))


def _tcp(port: int, pieces: list[bytes]) -> None:
    own_network()
    with socket.create_server(("203.0.113.1", port)) as listener:
        server = threading.Thread(target=_swallow, args=(listener,), daemon=True)
        server.start()
        with socket.create_connection(("203.0.113.1", port)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for piece in pieces:
                connection.sendall(piece)
        server.join(10)


def dns_tcp_pieces(job: Job) -> None:
    message = _question(b"pool.supportxmr.com")
    framed = struct.pack("!H", len(message)) + message
    _tcp(53, [framed[:1], framed[1:9], framed[9:]])


def tls_pieces(job: Job) -> None:
    hello = _hello(b"pool.supportxmr.com")
    _tcp(443, [hello[:3], hello[3:40], hello[40:70], hello[70:]])


def tls_resolver(job: Job) -> None:
    _tcp(443, [_hello(b"dns.google")])


if __name__ == "__main__":
    main(globals())
