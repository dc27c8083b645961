# SPDX-License-Identifier: Apache-2.0
"""Signatures of the libbpf functions in use, and how each one reports failure: data only.

Every pointer result is `c_void_p` (ctypes' default, int, would cut it to 32 bits). Source: libbpf.h, bpf.h
of libbpf 1.1; all names exist since 0.8 unless they are in OPTIONAL.
"""

from __future__ import annotations

from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    c_bool,
    c_char,
    c_char_p,
    c_int,
    c_size_t,
    c_ubyte,
    c_uint32,
    c_uint64,
    c_void_p,
)
from typing import Any

#: int print(enum level, const char *format, va_list). The list is passed on to vsnprintf untouched.
PrintFunction = CFUNCTYPE(c_int, c_int, c_void_p, c_void_p)

POINTER_RESULT = "pointer"  # NULL with errno
CODE_RESULT = "code"  # negative errno
PLAIN_RESULT = "plain"  # cannot fail, or the caller looks at the value itself


class ProgInfo(Structure):
    """struct bpf_prog_info, include/uapi/linux/bpf.h; append-only there, so a prefix is always right."""

    _fields_ = [
        ("type", c_uint32),
        ("id", c_uint32),
        ("tag", c_ubyte * 8),
        ("jited_prog_len", c_uint32),
        ("xlated_prog_len", c_uint32),
        ("jited_prog_insns", c_uint64),
        ("xlated_prog_insns", c_uint64),
        ("load_time", c_uint64),
        ("created_by_uid", c_uint32),
        ("nr_map_ids", c_uint32),
        ("map_ids", c_uint64),
        ("name", c_char * 16),
        ("ifindex", c_uint32),
        ("gpl_compatible", c_uint32),
        ("netns_dev", c_uint64),
        ("netns_ino", c_uint64),
        ("nr_jited_ksyms", c_uint32),
        ("nr_jited_func_lens", c_uint32),
        ("jited_ksyms", c_uint64),
        ("jited_func_lens", c_uint64),
        ("btf_id", c_uint32),
        ("func_info_rec_size", c_uint32),
        ("func_info", c_uint64),
        ("nr_func_info", c_uint32),
        ("nr_line_info", c_uint32),
        ("line_info", c_uint64),
        ("jited_line_info", c_uint64),
        ("nr_jited_line_info", c_uint32),
        ("line_info_rec_size", c_uint32),
        ("jited_line_info_rec_size", c_uint32),
        ("nr_prog_tags", c_uint32),
        ("prog_tags", c_uint64),
        ("run_time_ns", c_uint64),
        ("run_cnt", c_uint64),
        ("recursion_misses", c_uint64),
        ("verified_insns", c_uint32),
        ("attach_btf_obj_id", c_uint32),
        ("attach_btf_id", c_uint32),
        ("padding", c_uint32),
    ]


class LinkInfo(Structure):
    """struct bpf_link_info as far as a raw tracepoint's part of its union goes.

    A cgroup link has the number of its cgroup where the other has its name's address.
    """

    _fields_ = [
        ("type", c_uint32),
        ("id", c_uint32),
        ("prog_id", c_uint32),
        ("padding", c_uint32),
        ("tp_name", c_uint64),
        ("tp_name_len", c_uint32),
        ("rest", c_uint32 * 11),
    ]


class TcHook(Structure):
    """struct bpf_tc_hook; `sz` is our own size."""

    _fields_ = [("sz", c_size_t), ("ifindex", c_int), ("attach_point", c_uint32), ("parent", c_uint32)]


class TcOptions(Structure):
    """struct bpf_tc_opts; `sz` is our own size."""

    _fields_ = [
        ("sz", c_size_t),
        ("prog_fd", c_int),
        ("flags", c_uint32),
        ("prog_id", c_uint32),
        ("handle", c_uint32),
        ("priority", c_uint32),
    ]


class OpenOptions(Structure):
    """The head of struct bpf_object_open_opts; libbpf takes any prefix whose size `sz` tells."""

    _fields_ = [("sz", c_size_t), ("object_name", c_char_p)]


class TestRunOptions(Structure):
    """struct bpf_test_run_opts; `sz` must hold our own size."""

    _fields_ = [
        ("sz", c_size_t),
        ("data_in", c_char_p),
        ("data_out", c_void_p),
        ("data_size_in", c_uint32),
        ("data_size_out", c_uint32),
        ("ctx_in", c_void_p),
        ("ctx_out", c_void_p),
        ("ctx_size_in", c_uint32),
        ("ctx_size_out", c_uint32),
        ("retval", c_uint32),
        ("repeat", c_int),
        ("duration", c_uint32),
        ("flags", c_uint32),
        ("cpu", c_uint32),
        ("batch_size", c_uint32),
    ]


class LinkOptions(Structure):
    """The head of struct bpf_link_create_opts; libbpf takes any prefix whose size `sz` tells."""

    _fields_ = [("sz", c_size_t), ("flags", c_uint32), ("padding", c_uint32)]


#: name -> (result type, argument types, how failure shows)
SIGNATURES: dict[str, tuple[Any, tuple[Any, ...], str]] = {
    "libbpf_set_print": (c_void_p, (PrintFunction,), PLAIN_RESULT),
    "libbpf_version_string": (c_char_p, (), PLAIN_RESULT),
    "libbpf_num_possible_cpus": (c_int, (), CODE_RESULT),
    "bpf_object__open_mem": (c_void_p, (c_char_p, c_size_t, POINTER(OpenOptions)), POINTER_RESULT),
    "bpf_object__load": (c_int, (c_void_p,), CODE_RESULT),
    "bpf_object__close": (None, (c_void_p,), PLAIN_RESULT),
    "bpf_object__next_program": (c_void_p, (c_void_p, c_void_p), PLAIN_RESULT),
    "bpf_object__next_map": (c_void_p, (c_void_p, c_void_p), PLAIN_RESULT),
    "bpf_program__name": (c_char_p, (c_void_p,), PLAIN_RESULT),
    "bpf_program__section_name": (c_char_p, (c_void_p,), PLAIN_RESULT),
    "bpf_program__fd": (c_int, (c_void_p,), CODE_RESULT),
    "bpf_program__autoload": (c_bool, (c_void_p,), PLAIN_RESULT),
    "bpf_program__set_autoload": (c_int, (c_void_p, c_bool), CODE_RESULT),
    "bpf_program__attach": (c_void_p, (c_void_p,), POINTER_RESULT),
    "bpf_program__attach_tracepoint": (c_void_p, (c_void_p, c_char_p, c_char_p), POINTER_RESULT),
    "bpf_program__attach_cgroup": (c_void_p, (c_void_p, c_int), POINTER_RESULT),
    "bpf_link_create": (c_int, (c_int, c_int, c_uint32, POINTER(LinkOptions)), CODE_RESULT),
    "bpf_program__attach_uprobe": (c_void_p, (c_void_p, c_bool, c_int, c_char_p, c_size_t), POINTER_RESULT),
    "bpf_tc_hook_create": (c_int, (POINTER(TcHook),), CODE_RESULT),
    "bpf_tc_attach": (c_int, (POINTER(TcHook), POINTER(TcOptions)), CODE_RESULT),
    "bpf_iter_create": (c_int, (c_int,), CODE_RESULT),
    "bpf_map_create": (
        c_int,
        (c_uint32, c_char_p, c_uint32, c_uint32, c_uint32, c_void_p),
        CODE_RESULT,
    ),
    "bpf_link__destroy": (c_int, (c_void_p,), CODE_RESULT),
    "bpf_link__fd": (c_int, (c_void_p,), CODE_RESULT),
    "bpf_map__name": (c_char_p, (c_void_p,), PLAIN_RESULT),
    "bpf_map__fd": (c_int, (c_void_p,), CODE_RESULT),
    "bpf_map__type": (c_uint32, (c_void_p,), PLAIN_RESULT),
    "bpf_map__key_size": (c_uint32, (c_void_p,), PLAIN_RESULT),
    "bpf_map__value_size": (c_uint32, (c_void_p,), PLAIN_RESULT),
    "bpf_map__max_entries": (c_uint32, (c_void_p,), PLAIN_RESULT),
    "bpf_map__set_max_entries": (c_int, (c_void_p, c_uint32), CODE_RESULT),
    "bpf_map__initial_value": (c_void_p, (c_void_p, POINTER(c_size_t)), PLAIN_RESULT),
    "bpf_map_lookup_elem": (c_int, (c_int, c_void_p, c_void_p), CODE_RESULT),
    "bpf_map_update_elem": (c_int, (c_int, c_void_p, c_void_p, c_uint64), CODE_RESULT),
    "bpf_map_delete_elem": (c_int, (c_int, c_void_p), CODE_RESULT),
    "bpf_map_get_next_key": (c_int, (c_int, c_void_p, c_void_p), CODE_RESULT),
    "bpf_map_update_batch": (
        c_int,
        (c_int, c_void_p, c_void_p, POINTER(c_uint32), c_void_p),
        CODE_RESULT,
    ),
    "bpf_map_delete_batch": (c_int, (c_int, c_void_p, POINTER(c_uint32), c_void_p), CODE_RESULT),
    "bpf_map_lookup_batch": (
        c_int,
        (c_int, c_void_p, c_void_p, c_void_p, c_void_p, POINTER(c_uint32), c_void_p),
        CODE_RESULT,
    ),
    "bpf_obj_get_info_by_fd": (c_int, (c_int, c_void_p, POINTER(c_uint32)), CODE_RESULT),
    "bpf_prog_get_next_id": (c_int, (c_uint32, POINTER(c_uint32)), CODE_RESULT),
    "bpf_map_get_next_id": (c_int, (c_uint32, POINTER(c_uint32)), CODE_RESULT),
    "bpf_link_get_next_id": (c_int, (c_uint32, POINTER(c_uint32)), CODE_RESULT),
    "bpf_prog_get_fd_by_id": (c_int, (c_uint32,), CODE_RESULT),
    "bpf_link_get_fd_by_id": (c_int, (c_uint32,), CODE_RESULT),
    "bpf_enable_stats": (c_int, (c_uint32,), CODE_RESULT),
    "bpf_prog_test_run_opts": (c_int, (c_int, POINTER(TestRunOptions)), CODE_RESULT),
}

#: Functions that may be missing without harm.
OPTIONAL: dict[str, tuple[Any, tuple[Any, ...], str]] = {
    # 0.8 needs it for errno-style results; from 1.0 on they are the only ones and this does nothing.
    "libbpf_set_strict_mode": (c_int, (c_uint32,), PLAIN_RESULT),
}
