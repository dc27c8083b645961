# SPDX-License-Identifier: Apache-2.0
"""Try to connect: ADDRESS PORT."""

import socket
import sys

socket.socket().connect_ex((sys.argv[1], int(sys.argv[2])))
