"""WatchUsers on real sockets: events of changes by both surfaces, resuming, and the ends of streams."""

import asyncio
import logging
from datetime import datetime
from typing import Any

import grpc
import pytest
from google.rpc import status_pb2

from gateway.api.grpc.server import GrpcOptions, start_grpc
from gateway.events.memory import MemoryEventLog
from gateway.users.ids import Kind, Ref, encode
from gateway.users.model import User, UserChange, UserSource
from gateway.users.service import UserService
from gateway.users.source import Sources
from usergateway.v1 import users_pb2

ADA = "acus_adalovelace1"
MARKET = "USR-0000-0001"
RESELLER = "00000000-0000-4000-8000-000000000001"
CREATED, UPDATED = users_pb2.USER_CHANGE_CREATED, users_pb2.USER_CHANGE_UPDATED
GRAPHQL = "mutation($id: ID!, $name: String) { updateAccountUser(id: $id, input: {name: $name}) { id } }"


async def watch(world: Any, **fields: Any) -> Any:
    """Start a stream, and return it when it has started."""
    call = world.start("WatchUsers", **fields)
    await call.initial_metadata()
    return call


async def token(call: Any) -> str:
    """Return the token of the start of a stream."""
    return str(dict(await call.initial_metadata())["usergateway-resume-token"])


async def quiet(call: Any) -> bool:
    """Return whether a stream has no event to read."""
    reading = asyncio.ensure_future(call.read())
    done, _ = await asyncio.wait({reading}, timeout=0.1)
    reading.cancel()
    return not done


async def read_on(call: Any, events: list[Any]) -> None:
    """Read a stream to its end."""
    async with asyncio.timeout(30):
        while (event := await call.read()) is not grpc.aio.EOF:
            events.append(event)


async def failure_of(world: Any, call: Any, events: list[Any] | None = None) -> Any:
    """Read the last events of a stream, and return the failure that ended it."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await read_on(call, [] if events is None else events)
    trailers = dict(raised.value.trailing_metadata() or ())
    failure = world.parse_status(status_pb2.Status.FromString(trailers["grpc-status-details-bin"]))
    assert trailers["x-request-id"] == failure.request_id
    assert raised.value.code() is failure.status
    return failure


async def refused(world: Any, **fields: Any) -> Any:
    """Return the failure of a stream that is refused."""
    return await failure_of(world, world.start("WatchUsers", **fields))


async def rename(world: Any, name: str, **fields: Any) -> users_pb2.User:
    """Change a name by gRPC."""
    user: users_pb2.User = await world.get("UpdateAccountUser", id=ADA, user={"name": name}, **fields)
    return user


async def test_changes_by_both_surfaces(world: Any) -> None:
    """Each change of either surface is one event, in order, with the user after it, without a call to a source."""
    call = await watch(world)
    changed = await rename(world, "Augusta")
    result = await world.gateway.execute(GRAPHQL, {"id": changed.id, "name": "Countess"})
    assert result.errors is None
    created = await world.get("CreateAccountUser", user={"name": "New", "email": "new@example.com"})
    await world.get("UpdateSoftwareOneUser", id=MARKET, user={"last_name": "King"})
    await world.get("UpdateResellerUser", id=RESELLER, user={"company": "Analytical"})
    before = len(await world.calls())
    events = [await call.read() for _ in range(5)]
    assert [(event.change, event.user.source_id) for event in events] == [
        (UPDATED, ADA),
        (UPDATED, ADA),
        (CREATED, created.source_id),
        (UPDATED, MARKET),
        (UPDATED, RESELLER),
    ]
    assert events[0].user == changed
    assert events[1].user.name == "Countess"
    assert events[2].user == created
    assert len({event.resume_token for event in events}) == 5
    assert all(datetime.fromisoformat(event.occurred_at).tzinfo for event in events)
    assert await quiet(call)
    assert len(await world.calls()) == before


async def test_no_change_no_event(world: Any) -> None:
    """A replayed change and a refused change are no events."""
    call = await watch(world)
    for _ in range(2):
        await rename(world, "Augusta", request_id="key-1")
    again = await world.gateway.execute(GRAPHQL, {"id": ADA, "name": "Augusta"}, idempotency_key="key-1")
    assert again.errors is None
    assert (await world.fail("UpdateAccountUser", id="acus_nobody", user={"name": "x"})).reason == "NOT_FOUND"
    assert (await call.read()).user.source_id == ADA
    assert await quiet(call)


async def test_a_change_whose_client_has_disconnected(world: Any) -> None:
    """A change that ends after its client has disconnected is an event."""
    call = await watch(world)
    await world.fault(source="account", kind="slow", delay=0.3, times=1)
    changing = world.start("UpdateAccountUser", id=ADA, user={"name": "Augusta"})

    async def sent() -> bool:
        return bool(await world.calls("account"))

    await world.until(sent)
    changing.cancel()
    assert (await call.read()).user.name == "Augusta"


async def test_filters(world: Any) -> None:
    """A stream has events of the requested users and sources only."""
    ada = encode(Ref(Kind.USER, UserSource.ACCOUNT, ADA))
    by_id = await watch(world, ids=[ada])
    by_source = await watch(world, sources=[users_pb2.USER_SOURCE_SOFTWAREONE])
    await world.get("UpdateSoftwareOneUser", id=MARKET, user={"last_name": "King"})
    await rename(world, "Augusta")
    assert (await by_id.read()).user.id == ada
    assert (await by_source.read()).user.source_id == MARKET
    assert await quiet(by_id)
    assert await quiet(by_source)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"ids": [ADA]}, "ids[0]"),
        ({"ids": [encode(Ref(Kind.ROLE, UserSource.ACCOUNT, "rl_1"))]}, "ids[0]"),
        ({"sources": [users_pb2.USER_SOURCE_ACCOUNT, 0]}, "sources[1]"),
        ({"sources": [77]}, "sources[0]"),
        ({"sources": [users_pb2.USER_SOURCE_ACCOUNT] * 101}, "sources"),
        ({"ids": [encode(Ref(Kind.USER, UserSource.ACCOUNT, ADA, "t"))] * 1001}, "ids"),
        ({"resume_token": "nonsense"}, "resume_token"),
    ],
)
async def test_requests_that_are_not_valid(world: Any, fields: dict[str, Any], field: str) -> None:
    """Ids, sources and tokens that are not valid, or too many, are INVALID_ARGUMENT with the field."""
    failure = await refused(world, **fields)
    assert (failure.status.name, failure.reason) == ("INVALID_ARGUMENT", "BAD_USER_INPUT")
    assert [violation[0] for violation in failure.violations] == [field]


async def test_resuming(world: Any) -> None:
    """A resumed stream continues after the last event that was read: none is lost or repeated."""
    call = await watch(world)
    start = await token(call)
    for name in "abc":
        await rename(world, name)
    assert (await call.read()).user.name == "a"
    last = await call.read()
    call.cancel()
    await rename(world, "d")
    resumed = await watch(world, resume_token=last.resume_token)
    await rename(world, "e")
    assert [(await resumed.read()).user.name for _ in range(3)] == ["c", "d", "e"]
    assert await token(resumed) == last.resume_token
    from_the_start = await watch(world, resume_token=start)
    assert [(await from_the_start.read()).user.name for _ in range(5)] == [*"abcde"]


async def test_the_token_of_an_earlier_process(world: Any) -> None:
    """A token whose events are no longer in the log is NOT_FOUND."""
    log = MemoryEventLog()
    async with log.subscribe() as subscription:
        failure = await refused(world, resume_token=subscription.start)
    assert (failure.status.name, failure.reason) == ("NOT_FOUND", "NOT_FOUND")
    assert failure.metadata["retryable"] == "false"
    assert "no longer held" in failure.message


def publish(world: Any, number: int, *, length: int = 1) -> None:
    """Publish an event of a user with a name of that length."""
    world.gateway._entered.events.publish(
        UserChange.UPDATED, User(UserSource.ACCOUNT, f"acus_{number}", name="x" * length)
    )


async def test_a_slow_reader(world: Any) -> None:
    """The stream of a client that does not read is closed with RATE_LIMITED, and can be resumed without loss."""
    call = await watch(world)
    quick = await watch(world)
    published = 0
    async with asyncio.timeout(60):
        while world.gateway._entered.events.subscribers == 2:
            publish(world, published, length=4000)
            assert (await quick.read()).user.source_id == f"acus_{published}"
            published += 1
    received: list[Any] = []
    failure = await failure_of(world, call, received)
    assert (failure.status.name, failure.reason) == ("RESOURCE_EXHAUSTED", "RATE_LIMITED")
    assert failure.retry_after == 1
    assert 0 < len(received) < published - 256
    resumed = await watch(world, resume_token=received[-1].resume_token)
    received += [await resumed.read() for _ in range(published - len(received))]
    assert [event.user.source_id for event in received] == [f"acus_{number}" for number in range(published)]


async def test_draining(world: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A draining server sends the queued events and then UNAVAILABLE; it refuses streams and accepts calls."""
    monkeypatch.setattr("gateway.api.grpc.watching._DRAIN_TIMEOUT", 60.0)  # a busy machine may need longer than 1 s
    call, idle = await watch(world), await watch(world, sources=[users_pb2.USER_SOURCE_RESELLER])
    for number in range(100):
        publish(world, number)
    await world.server.drain()
    read = [(await call.read()).user.source_id for _ in range(100)]
    assert read == [f"acus_{number}" for number in range(100)]
    for stream in (call, idle, world.start("WatchUsers")):
        failure = await failure_of(world, stream)
        assert (failure.status.name, failure.reason) == ("UNAVAILABLE", "SOURCE_UNAVAILABLE")
        assert failure.retry_after == 1
    assert (await world.get("GetUser", id=ADA, source=users_pb2.USER_SOURCE_ACCOUNT)).source_id == ADA
    assert not caplog.records


async def test_streams_do_not_delay_the_stop(world: Any) -> None:
    """A server with open streams stops at once, independent of its grace."""
    call = await watch(world)
    async with asyncio.timeout(20):
        stopping = asyncio.create_task(world.server.stop(60))
        assert (await failure_of(world, call)).status is grpc.StatusCode.UNAVAILABLE
        await stopping


async def test_a_closed_log(world: Any) -> None:
    """If the gateway is closed before its server, streams end with UNAVAILABLE."""
    call = await watch(world)
    await world.gateway._entered.events.aclose()
    assert (await failure_of(world, call)).status is grpc.StatusCode.UNAVAILABLE
    assert (await refused(world)).status is grpc.StatusCode.UNAVAILABLE


async def fill(world: Any, backlog: int) -> None:
    """Publish events until that many wait for the only stream, or until it is closed.

    The queue is read directly, since a client cannot observe it.
    """
    [subscription] = world.gateway._entered.events._recent._subscriptions
    async with asyncio.timeout(20):
        while world.gateway._entered.events.subscribers and len(subscription._queue) < backlog:
            for _ in range(2):
                publish(world, 1, length=20_000)
            await asyncio.sleep(0)


@pytest.mark.parametrize("backlog", [0, 50, 999])
async def test_a_client_that_disconnects(world: Any, caplog: pytest.LogCaptureFixture, *, backlog: int) -> None:
    """A client that cancels leaves no task and no log record: waiting, late, or closed already."""
    before = len(asyncio.all_tasks())
    call = await watch(world)
    await fill(world, backlog)
    assert world.gateway._entered.events.subscribers == (0 if backlog == 999 else 1)
    call.cancel()

    async def gone() -> bool:
        return len(asyncio.all_tasks()) <= before and world.gateway._entered.events.subscribers == 0

    await world.until(gone)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_client_that_does_not_read(world: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A closed stream whose client does not read its status delays the stop by the grace at most."""
    call = await watch(world)
    await fill(world, 999)
    async with asyncio.timeout(20):
        await world.server.stop(0.2)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await read_on(call, [])
    assert raised.value.code().name in {"UNAVAILABLE", "RESOURCE_EXHAUSTED"}  # the client gets the status when it reads
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_the_deadline_of_the_client(world: Any) -> None:
    """A stream ends at the deadline of its client, and is removed from the log."""
    call = world.start("WatchUsers", timeout=0.2)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call.read()
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED

    async def gone() -> bool:
        return world.gateway._entered.events.subscribers == 0

    await world.until(gone)


async def test_metadata(world: Any) -> None:
    """The request id is in the headers, since a stream may take long, and in the status."""
    world.sent["x-request-id"] = "mine-1"
    call = await watch(world)
    assert dict(await call.initial_metadata())["x-request-id"] == "mine-1"
    await world.server.drain()
    assert (await failure_of(world, call)).request_id == "mine-1"


async def test_without_a_log() -> None:
    """WatchUsers is UNIMPLEMENTED on a server without an event log."""
    server = await start_grpc(UserService(Sources(())), GrpcOptions(port=0))
    async with grpc.aio.insecure_channel(server.address) as channel:
        watching: Any = channel.unary_stream("/usergateway.v1.UserService/WatchUsers")
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await watching(b"").read()
        assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED
    await server.stop(0)
