# SPDX-License-Identifier: Apache-2.0
"""No rule waits for what never comes: every file that a shipped rule looks for is one the kernel reports."""

from __future__ import annotations

from innerwarden import paths
from innerwarden.config import Config
from innerwarden.modules.loader import load_modules
from innerwarden.rules.watch import Watch, WatchedName, names_of
from innerwarden.sensor.kernel_watch import DIR, NAMESPACE, READ, WRITE, default_names

MODULES = load_modules([paths.REPOSITORY / "modules"], Config())


def test_every_watched_path_of_a_rule_is_on_the_kernels_list() -> None:
    names, without = names_of(MODULES.watch)
    assert without == (), "such a test has no name that the kernel could compare"
    listed = default_names()
    missing = []
    for name in names:
        flags = listed.get(name.name.encode(), 0)
        wanted = READ if name.read else WRITE | NAMESPACE
        if not flags & wanted or (name.directory and not flags & DIR):
            missing.append(name)
    assert missing == []


def test_names_of_paths() -> None:
    watch = Watch(
        written=(
            ("equals", "/etc/crontab"),
            ("startswith", "/etc/cron.d/"),
            ("startswith", "/etc/cron"),
            ("endswith", "/.bashrc"),
            ("endswith", ".bak"),
            ("contains", "/systemd/user/"),
            ("glob", "/home/*/y"),
            ("glob", "/home/x*"),
        ),
        read=(("endswith", "/id_rsa"),),
        file_names=(("equals", "x"), ("startswith", "y")),
    )
    names, without = names_of(watch)
    assert names == (
        WatchedName(name="crontab", directory=False, read=False),
        WatchedName(name="cron.d", directory=True, read=False),
        WatchedName(name=".bashrc", directory=False, read=False),
        WatchedName(name="user", directory=True, read=False),
        WatchedName(name="y", directory=False, read=False),
        WatchedName(name="id_rsa", directory=False, read=True),
        WatchedName(name="x", directory=False, read=False),
    )
    assert without == (
        "path startswith '/etc/cron'",
        "path endswith '.bak'",
        "path glob '/home/x*'",
        "file_name startswith 'y'",
    )
