"""Finds the changes of users in the softwareone source, which sends no webhooks for them, by the times in `audit`.

See docs/upstreams/softwareone.md, "Events".
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

from gateway.errors import BadUserInput, SourceInvalidResponse
from gateway.sources.http.api import Api
from gateway.sources.http.json import JsonDecoder, decode_response
from gateway.sources.softwareone import rql
from gateway.sources.softwareone.wire import MarketplaceWireUsers
from gateway.users.kept.fingerprint import user_fingerprint
from gateway.users.model import Timestamp, User, UserChange, UserSource
from gateway.users.source_changes import SourceChanges

__all__ = ["SoftwareOneChanges"]

_USER_LIST = JsonDecoder(MarketplaceWireUsers)
_USERS_PATH = "/public/v1/accounts/users"
_MAX_LIMIT = 100  # docs/upstreams/softwareone.md, "Lists"
_MAX_PAGES = 10  # the next poll continues after them
_OVERLAP = timedelta(seconds=5)  # a change may become visible a little after its time, when it is committed
# Two lists, because a user that was never changed has no `audit.updated`.
_TIMES = ("audit.created.at", "audit.updated.at")


@dataclass(frozen=True, slots=True)
class _Position:
    """Where a poll continues: the earliest time to read from, and the time from which the next poll continues.

    `_OVERLAP` is subtracted from the latter, which results in `since`. `known` are hashes of states in that overlap
    that need not be reported again. `count` is the number of users that were created before `since`, None if it is not
    known, and `created` are hashes of those that were created later. All times and hashes are texts.
    """

    began: str
    at: str
    known: frozenset[str] = frozenset()
    count: int | None = None
    created: frozenset[str] = frozenset()

    @property
    def since(self) -> str:
        return max(self.began, _earlier(self.at))

    @classmethod
    def parse(cls, text: str) -> "_Position":
        """Read a position; one of a former version has no count."""
        began, at, *others = text.split(" ")
        counts = [int(other[1:]) for other in others if other.startswith("#")]
        created = frozenset(other[1:] for other in others if other.startswith("+"))
        known = frozenset(other for other in others if other[0] not in "#+")
        return cls(began, at, known, counts[0] if counts else None, created)

    def __str__(self) -> str:
        count = [] if self.count is None else [f"#{self.count}"]
        return " ".join(
            [self.began, self.at, *sorted(self.known), *count, *(f"+{each}" for each in sorted(self.created))]
        )


class SoftwareOneChanges:
    """Implements `gateway.users.source.PolledSource`.

    A user that was created and changed between two polls is reported as changed. A change may become visible late, with
    an earlier time or the same one as another, so that each poll reads the overlap again.

    Deleted users are in no list. They are missed by their number: of the users that were created before a time, none is
    added later. So that number is compared with the one of the last poll, to which those are added that have been
    created since; those that are too new for it are compared one by one. Which user was deleted is not known.
    """

    name = UserSource.SOFTWAREONE

    def __init__(self, api: Api, base_url: str) -> None:
        self._api = api
        self._base_url = base_url.rstrip("/")

    async def changes_since(self, position: str | None) -> SourceChanges:
        now = _format(datetime.fromtimestamp(self._api.clock.now(), UTC))
        if position is None:
            newest = max([await self._newest(field) for field in _TIMES])
            first = _Position(_earlier(newest), newest)
            seen, _ = await self._changed(first.since) if newest else ([], [])
            first = replace(first, known=frozenset(map(_hash, seen)))
            return SourceChanges((), str(await self._counted(first, seen)))
        last = _Position.parse(position)
        seen, ends = await self._changed(last.since)
        new = [user for user in seen if _changed_at(user) >= last.since and _hash(user) not in last.known]
        changes = tuple((_change(user), user) for user in new)
        newest = max([last.at, *map(_changed_at, new)])
        if ends:  # what was not read again now will not be read again later
            known = last.known.intersection(map(_hash, seen))
            return SourceChanges(changes, str(_Position(last.began, min([newest, *ends]), known)), has_unknown=True)
        # A user that has just changed is reported again: its next change may have the same time, and lead back.
        known = frozenset(
            _hash(user) for user in seen if _hash(user) in last.known or _changed_at(user) < _earlier(now)
        )
        following = await self._counted(_Position(last.began, newest, known), seen)
        return SourceChanges(changes, str(following), has_unknown=not _follows(following, last, seen))

    async def _counted(self, position: _Position, seen: list[User]) -> _Position:
        """Return the position with the number of users that were created before it, and with those after it."""
        created = frozenset(_id_hash(user) for user in seen if _text(user.created_at) >= position.since)
        return replace(position, count=await self._count(position.since), created=created)

    async def _count(self, time: str) -> int | None:
        """Return how many users were created before a time; None if the source does not tell."""
        if not time:
            return 0
        field = _TIMES[0]
        params = [("limit", "0"), ("offset", "0"), ("select", "audit")]
        try:
            exchange = await self._api.call("GET", _USERS_PATH, query=params, raw_query=rql.before(field, time))
        except (BadUserInput, SourceInvalidResponse):
            return None
        meta = decode_response(_USER_LIST, *exchange).meta
        return meta.pagination.total if meta and meta.pagination else None

    async def _changed(self, since: str) -> tuple[list[User], list[str]]:
        """Return the users that were changed from that time on, in order of time, and where to continue if too many."""
        found: dict[str, User] = {}
        ends: list[str] = []
        for field in _TIMES:
            users, end = await self._since(field, since)
            found |= {user.source_id: user for user in users}
            ends += end
        return sorted(found.values(), key=_changed_at), ends

    async def _newest(self, field: str) -> str:
        users, _ = await self._page(field, "", 0, order="-", limit=1)
        return max(map(_changed_at, users), default="")

    async def _since(self, field: str, since: str) -> tuple[list[User], list[str]]:
        """Return the users from that time on; if there are too many, also the time at which to continue."""
        found: list[User] = []
        offset = 0
        for _ in range(_MAX_PAGES):
            page, has_more = await self._page(field, since, offset)
            found += page
            if not has_more:
                return found, []
            # The next page begins at a time, since users move to the end when they change, and offsets shift then.
            # An offset is used only among users with equal times.
            last = _time(page[-1], field)
            since, offset = (last, 0) if last > since else (since, offset + len(page))
        return found, [_format(datetime.fromisoformat(since) + _OVERLAP)]

    async def _page(
        self, field: str, since: str, offset: int, *, order: str = "", limit: int = _MAX_LIMIT
    ) -> tuple[list[User], bool]:
        """Return the users from an offset on, and whether more follow."""
        params = [
            ("limit", str(limit)),
            ("offset", str(offset)),
            ("order", order + field),
            ("select", "audit,accounts"),  # `audit` is required for filtering and sorting by it
        ]
        condition = rql.not_before(field, since) if since else ""
        exchange = await self._api.call("GET", _USERS_PATH, query=params, raw_query=condition)
        listing = decode_response(_USER_LIST, *exchange)
        omitted = tuple(listing.meta.omitted or ()) if listing.meta else ()
        return [user.record(self._base_url, omitted) for user in listing.data], listing.has_more(offset, limit)


def _follows(position: _Position, last: _Position, seen: list[User]) -> bool:
    """Return whether no user was deleted between two positions; `seen` are the users that have changed between."""
    if position.count is None or last.count is None or not last.created <= set(map(_id_hash, seen)):
        return False
    return position.count == last.count + sum(last.since <= _text(user.created_at) < position.since for user in seen)


def _change(user: User) -> UserChange:
    new = user.updated_at is None or user.updated_at == user.created_at
    return UserChange.CREATED if new else UserChange.UPDATED


def _hash(user: User) -> str:
    """Return a hash of the user as it is."""
    return blake2b(f"{user_fingerprint(user)} {_changed_at(user)}".encode(), digest_size=6).hexdigest()


def _id_hash(user: User) -> str:
    return blake2b(user.source_id.encode(), digest_size=6).hexdigest()


def _changed_at(user: User) -> str:
    return max(_text(user.created_at), _text(user.updated_at))


def _time(user: User, field: str) -> str:
    return _text(user.created_at if field == _TIMES[0] else user.updated_at)


def _text(time: Timestamp | None) -> str:
    return "" if time is None else _format(time.instant())


def _format(moment: datetime) -> str:
    """Return the time as filters take it: in UTC, with milliseconds (docs/upstreams/softwareone.md, "Lists").

    The later of two times is then the greater text.
    """
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _earlier(time: str) -> str:
    return _format(datetime.fromisoformat(time) - _OVERLAP) if time else ""
