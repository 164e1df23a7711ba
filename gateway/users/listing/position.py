"""How far a walk over the users has come in one source, and how it finds its place again in a list that moved.

Lists by offset and by page number move while somebody is paging: a new user pushes everything one place on, a
deleted one pulls it back. So a walk remembers not only the position to read from, but also whom it passed last.
"""

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any

from gateway.users.model import User
from gateway.users.source import Window

__all__ = ["Anchor", "Progress", "Search", "instant_of"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_UNDATED = -(2**63)  # older than everything: users whose source does not say when they were created come last
# So many of the users passed last are remembered one by one, each by six bytes. The place stays exact until that many
# are deleted between two pages together with more of the same instant.
_REMEMBERED = 8
_MARK_BYTES = 6


def instant_of(user: User) -> int:
    """When the user was created, in microseconds since 1970; what is undated is older than everything."""
    return _UNDATED if user.created_at is None else (user.created_at.instant() - _EPOCH) // _MICROSECOND


def _mark(user: User) -> bytes:
    return hashlib.blake2b(user.source_id.encode(errors="surrogatepass"), digest_size=_MARK_BYTES).digest()


@dataclass(frozen=True, slots=True)
class Anchor:
    """Whom a walk passed last.

    `trail` holds marks of the last few, the latest at the end; `instant` is the latest one's, and `tied` counts how
    many of that same instant were passed where they may be read again.
    """

    instant: int
    trail: tuple[bytes, ...]
    tied: int

    @classmethod
    def behind(cls, users: Sequence[User], before: "Anchor | None") -> "Anchor | None":
        """The anchor once these users were passed, too."""
        if not users:
            return before
        instant = instant_of(users[-1])
        tied = sum(1 for _ in takewhile(lambda user: instant_of(user) == instant, reversed(users)))
        trail = tuple(map(_mark, users[-_REMEMBERED:]))
        if before is None:
            return cls(instant, trail, tied)
        if tied == len(users) and instant == before.instant:
            tied += before.tied
        return cls(instant, (*before.trail, *trail)[-_REMEMBERED:], tied)

    def counting_anew(self) -> "Anchor":
        """The same, where nobody of its instant who was passed so far will be read again."""
        return replace(self, tied=0)

    @property
    def forgotten(self) -> int:
        """How many of the anchor's instant were passed that the trail no longer has."""
        return max(0, self.tied - len(self.trail))


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a walk stands in one source: at the start, behind the anchor, or done.

    The anchor is to be looked for from the position on, unless that is `exact`: right behind the anchor.
    """

    position: str | None = None
    anchor: Anchor | None = None
    exact: bool = False
    done: bool = False

    @classmethod
    def behind(cls, window: Window, anchor: Anchor | None, *, sure: bool) -> "Progress":
        """The progress where all of a window was passed; `sure` says that all whom the walk passed were in it."""
        if window.next is None:
            return cls(done=True)
        if window.overlapping or anchor is None:
            return cls(window.next, anchor)
        return cls(window.next, anchor.counting_anew(), exact=sure)

    def search(self) -> "Search":
        """The search for the first user who was not passed."""
        return Search(None if self.exact else self.anchor, self.position)

    def packed(self) -> Any:
        """The progress for a cursor, small: `unpacked` reads it."""
        if self.done:
            return None
        if self.anchor is None:
            return [self.position]
        trail = b64encode(b"".join(self.anchor.trail)).decode()
        return [self.position, self.anchor.instant, self.anchor.tied, trail, int(self.exact)]

    @classmethod
    def unpacked(cls, packed: Any) -> "Progress":
        """What `packed` wrote."""
        if packed is None:
            return cls(done=True)
        position, *anchor = packed
        if not anchor:
            return cls(position)
        instant, tied, trail, exact = anchor
        marks = b64decode(trail)
        trail = tuple(marks[at : at + _MARK_BYTES] for at in range(0, len(marks), _MARK_BYTES))
        return cls(position, Anchor(instant, trail, tied), bool(exact))


@dataclass(slots=True)
class Search:
    """Looks for the first user behind the anchor, window by window; `position` is where to read next.

    The anchor is looked for by the trail first, since that holds in whatever order the source has. Where none of
    it is left, the instants say what is behind it. Windows that begin behind the place, or among many users of the
    anchor's instant, cannot tell: then the search goes back, until nothing can have moved out to the left.
    """

    anchor: Anchor | None
    position: str | None
    start: str | None = None  # where the users that were found can be read again
    sure: bool = False  # nobody whom the walk has passed can come behind them
    _connected: bool = False  # nothing behind the anchor can be left of the windows from here on
    _tied: dict[bytes, User] = field(default_factory=dict)  # users of the anchor's instant in those windows

    def behind(self, window: Window) -> tuple[User, ...] | None:
        """The users behind the anchor in the window at `position`, or None where the search has to go on."""
        here, anchor = self.position, self.anchor
        if not self._tied:
            self.start = here
        if anchor is None:
            self.sure = True
            return window.items
        marks = [_mark(user) for user in window.items]
        found = next((marks.index(mark) for mark in reversed(anchor.trail) if mark in marks), None)
        if found is not None:
            self.start = here
            self.sure = latest = marks[found] == anchor.trail[-1]
            # Where it is not the latest, those passed after it are gone, or further on: others were put in between.
            rest = tuple(
                user
                for mark, user in zip(marks[found + 1 :], window.items[found + 1 :], strict=True)
                if mark not in anchor.trail and (latest or instant_of(user) <= anchor.instant)
            )
            if rest or latest or window.overlapping or window.next is None:
                return rest
            self.anchor, self.position = anchor.counting_anew(), window.next
            return None
        instants = [instant_of(user) for user in window.items]
        self._connected = self._connected or window.previous is None or instants[:1] > [anchor.instant]
        if not self._connected:
            self.position = window.previous
            return None
        older = next((at for at, instant in enumerate(instants) if instant < anchor.instant), len(instants))
        for at in range(older):
            if instants[at] == anchor.instant:
                self._tied.setdefault(marks[at], window.items[at])
        if older == len(instants) and window.next is not None:
            self.position = window.next  # the trail may still come
            return None
        # None of the trail is left. Of the anchor's instant, those that it had forgotten were passed, too.
        return (*tuple(self._tied.values())[anchor.forgotten :], *window.items[older:])
