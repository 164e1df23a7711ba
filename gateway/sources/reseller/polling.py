"""Finds the changes of users in the reseller source by reading all of them, as a reconciliation of its webhooks.

The API has no list of changes, and a webhook that is lost is not missed. See docs/upstreams/reseller.md, "Polling".
"""

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec

from gateway.users.ids import Kind, Ref
from gateway.users.kept.fingerprint import user_fingerprint
from gateway.users.model import Timestamp, User, UserChange, UserSource
from gateway.users.source import UserQuery, Window
from gateway.users.source_changes import SourceChanges

__all__ = ["ResellerChanges"]

_PAGE = 100  # users
_MAX_RETURNS = 20  # to earlier pages, because users have moved there
_MAX_USELESS = 3  # pages in succession without a new user
_MAX_READS = 50  # of missing users in one round; the others are read in the next ones
_OVERLAP = timedelta(seconds=5)  # in which a user can be changed again without a later time of change
_SAME_INSTANT = timedelta(milliseconds=100)  # between the two times of a user that was just created


class _State(NamedTuple):
    """A user as it was found."""

    source_id: str
    fingerprint: str  # without its last activity
    last_active_at: str | None
    organization: int  # the hash of all of its fields
    changed_at: datetime | None


_Snapshot = Mapping[str, _State]  # by the ids in lower case


@dataclass(frozen=True, slots=True)
class _Round:
    """A round that was completed: its position, when it began by the clock of the source, and what it found."""

    position: str
    began: datetime
    snapshot: _Snapshot


class ResellerChanges:
    """Implements `gateway.users.source.PolledSource` for the configured reseller.

    `page` and `fetch` are those of the source, `now` is its clock.

    All users are compared with those of the last round. These are in the memory of this process alone, so that a
    position only says which round of which process it is of: for another process, all changes are unknown.

    The pages of the list are addressed by number, newest user first. While they are read, new users move the others to
    later places, where they are read twice, and deleted ones move them to earlier places. So each page has to contain a
    user that was read before, else the reading returns to earlier pages. A user is deleted if it is not in the list
    any more, and a read of it alone finds none. What happens after a page was read is found in the next round.

    A changed organization is an unknown change: users contain it, and are not changed by it. Nor are they changed by a
    login, after which they have another time of their last activity.
    """

    name = UserSource.RESELLER

    def __init__(
        self,
        page: Callable[[UserQuery, str | None, int, frozenset[str]], Awaitable[Window]],
        fetch: Callable[[Ref, frozenset[str]], Awaitable[User | None]],
        *,
        tenant: str,
        now: Callable[[], float],
    ) -> None:
        self._page = page
        self._fetch = fetch
        self._tenant = tenant
        self._now = now
        self._process = secrets.token_hex(8)
        self._number = 0
        # The last round of which the position was saved, and the one after it, which may not have been.
        self._saved: _Round | None = None
        self._latest: _Round | None = None

    async def changes_since(self, position: str | None) -> SourceChanges:
        if self._latest is not None and self._latest.position == position:
            self._saved, self._latest = self._latest, None
        last = self._saved if self._saved is not None and self._saved.position == position else None
        began = datetime.fromtimestamp(self._now(), UTC)
        users = await self._read_all()
        self._number += 1
        following = f"{self._process} {self._number}"
        if users is None:
            return SourceChanges((), following, has_unknown=True)
        if last is None:
            self._latest = _Round(following, began, {key: _state(user) for key, user in users.items()})
            return SourceChanges((), following, has_unknown=True)
        missing = [state.source_id for key, state in last.snapshot.items() if key not in users]
        undecided = missing[_MAX_READS:]
        users |= {_key(user.source_id): user for user in await self._read_missing(missing[:_MAX_READS])}
        snapshot = {key: last.snapshot[key] for key in map(_key, undecided)}
        changes: list[tuple[UserChange, User]] = []
        altered: list[User] = []
        has_unknown = bool(undecided)
        for key, user in users.items():
            before = last.snapshot.get(key)
            snapshot[key] = state = _state(user)
            if before is None:
                changes.append((_new(user), user))
            elif state.fingerprint != before.fingerprint:
                changes.append((UserChange.UPDATED, user))
            elif state.last_active_at != before.last_active_at or _is_recent(before, last.began):
                altered.append(user)
            if before is not None and state.organization != before.organization:
                has_unknown = True
        changes.sort(key=lambda change: _changed_at(change[1]) or datetime.min.replace(tzinfo=UTC))
        gone = [last.snapshot[_key(source_id)] for source_id in missing if _key(source_id) not in snapshot]
        changes += [(UserChange.DELETED, self._deleted(state)) for state in gone]
        self._latest = _Round(following, began, snapshot)
        return SourceChanges(tuple(changes), following, has_unknown, tuple(altered))

    def _deleted(self, state: _State) -> User:
        at = None if state.changed_at is None else Timestamp(state.changed_at.isoformat())
        return User(self.name, state.source_id, self._tenant, updated_at=at)

    async def _read_all(self) -> dict[str, User] | None:
        """Return all users; None if they move faster than they are read, or the pages are always the same."""
        found: dict[str, User] = {}
        position: str | None = None
        returns = useless = 0
        while True:
            window = await self._page(UserQuery(), position, _PAGE, frozenset())
            users = {_key(user.source_id): user for user in window.items}
            if position is not None and found.keys().isdisjoint(users):
                position, returns = window.previous, returns + 1
            else:
                useless = 0 if users.keys() - found.keys() else useless + 1
                found |= users
                if window.next is None:
                    return found
                position = window.next
            if returns > _MAX_RETURNS or useless > _MAX_USELESS:
                return None

    async def _read_missing(self, source_ids: Sequence[str]) -> list[User]:
        """Return those users that exist all the same."""
        found = [
            await self._fetch(Ref(Kind.USER, self.name, source_id, self._tenant), frozenset())
            for source_id in source_ids
        ]
        return [user for user in found if user is not None]


def _state(user: User) -> _State:
    fingerprint = user_fingerprint(msgspec.structs.replace(user, last_active_at=None))
    return _State(user.source_id, fingerprint, user.last_active_at, hash(user.organization), _changed_at(user))


def _new(user: User) -> UserChange:
    """Return the change of a user that was not there in the last round; its event may have been in a webhook."""
    changed_at = _changed_at(user)
    created_at = None if user.created_at is None else user.created_at.instant()
    if changed_at is None or created_at is None or changed_at - created_at < _SAME_INSTANT:
        return UserChange.CREATED
    return UserChange.UPDATED


def _is_recent(state: _State, began: datetime) -> bool:
    """Return whether the user had just been changed when a round began.

    Before the next one it can have been changed to and fro, with the same time of change.
    """
    return state.changed_at is not None and state.changed_at > began - _OVERLAP


def _changed_at(user: User) -> datetime | None:
    return None if user.updated_at is None else user.updated_at.instant()


def _key(source_id: str) -> str:
    """Return the same key for any letter case: GUIDs are written in both."""
    return source_id.casefold()
