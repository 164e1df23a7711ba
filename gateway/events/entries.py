"""Events as bytes, the entries of the stream that replicas have in common (`gateway/kit/event_stream.py`).

An entry is one line with the change and its time, followed by the user as JSON. That of unknown changes is one line: a
word and the source, of one user also the fingerprint, the tenant and the id, both percent-encoded. Versions that do not
know it take it for changes of any source.
"""

from dataclasses import dataclass
from hashlib import blake2b
from urllib.parse import quote, unquote

from gateway.events.log import UnknownChanges
from gateway.users.idempotency import from_bytes, to_bytes
from gateway.users.ids import Kind, Ref
from gateway.users.model import Timestamp, User, UserChange, UserSource

__all__ = ["Entry", "check_of", "decode_entry", "encode_entry"]


@dataclass(frozen=True, slots=True)
class Entry:
    """An event as it is stored in the log; its number is stored beside it."""

    change: UserChange
    occurred_at: Timestamp
    user: User


_UNKNOWN = "UNKNOWN"


def encode_entry(entry: Entry | UnknownChanges) -> bytes:
    """Return the entry as bytes."""
    if isinstance(entry, UnknownChanges):
        parts: list[str] = [_UNKNOWN, entry.source or ""]
        if entry.user is not None:
            parts += [entry.fingerprint, *(quote(text, safe="") for text in (entry.user.tenant, entry.user.source_id))]
        return (" ".join(parts) + "\n").encode()
    return f"{entry.change} {entry.occurred_at}\n".encode() + to_bytes(entry.user)


def decode_entry(content: bytes) -> Entry | UnknownChanges:
    """Return the entry that `encode_entry` of this or another version of the gateway wrote.

    Raises:
        ValueError: this version does not know the format.
    """
    line, _, user = content.partition(b"\n")
    change, _, occurred_at = line.decode().partition(" ")
    if change == _UNKNOWN:
        return _unknown_changes(occurred_at)
    record = from_bytes(user)
    if not isinstance(record, User):
        raise ValueError("no user")  # noqa: TRY004 - its bytes are wrong, not its type
    return Entry(UserChange(change), Timestamp(occurred_at), record)


def _unknown_changes(text: str) -> UnknownChanges:
    source, *of_user = text.split(" ")
    if not of_user:
        return UnknownChanges(UserSource(source) if source else None)
    fingerprint, tenant, source_id = of_user
    user = Ref(Kind.USER, UserSource(source), unquote(source_id), unquote(tenant))
    return UnknownChanges(user.source, user, fingerprint)


def check_of(content: bytes) -> str:
    """Return eight hexadecimal digits that distinguish an entry from another one with the same number."""
    return blake2b(content, digest_size=4).hexdigest()
