"""What has changed in the identity API, which tells of nothing by itself: its audit events (account.md, 9).

Each change is an event there, ours too. It says who was changed, not how they are now: that is asked for.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from gateway.sources.account.listing import AccountListing, next_position
from gateway.sources.http.api import Api
from gateway.sources.http.json import Instant, Shape, Wire, read
from gateway.users.ids import Kind, Ref
from gateway.users.model import User, UserChange, UserSource
from gateway.users.source import SourceChanges

__all__ = ["AccountChanges"]

_EVENTS = "/v1/core/audit-events"
_PAGE = 1000  # the largest that the source gives
_PAGES = 10  # newest first, so the oldest would be missed; more than that in one interval is another kind of trouble
_OVERLAP = timedelta(seconds=5)  # an event is written a little after what it tells of
_WHOLE = frozenset({"profile", "role", "department"})  # as after a change of ours, which this may be an echo of


class _Event(Wire, frozen=True):
    id: str | None = None
    action: str | None = None
    resource_id: str | None = None
    occurred_at: Instant | None = None
    created_at: Instant | None = None

    @property
    def at(self) -> str:
        """When it was, so that the later one is the greater text."""
        time = self.occurred_at or self.created_at
        return "" if time is None else _text(time.instant())


_LISTED = Shape(AccountListing[_Event])


class AccountChanges:
    """See `gateway.users.source.Reports`. `fetch` reads one user, None where there is none any more.

    A position is two times, where it all began and how far it came, and the last events by their ids: from a little
    earlier on it is asked again, and these are known then.
    """

    name = UserSource.ACCOUNT

    def __init__(self, api: Api, fetch: Callable[[Ref, frozenset[str]], Awaitable[User | None]]) -> None:
        self._api = api
        self._fetch = fetch

    async def news(self, position: str | None) -> SourceChanges:
        if position is None:
            newest = max([event.at for event in await self._events("", pages=1, limit=1)], default="")
            return SourceChanges((), f"{newest} {newest}")
        began, at, *known = position.split(" ")
        seen = await self._events(max(began, _earlier(at)))
        actions: dict[str, list[str | None]] = {}
        for event in sorted(seen, key=lambda one: one.at):
            if event.at > began and (event.id or "") not in known:
                actions.setdefault(event.resource_id or "", []).append(event.action)
        changes = [(_change(done), await self._user(user, _change(done))) for user, done in actions.items()]
        newest = max([at, *(event.at for event in seen)])
        again = [event.id or "" for event in seen if event.at >= _earlier(newest)]
        told = tuple((change, user) for change, user in changes if user is not None)
        return SourceChanges(told, " ".join([began, newest, *again]))

    async def _user(self, source_id: str, change: UserChange) -> User | None:
        """The user as it is now; of one that was removed for good, its id."""
        user = await self._fetch(Ref(Kind.USER, self.name, source_id), _WHOLE)
        return User(self.name, source_id) if user is None and change is UserChange.DELETED else user

    async def _events(self, since: str, *, pages: int = _PAGES, limit: int = _PAGE) -> list[_Event]:
        asked = [("resource_types", "account_user"), ("limit", str(limit))]
        asked += [("start_date", since)] if since else []
        found: list[_Event] = []
        cursor: str | None = None
        for _ in range(pages):
            query = [*asked, *([("cursor", cursor)] if cursor else [])]
            listing = read(_LISTED, *await self._api.call("GET", _EVENTS, query=query))
            found += [event for event in listing.data or () if event.resource_id]
            cursor = next_position(listing.page_info)
            if cursor is None:
                break
        return found


def _change(actions: list[str | None]) -> UserChange:
    """What the actions come to, the earliest first; all but the first and the last of a life alter it."""
    if actions[-1] == "delete":
        return UserChange.DELETED
    return UserChange.CREATED if "create" in actions else UserChange.UPDATED


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _earlier(time: str) -> str:
    return _text(datetime.fromisoformat(time) - _OVERLAP) if time else ""
