# SPDX-License-Identifier: Apache-2.0
"""Take one connection and read from it: ADDRESS PORT."""

import socket
import sys

connection, _ = socket.create_server((sys.argv[1], int(sys.argv[2]))).accept()
connection.recv(9)
