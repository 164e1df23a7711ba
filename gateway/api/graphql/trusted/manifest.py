"""Reads manifests of trusted documents, in the three formats that builds of clients write."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from gateway.kit.watched_file import FileVersion, file_version

__all__ = ["Manifest", "ManifestError", "ManifestFiles", "UnreadableManifestError", "read_manifests"]

_LOG = logging.getLogger("gateway.graphql")
_APOLLO = "apollo-persisted-query-manifest"


class ManifestError(ValueError):
    """A manifest cannot be used; the message names the file."""


class UnreadableManifestError(ManifestError):
    """A manifest cannot be read at the moment, so its content is unknown."""


class Manifest:
    """The trusted documents by id. An id is opaque: an MD5 hash in Relay's manifests, any text in others."""

    __slots__ = ("_by_id", "_texts")

    def __init__(self, documents: Mapping[str, str]) -> None:
        self._by_id = dict(documents)
        self._texts = frozenset(self._by_id.values())

    def find(self, id: str) -> str | None:
        """Return the text of a document; the id may have a prefix (`sha256:`, `x-…:`) that it lacks in the manifest."""
        found = self._by_id.get(id)
        if found is None and ":" in id:
            found = self._by_id.get(id.partition(":")[2])
        elif found is None:
            found = self._by_id.get(f"sha256:{id}")
        return found

    def has(self, text: str) -> bool:
        """Return whether a document has exactly this text."""
        return text in self._texts

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)


def read_manifests(files: Iterable[Path]) -> Manifest:
    """Read files that contain an `apollo-persisted-query-manifest`, a map of id to text, or a list of such pairs.

    Raises:
        ManifestError: a file cannot be read, has another format, or has another text for an id than an earlier file.
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
            raise ManifestError(f"The manifest {file} is {form} {rest.get('version')}; only {_APOLLO} 1 is supported.")
        case {"format": str(), "operations": [*entries]} if all(isinstance(entry, dict) for entry in entries):
            return [(entry.get("id"), entry.get("body")) for entry in entries]
        case dict() if "format" not in content:
            return content.items()
        case [*pairs] if all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):  # noqa: PLR2004 - a pair
            return [(key, text) for key, text in pairs]
        case _:
            raise ManifestError(
                f"The manifest {file} is neither Apollo's, nor a map of id to text, nor a list of pairs."
            )


class ManifestFiles:
    """The manifest in the files. If they change and cannot be used, the previous manifest remains."""

    def __init__(self, files: Sequence[Path]) -> None:
        """Read the files.

        Raises:
            ManifestError: a file cannot be used.
        """
        self._files = tuple(files)
        self._versions = self._current_versions()
        self._logged_error = ""
        self._manifest = read_manifests(self._files)

    @property
    def manifest(self) -> Manifest:
        """The current documents."""
        return self._manifest

    def refresh(self) -> bool:
        """Read the files again if one has changed; return whether the manifest was replaced."""
        versions = self._current_versions()
        if versions == self._versions:
            self._logged_error = ""
            return False
        try:
            self._manifest = read_manifests(self._files)
        except ManifestError as error:
            if str(error) != self._logged_error:
                self._logged_error = str(error)
                _LOG.error("the trusted documents were not replaced: %s", error)
            if not isinstance(error, UnreadableManifestError):  # an unreadable one may become readable unchanged
                self._versions = versions
            return False
        self._versions = versions
        _LOG.info("the trusted documents were replaced: there are %d", len(self._manifest))
        return True

    async def watch(self, changed: Callable[[Manifest], None], *, every: float = 5.0) -> None:
        """Refresh every so many seconds until cancelled, and call `changed` with each new manifest."""
        while True:
            await asyncio.sleep(every)
            if await asyncio.to_thread(self.refresh):
                changed(self._manifest)

    def _current_versions(self) -> tuple[FileVersion | None, ...]:
        return tuple(file_version(file) for file in self._files)
