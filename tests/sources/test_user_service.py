"""The service with sources on real sockets, for responses that the sandbox does not send."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from sources.raw import KeepOpen, RawServer

from gateway.app.sources import build
from gateway.errors import BadUserInput, Code, Outcome, SourceInvalidResponse
from gateway.settings import Settings
from gateway.state.memory.idempotency import MemoryIdempotency
from gateway.state.once import IdempotentChanges
from gateway.users.model import UserSource
from gateway.users.service import UserService
from gateway.users.source import Sources

ACCOUNT, SOFTWAREONE, RESELLER = UserSource
DONE = [
    KeepOpen(b"HTTP/1.1 204 No Content\r\n\r\n"),
    KeepOpen(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    KeepOpen(b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
]
UPDATES: list[tuple[UserSource, str, str]] = [
    (SOFTWAREONE, "update_software_one_user", "PUT"),
    (RESELLER, "update_reseller_user", "PATCH"),
]


def respond(document: Any, status: int = 200) -> KeepOpen:
    """Return a response with this JSON."""
    body = orjson.dumps(document)
    return KeepOpen(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))


@pytest.fixture
def service(settings: Settings, transport: Any) -> Callable[..., UserService]:
    """A function that makes a service of these sources, each at its server."""

    def make(servers: dict[UserSource, RawServer]) -> UserService:
        updates = {
            name.value: getattr(settings, name.value).model_copy(update={"base_url": server.url})
            for name, server in servers.items()
        }
        send = transport().send
        sources = [build(name, settings.model_copy(update=updates), send) for name in servers]
        return UserService(Sources(sources), execute_once=IdempotentChanges(MemoryIdempotency()))

    return make


@pytest.mark.parametrize("done", DONE, ids=["204", "200", "201"])
@pytest.mark.parametrize(("source", "method", "verb"), UPDATES, ids=["softwareone", "reseller"])
async def test_confirmation_without_a_body(
    service: Any, raw: Any, *, source: UserSource, method: str, verb: str, done: bytes
) -> None:
    """After a confirmation without a body the user is read back once, and a repetition under the key makes no call."""
    server = await raw(done, respond({"id": "u1", "firstName": "Now"}))
    users = service({source: server})
    for _ in range(2):
        user = await getattr(users, method)("u1", {"first_name": "Now"}, idempotency_key="k")
        assert (user.source_id, user.first_name) == ("u1", "Now")
    assert server.methods == [verb, "GET"]


@pytest.mark.parametrize(
    "back", [respond({"message": "gone", "title": "gone"}, 404), respond({}), b""], ids=["gone", "no user", "closed"]
)
@pytest.mark.parametrize(("source", "method", "verb"), UPDATES, ids=["softwareone", "reseller"])
async def test_failed_read_back(
    service: Any, raw: Any, *, source: UserSource, method: str, verb: str, back: bytes
) -> None:
    """If the user cannot be read back, a repetition under the key reads the user again and does not send the change."""
    server = await raw(DONE[0], back, back)
    users = service({source: server})
    for _ in range(2):
        with pytest.raises(SourceInvalidResponse) as caught:
            await getattr(users, method)("u1", {"first_name": "A"}, idempotency_key="k")
        assert caught.value.outcome is Outcome.UNKNOWN
    assert server.methods == [verb, "GET", "GET"]


LIST = respond([{"id": "b1", "email": "ada@x.y", "createdAt": "2026-05-10T00:00:00Z"}])


@pytest.mark.parametrize(
    ("code", "param"), [("parameter_invalid", "limit"), ("parameter_invalid", "include[]"), ("parameter_unknown", "q")]
)
async def test_rejected_parameter_of_the_gateway(service: Any, raw: Any, code: str, param: str) -> None:
    """A source that rejects a parameter of the gateway is unavailable, and the users of the others are returned."""
    rejection = respond(
        {"error": {"code": code, "type": "invalid_request_error", "message": "No.", "param": param}}, 400
    )
    users = service({ACCOUNT: await raw(rejection), RESELLER: await raw(LIST)})
    page, person = await users.list_users(first=1), await users.find_person("ada@x.y")
    assert [edge.node.source_id for edge in page.edges] == [user.source_id for user in person.users] == ["b1"]
    for result in (page, person):
        assert [(missing.source, missing.code) for missing in result.unavailable] == [
            (ACCOUNT, Code.SOURCE_INVALID_RESPONSE)
        ]


async def test_rejected_parameter_of_the_caller(service: Any, raw: Any) -> None:
    """A rejected parameter that the caller chose is bad input without violations."""
    rejection = respond(
        {"error": {"code": "parameter_invalid", "message": "Bad role type.", "param": "role_type"}}, 400
    )
    with pytest.raises(BadUserInput, match="Bad role type") as caught:
        await service({ACCOUNT: await raw(rejection)}).list_users({"role_type": "admin"})
    assert caught.value.violations == ()


async def test_time_with_a_small_z(service: Any, raw: Any) -> None:
    """A time that ends in a lower-case z does not make a list invalid, and is returned as it was sent."""
    rows = [{"id": "b1", "createdAt": "2026-05-10T00:00:00z"}, {"id": "b2", "createdAt": "2026-05-09T00:00:00Z"}]
    page = await service({RESELLER: await raw(respond(rows))}).list_users()
    assert [edge.node.created_at for edge in page.edges] == ["2026-05-10T00:00:00z", "2026-05-09T00:00:00Z"]
