# SPDX-License-Identifier: Apache-2.0
"""Send DNS questions to 127.0.0.1: TYPE NAME..."""

import socket
import sys

kind = int(sys.argv[1])
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for name in sys.argv[2:]:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    question = labels + b"\0" + kind.to_bytes(2, "big") + b"\0\1"
    sender.sendto(b"\x12\x34\x01\x00\x00\x01" + bytes(6) + question, ("127.0.0.1", 53))
