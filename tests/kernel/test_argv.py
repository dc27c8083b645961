# SPDX-License-Identifier: Apache-2.0
"""Argument vectors of every shape arrive byte for byte, through a real exec, the real rings and the engine.

Two witnesses stand against the collector: the bytes that the test passed, and the argument count that the
executed program itself found on its stack.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from innerwarden.model._wire import ARGV_CHUNK, ARGV_MAX
from innerwarden.sensor.loader import KernelSource
from tests.kernel import tiny
from tests.kernel.execs import Exec, ExecCollector

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="the test's programs are x86-64 machine code"),
]

NOBODY = 65534
EXECVEAT, AT_EMPTY_PATH = 322, 0x1000
libc = ctypes.CDLL(None, use_errno=True)

Argv = Sequence[bytes]
Act = Callable[[], object]


@pytest.fixture(scope="module")
def collector(source: KernelSource) -> Iterator[ExecCollector]:
    with ExecCollector(source.rings) as made:
        yield made


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program that ends with its argument count as status."""
    return tiny.write(tmp_path / "tiny", tiny.elf64(tiny.EXIT_WITH_ARGC))


def pointers(strings: Argv) -> ctypes.Array[ctypes.c_char_p]:
    return (ctypes.c_char_p * (len(strings) + 1))(*strings, None)


def execve(path: Path | bytes, argv: Argv, environment: Argv = ()) -> Act:
    """execve(2) itself: Python's wrapper refuses an empty argv."""
    arguments, variables, name = pointers(argv), pointers(environment), os.fsencode(path)
    return lambda: libc.execve(name, arguments, variables)


def execveat(fd: int, name: bytes, argv: Argv, flags: int = 0) -> Act:
    arguments, variables = pointers(argv), pointers(())
    return lambda: libc.syscall(
        ctypes.c_long(EXECVEAT), ctypes.c_long(fd), name, arguments, variables, ctypes.c_long(flags)
    )


def run(act: Act) -> tuple[int, int]:
    """(pid, exit status) of a child that becomes another program by `act`."""
    report, failed = os.pipe()
    pid = os.fork()
    if pid == 0:
        number = errno.EIO
        try:
            act()
            number = ctypes.get_errno()
        finally:
            os.write(failed, number.to_bytes(4, "little"))
            os._exit(127)
    os.close(failed)
    with os.fdopen(report, "rb") as file:
        problem = int.from_bytes(file.read(), "little")  # nothing: the exec closed the other end
    status = os.waitpid(pid, 0)[1]
    if problem:
        raise OSError(problem, os.strerror(problem))
    return pid, os.waitstatus_to_exitcode(status)


def check(one: Exec, argv: Argv) -> None:
    """The record against the arguments that were passed."""
    whole = b"".join(word + b"\0" for word in argv)
    kept = whole[:ARGV_MAX]
    assert one.witness.argv_len == len(whole)
    assert one.raw_argv == kept
    assert one.incomplete == (len(whole) > ARGV_MAX)
    words = kept.removesuffix(b"\0").split(b"\0") if kept else []
    assert one.record.argv() == [word.decode("utf-8", "backslashreplace") for word in words]
    assert one.record.get("argv_len") == len(whole)


def sized(total: int) -> list[bytes]:
    """Two arguments of `total` bytes together, terminators included."""
    return [b"tiny", bytes(97 + i % 26 for i in range(total - 6))]


def straddling(word: bytes, before: int) -> list[bytes]:
    """`word` begins `before` bytes ahead of the end of the first chunk."""
    return [b"f" * (ARGV_CHUNK - before - 1), word, b"after"]


CHUNKS = (
    *(ARGV_CHUNK - 1, ARGV_CHUNK, ARGV_CHUNK + 1, ARGV_CHUNK + 2),
    *(2 * ARGV_CHUNK - 1, 2 * ARGV_CHUNK, 2 * ARGV_CHUNK + 1),
    *(ARGV_MAX - ARGV_CHUNK - 1, ARGV_MAX - ARGV_CHUNK, ARGV_MAX - ARGV_CHUNK + 1, ARGV_MAX - 1),
)

#: Name -> arguments, passed to the tiny program by execve(2).
SHAPES: dict[str, list[bytes]] = {
    "one": [b"tiny"],
    "two": [b"tiny", b"word"],
    "one byte": [b"x"],
    "empty name": [b""],
    "empty name and words": [b"", b"a", b""],
    "empty words between": [b"tiny", b"", b"b", b"", b""],
    "only empty": [b""] * 7,
    "65,536 empty": [b""] * 65536,
    "100,000 bytes": [b"tiny", b"0123456789" * 10_000],
    "exactly the limit, one word": [b"l" * (ARGV_MAX - 1)],
    "exactly the limit, two words": sized(ARGV_MAX),
    "one above the limit": sized(ARGV_MAX + 1),
    "the limit cuts inside a character": [b"t" * (ARGV_MAX - 3), "\u20ac".encode()],
    "twice the limit": [b"tiny", b"a" * 131_071, b"b" * 131_071],
    "a million bytes": [b"tiny", *(bytes([97 + i]) * 100_000 for i in range(10))],
    "10,000 words": [b"%07d" % i for i in range(10_000)],
    "30,000 words of one byte": [bytes([33 + i % 90]) for i in range(30_000)],
    "a very long name": [b"n" * 100_000, b"word"],
    "newline, tab, return": [b"tiny", b"a\nb", b"\n", b"a\tb", b"a\r\nb", b"\r"],
    "escape sequences": [b"tiny", b"\x1b[2J\x1b[H", b"\x1b]0;title\x07", b"\x1b[8m hidden", b"\x9b31m"],
    "every byte but NUL": [b"tiny", bytes(range(1, 256)), *(bytes([i]) for i in range(1, 256))],
    "bytes beside NUL": [b"\x01", b"\xff", b"\x01\xff", b"", b"\xff\x01", b"\x80"],
    "lone bytes that are no UTF-8": [
        b"tiny",
        b"\xff",
        b"\xfe\xff",
        b"\x80",
        b"ab\xc3",
        b"\xc3(",
        b"\xe2\x82",
    ],
    "UTF-8 surrogates and beyond Unicode": [
        b"tiny",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
    ],
    "overlong UTF-8": [b"tiny", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xc0\x80", b"\xf0\x80\x80\xaf"],
    "text that looks escaped": [b"tiny", rb"\xff", rb"\x00", rb"\u0000", b"%00", b"%s%n"],
    "Latin-1": [b"tiny", "Grüße".encode("latin-1")],
    "emoji": ["\U0001f600".encode(), "\U0001f469\u200d\U0001f4bb".encode(), "\U0001f1e9\U0001f1ea".encode()],
    "right to left and invisible": [
        "\u202egpj.exe".encode(),
        "a\u200bb".encode(),
        "\ufeff".encode(),
        b"\xc2\xad",
    ],
    "composed and combining": ["\u00e9".encode(), "e\u0301".encode(), "\u0430".encode(), b"a"],
    "quotes": [b"tiny", b"'", b'"', b"a'b\"c", b"`id`", b"$(id)", b"\\", b"\\'"],
    "globs and shell": [b"tiny", b"*", b"?", b"[a-z]", b"{a,b}", b"~", b"a;b|c&d", b"> /tmp/x", b"$HOME"],
    "dashes and equals": [b"tiny", b"--", b"-", b"---", b"-c", b"--a=b", b"=", b"==", b"A=B", b"PATH=/tmp"],
    "only blanks": [b"tiny", b" ", b"   ", b"\t", b" a ", b"\xc2\xa0"],
    "JSON and markup": [b"tiny", b'{"a":"b"}', b"</script><b>", b"]]>", b"\x00"[:0]],
    "name of another program": [b"[kworker/0:1]", b"x"],
    "name of a login shell": [b"-bash"],
    "name is another path": [b"/usr/sbin/sshd", b"-D"],
    "name with a newline": [b"ti\nny", b"x"],
    **{
        f"one word of {size} bytes": [b"w" * size]
        for size in (16383, 16384, 16385, 16386, 32767, 32768, 32769)
    },
    **{f"{size} bytes together": sized(size) for size in CHUNKS},
    "a word across the chunk": straddling(b"straddling-word", 7),
    "a character across the chunk": straddling("\U0001f600".encode(), 2),
    "a word that begins a chunk": straddling(b"begins", 0),
    "a terminator that ends a chunk": straddling(b"endschunk", 10),
    "an empty word on the edge": [b"f" * (ARGV_CHUNK - 1), b"", b"x"],
    "long words, every chunk cut": [bytes([65 + i]) * (ARGV_CHUNK - 3) for i in range(7)],
}


@pytest.mark.parametrize("argv", [pytest.param(argv, id=name) for name, argv in SHAPES.items()])
def test_shape_arrives_exact(collector: ExecCollector, program: Path, argv: list[bytes]) -> None:
    collector.drain()
    pid, status = run(execve(program, argv))
    (one,) = collector.of(pid)
    check(one, argv)
    assert status == len(argv) & 0xFF


def test_no_arguments_at_all(collector: ExecCollector, program: Path) -> None:
    """Kernels since 5.18, and stable ones by backport, give such a program one empty argument (dcd46d897adb)."""
    collector.drain()
    pid, status = run(execve(program, []))
    (one,) = collector.of(pid)
    assert status in (0, 1)
    check(one, [b""] * status)


def test_the_environment_does_not_leak_into_the_arguments(collector: ExecCollector, program: Path) -> None:
    collector.drain()
    pid, _ = run(execve(program, [b"tiny", b"last"], [b"SECRET=hidden", b"", b"A=" + b"b" * 50_000]))
    (one,) = collector.of(pid)
    check(one, [b"tiny", b"last"])
    assert b"SECRET" not in one.witness.raw


@dataclass(frozen=True)
class Place:
    """Where a way to execute finds its files."""

    directory: Path
    program: Path
    files: ExitStack

    def open(self, path: Path) -> int:
        """A descriptor of `path`, closed after the test."""
        fd = os.open(path, os.O_RDONLY)
        self.files.callback(os.close, fd)
        return fd

    def script(self, name: str, interpreter: Path, option: bytes = b"") -> Path:
        line = b"#!" + os.fsencode(interpreter) + (b" " + option if option else b"") + b"\n"
        return tiny.write(self.directory / name, line)


Way = tuple[Act, list[bytes]]  # what executes, and the arguments that the last program gets


def a_script(place: Place) -> Way:
    script = place.script("script", place.program)
    return execve(script, [b"gone", b"x"]), [bytes(place.program), bytes(script), b"x"]


def a_script_with_an_option(place: Place) -> Way:
    script = place.script("script", place.program, b"-e two words")
    return execve(script, [b"gone", b"x"]), [bytes(place.program), b"-e two words", bytes(script), b"x"]


def a_script_without_arguments(place: Place) -> Way:
    script = place.script("script", place.program)
    return execve(script, [b"gone"]), [bytes(place.program), bytes(script)]


def a_script_of_a_script(place: Place) -> Way:
    inner = place.script("inner", place.program, b"one")
    outer = place.script("outer", inner, b"two")
    argv = [bytes(place.program), b"one", bytes(inner), b"two", bytes(outer), b"x"]
    return execve(outer, [b"gone", b"x"]), argv


def a_script_with_long_arguments(place: Place) -> Way:
    script = place.script("script", place.program, b"-o")
    return execve(script, [b"gone", b"y" * 90_000]), [
        bytes(place.program),
        b"-o",
        bytes(script),
        b"y" * 90_000,
    ]


def a_descriptor(place: Place) -> Way:
    fd = place.open(place.program)
    return execveat(fd, b"", [b"by", b"fd"], AT_EMPTY_PATH), [b"by", b"fd"]


def a_script_by_descriptor(place: Place) -> Way:
    fd = place.open(place.script("script", place.program))
    os.set_inheritable(fd, True)
    return execveat(fd, b"", [b"gone", b"x"], AT_EMPTY_PATH), [bytes(place.program), b"/dev/fd/%d" % fd, b"x"]


def a_name_below_a_descriptor(place: Place) -> Way:
    fd = place.open(place.directory)
    return execveat(fd, b"tiny", [b"below", b"fd"]), [b"below", b"fd"]


def a_memory_file(place: Place) -> Way:
    fd = os.memfd_create("stage")
    place.files.callback(os.close, fd)
    os.write(fd, place.program.read_bytes())
    return execveat(fd, b"", [b"from", b"memory"], AT_EMPTY_PATH), [b"from", b"memory"]


def a_relative_path(place: Place) -> Way:
    def act() -> None:
        os.chdir(place.directory)
        execve(b"./tiny", [b"relative", b"x"])()

    return act, [b"relative", b"x"]


def a_path_with_a_newline(place: Place) -> Way:
    path = place.directory / "ti\nny"
    place.program.rename(path)
    return execve(path, [bytes(path), b"x"]), [bytes(path), b"x"]


def a_path_that_is_no_text(place: Place) -> Way:
    path = os.fsencode(place.directory) + b"/\xff\xc0\xaf"
    Path(os.fsdecode(path)).hardlink_to(place.program)
    return execve(path, [path, b"x"]), [path, b"x"]


def a_symbolic_link(place: Place) -> Way:
    link = place.directory / "link"
    link.symlink_to(place.program)
    return execve(link, [b"link", b"x"]), [b"link", b"x"]


def a_setuid_program(place: Place) -> Way:
    """Run by somebody else than its owner, so that the bit has an effect."""
    place.program.chmod(0o4755)
    fd = place.open(place.program)  # the test's directory is root's own

    def act() -> None:
        os.setuid(NOBODY)
        execveat(fd, b"", [b"set", b"uid"], AT_EMPTY_PATH)()

    return act, [b"set", b"uid"]


def a_thread_beside_the_leader(place: Place) -> Way:
    def act() -> None:
        thread = threading.Thread(target=execve(place.program, [b"by", b"thread", b"t" * 40_000]))
        thread.start()
        thread.join()

    return act, [b"by", b"thread", b"t" * 40_000]


def a_program_for_32_bits(place: Place) -> Way:
    path = tiny.write(place.directory / "tiny32", tiny.elf32(tiny.EXIT_WITH_ARGC_32))
    return execve(path, [b"compat", b"c" * 20_000]), [b"compat", b"c" * 20_000]


def a_program_that_overwrites_them(place: Place) -> Way:
    """Its first instructions; the record must hold what was passed, not what stands there now."""
    argv = [b"true-name", b"--password", b"p" * 50_000]
    path = tiny.write(place.directory / "liar", tiny.elf64(tiny.overwrite_argv(sum(map(len, argv)) + 2)))
    return execve(path, argv), argv


WAYS: tuple[Callable[[Place], Way], ...] = (
    a_script,
    a_script_with_an_option,
    a_script_without_arguments,
    a_script_of_a_script,
    a_script_with_long_arguments,
    a_descriptor,
    a_script_by_descriptor,
    a_name_below_a_descriptor,
    a_memory_file,
    a_relative_path,
    a_path_with_a_newline,
    a_path_that_is_no_text,
    a_symbolic_link,
    a_setuid_program,
    a_thread_beside_the_leader,
    a_program_for_32_bits,
    a_program_that_overwrites_them,
)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_way_to_execute(
    collector: ExecCollector, program: Path, tmp_path: Path, way: Callable[[Place], Way]
) -> None:
    collector.drain()
    with ExitStack() as files:
        act, argv = way(Place(tmp_path, program, files))
        try:
            pid, status = run(act)
        except OSError as error:
            if way is a_program_for_32_bits and error.errno == errno.ENOEXEC:
                pytest.skip("this kernel runs no 32-bit programs (CONFIG_IA32_EMULATION)")
            raise
    (one,) = collector.of(pid)
    check(one, argv)
    assert status == len(argv) & 0xFF


def test_vfork_and_posix_spawn(collector: ExecCollector, program: Path) -> None:
    """subprocess uses vfork(2), posix_spawn a clone that shares the caller's memory."""
    collector.drain()
    long = "v" * 60_000
    by_vfork = subprocess.Popen(["vfork", long], executable=program)
    by_spawn = os.posix_spawn(program, ["spawn", long], {})
    by_vfork.wait(10)
    os.waitpid(by_spawn, 0)
    found = {one.witness.pid: one for one in collector.drain()}
    check(found[by_vfork.pid], [b"vfork", long.encode()])
    check(found[by_spawn], [b"spawn", long.encode()])


def test_one_process_executes_again_and_again(
    collector: ExecCollector, program: Path, tmp_path: Path
) -> None:
    """Long arguments both times: the chunks of one exec must not end up in the other."""
    collector.drain()
    first = ["sh", "-c", f'exec {program} "$@"', "first", "a" * 50_000]
    child = subprocess.Popen(first, executable="/bin/sh")
    assert child.wait(10) == 2
    shell, last = collector.of(child.pid)
    check(shell, [word.encode() for word in first])
    check(last, [bytes(program), b"a" * 50_000])


@contextmanager
def rewriting(buffer: ctypes.Array[ctypes.c_char]) -> Iterator[None]:
    """Another thread that never stops to overwrite `buffer` with one letter, then the other."""
    stop = threading.Event()

    def flip() -> None:
        while not stop.is_set():
            for letter in b"AB":
                ctypes.memset(buffer, letter, len(buffer) - 1)

    thread = threading.Thread(target=flip)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_arguments_rewritten_during_the_exec_are_those_that_the_program_got(collector: ExecCollector) -> None:
    """The copy that counts is the new image's; what the caller's memory holds is nobody's truth."""
    shown = Path("/proc/self/cmdline")
    for _ in range(10):
        collector.drain()
        buffer = ctypes.create_string_buffer(b"A" * 100_000)
        argv = (ctypes.c_void_p * 4)()
        words = [ctypes.create_string_buffer(text) for text in (b"cat", bytes(shown))]
        for place, word in enumerate([*words, buffer]):
            argv[place] = ctypes.addressof(word)
        output, end = os.pipe()

        def act(end: int = end, buffer: ctypes.Array[ctypes.c_char] = buffer, argv: object = argv) -> None:
            os.dup2(end, 1)
            os.dup2(os.open("/dev/null", os.O_WRONLY), 2)
            with rewriting(buffer):
                libc.execve(b"/bin/cat", argv, pointers(()))

        got: list[bytes] = []
        with os.fdopen(output, "rb") as file:
            reader = threading.Thread(target=lambda: got.append(file.read()))  # noqa: B023 - joined in this turn
            reader.start()
            pid, _ = run(act)
            os.close(end)
            reader.join()
        (one,) = collector.of(pid)
        assert one.raw_argv == got[0]
        assert len(got[0]) == one.witness.argv_len == 100_001 + len(b"cat\0/proc/self/cmdline\0")


def test_processes_of_a_few_microseconds(collector: ExecCollector, program: Path) -> None:
    """Nobody who looks at /proc could see them; not one may be missing, and each with its own arguments."""
    collector.drain()
    sent = {}
    for number in range(300):
        argv = ["short", str(number), "s" * (number * 70)]
        pid = os.posix_spawn(program, argv, {})
        os.waitpid(pid, 0)
        sent[pid] = argv
    found = {one.witness.pid: one for one in collector.drain()}
    for pid, argv in sent.items():
        check(found[pid], [word.encode() for word in argv])
