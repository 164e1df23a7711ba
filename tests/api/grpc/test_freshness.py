"""The metadata `cache-control` of calls, and the trailers about what was kept."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from deadlines import in_time
from google.rpc import error_details_pb2, status_pb2

from gateway import Gateway
from gateway.api.grpc.calls import FRESHNESS, PARTIAL_ERRORS, Call
from gateway.freshness import StaleRead, StaleReason
from gateway.models import UserSource
from gateway.testing import LANDMARKS, Sandbox
from gateway.users.ids import Kind, Ref, encode
from usergateway.v1 import users_pb2, users_pb2_grpc

ADA = users_pb2.GetUserRequest(id=LANDMARKS["account"]["ada"], source=users_pb2.USER_SOURCE_ACCOUNT)
ACCOUNT = users_pb2.UserFilter(sources=[users_pb2.USER_SOURCE_ACCOUNT])


@dataclass(frozen=True, slots=True)
class Calls:
    """A stub, and the last trailers."""

    service: Any
    gateway: Gateway

    async def __call__(self, method: str, request: Any, cache_control: str | None = None) -> tuple[Any, dict[str, Any]]:
        """Make a call that succeeds; return its response and its trailers."""
        metadata = [] if cache_control is None else [("cache-control", cache_control)]
        call = getattr(self.service, method)(request, metadata=metadata, timeout=20)
        response = await call
        return response, dict(await call.trailing_metadata())

    async def reason(self, method: str, request: Any, cache_control: str) -> str:
        """Make a call that fails; return the reason."""
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await self(method, request, cache_control)
        trailers: dict[str, Any] = dict(raised.value.trailing_metadata() or ())
        assert "usergateway-freshness-bin" not in trailers
        info = error_details_pb2.ErrorInfo()
        for detail in status_pb2.Status.FromString(trailers["grpc-status-details-bin"]).details:
            detail.Unpack(info)
        return f"{raised.value.code().name} {info.reason}"


@pytest.fixture
async def calls(gateway_sandbox: Sandbox) -> AsyncIterator[Calls]:
    """A gateway that keeps users for 5 s, since nobody reports changes, and a client of it. Calls are tried once."""
    once = {name: {"max_attempts": 1} for name in ("account", "softwareone", "reseller")}
    settings = gateway_sandbox.settings(keep_mode="on", **once)
    async with Gateway(settings, clock=gateway_sandbox.clock) as gateway:
        server = await gateway.serve_grpc()
        assert server is not None
        async with grpc.aio.insecure_channel(server.address) as channel:
            yield Calls(users_pb2_grpc.UserServiceStub(channel), gateway)
        await server.stop(0)


def freshness(trailers: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return the source, the id and the reason of what is past its lifetime."""
    message = users_pb2.Freshness.FromString(trailers.get("usergateway-freshness-bin", b""))
    return [(users_pb2.UserSource.Name(stale.source), stale.id, stale.reason) for stale in message.stale]


async def test_hits(calls: Calls, gateway_sandbox: Sandbox) -> None:
    """The second read of a user costs no call; the trailers state which one was kept, and for how long it still is."""
    user, trailers = await calls("GetUser", ADA)
    assert trailers["cache-status"] == "usergateway; fwd=uri-miss; stored"
    gateway_sandbox.advance(2)
    again, trailers = await calls("GetUser", ADA)
    assert again == user
    assert trailers["cache-status"] == "usergateway; hit; ttl=3"
    assert len(gateway_sandbox.calls) == 1


async def test_the_client_decides(calls: Calls, gateway_sandbox: Sandbox) -> None:
    """`no-cache` and `max-age` call the source for what is too old, `only-if-cached` never does."""
    await calls("GetUser", ADA)
    gateway_sandbox.update(ADA.id, "account", name="Ada King")  # which nobody reports
    gateway_sandbox.advance(2)
    for directives in ("max-age=3", "only-if-cached", "max-age=x"):
        user, _ = await calls("GetUser", ADA, directives)
        assert user.name == "Ada Lovelace", directives
    gateway_sandbox.calls.clear()
    for directives in ("max-age=1", "no-cache", "max-age=0"):
        user, trailers = await calls("GetUser", ADA, directives)
        assert user.name == "Ada King"
        assert trailers["cache-status"].startswith("usergateway; fwd=")
        gateway_sandbox.advance(2)
    assert len(gateway_sandbox.calls) == 3
    for method, request in (
        ("ListUsers", users_pb2.ListUsersRequest()),
        ("FindPerson", users_pb2.FindPersonRequest(email="ada.lovelace@example.com")),
        ("ListRoles", users_pb2.ListRolesRequest()),
        ("GetRole", users_pb2.GetRoleRequest(id="rl_admin0000000")),
    ):
        assert await calls.reason(method, request, "only-if-cached") == "UNAVAILABLE SOURCE_UNAVAILABLE"
    assert len(gateway_sandbox.calls) == 3


async def test_stale(calls: Calls, gateway_sandbox: Sandbox) -> None:
    """What is past its lifetime is named in a trailer, with its age: where the call accepts it, or the source fails."""
    user, _ = await calls("GetUser", ADA)
    page, _ = await calls("ListUsers", users_pb2.ListUsersRequest(page_size=2, filter=ACCOUNT))
    gateway_sandbox.advance(60)
    gateway_sandbox.fail("account", status=503, times=None)
    accepted, trailers = await calls("GetUser", ADA, "max-stale=120")
    assert accepted == user
    [stale] = users_pb2.Freshness.FromString(trailers["usergateway-freshness-bin"]).stale
    assert stale.age == 60
    assert freshness(trailers) == [("USER_SOURCE_ACCOUNT", user.id, "revalidating")]
    assert trailers["cache-status"].startswith("usergateway; hit; ttl=-55")
    failed, trailers = await calls("GetUser", ADA)
    assert failed == user
    assert freshness(trailers) == [("USER_SOURCE_ACCOUNT", user.id, "source-unavailable")]
    again, trailers = await calls("ListUsers", users_pb2.ListUsersRequest(page_size=2, filter=ACCOUNT))
    assert again.users == page.users
    assert freshness(trailers) == [("USER_SOURCE_ACCOUNT", "", "source-unavailable")]
    [unavailable] = again.unavailable
    assert unavailable.as_of
    assert await calls.reason("GetUser", ADA, "max-age=30") == "UNAVAILABLE SOURCE_UNAVAILABLE"


async def test_a_deadline(calls: Calls, gateway_sandbox: Sandbox) -> None:
    """What is kept arrives before the deadline of a call whose source does not respond until then."""
    user, _ = await calls("GetUser", ADA)
    gateway_sandbox.advance(60)
    gateway_sandbox.fail("account", "slow", delay=600, times=None)

    async def read() -> tuple[Any, dict[str, Any]]:
        call = calls.service.GetUser(ADA, timeout=1)
        return await call, dict(await call.trailing_metadata())

    again, trailers = await in_time(read)
    assert again == user
    assert freshness(trailers) == [("USER_SOURCE_ACCOUNT", user.id, "source-timeout")]


async def test_lookups(calls: Calls, gateway_sandbox: Sandbox) -> None:
    """A lookup that is past its lifetime is named, once for all users of a list, and a role never is."""
    request = users_pb2.ListUsersRequest(page_size=5, filter=ACCOUNT, view=users_pb2.VIEW_FULL)
    page, _ = await calls("ListUsers", request)
    departments = {user.department.id for user in page.users if user.HasField("department")}
    gateway_sandbox.advance(60)
    gateway_sandbox.fail("account", status=503, times=None, path="/departments|/roles")
    again, trailers = await calls("ListUsers", request)
    stale = freshness(trailers)
    assert {(source, reason) for source, _, reason in stale} == {("USER_SOURCE_ACCOUNT", "source-unavailable")}
    assert sorted(named for _, named, _ in stale) == sorted(departments)
    assert [user.department for user in again.users] == [user.department for user in page.users]
    failed = {path.partition(".")[2] for error in again.partial_errors for path in error.paths}
    assert failed == {"role.owner", "role.permissions"}


async def test_changes(calls: Calls, gateway_sandbox: Sandbox) -> None:
    """A change is executed whatever the metadata states, and what it returns is new; so is the next read."""
    await calls("GetUser", ADA)
    change = users_pb2.AccountUserChange(name="Ada King")
    request = users_pb2.UpdateAccountUserRequest(id=ADA.id, user=change, view=users_pb2.VIEW_FULL)
    for directives in ("only-if-cached, max-stale", "no-cache"):
        user, trailers = await calls("UpdateAccountUser", request, directives)
        assert (user.name, user.role.HasField("owner")) == ("Ada King", True)
        assert freshness(trailers) == []
    user, _ = await calls("GetUser", ADA)
    assert user.name == "Ada King"


def test_the_trailer_is_bounded() -> None:
    """Of many records past their lifetime, the trailer has as many as clients accept beside the other trailers."""
    call = Call("ListUsers", "1")
    call.trailers.append((PARTIAL_ERRORS, bytes(4096)))
    refs = [Ref(Kind.DEPARTMENT, UserSource.ACCOUNT, f"dept_{number:020}") for number in range(150)]
    call.freshness.stale += [StaleRead("account", ref, 60.0, StaleReason.RATE_LIMITED) for ref in (*refs, *refs)]
    call.add_freshness()
    name, value = call.trailers[-1]
    assert name == FRESHNESS
    assert isinstance(value, bytes)
    assert len(value) <= 1024
    message = users_pb2.Freshness.FromString(value)
    assert message.stale[0].id == encode(refs[0])
    assert len(message.stale) + message.omitted == len(refs)
    assert len(message.stale) > 5
