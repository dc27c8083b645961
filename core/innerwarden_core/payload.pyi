# SPDX-License-Identifier: Apache-2.0
"""The parsers behind network.dns and network.tls, for tests: pure, bounded, no state.

Names are lower case. What is not printable in them reads \\DDD (decimal), a backslash \\\\, and a dot inside a DNS
label \\. (RFC 4343 2.1).
"""

from typing import Final, TypedDict

UNPARSED_NAMES: Final[tuple[str, ...]]
"""Reasons, by their number in payload_text.h; the first is no reason."""

class Question(TypedDict):
    dns_query: str
    dns_type: int
    dns_id: int
    dns_flags: int

class Hello(TypedDict):
    tls_sni: str | None
    tls_alpn: str | None
    tls_version: int
    tls_flags: int
    tls_hello: bytes

def parse_dns(message: bytes | bytearray | memoryview) -> Question | str:
    """One DNS message -> its first question, or the reason: short, response, opcode, no_question, pointer, label, name.

    `message` may be the beginning of a longer one, as long as the question is there. The root's name is ".".
    """

def parse_client_hello(stream: bytes | bytearray | memoryview) -> Hello | str:
    """Bytes of a TCP stream that begins with a ClientHello -> what it offers, or the reason.

    Reasons are short, record, handshake and hello.

    `tls_version` is the highest offered (772 is 1.3). `tls_flags`: 1 encrypted hello offered, 2 no server name,
    4 incomplete: more bytes must come, and what is None may come with them. `tls_hello` is the handshake message
    without record headers, at most 4,096 bytes.
    """
