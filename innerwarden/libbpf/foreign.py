# SPDX-License-Identifier: Apache-2.0
"""Programs and links of the whole kernel by id, ours or not. Needs CAP_SYS_ADMIN."""

from __future__ import annotations

import ctypes
import errno
import os
from typing import Any

import msgspec

from innerwarden.errors import BpfError
from innerwarden.libbpf._table import LinkInfo, ProgInfo
from innerwarden.libbpf.library import load

TRACING = 2  # enum bpf_link_type
RAW_TRACEPOINT = 1
_NAME_BYTES = 128


class ProgramInfo(msgspec.Struct, frozen=True):
    """`type` is enum bpf_prog_type, `tag` the hash of its instructions. `btf_target` is the BTF id of what it is
    attached to (0 without), in the kernel's own BTF or that of object `btf_object`."""

    id: int
    type: int
    name: str
    tag: str
    loaded_ns: int
    created_by_uid: int
    btf_object: int
    btf_target: int


class LinkInfoRow(msgspec.Struct, frozen=True):
    """`type` is enum bpf_link_type; `tracepoint` the name of a raw tracepoint."""

    id: int
    type: int
    program_id: int
    tracepoint: str


def program(number: int) -> ProgramInfo | None:
    """None when there is no such program any more. Raises BpfError."""
    info = ProgInfo()
    if not _info("prog", number, info):
        return None
    return ProgramInfo(
        id=info.id,
        type=info.type,
        name=info.name.decode("utf-8", "replace"),
        tag=bytes(info.tag).hex(),
        loaded_ns=info.load_time,
        created_by_uid=info.created_by_uid,
        btf_object=info.attach_btf_obj_id,
        btf_target=info.attach_btf_id,
    )


def link(number: int) -> LinkInfoRow | None:
    """None when there is no such link any more. Raises BpfError."""
    name = ctypes.create_string_buffer(_NAME_BYTES)
    info = LinkInfo()
    # The kernel reads pointer and size as the raw tracepoint's; another type overwrites them.
    info.tp_name, info.tp_name_len = ctypes.addressof(name), _NAME_BYTES
    if not _info("link", number, info):
        return None
    tracepoint = name.value.decode("utf-8", "replace") if info.type == RAW_TRACEPOINT else ""
    return LinkInfoRow(info.id, info.type, info.prog_id, tracepoint)


def _info(what: str, number: int, info: Any) -> bool:
    library = load()
    try:
        fd = getattr(library, f"bpf_{what}_get_fd_by_id")(number)
    except BpfError as error:
        if error.errno == errno.ENOENT:
            return False
        raise
    try:
        size = ctypes.c_uint32(ctypes.sizeof(info))
        library.bpf_obj_get_info_by_fd(fd, ctypes.byref(info), ctypes.byref(size))
    finally:
        os.close(fd)
    return True
