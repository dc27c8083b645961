# SPDX-License-Identifier: Apache-2.0
"""Who may look: one token, stored only as a hash; a session cookie after it was shown once."""

from __future__ import annotations

import hashlib
import logging
import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from ipaddress import ip_address, ip_network

import falcon

from innerwarden.log import safe

LOG = logging.getLogger(__name__)

COOKIE = "iw_session"
SESSION_S = 12 * 3600
MAX_SESSIONS = 64
OPEN_PATHS = frozenset({"/login", "/healthz"})

#: The failures that lead to a pause: per client (an address, an IPv6 network of 64 bits), and over all of them.
FAILURES_PER_CLIENT = 5
FAILURES_IN_ALL = 30
FAILURE_WINDOW_S = 60.0
MAX_CLIENTS = 1024

#: Says whether a token with this SHA-256 (hex) exists and has not expired.
TokenCheck = Callable[[str], bool]


def new_token() -> str:
    """256 bits, URL-safe."""
    return secrets.token_urlsafe(32)


def hash_of(token: str) -> str:
    """What may be stored. A 256-bit random token needs no slow hash."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


class Sessions:
    """Sessions in memory only: a restart of the agent asks for the token again."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._expiry: OrderedDict[str, tuple[float, str]] = OrderedDict()

    def open(self, token_hash: str) -> str:
        """A new session id; the oldest session goes when there are too many."""
        session = secrets.token_urlsafe(32)
        with self._lock:
            self._expiry[hash_of(session)] = (self._clock() + SESSION_S, token_hash)
            while len(self._expiry) > MAX_SESSIONS:
                self._expiry.popitem(last=False)
        return session

    def token_of(self, session: str) -> str | None:
        """The hash of the token that opened the session, or None when it is unknown or over."""
        with self._lock:
            entry = self._expiry.get(hash_of(session))
            if entry is None:
                return None
            if entry[0] < self._clock():
                del self._expiry[hash_of(session)]
                return None
            return entry[1]

    def close(self, session: str) -> None:
        with self._lock:
            self._expiry.pop(hash_of(session), None)


class Throttle:
    """Counts failed logins in a sliding window; bounded in clients."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._all: deque[float] = deque(maxlen=FAILURES_IN_ALL)

    def wait_s(self, client: str) -> int:
        """Seconds that this client must wait; 0 when it may try."""
        with self._lock:
            now = self._clock()
            waits = [self._pause(self._failures.get(client), FAILURES_PER_CLIENT, now)]
            waits.append(self._pause(self._all, FAILURES_IN_ALL, now))
            return max(waits)

    def failed(self, client: str) -> None:
        with self._lock:
            self._failures.setdefault(client, deque(maxlen=FAILURES_PER_CLIENT)).append(self._clock())
            self._failures.move_to_end(client)
            self._all.append(self._clock())
            while len(self._failures) > MAX_CLIENTS:
                self._failures.popitem(last=False)

    @staticmethod
    def _pause(failures: deque[float] | None, allowed: int, now: float) -> int:
        if not failures or len(failures) < allowed:
            return 0
        return (
            max(0, int(failures[0] + FAILURE_WINDOW_S - now) + 1)
            if failures[0] + FAILURE_WINDOW_S > now
            else 0
        )


def client_of(address: str) -> str:
    """Whose failures count together: one host has 2**64 addresses of IPv6 at its choice (RFC 4291, 2.5.1)."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4 or parsed.is_loopback:
        return str(parsed)
    return str(parsed.ipv4_mapped or ip_network((int(parsed), 64), strict=False))


class Door:
    """Falcon middleware: every path but the open ones needs a live session."""

    def __init__(self, is_valid: TokenCheck, sessions: Sessions, throttle: Throttle) -> None:
        self.is_valid = is_valid
        self.sessions = sessions
        self.throttle = throttle

    def is_open(self, req: falcon.Request) -> bool:
        """Does the request carry a session whose token still exists?"""
        token_hash = self.sessions.token_of(str(req.cookies.get(COOKIE, "")))
        return token_hash is not None and self.is_valid(token_hash)

    def try_token(self, req: falcon.Request, token: str) -> str | None:
        """The token's hash when it is valid. Raises 429 for a client that failed too often."""
        client = client_of(req.remote_addr or "")
        if wait_s := self.throttle.wait_s(client):
            raise falcon.HTTPTooManyRequests(
                title="too many failed logins",
                description=f"Wait {wait_s} seconds, then try again.",
                retry_after=wait_s,
            )
        token_hash = hash_of(token)
        if token and self.is_valid(token_hash):
            return token_hash
        self.throttle.failed(client)
        LOG.warning("dashboard login failed client=%s", safe(client))
        return None

    def process_resource(
        self, req: falcon.Request, resp: falcon.Response, resource: object, params: dict[str, object]
    ) -> None:
        if req.path in OPEN_PATHS or req.path.startswith("/static/") or self.is_open(req):
            return
        if not req.path.startswith("/api/"):
            raise falcon.HTTPSeeOther("/login")
        scheme, _, token = (req.auth or "").partition(" ")
        if scheme.lower() == "bearer" and self.try_token(req, token.strip()):
            return
        raise falcon.HTTPUnauthorized(
            title="not logged in", description="Log in at /login, or send the token as a bearer token."
        )
