"""The deadline, the cancellation, the metadata and the size of calls."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from deadlines import in_time
from google.rpc import status_pb2

from gateway.api.grpc.calls import PARTIAL_ERRORS, Call
from gateway.api.grpc.server import GrpcOptions
from gateway.errors import SourceUnavailable
from usergateway.v1 import users_pb2

ADA = {"id": "acus_adalovelace1", "source": users_pb2.USER_SOURCE_ACCOUNT}


class SilentSource:
    """A source that never responds; it counts the requests and the closed connections."""

    def __init__(self) -> None:
        self.requests = self.closed = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.requests += 1
        await reader.read()
        self.closed += 1
        writer.close()


@pytest.fixture
async def silent(open_world: Any) -> AsyncIterator[tuple[Any, SilentSource]]:
    """A world whose account source never responds."""
    source = SilentSource()
    async with await asyncio.start_server(source, "127.0.0.1", 0) as listening:
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        async with open_world(account={"base_url": url, "max_attempts": 1}) as world:
            yield world, source


async def test_a_deadline_ends_the_sources_call(silent: tuple[Any, SilentSource]) -> None:
    """After its deadline the client gets a status, and the connection to the source is closed."""
    world, source = silent
    for seconds in (0.2, 2, 20):  # a busy machine may need longer than the first until the source is called
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await world.start("GetUser", **ADA, timeout=seconds)
        assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        if source.requests:
            break
    await world.until(lambda: _true(source.closed == source.requests > 0))


async def test_time_is_shared_by_all_calls_of_a_request(open_world: Any) -> None:
    """All calls to sources of one call have one deadline; the records read until then are returned."""
    async with open_world(GrpcOptions(port=0, request_timeout=2)) as world:
        await world.fault(source="account", kind="slow", delay=1.2, times=1000)  # the time is enough for one of two

        async def read() -> Any:
            call = await world.call("GetUser", **ADA, view=users_pb2.VIEW_FULL)
            if not call.partial_errors:  # the machine stood still until the response was there, too
                raise TimeoutError
            return call

        call = await in_time(read)
        assert call.message.role.name == "Admin"
        assert set(call.partial_errors.values()) == {"SOURCE_TIMEOUT"}


async def test_the_timeout_of_the_server(open_world: Any) -> None:
    """A client without a deadline gets DEADLINE_EXCEEDED with details after the timeout of the server."""
    async with open_world(GrpcOptions(port=0, request_timeout=0.2)) as world:
        await world.fault(source="account", kind="slow", delay=60, times=9)
        failure = await world.fail("GetUser", **ADA, timeout=None)
        assert (failure.status.name, failure.reason) == ("DEADLINE_EXCEEDED", "SOURCE_TIMEOUT")


async def test_a_cancelled_read_stops(silent: tuple[Any, SilentSource]) -> None:
    """A client that cancels its call closes the connection to the source."""
    world, source = silent
    call = world.start("GetUser", **ADA)
    await world.until(lambda: _true(source.requests == 1))
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await world.until(lambda: _true(source.closed == 1))


async def test_metadata(world: Any) -> None:
    """The request id of the client is returned with the duration; one that is not valid is replaced."""
    world.sent |= {"x-request-id": "mine-1", "authorization": "Bearer t", "traceparent": "00-1-2-01"}
    call = await world.call("GetUser", **ADA)
    assert call.trailers["x-request-id"] == "mine-1"
    assert re.fullmatch(r"total;dur=\d+\.\d", call.trailers["server-timing"])
    world.sent["x-request-id"] = "with a blank"
    call = await world.call("GetUser", **ADA)
    assert re.fullmatch(r"[0-9a-f]{32}", call.trailers["x-request-id"])
    seen = await world.calls()
    assert all("Bearer t" not in str(received["headers"]) for received in seen)


async def test_a_request_that_is_too_large(open_world: Any) -> None:
    """A request that is too large is RESOURCE_EXHAUSTED, a too large icon a violation; no source is called."""
    async with open_world(GrpcOptions(port=0, icon_bytes=1000), softwareone={"icon_bytes": 1000}) as world:
        icon = {"content": b"x" * 1001, "content_type": "image/png"}
        failure = await world.fail("UpdateSoftwareOneUser", id="USR-0000-0001", user={"icon": icon})
        assert failure.violations == [("user.icon", "must not be larger than 1000 bytes")]
        huge = {"content": b"x" * (1024 * 1024 + 2000)}
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await world.start("UpdateSoftwareOneUser", id="USR-0000-0001", user={"icon": huge})
        assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        failure = await world.fail("GetUser", id="x" * 64 * 1024, source=1)
        assert (failure.status, failure.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "BAD_USER_INPUT")
        assert await world.calls() == []


@pytest.mark.parametrize("sent", [b"\x0a\x09cut", b"\x0a\x02\xc3\x28", b"\x07"], ids=["cut", "no UTF-8", "no tag"])
@pytest.mark.parametrize("method", ["GetUser", "UpdateAccountUser", "WatchUsers"])
async def test_a_request_that_is_not_valid(world: Any, method: str, sent: bytes) -> None:
    """Bytes that are not a valid message are INVALID_ARGUMENT, with details and a request id as for other errors."""
    path = f"/usergateway.v1.UserService/{method}"
    streams = method == "WatchUsers"
    call = (world.channel.unary_stream if streams else world.channel.unary_unary)(path)(sent, timeout=20)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await (call.read() if streams else call)
    trailers = dict(raised.value.trailing_metadata() or ())
    failure = world.parse_status(status_pb2.Status.FromString(trailers["grpc-status-details-bin"]))
    assert raised.value.code() is failure.status is grpc.StatusCode.INVALID_ARGUMENT
    assert (failure.reason, failure.request_id) == ("BAD_USER_INPUT", trailers["x-request-id"])


def test_partial_errors_fit_into_metadata() -> None:
    """Partial errors beyond the size of the trailer are counted in it."""
    call = Call("GetUser", "r-1")
    call.add_partial_errors(
        (f"department.machines.nodes[{n}].department", SourceUnavailable("Down.")) for n in range(500)
    )
    [(name, value)] = call.trailers
    partial = users_pb2.PartialErrors.FromString(value)
    [error] = partial.errors
    assert name == PARTIAL_ERRORS
    assert len(value) <= 4096
    assert len(error.paths) + partial.omitted == 500
    assert isinstance(error.status, status_pb2.Status)


def test_no_trailer_without_partial_errors() -> None:
    """Without failed lookups there is no trailer."""
    call = Call("GetUser", "r-1")
    call.add_partial_errors([])
    assert call.trailers == []


async def _true(condition: bool) -> bool:  # noqa: FBT001 - the condition itself
    return condition
