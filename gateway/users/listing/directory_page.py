"""Pages of a directory, for example of all roles: forwards, by a cursor that stays valid while records change."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from gateway.users.source import Directory

__all__ = ["DirectoryEdge", "DirectoryPage", "DirectoryPosition", "PositionedRecords", "read_directory_page"]

T = TypeVar("T")

_MAX_SIZE = 1000  # records in one response of the account API (docs/upstreams/account.md, "Lists", `limit`)


@dataclass(frozen=True, slots=True)
class DirectoryPosition:
    """Where a record was read: its id, its index in a response of the source, and that response's start and size.

    `position` is the start: the position of the source that the response was requested with, None for the first one.
    """

    position: str | None
    size: int
    index: int
    source_id: str


@dataclass(frozen=True, slots=True)
class DirectoryEdge(Generic[T]):
    """A record, and the cursor of the page that starts after it."""

    node: T
    cursor: str


@dataclass(frozen=True, slots=True)
class DirectoryPage(Generic[T]):
    """Records in the source's order, and whether there are more."""

    edges: tuple[DirectoryEdge[T], ...]
    has_next_page: bool

    @property
    def nodes(self) -> tuple[T, ...]:
        """The records without their cursors."""
        return tuple([edge.node for edge in self.edges])

    @property
    def start_cursor(self) -> str | None:
        """The cursor of the page that starts after the first record, None where this page is empty."""
        return self.edges[0].cursor if self.edges else None

    @property
    def end_cursor(self) -> str | None:
        """The cursor of the next page, None where this page is empty."""
        return self.edges[-1].cursor if self.edges else None


@dataclass(frozen=True, slots=True)
class PositionedRecords(Generic[T]):
    """The records of a page, each with its position, and whether there are more."""

    records: tuple[tuple[T, DirectoryPosition], ...]
    has_next_page: bool

    def to_page(self, write_cursor: Callable[[DirectoryPosition], str]) -> DirectoryPage[T]:
        """Return the page with the positions written as cursors."""
        edges = tuple(DirectoryEdge(record, write_cursor(position)) for record, position in self.records)
        return DirectoryPage(edges, self.has_next_page)


async def read_directory_page(
    directory: Directory[T], needs: frozenset[str], *, first: int, after: DirectoryPosition | None, search: str | None
) -> PositionedRecords[T]:
    """Read the `first` records after a position with as few calls as possible.

    The response in which the last page ended is requested again, with the same start and size. Its records up to and
    including that of the position are skipped: found by its id or, if the record was deleted, by its index.
    """
    position = after.position if after else None
    size = after.size if after else min(first + 1, _MAX_SIZE)
    records: list[tuple[T, DirectoryPosition]] = []
    while True:
        page = await directory.page("", needs, position, search=search, limit=size)
        start = _index_after(page.items, after) if after and after.position == position else 0
        for index, record in enumerate(page.items[start:], start):
            if len(records) == first:
                return PositionedRecords(tuple(records), has_next_page=True)
            source_id: str = record.source_id  # type: ignore[attr-defined]  # every reference record has one
            records.append((record, DirectoryPosition(position, size, index, source_id)))
        if len(records) == first or page.next is None:
            return PositionedRecords(tuple(records), has_next_page=page.next is not None)
        position, size = page.next, min(first - len(records) + 1, _MAX_SIZE)


def _index_after(items: Sequence[Any], position: DirectoryPosition) -> int:
    ids = [item.source_id for item in items]
    # If the record was deleted, the one after it has moved to its index.
    return ids.index(position.source_id) + 1 if position.source_id in ids else position.index
