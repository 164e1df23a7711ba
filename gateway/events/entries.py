"""An event as bytes: a line of what happened when, then the user as JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.users.idempotency import from_bytes, to_bytes
from gateway.users.model import Timestamp, User, UserChange

__all__ = ["Entry", "EventStream", "read_entry", "write_entry"]


@dataclass(frozen=True, slots=True)
class Entry:
    """What is in the log of an event, beside its number."""

    change: UserChange
    occurred_at: Timestamp
    user: User


def write_entry(entry: Entry) -> bytes:
    """The entry as bytes."""
    return f"{entry.change} {entry.occurred_at}\n".encode() + to_bytes(entry.user)


def read_entry(content: bytes) -> Entry:
    """What `write_entry` was given, by this version of the gateway or by another.

    Raises:
        ValueError: it is nothing that this version knows.
    """
    line, _, user = content.partition(b"\n")
    change, _, occurred_at = line.decode().partition(" ")
    read = from_bytes(user)
    if not isinstance(read, User):
        raise ValueError("no user")  # noqa: TRY004 - its bytes are wrong, not its type
    return Entry(UserChange(change), Timestamp(occurred_at), read)


class EventStream(Protocol):
    """Entries that replicas share, numbered without gaps; the oldest go.

    Every method may raise SourceUnavailable.
    """

    async def place(self) -> tuple[str, int, int]:
        """The log's name, the number that it began behind, and its last one.

        The name is another one as soon as entries may have been lost.
        """

    async def append(self, entry: bytes, *, once: str, user: str, content: str, dated: bool, heard: bool) -> int:
        """The new entry's number; 0 where it is known by its deduplication keys, across replicas."""

    async def read(self, after: int) -> Sequence[tuple[str, int, bytes]]:
        """The next entries, each with its log's name and its number; none where none came within a moment."""

    async def entry(self, number: int) -> bytes | None:
        """The entry of that number, as long as it is held."""

    async def renew(self, log: str) -> None:
        """Give the log another name, if this is still its name: entries were lost, and its numbers mean others."""
