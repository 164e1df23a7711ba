"""One source's part of a merge: its users one by one, read window by window."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise, takewhile

import msgspec

from gateway.errors import BadUserInput, GatewayError, Origin, SourceInvalidResponse
from gateway.users.listing.position import Anchor, Progress, Search, instant_of
from gateway.users.listing.prefetched import Unread
from gateway.users.model import User
from gateway.users.source import Source, UserQuery, Window

__all__ = ["SourceStream", "WalkPosition", "WalkSegment"]


@dataclass(frozen=True, slots=True)
class WalkSegment:
    """The users to be passed next; without a window none are in hand yet, and the walk stands at `start`.

    `sure` says that all whom the walk passed come before them (`Search.sure`).
    """

    start: Progress
    window: Window | None = None
    sure: bool = False

    @property
    def users(self) -> tuple[User, ...]:
        return () if self.window is None else self.window.items

    def done(self, passed: int) -> bool:
        """Whether the walk is through with the source once so many of the users were passed."""
        if self.window is None:
            return self.start.done
        return passed == len(self.window.items) and self.window.next is None

    def behind(self, passed: int) -> Progress:
        """The progress once so many of the users were passed."""
        if self.window is None:
            return self.start
        anchor = Anchor.behind(self.users[:passed], self.start.anchor)
        if passed < len(self.users):
            return Progress(self.start.position, anchor)
        return Progress.behind(self.window, anchor, sure=self.sure)


class WalkPosition(msgspec.Struct, frozen=True):
    """Where a walk stands in one source. Made for every user, so nothing is computed for it."""

    stretch: WalkSegment
    passed: int

    @property
    def progress(self) -> Progress:
        return self.stretch.behind(self.passed)


Rank = tuple[float, int]

_MOST_READS = 20
_LONGEST_SEARCH = 200  # windows: a source that needs more does not keep to its own order


class SourceStream:
    """The users of one source that a query means, in the source's own order, from a walk's progress on.

    `head` is the next user. Without one, a window has to be read (`due`), unless the walk is through with the source
    or the source has failed with `error`. Streams are merged by `rank`, the lowest first: without a head it is that
    of the user passed last, since what will be read can only come after it.
    """

    def __init__(
        self,
        source: Source,
        query: UserQuery,
        needs: frozenset[str],
        progress: Progress,
        *,
        order: int,
        clock: Callable[[], float],
    ) -> None:
        self.name = source.name
        self.head: User | None = None
        self.error: GatewayError | None = None
        self.answered = False
        self._source = source
        self._query = query
        self._needs = needs
        self._order = order
        self._clock = clock
        self._search: Search | None = None
        self._restarted = False
        self._reads = 0
        self._searched = 0
        self._stretch = WalkSegment(progress)
        self._ahead: list[tuple[User, int]] = []  # who is meant of those in hand, and how many are passed with each
        self._taken = 0  # of them
        self._passed = 0  # of all in hand
        self._read_at = 0.0
        self._rank: Rank | None = None

    @property
    def place(self) -> WalkPosition:
        """Where the walk stands now."""
        return WalkPosition(self._stretch, self._passed)

    @property
    def progress(self) -> Progress:
        """How far the walk has come."""
        return self.place.progress

    @property
    def done(self) -> bool:
        """Whether the walk is through with the source."""
        return self._stretch.done(self._passed)

    @property
    def due(self) -> bool:
        """Whether a window has to be read to know the next user."""
        return self.head is None and self.error is None and not self.done

    @property
    def spent(self) -> bool:
        """Whether this page may read no more here.

        That is so only where a source filters less than is asked: the page may then come back short, and its cursor
        goes on behind what was looked at.
        """
        return self._reads >= _MOST_READS

    @property
    def rank(self) -> Rank:
        """Its place among the streams."""
        if self._rank is None:
            self._rank = (-self._instant(), self._order)
        return self._rank

    @property
    def unread(self) -> Unread | None:
        """What is in hand, for a later page to take up."""
        window, left = self._stretch.window, self._stretch.users[self._passed :]
        return Unread(replace(window, items=left), self._stretch.sure, self._read_at) if window and left else None

    def take_up(self, unread: Unread) -> None:
        """Go on with what an earlier page has read behind this progress."""
        self.answered = True
        self._have(unread, self.progress.position)

    def take(self, most: int, before: Rank | None) -> list[tuple[User, WalkPosition]]:
        """The next users as far as they rank before that, at most so many, each with the place behind; now passed."""
        taken = self._ahead[self._taken : self._taken + most]
        if before is not None:
            taken = list(takewhile(lambda one: (-instant_of(one[0]), self._order) < before, taken))
        if taken:
            self._go_on(self._taken + len(taken), taken[-1][1])
        stretch = self._stretch
        return [(user, WalkPosition(stretch, passed)) for user, passed in taken]

    async def read(self, limit: int) -> None:
        """Read one window; whatever the source raises is in `error`."""
        search = self._search or self.progress.search()
        read_at = self._clock()
        try:
            window = await self._source.page_users(self._query, search.position, limit, self._needs)
        except BadUserInput as error:
            if search.position is None or self._restarted:
                self.error = error
            else:
                # The position is what it no longer takes, e.g. a cursor that has expired there: from the top, then,
                # to where the anchor is.
                self._restarted, self._search = True, Search(self.progress.anchor, None)
            return
        except GatewayError as error:
            self.error = error
            return
        self.answered = True
        users = search.behind(window)
        if users is not None:
            self._search = None
            self._reads += 1
            self._have(Unread(replace(window, items=users), search.sure, read_at), search.start)
            return
        self._search = search
        self._searched += 1
        if self._searched >= _LONGEST_SEARCH:
            message = f"The {self.name} system does not list its users in the same order again."
            self.error = SourceInvalidResponse(message, origin=Origin(source=self.name))

    def _have(self, unread: Unread, position: str | None) -> None:
        self._stretch = WalkSegment(Progress(position, self.progress.anchor), unread.window, unread.sure)
        self._read_at = unread.read_at
        users, takes = unread.window.items, self._query.takes
        # Who is not meant is passed with whoever is before.
        steps = [*(number for number, user in enumerate(users) if takes(user)), len(users)]
        self._ahead = [(users[number], passed) for number, passed in pairwise(steps)]
        self._go_on(0, steps[0])

    def _go_on(self, taken: int, passed: int) -> None:
        self._taken, self._passed = taken, passed
        self.head = self._ahead[taken][0] if taken < len(self._ahead) else None
        self._rank = None

    def _instant(self) -> float:
        """The head's, else that of the user passed last; before all others where nobody was."""
        if self.head is not None:
            return instant_of(self.head)
        anchor = self.progress.anchor
        return float("inf") if anchor is None else anchor.instant
