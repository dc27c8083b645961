# SPDX-License-Identifier: Apache-2.0
"""DNS queries and TLS hellos out of the first bytes that a process sent.

The parsers and the table of streams in pieces are plain C (payload_dns.h, payload_tls.h, payload.h); the pipeline
calls them for every network.payload record. Here are their counters, and the parsers as Python functions.
"""

from libc.stdint cimport uint8_t, uint32_t

cdef extern from "payload.h" nogil:
    enum:
        IW_PARSED
        IW_DNS_TEXT_MAX
        IW_PAYLOAD_NAME_MAX
        IW_ESCAPED
    struct iw_dns:
        uint32_t id
        uint32_t flags
        uint32_t type
        uint32_t name_len
        char *name
    struct iw_rest:
        const uint8_t *at
        size_t len
    struct iw_hello:
        iw_rest sni
        iw_rest alpn
        uint32_t version
        uint32_t flags
        uint32_t size
        uint8_t *message
    int iw_dns_parse(const uint8_t *message, size_t size, iw_dns *out)
    int iw_hello_parse(const uint8_t *stream, size_t size, iw_hello *hello)
    size_t iw_name_text(char *to, const uint8_t *name, size_t n, int dots_separate)

UNPARSED_NAMES = (
    "", "short", "response", "opcode", "no_question", "pointer", "label", "name", "record", "handshake", "hello",
)
if len(UNPARSED_NAMES) != IW_UNPARSED_REASONS:
    raise ImportError("payload_text.h has other reasons than payload.pyx has names for")


def parse_dns(const uint8_t[::1] message not None):
    """One DNS message -> its first question, or the reason why there is none."""
    cdef iw_dns dns
    cdef size_t size = <size_t>message.shape[0]
    cdef int reason = iw_dns_parse(&message[0] if size else NULL, size, &dns)
    if reason != IW_PARSED:
        return UNPARSED_NAMES[reason]
    return {
        "dns_query": (<bytes>dns.name[: dns.name_len]).decode("ascii"),
        "dns_type": dns.type,
        "dns_id": dns.id,
        "dns_flags": dns.flags,
    }


def parse_client_hello(const uint8_t[::1] stream not None):
    """Bytes of a stream that begins with a TLS hello -> what it offers, or the reason why there is none."""
    cdef iw_hello hello
    cdef size_t size = <size_t>stream.shape[0]
    cdef int reason = iw_hello_parse(&stream[0] if size else NULL, size, &hello)
    if reason != IW_PARSED:
        return UNPARSED_NAMES[reason]
    return {
        "tls_sni": name_object(hello.sni),
        "tls_alpn": name_object(hello.alpn),
        "tls_version": hello.version,
        "tls_flags": hello.flags,
        "tls_hello": <bytes>hello.message[: hello.size],
    }


cdef object name_object(iw_rest name):
    """Text as a record has it; None when there is none."""
    cdef char text[1020]  # IW_PAYLOAD_NAME_MAX * IW_ESCAPED
    if name.len == 0:
        return None
    return (<bytes>text[: iw_name_text(text, name.at, min(name.len, <size_t>IW_PAYLOAD_NAME_MAX), 0)]).decode("ascii")


cdef dict payload_stats(const iw_payloads *payloads):
    return {
        "dns": payloads.dns,
        "tls": payloads.tls,
        "incomplete": payloads.incomplete,
        "streams": payloads.used,
        "evicted": payloads.evicted,
        "expired": payloads.expired,
        "gaps": payloads.gaps,
        "refused": payloads.refused,
        "unparsed": {name: payloads.unparsed[<uint32_t>i] for i, name in enumerate(UNPARSED_NAMES) if name},
    }
