"""A call as bytes."""

import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from gateway.sources.http.exchange import Multipart, Request
from gateway.sources.http.lean.decoding import ACCEPTED
from gateway.sources.http.multipart import Form

__all__ = ["BaseUrl", "encoded", "split"]

# Printable ASCII and no space: a URL is final, so whatever else is in it is a mistake, or an attack.
_URL = re.compile(r'(https?://[!-"$-.0->@-~]+)([/?][!-"$-~]*)?(?:#[!-~]*)?')
_DEFAULTS = {"User-Agent": "user-gateway", "Accept": "application/json", "Accept-Encoding": ACCEPTED}
_BODILESS = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class BaseUrl:
    """Whom a connection is to. `authorization` is what the address itself has to say: nothing, or `Basic …`."""

    host: str
    port: int
    secure: bool
    authority: str
    authorization: str = field(default="", repr=False)

    @classmethod
    def of(cls, url: str) -> "BaseUrl":
        """The origin of `https://host:port`, where a user and password may stand before the host."""
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        host, usual = parts.hostname or "", 443 if secure else 80
        shown = f"[{host}]" if ":" in host else host
        port = usual if parts.port is None else parts.port
        authority = shown if port == usual else f"{shown}:{port}"
        if parts.username is None:
            return cls(host, port, secure, authority)
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        return cls(host, port, secure, authority, f"Basic {b64encode(pair.encode()).decode()}")


def split(url: str) -> tuple[str, str]:
    """A URL's origin, and what is asked for there.

    Raises:
        ValueError: it is no http URL, or not escaped.
    """
    found = _URL.fullmatch(url)
    if found is None:
        raise ValueError("a source's URL is not an escaped http URL")
    origin, target = found.groups()
    return origin, target if target and target[0] == "/" else f"/{target or ''}"


def encoded(request: Request, target: str, origin: BaseUrl) -> tuple[bytes, Iterator[bytes] | None]:
    """The request: what is written at once, and what follows piece by piece where its body is a form.

    Raises:
        ValueError: there is a line break in a header.
    """
    headers, body, rest = request.headers, request.body, None
    size = len(body) if isinstance(body, bytes) else 0
    if isinstance(body, Multipart):
        form = Form(body)
        headers, size, rest = form.headed(headers), form.size, form.chunks()
        body = next(rest)
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    if body is not None or request.method not in _BODILESS:
        lines.append(f"Content-Length: {size}\r\n")
    fields = "".join(lines)
    if fields.count("\n") != len(lines) or fields.count("\r") != len(lines):
        raise ValueError("a line break in a header")
    usual = _usual(origin.authority, origin.authorization, tuple(request.headers))
    head = f"{request.method} {target} HTTP/1.1\r\n{usual}{fields}\r\n".encode()
    return head + body if body else head, rest


@lru_cache(maxsize=256)
def _usual(authority: str, authorization: str, given: tuple[str, ...]) -> str:
    """The lines that every call there has, where its own headers do not say otherwise."""
    lines = {"Host": authority, **_DEFAULTS}
    if authorization:
        lines["Authorization"] = authorization
    names = {name.lower() for name in given}
    return "".join(f"{name}: {value}\r\n" for name, value in lines.items() if name.lower() not in names)
