# SPDX-License-Identifier: Apache-2.0
"""Lists of bad addresses, networks, names and TLS fingerprints."""

from collections.abc import Iterable

class Intel:
    """What lists say: filled once, then only read; see `Engine.use_intel`.

    A list is (name, content): a line holds an address, a network in CIDR form, a name (which stands for all names
    under it), a line of a hosts file, a JA3 or a JA4; `#` and `!` begin comments. What two lists name is the first
    one's. The longest listed network counts. 8 bytes of memory for an IPv4 entry, 10 for others, half as much again
    to keep probes short.

    Refused: public suffixes, private and loopback addresses, networks wider than /8 (IPv6: /16), bits behind the
    prefix.
    """

    lists: tuple[str, ...]
    problems: list[tuple[str, int, str]]
    """(list, line from 1, why it was refused); the first hundred."""
    refused: dict[str, int]
    """List -> lines refused, all of them."""
    counts: dict[str, int]
    """ipv4, ipv6, name and fingerprint: different entries held."""
    table_bytes: int

    def __init__(
        self, files: Iterable[tuple[str, bytes | bytearray | memoryview]], max_entries: int = 2_000_000
    ) -> None: ...
    def address(self, text: str) -> tuple[str, int] | None:
        """(list, bits of the network) of an address; raises OSError for what is none."""
    def name(self, text: str) -> tuple[str, str] | None:
        """(list, entry) of a name, or of one that it lies under."""
    def fingerprint(self, text: str) -> str | None:
        """The list of a JA3 or JA4."""
