# SPDX-License-Identifier: Apache-2.0
"""One record's fields, and what the derived ones are made with."""

def registered_domain(name: str) -> str | None:
    """The domain that somebody registered: a label more than the public suffix (https://publicsuffix.org).

    `name` is lower case, without a final dot, other scripts as xn--. None for a public suffix itself and for the root.
    """

def encoded_count(name: str) -> int:
    """Letters and digits in front of the registered domain, in labels that look like encoded data (hexadecimal, base32,
    base64, random letters) and not like words, numbers or addresses. Labels of 8 letters and digits and more."""

def fingerprints(message: bytes | bytearray | memoryview) -> tuple[str, str] | None:
    """A whole client hello, its handshake header first -> (JA3, JA4); None when it is none or a part is missing.

    JA3 is 32 hexadecimal digits (MD5), JA4 36 characters for TLS over TCP.
    """
