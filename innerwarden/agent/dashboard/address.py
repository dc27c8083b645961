# SPDX-License-Identifier: Apache-2.0
"""Where the dashboard may listen: it speaks plain HTTP, so nowhere but on this host itself."""

from __future__ import annotations

from ipaddress import ip_address

from innerwarden.errors import UsageError

REMEDY = (
    "Use 127.0.0.1:PORT or [::1]:PORT; from elsewhere come through ssh -L, or through a TLS proxy on this host "
    "(dashboard.public_url)"
)


def split_listen(listen: str) -> tuple[str, int]:
    """'127.0.0.1:8787', 'localhost:8787' or '[::1]:8787' -> (host, port).

    Raises UsageError for anything else, above all for an address that other hosts can reach.
    """
    host, colon, port = listen.rpartition(":")
    host = host.strip("[]")
    digits = port.isascii() and port.isdigit()
    if not colon or not host or not digits or int(port) > 65535:
        raise UsageError(f"dashboard address {listen!r} is not HOST:PORT", "Use for example 127.0.0.1:8787")
    if host == "localhost":
        host = "127.0.0.1"
    if not _is_loopback(host):
        raise UsageError(f"the dashboard does not listen on {listen}: others could read along", REMEDY)
    return host, int(port)


def _is_loopback(host: str) -> bool:
    """Only what is written as one: a name, or '0' for every address, is for the resolver to decide."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
