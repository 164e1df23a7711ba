"""The cursors of one page of a merge."""

from collections.abc import Sequence

from gateway.users.listing.cursor import Cursors
from gateway.users.listing.position import WalkPosition
from gateway.users.listing.source_stream import SegmentPosition
from gateway.users.model import UserSource
from gateway.users.source import UserQuery

__all__ = ["PageCursors", "SegmentPositions"]

_WalkPositions = dict[UserSource, WalkPosition]
SegmentPositions = dict[UserSource, SegmentPosition]

_WALK = "walk"  # the name under which a cursor holds the id of its walk, beside the names of sources


class PageCursors:
    """Reads the cursor that a page starts after, and writes those of its users.

    What they have in common is computed for the first one. The cursors of two walks differ, so that neither gets users
    that were read for the other one.
    """

    def __init__(self, cursors: Cursors, query: UserQuery, requested: Sequence[UserSource] | None) -> None:
        self._cursors = cursors
        self._query = query
        self._requested = requested
        self._scope = ""
        self._walk: str | None = None
        self._before: _WalkPositions = {}

    def read(self, cursor: str) -> _WalkPositions:
        """Return the positions in a cursor.

        Raises:
            BadUserInput: it is not one of this list.
        """
        state = self._cursors.read(self._find_scope(), cursor)
        self._walk = state.pop(_WALK, None)  # the cursor of an earlier version has no walk
        self._before = {UserSource(name): WalkPosition.unpack(packed) for name, packed in state.items()}
        return self._before

    def write(self, positions: SegmentPositions) -> str:
        """Return the cursor for positions; in the other sources, the walk is where the page began."""
        self._walk = self._walk or self._cursors.new_walk()
        state = self._before | {name: position.walk_position for name, position in positions.items()}
        packed = {name.value: position.pack() for name, position in state.items()}
        return self._cursors.write(self._find_scope(), {_WALK: self._walk} | packed)

    def _find_scope(self) -> str:
        if not self._scope:
            requested = None if self._requested is None else sorted(set(self._requested))
            self._scope = repr((self._query, requested))
        return self._scope
