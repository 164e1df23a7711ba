"""Manifest files, read at start and again when they change."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.api.graphql.trusted.manifest import Manifest, ManifestError, UnreadableManifestError, read_manifests
from gateway.kit.watched_file import Stamp, stamp_of

__all__ = ["ManifestFiles"]

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

    def _stamped(self) -> tuple[Stamp | None, ...]:
        return tuple(stamp_of(file) for file in self._files)
