"""An event as bytes: a line of what happened when, then the user as JSON."""

from dataclasses import dataclass

from gateway.users.answers import from_bytes, to_bytes
from gateway.users.model import Timestamp, User, UserChange

__all__ = ["Entry", "read_entry", "write_entry"]


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
