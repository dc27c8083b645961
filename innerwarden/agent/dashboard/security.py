# SPDX-License-Identifier: Apache-2.0
"""What every request must pass and every response must carry."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

import falcon

from innerwarden.agent.dashboard.auth import COOKIE

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
#: A year, RFC 6797; sent under the public name only, which a TLS proxy serves.
TLS_ONLY = ("Strict-Transport-Security", "max-age=31536000")


class Guard:
    """Falcon middleware: Host check (DNS rebinding), origin check (request forgery), headers.

    `public_url`: the one name besides addresses and localhost. A request under it has `context.is_public`.
    """

    def __init__(self, public_url: str = "") -> None:
        self._public = urlsplit(public_url).hostname if public_url else None

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        host = req.get_header("Host") or ""
        req.context.is_public = self._public is not None and name_of(host) == self._public
        if not req.context.is_public and not host_is_ours(host):
            raise falcon.HTTPError(
                falcon.HTTP_421,
                title="unknown host name",
                description="Open the dashboard by its address or as localhost.",
            )
        if req.method not in {"GET", "HEAD"} and not _same_origin(req):
            raise falcon.HTTPForbidden(
                title="cross-site request", description="This request came from another site."
            )

    def process_response(
        self, req: falcon.Request, resp: falcon.Response, resource: object, req_succeeded: bool
    ) -> None:
        for name, value in HEADERS.items():
            resp.set_header(name, value)
        if getattr(req.context, "is_public", False):
            resp.set_header(*TLS_ONLY)
        if not req.path.startswith("/static/"):
            resp.set_header("Cache-Control", "no-store")


def name_of(host: str) -> str:
    """The name or address in a Host header, lower case; empty when there is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def host_is_ours(host: str) -> bool:
    """An address literal or localhost: a rebinding attack needs a name of its own. The port is free,
    so that a forwarded port (ssh -L) works."""
    name = name_of(host)
    if name == "localhost":
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _same_origin(req: falcon.Request) -> bool:
    """Does the browser say that a page of ours sent it? Sites on other ports of this host share our cookies
    (SameSite knows no ports), so that the cookie alone proves nothing: a request with a session must say where it
    comes from. Without one, a client that is no browser may stay silent; it can only log in."""
    site, origin = req.get_header("Sec-Fetch-Site"), req.get_header("Origin")
    if site not in {None, "same-origin", "none"}:
        return False
    if origin in {None, "null"}:
        return site is not None or (origin is None and COOKIE not in req.cookies)
    try:
        return urlsplit(str(origin)).netloc == req.get_header("Host")
    except ValueError:
        return False
