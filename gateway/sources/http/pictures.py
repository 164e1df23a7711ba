"""Fetches the pictures of one source, and nothing from hosts that are not configured.

A source names a picture by a URL or a path, and may redirect to another URL. Whoever can set that URL at the source
could make the gateway call any host inside its network, or send the credential of the source anywhere. Therefore:

- A picture is fetched from below the base URL of the source, with its credential, or from one of the configured
  `origins`, without any credential. That is checked for each URL again, so redirects are followed by hand.
- A path with the segment `..` is refused, however it is escaped: also twice, since a proxy in front of the source may
  remove one escaping, or with a parameter (`..;x`), which some servers remove.
"""

import logging
import re
from collections.abc import Collection, Mapping
from typing import NamedTuple
from urllib.parse import quote, unquote, urljoin, urlsplit

from gateway.errors import Origin, SourceInvalidResponse
from gateway.kit.source_titles import titled
from gateway.sources.http.causes import failed_response
from gateway.sources.http.errors import SourceErrorBody, source_error
from gateway.sources.http.exchange import Request, Response, Send

__all__ = ["PICTURE_TEMPLATE", "SourcePictures"]

_LOG = logging.getLogger("gateway.sources")
PICTURE_TEMPLATE = "/{picture}"
"""The template of all calls for pictures."""
_MAX_REDIRECTS = 3
_MAX_LOGGED = 64  # hosts that are refused
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_NO_PICTURE = frozenset({204, 404, 410})
_UNESCAPED = "/%:@!$&'()*+,;=-._~?[]"  # what a URL may contain that is escaped as far as its source has escaped it
_ACCEPT = {"Accept": "image/*"}
_DOT_SEGMENTS = frozenset({".", ".."})
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|data:|//")  # a path may have a colon, too
_OK = 200
_PORTS = {"http": 80, "https": 443}


class _Destination(NamedTuple):
    send: Send
    headers: Mapping[str, str]


class SourcePictures:
    """Implements `gateway.users.source.PictureStore`.

    `send` makes the calls to the source, with `headers`, which contain its credential. `send_elsewhere` makes those to
    the `origins` of further hosts, for example `https://bucket.storage.example`.
    """

    def __init__(
        self,
        source: str,
        base_url: str,
        headers: Mapping[str, str],
        *,
        send: Send,
        send_elsewhere: Send,
        origins: Collection[str] = (),
    ) -> None:
        self._source = str(source)
        self._base_url = base_url.rstrip("/") + "/"
        self._base_origin = _origin(self._base_url)
        self._base_path = urlsplit(self._base_url).path
        self._at_source = _Destination(send, {**headers, **_ACCEPT})
        self._elsewhere = _Destination(send_elsewhere, _ACCEPT)
        self._origins = frozenset(map(_origin, origins))
        self._logged: set[str] = set()

    def locate(self, address: str) -> str | None:
        if address.startswith(self._base_url):
            return address[len(self._base_url) :]
        if not _is_url(address):
            return address.lstrip("/")
        return None if self._destination(_joined(self._base_url, address)) is None else address

    async def fetch(self, location: str, max_bytes: int) -> bytes | None:
        url = _joined(self._base_url, location) if _is_url(location) else self._base_url + location
        for redirects in range(1 + _MAX_REDIRECTS):
            request, response = await self._call(url, max_bytes, redirects)
            if response.status in _NO_PICTURE:
                return None
            if response.status in _REDIRECTS and "Location" in response.headers:
                url = _joined(url, response.headers["Location"])
            elif response.status == _OK:
                return response.body or None
            else:
                error = source_error(request, response, SourceErrorBody(documented=True))
                error.failed_call = failed_response(request, response)
                raise error
        raise self._refusal(f"redirected a picture more than {_MAX_REDIRECTS} times")

    async def _call(self, url: str, max_bytes: int, redirects: int) -> tuple[Request, Response]:
        # A header may have bytes that are not UTF-8: clients decode them as surrogates.
        url = quote(url.partition("#")[0], safe=_UNESCAPED, errors="surrogateescape")
        destination = self._destination(url)
        if destination is None:
            self._log_refused(_origin(url) or "an address that is no plain http URL")
            raise self._refusal("has a picture at a host that is not configured")
        request = Request(
            self._source,
            "GET",
            url,
            PICTURE_TEMPLATE,
            destination.headers,
            max_bytes=max_bytes,
            resends=redirects,
            base_url=_origin(url),
        )
        return request, await destination.send(request)

    def _log_refused(self, origin: str) -> None:
        """Log a host once: a page may show hundreds of pictures of it, again and again."""
        if origin in self._logged or len(self._logged) >= _MAX_LOGGED:
            return
        self._logged.add(origin)
        _LOG.warning(
            "a picture of the %s source is at %s, which is not called: if the host may be trusted, name it in "
            "GATEWAY_%s__PICTURE_ORIGINS",
            titled(self._source),
            origin,
            self._source.upper(),
            extra={"source": self._source, "origin": origin},
        )

    def _destination(self, url: str) -> _Destination | None:
        """Return how to call a URL; None if it must not be called."""
        origin = _origin(url)
        if not origin:
            return None
        path = urlsplit(url).path
        if _has_dot_segment(path):
            return None
        if origin == self._base_origin and path.startswith(self._base_path):
            return self._at_source
        return self._elsewhere if origin in self._origins else None

    def _refusal(self, reason: str) -> SourceInvalidResponse:
        return SourceInvalidResponse(f"The {titled(self._source)} source {reason}.", origin=Origin(source=self._source))


def _joined(base: str, url: str) -> str:
    """Return an absolute URL; empty if it is not valid."""
    try:
        return urljoin(base, url)
    except ValueError:
        return ""


def _has_dot_segment(path: str) -> bool:
    """Return whether a path, with up to two escapings removed, has a segment that servers resolve."""
    plain = [path, unquote(path), unquote(unquote(path))]
    segments = (segment.partition(";")[0] for text in plain for segment in text.replace("\\", "/").split("/"))
    return not _DOT_SEGMENTS.isdisjoint(segments)


def _is_url(address: str) -> bool:
    return _SCHEME.match(address) is not None


def _origin(url: str) -> str:
    """Return scheme, host and port of a URL; empty if it is no plain http or https URL."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return ""
    if parts.scheme not in _PORTS or not parts.hostname or "@" in parts.netloc:
        return ""
    return f"{parts.scheme}://{parts.hostname}:{port}"
