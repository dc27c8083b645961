# SPDX-License-Identifier: Apache-2.0
"""Plain Python twin of the native detector login_after_failures."""

from __future__ import annotations

from collections.abc import Iterable

LATEST = 16


def hits(
    events: Iterable[tuple[float, str, str, str, int]], failures: int, window_s: float, cooldown_s: float
) -> list[tuple[float, str, str]]:
    """`events`: (seconds, "failed" or "success", address, user, repeat) in order of arrival.

    Returns (seconds, address, user) of the logins that are reported. Addresses are never forgotten here, so a
    stream must hold fewer of them than the detector has room for.
    """
    latest: dict[str, list[float]] = {}
    told: dict[tuple[str, str], float] = {}
    found = []
    for at, what, address, user, repeat in events:
        if what == "failed":
            times = latest.setdefault(address, [])
            times += [at] * min(repeat, LATEST)
            del times[:-LATEST]
            continue
        recent = [t for t in latest.get(address, ()) if at - window_s <= t <= at]
        if len(recent) < failures:
            continue
        del latest[address]
        last = told.get((address, user))
        if last is None or at - last >= cooldown_s:
            told[(address, user)] = at
            found.append((at, address, user))
    return found
