"""Finds the changes of users in the account source, which sends no webhooks, by reading its audit events.

An audit event names the changed user and the action, not the fields of the user: those are fetched
(docs/upstreams/account.md, "Events"). Roles and departments have audit events too: users contain them.
"""

import logging
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime, timedelta

from gateway.errors import BadUserInput, SourceInvalidResponse
from gateway.sources.account.include import MAX_LIMIT
from gateway.sources.account.listing import AccountListing, next_position
from gateway.sources.http.api import Api, Query
from gateway.sources.http.exchange import Request, Response
from gateway.sources.http.json import JsonDecoder, Wire, decode_response
from gateway.users.identity import check_user
from gateway.users.ids import Kind, Ref
from gateway.users.model import Timestamp, User, UserChange, UserSource
from gateway.users.source import UserQuery, Window
from gateway.users.source_changes import SourceChanges

__all__ = ["AccountChanges"]

_EVENTS_PATH = "/v1/core/audit-events"
# The newest events come first, so the oldest would be missed. 10,000 changes in one interval are no normal operation.
_MAX_PAGES = 10
# Sent where there is no event yet: since preview.5 a list without a start covers the last 24 hours only.
_EVER = "1970-01-01T00:00:00.000000Z"
_START, _FORMER_START = "starts_at", "start_date"  # renamed for all versions at once, in summer 2026
_USER = "account_user"
_TYPES = (_USER, "role", "department")
_SINGLE_READS = 3  # users that are read by a call each, since a page of a thousand is much to transfer for so few
_OVERLAP = timedelta(seconds=5)  # an event is written a little later than the change that it describes
_LOG = logging.getLogger("gateway.events")
_ALL_NEEDS = frozenset({"profile", "role", "department"})  # as after a change by the gateway, which may be this one


class _AuditEvent(Wire, frozen=True):
    id: str | None = None
    action: str | None = None
    resource_type: str | None = None
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

    Which users a changed role or department concerns is not known, nor what became of a changed user that cannot be
    read any more.
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
        self._types: tuple[str, ...] = _TYPES

    async def changes_since(self, position: str | None) -> SourceChanges:
        if position is None:
            latest, _ = await self._events("", pages=1, limit=1)
            newest = max([event.at for event in latest], default="")
            seen, _ = await self._events(_earlier(newest)) if newest else ([], True)
            return SourceChanges((), _position(_earlier(newest), newest, seen))
        began, at, *known = position.split(" ")
        since = max(began, _earlier(at))
        events, has_all = await self._events(since)
        actions: dict[str, list[str | None]] = {}
        has_unknown = not has_all
        for event in sorted(events, key=lambda event: event.at):
            if event.at < since or (event.id or "") in known:
                continue
            if event.resource_type in {None, _USER}:
                actions.setdefault(event.resource_id or "", []).append(event.action)
            else:
                has_unknown = True
        listed = await self._listed(actions.keys())
        changes = [
            (_change(done), listed.get(user_id) or await self._user(user_id, _change(done)))
            for user_id, done in actions.items()
        ]
        found = tuple((change, user) for change, user in changes if user is not None)
        return SourceChanges(found, _position(began, at, events), has_unknown or len(found) < len(changes))

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

    async def _events(
        self, since: str, *, pages: int = _MAX_PAGES, limit: int = MAX_LIMIT
    ) -> tuple[list[_AuditEvent], bool]:
        """Return the events from a time on, the newest first, and whether these are all."""
        params = [("limit", str(limit))]
        found: list[_AuditEvent] = []
        cursor: str | None = None
        for _ in range(pages):
            query = [*params, *([("cursor", cursor)] if cursor else [])]
            listing = decode_response(_EVENT_LIST, *await self._page(since or _EVER, query))
            found += [event for event in listing.data or () if event.resource_id]
            cursor = next_position(listing.page_info)
            if cursor is None:
                break
        return found, cursor is None

    async def _page(self, since: str, query: Query) -> tuple[Request, Response]:
        """Request one page from a time on, in the form that the server accepts, which is used from then on.

        A server may know the former name of the parameter alone, or the events of users alone.
        """
        start, types = self._start, self._types
        while True:
            params = [(start, since), *(("resource_types", name) for name in types), *query]
            try:
                exchange = await self._api.call("GET", _EVENTS_PATH, query=params)
            except SourceInvalidResponse as error:
                if error.origin.code != "parameter_unknown" or start != self._start:
                    raise
                start = _FORMER_START if start == _START else _START
            except BadUserInput:  # of a value: `parameter_unknown` would be of a name
                if len(types) == 1:
                    raise
                types = (_USER,)
            else:
                break
        if types != self._types:
            _LOG.warning(
                "the account source refuses to list the audit events of roles and departments: a change of one is seen "
                "in kept users when these are read again, after GATEWAY_ACCOUNT__KEEP seconds at the latest"
            )
        self._start, self._types = start, types
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
