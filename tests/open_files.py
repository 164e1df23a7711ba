"""What a process has open, also while it opens and closes files."""

from contextlib import suppress
from pathlib import Path

__all__ = ["open_files", "temporary_files"]


def open_files(pid: int) -> list[str]:
    """Return the paths of the files that a process has open, and for sockets and the like names as `socket:[1]`."""
    links = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # it was closed in the meantime
            links.append(str(entry.readlink()))
    return links


def temporary_files(pid: int) -> list[str]:
    """Return the files without a name that a process has open."""
    return [link for link in open_files(pid) if link.startswith("/") and link.endswith("(deleted)")]
