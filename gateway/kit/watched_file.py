"""Values parsed from a file, parsed again when the file has changed."""

import logging
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

__all__ = ["FileVersion", "WatchedFile", "file_version"]

FileVersion = tuple[int, int, int, int]
"""Inode, times of the last change of content and of metadata in nanoseconds, and size of a file."""


def file_version(path: Path) -> FileVersion | None:
    """Return the version of a file, without reading it; None where there is no file.

    It changes with the content of the file and with its permissions (`ctime`).
    """
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size


T = TypeVar("T")

_LOG = logging.getLogger("gateway.files")
_MAX_BYTES = 16 * 1024 * 1024
_CHECK_INTERVAL = 0.25  # seconds: whoever is removed from a file of keys is refused within half a second


class WatchedFile(Generic[T]):
    """The value parsed from a file. While the content of the file is unusable, the last usable value stays in effect.

    `parse` returns the value of the bytes, or raises a ValueError with no secrets in its message. Unusable content is
    logged once. The file is small and local, so it is read without a thread. What is no regular file, such as a pipe,
    or has more than `max_bytes` bytes, is unusable: reading it might never end.

    Raises:
        OSError: the file cannot be read at the start.
        ValueError: the content is unusable at the start.
    """

    def __init__(
        self,
        path: Path,
        parse: Callable[[bytes], T],
        *,
        max_bytes: int = _MAX_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._parse = parse
        self._clock = clock
        self._checked_at = clock()
        self._version = file_version(path)
        self._last_error = ""
        self._value = parse(self._read())

    def current(self) -> T:
        """Return the value; at most four times a second the file is checked for changes."""
        now = self._clock()
        if now - self._checked_at >= _CHECK_INTERVAL:
            self._checked_at = now
            self.check()
        return self._value

    def check(self) -> None:
        """Read the file now if it has changed."""
        version = file_version(self._path)
        if version == self._version:
            self._last_error = ""
            return
        try:
            content = self._read()
            self._version = version  # only now: a file that cannot be opened may be readable later, with this version
            self._value = self._parse(content)
        except (OSError, ValueError) as error:
            previous, self._last_error = self._last_error, str(error)
            if previous != self._last_error:
                _LOG.error(
                    "%s is unusable, and its last usable content stays in effect. Correct the file: %s",
                    self._path,
                    error,
                )

    def _read(self) -> bytes:
        # Opening a pipe waits for whoever writes to it, unless that is prevented.
        with open(self._path, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ValueError("it is no regular file")
            content = file.read(self._max_bytes + 1)
        if len(content) > self._max_bytes:
            raise ValueError(f"it has more than {self._max_bytes} bytes")
        return content
