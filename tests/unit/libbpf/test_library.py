# SPDX-License-Identifier: Apache-2.0
"""Bindings: every name resolves, failures become BpfError with errno and libbpf's own words."""

from __future__ import annotations

import ctypes
import errno

import pytest

from innerwarden import libbpf, paths
from innerwarden.errors import BpfError, UnavailableError, UsageError
from innerwarden.libbpf import _table, library


def test_every_signature_is_declared() -> None:
    loaded = libbpf.load()
    for name, (result, arguments, _failure) in _table.SIGNATURES.items():
        function = getattr(loaded, name)
        assert function.restype is result, name
        assert tuple(function.argtypes) == arguments, name
        assert not (name.startswith("bpf_program__attach") and result is not ctypes.c_void_p)
    assert loaded.version().startswith(("v0.", "v1."))


def test_errors_carry_errno_and_name_the_call() -> None:
    with pytest.raises(BpfError, match="bpf_map_lookup_elem failed") as caught:
        libbpf.load().bpf_map_lookup_elem(-1, b"\0" * 4, ctypes.create_string_buffer(4))
    assert caught.value.errno == errno.EBADF


def test_a_bad_object_is_refused_with_libbpfs_words() -> None:
    with pytest.raises(BpfError) as caught:
        libbpf.Object(b"not an object")
    assert caught.value.errno != 0
    assert "elf" in libbpf.load().quote().lower()


def test_missing_library_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "SONAMES", ("libbpf.so.none",))
    with pytest.raises(UnavailableError, match="libbpf1"):
        library.load.__wrapped__()


def test_objects_can_be_opened_without_root_and_freed() -> None:
    opened = libbpf.Object(paths.bpf_object().read_bytes())
    assert opened.programs["iw_exec"].section == "tp_btf/sched_process_exec"
    assert opened.maps["iw_watch_name"].key_size == 32
    opened.maps["iw_ring_bulk"].resize(1 << 16)
    assert opened.maps["iw_ring_bulk"].max_entries == 1 << 16
    opened.programs["iw_exec"].set_autoload(False)
    assert not opened.programs["iw_exec"].autoload
    with pytest.raises(UsageError, match="keys of 32 bytes"):
        opened.maps["iw_watch_name"].delete(b"short")
    with pytest.raises(UsageError, match="values of 4 bytes"):
        opened.maps["iw_self"].update(b"1234", b"x")
    with pytest.raises(UsageError, match="not per-CPU"):
        opened.maps["iw_self"].lookup_cpus(b"1234")
    with pytest.raises(BpfError, match=r"cannot set 9 at 4096"):
        opened.section_map(".rodata").write_initial(4096, bytes(9))
    with pytest.raises(BpfError, match=r"no \.none section"):
        opened.section_map(".none")
    opened.close()
    opened.close()
