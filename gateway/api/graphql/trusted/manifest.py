"""Manifests of trusted documents, in the three forms that clients' builds write."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from gateway.kit.watched_file import FileVersion, file_version

__all__ = ["Manifest", "ManifestError", "ManifestFiles", "UnreadableManifestError", "read_manifests"]

_APOLLO = "apollo-persisted-query-manifest"


class ManifestError(Exception):
    """A manifest that cannot be used, in a sentence that names the file."""


class UnreadableManifestError(ManifestError):
    """It cannot be read, now: what is in it is not known."""


class Manifest:
    """The trusted documents by id. An id is an opaque word: Relay's is an MD5, others are whatever a build likes."""

    __slots__ = ("_by_id", "_texts")

    def __init__(self, documents: Mapping[str, str]) -> None:
        self._by_id = dict(documents)
        self._texts = frozenset(self._by_id.values())

    def find(self, id: str) -> str | None:
        """The text of a document, by its id as the manifest or as a client's prefix (`sha256:`, `x-…:`) writes it."""
        found = self._by_id.get(id)
        if found is None and ":" in id:
            found = self._by_id.get(id.partition(":")[2])
        elif found is None:
            found = self._by_id.get(f"sha256:{id}")
        return found

    def has(self, text: str) -> bool:
        """Whether a text is one of the documents, to the letter."""
        return text in self._texts

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)


def read_manifests(files: Iterable[Path]) -> Manifest:
    """All documents of the files: `apollo-persisted-query-manifest`, a map of id to text, or a list of such pairs.

    Raises:
        ManifestError: a file cannot be read, is none of these, or gives an id another text than a file before.
    """
    documents: dict[str, str] = {}
    for file in files:
        for key, text in _entries(file):
            if not isinstance(key, str) or not key or not isinstance(text, str) or not text:
                raise ManifestError(f"The manifest {file} has an entry without an id or a text: {key!r}.")
            if documents.setdefault(key, text) != text:
                raise ManifestError(f"The manifest {file} has another text for the id {key}.")
    return Manifest(documents)


def _entries(file: Path) -> Iterable[tuple[Any, Any]]:
    try:
        content = orjson.loads(file.read_bytes())
    except OSError as error:
        raise UnreadableManifestError(f"The manifest {file} cannot be read: {error.strerror}.") from error
    except orjson.JSONDecodeError as error:
        raise ManifestError(f"The manifest {file} is not JSON: {error}.") from error
    match content:
        case {"format": str(form), **rest} if form != _APOLLO or rest.get("version") != 1:
            raise ManifestError(f"The manifest {file} is {form} {rest.get('version')}; {_APOLLO} 1 is known.")
        case {"format": str(), "operations": [*operations]} if all(isinstance(one, dict) for one in operations):
            return [(one.get("id"), one.get("body")) for one in operations]
        case dict() if "format" not in content:
            return content.items()
        case [*pairs] if all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):  # noqa: PLR2004 - a pair
            return [(key, text) for key, text in pairs]
        case _:
            raise ManifestError(
                f"The manifest {file} is neither Apollo's, nor a map of id to text, nor a list of pairs."
            )


_LOG = logging.getLogger("gateway.graphql")


class ManifestFiles:
    """The manifest that the files hold. One that is broken when it changes leaves the one before in place."""

    def __init__(self, files: Sequence[Path]) -> None:
        """Read the files.

        Raises:
            ManifestError: a file cannot be used.
        """
        self._files = tuple(files)
        self._stamp = self._stamped()
        self._complaint = ""
        self._manifest = read_manifests(self._files)

    @property
    def manifest(self) -> Manifest:
        """The documents of the moment."""
        return self._manifest

    def refresh(self) -> bool:
        """Read the files again if one has changed; whether there is another manifest now."""
        stamp = self._stamped()
        if stamp == self._stamp:
            self._complaint = ""
            return False
        try:
            self._manifest = read_manifests(self._files)
        except ManifestError as error:
            complaint, self._complaint = self._complaint, str(error)
            if complaint != self._complaint:
                _LOG.error("the trusted documents stay as they were: %s", error)
            if not isinstance(error, UnreadableManifestError):  # which may be readable later, without having changed
                self._stamp = stamp
            return False
        self._stamp = stamp
        _LOG.info("the trusted documents have changed: %d now", len(self._manifest))
        return True

    async def watch(self, changed: Callable[[Manifest], None], *, every: float = 5.0) -> None:
        """Look after so many seconds again and again, until cancelled; `changed` is told of each new manifest."""
        while True:
            await asyncio.sleep(every)
            if await asyncio.to_thread(self.refresh):
                changed(self._manifest)

    def _stamped(self) -> tuple[FileVersion | None, ...]:
        return tuple(file_version(file) for file in self._files)
