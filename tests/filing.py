"""Simulates files that cannot be opened, and changes that are hard to detect."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def no_file_opens() -> Iterator[None]:
    """Set the limit of open files to 0 inside the block, so that this process, even as root, can only stat files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def rewrite(path: Path, content: str) -> None:
    """Overwrite a file in place and restore its times; only `ctime`, which cannot be set, shows the change."""
    before = path.stat()
    path.write_text(content)
    while path.stat().st_ctime_ns == before.st_ctime_ns:  # a clock that ticks every few milliseconds
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
