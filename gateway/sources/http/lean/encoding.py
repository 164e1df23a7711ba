"""Encodes a request as the bytes of HTTP/1.1."""

import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from gateway.sources.http.exchange import Multipart, Request
from gateway.sources.http.lean.decoding import ACCEPT_ENCODING
from gateway.sources.http.multipart import EncodedMultipart

__all__ = ["BaseUrl", "encode_request", "path_of", "split_url", "target_after"]

# Printable ASCII without spaces: a URL is complete and escaped, so any other character is a mistake or an attack.
_URL = re.compile(r'(https?://[!-"$-.0->@-~]+)([/?][!-"$-~]*)?(?:#[!-~]*)?')
_PATH = re.compile(r'/[!-"$->@-~]*')  # without a query
_TARGET = re.compile(r'/[!-"$-~]*')
_DEFAULT_HEADERS = {"User-Agent": "user-gateway", "Accept": "application/json", "Accept-Encoding": ACCEPT_ENCODING}
_WITHOUT_BODY = frozenset({"GET", "HEAD"})
# Headers whose values differ from call to call. The lines of all others are the same for many calls.
_OF_ONE_CALL = frozenset({"traceparent", "tracestate", "Idempotency-Key"})


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


def path_of(base_url: str, scheme_and_host: str) -> str | None:
    """Return what a base URL has after the host, for `target_after`; None if targets cannot be made by means of it."""
    path = base_url.removeprefix(scheme_and_host)
    is_plain = base_url.startswith(scheme_and_host) and not path.endswith("/")
    return path if is_plain and (not path or _PATH.fullmatch(path)) else None


def target_after(url: str, base_url: str, path: str) -> str | None:
    """Return the request target of a URL that begins with `base_url`, whose path is `path`; None if that is not simple.

    `split_url` has the same result. This saves to parse what has just been put together.
    """
    target = path + url[len(base_url) :]
    return target if url.startswith(base_url) and _TARGET.fullmatch(target) else None


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
    length = f"Content-Length: {size}\r\n" if body is not None or request.method not in _WITHOUT_BODY else ""
    fields, others = tuple(headers.items()), ""
    if not _OF_ONE_CALL.isdisjoint(headers):
        others = _lines([field for field in fields if field[0] in _OF_ONE_CALL])
        fields = tuple([field for field in fields if field[0] not in _OF_ONE_CALL])
    lines = _lines_of_many_calls(base_url.authority, base_url.authorization, fields)
    head = f"{request.method} {target} HTTP/1.1\r\n{lines}{others}{length}\r\n".encode()
    return head + body if body else head, unsent


@lru_cache(maxsize=256)
def _lines_of_many_calls(authority: str, authorization: str, fields: tuple[tuple[str, str], ...]) -> str:
    """Return the lines of the headers that every request has, except those that `fields` replace, and of `fields`."""
    defaults = {"Host": authority, **_DEFAULT_HEADERS}
    if authorization:
        defaults["Authorization"] = authorization
    given = {name.lower() for name, _ in fields}
    return _lines([field for field in defaults.items() if field[0].lower() not in given]) + _lines(fields)


def _lines(fields: Sequence[tuple[str, str]]) -> str:
    text = "".join([f"{name}: {value}\r\n" for name, value in fields])
    if text.count("\n") != len(fields) or text.count("\r") != len(fields):
        raise ValueError("a line break in a header")
    return text
