"""The stream that a shared log is kept in, whoever keeps it."""

from collections.abc import Sequence
from typing import Protocol

__all__ = ["Stream"]


class Stream(Protocol):
    """Entries that replicas share, numbered without gaps; the oldest go.

    Every method may raise SourceUnavailable.
    """

    async def place(self) -> tuple[str, int, int]:
        """The log's name, the number that it began behind, and its last one.

        The name is another one as soon as entries may have been lost.
        """

    async def append(self, entry: bytes, *, once: str, user: str, content: str, dated: bool, heard: bool) -> int:
        """The new entry's number; 0 where it is known by its marks (`gateway.events.told.Told`, across replicas)."""

    async def read(self, after: int) -> Sequence[tuple[str, int, bytes]]:
        """The next entries, each with its log's name and its number; none where none came within a moment."""

    async def entry(self, number: int) -> bytes | None:
        """The entry of that number, as long as it is held."""

    async def renew(self, log: str) -> None:
        """Give the log another name, if this is still its name: entries were lost, and its numbers mean others."""
