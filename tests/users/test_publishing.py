"""Events of changes: one for each change that was executed."""

import logging
from typing import Any

import pytest

from gateway.errors import SourceInvalidResponse, SourceUnavailable
from gateway.state.memory.idempotency import MemoryIdempotency
from gateway.state.once import IdempotentChanges
from gateway.users.model import User, UserChange, UserSource
from gateway.users.service import UserService
from gateway.users.source import Sources

ACCOUNT = UserSource.ACCOUNT
ADA = User(ACCOUNT, "acus_1")


@pytest.fixture
def published() -> list[tuple[UserChange, User]]:
    """The events that were published."""
    return []


@pytest.fixture
def how_published() -> list[tuple[bool, bool]]:
    """For each of them, whether it was published with the id of its change, and as one that may be there already."""
    return []


@pytest.fixture
def account(make_source: Any) -> Any:
    """The account source, with Ada."""
    return make_source(ACCOUNT, users={"acus_1": ADA})


@pytest.fixture
def service(account: Any, published: Any, how_published: Any) -> UserService:
    """A service that stores results."""
    execute_once = IdempotentChanges(MemoryIdempotency())

    async def publish(change: UserChange, user: User, change_id: str = "", *, repeated: bool = False) -> None:
        published.append((change, user))
        how_published.append((bool(change_id), repeated))

    return UserService(Sources((account,)), execute_once=execute_once, publish=publish)


@pytest.mark.parametrize("key", [None, "k-1"])
async def test_a_change(service: UserService, published: list[Any], key: str | None) -> None:
    """A change is published with the returned user; a replay is not published."""
    for _ in range(2):
        await service.update_account_user("acus_1", {"name": "Ada"}, idempotency_key=key)
    assert published == [(UserChange.UPDATED, ADA)] * (1 if key else 2)


async def test_a_change_without_a_user(service: UserService, account: Any, published: list[Any]) -> None:
    """A change that was confirmed without a body is published with the user read back; a replay makes no call."""
    account.silent = True
    for _ in range(2):
        assert await service.update_account_user("acus_1", {"name": "Ada"}, idempotency_key="k-1") == ADA
    assert [call[0] for call in account.calls] == ["update_user", "fetch_user"]
    assert published == [(UserChange.UPDATED, ADA)]


@pytest.mark.parametrize("key", [None, "k-1"])
@pytest.mark.parametrize("silent", [False, True])
async def test_what_identifies_a_change(
    service: UserService, account: Any, how_published: list[Any], key: str | None, *, silent: bool
) -> None:
    """Only a change with a key has an id, since only that may be repeated; a user that was read may be in the log."""
    account.silent = silent
    await service.update_account_user("acus_1", {"name": "Ada"}, idempotency_key=key)
    assert how_published == [(key is not None, silent)]


async def test_a_creation(service: UserService, published: list[Any]) -> None:
    """A new user is published as created."""
    made = await service.create_account_user({"name": "New", "email": "new@example.com"})
    assert published == [(UserChange.CREATED, made)]


async def test_what_failed(service: UserService, account: Any, published: list[Any]) -> None:
    """A change that failed, or has an unknown outcome, is not published."""
    account.answers_as = "acus_2"
    with pytest.raises(SourceInvalidResponse):
        await service.update_account_user("acus_1", {"name": "Ada"}, idempotency_key="k-1")
    assert published == []


async def test_publishing_fails(account: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A change succeeds although its event cannot be published, which is logged."""

    async def fail(*_: Any) -> None:
        raise RuntimeError("the log is closed")

    service = UserService(Sources((account,)), publish=fail)
    assert await service.update_account_user("acus_1", {"name": "Ada"}) == ADA
    [record] = caplog.records
    assert (record.name, record.levelno) == ("gateway.users", logging.ERROR)


@pytest.mark.parametrize("key", [None, "k-1"])
async def test_an_event_that_could_not_be_published(account: Any, key: str | None) -> None:
    """A change without a key is refused, and not sent, where its event could not be published."""

    async def refuse() -> None:
        raise SourceUnavailable("Redis cannot be reached")

    execute_once = IdempotentChanges(MemoryIdempotency())
    service = UserService(Sources((account,)), execute_once=execute_once, require_publishable=refuse)
    if key is None:
        with pytest.raises(SourceUnavailable):
            await service.update_account_user("acus_1", {"name": "Ada"})
        assert account.calls == []
    else:  # the store of its result is in the same Redis, and fails first
        assert await service.update_account_user("acus_1", {"name": "Ada"}, idempotency_key=key) == ADA
