# SPDX-License-Identifier: Apache-2.0
"""Programs of a few instructions, made without a compiler: a guest kernel has none.

Each ends with its argument count (modulo 256) as exit status, so that a test knows what the program itself was given.
"""

from __future__ import annotations

import struct
from pathlib import Path

BASE = 0x400000
#: mov edi, [rsp]; mov eax, 60; syscall
EXIT_WITH_ARGC = bytes.fromhex("8b3c24 b83c000000 0f05")
#: mov ebx, [esp]; mov eax, 1; int 0x80
EXIT_WITH_ARGC_32 = bytes.fromhex("8b1c24 b801000000 cd80")


def overwrite_argv(count: int) -> bytes:
    """Code that first writes `count` times X over its arguments.

    mov rdi, [rsp+8]; mov ecx, count; mov al, 'X'; rep stosb
    """
    return (
        bytes.fromhex("488b7c2408 b9")
        + struct.pack("<I", count)
        + bytes.fromhex("b058 f3aa")
        + EXIT_WITH_ARGC
    )


def elf64(code: bytes) -> bytes:
    """A static x86-64 executable that is nothing but `code`. Source: elf(5)."""
    entry, size = BASE + 64 + 56, 64 + 56 + len(code)
    header = struct.pack(
        "<4s5B7x2HI3QI6H", b"\x7fELF", 2, 1, 1, 0, 0, 2, 62, 1, entry, 64, 0, 0, 64, 56, 1, 0, 0, 0
    )
    segment = struct.pack("<2I6Q", 1, 5, 0, BASE, BASE, size, size, 4096)
    return header + segment + code


def elf32(code: bytes) -> bytes:
    """The same for a 32-bit program."""
    entry, size = BASE + 52 + 32, 52 + 32 + len(code)
    header = struct.pack(
        "<4s5B7x2HI3II6H", b"\x7fELF", 1, 1, 1, 0, 0, 2, 3, 1, entry, 52, 0, 0, 52, 32, 1, 0, 0, 0
    )
    segment = struct.pack("<8I", 1, 0, BASE, BASE, size, size, 5, 4096)
    return header + segment + code


def write(path: Path, image: bytes, mode: int = 0o755) -> Path:
    path.write_bytes(image)
    path.chmod(mode)
    return path


def open_forever(flags: int) -> bytes:
    """Two threads that open and close the file of argv[1] until they are told to stop.

    The page of descriptor 3 is shared with the test: the second 8 bytes other than zero mean stop, the counts of the
    opens that succeeded are at 64 and 128. A failed open ends its thread.
    """
    begin = bytes.fromhex(
        "488b6c2410"  # mov rbp, [rsp+16]: argv[1]
        "b809000000 31ff be00100000 ba03000000 41ba01000000 41b803000000 4531c9 0f05"  # mmap(0, 4096, rw, shared, 3, 0)
        "4889c3"  # mov rbx, rax
        "b838000000 bf000f0100 31f6 31d2 4531d2 4531c0 0f05"  # clone(VM|FS|FILES|SIGHAND|THREAD): no stack is used
        "4c8d6340 85c0 7507 4c8da380000000"  # lea r12, [rbx+64]; in the new thread [rbx+128]
    )
    loop = bytes.fromhex(
        "48837b0800 7524"  # cmp qword [rbx+8], 0; jne to the end
        f"b802000000 4889ef be{flags.to_bytes(4, 'little').hex()} 31d2 0f05"  # open(rbp, flags, 0)
        "85c0 780f"  # negative: to the end
        "89c7 b803000000 0f05"  # close
        "49ff0424 ebd5"  # inc qword [r12]; again
    )
    return begin + loop + bytes.fromhex("b83c000000 31ff 0f05")
