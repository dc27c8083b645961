# SPDX-License-Identifier: Apache-2.0
"""libbpf.so.1 through ctypes: loaded once, its messages kept for the error that follows them."""

from __future__ import annotations

import ctypes
import errno as errno_names
import mmap
import os
from collections import deque
from collections.abc import Callable
from functools import cache
from typing import Any

from innerwarden.errors import BpfError, UnavailableError
from innerwarden.libbpf import _table

SONAMES = ("libbpf.so.1", "libbpf.so.0")
LOG_LINES = 400
#: The verifier's verdict is at the end of its log, which may be long; pages not written to cost nothing.
LOG_BYTES = 16 << 20
_STRICT_ALL = 0xFFFFFFFF


class Library:
    """The loaded library. Calls hold no lock and release the GIL; `log` keeps the last messages."""

    def __init__(self, native: ctypes.CDLL) -> None:
        self._native = native
        self.log: deque[str] = deque(maxlen=LOG_LINES)
        for name, signature in _table.SIGNATURES.items():
            _declare(native, name, signature)
        for name, signature in _table.OPTIONAL.items():
            if hasattr(native, name):
                _declare(native, name, signature)
        # Kept for the library's life: libbpf calls it whenever it has something to say.
        self._print = _table.PrintFunction(self._collect)
        native.libbpf_set_print(self._print)
        if hasattr(native, "libbpf_set_strict_mode"):
            native.libbpf_set_strict_mode(_STRICT_ALL)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function: Callable[..., Any] = getattr(self._native, name)
        return function

    def version(self) -> str:
        text: bytes = self._native.libbpf_version_string()
        return text.decode()

    def _collect(self, level: int, text: int, arguments: int) -> int:
        if level > 1:  # debug
            return 0
        # Of a fresh mapping only what is written gets memory; ctypes would clear the whole of its own buffer.
        buffer = (ctypes.c_char * LOG_BYTES).from_buffer(mmap.mmap(-1, LOG_BYTES))
        _vsnprintf()(buffer, LOG_BYTES, text, arguments)
        self.log.extend(buffer.value.decode("utf-8", "replace").splitlines())
        return 0

    def quote(self, lines: int = 6) -> str:
        """The last messages, as one line for an error."""
        said = [line.removeprefix("libbpf: ").strip() for line in list(self.log)[-lines:]]
        return " | ".join(filter(None, said))


@cache
def _vsnprintf() -> Callable[..., int]:
    function = ctypes.CDLL(None).vsnprintf
    function.restype = ctypes.c_int
    function.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p)
    checked: Callable[..., int] = function
    return checked


def _failure(function: str, code: int) -> BpfError:
    name = errno_names.errorcode.get(code, str(code))
    return BpfError(f"{function} failed: {os.strerror(code)} ({name})", errno=code)


def _check_pointer(result: int | None, function: Any, arguments: tuple[Any, ...]) -> int:
    if not result:
        raise _failure(function.__name__, ctypes.get_errno())
    return result


def _check_code(result: int, function: Any, arguments: tuple[Any, ...]) -> int:
    if result < 0:
        # The low-level calls of libbpf before 1.0 return -1 with errno.
        raise _failure(function.__name__, ctypes.get_errno() or -result)
    return result


_CHECKERS: dict[str, Any] = {_table.POINTER_RESULT: _check_pointer, _table.CODE_RESULT: _check_code}


def _declare(native: ctypes.CDLL, name: str, signature: tuple[Any, tuple[Any, ...], str]) -> None:
    function = getattr(native, name)
    function.restype, function.argtypes, failure = signature
    if failure in _CHECKERS:
        function.errcheck = _CHECKERS[failure]


@cache
def load() -> Library:
    """Open libbpf; raises UnavailableError naming the package when it is missing or too old."""
    for soname in SONAMES:
        try:
            native = ctypes.CDLL(soname, use_errno=True)
        except OSError:
            continue
        try:
            return Library(native)
        except AttributeError as error:
            raise UnavailableError(
                f"{soname} is too old: {error}", "Install libbpf 0.8 or newer (Debian package libbpf1)"
            ) from error
    raise UnavailableError(
        "libbpf.so.1 is not installed, so kernel programs cannot be loaded",
        "Install the Debian package libbpf1",
    )
