# SPDX-License-Identifier: Apache-2.0
"""EntityRef: what an event or incident is about."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address

import msgspec


class EntityType(StrEnum):
    IP = "ip"
    USER = "user"
    PATH = "path"
    CONTAINER = "container"
    SERVICE = "service"
    PROCESS = "process"


class EntityRef(msgspec.Struct, frozen=True):
    """A typed reference; a process value is `pid:start_ns`."""

    type: EntityType
    value: str

    @classmethod
    def ip(cls, value: str) -> EntityRef:
        """Raises ValueError when `value` is not an address; the stored text is canonical."""
        return cls(EntityType.IP, str(ip_address(value)))

    @classmethod
    def user(cls, value: str) -> EntityRef:
        return cls(EntityType.USER, value)

    @classmethod
    def path(cls, value: str) -> EntityRef:
        return cls(EntityType.PATH, value)

    @classmethod
    def container(cls, value: str) -> EntityRef:
        return cls(EntityType.CONTAINER, value)

    @classmethod
    def service(cls, value: str) -> EntityRef:
        return cls(EntityType.SERVICE, value)

    @classmethod
    def process(cls, pid: int, start_ns: int) -> EntityRef:
        return cls(EntityType.PROCESS, f"{pid}:{start_ns}")

    def as_ip(self) -> IPv4Address | IPv6Address:
        """Raises ValueError when the entity is not an address."""
        if self.type is not EntityType.IP:
            raise ValueError(f"{self.type} entity {self.value!r} is not an ip")
        return ip_address(self.value)
