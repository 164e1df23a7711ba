"""What the header fields and the URL of a request of Connect contain, beside its message."""

import binascii
import re
from base64 import b64decode
from collections.abc import Mapping
from urllib.parse import unquote, unquote_to_bytes

from gateway.api.connect.codecs import CODECS, Codec
from gateway.api.connect.compression import GZIP, decompress
from gateway.api.grpc.admission import Method, too_large
from gateway.api.grpc.errors import ProtocolRefusal, RpcCode
from gateway.api.web.cors import Cors, is_same_origin
from gateway.api.web.http import WebRequest
from gateway.errors import BadUserInput, Forbidden

__all__ = [
    "check_coding",
    "check_origin",
    "checked_timeout",
    "codec_in_head",
    "codec_in_url",
    "coding_in_url",
    "message_in_url",
    "parameters",
]

_VERSION = "1"
_TIMEOUT = re.compile(r"[0-9]{1,10}")  # milliseconds
_OF_THIS_SITE = frozenset({"same-origin", "none"})
_IDENTITY = frozenset({"", "identity"})


def checked_timeout(headers: Mapping[str, str], coding: str | None) -> float | None:
    """Return the seconds until the deadline of the client, None without one, of a request that can be understood.

    `coding` is the compression of its message.

    Raises:
        BadUserInput: the version of the protocol is another one, or `Connect-Timeout-Ms` is not valid.
        ProtocolRefusal: the compression is another one than gzip.
    """
    if headers.get("connect-protocol-version", _VERSION) != _VERSION:
        raise BadUserInput(f"`Connect-Protocol-Version` must be {_VERSION}.")
    check_coding(coding)
    value = headers.get("connect-timeout-ms")
    if value is None:
        return None
    if not _TIMEOUT.fullmatch(value):
        raise BadUserInput("`Connect-Timeout-Ms` must be milliseconds, of at most 10 digits.")
    return int(value) / 1000


def check_coding(coding: str | None) -> None:
    """Check the compression of a request.

    Raises:
        ProtocolRefusal: it is another one than gzip.
    """
    if coding is not None and (coding := coding.strip().lower()) not in _IDENTITY and coding != GZIP:
        raise ProtocolRefusal("This compression is not supported. Supported is gzip.", RpcCode.UNIMPLEMENTED)


def check_origin(request: WebRequest, cors: Cors) -> None:
    """Check that no page of another site makes a browser send a GET, for which there is no preflight.

    A GET changes nothing, and the page could not read the response, but it would cause calls to sources. Origins that
    `cors` allows may send it.

    Raises:
        Forbidden: the browser states that it sends the request for another site.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if (site is None and origin is None) or site in _OF_THIS_SITE:
        return
    if origin is None or not (cors.allows(origin) or is_same_origin(request, origin)):
        raise Forbidden("A page of another site may not call this method. GATEWAY_CORS_ORIGINS lists those that may.")


def parameters(query: str) -> dict[str, str]:
    """Return the parameters of a URL, percent-encoded as they are. Of a repeated one the first."""
    found: dict[str, str] = {}
    for parameter in query.split("&"):
        name, _, value = parameter.partition("=")
        found.setdefault(unquote(name), value)
    return found


def message_in_url(method: Method, codec: Codec, sent: Mapping[str, str]) -> bytes:
    """Return the message in the parameters of a URL.

    Raises:
        BadUserInput: there is none, it is too large, or is not encoded or compressed as stated.
    """
    if "connect" in sent and sent["connect"] != f"v{_VERSION}":
        raise BadUserInput(f"The parameter `connect` must be v{_VERSION}.")
    text = sent.get("message")
    if text is None:
        raise BadUserInput("The URL has no parameter `message`.")
    data = unquote_to_bytes(text.replace("+", "%20"))
    if sent.get("base64") == "1":
        try:
            data = data.rstrip(b"=")
            data = b64decode(data + b"=" * (-len(data) % 4), altchars=b"-_", validate=True)
        except binascii.Error:
            raise BadUserInput("The parameter `message` is not base64url.") from None
    limit = codec.max_bytes(method)
    if coding_in_url(sent) == GZIP:
        return decompress(data, limit)
    if len(data) > limit:
        raise too_large(limit)
    return data


def codec_in_head(request: WebRequest, prefix: str) -> Codec | None:
    """Return the form of the messages of a POST; None where its media type is not supported."""
    content_type = request.content_type
    return CODECS.get(content_type[len(prefix) :]) if content_type.startswith(prefix) else None


def coding_in_url(sent: Mapping[str, str]) -> str:
    """Return the compression of the message in a URL; empty where it has none."""
    return unquote(sent.get("compression", "")).strip().lower()


def codec_in_url(sent: Mapping[str, str]) -> Codec | None:
    """Return the form of the message in a URL; None where it is not known."""
    return CODECS.get(unquote(sent.get("encoding", "")))
