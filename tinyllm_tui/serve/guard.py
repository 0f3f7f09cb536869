"""Who may use the served cockpit: whoever has the address that the program printed, from a page that is our own.

A loopback address alone is no fence: every user of the machine reaches it, and so does every page in the person's
browser, by a websocket of its own or by a name that is made to point here (DNS rebinding).
"""

from __future__ import annotations

import ipaddress
import secrets
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_HEADERS = {
    # nothing on the page comes from elsewhere, and nothing leaves it
    "Content-Security-Policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Guard:
    """Lets requests through, or refuses them with a reason.

    Args:
        token: what the printed address holds; the page keeps it in a cookie.
        host: the address that is bound.
    """

    def __init__(self, token: str, host: str) -> None:
        self._token = token
        self._names = _LOOPBACK_NAMES | {host} if is_loopback(host) else None
        """Names by which a browser may call us; None: any, where other machines do."""

    def middleware(self) -> Middleware:
        """What stands before every request."""

        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            reason = self.refusal(request)
            return web.Response(status=403, text=f"{reason}\n") if reason else await handler(request)

        return guard

    def refusal(self, request: web.Request) -> str:
        """Why this request is refused; empty where it is not."""
        if self._names is not None and request.url.host not in self._names:
            return "This address is not the one that `tinyllm-tui serve` listens at."
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.host:
            return "Pages of other sites may not use the cockpit."
        shown = request.query.get("token") or request.cookies.get(_cookie(request), "")
        if not secrets.compare_digest(shown.encode(), self._token.encode()):
            return "Open the address that `tinyllm-tui serve` printed, with its token."
        return ""

    def remember(self, request: web.Request, response: web.StreamResponse) -> None:
        """Let the browser that was let in come back."""
        response.set_cookie(_cookie(request), self._token, httponly=True, samesite="Strict")


async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Say to the browser what the page may do."""
    response.headers.update(_HEADERS)


def _cookie(request: web.Request) -> str:
    """Cookies are shared by all ports of a host, and there may be several servers."""
    return f"tinyllm-{request.url.port}"
