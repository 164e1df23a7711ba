"""Cursors: opaque to the client, signed, and good for one list only."""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from typing import Any

import orjson

from gateway.errors import BadUserInput

__all__ = ["Cursors"]

_VERSION = b"\x01"  # the form of what is inside; another form gets another version
_SCOPE_BYTES = 8
_SIGNATURE_BYTES = 16
_LONGEST = 8192


class Cursors:
    """Writes and reads cursors. What is inside can be decoded but not altered by who does not have the secret.

    `scope` names the list with all that its order and content depend on: a cursor of another one is refused.
    """

    def __init__(self, secret: bytes) -> None:
        # Derived, so that the same secret signs nothing else with this key.
        self._key = hmac.digest(secret, b"gateway.users.listing.cursor", hashlib.sha256)

    def write(self, scope: str, state: Any) -> str:
        """The cursor for a state, which is anything that JSON can hold."""
        content = _VERSION + _digest(scope) + orjson.dumps(state)
        return urlsafe_b64encode(content + self._signature(content)).decode().rstrip("=")

    def read(self, scope: str, text: str) -> Any:
        """The state in a cursor.

        Raises:
            BadUserInput: no cursor of this gateway, altered, of another version, or of another list.
        """
        raw = _decoded(text)
        content, signature = raw[:-_SIGNATURE_BYTES], raw[-_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._signature(content)) or content[:1] != _VERSION:
            raise BadUserInput.at(("after",), "is no cursor of this list; start again without one")
        if content[1 : 1 + _SCOPE_BYTES] != _digest(scope):
            raise BadUserInput.at(("after",), "belongs to a list with other arguments; start again without one")
        return orjson.loads(content[1 + _SCOPE_BYTES :])

    def _signature(self, content: bytes) -> bytes:
        return hmac.digest(self._key, content, hashlib.sha256)[:_SIGNATURE_BYTES]


def _digest(scope: str) -> bytes:
    return hashlib.sha256(scope.encode(errors="surrogatepass")).digest()[:_SCOPE_BYTES]


def _decoded(text: str) -> bytes:
    if len(text) <= _LONGEST:
        try:
            raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        except (Base64Error, UnicodeError):
            raw = b""
        # The decoder passes over foreign characters; a cursor has one spelling.
        if urlsafe_b64encode(raw).decode().rstrip("=") == text:
            return raw
    return b""
