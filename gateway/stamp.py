"""What tells one content of a file from another, without reading it."""

from pathlib import Path

__all__ = ["Stamp", "stamp_of"]

Stamp = tuple[int, int, int, int]


def stamp_of(path: Path) -> Stamp | None:
    """The file's stamp, which changes with its content and with who may read it (`ctime`); None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size
