"""How far a walk has come in one source, and how it continues there although the list has changed meanwhile.

A walk reads a list page by page; days may pass between two pages. A source that lists by cursor continues exactly
after the last user. A source that lists by offset or page number moves: each new user pushes all later ones one index
on, each deletion pulls them one index back. So a walk position holds, besides the position of the source to read from,
an anchor: the last users that the walk passed, that is, that it returned or that did not match the query.

What holds at every read, whatever was created or deleted before it:

1. No user that the walk passed is read as a new one.
2. No user after the anchor is skipped.
3. A user that was created before the anchor, in the order of the list, may be skipped: a walk does not go back.

This requires that a source lists users in the same order at every read, among users of one instant too. How many
deletions between two pages it withstands: `_MAX_HASHES`.
"""

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import takewhile
from typing import Any

from gateway.users.model import Timestamp, User
from gateway.users.source import Window

__all__ = ["Anchor", "AnchorSearch", "WalkPosition", "instant_of"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_UNDATED = -(2**63)  # older than everything: users without a time of creation come last
# The anchor is found exactly unless, between two pages, so many passed users are deleted, and with them others of the
# same instant.
_MAX_HASHES = 8
_MAX_CACHED_TIME = 64  # characters: RFC 3339 allows any number of fractional digits
_HASH_BYTES = 6


def instant_of(user: User) -> int:
    """Return when the user was created, in microseconds since 1970; a user without that time is older than all."""
    time = user.created_at
    if time is None:
        return _UNDATED
    return _microseconds(time) if len(time) <= _MAX_CACHED_TIME else _microseconds.__wrapped__(time)


@lru_cache(1_024)  # the users at the ends of a segment are compared several times
def _microseconds(time: Timestamp) -> int:
    return (time.instant() - _EPOCH) // _MICROSECOND


def _id_hash(user: User) -> bytes:
    return hashlib.blake2b(user.source_id.encode(errors="surrogatepass"), digest_size=_HASH_BYTES).digest()


@dataclass(frozen=True, slots=True)
class Anchor:
    """The users that a walk passed last.

    `id_hashes` are short hashes of the ids of the last few, the very last one at the end. `instant` is that of the
    very last one. `ties` counts the users of that instant that were passed and can be read again.
    """

    instant: int
    id_hashes: tuple[bytes, ...]
    ties: int

    @classmethod
    def after(cls, users: Sequence[User], previous: "Anchor | None") -> "Anchor | None":
        """Return the anchor for a walk that had the previous anchor and then passed these users."""
        if not users:
            return previous
        instant = instant_of(users[-1])
        ties = sum(1 for _ in takewhile(lambda user: instant_of(user) == instant, reversed(users)))
        id_hashes = tuple(map(_id_hash, users[-_MAX_HASHES:]))
        if previous is None:
            return cls(instant, id_hashes, ties)
        if ties == len(users) and instant == previous.instant:
            ties += previous.ties
        return cls(instant, (*previous.id_hashes, *id_hashes)[-_MAX_HASHES:], ties)

    def without_ties(self) -> "Anchor":
        """Return the same anchor for a position from which no passed user of its instant can be read again."""
        return replace(self, ties=0)

    @property
    def ties_without_hash(self) -> int:
        """How many of the ties have no hash in the anchor."""
        return max(0, self.ties - len(self.id_hashes))


@dataclass(frozen=True, slots=True)
class WalkPosition:
    """How far a walk has come in one source: at the start, after the anchor, or done. A cursor holds one per source.

    `read_from` is the position of the source from which to read, None for the start of the list. If `exact`, the first
    user there is the next one. Otherwise the anchor has to be searched for from there.
    """

    read_from: str | None = None
    anchor: Anchor | None = None
    exact: bool = False
    done: bool = False

    @classmethod
    def after_window(cls, window: Window, anchor: Anchor | None, *, exact: bool) -> "WalkPosition":
        """Return the position at the end of a window; `exact`: no passed user can follow that window."""
        if window.next is None:
            return cls(done=True)
        if window.overlapping or anchor is None:
            return cls(window.next, anchor)
        return cls(window.next, anchor.without_ties(), exact=exact)

    def search(self) -> "AnchorSearch":
        """Return a search for the first user that was not passed."""
        return AnchorSearch(None if self.exact else self.anchor, self.read_from)

    def pack(self) -> Any:
        """Return the position as a short JSON value for a cursor, which `unpack` reads."""
        if self.done:
            return None
        if self.anchor is None:
            return [self.read_from]
        id_hashes = b64encode(b"".join(self.anchor.id_hashes)).decode()
        return [self.read_from, self.anchor.instant, self.anchor.ties, id_hashes, int(self.exact)]

    @classmethod
    def unpack(cls, packed: Any) -> "WalkPosition":
        """Return the position that `pack` was called on."""
        if packed is None:
            return cls(done=True)
        read_from, *anchor = packed
        if not anchor:
            return cls(read_from)
        instant, ties, encoded, exact = anchor
        joined = b64decode(encoded)
        id_hashes = tuple(joined[start : start + _HASH_BYTES] for start in range(0, len(joined), _HASH_BYTES))
        return cls(read_from, Anchor(instant, id_hashes, ties), bool(exact))


@dataclass(slots=True)
class AnchorSearch:
    """Searches a source, window by window, for the first user after the anchor.

    Call `users_after` with the window at `read_from` until it returns users. The rules, in order:

    1. If the window contains a user of the anchor's hashes, the users after the latest such one are the result. This
       works in whatever order the source lists its users.
    2. Otherwise the instants decide, but only once the windows are known to begin at or before the anchor: with the
       start of the list, or with a user newer than the anchor. Until then the search goes back, window by window,
       since after deletions users that were not passed may come before the first window.
    3. From there it goes on to the first user older than the anchor's instant, because a user of the hashes may still
       come. Users of the anchor's instant are collected on the way: the instant does not show which were passed.
    4. If no user of the hashes came, all of them were deleted. The result is the collected users without the first n,
       where n users of that instant were passed and have no hash, and then the older users.
    """

    anchor: Anchor | None
    read_from: str | None
    reread_from: str | None = None  # the position of the source from which the returned users can be read again
    exact: bool = False  # all users that the walk passed come before the returned ones
    _reaches_anchor: bool = False  # no user after the anchor can come before the windows from here on (rule 2)
    _tied_users: dict[bytes, User] = field(default_factory=dict)  # of the anchor's instant in those windows (rule 3)

    def users_after(self, window: Window) -> tuple[User, ...] | None:
        """Return the users after the anchor in the window at `read_from`, or None: read the next `read_from`."""
        read_from, anchor = self.read_from, self.anchor
        if not self._tied_users:
            self.reread_from = read_from
        if anchor is None:
            self.exact = True
            return window.items
        hashes = [_id_hash(user) for user in window.items]
        found = next((hashes.index(known) for known in reversed(anchor.id_hashes) if known in hashes), None)
        if found is not None:
            self.reread_from = read_from
            self.exact = is_last = hashes[found] == anchor.id_hashes[-1]
            # If it is not the last one passed, those passed after it were deleted, or come later because users were
            # created in between. Such new users are skipped if they are newer than the anchor: see 3 above.
            users = tuple(
                user
                for id_hash, user in zip(hashes[found + 1 :], window.items[found + 1 :], strict=True)
                if id_hash not in anchor.id_hashes and (is_last or instant_of(user) <= anchor.instant)
            )
            if users or is_last or window.overlapping or window.next is None:
                return users
            self.anchor, self.read_from = anchor.without_ties(), window.next
            return None
        instants = [instant_of(user) for user in window.items]
        self._reaches_anchor = self._reaches_anchor or window.previous is None or instants[:1] > [anchor.instant]
        if not self._reaches_anchor:
            self.read_from = window.previous
            return None
        older = next((index for index, instant in enumerate(instants) if instant < anchor.instant), len(instants))
        for index in range(older):
            if instants[index] == anchor.instant:
                self._tied_users.setdefault(hashes[index], window.items[index])
        if older == len(instants) and window.next is not None:
            self.read_from = window.next
            return None
        return (*tuple(self._tied_users.values())[anchor.ties_without_hash :], *window.items[older:])
