"""Finds the changes of users in the softwareone source, which sends no webhooks for them, by the times in `audit`.

See docs/upstreams/softwareone.md, "Events".
"""

from datetime import UTC, datetime, timedelta
from hashlib import blake2b

from gateway.sources.http.api import Api
from gateway.sources.http.json import JsonDecoder, decode_response
from gateway.sources.softwareone import rql
from gateway.sources.softwareone.wire import MarketplaceWireUsers
from gateway.users.model import Timestamp, User, UserChange, UserSource
from gateway.users.source import SourceChanges

__all__ = ["SoftwareOneChanges"]

_USER_LIST = JsonDecoder(MarketplaceWireUsers)
_USERS_PATH = "/public/v1/accounts/users"
_MAX_LIMIT = 100  # docs/upstreams/softwareone.md, "Lists"
_MAX_PAGES = 10  # the next poll continues after them
_OVERLAP = timedelta(seconds=5)  # a change may become visible a little after its time, when it is committed
# Two lists, because a user that was never changed has no `audit.updated`.
_TIMES = ("audit.created.at", "audit.updated.at")


class SoftwareOneChanges:
    """Implements `gateway.users.source.PolledSource`.

    A user that was created and changed between two polls is reported as changed. A position is a text of two times and
    hashes, separated by spaces: the earliest time to read from, and the time from which the next poll continues, from
    which `_OVERLAP` is subtracted. The hashes are those of the users, with their times, that the first poll found in
    that overlap: a change that becomes visible after it may have an earlier time, or the same one.
    """

    name = UserSource.SOFTWAREONE

    def __init__(self, api: Api, base_url: str) -> None:
        self._api = api
        self._base_url = base_url.rstrip("/")

    async def changes_since(self, position: str | None) -> SourceChanges:
        if position is None:
            newest = max([await self._newest(field) for field in _TIMES])
            seen, _ = await self._changed(_earlier(newest)) if newest else ([], [])
            return SourceChanges((), " ".join([_earlier(newest), newest, *map(_hash, seen)]))
        began, at, *known = position.split(" ")
        since = max(began, _earlier(at))
        seen, ends = await self._changed(since)
        new = [user for user in seen if _changed_at(user) >= since and _hash(user) not in known]
        newest = max([at, *map(_changed_at, new)])
        if not ends:  # what was not read again now will not be read again later
            known = sorted(set(known).intersection(map(_hash, seen)))
        changes = tuple((_change(user), user) for user in new)
        return SourceChanges(changes, " ".join([began, min([newest, *ends]), *known]))

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


def _change(user: User) -> UserChange:
    new = user.updated_at is None or user.updated_at == user.created_at
    return UserChange.CREATED if new else UserChange.UPDATED


def _hash(user: User) -> str:
    return blake2b(f"{user.source_id} {_changed_at(user)}".encode(), digest_size=6).hexdigest()


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
