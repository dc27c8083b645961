# SPDX-License-Identifier: Apache-2.0
"""One virtual machine that runs from a disk nobody writes to, and takes scripts over a virtio port.

Software emulation: it needs no KVM and shows what works, never how fast. What the guest writes goes to a temporary file
of the emulator's, so that each run begins with the same fresh installation.
"""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from tests.installed.image import BOARDS, CACHE, Image
from tests.vm.boot import EMULATOR_FAULTS

APPEND = (
    "quiet loglevel=4 panic=-1 root=/dev/vda rw systemd.show_status=0"
    " lsm=landlock,lockdown,yama,integrity,apparmor,bpf"
)
BOOT_S = 600.0
#: Beyond the limit that the guest itself puts on a script.
GRACE_S = 60.0


class MachineError(Exception):
    """The machine does not answer; `spoilt` says that the emulator is known to do this."""

    def __init__(self, text: str, console: str) -> None:
        super().__init__(text)
        self.spoilt = next((fault for fault in EMULATOR_FAULTS if fault in console), None)


class Answer(NamedTuple):
    status: int
    text: str


def emulator(image: Image) -> list[str]:
    """The machine without its disks and ports."""
    board = BOARDS[image.release.architecture]
    return [
        *board.command, "-accel", "tcg,thread=multi", "-cpu", image.release.cpu, "-smp", "2", "-m", "2G",
        "-display", "none", "-monitor", "none", "-no-reboot", "-nic", "none",
        "-kernel", str(image.kernel.image), "-initrd", str(image.initramfs),
        "-append", f"console={board.console} {APPEND}",
    ]  # fmt: skip


class Machine:
    """A context: boots at its beginning, is gone at its end."""

    def __init__(self, image: Image, packages: Path) -> None:
        self.console = CACHE / "console.log"
        self._directory = tempfile.TemporaryDirectory(prefix="iw-")
        self._socket_path = Path(self._directory.name) / "control"
        self._command = [
            *emulator(image), "-serial", f"file:{self.console}",
            "-drive", f"file={image.disk},format=raw,if=virtio,snapshot=on,cache=unsafe",
            "-drive", f"file={packages},format=raw,if=virtio,readonly=on",
            "-chardev", f"socket,id=control,path={self._socket_path},server=on,wait=off",
            "-device", "virtio-serial-pci",
            "-device", "virtserialport,chardev=control,name=control",
        ]  # fmt: skip
        self._number = 0
        self._waiting = b""

    def __enter__(self) -> Self:
        self.console.unlink(missing_ok=True)
        with (CACHE / "qemu.log").open("wb") as log:
            self._emulator = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            self._channel = self._connect(time.monotonic() + 20)
            if self._line(BOOT_S) != "ready":
                raise self._error("the guest's control channel does not say that it is ready")
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._channel.close()
        self._end()

    def cpu_s(self) -> float:
        """What the emulator has used so far: on a busy host this says more than the clock."""
        fields = Path(f"/proc/{self._emulator.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _end(self) -> None:
        self._emulator.kill()
        self._emulator.wait()
        self._directory.cleanup()

    def _error(self, text: str) -> MachineError:
        console = self.console.read_text(errors="replace") if self.console.exists() else ""
        return MachineError(f"{text}; see {self.console}", console)

    def _connect(self, until: float) -> socket.socket:
        channel = socket.socket(socket.AF_UNIX)
        while True:
            try:
                channel.connect(str(self._socket_path))
                return channel
            except OSError:
                if self._emulator.poll() is not None or time.monotonic() > until:
                    raise self._error(f"the emulator did not start, see {CACHE / 'qemu.log'}") from None
                time.sleep(0.05)

    def _line(self, limit_s: float) -> str:
        """The next line from the guest."""
        until = time.monotonic() + limit_s
        while b"\n" not in self._waiting:
            self._channel.settimeout(max(0.01, until - time.monotonic()))
            try:
                chunk = self._channel.recv(1 << 20)
            except TimeoutError:
                raise self._error(f"no answer from the guest within {limit_s:.0f} s") from None
            if not chunk:
                raise self._error("the emulator ended")
            self._waiting += chunk
        line, _, self._waiting = self._waiting.partition(b"\n")
        return line.decode()

    def run(self, script: str, limit_s: float = 60.0) -> Answer:
        """Run a bash script as root. Exit code 124: it took longer than `limit_s`. Output and errors are one text."""
        self._number += 1
        text = base64.b64encode(script.encode()).decode()
        self._channel.settimeout(GRACE_S)
        self._channel.sendall(f"{self._number} {limit_s:.0f} {text}\n".encode())
        number, status, output = (self._line(limit_s + GRACE_S) + " ").split(" ")[:3]
        if int(number) != self._number:
            raise self._error(f"answer {number} came for script {self._number}")
        return Answer(int(status), base64.b64decode(output).decode(errors="replace"))
