"""WatchUsers on real sockets: changes by both surfaces, once each; how a stream goes on and how it ends."""

import asyncio
import logging
from datetime import datetime
from typing import Any

import grpc
import pytest
from google.rpc import status_pb2

from gateway.api.grpc.server import GrpcOptions, start_grpc
from gateway.api.grpc.usergateway.v1 import users_pb2
from gateway.events.memory import MemoryEventLog
from gateway.users.ids import Kind, Ref, encode
from gateway.users.model import User, UserChange, UserSource
from gateway.users.service import UserService
from gateway.users.source import Sources

ADA = "acus_adalovelace1"
MARKET = "USR-0000-0001"
RESELLER = "00000000-0000-4000-8000-000000000001"
CREATED, UPDATED = users_pb2.USER_CHANGE_CREATED, users_pb2.USER_CHANGE_UPDATED
GRAPHQL = "mutation($id: ID!, $name: String) { updateAccountUser(id: $id, input: {name: $name}) { id } }"


async def watch(world: Any, **fields: Any) -> Any:
    """A stream that has begun: what happens from now on is in it."""
    call = world.start("WatchUsers", **fields)
    await call.initial_metadata()
    return call


async def token(call: Any) -> str:
    """The token of the place where a stream began."""
    return str(dict(await call.initial_metadata())["usergateway-resume-token"])


async def quiet(call: Any) -> bool:
    """Whether nothing waits to be read."""
    reading = asyncio.ensure_future(call.read())
    done, _ = await asyncio.wait({reading}, timeout=0.1)
    reading.cancel()
    return not done


async def read_on(call: Any, events: list[Any]) -> None:
    """Read a stream to its end."""
    async with asyncio.timeout(5):
        while (event := await call.read()) is not grpc.aio.EOF:
            events.append(event)


async def ending(world: Any, call: Any, events: list[Any] | None = None) -> Any:
    """How the stream ended, its last events read."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await read_on(call, [] if events is None else events)
    trailers = dict(raised.value.trailing_metadata() or ())
    failure = world.taken_apart(status_pb2.Status.FromString(trailers["grpc-status-details-bin"]))
    assert trailers["x-request-id"] == failure.request_id
    assert raised.value.code() is failure.status
    return failure


async def refused(world: Any, **fields: Any) -> Any:
    """How a stream ends that never begins."""
    return await ending(world, world.start("WatchUsers", **fields))


async def rename(world: Any, name: str, **fields: Any) -> users_pb2.User:
    """A change by gRPC."""
    user: users_pb2.User = await world.get("UpdateAccountUser", id=ADA, user={"name": name}, **fields)
    return user


async def test_changes_by_both_surfaces(world: Any) -> None:
    """Each change arrives once, in order, whatever the surface; with the user as it is, and no call to a source."""
    call = await watch(world)
    changed = await rename(world, "Augusta")
    result = await world.gateway.execute(GRAPHQL, {"id": changed.id, "name": "Countess"})
    assert result.errors is None
    made = await world.get("CreateAccountUser", user={"name": "New", "email": "new@example.com"})
    await world.get("UpdateSoftwareOneUser", id=MARKET, user={"last_name": "King"})
    await world.get("UpdateResellerUser", id=RESELLER, user={"company": "Analytical"})
    before = len(await world.calls())
    events = [await call.read() for _ in range(5)]
    assert [(event.change, event.user.source_id) for event in events] == [
        (UPDATED, ADA),
        (UPDATED, ADA),
        (CREATED, made.source_id),
        (UPDATED, MARKET),
        (UPDATED, RESELLER),
    ]
    assert events[0].user == changed
    assert events[1].user.name == "Countess"
    assert events[2].user == made
    assert len({event.resume_token for event in events}) == 5
    assert all(datetime.fromisoformat(event.occurred_at).tzinfo for event in events)
    assert await quiet(call)
    assert len(await world.calls()) == before


async def test_no_change_no_event(world: Any) -> None:
    """An answer given again under its key is no change, nor is one that was refused; the stream stays quiet."""
    call = await watch(world)
    for _ in range(2):
        await rename(world, "Augusta", request_id="key-1")
    again = await world.gateway.execute(GRAPHQL, {"id": ADA, "name": "Augusta"}, idempotency_key="key-1")
    assert again.errors is None
    assert (await world.fail("UpdateAccountUser", id="acus_nobody", user={"name": "x"})).reason == "NOT_FOUND"
    assert (await call.read()).user.source_id == ADA
    assert await quiet(call)


async def test_a_change_whose_caller_has_gone(world: Any) -> None:
    """A change that is finished after its caller went away is told all the same."""
    call = await watch(world)
    await world.fault(source="account", kind="slow", delay=0.3, times=1)
    changing = world.start("UpdateAccountUser", id=ADA, user={"name": "Augusta"})

    async def sent() -> bool:
        return bool(await world.calls("account"))

    await world.until(sent)
    changing.cancel()
    assert (await call.read()).user.name == "Augusta"


async def test_filters(world: Any) -> None:
    """A stream tells only of the users and of the systems that it was asked for."""
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
async def test_what_cannot_be_watched(world: Any, fields: dict[str, Any], field: str) -> None:
    """An id, a system or a token that is none, or too many of them, is INVALID_ARGUMENT with the field."""
    failure = await refused(world, **fields)
    assert (failure.status.name, failure.reason) == ("INVALID_ARGUMENT", "BAD_USER_INPUT")
    assert [violation[0] for violation in failure.violations] == [field]


async def test_resuming(world: Any) -> None:
    """After a disconnection the stream goes on behind the last event that was read: none is lost or repeated."""
    call = await watch(world)
    began = await token(call)
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
    from_the_start = await watch(world, resume_token=began)
    assert [(await from_the_start.read()).user.name for _ in range(5)] == [*"abcde"]


async def test_the_token_of_an_earlier_process(world: Any) -> None:
    """A token whose events nobody holds any more is NOT_FOUND, not silence and not the caller's mistake."""
    log = MemoryEventLog()
    async with log.subscribe() as subscription:
        failure = await refused(world, resume_token=subscription.start)
    assert (failure.status.name, failure.reason) == ("NOT_FOUND", "NOT_FOUND")
    assert failure.metadata["retryable"] == "false"
    assert "no longer held" in failure.message


def happen(world: Any, number: int, *, length: int = 1) -> None:
    """Something happens to a user with a name of that length."""
    world.gateway.events.publish(UserChange.UPDATED, User(UserSource.ACCOUNT, f"acus_{number}", name="x" * length))


def tasks() -> set[asyncio.Task[Any]]:
    """The tasks that follow the log."""
    return {task for task in asyncio.all_tasks() if "watching.py" in str(task.get_stack()) or "send" in repr(task)}


async def test_a_slow_reader(world: Any) -> None:
    """A client that reads nothing is dropped from the log at once, and told so; the log lets it go on without loss."""
    call = await watch(world)
    quick = await watch(world)
    happened = 0
    async with asyncio.timeout(20):
        while world.gateway.events.subscribers == 2:
            happen(world, happened, length=4000)
            assert (await quick.read()).user.source_id == f"acus_{happened}"
            happened += 1
    received: list[Any] = []
    failure = await ending(world, call, received)
    assert (failure.status.name, failure.reason) == ("RESOURCE_EXHAUSTED", "RATE_LIMITED")
    assert failure.retry_after == 1
    assert 0 < len(received) < happened - 256
    resumed = await watch(world, resume_token=received[-1].resume_token)
    received += [await resumed.read() for _ in range(happened - len(received))]
    assert [event.user.source_id for event in received] == [f"acus_{number}" for number in range(happened)]


async def test_draining(world: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A server that drains sends what had happened, and then UNAVAILABLE; a new stream is refused, a call is not."""
    call, idle = await watch(world), await watch(world, sources=[users_pb2.USER_SOURCE_RESELLER])
    for number in range(100):
        happen(world, number)
    await world.server.drain()
    read = [(await call.read()).user.source_id for _ in range(100)]
    assert read == [f"acus_{number}" for number in range(100)]
    for stream in (call, idle, world.start("WatchUsers")):
        failure = await ending(world, stream)
        assert (failure.status.name, failure.reason) == ("UNAVAILABLE", "SOURCE_UNAVAILABLE")
        assert failure.retry_after == 1
    assert (await world.get("GetUser", id=ADA, source=users_pb2.USER_SOURCE_ACCOUNT)).source_id == ADA
    assert not caplog.records


async def test_watching_does_not_hold_up_the_stop(world: Any) -> None:
    """The server stops at once, however long its grace is, though streams are open."""
    call = await watch(world)
    async with asyncio.timeout(3):
        stopping = asyncio.create_task(world.server.stop(60))
        assert (await ending(world, call)).status is grpc.StatusCode.UNAVAILABLE
        await stopping


async def test_a_closed_log(world: Any) -> None:
    """Where the gateway ends before its server, its streams end as if the server drained."""
    call = await watch(world)
    await world.gateway.events.close()
    assert (await ending(world, call)).status is grpc.StatusCode.UNAVAILABLE
    assert (await refused(world)).status is grpc.StatusCode.UNAVAILABLE


async def fill(world: Any, backlog: int) -> None:
    """Let much happen while nobody reads: until that many events wait for the one stream, or it is dropped.

    Looks into the queue, for a server cannot be seen to be stuck.
    """
    [subscription] = world.gateway.events._recent._subscriptions
    async with asyncio.timeout(20):
        while world.gateway.events.subscribers and len(subscription._queue) < backlog:
            for _ in range(2):
                happen(world, 1, length=20_000)
            await asyncio.sleep(0)


@pytest.mark.parametrize("backlog", [0, 50, 999])
async def test_a_client_that_goes_away(world: Any, caplog: pytest.LogCaptureFixture, *, backlog: int) -> None:
    """A client that cancels leaves no task and no error: waiting, behind, or dropped already."""
    before = len(asyncio.all_tasks())
    call = await watch(world)
    await fill(world, backlog)
    assert world.gateway.events.subscribers == (0 if backlog == 999 else 1)
    call.cancel()

    async def gone() -> bool:
        return len(asyncio.all_tasks()) <= before and world.gateway.events.subscribers == 0

    await world.until(gone)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_client_that_does_not_read(world: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A dropped client that does not come for its status holds a stop up no longer than the grace."""
    call = await watch(world)
    await fill(world, 999)
    async with asyncio.timeout(3):
        await world.server.stop(0.2)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await read_on(call, [])
    assert raised.value.code().name in {"UNAVAILABLE", "RESOURCE_EXHAUSTED"}  # what it got, it is told when it reads
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_the_clients_deadline(world: Any) -> None:
    """A stream ends by its client's deadline, and the log forgets it."""
    call = world.start("WatchUsers", timeout=0.2)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call.read()
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED

    async def gone() -> bool:
        return world.gateway.events.subscribers == 0

    await world.until(gone)


async def test_metadata(world: Any) -> None:
    """The request id is in the headers already: a stream may last."""
    world.sent["x-request-id"] = "mine-1"
    call = await watch(world)
    assert dict(await call.initial_metadata())["x-request-id"] == "mine-1"
    await world.server.drain()
    assert (await ending(world, call)).request_id == "mine-1"


async def test_without_a_log() -> None:
    """A server that was given no log says that there is nothing to watch."""
    server = await start_grpc(UserService(Sources(())), GrpcOptions(port=0))
    async with grpc.aio.insecure_channel(server.address) as channel:
        watching: Any = channel.unary_stream("/usergateway.v1.UserService/WatchUsers")
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await watching(b"").read()
        assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED
    await server.stop(0)
