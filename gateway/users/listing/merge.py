"""One list out of three: the users of all sources, newest first, page by page.

A walk over the pages never skips and never repeats a user that did not change in between: also when pages differ in
size, when a source's window ends inside a page, when users come and go, and when a source fails for a page or more
(its part is then caught up with, so that only its users come out of order). Every source's own order is kept, and
taken to be the same at every read, among users of one instant too.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from gateway.errors import BadUserInput, GatewayError, SourceNotConfigured
from gateway.kit.tasks import gather
from gateway.users.listing.cursor import Cursors
from gateway.users.listing.position import Progress
from gateway.users.listing.prefetched import PrefetchedUsers
from gateway.users.listing.source_stream import SourceStream, WalkPosition
from gateway.users.model import User, UserSource
from gateway.users.source import Source, Sources, Unavailable, UserQuery, raise_most_relevant

__all__ = ["Merge", "UserEdge", "UserPage"]

State = dict[UserSource, Progress]
WalkPositions = dict[UserSource, WalkPosition]

_LARGEST = 1000  # as many as any source gives at once; each cuts it to its own


@dataclass(frozen=True, slots=True)
class SourceTurn:
    """One source's turn: where the others stand meanwhile, and what writes cursors."""

    name: UserSource
    others: WalkPositions = field(repr=False)
    write: Callable[[WalkPositions], str] = field(repr=False, compare=False)


class UserEdge(msgspec.Struct, frozen=True):
    """A user, and where the walk stands behind it. Made for every user, so nothing is computed for it."""

    node: User
    place: WalkPosition
    turn: SourceTurn

    def __repr__(self) -> str:
        return f"UserEdge({self.node!r})"  # its place holds all that was read with it

    @property
    def cursor(self) -> str:
        """The cursor to go on from behind this user, made when it is asked for."""
        return self.turn.write(self.turn.others | {self.turn.name: self.place})


@dataclass(frozen=True, slots=True)
class UserPage:
    """Users of all sources, newest first, and the sources whose part is missing.

    `end_cursor` goes on behind the page also where the page is empty: a source may be missing, or its users were
    looked through as far as one page may. It is None at the end of an empty list.
    """

    edges: tuple[UserEdge, ...]
    has_next_page: bool
    end_cursor: str | None
    unavailable: tuple[Unavailable, ...]


class Merge:
    """Pages of the users of the configured sources."""

    def __init__(self, sources: Sources, cursors: Cursors, leftovers: PrefetchedUsers) -> None:
        self._sources = sources
        self._cursors = cursors
        self._leftovers = leftovers

    async def page(
        self,
        query: UserQuery,
        needs: frozenset[str],
        *,
        first: int,
        after: str | None = None,
        named: Sequence[UserSource] | None = None,
        among: Collection[UserSource] = tuple(UserSource),
        principal: str = "",
    ) -> UserPage:
        """The `first` users behind a cursor.

        `needs` are those of a user (`planning.Plan`). `named` are the sources that are meant, all that are configured
        where it is None; of those, sources that are not `among` what the caller may read are passed over. What was
        read for one `principal` is not given to another: that needs no part in a cursor, which only names places.

        Raises:
            BadUserInput: the cursor is none of this list, or a source does not take the query.
            GatewayError: no source answered; the most telling of their errors.
        """
        scope = repr((query, None if named is None else sorted(set(named))))
        before: State = {} if after is None else _unpacked(self._cursors.read(scope, after))
        sources, unknown = self._select(query, named, among)
        clock = self._leftovers.clock
        streams = [
            SourceStream(source, query, needs, before.get(source.name, Progress()), order=order, clock=clock)
            for order, source in enumerate(sources)
        ]
        if after is not None:
            kept = self._leftovers.find(principal, after, needs)
            for stream in streams:
                if stream.name in kept:
                    stream.take_up(kept[stream.name])

        def write(places: WalkPositions) -> str:
            state = before | {name: place.progress for name, place in places.items()}
            return self._cursors.write(scope, {name.value: one.packed() for name, one in state.items()})

        # Nobody waits for more than a page at the start; who goes on may go on further.
        edges = await _draw(streams, first, first + 1 if after is None else _LARGEST, write)
        failed = {stream.name: stream.error for stream in streams if stream.error is not None}
        if not any(stream.answered for stream in streams) and (failed or (unknown and not streams)):
            raise_most_relevant([*failed.values(), *unknown.values()])
        # The last user's cursor also goes on behind what was looked at in vain after it.
        places = {stream.name: stream.place for stream in streams}
        for last in edges[-1:]:
            edges[-1] = UserEdge(last.node, places[last.turn.name], replace(last.turn, others=places))
        has_next_page = any(_goes_on(stream) for stream in streams)
        end_cursor = write(places) if edges or has_next_page else None
        if end_cursor is not None:
            unread = {stream.name: stream.unread for stream in streams}
            self._leftovers.keep(principal, end_cursor, needs, {name: one for name, one in unread.items() if one})
        told = sorted((failed | unknown).items(), key=lambda pair: list(UserSource).index(pair[0]))
        unavailable = tuple(Unavailable.of(name, error) for name, error in told)
        return UserPage(tuple(edges), has_next_page, end_cursor, unavailable)

    def _select(
        self, query: UserQuery, named: Sequence[UserSource] | None, among: Collection[UserSource]
    ) -> tuple[list[Source], dict[UserSource, GatewayError]]:
        """The sources to ask, in the order of users of one instant, and those named but not configured."""
        wanted = [name for name in UserSource if name in (among if named is None else named)]
        if query.role_type is not None:  # only its users have one
            wanted = [name for name in wanted if name is UserSource.ACCOUNT]
        found: list[Source] = []
        unknown: dict[UserSource, GatewayError] = {}
        for name in wanted:
            try:
                found.append(self._sources.named(name))
            except SourceNotConfigured as error:
                if named is not None or query.role_type is not None:
                    unknown[name] = error
        return found, unknown


async def _draw(
    streams: Sequence[SourceStream], first: int, limit: int, write: Callable[[WalkPositions], str]
) -> list[UserEdge]:
    """The next users in order, each with the places behind.

    Windows are read only of streams that could hold the next user, those at the same time. Also behind the last user
    where nothing is in hand: whether there is more should be true.
    """
    drawn: list[UserEdge] = []
    while True:
        ready = min((stream for stream in streams if stream.head is not None), key=_rank, default=None)
        if len(drawn) == first and (ready is not None or any(stream.error for stream in streams)):
            return drawn
        due = [stream for stream in streams if stream.due and (ready is None or stream.rank < ready.rank)]
        if any(stream.spent for stream in due) or not (due or ready):
            return drawn
        if due:
            await gather(stream.read(limit) for stream in due)
            for stream in due:
                if isinstance(stream.error, BadUserInput):
                    raise stream.error
            limit = _LARGEST
        elif ready is not None:
            others = [stream for stream in streams if stream is not ready]
            turn = SourceTurn(ready.name, {stream.name: stream.place for stream in others}, write)
            before = min((stream.rank for stream in others if stream.head is not None or stream.due), default=None)
            drawn += [UserEdge(user, place, turn) for user, place in ready.take(first - len(drawn), before)]


def _rank(stream: SourceStream) -> tuple[float, int]:
    return stream.rank


def _goes_on(stream: SourceStream) -> bool:
    """Whether there is more to come, also after a failure; a source that is not configured has nothing to catch up."""
    return not stream.done and not isinstance(stream.error, SourceNotConfigured)


def _unpacked(packed: Any) -> State:
    return {UserSource(name): Progress.unpacked(one) for name, one in packed.items()}
