"""Reads how a request names its document, in the format of each kind of client."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.errors import BadUserInput, Forbidden, Rule

__all__ = [
    "NAMES",
    "DocumentName",
    "NotTrusted",
    "PersistedQueryNotFound",
    "PersistedQueryNotSupported",
    "name_of",
    "sha256_of",
]

_SHA256 = re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})")  # graphql-codegen's manifests have the prefix


@dataclass(frozen=True, slots=True)
class DocumentName:
    """The id of a document; `sha256` is set if the client requests automatic persisted queries."""

    id: str | None = None
    sha256: str | None = None


_UNNAMED = DocumentName()
NAMES = frozenset({"documentId", "extensions", "doc_id", "id"})
"""The members of a request by which it may name its document; without them `name_of` need not be called."""


def sha256_of(text: str) -> str:
    """Return the hash of a document's text, in hexadecimal."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def name_of(sent: Mapping[str, Any]) -> DocumentName:
    """Return the first of `documentId`, Apollo's `extensions.persistedQuery`, Relay's `doc_id`, and `id`.

    Raises:
        BadUserInput: an id is no string, or Apollo's extension is not a SHA-256 in version 1.
    """
    if text := _text(sent, "documentId"):
        return DocumentName(text)
    extensions = sent.get("extensions")
    if isinstance(extensions, Mapping) and (persisted := extensions.get("persistedQuery")) is not None:
        return _persisted(persisted)
    for name in ("doc_id", "id"):
        if text := _text(sent, name):
            return DocumentName(text)
    return _UNNAMED


def _text(sent: Mapping[str, Any], name: str) -> str | None:
    value = sent.get(name)
    if value is not None and not isinstance(value, str):
        raise BadUserInput.at((name,), "must be a string", Rule.TYPE, type="string")
    return value or None


def _persisted(extension: Any) -> DocumentName:
    path = ("extensions", "persistedQuery")
    if not isinstance(extension, Mapping):
        raise BadUserInput.at(path, "must be an object", Rule.TYPE, type="object")
    if extension.get("version") != 1:
        raise BadUserInput.at((*path, "version"), "must be 1", Rule.ENUM, values=("1",))
    text = extension.get("sha256Hash")
    found = _SHA256.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise BadUserInput.at((*path, "sha256Hash"), "must be a SHA-256 in hexadecimal", Rule.FORMAT, format="sha256")
    sha256 = found[1].lower()
    return DocumentName(sha256, sha256)


class PersistedQueryNotFound(BadUserInput):
    """There is no document of that name; the client may send its text.

    The message is part of the protocol: Apollo's clients and urql look for exactly this text, and send the document.
    """

    def __init__(self) -> None:
        super().__init__("PersistedQueryNotFound")


class PersistedQueryNotSupported(BadUserInput):
    """No document has a name here, so the client should stop naming them. The message is part of the protocol."""

    def __init__(self) -> None:
        super().__init__("PersistedQueryNotSupported")


class NotTrusted(Forbidden):
    """Only documents of the manifest are executed, and this is not one of them."""

    def __init__(self) -> None:
        super().__init__("Only trusted documents are executed here, and this is not one of them.")
