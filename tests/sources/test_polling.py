"""Polling the two sources that send no webhooks about users, over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl

import orjson
import pytest

from gateway.app.sources import build
from gateway.errors import BadUserInput, SourceInvalidResponse
from gateway.sandbox import ACCOUNT_ID, ACCOUNT_TOKEN, SOFTWAREONE_TOKEN, SandboxOptions, SandboxServer
from gateway.settings import AccountSettings, Settings, SoftwareOneSettings
from gateway.sources.account.polling import AccountChanges
from gateway.sources.http.exchange import Request, Response
from gateway.sources.softwareone.polling import SoftwareOneChanges
from gateway.users.changes import CreateAccountUser, UpdateAccountUser, UpdateSoftwareOneUser
from gateway.users.ids import Kind, Ref
from gateway.users.model import User, UserChange, UserSource, UserStatus
from gateway.users.source import UserQuery
from gateway.users.source_changes import PolledSource, SourceChanges

CREATED, UPDATED, DELETED = UserChange


class PolledSources:
    """The two sources, and the objects that find their changes."""

    def __init__(self, sandbox: SandboxServer, send: Any) -> None:
        self.settings = Settings(
            account=AccountSettings.model_validate(
                {"base_url": sandbox.account_url, "token": ACCOUNT_TOKEN, "account_id": ACCOUNT_ID}
            ),
            softwareone=SoftwareOneSettings.model_validate(
                {"base_url": sandbox.softwareone_url, "token": SOFTWAREONE_TOKEN}
            ),
        )
        self.account: Any = build(UserSource.ACCOUNT, self.settings, send)
        self.market: Any = build(UserSource.SOFTWAREONE, self.settings, send)
        self.account_changes = AccountChanges(self.account._api, self.account.fetch_user, self.account.page_users)
        self.market_changes = SoftwareOneChanges(self.market._api, sandbox.softwareone_url)

    async def first(self, source: Any, count: int) -> list[User]:
        """Return the first users of a source."""
        return list((await source.page_users(UserQuery(), None, count, frozenset())).items)


@pytest.fixture
async def sources(transport: Any) -> AsyncIterator[PolledSources]:
    """The sources of a new sandbox."""
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(SandboxServer(SandboxOptions(rate_limits=False, users=150)))
        yield PolledSources(sandbox, transport().send)


def pairs(found: SourceChanges) -> list[tuple[UserChange, str]]:
    """Return the changes, each with the id of its user."""
    return [(change, user.source_id) for change, user in found.changes]


def ref(user: User) -> Ref:
    """Return the ref of a user."""
    return Ref(Kind.USER, user.source, user.source_id)


async def test_protocol(sources: PolledSources) -> None:
    """Both fulfil `PolledSource`."""
    assert isinstance(sources.account_changes, PolledSource)
    assert isinstance(sources.market_changes, PolledSource)


async def test_first_poll(sources: PolledSources) -> None:
    """The first poll reports nothing, and neither does the next one if nothing has changed."""
    for source in (sources.account_changes, sources.market_changes):
        first = await source.changes_since(None)
        assert first.changes == ()
        assert (await source.changes_since(first.position)).changes == ()


async def test_the_first_second_of_account(fake: Any, source: Any) -> None:
    """An event that is written after the first poll is reported once, also with the time of its newest event or before.

    Times have whole seconds, and an event is written a little later than the change that it describes.
    """
    account = source(UserSource.ACCOUNT)
    changes = AccountChanges(account._api, account.fetch_user, account.page_users)
    times = {"e0": 27, "e1": 30, "e2": 30, "e3": 28, "e4": 30}

    def respond(*ids: str) -> None:
        events = [
            {"id": id_, "action": "update", "resource_id": f"acus_{id_}", "occurred_at": f"2026-11-22T12:00:{at}Z"}
            for id_, at in times.items()
            if id_ in ids
        ]
        fake.respond({"data": events, "page_info": {"has_next_page": False}})

    respond("e1")  # the first poll requests the newest event, then those shortly before it
    respond("e0", "e1")
    position = (await changes.changes_since(None)).position
    for written, new in (("e0 e1", ""), ("e0 e1 e2 e3", "e3 e2"), ("e0 e1 e2 e3 e4", "e4"), ("e0 e1 e2 e3 e4", "")):
        fake.responses.clear()
        respond(*written.split())
        for id_ in new.split():
            fake.respond({"id": f"acus_{id_}"})
        found = await changes.changes_since(position)
        assert pairs(found) == [(UPDATED, f"acus_{id_}") for id_ in new.split()]
        position = found.position


async def test_the_first_second_of_softwareone(fake: Any, source: Any) -> None:
    """The same for users whose change becomes visible after the first poll; later polls read the overlap again."""
    changes = source(UserSource.SOFTWAREONE)
    times = {"u0": 27, "u1": 30, "u2": 30, "u3": 28}

    def respond(*ids: str) -> None:
        users = [
            {"id": id_, "audit": {"created": {"at": f"2026-11-22T12:00:{times[id_]}.000Z"}}}
            for id_ in sorted(ids, key=times.__getitem__)
        ]
        fake.respond({"data": users, "$meta": {"pagination": {"offset": 0, "limit": 100, "total": len(ids)}}})

    for created in ("u1", "", "u0 u1", ""):  # by the time of creation and that of the last update, both twice
        respond(*created.split())
    position = (await changes.changes_since(None)).position
    for visible, new in (("u0 u1", ""), ("u0 u1 u2 u3", "u3 u2")):
        fake.responses.clear()
        respond(*visible.split())
        respond()
        found = await changes.changes_since(position)
        assert pairs(found) == [(CREATED, id_) for id_ in new.split()]
        position = found.position
    times["u1"] = 45  # it is changed again, and the overlap moves on
    for new in (["u1"], []):
        fake.responses.clear()
        respond("u1")
        respond()
        found = await changes.changes_since(position)
        assert pairs(found) == [(CREATED, id_) for id_ in new]
        position = found.position
    assert position.startswith("2026-11-22T12:00:25.000Z 2026-11-22T12:00:45.000Z ")


async def test_states_of_one_second_in_softwareone(fake: Any, source: Any) -> None:
    """A user that has just changed is reported again by the next poll: with the same time it may be as before again."""
    market = source(UserSource.SOFTWAREONE)
    changed = datetime(2026, 1, 1, tzinfo=UTC)
    date = format_datetime(changed + timedelta(seconds=1), usegmt=True)  # on the clock of the source

    async def poll(position: str | None, at: datetime, name: str = "Ada") -> SourceChanges:
        user = {"id": "USR-1", "firstName": name, "audit": {"created": {"at": at.isoformat()}}}
        fake.responses.clear()
        for users in ([user], [], [user], []) if position is None else ([user], []):
            page = {"data": users, "$meta": {"pagination": {"offset": 0, "limit": 100, "total": len(users)}}}
            fake.respond(page, headers={"Date": date})
        return await market.changes_since(position)

    position = (await poll(None, changed - timedelta(seconds=60))).position
    for name in ("Ada", "Ada", "Eve", "Ada"):
        found = await poll(position, changed, name)
        assert [user.first_name for _, user in found.changes] == [name]
        position = found.position
    position = (await poll(None, changed - timedelta(seconds=60))).position
    for count in (1, 0):  # some time ago, so that a further change would have a later time
        found = await poll(position, changed - timedelta(seconds=30), "Eve")
        assert len(found.changes) == count
        position = found.position


async def test_softwareone(sources: PolledSources) -> None:
    """Changed users are reported in order of time, as a read returns them, and after that at most in the overlap."""
    ada, eve, *_ = await sources.first(sources.market, 5)
    position = (await sources.market_changes.changes_since(None)).position
    for user, name in ((ada, "First"), (eve, "Second")):
        await asyncio.sleep(0.002)  # the times of this source have milliseconds
        await sources.market.update_user(ref(user), UpdateSoftwareOneUser(first_name=name), "k")
    found = await sources.market_changes.changes_since(position)
    assert pairs(found) == [(UPDATED, ada.source_id), (UPDATED, eve.source_id)]
    assert found.changes[0][1] == await sources.market.fetch_user(ref(ada), frozenset({"audit", "accounts"}))
    again = await sources.market_changes.changes_since(found.position)
    assert set(pairs(again)) <= set(pairs(found))  # the overlap is reported again, and the event log recognises it


async def test_many_changes(sources: PolledSources) -> None:
    """More changes than a page has are all reported once, although users move while the pages are read."""
    position = (await sources.market_changes.changes_since(None)).position
    everyone = [user for offset in ("0", "100") for user in (await page(sources, offset))]
    for user in everyone[:130]:
        await sources.market.update_user(ref(user), UpdateSoftwareOneUser(first_name="New"), "k")
    found = await sources.market_changes.changes_since(position)
    assert sorted(pairs(found)) == sorted((UPDATED, user.source_id) for user in everyone[:130])


async def test_small_pages_of_softwareone(fake: Any, source: Any) -> None:
    """All users are reported although the source returns fewer at once than requested."""
    times = [f"2026-11-22T12:00:0{number}.000Z" for number in range(3)]
    users = [{"id": f"USR-{number}", "audit": {"created": {"at": at}}} for number, at in enumerate(times)]
    for start, total in ((0, 3), (1, 2)):
        pagination = {"offset": 0, "limit": 2, "total": total}
        fake.respond({"data": users[start : start + 2], "$meta": {"pagination": pagination}})
    fake.respond({"data": []})  # by the other time, and in response to the request for the number of users
    found = await source(UserSource.SOFTWAREONE).changes_since("2026-11-22T11:00:00.000Z 2026-11-22T11:59:59.000Z")
    assert pairs(found) == [(CREATED, f"USR-{number}") for number in range(3)]
    assert f"ge(audit.created.at,'{times[1].replace(':', '%3A')}')" in fake.requests[1].url
    assert len(fake.requests) == 4


async def test_deleted_users_of_softwareone(sources: PolledSources) -> None:
    """A deletion is noticed, and no other poll takes changes as unknown."""
    position = (await sources.market_changes.changes_since(None)).position
    everyone = [user for offset in ("0", "100") for user in (await page(sources, offset))]
    old = next(user for user in everyone if user.source_status == "Disabled")

    async def poll() -> SourceChanges:
        nonlocal position
        found = await sources.market_changes.changes_since(position)
        position = found.position
        return found

    assert not (await poll()).has_unknown
    await _market(sources, "DELETE", f"/{old.source_id}")
    assert (await poll()).has_unknown
    assert not (await poll()).has_unknown
    for first_name in ("Ada", "Eve"):
        await sources.market.update_user(ref(everyone[0]), UpdateSoftwareOneUser(first_name=first_name), "k")
        found = await poll()
        assert found.changes[-1][1].first_name == first_name
        assert not found.has_unknown


async def test_users_of_softwareone_that_come_and_go(fake: Any, source: Any) -> None:
    """New users are counted in; one that is deleted is missed, however short it was there after it was seen."""
    market = source(UserSource.SOFTWAREONE)
    users = {"u0": "10:00:00"}

    def respond(request: Request) -> Response:
        query = dict(parse_qsl(request.url.partition("?")[2], keep_blank_values=True))
        bounds = [key for key in query if "audit.created.at," in key]
        since = bounds[0].split("T")[1][:8] if bounds else ""
        found = sorted((at, id_) for id_, at in users.items() if (at < since if "lt(" in request.url else at >= since))
        if "audit.updated.at" in request.url:
            found = []
        if query.get("order", "").startswith("-"):
            found.reverse()
        rows = [{"id": id_, "audit": {"created": {"at": f"2026-11-22T{at}.000Z"}}} for at, id_ in found]
        limit = int(query["limit"])
        body = {"data": rows[:limit], "$meta": {"pagination": {"offset": 0, "limit": limit, "total": len(rows)}}}
        return Response(200, {}, orjson.dumps(body))

    async def send(request: Request) -> Response:
        return respond(request)

    market._api._send = send
    position = (await market.changes_since(None)).position
    steps = [
        ({"u1": "11:00:00"}, [], "u1", False),
        ({"u2": "11:00:01", "u3": "11:00:02"}, [], "u2 u3", False),
        ({}, ["u3"], "", True),
        ({}, [], "", False),
        ({"u4": "11:00:03"}, ["u2"], "u4", True),
        ({"u5": "12:00:00"}, ["u5"], "", False),  # nobody has seen it
        ({"u6": "12:00:10"}, ["u0"], "u6", True),
        ({"u7": "12:00:30"}, ["u4"], "u7", True),
        ({}, [], "", False),
        ({"u8": "13:00:00"}, [], "u8", False),
        ({}, ["u8"], "", True),
        ({}, [], "", False),
    ]
    for created, deleted, new, has_unknown in steps:
        users |= created
        for id_ in deleted:
            del users[id_]
        found = await market.changes_since(position)
        assert (" ".join(user.source_id for _, user in found.changes), found.has_unknown) == (new, has_unknown)
        position = found.position


@pytest.mark.parametrize("total", [None, "refused"])
async def test_a_softwareone_that_does_not_count(fake: Any, source: Any, total: str | None) -> None:
    """Where users cannot be counted, each poll takes it that one may have been deleted; so after a former version."""
    market = source(UserSource.SOFTWAREONE)
    for _ in range(2):
        fake.responses.clear()
        for _ in range(2):
            fake.respond({"data": [], "$meta": {"pagination": {"offset": 0, "limit": 100, "total": 0}}})
        if total is None:
            fake.respond({"data": [], "$meta": {"pagination": {"offset": 0, "limit": 0, "total": None}}})
        else:
            fake.respond({"status": 400, "title": "Bad Request"}, 400)
        assert (await market.changes_since("2026-11-22T11:00:00.000Z 2026-11-22T12:00:00.000Z")).has_unknown
    fake.responses.clear()
    fake.respond({"data": [], "$meta": {"pagination": {"offset": 0, "limit": 0, "total": 7}}})
    found = await market.changes_since("2026-11-22T11:00:00.000Z 2026-11-22T12:00:00.000Z")
    assert found.has_unknown
    assert not (await market.changes_since(found.position)).has_unknown


async def _market(sources: PolledSources, method: str, path: str) -> None:
    await sources.market._api.call(method, f"/public/v1/accounts/users{path}")


async def page(sources: PolledSources, offset: str) -> tuple[User, ...]:
    """Return the users of the softwareone source from an offset on."""
    return tuple((await sources.market.page_users(UserQuery(), offset, 100, frozenset())).items)


async def test_account(sources: PolledSources) -> None:
    """Created and changed users are reported once each, with their current fields, and not again in the next poll."""
    ada, eve, *_ = await sources.first(sources.account, 5)
    position = (await sources.account_changes.changes_since(None)).position
    for name in ("First", "Second"):
        changed = await sources.account.update_user(ref(ada), UpdateAccountUser(name=name), name)
    made = await sources.account.create_user(CreateAccountUser(name="New", email="new@example.com"), "create")
    await sources.account.update_user(ref(made), UpdateAccountUser(name="Newer"), "newer")
    found = await sources.account_changes.changes_since(position)
    assert pairs(found) == [(UPDATED, ada.source_id), (CREATED, made.source_id)]
    assert found.changes[0][1] == changed
    assert found.changes[1][1].name == "Newer"
    assert (await sources.account_changes.changes_since(found.position)).changes == ()
    await sources.account.update_user(ref(eve), UpdateAccountUser(name="Third"), "third")
    assert pairs(await sources.account_changes.changes_since(found.position)) == [(UPDATED, eve.source_id)]


async def test_removed_users(fake: Any, source: Any) -> None:
    """A deleted user is reported in its last state or by its id; a changed one that is gone is not reported."""
    account = source(UserSource.ACCOUNT)
    changes = AccountChanges(account._api, account.fetch_user, account.page_users)
    done = [("e3", "delete", "acus_1"), ("e2", "delete", "acus_2"), ("e1", "update", "acus_3"), ("e0", "delete", "")]
    events = [
        {"id": id_, "action": action, "resource_id": user, "occurred_at": f"2026-11-22T12:00:0{id_[1]}Z"}
        for id_, action, user in done
    ]
    fake.respond({"data": events, "page_info": {"has_next_page": False}})
    gone = {"error": {"code": "resource_not_found", "message": "gone"}}
    fake.respond(gone, 404)
    fake.respond(gone, 404)
    fake.respond({"id": "acus_1", "status": "removed"})
    found = await changes.changes_since("2026-11-22T11:00:00.000000Z 2026-11-22T11:59:59.000000Z e9")
    assert pairs(found) == [(DELETED, "acus_2"), (DELETED, "acus_1")]
    assert [user.status for _, user in found.changes] == [None, UserStatus.REMOVED]
    assert found.position == "2026-11-22T11:00:00.000000Z 2026-11-22T12:00:03.000000Z e3 e2 e1"
    assert "starts_at=2026-11-22T11%3A59%3A54.000000Z" in fake.requests[0].url


async def test_a_change_of_many_users(fake: Any, source: Any) -> None:
    """After a change of many users the list is read, also of removed ones, and only those who are not in it singly."""
    account = source(UserSource.ACCOUNT)
    events = [
        {"id": f"e{number}", "action": "update", "resource_id": f"acus_{number}", "occurred_at": "2026-11-22T12:00:00Z"}
        for number in range(6)
    ]
    fake.respond({"data": events, "page_info": {"has_next_page": False}})
    rows = [{"id": f"acus_{number}", "name": f"New {number}"} for number in (9, 5, 4, 3)]
    fake.respond({"data": rows, "page_info": {"has_next_page": True, "next_cursor": "c1"}})
    for number in (0, 1, 2):
        fake.respond({"id": f"acus_{number}"})
    found = await account.changes_since("2026-11-22T11:00:00.000000Z 2026-11-22T11:59:59.000000Z e9")
    assert pairs(found) == [(UPDATED, f"acus_{number}") for number in range(6)]
    assert found.changes[5][1].name == "New 5"
    includes = "include[]=user&include[]=role&include[]=department"
    users = [request.url.partition("/v1/identity/account-users")[2] for request in fake.requests[1:]]
    assert users[0] == f"?limit=1000&removed_scope=included&{includes}"
    assert users[1:] == [f"/acus_{number}?{includes}" for number in (0, 1, 2)]


async def test_roles_and_departments(fake: Any, source: Any) -> None:
    """A changed role or department is an unknown change of users, once; users are read only for their own events."""
    account = source(UserSource.ACCOUNT)
    position = "2026-11-22T11:00:00.000000Z 2026-11-22T11:59:59.000000Z e9"
    for kind, has_unknown in (("role", True), ("department", True), ("account_user", False)):
        fake.responses.clear()
        event = {"id": kind, "action": "update", "resource_type": kind, "resource_id": "x_1"}
        event["occurred_at"] = "2026-11-22T12:00:00Z"
        fake.respond({"data": [event], "page_info": {"has_next_page": False}})
        fake.respond({"id": "x_1"})
        found = await account.changes_since(position)
        assert found.has_unknown is has_unknown
        assert len(found.changes) == (kind == "account_user")
        fake.responses.clear()
        fake.respond({"data": [event], "page_info": {"has_next_page": False}})
        again = await account.changes_since(found.position)
        assert (again.changes, again.has_unknown) == ((), False)


async def test_a_role_that_is_changed(sources: PolledSources) -> None:
    """Whoever changes, creates or deletes a role in the account lets the users of the account be read again."""
    position = (await sources.account_changes.changes_since(None)).position
    made = await _send(sources, "POST", "/v1/identity/roles", {"name": "Guide", "permissions": ["team:read"]})
    path = f"/v1/identity/roles/{made['id']}"
    steps = ((None, None, True), ("PATCH", [], True), ("PATCH", [], False), ("DELETE", None, True))
    for method, permissions, is_changed in steps:
        if method is not None:
            await _send(sources, method, path, None if permissions is None else {"permissions": permissions})
        found = await sources.account_changes.changes_since(position)
        assert (found.changes, found.has_unknown) == ((), is_changed)
        position = found.position


async def _send(sources: PolledSources, method: str, path: str, body: Any) -> Any:
    content = b"" if body is None else orjson.dumps(body)
    _, response = await sources.account._api.call(method, path, body=content)
    return orjson.loads(response.body)


async def test_a_server_without_events_of_roles(fake: Any, source: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A server that refuses the events of roles gets requests for those of users alone, which is logged once."""
    account = source(UserSource.ACCOUNT)
    invalid = {"error": {"code": "parameter_invalid", "message": "Invalid", "param": "resource_types"}}
    unknown = {"error": {"code": "parameter_unknown", "message": "Unknown", "param": "starts_at"}}
    fake.respond(invalid, 400)
    fake.respond(unknown, 400)
    fake.respond({"data": [], "page_info": {"has_next_page": False}})
    first = await account.changes_since(None)
    await account.changes_since(first.position)
    queries = [parse_qsl(request.url.partition("?")[2]) for request in fake.requests]
    assert [[value for name, value in query if name == "resource_types"] for query in queries] == [
        ["account_user", "role", "department"],
        *[["account_user"]] * 3,
    ]
    assert [query[0][0] for query in queries] == ["starts_at", "starts_at", "start_date", "start_date"]
    assert sum("refuses to list the audit events of roles" in message for message in caplog.messages) == 1
    fake.responses.clear()
    fake.respond(invalid, 400)
    with pytest.raises(BadUserInput):
        await account.changes_since(first.position)


async def test_changes_that_cannot_be_known(fake: Any, source: Any) -> None:
    """More events than are read, and a changed user that is gone, are unknown changes; so nothing older is kept."""
    account = source(UserSource.ACCOUNT)
    position = "2026-11-22T11:00:00.000000Z 2026-11-22T11:59:59.000000Z e9"
    fake.respond({"data": [], "page_info": {"has_next_page": True, "next_cursor": "c"}})
    assert (await account.changes_since(position)).has_unknown
    fake.responses.clear()
    event = {"id": "e1", "action": "update", "resource_id": "acus_1", "occurred_at": "2026-11-22T12:00:00Z"}
    fake.respond({"data": [event], "page_info": {"has_next_page": False}})
    fake.respond({"error": {"code": "resource_not_found", "message": "gone"}}, 404)
    found = await account.changes_since(position)
    assert (found.changes, found.has_unknown) == ((), True)


async def test_former_name_of_the_start(fake: Any, source: Any) -> None:
    """A server that does not know `starts_at` is sent the former name once more, and from then on at once."""
    account = source(UserSource.ACCOUNT)
    changes = AccountChanges(account._api, account.fetch_user, account.page_users)
    unknown = {"error": {"code": "parameter_unknown", "message": "Unknown", "param": "starts_at"}}
    fake.respond(unknown, 400)
    fake.respond({"data": [], "page_info": {"has_next_page": False}})
    first = await changes.changes_since(None)
    await changes.changes_since(first.position)
    names = [request.url.partition("?")[2].partition("=")[0] for request in fake.requests]
    assert names == ["starts_at", "start_date", "start_date"]


async def test_other_refusals_of_polling(fake: Any, source: Any) -> None:
    """Another refusal of a poll is an error at once, and a refusal of both names is one."""
    account = source(UserSource.ACCOUNT)
    changes = AccountChanges(account._api, account.fetch_user, account.page_users)
    fake.respond({"error": {"code": "parameter_invalid", "message": "x", "param": "limit"}}, 400)
    with pytest.raises(SourceInvalidResponse):
        await changes.changes_since(None)
    fake.respond({"error": {"code": "parameter_unknown", "message": "x", "param": "starts_at"}}, 400)
    fake.responses.pop(0)
    with pytest.raises(SourceInvalidResponse):
        await changes.changes_since(None)
    assert len(fake.requests) == 3


async def test_no_event_yet(fake: Any, source: Any) -> None:
    """Without an event so far, polling asks for all times: without a start, a server searches one day only."""
    account = source(UserSource.ACCOUNT)
    fake.respond({"data": [], "page_info": {"has_next_page": False}})
    first = await account.changes_since(None)
    await account.changes_since(first.position)
    assert all("starts_at=1970-01-01T00%3A00%3A00.000000Z" in request.url for request in fake.requests)


@pytest.mark.parametrize(
    "after", [{"next_page_url": "https://account.test/v1/core/audit-events?cursor=c1"}, {"next_cursor": "c1"}]
)
async def test_pages_of_events(fake: Any, source: Any, after: dict[str, str]) -> None:
    """The audit events of an interval are read to the last page, in the forms of both versions."""
    account = source(UserSource.ACCOUNT)
    changes = AccountChanges(account._api, account.fetch_user, account.page_users)
    pages = [("e2", "acus_2", after), ("e1", "acus_1", {})]
    for id_, user, info in pages:
        event = {"id": id_, "action": "create", "resource_id": user, "created_at": f"2026-11-22T12:00:0{id_[1]}.5Z"}
        fake.respond({"data": [event], "page_info": {"has_next_page": bool(info), **info}})
    fake.respond({"id": "acus_1"})
    fake.respond({"id": "acus_2"})
    assert pairs(await changes.changes_since(" ")) == [(CREATED, "acus_1"), (CREATED, "acus_2")]
    assert "cursor=c1" in fake.requests[1].url
