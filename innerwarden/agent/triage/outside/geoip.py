# SPDX-License-Identifier: Apache-2.0
"""Where an address is, from a local MaxMind database (.mmdb): nothing leaves the host."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from innerwarden.errors import UnavailableError
from innerwarden.log import safe

if TYPE_CHECKING:
    from maxminddb import Reader

logger = logging.getLogger(__name__)


class GeoIp:
    """Reads country, city, or network owner, whichever the database has. Belongs to one thread."""

    def __init__(self, path: Path) -> None:
        """Raises UnavailableError when the library or the file cannot be used."""
        try:
            import maxminddb
        except ImportError as error:
            raise UnavailableError(
                "triage.geoip_database is set, and the library maxminddb is not there",
                "Install it (apt-get install python3-maxminddb), or leave the setting out",
            ) from error
        try:
            self._reader: Reader = maxminddb.open_database(str(path), maxminddb.MODE_AUTO)
        except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
            raise UnavailableError(
                f"{path} is no MaxMind database that can be read: {error}", "Correct triage.geoip_database"
            ) from error
        self._failed = False

    def close(self) -> None:
        self._reader.close()

    def place(self, address: str) -> str | None:
        """A sentence, or None when nothing is known."""
        try:
            found = self._reader.get(address)
        except Exception as error:  # a damaged file raises what its bytes make of it
            if not self._failed:
                logger.warning("the GeoIP database fails reason=%s", type(error).__name__)
                self._failed = True
            return None
        if not isinstance(found, dict):
            return None
        parts = [_name(found.get("city")), _name(found.get("country")) or _code(found.get("country"))]
        number, owner = found.get("autonomous_system_number"), found.get("autonomous_system_organization")
        parts.append(f"AS{number}" if isinstance(number, int) else None)
        parts.append(owner if isinstance(owner, str) else None)
        text = ", ".join(part for part in parts if part)
        return f"{address} is in {safe(text, 120)}" if text else None


def _name(part: Any) -> str | None:
    names = part.get("names") if isinstance(part, dict) else None
    name = names.get("en") if isinstance(names, dict) else None
    return name if isinstance(name, str) else None


def _code(part: Any) -> str | None:
    code = part.get("iso_code") if isinstance(part, dict) else None
    return code if isinstance(code, str) else None
