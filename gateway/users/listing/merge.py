"""The merge: one list of users out of those of all sources, newest first, page by page.

Each source lists its users newest first. A merge keeps one stream for each source and always takes the user that ranks
first among the heads of the streams. A stream whose next user is not read yet has no head; that user can rank anywhere
after the last one that the stream passed. The rank of such a stream is therefore that of its last user, and a window is
read of it before a user of a higher rank is taken from another stream.

What a client can rely on, for a walk over the pages:

- No user that stays unchanged is skipped or repeated. This holds if pages differ in size, if a window of a source ends
  inside a page, if users are created and deleted between pages, and if a source fails for a page or more.
- Users are in order over the whole walk, except those of a source that failed: they follow when it responds again.
- The order within one source is that of the source, which is assumed to be the same at every read, among users of one
  instant too.

How each source is found again after changes: `position.py`. How its windows are read: `source_stream.py`.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import msgspec

from gateway.errors import BadUserInput, GatewayError, SourceNotConfigured
from gateway.freshness import StaleRead
from gateway.kit.tasks import gather
from gateway.users.kept.stale_page import unavailable_sources
from gateway.users.listing.cursor import Cursors
from gateway.users.listing.page_cursors import PageCursors, SegmentPositions
from gateway.users.listing.position import WalkPosition
from gateway.users.listing.prefetched import PrefetchedUsers, PrefetchedWindow
from gateway.users.listing.source_stream import SegmentPosition, SourceStream, WalkSegment
from gateway.users.model import User, UserSource
from gateway.users.reading import UserReader
from gateway.users.source import Source, Sources, UserQuery, not_configured
from gateway.users.unavailable import Unavailable, raise_most_relevant

__all__ = ["Merge", "MergedPage", "UserEdge"]

_MAX_WINDOW = 1000  # users, the most that any source returns at once; the others return fewer


@dataclass(frozen=True, slots=True)
class TakenUsers:
    """Consecutive users that a merge takes from one source, while the positions in the other sources do not change.

    All are in one segment; `passed` has for each how many of its users are passed with it.
    """

    name: UserSource
    segment: WalkSegment = field(repr=False)
    users: Sequence[User]
    passed: Sequence[int] = field(repr=False)
    other_positions: SegmentPositions = field(repr=False)
    write_cursor: Callable[[SegmentPositions], str] = field(repr=False, compare=False)

    def edges(self) -> "Iterator[UserEdge]":
        """Yield the users, each with the position after it."""
        for user, passed in zip(self.users, self.passed, strict=True):
            yield UserEdge(user, SegmentPosition(self.segment, passed), self)


class UserEdge(msgspec.Struct, frozen=True):
    """A user, and the position after it in its source. The cursor is computed on access: most are never read."""

    node: User
    position: SegmentPosition
    taken: TakenUsers

    def __repr__(self) -> str:
        return f"UserEdge({self.node!r})"  # the position holds all users of the segment

    @property
    def cursor(self) -> str:
        """The cursor of the page that starts after this user."""
        return self.taken.write_cursor(self.taken.other_positions | {self.taken.name: self.position})


@dataclass(frozen=True, slots=True)
class MergedPage:
    """Users of all sources, newest first, and the sources that are missing.

    `taken` are the same users with their positions; that after the last one is the position of `end`, which also skips
    the users after it that were read and do not match. `end` is None only where the list is empty: an empty page has
    one if a source is missing, or if the users that were read do not match the query. `stale` are the reads whose
    lifetime had ended; a source that failed is in `unavailable` also where its users were kept.

    Edges and cursors are created on access, because most operations select none.
    """

    nodes: tuple[User, ...]
    taken: tuple[TakenUsers, ...] = field(repr=False)
    has_next_page: bool
    end: "PageEnd | None" = field(repr=False)
    unavailable: tuple[Unavailable, ...]
    stale: tuple[StaleRead, ...] = ()

    @property
    def edges(self) -> tuple[UserEdge, ...]:
        """The users, each with the position after it."""
        if self.end is None or not self.taken:
            return ()
        self.end.store_prefetched()  # a client can continue with the cursor of the last edge
        *before, last = [edge for part in self.taken for edge in part.edges()]
        return (*before, self.end.after(last))

    @property
    def start_cursor(self) -> str | None:
        """The cursor of the page that starts after the first user, None where the page is empty."""
        if len(self.nodes) == 1:
            return self.end_cursor
        return next(self.taken[0].edges()).cursor if self.taken else None

    @property
    def end_cursor(self) -> str | None:
        """The cursor of the next page."""
        return None if self.end is None else self.end.store_prefetched()


class PageEnd:
    """The end of a page: writes its cursor, with which the users are stored that were read and are not on the page."""

    def __init__(
        self,
        streams: Sequence[SourceStream],
        write_cursor: Callable[[SegmentPositions], str],
        store: Callable[[str, Mapping[UserSource, PrefetchedWindow]], None],
    ) -> None:
        self._streams = streams
        self._write_cursor = write_cursor
        self._store = store
        self._cursor: str | None = None

    @property
    def _positions(self) -> SegmentPositions:
        return {stream.name: stream.position for stream in self._streams}

    def after(self, edge: UserEdge) -> UserEdge:
        """Return the last edge of the page with the position of the end."""
        positions, taken = self._positions, edge.taken
        position = positions[taken.name]
        users, passed = (edge.node,), (position.passed,)
        last = TakenUsers(taken.name, position.segment, users, passed, positions, self._write_cursor)
        return UserEdge(edge.node, position, last)

    def store_prefetched(self) -> str:
        """Store the users, at the first call, and return the cursor."""
        if self._cursor is None:
            self._cursor = self._write_cursor(self._positions)
            windows = {stream.name: stream.prefetched for stream in self._streams}
            self._store(self._cursor, {name: window for name, window in windows.items() if window})
        return self._cursor


class Merge:
    """Reads pages of the users of all configured sources."""

    def __init__(self, sources: Sources, reads: UserReader, cursors: Cursors, prefetched: PrefetchedUsers) -> None:
        self._sources = sources
        self._reads = reads
        self._cursors = cursors
        self._prefetched = prefetched

    async def page(
        self,
        query: UserQuery,
        needs: frozenset[str],
        *,
        first: int,
        after: str | None = None,
        requested: Sequence[UserSource] | None = None,
        readable: Collection[UserSource] = tuple(UserSource),
        principal: str = "",
    ) -> MergedPage:
        """Return the `first` users after a cursor.

        `needs` are those of a user (`planning.Plan`). `requested` are the sources to read, None for all that are
        configured and `readable` by the caller. Users that were read for one `principal` are not returned to another
        one; a cursor holds positions only, so it is valid for every principal.

        Raises:
            BadUserInput: the cursor is not one of this list, or a source does not accept the query.
            GatewayError: no source responded; the most relevant of their errors.
        """
        cursors = PageCursors(self._cursors, query, requested)
        before = {} if after is None else cursors.read(after)
        sources, missing = self._select(query, requested, readable)
        clock = self._prefetched.clock
        streams = [
            SourceStream(
                self._reads, source, query, needs, before.get(source.name, WalkPosition()), order=order, clock=clock
            )
            for order, source in enumerate(sources)
        ]
        if after is not None and await self._reads.may_use_prefetched():
            prefetched = self._prefetched.find(principal, after, needs)
            for source, stream in zip(sources, streams, strict=True):
                window = prefetched.get(source.name)
                if window is not None and self._reads.accepts_prefetched(
                    source, clock() - window.read_at, self._prefetched.seconds
                ):
                    stream.use_prefetched(window)

        # A first page reads little more than itself; a client that continues may continue further. Not every source
        # compares whole addresses: the user is then among others, and more windows would be read for the same page.
        is_small = after is None and query.email is None
        parts = await _take_users(streams, first, first + 1 if is_small else _MAX_WINDOW, cursors.write)
        failed = {stream.name: stream.error for stream in streams if stream.error is not None}
        if not any(stream.responded for stream in streams) and (failed or (missing and not streams)):
            raise_most_relevant([*failed.values(), *missing.values()])
        has_next_page = any(_has_more(stream) for stream in streams)
        end = None
        if parts or has_next_page:
            end = PageEnd(
                streams,
                cursors.write,
                lambda cursor, windows: self._prefetched.store(principal, cursor, needs, windows),
            )
        stale = [page for stream in streams for page in stream.stale]
        unavailable = unavailable_sources(failed | missing, stale)
        reads = tuple([page.read for page in stale])
        nodes = tuple(chain.from_iterable([part.users for part in parts]))
        return MergedPage(nodes, tuple(parts), has_next_page, end, unavailable, reads)

    def _select(
        self, query: UserQuery, requested: Sequence[UserSource] | None, readable: Collection[UserSource]
    ) -> tuple[list[Source], dict[UserSource, GatewayError]]:
        """Return the sources to read, in the order of their users of one instant, and those not configured."""
        names = [name for name in UserSource if name in (readable if requested is None else requested)]
        if query.role_type is not None:  # only users of the account source have one
            names = [name for name in names if name is UserSource.ACCOUNT]
        found = {name: self._sources.find(name) for name in names}
        missing: dict[UserSource, GatewayError] = {}
        if requested is not None or query.role_type is not None:
            missing = {name: not_configured(name) for name, source in found.items() if source is None}
        return [source for source in found.values() if source is not None], missing


async def _take_users(
    streams: Sequence[SourceStream], first: int, limit: int, write_cursor: Callable[[SegmentPositions], str]
) -> list[TakenUsers]:
    """Take the next users of all streams in order, each with the positions after it.

    In each round, either the streams that could hold the next user are read at the same time, `limit` users each, or
    the stream with the next user takes as many as rank before the other streams. After the last user, streams are read
    on if no head is left, so that `has_next_page` is true only if there is a next user.
    """
    parts: list[TakenUsers] = []
    missing = first
    while True:
        ready = min((stream for stream in streams if stream.head is not None), key=_rank, default=None)
        if not missing and (ready is not None or any(stream.error for stream in streams)):
            return parts
        to_read = [stream for stream in streams if stream.needs_read and (ready is None or stream.rank < ready.rank)]
        if any(stream.read_limit_reached for stream in to_read) or not (to_read or ready):
            return parts
        if to_read:
            await gather(stream.read(limit) for stream in to_read)
            for stream in to_read:
                if isinstance(stream.error, BadUserInput):
                    raise stream.error
            limit = _MAX_WINDOW
        elif ready is not None:
            others = [stream for stream in streams if stream is not ready]
            before = min(
                (stream.rank for stream in others if stream.head is not None or stream.needs_read), default=None
            )
            segment, users, passed = ready.take(missing, before)
            if users:
                positions = {stream.name: stream.position for stream in others}
                parts.append(TakenUsers(ready.name, segment, users, passed, positions, write_cursor))
                missing -= len(users)


def _rank(stream: SourceStream) -> tuple[float, int]:
    return stream.rank


def _has_more(stream: SourceStream) -> bool:
    """Return whether the source may have more users; after a failure it may, unless it is not configured."""
    return not stream.done and not isinstance(stream.error, SourceNotConfigured)
