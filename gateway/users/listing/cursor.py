"""Cursors: opaque, signed, and valid for one list only."""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Callable
from typing import Any

import orjson

from gateway.errors import BadUserInput, Rule

__all__ = ["Cursors"]

# Of the content's format: a change of the format needs another version. The states of version 1 have no walk.
_VERSION, _READ_VERSIONS = b"\x02", (b"\x01", b"\x02")
_SCOPE_BYTES = 8
_SIGNATURE_BYTES = 16
_MAX_LENGTH = 8192  # characters


class Cursors:
    """Writes and reads cursors. Without the secret the content can be decoded, but not altered.

    `scope` is the name of the list and of all that its order and content depend on: a cursor of another scope is
    refused. `new_walk` returns a new random id for the walk that a list begins.
    """

    def __init__(self, secret: bytes, *, new_walk: Callable[[], str] = lambda: secrets.token_urlsafe(6)) -> None:
        self.new_walk = new_walk
        # A derived key: the secret signs nothing else with it. The label is part of every cursor, and no module path.
        self._key = hmac.digest(secret, b"gateway.users.cursor", hashlib.sha256)

    def write(self, scope: str, state: Any) -> str:
        """Return the cursor for a state, which is any value that JSON can represent."""
        content = _VERSION + _digest(scope) + orjson.dumps(state)
        return urlsafe_b64encode(content + self._signature(content)).decode().rstrip("=")

    def read(self, scope: str, text: str) -> Any:
        """Return the state in a cursor.

        Raises:
            BadUserInput: the text is not a cursor of this gateway, was altered, or has another version or scope.
        """
        raw = _decoded(text)
        content, signature = raw[:-_SIGNATURE_BYTES], raw[-_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._signature(content)) or content[:1] not in _READ_VERSIONS:
            message = "is not a cursor of this list; start again without a cursor"
            raise BadUserInput.at(("after",), message, Rule.FORMAT, format="cursor")
        if content[1 : 1 + _SCOPE_BYTES] != _digest(scope):
            message = "belongs to a list with other arguments; start again without a cursor"
            raise BadUserInput.at(("after",), message, Rule.MISMATCH)
        return orjson.loads(content[1 + _SCOPE_BYTES :])

    def _signature(self, content: bytes) -> bytes:
        return hmac.digest(self._key, content, hashlib.sha256)[:_SIGNATURE_BYTES]


def _digest(scope: str) -> bytes:
    return hashlib.sha256(scope.encode(errors="surrogatepass")).digest()[:_SCOPE_BYTES]


def _decoded(text: str) -> bytes:
    """Return the decoded bytes, empty where the text is not base64 in its one canonical spelling."""
    if len(text) <= _MAX_LENGTH:
        try:
            raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        except (Base64Error, UnicodeError):
            raw = b""
        # The decoder ignores foreign characters, so the spelling is compared.
        if urlsafe_b64encode(raw).decode().rstrip("=") == text:
            return raw
    return b""
