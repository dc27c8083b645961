# SPDX-License-Identifier: Apache-2.0
"""What a package could leave behind, read before it came and after it was purged."""

from __future__ import annotations

import re
from typing import NamedTuple

from tests.installed.guest import Guest

#: Each prints one thing a line.
LISTS = {
    "file": "find / -xdev -printf '%p\\n'; find /run -xdev -printf '%p\\n'",
    "user": "cut -d: -f1 /etc/passwd",
    "group": "cut -d: -f1,4 /etc/group",
    "owner without a name": "find / /run -xdev \\( -nouser -o -nogroup \\) -printf '%p\\n'",
    "bpffs entry": "find /sys/fs/bpf -mindepth 1",
    "kernel program": "bpftool prog show | sed -nE 's/^[0-9]+: //p' | sed -E 's/ +(gpl|tag).*//' | sort",
    "kernel map": "bpftool map show | sed -nE 's/^[0-9]+: //p' | sed -E 's/ +flags.*//' | sort",
    "packet rule": "nft list ruleset",
    "interface": "ip -o -d link | grep -oE '^[0-9]+: [^:@]+|xdp[a-z]*/id:[0-9]+|prog/xdp.*'",
    "unit": "systemctl list-units --all --full --plain --no-legend | cut -d' ' -f1",
    "unit file": "systemctl list-unit-files --full --no-legend | cut -d' ' -f1,2",
    "control group": "find /sys/fs/cgroup -type d",
    "process": "ps -eo comm=,args= | grep -i innerwarden | grep -v grep",
    "mount": "cut -d' ' -f2,3 /proc/mounts",
    "kernel module": "lsmod | cut -d' ' -f1",
}
#: What any installation of any package moves (etc/networks: netbase's, which never takes it back), and what runs on by
#: itself.
MOVING = re.compile(
    r"/(?:(?:var/lib/(?:dpkg|apt|systemd|ucf|python)|var/cache|var/log|run/log|run/systemd|run/udev|run/sshd|run/user|srv/packages)(?:/.*)?"
    r"|(?:var/)?tmp/systemd-private-.*|run/(?:control|cli)\..*|root/\.ssh(?:/.*)?|etc/(?:passwd|group|shadow|gshadow)-|etc/ld\.so\.cache"
    r"|root/\.bash_history|etc/networks|etc/\.pwd\.lock|run/xtables\.lock|run/netns(?:/.*)?)"
)
#: Kinds in which only what bears our name is ours: units, mounts and modules of others come and go.
OURS_BY_NAME = frozenset({"unit", "unit file", "control group", "mount", "kernel module"})
OUR_NAME = re.compile(r"innerwarden|\biw_", re.IGNORECASE)
_MARK = "@@@"


class Traces(NamedTuple):
    """Kind -> lines."""

    found: dict[str, list[str]]
    owned: frozenset[str]
    """Paths of installed packages: dependencies that apt brought stay until somebody removes them."""


def look(guest: Guest) -> Traces:
    script = "\n".join(
        f"echo '{_MARK}{kind}'\n{{ {command}; }} 2>/dev/null" for kind, command in LISTS.items()
    )
    text = guest.do(f"{script}\necho '{_MARK}owned'\ncat /var/lib/dpkg/info/*.list")
    found: dict[str, list[str]] = {}
    for part in text.split(_MARK)[1:]:
        kind, _, lines = part.partition("\n")
        found[kind] = lines.splitlines()
    owned = found.pop("owned")
    # Debian 12 has /bin, /sbin and /lib as links; packages may still name files through them.
    linked = [f"/usr{path}" for path in owned if path.startswith(("/bin/", "/sbin/", "/lib"))]
    return Traces(found, frozenset((*owned, *linked)))


def left_behind(before: Traces, after: Traces) -> list[str]:
    """One line for each thing that is there now, was not before, and is not another package's."""
    left = []
    for kind, lines in after.found.items():
        known = set(before.found[kind])
        for line in dict.fromkeys(lines):
            if line not in known and (OUR_NAME.search(line) or not _is_others(kind, line, after.owned)):
                left.append(f"{kind} {line.strip()}")
    return left


def _is_others(kind: str, line: str, owned: frozenset[str]) -> bool:
    if kind in OURS_BY_NAME:
        return True
    if kind != "file":
        return False
    compiled = re.match(r"(.*)/__pycache__(?:/.*)?$", line)
    return (
        line in owned or MOVING.fullmatch(line) is not None or (compiled is not None and compiled[1] in owned)
    )
