# SPDX-License-Identifier: Apache-2.0
"""Container and pod from cgroup paths, in the forms that the runtimes' own documentation and sources give."""

from __future__ import annotations

import pytest
from innerwarden_core import Engine

ID = "4f3c" * 16
POD = "a1b2c3d4-0011-2233-4455-66778899aabb"
POD_SLICE = POD.replace("-", "_")


def told(path: str) -> tuple[str | None, str | None, str | None]:
    engine = Engine()
    engine.seed_process(7, 10_000_000, 1, 0, 0, 0, b"x", b"/bin/x", b"x\0", None, path.encode())
    info = engine.process(7)
    assert info is not None
    assert info.cgroup_path == (path or None)
    return info.container_runtime, info.container_id, info.pod_uid


@pytest.mark.parametrize(
    ("path", "runtime"),
    [
        (f"docker/{ID}", "docker"),
        (f"system.slice/docker-{ID}.scope", "docker"),
        (f"system.slice/docker-{ID}.scope/init", "docker"),
        (f"machine.slice/libpod-{ID}.scope/container", "podman"),
        (f"user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope", "podman"),
        (f"libpod_parent/libpod-{ID}", "podman"),
        (f"system.slice/nerdctl-{ID}.scope", "containerd"),
        (f"kubepods.slice/kubepods-burstable.slice/cri-containerd-{ID}.scope", "containerd"),
        (f"kubepods.slice/crio-{ID}.scope", "cri-o"),
        (f"default/{ID}", "oci"),
    ],
)
def test_runtimes_scope_and_cgroupfs_names(path: str, runtime: str) -> None:
    assert told(path) == (runtime, ID, None)


@pytest.mark.parametrize(
    ("path", "runtime"),
    [
        (
            "kubepods.slice/kubepods-besteffort.slice/"
            f"kubepods-besteffort-pod{POD_SLICE}.slice/cri-containerd-{ID}.scope",
            "containerd",
        ),
        (f"kubepods.slice/kubepods-pod{POD_SLICE}.slice/crio-{ID}.scope", "cri-o"),
        (f"kubepods/burstable/pod{POD}/{ID}", "kubernetes"),
    ],
)
def test_pods(path: str, runtime: str) -> None:
    assert told(path) == (runtime, ID, POD)


def test_a_static_pods_hash_is_its_uid() -> None:
    uid = "0123456789abcdef" * 2
    assert told(f"kubepods/pod{uid}/{ID}") == ("kubernetes", ID, uid)


def test_the_innermost_container_wins() -> None:
    inner = "e" * 64
    assert told(f"system.slice/docker-{ID}.scope/docker/{inner}") == ("docker", inner, None)


@pytest.mark.parametrize(
    ("path", "runtime", "name"),
    [
        ("machine.slice/systemd-nspawn@web.service/payload", "systemd-nspawn", "web"),
        ("machine.slice/machine-db01.scope", "systemd-machined", "db01"),
        ("lxc.payload.mail/system.slice/ssh.service", "lxc", "mail"),
    ],
)
def test_named_containers(path: str, runtime: str, name: str) -> None:
    assert told(path) == (runtime, name, None)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "system.slice/ssh.service",
        "user.slice/user-1000.slice/session-2.scope",
        f"machine.slice/libpod-conmon-{ID}.scope",  # the keeper runs outside of the container
        f"kubepods.slice/crio-conmon-{ID}.scope",
        f"system.slice/docker-{ID[:-1]}.scope",
        f"system.slice/docker-{ID}a.scope",
        f"system.slice/docker-{ID.upper()}.scope",
        "system.slice/docker.service",
        "machine-db01.scope",
        "lxc.payload.",
        "////",
    ],
)
def test_what_is_no_container(path: str) -> None:
    runtime, name, _pod = told(path)
    assert (runtime, name) == (None, None)
