# SPDX-License-Identifier: Apache-2.0
"""What of a container's set-up leads out of it, by what `inspect` says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from innerwarden.model._wire import ContainerFlag

#: Capabilities of which one is enough to reach the host, or its traffic.
#: Source: capabilities(7); docs.docker.com/engine/security.
DANGEROUS = frozenset(
    ("SYS_ADMIN", "SYS_MODULE", "SYS_PTRACE", "SYS_RAWIO", "SYS_BOOT", "DAC_READ_SEARCH", "NET_ADMIN", "BPF",
     "PERFMON", "SYSLOG", "MAC_ADMIN", "MAC_OVERRIDE", "ALL")
)  # fmt: skip
#: Control sockets of container runtimes: whoever writes to one may start a container with the host inside.
SOCKETS = frozenset({"docker.sock", "podman.sock", "containerd.sock", "crio.sock", "buildkitd.sock"})
#: Places of the host that give it away when they are in a container. Directories that hold a socket are among them.
PLACES = frozenset(
    ("/", "/etc", "/root", "/home", "/boot", "/usr", "/usr/bin", "/usr/sbin", "/usr/lib", "/lib", "/bin", "/sbin",
     "/proc", "/sys", "/sys/fs/cgroup", "/sys/kernel/debug", "/dev", "/run", "/var", "/var/run", "/var/lib",
     "/var/lib/docker", "/var/lib/containers", "/var/lib/kubelet", "/var/spool/cron", "/etc/cron.d", "/etc/kubernetes",
     "/etc/ssh", "/etc/shadow", "/etc/sudoers", "/etc/sudoers.d", "/etc/systemd/system", "/root/.ssh")
)  # fmt: skip
#: Devices that every container gets, or that lead nowhere.
HARMLESS_DEVICES = frozenset(
    (
        "/dev/null",
        "/dev/zero",
        "/dev/full",
        "/dev/random",
        "/dev/urandom",
        "/dev/tty",
        "/dev/fuse",
        "/dev/net/tun",
    )
)
_MODES = {
    "NetworkMode": ContainerFlag.HOST_NETWORK,
    "PidMode": ContainerFlag.HOST_PID,
    "IpcMode": ContainerFlag.HOST_IPC,
    "UTSMode": ContainerFlag.HOST_UTS,
    "UsernsMode": ContainerFlag.HOST_USER,
}
_WORDS = {
    ContainerFlag.PRIVILEGED: "it is privileged",
    ContainerFlag.HOST_NETWORK: "it uses the host's network",
    ContainerFlag.HOST_PID: "it sees the host's processes",
    ContainerFlag.HOST_IPC: "it shares the host's memory segments",
    ContainerFlag.HOST_UTS: "it may rename the host",
    ContainerFlag.HOST_USER: "its root is the host's",
    ContainerFlag.RUNTIME_SOCKET: "the runtime's socket is inside",
    ContainerFlag.SENSITIVE_MOUNT: "places of the host are inside",
    ContainerFlag.DANGEROUS_CAPABILITY: "it has capabilities that lead to the host",
    ContainerFlag.UNCONFINED: "its confinement is switched off",
    ContainerFlag.HOST_DEVICE: "devices of the host are inside",
}


class Settings(msgspec.Struct, frozen=True):
    """Members as in struct iw_container_event."""

    container_flags: int
    container_ref: str
    container_name: str
    container_image: str
    capabilities: str
    mounts: str
    reason: str
    user: str


def settings_of(tree: dict[str, Any]) -> Settings | None:
    """None for what has no id, and is no container then."""
    container = tree.get("Id") or tree.get("ID")
    if not isinstance(container, str) or not container:
        return None
    host = tree["HostConfig"]
    config = table(tree.get("Config"))
    capabilities = sorted({name.upper().removeprefix("CAP_") for name in _texts(host.get("CapAdd"))})
    mounts = list(dict.fromkeys(_mounts(tree, host)))
    flags = _flags(host, capabilities, mounts)
    words = [text for flag, text in _WORDS.items() if flag & flags]
    return Settings(
        container_flags=int(flags),
        container_ref=container,
        container_name=str(tree.get("Name") or "").removeprefix("/"),
        container_image=str(config.get("Image") or tree.get("ImageName") or tree.get("Image") or ""),
        capabilities=",".join(capabilities),
        mounts=",".join(mounts),
        reason="; ".join(words) or "nothing in its set-up leads to the host",
        user=str(config.get("User") or "root"),
    )


def _flags(host: dict[str, Any], capabilities: list[str], mounts: list[str]) -> ContainerFlag:
    flags = ContainerFlag(0)
    if host.get("Privileged") is True:
        flags |= ContainerFlag.PRIVILEGED
    for key, flag in _MODES.items():
        if host.get(key) == "host":
            flags |= flag
    if DANGEROUS & set(capabilities):
        flags |= ContainerFlag.DANGEROUS_CAPABILITY
    for place in mounts:
        if place.rpartition("/")[2] in SOCKETS:
            flags |= ContainerFlag.RUNTIME_SOCKET
        elif (place.rstrip("/") or "/") in PLACES:
            flags |= ContainerFlag.SENSITIVE_MOUNT
    for option in _texts(host.get("SecurityOpt")):
        if option.replace(":", "=") in ("seccomp=unconfined", "apparmor=unconfined"):
            flags |= ContainerFlag.UNCONFINED
    for device in _rows(host.get("Devices")):
        path = device.get("PathOnHost") if isinstance(device, dict) else None
        if isinstance(path, str) and path not in HARMLESS_DEVICES:
            flags |= ContainerFlag.HOST_DEVICE
    return flags


def _mounts(tree: dict[str, Any], host: dict[str, Any]) -> Iterator[str]:
    """Places of the host, as they were asked for; volumes of the runtime's own are none."""
    for mount in _rows(tree.get("Mounts")):
        if isinstance(mount, dict) and mount.get("Type", "bind") == "bind":
            yield from _texts([mount.get("Source")])
    for bind in _texts(host.get("Binds")):
        place = bind.partition(":")[0]
        if place.startswith("/"):
            yield place


def _rows(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _texts(value: object) -> list[str]:
    return [one for one in _rows(value) if isinstance(one, str) and one]


def table(value: object) -> dict[str, Any]:
    """A JSON object; an empty one where there is none."""
    return value if isinstance(value, dict) else {}
