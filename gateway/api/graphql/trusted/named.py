"""A request's document: the one that it names, or the one that it sends, where that may be executed."""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Literal, Protocol

from gateway.api.graphql.trusted.manifest import Manifest
from gateway.api.graphql.trusted.naming import (
    DocumentName,
    NotTrusted,
    PersistedQueryNotFound,
    PersistedQueryNotSupported,
)
from gateway.errors import BadUserInput

__all__ = ["DocumentStore", "Event", "NamedDocuments", "Resolved", "Trust"]

_LOG = logging.getLogger("gateway.graphql")
_TOLD = 1000  # unknown documents that are not logged once more
_NONE = Manifest({})

Event = Literal["trusted", "untrusted", "refused", "missing", "automatic_hit", "automatic_miss", "automatic_kept"]


class Trust(StrEnum):
    """What becomes of documents that are in no manifest: executed, executed and logged, or refused."""

    OFF = "off"
    LOG = "log"
    ENFORCE = "enforce"


class DocumentStore(Protocol):
    """Texts under their SHA-256. What is not found is sent again by its client: nothing has to last, and none fails."""

    async def get(self, sha256: str) -> str | None: ...

    async def put(self, sha256: str, text: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Resolved:
    """The text to execute, and whether it is a trusted document.

    `sha256` is set on one that a client asked to be kept, once it has proved to be a valid document.
    """

    text: str
    known: bool
    sha256: str | None = None


class NamedDocuments:
    """Finds the document of a request, in the manifest of the moment or among those that clients sent before.

    `automatic` switches automatic persisted queries on, which `enforce` excludes: they let every document in.
    """

    def __init__(
        self,
        trust: Trust = Trust.OFF,
        manifest: Callable[[], Manifest] = lambda: _NONE,
        *,
        automatic: DocumentStore | None = None,
        observe: Callable[[Event], None] = lambda _event: None,
    ) -> None:
        if trust is Trust.ENFORCE and automatic is not None:
            raise ValueError("automatic persisted queries would let every document in that `enforce` keeps out")
        self._trust = trust
        self._manifest = manifest
        self._automatic = automatic
        self._observe = observe
        self._log_once = lru_cache(_TOLD)(_log)

    async def resolve(self, named: DocumentName, text: str | None) -> Resolved:
        """The document of a request that names one, sends its text, or both; a name that is known decides.

        Raises:
            BadUserInput: it does neither, or its text is not what its hash says.
            PersistedQueryNotFound: no document is known by that name, and no text was sent.
            PersistedQueryNotSupported: the same, where none is known by any name.
            NotTrusted: the text is that of no trusted document, and only those are executed.
        """
        if (trusted := self._trusted(named, text)) is not None:
            self._observe("trusted")
            return Resolved(trusted, known=True)
        if text is None and named.id is None:
            raise BadUserInput.at(("query",), "is required")
        if self._trust is Trust.ENFORCE:
            self._observe("refused" if text is not None else "missing")
            raise NotTrusted if text is not None else PersistedQueryNotFound
        resolved = await self._other(named, text)
        if self._trust is Trust.LOG:
            self._observe("untrusted")
            self._log_once(_hash(resolved.text))
        return resolved

    async def keep(self, resolved: Resolved) -> None:
        """Keep a document that has proved valid, if its client asked for that."""
        if resolved.sha256 is not None and self._automatic is not None:
            self._observe("automatic_kept")
            await self._automatic.put(resolved.sha256, resolved.text)

    def _trusted(self, named: DocumentName, text: str | None) -> str | None:
        manifest = self._manifest()
        found = manifest.find(named.id) if named.id is not None else None
        return text if found is None and text is not None and manifest.has(text) else found

    async def _other(self, named: DocumentName, text: str | None) -> Resolved:
        """A document that is not trusted: as it was sent, now or before."""
        automatic, sha256 = self._automatic, named.sha256
        if automatic is None or sha256 is None:
            if text is not None:
                return Resolved(text, known=False)
            self._observe("missing")
            nameless = automatic is None and not len(self._manifest())
            raise PersistedQueryNotSupported if nameless else PersistedQueryNotFound
        if text is not None:
            _verify(text, sha256)
            return Resolved(text, known=False, sha256=sha256)
        found = await automatic.get(sha256)
        self._observe("automatic_miss" if found is None else "automatic_hit")
        if found is None:
            raise PersistedQueryNotFound
        return Resolved(found, known=False)


def _verify(text: str, sha256: str) -> None:
    if _hash(text) != sha256:
        path, message = ("extensions", "persistedQuery", "sha256Hash"), "is not the hash of the query"
        raise BadUserInput.at(path, message)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _log(sha256: str) -> None:
    _LOG.warning("a document that is not trusted was executed: sha256 %s", sha256)
