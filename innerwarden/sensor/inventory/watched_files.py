# SPDX-License-Identifier: Apache-2.0
"""Files that decide who may do what on this machine: one table.

Cron tables, units and what else starts programs are in unit_places. Sources: passwd(5), sudoers(5), pam.d(5),
sshd_config(5), ld.so(8), nsswitch.conf(5), sysctl.d(5), modules-load.d(5), auditd.conf(5), rsyslog.conf(5),
sources.list(5), grub-mkconfig.
"""

from __future__ import annotations

from innerwarden.sensor.inventory.unit_places import Place

#: Files below these places that give nobody any right: what a client met.
PASSED_OVER = frozenset({"known_hosts", "known_hosts.old"})

PLACES: tuple[Place, ...] = (
    *(
        Place(f"/etc/{name}", "the list of accounts", 0)
        for name in ("passwd", "shadow", "group", "gshadow", "subuid", "subgid")
    ),
    Place("/etc/sudoers", "the rules of sudo", 0),
    Place("/etc/sudoers.d", "the rules of sudo"),
    Place("/etc/doas.conf", "the rules of doas", 0),
    Place("/etc/polkit-1/rules.d", "the rules of polkit"),
    Place("/etc/pam.conf", "the authentication set-up", 0),
    Place("/etc/pam.d", "the authentication set-up"),
    Place("/etc/security", "the authentication set-up", 2),
    Place("/etc/login.defs", "the authentication set-up", 0),
    Place("/etc/nsswitch.conf", "the list of name services", 0),
    Place("/etc/ssh", "the set-up of SSH", 2),
    Place("/root/.ssh", "a user's set-up of SSH"),
    Place("/home/*/.ssh", "a user's set-up of SSH"),
    Place("/etc/ld.so.preload", "the set-up of the dynamic linker", 0),
    Place("/etc/ld.so.conf", "the set-up of the dynamic linker", 0),
    Place("/etc/ld.so.conf.d", "the set-up of the dynamic linker"),
    Place("/etc/profile", "a start-up file of shells", 0),
    Place("/etc/profile.d", "a start-up file of shells"),
    Place("/etc/bash.bashrc", "a start-up file of shells", 0),
    Place("/etc/environment", "a start-up file of shells", 0),
    Place("/etc/hosts", "the list of host names", 0),
    Place("/etc/hosts.allow", "the list of allowed clients", 0),
    Place("/etc/hosts.deny", "the list of refused clients", 0),
    Place("/etc/sysctl.conf", "the kernel's settings", 0),
    Place("/etc/sysctl.d", "the kernel's settings"),
    Place("/etc/modules", "the list of kernel modules", 0),
    Place("/etc/modules-load.d", "the list of kernel modules"),
    Place("/etc/default/grub", "the set-up of the boot loader", 0),
    Place("/etc/default/grub.d", "the set-up of the boot loader"),
    Place("/etc/grub.d", "the set-up of the boot loader"),
    Place("/boot/grub/grub.cfg", "the set-up of the boot loader", 0),
    Place("/etc/audit", "the set-up of auditing", 2),
    Place("/etc/rsyslog.conf", "the set-up of logging", 0),
    Place("/etc/rsyslog.d", "the set-up of logging"),
    Place("/etc/selinux/config", "the set-up of SELinux", 0),
    Place("/etc/apt/sources.list", "the list of package sources", 0),
    Place("/etc/apt/sources.list.d", "the list of package sources"),
    Place("/etc/apt/trusted.gpg.d", "the keys of package sources"),
    Place("/usr/share/keyrings", "the keys of package sources"),
    Place("/usr/local/share/ca-certificates", "a trusted certificate", 2),
    Place("/etc/innerwarden", "the set-up of this sensor", 3),
)
