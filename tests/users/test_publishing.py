"""What is told of changes: each that was carried out, once."""

import logging
from typing import Any

import pytest

from gateway.errors import SourceInvalidResponse
from gateway.state.memory.idempotency import MemoryIdempotency
from gateway.state.once import IdempotentChanges
from gateway.users.model import User, UserChange, UserSource
from gateway.users.service import UserService
from gateway.users.source import Sources

ACCOUNT = UserSource.ACCOUNT
ADA = User(ACCOUNT, "acus_1")


@pytest.fixture
def told() -> list[tuple[UserChange, User]]:
    """What was told."""
    return []


@pytest.fixture
def account(system: Any) -> Any:
    """The account system, with Ada."""
    return system(ACCOUNT, users={"acus_1": ADA})


@pytest.fixture
def service(account: Any, told: Any) -> UserService:
    """A service that keeps answers."""
    once = IdempotentChanges(MemoryIdempotency())
    return UserService(Sources((account,)), once=once, publish=lambda *event: told.append(event))


@pytest.mark.parametrize("key", [None, "k-1"])
async def test_a_change(service: UserService, told: list[Any], key: str | None) -> None:
    """A change is told with the user that it was answered with; an answer given again under its key is not."""
    for _ in range(2):
        await service.update_account_user("acus_1", {"name": "Ada"}, idempotency_key=key)
    assert told == [(UserChange.UPDATED, ADA)] * (1 if key else 2)


async def test_a_change_without_an_answer(service: UserService, account: Any, told: list[Any]) -> None:
    """A change that is answered without the user is told once, as it was read back; a repeat asks nothing again."""
    account.silent = True
    for _ in range(2):
        assert await service.update_account_user("acus_1", {"name": "Ada"}, idempotency_key="k-1") == ADA
    assert [call[0] for call in account.calls] == ["update_user", "fetch_user"]
    assert told == [(UserChange.UPDATED, ADA)]


async def test_a_creation(service: UserService, told: list[Any]) -> None:
    """A user that was added is told as such."""
    made = await service.create_account_user({"name": "New", "email": "new@example.com"})
    assert told == [(UserChange.CREATED, made)]


async def test_what_failed(service: UserService, account: Any, told: list[Any]) -> None:
    """A change that failed, or of which nobody knows whether it was carried out, is not told."""
    account.answers_as = "acus_2"
    with pytest.raises(SourceInvalidResponse):
        await service.update_account_user("acus_1", {"name": "Ada"}, idempotency_key="k-1")
    assert told == []


async def test_telling_fails(account: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A change was carried out, whatever becomes of its news: that goes to the log."""

    def fail(*_: Any) -> None:
        raise RuntimeError("no news today")

    service = UserService(Sources((account,)), publish=fail)
    assert await service.update_account_user("acus_1", {"name": "Ada"}) == ADA
    [record] = caplog.records
    assert (record.name, record.levelno) == ("gateway.users", logging.ERROR)
