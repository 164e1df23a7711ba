"""Events as bytes, and the stream of such entries that replicas have in common.

An entry is one line with the change and its time, followed by the user as JSON.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

from gateway.users.idempotency import from_bytes, to_bytes
from gateway.users.model import Timestamp, User, UserChange

__all__ = ["Entry", "EventStream", "Report", "check_of", "decode_entry", "encode_entry"]


@dataclass(frozen=True, slots=True)
class Entry:
    """An event as it is stored in the log; its number is stored beside it."""

    change: UserChange
    occurred_at: Timestamp
    user: User


def encode_entry(entry: Entry) -> bytes:
    """Return the entry as bytes."""
    return f"{entry.change} {entry.occurred_at}\n".encode() + to_bytes(entry.user)


def decode_entry(content: bytes) -> Entry:
    """Return the entry that `encode_entry` of this or another version of the gateway wrote.

    Raises:
        ValueError: this version does not know the format.
    """
    line, _, user = content.partition(b"\n")
    change, _, occurred_at = line.decode().partition(" ")
    record = from_bytes(user)
    if not isinstance(record, User):
        raise ValueError("no user")  # noqa: TRY004 - its bytes are wrong, not its type
    return Entry(UserChange(change), Timestamp(occurred_at), record)


def check_of(content: bytes) -> str:
    """Return eight hexadecimal digits that distinguish an entry from another one with the same number."""
    return blake2b(content, digest_size=4).hexdigest()


@dataclass(frozen=True, slots=True)
class Report:
    """A report of a change, as it is appended to the stream: an entry and its check, and the keys of the event.

    `event`, `user`, `content`, `dated`, `order` and `deletion` are those of `DeduplicationKeys`. `report` identifies a
    report of this gateway, so that it can be sent again where its reply was lost, or made again where the change is
    repeated; it is empty for one of a source. `repeated` is whether it may have been made before.
    """

    entry: bytes
    check: str
    event: str
    user: str
    content: str
    dated: bool
    order: str
    deletion: bool
    report: str = ""
    repeated: bool = False


class EventStream(Protocol):
    """The entries of the log that replicas have in common, numbered without gaps; the oldest are dropped.

    Every method may raise SourceUnavailable.
    """

    async def bounds(self) -> tuple[str, int, int, str]:
        """Return the name of the log, the number before its first entry, and the number and the check of its last one.

        The name changes as soon as entries may have been lost. The check is empty where it is not known. The method
        fails wherever `append` would fail.
        """

    async def append(self, reports: Sequence[Report]) -> Sequence[int]:
        """Append the entries of the reports in their order, all or none of them, and return their numbers.

        The number of a report that any replica has appended before is 0, and that of a superseded one is -1.
        """

    async def read(self, after: int) -> Sequence[tuple[str, int, bytes, str]]:
        """Return the entries after that number, each with the name of its log, its number, and the previous check.

        The previous check is that of the entry before it; it is empty where it is not known. The method waits a moment
        for an entry if there is none, and then returns an empty sequence.
        """

    async def get(self, number: int) -> bytes | None:
        """Return the entry of that number, or None if it has been dropped or is not there yet."""

    async def rename(self, log: str) -> None:
        """Give the log a new name if `log` is its current one: entries were lost, and their numbers are used again."""
