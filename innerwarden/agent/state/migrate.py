# SPDX-License-Identifier: Apache-2.0
"""Schema version of state.db: migrations found by scanning, each in one transaction."""

from __future__ import annotations

import importlib
import pkgutil
import re
from functools import cache

import apsw

from innerwarden.agent.state import migrations
from innerwarden.errors import StateError

_NAME = re.compile(r"m(\d{4})_[a-z0-9_]+")


@cache
def found() -> tuple[str, ...]:
    """Module names in order; number N stands at place N. Raises StateError for a gap or a stray file."""
    names = sorted(info.name for info in pkgutil.iter_modules(migrations.__path__))
    for place, name in enumerate(names, 1):
        match = _NAME.fullmatch(name)
        if not match or int(match[1]) != place:
            raise StateError(
                f"migration {name} stands at place {place}", "Number migrations m0001_..., no gaps"
            )
    return tuple(names)


def latest() -> int:
    return len(found())


def version_of(db: apsw.Connection) -> int:
    return int(db.pragma("user_version"))


def upgrade(db: apsw.Connection, application_id: int) -> int:
    """Run what is missing; returns how many ran. A failing migration leaves the file as it was.

    Foreign keys are off meanwhile, so that a table can be made anew without emptying those that point to it.
    """
    db.execute("PRAGMA foreign_keys = OFF")
    done = 0
    for number, name in enumerate(found(), 1):
        if number <= version_of(db):
            continue
        sql = importlib.import_module(f"{migrations.__name__}.{name}").SQL
        db.execute("BEGIN IMMEDIATE")
        try:
            db.execute(sql)
            if broken := db.execute("PRAGMA foreign_key_check").fetchone():
                raise StateError(f"migration {name} would leave {broken[0]} with rows that point nowhere")
            db.pragma("application_id", application_id)
            db.pragma("user_version", number)
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        done += 1
    db.execute("PRAGMA foreign_keys = ON")
    return done
