"""A state that the embedding program passes: two gateways with one state are replicas."""
# ruff: noqa: ARG002 - the arguments of the methods are those of the Protocols

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession
from still_clock import StillClock

from gateway import Gateway, Settings
from gateway.errors import NotFound, RateLimited, SourceUnavailable
from gateway.sandbox import ACCOUNT_ID, ACCOUNT_TOKEN, SandboxOptions, SandboxServer
from gateway.state import (
    BeginResult,
    Begun,
    EventStream,
    IdempotencySettings,
    IdempotencyStore,
    MemoryState,
    RateLimit,
    RateSettings,
    Replicas,
    Report,
)

USER = "acus_adalovelace1"
CHANGED = "subscription { userChanged { user { name } } }"


class CommonEvents:
    """An event stream of all gateways of this process."""

    def __init__(self) -> None:
        self._entries: list[tuple[bytes, str]] = []
        self._known: set[str] = set()

    async def bounds(self) -> tuple[str, int, int, str]:
        return "log", 0, len(self._entries), self._entries[-1][1] if self._entries else ""

    async def append(self, reports: Sequence[Report]) -> Sequence[int]:
        return [self._append(report) for report in reports]

    def _append(self, report: Report) -> int:
        if report.event in self._known:
            return 0
        self._known.add(report.event)
        self._entries.append((report.entry, report.check))
        return len(self._entries)

    async def read(self, after: int) -> Sequence[tuple[str, int, bytes, str]]:
        if len(self._entries) <= after:
            await asyncio.sleep(0.01)
        found = list(enumerate(self._entries[after:], after))
        return [("log", at + 1, entry, self._entries[at - 1][1] if at else "") for at, (entry, _) in found]

    async def get(self, number: int) -> bytes | None:
        return self._entries[number - 1][0] if 0 < number <= len(self._entries) else None

    async def rename(self, log: str) -> None:
        raise AssertionError(log)


class Common:
    """What the states of several gateways have in common."""

    def __init__(self) -> None:
        memory = MemoryState()
        self.records = memory.idempotency(IdempotencySettings())
        self.allowances = memory.rates(RateSettings(limit=1000, window=3600))
        self.events = CommonEvents()


class CommonState(MemoryState):
    def __init__(self, common: Common) -> None:
        super().__init__()
        self._common = common
        self.is_closed = False

    def idempotency(self, settings: IdempotencySettings) -> IdempotencyStore:
        return self._common.records

    def rates(self, settings: RateSettings) -> RateLimit:
        return self._common.allowances

    def event_stream(self, *, max_entries: int, window: float) -> EventStream:
        return self._common.events

    async def aclose(self) -> None:
        self.is_closed = True


@pytest.fixture
async def sandbox() -> AsyncIterator[SandboxServer]:
    async with SandboxServer(SandboxOptions(rate_limits=False)) as sandbox:
        yield sandbox


@asynccontextmanager
async def replica(sandbox: SandboxServer, state: MemoryState) -> AsyncIterator[Gateway]:
    account = {"base_url": sandbox.account_url, "token": ACCOUNT_TOKEN, "account_id": ACCOUNT_ID}
    async with Gateway(Settings(account=account, rate_limit={"cost": 1000}), state=state) as gateway:
        yield gateway


async def changes_of(sandbox: SandboxServer) -> int:
    async with ClientSession() as session, session.get(f"{sandbox.control_url}/calls") as response:
        return sum(call["method"] == "PATCH" for call in await response.json())


async def test_replicas(sandbox: SandboxServer) -> None:
    """A change is executed once for its key, and its event reaches the subscriptions of both."""
    common = Common()
    async with replica(sandbox, CommonState(common)) as first, replica(sandbox, CommonState(common)) as second:
        events = second.subscribe(CHANGED)
        event = asyncio.ensure_future(anext(events))
        async with asyncio.timeout(20):
            while not second._entered.events.subscribers:  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0.01)
        for gateway in (first, second):
            user = await gateway.users.update_account_user(USER, {"name": "Ada L."}, idempotency_key="one")
            assert user.name == "Ada L."
        assert await changes_of(sandbox) == 1
        async with asyncio.timeout(20):
            result = await event
        assert result.data == {"userChanged": {"user": {"name": "Ada L."}}}
        await events.aclose()


class UnusableState(CommonState):
    async def start(self) -> None:
        raise ValueError("the table of idempotency records is missing")


async def test_a_state_that_cannot_be_used(sandbox: SandboxServer) -> None:
    """The gateway does not start, and the state is closed."""
    state = UnusableState(Common())
    with pytest.raises(ValueError, match="the table of idempotency records is missing"):
        async with replica(sandbox, state):
            pass
    assert state.is_closed


class UnreachableRecords:
    lease = 30.0

    async def begin(self, record_id: str, fingerprint: str, owner: str, principal: str = "") -> BeginResult:
        raise SourceUnavailable("The database does not respond.")

    async def renew(self, record_id: str, owner: str) -> bool:
        raise SourceUnavailable("The database does not respond.")

    async def finish(self, record_id: str, owner: str, result: bytes) -> bool:
        raise SourceUnavailable("The database does not respond.")

    async def abandon(self, record_id: str, owner: str, progress: object = None) -> None:
        raise SourceUnavailable("The database does not respond.")


class UnreachableState(CommonState):
    def idempotency(self, settings: IdempotencySettings) -> IdempotencyStore:
        return UnreachableRecords()


class FailingRecords:
    """Records that begin, and then fail twice in a way that is not in the contract."""

    lease = 0.05

    def __init__(self, failure: BaseException) -> None:
        self.failures = iter([failure, failure])

    async def begin(self, record_id: str, fingerprint: str, owner: str, principal: str = "") -> BeginResult:
        return Begun()

    async def renew(self, record_id: str, owner: str) -> bool:
        raise ConnectionResetError

    async def finish(self, record_id: str, owner: str, result: bytes) -> bool:
        for failure in self.failures:
            raise failure
        return True

    async def abandon(self, record_id: str, owner: str, progress: object = None) -> None:
        for failure in self.failures:
            raise failure


class FailingState(CommonState):
    def __init__(self, common: Common, failure: BaseException) -> None:
        super().__init__(common)
        self._failure = failure

    def idempotency(self, settings: IdempotencySettings) -> IdempotencyStore:
        return FailingRecords(self._failure)


@pytest.mark.parametrize("failure", [ConnectionResetError(), RateLimited("full"), asyncio.CancelledError()], ids=repr)
async def test_results_that_cannot_be_stored(sandbox: SandboxServer, failure: BaseException) -> None:
    """A change that was executed is not reported as failed; one that failed is reported with its own error."""
    async with replica(sandbox, FailingState(Common(), failure)) as gateway:
        user = await gateway.users.update_account_user(USER, {"name": "Ada L."}, idempotency_key="one")
        assert user.name == "Ada L."
        with pytest.raises(NotFound):
            await gateway.users.update_account_user("acus_none", {"name": "Ada"}, idempotency_key="two")


async def test_an_unreachable_state(sandbox: SandboxServer) -> None:
    """A change with a key is refused before it is sent; reads go on, and the gateway stops within seconds."""
    async with replica(sandbox, UnreachableState(Common())) as gateway:
        with pytest.raises(SourceUnavailable, match="The database does not respond"):
            await gateway.users.update_account_user(USER, {"name": "Ada"}, idempotency_key="one")
        assert await changes_of(sandbox) == 0
        result = await gateway.execute(f'{{ user(id: "{USER}", source: ACCOUNT) {{ name }} }}')
        assert result.errors is None


class WithoutReplicas(CommonState):
    def replicas(self, description: bytes) -> Replicas | None:
        raise ConnectionResetError


async def test_a_start_that_fails(sandbox: SandboxServer) -> None:
    """A gateway whose start has failed is not ready, and says that it is closed."""
    account = {"base_url": sandbox.account_url, "token": ACCOUNT_TOKEN, "account_id": ACCOUNT_ID}
    gateway = Gateway(Settings(account=account), state=WithoutReplicas(Common()))
    with pytest.raises(ConnectionResetError):
        async with gateway:
            pass
    assert not gateway.ready
    with pytest.raises(RuntimeError, match="the gateway is closed"):
        _ = gateway.users


async def test_a_clock(sandbox: SandboxServer) -> None:
    """Events in a state of the embedding program have the time of its clock."""
    account = {"base_url": sandbox.account_url, "token": ACCOUNT_TOKEN, "account_id": ACCOUNT_ID}
    clock = StillClock()
    clock.advance(86_400)
    async with Gateway(Settings(account=account), state=CommonState(Common()), clock=clock) as gateway:
        events = gateway.users.subscribe()
        event = asyncio.ensure_future(anext(events))
        async with asyncio.timeout(20):
            while not gateway._entered.events.subscribers:  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0.01)
            await gateway.users.update_account_user(USER, {"name": "Ada L."})
            assert abs((await event).occurred_at.instant().timestamp() - clock.time()) < 3600
        await events.aclose()
