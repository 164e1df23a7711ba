"""Asking the two systems that tell nothing by themselves, on a real socket: what has changed since when."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from gateway.app.sources import build
from gateway.sandbox import ACCOUNT_ID, ACCOUNT_TOKEN, SOFTWAREONE_TOKEN, Sandbox, SandboxOptions
from gateway.settings import AccountSettings, Settings, SoftwareOneSettings
from gateway.sources.account.polling import AccountChanges
from gateway.sources.softwareone.polling import SoftwareOneChanges
from gateway.users.changes import CreateAccountUser, UpdateAccountUser, UpdateSoftwareOneUser
from gateway.users.ids import Kind, Ref
from gateway.users.model import User, UserChange, UserSource, UserStatus
from gateway.users.source import PolledSource, SourceChanges, UserQuery

CREATED, UPDATED, DELETED = UserChange


class Systems:
    """The two systems, and who asks them for news."""

    def __init__(self, sandbox: Sandbox, send: Any) -> None:
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
        self.account_news = AccountChanges(self.account._api, self.account.fetch_user)
        self.market_news = SoftwareOneChanges(self.market._api, sandbox.softwareone_url)

    async def some(self, source: Any, count: int) -> list[User]:
        """Some of its users."""
        return list((await source.page_users(UserQuery(), None, count, frozenset())).items)


@pytest.fixture
async def systems(transport: Any) -> AsyncIterator[Systems]:
    """The systems of a sandbox of the test's own."""
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(Sandbox(SandboxOptions(rate_limits=False, users=150)))
        yield Systems(sandbox, transport().send)


def told(news: SourceChanges) -> list[tuple[UserChange, str]]:
    """What happened to whom."""
    return [(change, user.source_id) for change, user in news.changes]


def ref(user: User) -> Ref:
    """A user's reference."""
    return Ref(Kind.USER, user.source, user.source_id)


async def test_they_report(systems: Systems) -> None:
    """Both are what a poller asks."""
    assert isinstance(systems.account_news, PolledSource)
    assert isinstance(systems.market_news, PolledSource)


async def test_from_now_on(systems: Systems) -> None:
    """The first question tells nothing, and neither does the next as long as nothing happens."""
    for source in (systems.account_news, systems.market_news):
        first = await source.news(None)
        assert first.changes == ()
        assert (await source.news(first.position)).changes == ()


async def test_the_market(systems: Systems) -> None:
    """Users that were changed are told, the earlier first, as a read of them answers; at the next time no longer."""
    ada, eve, *_ = await systems.some(systems.market, 5)
    position = (await systems.market_news.news(None)).position
    for user, name in ((ada, "First"), (eve, "Second")):
        await asyncio.sleep(0.002)  # its times have milliseconds
        await systems.market.update_user(ref(user), UpdateSoftwareOneUser(first_name=name), "k")
    news = await systems.market_news.news(position)
    assert told(news) == [(UPDATED, ada.source_id), (UPDATED, eve.source_id)]
    assert news.changes[0][1] == await systems.market.fetch_user(ref(ada), frozenset({"audit", "accounts"}))
    again = await systems.market_news.news(news.position)
    assert set(told(again)) <= set(told(news))  # what is recent is told again: the log knows it


async def test_many_at_once(systems: Systems) -> None:
    """More changes than a page has are all told, and nobody twice, though users move while the pages are read."""
    position = (await systems.market_news.news(None)).position
    everyone = [user for offset in ("0", "100") for user in (await page(systems, offset))]
    for user in everyone[:130]:
        await systems.market.update_user(ref(user), UpdateSoftwareOneUser(first_name="New"), "k")
    news = await systems.market_news.news(position)
    assert sorted(told(news)) == sorted((UPDATED, user.source_id) for user in everyone[:130])


async def test_pages_of_the_market_that_are_small(wire: Any, source: Any) -> None:
    """Users are told to the last one though the source gives fewer at once than it was asked for."""
    times = [f"2026-11-22T12:00:0{number}.000Z" for number in range(3)]
    users = [{"id": f"USR-{number}", "audit": {"created": {"at": at}}} for number, at in enumerate(times)]
    for start, total in ((0, 3), (1, 2)):
        pagination = {"offset": 0, "limit": 2, "total": total}
        wire.answer({"data": users[start : start + 2], "$meta": {"pagination": pagination}})
    wire.answer({"data": []})
    news = await source(UserSource.SOFTWAREONE).news("2026-11-22T11:00:00.000Z 2026-11-22T11:59:59.000Z")
    assert told(news) == [(CREATED, f"USR-{number}") for number in range(3)]
    assert f'ge(audit.created.at,"{times[1].replace(":", "%3A")}")' in wire.requests[1].url
    assert len(wire.requests) == 3


async def page(systems: Systems, offset: str) -> tuple[User, ...]:
    """Users of the Marketplace from a place on."""
    return tuple((await systems.market.page_users(UserQuery(), offset, 100, frozenset())).items)


async def test_the_account_system(systems: Systems) -> None:
    """Users that were added or changed are told with how they are now, each once, and at the next time not."""
    ada, eve, *_ = await systems.some(systems.account, 5)
    position = (await systems.account_news.news(None)).position
    for name in ("First", "Second"):
        changed = await systems.account.update_user(ref(ada), UpdateAccountUser(name=name), name)
    made = await systems.account.create_user(CreateAccountUser(name="New", email="new@example.com"), "create")
    await systems.account.update_user(ref(made), UpdateAccountUser(name="Newer"), "newer")
    news = await systems.account_news.news(position)
    assert told(news) == [(UPDATED, ada.source_id), (CREATED, made.source_id)]
    assert news.changes[0][1] == changed
    assert news.changes[1][1].name == "Newer"
    assert (await systems.account_news.news(news.position)).changes == ()
    await systems.account.update_user(ref(eve), UpdateAccountUser(name="Third"), "third")
    assert told(await systems.account_news.news(news.position)) == [(UPDATED, eve.source_id)]


async def test_removed_users(wire: Any, source: Any) -> None:
    """Of a removed user its last state is told, or its id where there is none; who is gone is not told as changed."""
    account = source(UserSource.ACCOUNT)
    news = AccountChanges(account._api, account.fetch_user)
    done = [("e3", "delete", "acus_1"), ("e2", "delete", "acus_2"), ("e1", "update", "acus_3"), ("e0", "delete", "")]
    events = [
        {"id": id_, "action": action, "resource_id": user, "occurred_at": f"2026-11-22T12:00:0{id_[1]}Z"}
        for id_, action, user in done
    ]
    wire.answer({"data": events, "page_info": {"has_next_page": False}})
    gone = {"error": {"code": "resource_not_found", "message": "gone"}}
    wire.answer(gone, 404)
    wire.answer(gone, 404)
    wire.answer({"id": "acus_1", "status": "removed"})
    told_now = await news.news("2026-11-22T11:00:00.000000Z 2026-11-22T11:59:59.000000Z e9")
    assert told(told_now) == [(DELETED, "acus_2"), (DELETED, "acus_1")]
    assert [user.status for _, user in told_now.changes] == [None, UserStatus.REMOVED]
    assert told_now.position == "2026-11-22T11:00:00.000000Z 2026-11-22T12:00:03.000000Z e3 e2 e1"
    assert "start_date=2026-11-22T11%3A59%3A54.000000Z" in wire.requests[0].url


@pytest.mark.parametrize(
    "after", [{"next_page_url": "https://account.test/v1/core/audit-events?cursor=c1"}, {"next_cursor": "c1"}]
)
async def test_pages_of_events(wire: Any, source: Any, after: dict[str, str]) -> None:
    """The events of an interval are read to their last page, in both versions' words."""
    account = source(UserSource.ACCOUNT)
    news = AccountChanges(account._api, account.fetch_user)
    pages = [("e2", "acus_2", after), ("e1", "acus_1", {})]
    for id_, user, info in pages:
        event = {"id": id_, "action": "create", "resource_id": user, "created_at": f"2026-11-22T12:00:0{id_[1]}.5Z"}
        wire.answer({"data": [event], "page_info": {"has_next_page": bool(info), **info}})
    wire.answer({"id": "acus_1"})
    wire.answer({"id": "acus_2"})
    assert told(await news.news(" ")) == [(CREATED, "acus_1"), (CREATED, "acus_2")]
    assert "cursor=c1" in wire.requests[1].url
