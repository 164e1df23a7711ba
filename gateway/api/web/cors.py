"""CORS: the origins whose pages may call the gateway from a browser. By default there are none."""

import logging
import re
from collections.abc import Collection, Sequence
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from msgspec.structs import replace

from gateway.api.web.http import WebRequest, WebResponse

__all__ = ["LOOPBACK", "Cors", "is_same_origin", "misdirected"]

LOOPBACK: Final = "loopback"
"""In the list of origins: `localhost`, `127.0.0.1` and `[::1]`, with any port."""

_LOG = logging.getLogger("gateway.http.cors")
_EXPOSED = "X-Request-ID, Server-Timing, RateLimit, RateLimit-Policy, Retry-After, Cache-Status"
_LOOPBACK_ORIGIN = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?")
_LOGGABLE_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]{0,30}://[a-z0-9._\[\]:-]{1,255}")
_MISDIRECTED = b"This gateway is not reached by that host name."
_PORT = re.compile(r":\d*$")
_MAX_LOGGED = 100  # origins: an attacker can invent any number of them


class Cors:
    """The allowed origins, for example `https://app.example`. Credentials are never allowed.

    `*` allows all origins to send HTTP requests and to read the responses. It does not allow what a browser sends for
    any page without a preflight: WebSockets, whose handshakes have cookies, and queries by GET. `LOOPBACK` stands for
    the origins of the machine that the browser runs on. `max_age` is for how many seconds a browser may cache the
    response to a preflight. `is_fixed`: the origins are no setting, so that the log advises none.

    `hosts` are further names of this machine, where that has to be checked: a gateway that anyone on its machine may
    call without a credential. A page of another site can let its own name resolve to the address of the visitor's
    machine (DNS rebinding). For the browser, such a page and the gateway are of one origin then.
    """

    def __init__(self, origins: Collection[str] = (), *, max_age: int = 600, is_fixed: bool = False) -> None:
        self.hosts: frozenset[str] | None = None
        self._is_fixed = is_fixed
        listed = frozenset(origin.rstrip("/").lower() for origin in origins)
        self._listed = listed - {"*", LOOPBACK}
        self._loopback = LOOPBACK in listed
        self._all = "*" in listed
        self._is_closed = not listed
        self._max_age = max_age
        self._logged: set[str] = set()

    def lists(self, origin: str) -> bool:
        """Whether an origin is allowed, and not only because all are."""
        origin = origin.lower()
        return origin in self._listed or (self._loopback and _LOOPBACK_ORIGIN.fullmatch(origin) is not None)

    def allows(self, origin: str) -> bool:
        """Whether pages of an origin may send HTTP requests that need a preflight, and read the responses."""
        return self._all or self.lists(origin)

    def admits_socket(self, request: WebRequest) -> bool:
        """Whether the handshake of a WebSocket comes from the gateway's origin, a listed one, or no browser."""
        origin = request.headers.get("origin")
        if origin is None:
            return True
        if not self.is_rebound(request) and (self.lists(origin) or is_same_origin(request, origin)):
            return True
        self._log_refused(request, origin, "WebSocket")
        return False

    def is_rebound(self, request: WebRequest) -> bool:
        """Whether a browser may have sent the request to a name that stands for this machine only by DNS rebinding.

        A browser sends each POST with an `Origin`. No other site can have `localhost` or an address as its name.
        """
        if self.hosts is None or (request.method == "POST" and "origin" not in request.headers):
            return False
        host = _PORT.sub("", request.headers.get("host", "")).rstrip(".").lower()
        return not (host in self.hosts or host in {"", "localhost"} or host.endswith(".localhost") or _is_address(host))

    def is_preflight(self, request: WebRequest) -> bool:
        """Whether a request is a preflight."""
        return (
            request.method == "OPTIONS"
            and "origin" in request.headers
            and "access-control-request-method" in request.headers
        )

    def preflight_response(self, request: WebRequest, methods: Sequence[str]) -> WebResponse:
        """Return what is allowed. An allowed origin may send all the header fields that it requests."""
        headers = [("Vary", "Origin, Access-Control-Request-Headers")]
        origin = request.headers["origin"]
        if self.allows(origin):
            headers += [
                ("Access-Control-Allow-Origin", "*" if self._all else origin),
                ("Access-Control-Allow-Methods", ", ".join(methods)),
                ("Access-Control-Max-Age", str(self._max_age)),
            ]
            if requested := request.headers.get("access-control-request-headers"):
                headers.append(("Access-Control-Allow-Headers", requested))
        else:
            self._log_refused(request, origin, "request")
        return WebResponse(204, b"", headers)

    def with_headers(self, request: WebRequest, response: WebResponse) -> WebResponse:
        """Return the response with the header fields that let a page of an allowed origin read it."""
        origin = request.headers.get("origin")
        if origin is None:
            return response if self._is_closed else _varying(response)
        response = _varying(response)
        if not self.allows(origin):
            self._log_refused(request, origin, "request")
            return response
        allowed = ("Access-Control-Allow-Origin", "*" if self._all else origin)
        headers = (*response.headers, allowed, ("Access-Control-Expose-Headers", _EXPOSED))
        return replace(response, headers=headers)

    def _log_refused(self, request: WebRequest, origin: str, kind: str) -> None:
        """Log an origin once, so that a developer finds out why a page cannot use the gateway."""
        origin = origin.lower()
        if origin in self._logged or len(self._logged) >= _MAX_LOGGED or not _LOGGABLE_ORIGIN.fullmatch(origin):
            return
        if request.headers.get("sec-fetch-site") == "same-origin" or is_same_origin(request, origin):
            return
        self._logged.add(origin)
        if self._is_fixed:
            text = "a %s of a page of %s was refused: no page of another origin may read what is for operators"
            _LOG.warning(text, kind, origin, extra={"origin": origin})
            return
        hint = " (`*` admits no WebSockets)" if self._all else ""
        text = "a %s of a page of %s was refused; to let such pages in, add %s to GATEWAY_CORS_ORIGINS%s"
        _LOG.warning(text, kind, origin, origin, hint, extra={"origin": origin})


def misdirected() -> WebResponse:
    """Return the response to a request that was sent to a wrong host name."""
    return WebResponse(421, _MISDIRECTED, (("Content-Type", "text/plain; charset=utf-8"),))


def _is_address(host: str) -> bool:
    try:
        ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def is_same_origin(request: WebRequest, origin: str) -> bool:
    """Whether a page with this `Origin` came from the host that the request is sent to."""
    try:
        parts = urlsplit(origin)
    except ValueError:  # for example an IPv6 address without its bracket
        return False
    # A proxy in front may end TLS. It reports the scheme of the client; without that report, either is possible.
    # Several proxies may each have added theirs: that of the client is the first one.
    scheme = request.headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower()
    schemes = (scheme,) if scheme else ("http", "https")
    return parts.scheme in schemes and parts.netloc.lower() == request.headers.get("host", "").lower() != ""


def _varying(response: WebResponse) -> WebResponse:
    """Return the response with `Origin` in its `Vary`."""
    names = [value for name, value in response.headers if name.lower() == "vary"]
    if any("origin" in value.lower() for value in names):
        return response
    others = [field for field in response.headers if field[0].lower() != "vary"]
    return replace(response, headers=(*others, ("Vary", ", ".join((*names, "Origin")))))
