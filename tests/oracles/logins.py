# SPDX-License-Identifier: Apache-2.0
"""Plain Python twins of the native detectors login_after_failures and ssh_patient_guessing."""

from __future__ import annotations

from collections.abc import Iterable

LATEST = 32


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


def slow(
    events: Iterable[tuple[float, str, int]],
    *,
    slow_count: int,
    slow_s: float,
    fast_count: int,
    fast_s: float,
    cooldown_s: float,
) -> list[tuple[float, str]]:
    """`events`: (seconds, address, repeat) of failed logins by time. Returns what is told, as (seconds, address).

    Addresses are never forgotten here.
    """
    times: dict[str, list[float]] = {}
    since: dict[str, list[float]] = {}
    told: dict[str, float] = {}
    found = []
    for at, address, repeat in events:
        moments, fresh = times.setdefault(address, []), since.setdefault(address, [])
        moments += [at] * repeat
        fresh += [at] * repeat
        if len([t for t in moments if t > at - fast_s]) >= fast_count:
            fresh.clear()
        elif len([t for t in fresh if t > at - slow_s]) >= slow_count:
            fresh.clear()
            if address not in told or at - told[address] >= cooldown_s:
                told[address] = at
                found.append((at, address))
    return found
