# SPDX-License-Identifier: Apache-2.0
"""Where this system starts programs from by itself: one table.

Sources: systemd.unit(5), systemd.generator(7), systemd-system.conf(5), crontab(5), cron(8), at(1), udev(7),
dbus-daemon(1), the XDG autostart specification, pm-utils and Debian's init and ifupdown policies.
"""

from __future__ import annotations

from typing import NamedTuple


class Place(NamedTuple):
    """`path` may hold `*` for one component. `depth` is how far below it files count, 0 for a file itself.

    `keys` are line beginnings whose lines tell what is started; `("",)` takes every line that is no comment.
    """

    path: str
    what: str
    depth: int = 1
    keys: tuple[str, ...] = ()


_EXEC = (
    "Exec",
    "OnCalendar=",
    "OnBootSec=",
    "OnUnitActiveSec=",
    "PathExists=",
    "PathChanged=",
    "ListenStream=",
)
_CRON = ("",)
_SYSTEMD = ("/etc/systemd", "/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd", "/lib/systemd")

PLACES: tuple[Place, ...] = (
    *(Place(f"{base}/system", "a systemd unit", 2, _EXEC) for base in _SYSTEMD),
    *(Place(f"{base}/user", "a systemd user unit", 2, _EXEC) for base in _SYSTEMD),
    Place("/run/systemd/transient", "a transient systemd unit", 2, _EXEC),
    Place("/etc/systemd/system.control", "a systemd unit", 2, _EXEC),
    Place("/home/*/.config/systemd/user", "a user's systemd unit", 2, _EXEC),
    Place("/home/*/.local/share/systemd/user", "a user's systemd unit", 2, _EXEC),
    Place("/root/.config/systemd/user", "a user's systemd unit", 2, _EXEC),
    Place("/root/.local/share/systemd/user", "a user's systemd unit", 2, _EXEC),
    *(Place(f"{base}/system-generators", "a systemd generator") for base in _SYSTEMD),
    *(Place(f"{base}/user-generators", "a systemd generator") for base in _SYSTEMD),
    *(Place(f"{base}/system-environment-generators", "a systemd generator") for base in _SYSTEMD),
    *(Place(f"{base}/system-shutdown", "a shutdown hook") for base in _SYSTEMD),
    *(Place(f"{base}/system-sleep", "a sleep hook") for base in _SYSTEMD),
    Place("/etc/crontab", "a cron table", 0, _CRON),
    Place("/etc/cron.d", "a cron table", 1, _CRON),
    Place("/etc/anacrontab", "an anacron table", 0, _CRON),
    Place("/var/spool/cron", "a user's cron table", 2, _CRON),
    *(
        Place(f"/etc/cron.{when}", "a cron job")
        for when in ("hourly", "daily", "weekly", "monthly", "yearly")
    ),
    Place("/var/spool/at", "an at job"),
    Place("/etc/init.d", "an init script"),
    Place("/etc/rc.local", "the local start script", 0, _CRON),
    Place("/etc/inittab", "the init table", 0, _CRON),
    *(Place(f"/etc/rc{level}.d", "an init link") for level in "0123456S"),
    *(Place(f"{base}/udev/rules.d", "a udev rule") for base in ("/etc", "/run", "/usr/lib", "/lib")),
    Place("/etc/dbus-1/system-services", "a D-Bus service", 1, ("Exec=", "SystemdService=")),
    Place("/usr/share/dbus-1/system-services", "a D-Bus service", 1, ("Exec=", "SystemdService=")),
    Place("/etc/xdg/autostart", "an autostart entry", 1, ("Exec=",)),
    Place("/home/*/.config/autostart", "a user's autostart entry", 1, ("Exec=",)),
    Place("/etc/update-motd.d", "a login message script"),
    Place("/etc/NetworkManager/dispatcher.d", "a network hook", 2),
    *(Place(f"/etc/network/if-{when}.d", "a network hook") for when in ("pre-up", "up", "down", "post-down")),
    Place("/etc/apt/apt.conf.d", "a package manager hook", 1, ("DPkg::", "APT::Update::", "Dpkg::")),
    Place("/etc/modprobe.d", "a module loader rule", 1, ("install ", "remove ")),
)
