"""The interface of the event stream that replicas have in common: numbered entries, each an event as bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["EventStream", "Report"]


@dataclass(frozen=True, slots=True)
class Report:
    """A report of a change, as it is appended to the stream: an entry and its check, and the keys of the event.

    `event`, `user`, `content`, `dated`, `order` and `deletion` are those of `DeduplicationKeys`, in
    `gateway/events/deduplication.py`. `report` identifies a report of this gateway, so that it can be sent again where
    its reply was lost, or made again where the change is repeated; it is empty for one of a source. `repeated` is
    whether it may have been made before.
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
