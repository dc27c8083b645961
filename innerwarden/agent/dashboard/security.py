# SPDX-License-Identifier: Apache-2.0
"""What every request must pass and every response must carry."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

import falcon

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class Guard:
    """Falcon middleware: Host check (DNS rebinding), origin check (request forgery), headers."""

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        if not host_is_ours(req.get_header("Host") or ""):
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
        if not req.path.startswith("/static/"):
            resp.set_header("Cache-Control", "no-store")


def host_is_ours(host: str) -> bool:
    """An address literal or localhost: a rebinding attack needs a name of its own. The port is free,
    so that a forwarded port (ssh -L) works."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name == "localhost":
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _same_origin(req: falcon.Request) -> bool:
    """Refuse what a browser says comes from elsewhere. Our no-referrer policy makes a browser send
    `Origin: null` even to ourselves; then Sec-Fetch-Site decides, and behind both stands the
    session cookie, which SameSite=Strict keeps off every cross-site request."""
    if req.get_header("Sec-Fetch-Site") not in {None, "same-origin", "none"}:
        return False
    origin = req.get_header("Origin")
    return origin in {None, "null"} or urlsplit(origin).netloc == req.get_header("Host")
