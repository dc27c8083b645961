# SPDX-License-Identifier: Apache-2.0
"""Kernel settings that decide what an intruder can do: one table, with the reason for each.

Sources: Documentation/admin-guide/sysctl/{kernel,fs,vm,net}.rst, Documentation/networking/ip-sysctl.rst,
Documentation/admin-guide/binfmt-misc.rst, cgroups(7).
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Weaker(StrEnum):
    """Which way a setting gets weaker. HELPER: any other value runs another program as root."""

    LOWER = "lower"
    HIGHER = "higher"
    OTHER = "other"
    HELPER = "helper"


class Setting(NamedTuple):
    """`path` is below the root of the file tree and may hold `*` for one component."""

    name: str
    path: str
    weaker: Weaker
    why: str


def _sysctl(name: str, weaker: Weaker, why: str) -> Setting:
    return Setting(name, "/proc/sys/" + name.replace(".", "/"), weaker, why)


_LOWER, _HIGHER, _OTHER, _HELPER = Weaker.LOWER, Weaker.HIGHER, Weaker.OTHER, Weaker.HELPER

SETTINGS: tuple[Setting, ...] = (
    _sysctl("kernel.core_pattern", _HELPER, "a program named here runs as root at every crash"),
    _sysctl("kernel.modprobe", _HELPER, "the kernel runs this program as root to load a module"),
    _sysctl("kernel.hotplug", _HELPER, "the kernel runs this program as root for every device event"),
    _sysctl("kernel.poweroff_cmd", _HELPER, "the kernel runs this program as root to power off"),
    _sysctl("kernel.usermodehelper.bset", _HIGHER, "rights of programs that the kernel runs"),
    _sysctl("kernel.usermodehelper.inheritable", _HIGHER, "rights of programs that the kernel runs"),
    Setting(
        "uevent_helper",
        "/sys/kernel/uevent_helper",
        _HELPER,
        "the kernel runs this program for device events",
    ),
    Setting(
        "cgroup.release_agent",
        "/sys/fs/cgroup/*/release_agent",
        _HELPER,
        "the kernel runs this program as root when a cgroup empties",
    ),
    Setting(
        "fs.binfmt_misc", "/proc/sys/fs/binfmt_misc/*", _HELPER, "files of this format run this interpreter"
    ),
    _sysctl("kernel.randomize_va_space", _LOWER, "address randomisation"),
    _sysctl("vm.mmap_min_addr", _LOWER, "the page at address zero must stay unusable"),
    _sysctl("vm.legacy_va_layout", _HIGHER, "address randomisation"),
    _sysctl("vm.mmap_rnd_bits", _LOWER, "address randomisation"),
    _sysctl("vm.unprivileged_userfaultfd", _HIGHER, "kernel races become easy to win"),
    _sysctl("kernel.yama.ptrace_scope", _LOWER, "which processes may trace others"),
    _sysctl("kernel.kptr_restrict", _LOWER, "kernel addresses are hidden from users"),
    _sysctl("kernel.dmesg_restrict", _LOWER, "the kernel's log is hidden from users"),
    _sysctl("kernel.perf_event_paranoid", _LOWER, "who may measure the kernel"),
    _sysctl("kernel.unprivileged_bpf_disabled", _LOWER, "who may load kernel programs"),
    _sysctl("net.core.bpf_jit_harden", _LOWER, "constants in compiled kernel programs are blinded"),
    _sysctl("net.core.bpf_jit_enable", _OTHER, "how kernel programs are compiled"),
    _sysctl("kernel.unprivileged_userns_clone", _HIGHER, "users may make namespaces in which they are root"),
    _sysctl("user.max_user_namespaces", _HIGHER, "users may make namespaces in which they are root"),
    _sysctl("kernel.apparmor_restrict_unprivileged_userns", _LOWER, "who may make user namespaces"),
    _sysctl("kernel.apparmor_restrict_unprivileged_unconfined", _LOWER, "who may leave confinement"),
    _sysctl("kernel.io_uring_disabled", _LOWER, "requests that bypass system calls"),
    _sysctl("kernel.modules_disabled", _LOWER, "no module can be loaded any more"),
    _sysctl("kernel.kexec_load_disabled", _LOWER, "no other kernel can be started"),
    _sysctl("kernel.kexec_load_limit_panic", _OTHER, "how often a crash kernel may be loaded"),
    _sysctl("kernel.kexec_load_limit_reboot", _OTHER, "how often another kernel may be loaded"),
    _sysctl("kernel.sysrq", _HIGHER, "keyboard commands to the kernel"),
    _sysctl("kernel.ftrace_enabled", _LOWER, "switching it off blinds sensors that trace functions"),
    _sysctl("kernel.panic_on_oops", _LOWER, "a failed kernel exploit stops the machine"),
    _sysctl("kernel.oops_limit", _HIGHER, "how often a kernel exploit may fail"),
    _sysctl("kernel.warn_limit", _HIGHER, "how often a kernel exploit may fail"),
    _sysctl("kernel.tainted", _OTHER, "what the kernel knows of foreign code in itself"),
    _sysctl("kernel.pid_max", _OTHER, "range of process ids"),
    _sysctl("dev.tty.ldisc_autoload", _HIGHER, "users may load terminal drivers"),
    _sysctl("dev.tty.legacy_tiocsti", _HIGHER, "a program may type into its terminal"),
    _sysctl("fs.suid_dumpable", _HIGHER, "memory of privileged programs may be written out"),
    _sysctl("fs.protected_hardlinks", _LOWER, "links to files of others"),
    _sysctl("fs.protected_symlinks", _LOWER, "links in shared directories"),
    _sysctl("fs.protected_fifos", _LOWER, "pipes of others in shared directories"),
    _sysctl("fs.protected_regular", _LOWER, "files of others in shared directories"),
    _sysctl("net.ipv4.ip_forward", _HIGHER, "this machine forwards packets"),
    _sysctl("net.ipv6.conf.all.forwarding", _HIGHER, "this machine forwards packets"),
    _sysctl("net.ipv4.conf.all.forwarding", _HIGHER, "this machine forwards packets"),
    _sysctl("net.ipv4.conf.all.route_localnet", _HIGHER, "loopback addresses become reachable from outside"),
    _sysctl("net.ipv4.conf.all.accept_redirects", _HIGHER, "others may change routes"),
    _sysctl("net.ipv6.conf.all.accept_redirects", _HIGHER, "others may change routes"),
    _sysctl("net.ipv4.conf.all.accept_source_route", _HIGHER, "senders may choose the route"),
    _sysctl("net.ipv4.conf.all.rp_filter", _LOWER, "forged sender addresses are dropped"),
    _sysctl("net.ipv4.conf.default.rp_filter", _LOWER, "forged sender addresses are dropped"),
    _sysctl("net.ipv4.conf.all.log_martians", _LOWER, "impossible addresses are logged"),
    _sysctl("net.ipv4.tcp_syncookies", _LOWER, "protection against half-open connections"),
    _sysctl("net.ipv4.ip_unprivileged_port_start", _LOWER, "users may listen on low ports"),
    _sysctl("net.ipv4.ping_group_range", _OTHER, "who may send ICMP"),
    _sysctl("net.netfilter.nf_conntrack_helper", _HIGHER, "packet contents may open ports"),
    Setting("lockdown", "/sys/kernel/security/lockdown", _OTHER, "what root may do to the kernel"),
    Setting("selinux.enforce", "/sys/fs/selinux/enforce", _LOWER, "mandatory access control"),
    Setting(
        "apparmor.enabled", "/sys/module/apparmor/parameters/enabled", _OTHER, "mandatory access control"
    ),
    Setting(
        "module.sig_enforce", "/sys/module/module/parameters/sig_enforce", _OTHER, "only signed modules load"
    ),
    Setting(
        "kprobes.enabled", "/sys/kernel/debug/kprobes/enabled", _LOWER, "switching it off blinds sensors"
    ),
    Setting("tracing_on", "/sys/kernel/tracing/tracing_on", _LOWER, "switching it off blinds sensors"),
)
