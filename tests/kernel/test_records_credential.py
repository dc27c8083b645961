# SPDX-License-Identifier: Apache-2.0
"""credential.change without a call that made it, and everything that looks like it and is none.

Nothing here writes kernel memory: instead of the credentials, what is remembered of them is changed.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from innerwarden.config import KernelConfig
from innerwarden.sensor import procfs
from innerwarden.sensor.loader import KernelSource
from tests.kernel.reader import PRELUDE, Decoded, Witness, check_header

pytestmark = pytest.mark.kernel

UNSET = 4294967295
USER = 1234


def unseen(witness: Witness) -> list[Decoded]:
    """Changes that no call made."""
    return [r for r in witness.drain() if r.kind == "credential.change" and r.syscall_nr == UNSET]


class Waiting:
    """A process that runs `code` after PRELUDE once it is told to, and says what it found."""

    def __init__(self, code: str, executable: str = sys.executable) -> None:
        self.process = subprocess.Popen(
            [executable, "-S", "-c", PRELUDE + "print(flush=True); sys.stdin.readline()\n" + code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"\n"  # its own exec is over
        self.pid = self.process.pid
        seen = procfs.read(self.pid)
        assert seen is not None
        self.seed = seen

    def go(self) -> bytes:
        said, _ = self.process.communicate(b"\n", 30)
        assert self.process.returncode == 0
        return said


def remember(
    source: KernelSource, process: Waiting, *, euid: int = USER, start_ns: int = 0, mixed: int = 0
) -> None:
    """As if the process had been another user's until now."""
    value = struct.pack("<QQIIII", start_ns or process.seed.start_ns, 0, USER, euid, USER, mixed)
    assert source._object is not None
    source._object.maps["iw_identities"].update(struct.pack("<I", process.pid), value)


FORK = "found = identity()\npid = os.fork()\nif pid == 0: os._exit(0)\nos.waitpid(pid, 0)\nprint(json.dumps(found))\n"
EXEC = "os.execv('/bin/true', ['true'])\n"


def test_root_at_a_birth_without_a_call(witness: Witness, source: KernelSource) -> None:
    process = Waiting(FORK + "pid = os.fork()\nif pid == 0: os._exit(0)\nos.waitpid(pid, 0)\n")
    remember(source, process)
    truth = json.loads(process.go())
    (record,) = unseen(witness)  # once: afterwards it is known to be root
    check_header(record, truth)
    assert (record.uid, record.euid, record.gid) == (0, 0, 0)
    assert (record.old_uid, record.old_euid, record.old_gid) == (USER, USER, USER)
    assert record.old_cap_effective == 0
    assert record.cap_effective == process.seed.cap_effective


def test_root_at_an_exec_without_a_call(witness: Witness, source: KernelSource) -> None:
    process = Waiting(EXEC)
    remember(source, process)
    process.go()
    (record,) = unseen(witness)
    assert (record.pid, record.euid, record.old_euid) == (process.pid, 0, USER)


@pytest.mark.parametrize("what", ["root before", "another process's", "threads differ"])
@pytest.mark.parametrize("code", [FORK, EXEC])
def test_what_is_known_and_no_rise(witness: Witness, source: KernelSource, what: str, code: str) -> None:
    process = Waiting(code)
    if what == "root before":
        remember(source, process, euid=0)
    elif what == "another process's":
        remember(source, process, start_ns=1)
    else:
        remember(source, process, mixed=1)
    process.go()
    assert unseen(witness) == []


def test_set_user_id_file(witness: Witness, tmp_path: Path) -> None:
    """Another user's process becomes root by a file that is meant to do so, and works on as root."""
    if "LD_LIBRARY_PATH" in os.environ:
        pytest.skip("a set-uid program finds no libraries here: LD_LIBRARY_PATH names their place")
    program = tmp_path / "python"
    shutil.copy(os.path.realpath(sys.executable), program)
    program.chmod(0o4755)
    tmp_path.chmod(0o755)
    for place in tmp_path.parents:
        if place.stat().st_uid == os.getuid() and place.is_relative_to("/tmp/pytest-of-root"):
            place.chmod(0o755)
    inner = (
        "import os\nassert os.geteuid() == 0\npid = os.fork()\n"
        "if pid == 0: os.execv('/bin/true', ['true'])\nassert os.waitpid(pid, 0)[1] == 0\n"
        "os.setuid(0)\nos.execv('/bin/true', ['true'])\n"
    )
    done = subprocess.run(
        [program, "-S", "-c", inner],
        user=USER,
        group=USER,
        env={"PYTHONHOME": sys.base_prefix},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert unseen(witness) == []


#: Ways to be root again that the kernel grants for a call.
CALLS = {
    "saved id": "os.setresuid(1234, 1234, 0); spawn(); os.seteuid(0); spawn(); os.setuid(0); spawn()",
    "real id": "os.setreuid(0, 1234); spawn(); os.setreuid(1234, 0); spawn()",
    "user namespace": "os.setresuid(1234, 1234, 1234); spawn(); libc.unshare(0x10000000); spawn()",
    "one thread of several": (
        "import threading\n"
        "def run():\n"
        "    call(117, 1234, 1234, 0); spawn(); call(117, 0, 0, 0); spawn(); call(117, 1234, 1234, 1234)\n"
        "for _ in range(3):\n"
        "    t = threading.Thread(target=run); t.start(); spawn(); t.join(); spawn()\n"
        "    t = threading.Thread(target=lambda: (spawn(), spawn())); t.start(); t.join()\n"
    ),
    "main thread alone": (
        "import threading\n"
        "e = threading.Event()\n"
        "t = threading.Thread(target=lambda: (e.wait(), spawn())); t.start()\n"
        "call(117, 1234, 1234, 1234); e.set(); t.join()\n"
    ),
    "exec right after": "os.setresuid(1234, 1234, 0); os.seteuid(0); os.execv('/bin/true', ['true'])",
}
SPAWN = """
def spawn():
    pid = libc.syscall(56, 17, 0, 0, 0, 0)
    if pid == 0:
        libc.execv(b'/bin/true', (ctypes.c_char_p * 2)(b'true', None)); os._exit(1)
    libc.waitpid(pid, None, 0)
"""


@pytest.mark.parametrize("name", sorted(CALLS))
def test_every_granted_way_is_no_unseen_change(witness: Witness, name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-c", PRELUDE + SPAWN + CALLS[name]],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert unseen(witness) == []


@pytest.mark.skipif(shutil.which("su") is None, reason="needs su")
def test_su_there_and_back(witness: Witness) -> None:
    command = ["su", "-s", "/bin/sh", "nobody", "-c", "id; /bin/true"]
    subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert unseen(witness) == []


def test_processes_that_were_there_before(witness: Witness) -> None:
    """A source that starts now: what it is told of living processes agrees with what they do."""
    old = Waiting(f"os.setresuid(1234, 1234, 0)\n{FORK}os.seteuid(0)\n{FORK}")
    later = KernelSource(KernelConfig(prio_ring_bytes=1 << 20, bulk_ring_bytes=1 << 20))
    later.start()
    mine = Witness(later.rings)
    try:
        pids = [int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit()]
        later.seed([seed for pid in pids if (seed := procfs.read(pid))])
        old.go()
        assert unseen(mine) == []
    finally:
        mine.close()
        later.close()
