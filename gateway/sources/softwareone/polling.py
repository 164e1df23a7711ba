"""What has changed in the Marketplace, which tells of nothing by itself: its users by the times of their audit."""

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from gateway.sources.http.api import Api
from gateway.sources.http.json import Shape, read
from gateway.sources.softwareone.wire import MarketplaceWireUsers
from gateway.users.model import Timestamp, User, UserChange, UserSource
from gateway.users.source import SourceChanges

__all__ = ["SoftwareOneChanges"]

_USERS = Shape(MarketplaceWireUsers)
_LIST = "/public/v1/accounts/users"
_PAGE = 100  # the largest that the source gives
_PAGES = 10  # what is beyond is for the next time
_OVERLAP = timedelta(seconds=5)  # a change may be seen a little after its time, once it is committed
# Two questions: a user that was never changed has no `audit.updated` (softwareone.md, 2.5).
_TIMES = ("audit.created.at", "audit.updated.at")


class SoftwareOneChanges:
    """See `gateway.users.source.Reports`. A user that was added and changed between two polls is told as changed.

    A position is two times: where it all began, and where to go on, which is a little earlier.
    """

    name = UserSource.SOFTWAREONE

    def __init__(self, api: Api, base_url: str) -> None:
        self._api = api
        self._base_url = base_url.rstrip("/")

    async def news(self, position: str | None) -> SourceChanges:
        if position is None:
            newest = max([await self._newest(field) for field in _TIMES])
            return SourceChanges((), f"{newest} {newest}")
        began, _, at = position.partition(" ")
        since = max(began, _earlier(at))
        found: dict[str, User] = {}
        ends: list[str] = []
        for field in _TIMES:
            users, end = await self._since(field, since)
            found |= {user.source_id: user for user in users if _changed(user) > began}
            ends += end
        changes = sorted(found.values(), key=_changed)
        newest = max([at, *map(_changed, changes)])
        return SourceChanges(tuple((_change(user), user) for user in changes), f"{began} {min([newest, *ends])}")

    async def _newest(self, field: str) -> str:
        users, _ = await self._page(field, "", 0, order="-", limit=1)
        return max(map(_changed, users), default="")

    async def _since(self, field: str, since: str) -> tuple[list[User], list[str]]:
        """The users from that time on, and, where there were too many, the position to go on from."""
        found: list[User] = []
        place = 0
        for _ in range(_PAGES):
            page, more = await self._page(field, since, place)
            found += page
            if not more:
                return found, []
            # By time and not by place: users move to the end when they change. By place only among equal times.
            last = _time(page[-1], field)
            since, place = (last, 0) if last > since else (since, place + len(page))
        return found, [_text(datetime.fromisoformat(since) + _OVERLAP)]

    async def _page(
        self, field: str, since: str, place: int, *, order: str = "", limit: int = _PAGE
    ) -> tuple[list[User], bool]:
        """The users from a place on, and whether there are more."""
        asked = [
            ("limit", str(limit)),
            ("offset", str(place)),
            ("order", order + field),
            ("select", "audit,accounts"),  # filtering and sorting by it takes selecting it
        ]
        condition = f'ge({field},"{quote(since)}")' if since else ""
        listing = read(_USERS, *await self._api.call("GET", _LIST, query=asked, raw_query=condition))
        omitted = tuple(listing.meta.omitted or ()) if listing.meta else ()
        return [one.record(self._base_url, omitted) for one in listing.data], listing.goes_on(place, limit)


def _change(user: User) -> UserChange:
    new = user.updated_at is None or user.updated_at == user.created_at
    return UserChange.CREATED if new else UserChange.UPDATED


def _changed(user: User) -> str:
    return max(_written(user.created_at), _written(user.updated_at))


def _time(user: User, field: str) -> str:
    return _written(user.created_at if field == _TIMES[0] else user.updated_at)


def _written(time: Timestamp | None) -> str:
    return "" if time is None else _text(time.instant())


def _text(moment: datetime) -> str:
    """As filters take it: UTC with three digits (softwareone.md, 3). So the later one is the greater text."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _earlier(time: str) -> str:
    return _text(datetime.fromisoformat(time) - _OVERLAP) if time else ""
