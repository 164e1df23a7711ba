"""How a request names its document, in the words of each kind of client."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.errors import BadUserInput, Forbidden

__all__ = ["DocumentName", "NotTrusted", "PersistedQueryNotFound", "PersistedQueryNotSupported", "name_of"]

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True)
class DocumentName:
    """The id of a document; `sha256` is set where the client asks for automatic persisted queries."""

    id: str | None = None
    sha256: str | None = None


_NOTHING = DocumentName()


def name_of(sent: Mapping[str, Any]) -> DocumentName:
    """What a request's parameters name: `documentId`, Apollo's `extensions.persistedQuery`, Relay's `doc_id` or `id`.

    The first of them that is there counts.

    Raises:
        BadUserInput: an id is no string, or what Apollo's extension holds is no SHA-256 of version 1.
    """
    if given := _word(sent, "documentId"):
        return DocumentName(given)
    extensions = sent.get("extensions")
    if isinstance(extensions, Mapping) and (asked := extensions.get("persistedQuery")) is not None:
        return _persisted(asked)
    for name in ("doc_id", "id"):
        if given := _word(sent, name):
            return DocumentName(given)
    return _NOTHING


def _word(sent: Mapping[str, Any], name: str) -> str | None:
    value = sent.get(name)
    if value is not None and not isinstance(value, str):
        raise BadUserInput.at((name,), "must be a string")
    return value or None


def _persisted(asked: Any) -> DocumentName:
    path = ("extensions", "persistedQuery")
    if not isinstance(asked, Mapping):
        raise BadUserInput.at(path, "must be an object")
    if asked.get("version") != 1:
        raise BadUserInput.at((*path, "version"), "must be 1")
    sha256 = asked.get("sha256Hash")
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise BadUserInput.at((*path, "sha256Hash"), "must be a SHA-256 in hexadecimal")
    return DocumentName(sha256.lower(), sha256.lower())


class PersistedQueryNotFound(BadUserInput):
    """No document is known by that name here; the client may send its text.

    The message is the protocol: Apollo's clients and urql look for exactly this word, and send the text then.
    """

    def __init__(self) -> None:
        super().__init__("PersistedQueryNotFound")


class PersistedQueryNotSupported(BadUserInput):
    """No document is known by any name here; the client should stop naming them. The message is the protocol."""

    def __init__(self) -> None:
        super().__init__("PersistedQueryNotSupported")


class NotTrusted(Forbidden):
    """Only documents of the manifest are executed, and this is none of them."""

    def __init__(self) -> None:
        super().__init__("Only trusted documents are executed here, and this is none of them.")
