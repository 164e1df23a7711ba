"""Finds the document of a request: the one that it names, or the one that it contains, if it may be executed."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Literal

from gateway.api.graphql.trusted.manifest import Manifest
from gateway.api.graphql.trusted.naming import (
    DocumentName,
    NotTrusted,
    PersistedQueryNotFound,
    PersistedQueryNotSupported,
    sha256_of,
)
from gateway.errors import BadUserInput, Rule
from gateway.kit.documents import DocumentStore

__all__ = ["Event", "NamedDocuments", "Resolved", "Trust"]

_LOG = logging.getLogger("gateway.graphql")
_MAX_LOGGED = 1000  # documents whose hashes are remembered, so that each is logged once
_EMPTY = Manifest({})

Event = Literal["trusted", "untrusted", "refused", "missing", "automatic_hit", "automatic_miss", "automatic_kept"]


class Trust(StrEnum):
    """Whether documents that are in no manifest are executed, executed and logged, or refused."""

    OFF = "off"
    LOG = "log"
    ENFORCE = "enforce"


@dataclass(frozen=True, slots=True)
class Resolved:
    """The text to execute, and whether it is a trusted document.

    `sha256` is set if the client requested to store the document, which is done once it has proved valid.
    """

    text: str
    trusted: bool
    sha256: str | None = None


class NamedDocuments:
    """Finds documents in the current manifest and among the automatic persisted queries.

    `automatic` enables automatic persisted queries. They admit every document, so `enforce` excludes them.
    """

    def __init__(
        self,
        trust: Trust = Trust.OFF,
        manifest: Callable[[], Manifest] = lambda: _EMPTY,
        *,
        automatic: DocumentStore | None = None,
        observe: Callable[[Event], None] = lambda _event: None,
    ) -> None:
        if trust is Trust.ENFORCE and automatic is not None:
            raise ValueError("use either automatic persisted queries or `enforce`, which would refuse them")
        self._trust = trust
        self._manifest = manifest
        self._automatic = automatic
        self._observe = observe
        self._log_once = lru_cache(_MAX_LOGGED)(_log)

    async def resolve(self, name: DocumentName, text: str | None) -> Resolved:
        """Return the document of a request with a name, a text or both; the name of a trusted document takes priority.

        Raises:
            BadUserInput: the request has neither, or its text does not have the hash that it states.
            PersistedQueryNotFound: there is no document of that name, and no text was sent.
            PersistedQueryNotSupported: the same, where no document has a name.
            NotTrusted: the document is not trusted, and only trusted documents are executed.
        """
        if (found := self.try_find(name, text)) is not None:
            self.found(found)
            return found
        if text is None and name.id is None:
            raise BadUserInput.at(("query",), "is required", Rule.REQUIRED)
        if self._trust is Trust.ENFORCE:
            self._observe("refused" if text is not None else "missing")
            raise NotTrusted if text is not None else PersistedQueryNotFound
        resolved = await self._untrusted(name, text)
        if self._trust is Trust.LOG:
            self._observe("untrusted")
            self._log_once(sha256_of(resolved.text))
        return resolved

    def try_find(self, name: DocumentName, text: str | None) -> Resolved | None:
        """Return what `resolve` does, if that needs no wait, no log and no check. Pass it to `found` if it is used."""
        if (trusted := self._trusted(name, text)) is not None:
            return Resolved(trusted, trusted=True)
        if text is not None and self._trust is Trust.OFF and (self._automatic is None or name.sha256 is None):
            return Resolved(text, trusted=False)
        return None

    def found(self, resolved: Resolved) -> None:
        """Count a document that `try_find` has returned."""
        if resolved.trusted:
            self._observe("trusted")

    async def keep(self, resolved: Resolved) -> None:
        """Store a document that has proved valid, if its client requested it."""
        if resolved.sha256 is not None and self._automatic is not None:
            self._observe("automatic_kept")
            await self._automatic.put(resolved.sha256, resolved.text)

    def _trusted(self, name: DocumentName, text: str | None) -> str | None:
        manifest = self._manifest()
        found = manifest.find(name.id) if name.id is not None else None
        return text if found is None and text is not None and manifest.has(text) else found

    async def _untrusted(self, name: DocumentName, text: str | None) -> Resolved:
        """Return a document that is not trusted: the text of the request, or an automatic persisted query."""
        automatic, sha256 = self._automatic, name.sha256
        if automatic is None or sha256 is None:
            if text is not None:
                return Resolved(text, trusted=False)
            self._observe("missing")
            has_names = automatic is not None or len(self._manifest()) > 0
            raise PersistedQueryNotFound if has_names else PersistedQueryNotSupported
        if text is not None:
            _check_hash(text, sha256)
            return Resolved(text, trusted=False, sha256=sha256)
        found = await automatic.get(sha256)
        self._observe("automatic_miss" if found is None else "automatic_hit")
        if found is None:
            raise PersistedQueryNotFound
        return Resolved(found, trusted=False)


def _check_hash(text: str, sha256: str) -> None:
    if sha256_of(text) != sha256:
        raise BadUserInput.at(
            ("extensions", "persistedQuery", "sha256Hash"), "is not the hash of the query", Rule.MISMATCH
        )


def _log(sha256: str) -> None:
    _LOG.warning("a document that is not trusted was executed: sha256 %s", sha256)
