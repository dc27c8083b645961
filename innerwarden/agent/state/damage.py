# SPDX-License-Identifier: Apache-2.0
"""What a read of a damaged file runs into, told as what it is."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Concatenate, ParamSpec, Protocol, TypeVar

import apsw

from innerwarden.agent.state.connection import refusal, set_aside
from innerwarden.errors import DamagedError


class _Asked(Protocol):
    _path: Path


_A = TypeVar("_A", bound=_Asked)
_P = ParamSpec("_P")
_R = TypeVar("_R")


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Raises StateError for what SQLite refuses, DamagedError for rows that hold what nobody wrote."""
    try:
        yield
    except apsw.Error as error:
        raise refusal(path, error) from error
    except (ValueError, TypeError, ArithmeticError, RecursionError) as error:
        raise DamagedError(f"{path} is damaged, a row cannot be read: {error}", set_aside(path)) from error


def question(
    method: Callable[Concatenate[_A, _P], _R],
) -> Callable[Concatenate[_A, _P], _R]:
    """A method that answers from the file at `_path`."""

    @functools.wraps(method)
    def asked(self: _A, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        with told(self._path):
            return method(self, *args, **kwargs)

    return asked
