"""Changes whose callers go away, or that are cancelled themselves."""

import asyncio
import gc
from typing import Any

import pytest

from gateway.errors import Conflict, Outcome, SourceUnavailable
from gateway.operation import current_principal
from gateway.principal import Action, Principal
from gateway.state.memory.idempotency import MemoryIdempotency
from gateway.state.once import IdempotentChanges
from gateway.users.ids import Ref
from gateway.users.model import User, UserChange, UserSource
from gateway.users.service import UserService
from gateway.users.source import Source, Sources

CALLER = Principal("caller", frozenset({Action.WRITE}))


class WaitingSource(Source):
    """A source that executes a change once `response` is set: it returns the user, or raises the error."""

    name = UserSource.ACCOUNT

    def __init__(self) -> None:
        self.principals: list[Principal] = []
        self.called = asyncio.Event()
        self.response: asyncio.Future[User] = asyncio.get_running_loop().create_future()

    async def update_user(self, ref: Ref, change: Any, key: str) -> User | None:  # noqa: ARG002 - the one change of the test
        self.principals.append(current_principal.get())
        self.called.set()
        return await self.response


@pytest.fixture
async def source() -> WaitingSource:
    """A source that waits."""
    return WaitingSource()


@pytest.fixture
def published() -> list[User]:
    """The users whose changes were published."""
    return []


@pytest.fixture
def service(source: WaitingSource, published: list[User]) -> UserService:
    """A service for one caller."""

    async def publish(change: UserChange, user: User, change_id: str = "", *, repeated: bool = False) -> None:
        published.append(user)

    execute_once = IdempotentChanges(MemoryIdempotency())
    return UserService(Sources([source]), execute_once=execute_once, publish=publish).by(CALLER)


def begin(service: UserService, key: str | None) -> "asyncio.Task[User]":
    return asyncio.create_task(service.update_account_user("u1", {"name": "Ada"}, idempotency_key=key))


@pytest.mark.parametrize("key", [None, "k-1"])
async def test_completed(service: UserService, source: WaitingSource, published: list[User], key: str | None) -> None:
    """A change whose caller goes away is completed for that caller, and published."""
    caller = begin(service, key)
    await source.called.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    user = User(UserSource.ACCOUNT, "u1", name="Ada")
    source.response.set_result(user)
    await service.drain()
    assert published == [user]
    assert source.principals == [CALLER]


@pytest.mark.parametrize("key", [None, "k-1"])
@pytest.mark.parametrize("turns", range(8))  # of the loop: so many at most does the error take to the caller
async def test_failed_meanwhile(service: UserService, source: WaitingSource, key: str | None, turns: int) -> None:
    """A change that fails at the moment when its caller goes away leaves no error that nobody has retrieved."""
    defects: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: defects.append(context))
    caller = begin(service, key)
    await source.called.wait()
    source.response.set_exception(Conflict("refused"))
    for _ in range(turns):
        await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises((asyncio.CancelledError, Conflict)):
        await caller
    await service.drain()
    del caller
    gc.collect()
    assert defects == []


async def test_cancelled_itself(service: UserService, source: WaitingSource) -> None:
    """A change that is cancelled because the process stops has an unknown outcome for its caller."""
    caller = begin(service, None)
    await source.called.wait()
    stopping = asyncio.create_task(service.drain())
    await asyncio.sleep(0)  # it waits for the change
    stopping.cancel()
    with pytest.raises(SourceUnavailable) as failed:
        await caller
    assert failed.value.outcome is Outcome.UNKNOWN
    assert source.response.cancelled()
