"""Finds the changes of users in the account source, which sends no webhooks, by reading its audit events.

An audit event names the changed user and the action, not the fields of the user: those are fetched
(docs/upstreams/account.md, "Events").
"""

from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime, timedelta

from gateway.errors import SourceInvalidResponse
from gateway.sources.account.include import MAX_LIMIT
from gateway.sources.account.listing import AccountListing, next_position
from gateway.sources.http.api import Api, Query
from gateway.sources.http.exchange import Request, Response
from gateway.sources.http.json import JsonDecoder, Wire, decode_response
from gateway.users.identity import check_user
from gateway.users.ids import Kind, Ref
from gateway.users.model import Timestamp, User, UserChange, UserSource
from gateway.users.source import SourceChanges, UserQuery, Window

__all__ = ["AccountChanges"]

_EVENTS_PATH = "/v1/core/audit-events"
# The newest events come first, so the oldest would be missed. 10,000 changes in one interval are no normal operation.
_MAX_PAGES = 10
# Sent where there is no event yet: since preview.5 a list without a start covers the last 24 hours only.
_EVER = "1970-01-01T00:00:00.000000Z"
_START, _FORMER_START = "starts_at", "start_date"  # renamed for all versions at once, in summer 2026
_SINGLE_READS = 3  # users that are read by a call each, since a page of a thousand is much to transfer for so few
_OVERLAP = timedelta(seconds=5)  # an event is written a little later than the change that it describes
_ALL_NEEDS = frozenset({"profile", "role", "department"})  # as after a change by the gateway, which may be this one


class _AuditEvent(Wire, frozen=True):
    id: str | None = None
    action: str | None = None
    resource_id: str | None = None
    occurred_at: Timestamp | None = None
    created_at: Timestamp | None = None

    @property
    def at(self) -> str:
        """The time of the change, in a form in which the later of two times is the greater text."""
        time = self.occurred_at or self.created_at
        return "" if time is None else _format(time.instant())


_EVENT_LIST = JsonDecoder(AccountListing[_AuditEvent])


class AccountChanges:
    """Implements `gateway.users.source.PolledSource`. `fetch` reads one user; None means that there is none any more.

    `page` reads a window of all users: after a change of many, a few of them take less than a call for each user.

    A position is a text of two times and ids, separated by spaces: the earliest time to read from, the time of the
    newest event, and the ids of the events within `_OVERLAP` before it. The next poll reads that overlap again and
    ignores these ids. The first poll reads the overlap too: an event that is written after it may have an earlier time,
    or the same one.
    """

    name = UserSource.ACCOUNT

    def __init__(
        self,
        api: Api,
        fetch: Callable[[Ref, frozenset[str]], Awaitable[User | None]],
        page: Callable[[UserQuery, str | None, int, frozenset[str]], Awaitable[Window]],
    ) -> None:
        self._api = api
        self._fetch = fetch
        self._page_users = page
        self._start = _START

    async def changes_since(self, position: str | None) -> SourceChanges:
        if position is None:
            newest = max([event.at for event in await self._events("", pages=1, limit=1)], default="")
            seen = await self._events(_earlier(newest)) if newest else []
            return SourceChanges((), _position(_earlier(newest), newest, seen))
        began, at, *known = position.split(" ")
        since = max(began, _earlier(at))
        events = await self._events(since)
        actions: dict[str, list[str | None]] = {}
        for event in sorted(events, key=lambda event: event.at):
            if event.at >= since and (event.id or "") not in known:
                actions.setdefault(event.resource_id or "", []).append(event.action)
        listed = await self._listed(actions.keys())
        changes = [
            (_change(done), listed.get(user_id) or await self._user(user_id, _change(done)))
            for user_id, done in actions.items()
        ]
        found = tuple((change, user) for change, user in changes if user is not None)
        return SourceChanges(found, _position(began, at, events))

    async def _listed(self, source_ids: Collection[str]) -> dict[str, User]:
        """Return those of the users that a few pages of the list have: no more pages than users are still missing."""
        missing, found = set(source_ids), dict[str, User]()
        position: str | None = None
        pages = 0
        while len(missing) > max(pages, _SINGLE_READS):
            window = await self._page_users(UserQuery(include_removed=True), position, MAX_LIMIT, _ALL_NEEDS)
            pages += 1
            found |= {user.source_id: user for user in window.items if user.source_id in missing}
            missing -= found.keys()
            position = window.next
            if position is None:
                break
        return found

    async def _user(self, source_id: str, change: UserChange) -> User | None:
        """Return the user as it is now; of a deleted one that cannot be read any more, only its id."""
        ref = Ref(Kind.USER, self.name, source_id)
        user = check_user(ref, await self._fetch(ref, _ALL_NEEDS))
        return User(self.name, source_id) if user is None and change is UserChange.DELETED else user

    async def _events(self, since: str, *, pages: int = _MAX_PAGES, limit: int = MAX_LIMIT) -> list[_AuditEvent]:
        params = [("resource_types", "account_user"), ("limit", str(limit))]
        found: list[_AuditEvent] = []
        cursor: str | None = None
        for _ in range(pages):
            query = [*params, *([("cursor", cursor)] if cursor else [])]
            listing = decode_response(_EVENT_LIST, *await self._page(since or _EVER, query))
            found += [event for event in listing.data or () if event.resource_id]
            cursor = next_position(listing.page_info)
            if cursor is None:
                break
        return found

    async def _page(self, since: str, query: Query) -> tuple[Request, Response]:
        """Request one page from a time on; a server that does not know the name of the parameter gets the former one.

        The name that was accepted is used from then on.
        """
        try:
            return await self._api.call("GET", _EVENTS_PATH, query=[(self._start, since), *query])
        except SourceInvalidResponse as error:
            if error.origin.code != "parameter_unknown":
                raise
            other = _FORMER_START if self._start == _START else _START
            exchange = await self._api.call("GET", _EVENTS_PATH, query=[(other, since), *query])
            self._start = other
            return exchange


def _position(began: str, at: str, events: list[_AuditEvent]) -> str:
    """Return the position after these events, if the newest one before them was of the time `at`."""
    newest = max([at, *(event.at for event in events)])
    return " ".join([began, newest, *(event.id or "" for event in events if event.at >= _earlier(newest))])


def _change(actions: list[str | None]) -> UserChange:
    """Return the one change that the actions of a user amount to; they are in order of time.

    A deletion counts only as the last action, a creation at any position; every other action is an update.
    """
    if actions[-1] == "delete":
        return UserChange.DELETED
    return UserChange.CREATED if "create" in actions else UserChange.UPDATED


def _format(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _earlier(time: str) -> str:
    return _format(datetime.fromisoformat(time) - _OVERLAP) if time else ""
