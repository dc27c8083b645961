# SPDX-License-Identifier: Apache-2.0
"""What a Sigma rule means on this sensor: log source -> event kinds, field name -> vocabulary field."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from innerwarden.errors import RuleError
from innerwarden.model._wire import (
    KINDS,
    RECORD_OF,
    Access,
    Attribute,
    Change,
    EnforcementMode,
    EnforcementRule,
    HookId,
    IoOperation,
    LinkType,
    OpenFlag,
)
from innerwarden.model.vocabulary import LOG_KINDS, VOCABULARY, Field, by_sigma_name
from innerwarden.rules.expression import TRUE, Expression, Or, Test

#: Kinds that no rule ever sees, with the reason.
UNSEEN = {
    "process.exec_argv": "its bytes are part of the process.exec event",
    "network.payload": "the engine makes network.dns and network.tls of it",
}

_FILE_WRITTEN = Or(
    (
        Test("open_flags", "is_null"),
        Test("open_flags", "bit_any", (int(OpenFlag.WRITE | OpenFlag.CREATED),)),
    )
)

#: Sigma's own categories -> (kinds, condition that belongs to the category).
CATEGORIES: dict[str, tuple[tuple[str, ...], Expression]] = {
    "process_creation": (("process.exec",), TRUE),
    "process_termination": (("process.exit",), TRUE),
    "file_event": (("file.open", "file.rename", "file.link"), _FILE_WRITTEN),
    "file_change": (("file.open",), Test("open_flags", "bit_any", (int(OpenFlag.WRITE),))),
    "file_access": (("file.open",), Test("open_flags", "bit_any", (int(OpenFlag.WATCHED_READ),))),
    "file_delete": (("file.delete",), TRUE),
    "file_rename": (("file.rename",), TRUE),
    "network_connection": (("network.connect",), TRUE),
    "ptrace": (("process.ptrace",), TRUE),
    "memfd_create": (("process.memfd_create",), TRUE),
    "fd_redirect": (("process.fd_redirect",), TRUE),
    "mount": (("filesystem.mount",), TRUE),
    "bpf": (("kernel.bpf",), TRUE),
    "dns_query": (("network.dns",), TRUE),
    "webserver": (("web.request",), TRUE),
    "webserver_error": (("web.error",), TRUE),
    "firewall": (("firewall.packet",), TRUE),
    "kernel_log": (("kernel.log",), TRUE),
    "audit_state": (("audit.state",), TRUE),
    "container_lifecycle": (("container.lifecycle",), TRUE),
    "container_settings": (("container.settings",), TRUE),
    "tool_alert": (("tool.alert",), TRUE),
}
#: Every other kind is its own category: `kernel.module_load` is `category: kernel_module_load`.
CATEGORIES |= {
    kind.replace(".", "_"): ((kind,), TRUE)
    for kind in KINDS
    if kind not in LOG_KINDS and kind.replace(".", "_") not in CATEGORIES and kind not in UNSEEN
}

#: Log services (product linux, no category) -> kinds.
SERVICES: dict[str, tuple[str, ...]] = {
    "sshd": ("ssh.login_failed", "ssh.login_success", "ssh.probe", "ssh.disconnect"),
    "sudo": ("sudo.command", "auth.failed"),
    "auth": tuple(sorted(kind for kind in LOG_KINDS if RECORD_OF[KINDS[kind]] == "iw_log")),
    "auditd": ("process.exec", "audit.record"),
    "cloudtrail": ("cloud.api_call",),
}
#: Services of other products than Linux; no other service of theirs is read.
FOREIGN = {"aws": ("cloudtrail",)}
#: Services of Sigma's taxonomy for Linux that nothing here reads.
UNREAD_SERVICES = ("clamav", "cron", "guacamole", "syslog", "vsftpd")
#: Kinds that no collector gives yet.
UNREAD = {"log.line": "the log parser keeps no line that it does not know"}

#: Sigma fields that are the same for every event of a category here.
CONSTANTS = {("network_connection", "Initiated"): "true"}

_CALLS = {hook.name.lower(): int(hook) for hook in HookId}

#: Names that rules use for numbers: Sigma's own, and those of the record's enums.
NUMBER_NAMES: dict[str, dict[str, int]] = {
    "uid": {"root": 0},
    "protocol": {"tcp": 6, "udp": 17},
    # linux/socket.h
    "family": {"unix": 1, "ipv4": 2, "ipv6": 10, "netlink": 16, "packet": 17, "vsock": 40, "xdp": 44},
    "socket_type": {"stream": 1, "dgram": 2, "raw": 3},
    "access_kind": {access.name.lower(): int(access) for access in Access},
    "attribute": {attribute.name.lower(): int(attribute) for attribute in Attribute},
    "link_type": {link.name.lower(): int(link) for link in LinkType},
    "io_operation": {operation.name.lower(): int(operation) for operation in IoOperation},
    "enforcement_rule": {rule.name.lower(): int(rule) for rule in EnforcementRule},
    "enforcement_mode": {mode.name.lower(): int(mode) for mode in EnforcementMode},
    "flood_kind": {kind: int(number) for kind, number in KINDS.items()},
    **dict.fromkeys(("mount_call", "namespace_call", "kexec_call", "port_call", "key_call"), _CALLS),
    "change": {change.name.lower(): int(change) for change in Change},
}


@dataclass(frozen=True)
class Source:
    """Where a rule's events come from. `category` is Sigma's category or service, None for bare kinds."""

    kinds: tuple[str, ...]
    guard: Expression = TRUE
    category: str | None = None


def source_of(category: str | None, product: str | None, service: str | None) -> Source:
    """Raises RuleError for a log source that this sensor does not have."""
    if product in FOREIGN and category is None and service in FOREIGN[product]:
        return Source(SERVICES[service], category=service)
    if product not in (None, "linux") or service in sum(FOREIGN.values(), ()):
        raise RuleError(f"log source product {product!r} is not Linux", "Remove the rule")
    if category is not None:
        if category not in CATEGORIES:
            raise RuleError(f"unknown log source category {category!r}", suggest(category, CATEGORIES))
        kinds, guard = CATEGORIES[category]
        return Source(kinds, guard, category)
    if service is None:
        if product is None:
            raise RuleError("the log source names no category, no product and no service", "Add one of them")
        return Source(SERVICES["auth"])  # any log of the host: those that are read
    if service in UNREAD_SERVICES:
        raise RuleError(
            f"nothing reads log service {service!r} here", "Leave the rule out; it could not fire"
        )
    if service not in SERVICES:
        raise RuleError(f"unknown log source service {service!r}", suggest(service, SERVICES))
    return Source(SERVICES[service], category=service)


def source_of_kinds(kinds: tuple[str, ...], base: Source | None = None) -> Source:
    """Explicit kinds, checked."""
    for kind in kinds:
        if kind in UNSEEN:
            raise RuleError(f"no rule ever sees kind {kind}: {UNSEEN[kind]}", "Name another kind")
        if kind not in KINDS:
            raise RuleError(f"unknown kind {kind!r}", suggest(kind, KINDS))
    return Source(kinds, base.guard if base else TRUE, base.category if base else None)


def resolve(name: str, source: Source) -> Field:
    """The vocabulary field that `name` means in this source. Raises RuleError when nothing carries it."""
    field = by_sigma_name(name, source.category) or VOCABULARY.get(name)
    if field is None and source.category is None:
        field = _by_kinds(name, source)
    if field is None:
        sigma = [n for f in VOCABULARY.values() for n, on in f.sigma.items() if source.category in on]
        here = [f.name for f in VOCABULARY.values() if f.kinds & set(source.kinds)]
        raise RuleError(f"unknown field {name!r}", suggest(name, [*sigma, *here]))
    if not field.kinds & set(source.kinds):
        raise RuleError(
            f"field {name!r} is never part of {', '.join(source.kinds)}, so the rule could not fire",
            f"It exists on {', '.join(sorted(field.kinds))}",
        )
    return field


def _by_kinds(name: str, source: Source) -> Field | None:
    """Sigma's name where kinds stand for the log source: the one field that it means in categories of these kinds."""
    kinds_of = {category: kinds for category, (kinds, _) in CATEGORIES.items()} | SERVICES
    found = [
        field
        for field in VOCABULARY.values()
        if any(set(kinds_of[category]) & set(source.kinds) for category in field.sigma.get(name, ()))
    ]
    return found[0] if len(found) == 1 else None


def suggest(name: str, known: object) -> str:
    """A near miss, or where the list is."""
    names = [str(item) for item in known]  # type: ignore[attr-defined]
    lower = {item.lower(): item for item in names}
    near = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.6)
    return f"Did you mean {lower[near[0]]!r}?" if near else "See docs/module-authoring.md for what there is"
