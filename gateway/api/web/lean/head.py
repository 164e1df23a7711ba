"""What a request's head says, once it is whole, and what it may not say."""

from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from gateway.api.web.lean.incoming import Refused

__all__ = ["check", "framing", "split"]

_FRAMING = (b"content-length", b"transfer-encoding")


def check(version: str, method: str, came: Mapping[bytes, bytes]) -> None:
    """Refuse what another server may have understood in another way, and what is not served.

    Raises:
        Refused: with the status to answer.
    """
    coding, expected = came.get(b"transfer-encoding"), came.get(b"expect")
    if version == "1.1":
        if b"host" not in came:
            raise Refused(400)  # RFC 9112, 3.2
    elif version != "1.0":
        raise Refused(505)
    elif coding is not None:
        raise Refused(400)  # RFC 9112, 6.1: its framing is faulty
    if coding is not None and coding.strip().lower() != b"chunked":
        raise Refused(501)
    if expected is not None and expected.strip().lower() != b"100-continue":
        raise Refused(417)
    if method == "CONNECT":
        raise Refused(405)


def split(target: bytes) -> tuple[str, str]:
    """The path that is asked for, without its escapes, and the query, with them.

    Raises:
        Refused: it is no target.
    """
    text = target.decode("ascii")  # the parser lets nothing else through
    if text[0] != "/":
        text = _below(text)
    path, _, query = text.partition("#")[0].partition("?")
    return unquote(path) if "%" in path else path, query


def framing(came: Mapping[bytes, bytes]) -> bytes:
    """The lines that tell where a body ends; none where there is no body."""
    if came.get(b"content-length", b"0").strip() == b"0" and b"transfer-encoding" not in came:
        return b""
    return b"".join(b"%b: %b\r\n" % (name, came[name]) for name in _FRAMING if name in came)


def _below(target: str) -> str:
    """A target that is a whole URL, as for a proxy, without its origin."""
    if target == "*":
        return target
    try:
        parts = urlsplit(target)
    except ValueError:
        raise Refused(400) from None
    return f"{parts.path or '/'}?{parts.query}"
