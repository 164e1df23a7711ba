"""Encodes a request as the bytes of HTTP/1.1."""

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from gateway.sources.http.exchange import IDEMPOTENCY_KEY, ConstantHeaders, KeyedHeaders, Multipart, Request
from gateway.sources.http.lean.decoding import ACCEPT_ENCODING
from gateway.sources.http.multipart import EncodedMultipart

__all__ = ["BaseUrl", "encode_request", "is_target", "path_of", "split_url"]

# Printable ASCII without spaces: a URL is complete and escaped, so any other character is a mistake or an attack.
_URL = re.compile(r'(https?://[!-"$-.0->@-~]+)([/?][!-"$-~]*)?(?:#[!-~]*)?')
_PATH = re.compile(r'/[!-"$->@-~]*')  # without a query
_DEFAULT_HEADERS = {"User-Agent": "user-gateway", "Accept": "application/json", "Accept-Encoding": ACCEPT_ENCODING}
_WITHOUT_BODY = frozenset({"GET", "HEAD"})
# Headers whose values differ from call to call. The lines of all others are the same for many calls.
_OF_ONE_CALL = frozenset({"traceparent", "tracestate", IDEMPOTENCY_KEY})


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


def is_target(text: str) -> bool:
    """Return whether a text is the target of a request, escaped: it has printable ASCII, no space and no fragment."""
    # That is found in half of the time of a regular expression.
    return text.isascii() and text.isprintable() and " " not in text and "#" not in text and text.startswith("/")


def path_of(base_url: str, scheme_and_host: str) -> str | None:
    """Return what a base URL has after the host, if what follows it in a URL can be appended to it; else None.

    With `is_target` the result is that of `split_url`. This saves to parse what has just been put together.
    """
    path = base_url.removeprefix(scheme_and_host)
    is_plain = base_url.startswith(scheme_and_host) and not path.endswith("/")
    return path if is_plain and (not path or _PATH.fullmatch(path)) else None


def encode_request(request: Request, target: str, base_url: BaseUrl) -> tuple[bytes, Iterator[bytes] | None]:
    """Return the bytes to be sent at once, and for a multipart body an iterator over those that follow.

    Raises:
        ValueError: a header contains a line break.
    """
    headers, body, unsent, length = request.headers, request.body, None, ""
    if isinstance(body, Multipart):
        form = EncodedMultipart(body)
        headers, unsent, length = form.with_content_type(headers), form.chunks(), f"Content-Length: {form.size}\r\n"
        body = next(unsent)
    elif body is not None or request.method not in _WITHOUT_BODY:
        length = f"Content-Length: {len(body or b'')}\r\n"
    if type(headers) is ConstantHeaders:
        lines = _lines_of_constant(headers, base_url)
    elif type(headers) is KeyedHeaders:
        lines = _lines_of_constant(headers.constant, base_url) + _lines(((IDEMPOTENCY_KEY, headers.key),))
    else:
        lines = _lines_of(headers, base_url)
    head = f"{request.method} {target} HTTP/1.1\r\n{lines}{length}\r\n".encode()
    return head + body if body else head, unsent


def _lines_of_constant(headers: ConstantHeaders, base_url: BaseUrl) -> str:
    """Return the lines of these headers and those that every request to this host has, which are put together once."""
    known = headers.lines
    if known is None or known[0] is not base_url:
        known = headers.lines = base_url, _lines_of(headers, base_url)
    return known[1]


def _lines_of(headers: Mapping[str, str], base_url: BaseUrl) -> str:
    """Return the lines of these headers, and of those that every request to this host has."""
    of_many: list[tuple[str, str]] = []
    of_one: list[tuple[str, str]] = []
    for item in headers.items():
        (of_one if item[0] in _OF_ONE_CALL else of_many).append(item)
    lines = _lines_of_many_calls(base_url.authority, base_url.authorization, tuple(of_many))
    if of_one:
        lines += _lines(of_one)
    return lines


@lru_cache(maxsize=256)
def _lines_of_many_calls(authority: str, authorization: str, fields: tuple[tuple[str, str], ...]) -> str:
    """Return the lines of the headers that every request has, except those that `fields` replace, and of `fields`."""
    defaults = {"Host": authority, **_DEFAULT_HEADERS}
    if authorization:
        defaults["Authorization"] = authorization
    given = {name.lower() for name, _ in fields}
    return _lines([field for field in defaults.items() if field[0].lower() not in given]) + _lines(fields)


def _lines(fields: Sequence[tuple[str, str]]) -> str:
    text = ""
    for name, value in fields:
        text += f"{name}: {value}\r\n"
    if text.count("\n") != len(fields) or text.count("\r") != len(fields):
        raise ValueError("a line break in a header")
    return text
