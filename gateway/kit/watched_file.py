"""What tells one content of a file from another, without reading it."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

__all__ = ["FileVersion", "WatchedFile", "file_version"]

FileVersion = tuple[int, int, int, int]


def file_version(path: Path) -> FileVersion | None:
    """The file's stamp, which changes with its content and with who may read it (`ctime`); None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size


T = TypeVar("T")

_LOG = logging.getLogger("gateway.callers")
_LOOK = 1.0  # seconds: it is looked at no more often than that


class WatchedFile(Generic[T]):
    """What a file says; while it says something that cannot be used, what it said before.

    `read` makes something of its bytes, or raises a ValueError without secrets. A content that cannot be used is
    logged once. The file is small and local: reading it in between is worth no thread.

    Raises:
        OSError: it cannot be read at the start.
        ValueError: what `read` makes of it at the start.
    """

    def __init__(
        self,
        path: Path,
        read: Callable[[bytes], T],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._read = read
        self._clock = clock
        self._looked = clock()
        self._seen = file_version(path)
        self._complaint = ""
        self._said = read(path.read_bytes())

    def current(self) -> T:
        """What it says now."""
        now = self._clock()
        if now - self._looked >= _LOOK:
            self._looked = now
            self._look()
        return self._said

    def _look(self) -> None:
        stamp = file_version(self._path)
        if stamp == self._seen:
            self._complaint = ""
            return
        try:
            content = self._path.read_bytes()
            self._seen = stamp  # not before: what cannot be read now may be a moment later, without having changed
            self._said = self._read(content)
        except (OSError, ValueError) as error:
            complaint, self._complaint = self._complaint, str(error)
            if complaint != self._complaint:
                _LOG.error("%s cannot be used, what it said before stays in force: %s", self._path, error)
