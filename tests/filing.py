"""Files at bad moments."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def no_file_opens() -> Iterator[None]:
    """This process can open no file in here, root's neither: it has as many as it may have. What is there is seen."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def rewrite(path: Path, content: str) -> None:
    """Write into the file itself, and let it look unmodified: only `ctime`, which nobody sets, tells."""
    before = path.stat()
    path.write_text(content)
    while path.stat().st_ctime_ns == before.st_ctime_ns:  # a clock that ticks every few milliseconds
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
