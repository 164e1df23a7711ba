"""One page of a directory, e.g. of all roles: forwards, by a cursor that stays right while records come and go."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from gateway.users.source import Directory

__all__ = ["DirectoryEdge", "DirectoryPage", "DirectoryPosition", "Found", "read_page"]

T = TypeVar("T")

_LARGEST = 1000  # what one call to the account API gives at the most (account.md, 4)


@dataclass(frozen=True, slots=True)
class DirectoryPosition:
    """Where a record was found: in the source's page of that size at that position, as number `index`, by that id."""

    position: str | None
    size: int
    index: int
    source_id: str


@dataclass(frozen=True, slots=True)
class DirectoryEdge(Generic[T]):
    """A record, and the cursor to go on from behind it."""

    node: T
    cursor: str


@dataclass(frozen=True, slots=True)
class DirectoryPage(Generic[T]):
    """Records in the source's order, and whether there are more."""

    edges: tuple[DirectoryEdge[T], ...]
    has_next_page: bool

    @property
    def end_cursor(self) -> str | None:
        """The cursor to go on from behind the page."""
        return self.edges[-1].cursor if self.edges else None


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """A page with the place of each record."""

    records: tuple[tuple[T, DirectoryPosition], ...]
    has_next_page: bool

    def written(self, write: Callable[[DirectoryPosition], str]) -> DirectoryPage[T]:
        """The page with its places as cursors."""
        edges = tuple(DirectoryEdge(record, write(place)) for record, place in self.records)
        return DirectoryPage(edges, self.has_next_page)


async def read_page(
    directory: Directory[T], needs: frozenset[str], *, first: int, after: DirectoryPosition | None, search: str | None
) -> Found[T]:
    """The `first` records behind a place, by the fewest calls.

    The source's page is read again from the same position; what stands in it up to and including the
    place's record is passed over, by its number where the record itself is gone.
    """
    position = after.position if after else None
    size = after.size if after else min(first + 1, _LARGEST)
    found: list[tuple[T, DirectoryPosition]] = []
    while True:
        page = await directory.page("", needs, position, search=search, limit=size)
        start = _behind(page.items, after) if after and after.position == position else 0
        for index, record in enumerate(page.items[start:], start):
            if len(found) == first:
                return Found(tuple(found), has_next_page=True)
            source_id: str = record.source_id  # type: ignore[attr-defined]  # every reference record has one
            found.append((record, DirectoryPosition(position, size, index, source_id)))
        if len(found) == first or page.next is None:
            return Found(tuple(found), has_next_page=page.next is not None)
        position, size = page.next, min(first - len(found) + 1, _LARGEST)


def _behind(items: Sequence[Any], place: DirectoryPosition) -> int:
    ids = [item.source_id for item in items]
    # Gone, what followed it has moved into its place.
    return ids.index(place.source_id) + 1 if place.source_id in ids else place.index
