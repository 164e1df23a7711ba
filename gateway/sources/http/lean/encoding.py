"""Encodes a request as the bytes of HTTP/1.1."""

import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from gateway.sources.http.exchange import Multipart, Request
from gateway.sources.http.lean.decoding import ACCEPT_ENCODING
from gateway.sources.http.multipart import EncodedMultipart

__all__ = ["BaseUrl", "encode_request", "split_url"]

# Printable ASCII without spaces: a URL is complete and escaped, so any other character is a mistake or an attack.
_URL = re.compile(r'(https?://[!-"$-.0->@-~]+)([/?][!-"$-~]*)?(?:#[!-~]*)?')
_DEFAULT_HEADERS = {"User-Agent": "user-gateway", "Accept": "application/json", "Accept-Encoding": ACCEPT_ENCODING}
_WITHOUT_BODY = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class BaseUrl:
    """Scheme, host and port of a URL. `authorization` is the header value for its user and password, `Basic …`."""

    host: str
    port: int
    secure: bool
    authority: str
    authorization: str = field(default="", repr=False)

    @classmethod
    def of(cls, url: str) -> "BaseUrl":
        """Parse `https://host:port`, optionally with a user and a password before the host."""
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        host, default_port = parts.hostname or "", 443 if secure else 80
        url_host = f"[{host}]" if ":" in host else host
        port = default_port if parts.port is None else parts.port
        authority = url_host if port == default_port else f"{url_host}:{port}"
        if parts.username is None:
            return cls(host, port, secure, authority)
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        return cls(host, port, secure, authority, f"Basic {b64encode(pair.encode()).decode()}")


def split_url(url: str) -> tuple[str, str]:
    """Split a URL into its base URL and the request target.

    Raises:
        ValueError: it is not an http or https URL, or not escaped.
    """
    found = _URL.fullmatch(url)
    if found is None:
        raise ValueError("a source's URL is not an escaped http URL")
    base_url, target = found.groups()
    return base_url, target if target and target[0] == "/" else f"/{target or ''}"


def encode_request(request: Request, target: str, base_url: BaseUrl) -> tuple[bytes, Iterator[bytes] | None]:
    """Return the bytes to be sent at once, and for a multipart body an iterator over those that follow.

    Raises:
        ValueError: a header contains a line break.
    """
    headers, body, unsent = request.headers, request.body, None
    size = len(body) if isinstance(body, bytes) else 0
    if isinstance(body, Multipart):
        form = EncodedMultipart(body)
        headers, size, unsent = form.with_content_type(headers), form.size, form.chunks()
        body = next(unsent)
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    if body is not None or request.method not in _WITHOUT_BODY:
        lines.append(f"Content-Length: {size}\r\n")
    fields = "".join(lines)
    if fields.count("\n") != len(lines) or fields.count("\r") != len(lines):
        raise ValueError("a line break in a header")
    defaults = _default_lines(base_url.authority, base_url.authorization, tuple(request.headers))
    head = f"{request.method} {target} HTTP/1.1\r\n{defaults}{fields}\r\n".encode()
    return head + body if body else head, unsent


@lru_cache(maxsize=256)
def _default_lines(authority: str, authorization: str, given: tuple[str, ...]) -> str:
    """Return the lines of the headers that every request has, except the `given` names, which the request sets."""
    lines = {"Host": authority, **_DEFAULT_HEADERS}
    if authorization:
        lines["Authorization"] = authorization
    names = {name.lower() for name in given}
    return "".join(f"{name}: {value}\r\n" for name, value in lines.items() if name.lower() not in names)
