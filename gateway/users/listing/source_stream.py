"""The users of one source during a merge, read window after window.

Terms: a window is the result of one call. A segment is a window without the users that come before the anchor. The
stream takes users from the front of the segment. A segment position counts how many were passed: those that were taken
and those that do not match the query. Once the segment is used up, the next window is read.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice, takewhile

import msgspec

from gateway.errors import BadUserInput, GatewayError, Origin, SourceInvalidResponse
from gateway.users.kept.stale_page import StalePage
from gateway.users.listing.position import Anchor, AnchorSearch, WalkPosition, instant_of
from gateway.users.listing.prefetched import PrefetchedWindow
from gateway.users.model import User
from gateway.users.reading import UserReader
from gateway.users.source import Source, UserQuery, Window

__all__ = ["SegmentPosition", "SourceStream", "WalkSegment"]


@dataclass(frozen=True, slots=True)
class WalkSegment:
    """Consecutive users that a walk passes next; it has no window as long as none was read.

    `start` is the walk position before the first user. `exact`: all users that the walk passed come before these
    (`AnchorSearch.exact`).
    """

    start: WalkPosition
    window: Window | None = None
    exact: bool = False

    @property
    def users(self) -> tuple[User, ...]:
        return () if self.window is None else self.window.items

    def is_last(self, passed: int) -> bool:
        """Return whether the walk is done with the source once that many users of the segment were passed."""
        if self.window is None:
            return self.start.done
        return passed == len(self.window.items) and self.window.next is None

    def position_after(self, passed: int) -> WalkPosition:
        """Return the walk position once that many users of the segment were passed."""
        if self.window is None:
            return self.start
        anchor = Anchor.after(self.users[:passed], self.start.anchor)
        if passed < len(self.users):
            return WalkPosition(self.start.read_from, anchor)
        return WalkPosition.after_window(self.window, anchor, exact=self.exact)


class SegmentPosition(msgspec.Struct, frozen=True):
    """A walk position in its cheapest form: a segment and how many of its users were passed.

    The walk position is computed only when a cursor is written.
    """

    segment: WalkSegment
    passed: int

    @property
    def walk_position(self) -> WalkPosition:
        return self.segment.position_after(self.passed)


Rank = tuple[float, int]

_MAX_FILTERED_READS = 3  # windows of a page with users that do not match: the cost of a list counts one call
_MAX_SEARCHED = 200  # windows; more are needed only if a source does not keep its order


class SourceStream:
    """The users of one source that match a query, in the source's order, from a walk position on.

    `head` is the next user. If it is None, a window has to be read (`needs_read`), unless the walk is done with the
    source or the source has failed with `error`. Streams are merged by `rank`, the lowest first. Without a head, the
    rank is that of the last user passed, because any user still to be read comes after that one.
    """

    def __init__(
        self,
        reads: UserReader,
        source: Source,
        query: UserQuery,
        needs: frozenset[str],
        start: WalkPosition,
        *,
        order: int,
        clock: Callable[[], float],
    ) -> None:
        self.name = source.name
        self.head: User | None = None
        self.error: GatewayError | None = None
        self.responded = False
        self.stale: list[StalePage] = []  # windows past their lifetime
        self._reads = reads
        self._source = source
        self._query = query
        self._needs = needs
        self._order = order  # among streams whose next users have one instant
        self._clock = clock
        self._search: AnchorSearch | None = None  # under way, over several windows
        self._restarted = False
        self._filtered_reads = 0
        self._searched = 0
        self._segment = WalkSegment(start)
        self._matching: Sequence[User] = ()  # the users of the segment that match
        self._passed_with: Sequence[int] = ()  # how many users of the segment are passed once each of these is taken
        self._taken = 0  # users of `_matching`
        self._passed = 0  # users of the segment
        self._read_at = 0.0
        self._rank: Rank | None = None

    @property
    def position(self) -> SegmentPosition:
        """The current position of the walk in this source."""
        return SegmentPosition(self._segment, self._passed)

    @property
    def walk_position(self) -> WalkPosition:
        """The same, in the form that a cursor holds."""
        return self.position.walk_position

    @property
    def done(self) -> bool:
        """Whether the walk is done with the source."""
        return self._segment.is_last(self._passed)

    @property
    def needs_read(self) -> bool:
        """Whether a window has to be read to get the next user."""
        return self.head is None and self.error is None and not self.done

    @property
    def read_limit_reached(self) -> bool:
        """Whether this page may read no more windows of this source.

        This happens only where a source filters by less than the query: the page may then have fewer users than
        requested, and its cursor continues after those that did not match.
        """
        return self._filtered_reads >= _MAX_FILTERED_READS

    @property
    def rank(self) -> Rank:
        """The order of this stream among the streams of a merge."""
        if self._rank is None:
            self._rank = (-self._instant(), self._order)
        return self._rank

    @property
    def prefetched(self) -> PrefetchedWindow | None:
        """The rest of the segment, for a later page; None where there is none, or where it is past its lifetime."""
        window, rest = self._segment.window, self._segment.users[self._passed :]
        return (
            PrefetchedWindow(replace(window, items=rest), self._segment.exact, self._read_at)
            if window and rest and not self.stale
            else None
        )

    def use_prefetched(self, prefetched: PrefetchedWindow) -> None:
        """Continue with users that were read for an earlier page at this walk position."""
        self.responded = True
        self._set_segment(prefetched, self.walk_position.read_from)

    def take(self, limit: int, before: Rank | None) -> tuple[WalkSegment, Sequence[User], Sequence[int]]:
        """Pass the next users that rank before `before`, `limit` at most.

        Returns:
            Their segment, the users, and for each how many of the segment's users are passed with it.
        """
        start, stop = self._taken, min(self._taken + limit, len(self._matching))
        if before is not None:
            ranks_before = partial(self._ranks_before, before)
            stop = start + sum(1 for _ in takewhile(ranks_before, islice(self._matching, start, stop)))
        users, passed = self._matching[start:stop], self._passed_with[start:stop]
        if users:
            self._advance(stop, passed[-1])
        return self._segment, users, passed

    def _ranks_before(self, rank: Rank, user: User) -> bool:
        return (-instant_of(user), self._order) < rank

    async def read(self, limit: int) -> None:
        """Read one window; an error of the source is stored in `error`."""
        # A search compares a window with what the walk has passed. It ends if the windows show the list as it is now.
        anew = self._search is not None
        search = self._search or self.walk_position.search()
        read_at = self._clock()
        try:
            window, age, stale = await self._reads.page(
                self._source, self._query, search.read_from, limit, self._needs, anew=anew
            )
        except BadUserInput as error:
            if search.read_from is None or self._restarted:
                self.error = error
            else:
                # The source no longer accepts its position, for example an expired cursor: search for the anchor
                # from the start of the list.
                self._restarted, self._search = True, AnchorSearch(self.walk_position.anchor, None)
            return
        except GatewayError as error:
            self.error = error
            return
        self.responded = True
        read_at = min(read_at, self._clock() - age)
        if stale is not None:
            self.stale.append(stale)
        users = search.users_after(window)
        if users is not None:
            self._search = None
            if users is not window.items:
                window = replace(window, items=users)
            self._set_segment(PrefetchedWindow(window, search.exact, read_at), search.reread_from)
            self._filtered_reads += len(self._matching) < len(users)
            return
        self._search = search
        self._searched += 1
        if self._searched >= _MAX_SEARCHED:
            message = f"The {self.name} source did not list its users in the same order as before."
            self.error = SourceInvalidResponse(message, origin=Origin(source=self.name))

    def _set_segment(self, prefetched: PrefetchedWindow, read_from: str | None) -> None:
        self._segment = WalkSegment(
            WalkPosition(read_from, self.walk_position.anchor), prefetched.window, prefetched.exact
        )
        self._read_at = prefetched.read_at
        users = prefetched.window.items
        # A user that does not match is passed with the matching one before it, at the start of the segment at once.
        indices = self._query.matching(users)
        if len(indices) == len(users):  # most queries: no object for each user
            self._matching, self._passed_with = users, range(1, len(users) + 1)
        else:
            self._matching, self._passed_with = [users[index] for index in indices], [*indices[1:], len(users)]
        self._advance(0, indices[0] if indices else len(users))

    def _advance(self, taken: int, passed: int) -> None:
        self._taken, self._passed = taken, passed
        self.head = self._matching[taken] if taken < len(self._matching) else None
        self._rank = None

    def _instant(self) -> float:
        """Return the instant of the head, else of the last user passed, else one that is newer than all."""
        if self.head is not None:
            return instant_of(self.head)
        anchor = self.walk_position.anchor
        return float("inf") if anchor is None else anchor.instant
