"""The service in front of systems on real sockets that answer what the sandbox does not."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from sources.raw import RawServer, Staying

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
    Staying(b"HTTP/1.1 204 No Content\r\n\r\n"),
    Staying(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    Staying(b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
]
UPDATES: list[tuple[UserSource, str, str]] = [
    (SOFTWAREONE, "update_software_one_user", "PUT"),
    (RESELLER, "update_reseller_user", "PATCH"),
]


def said(document: Any, status: int = 200) -> Staying:
    """An answer with that JSON."""
    body = orjson.dumps(document)
    return Staying(b"HTTP/1.1 %d Said\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))


@pytest.fixture
def service(settings: Settings, transport: Any) -> Callable[..., UserService]:
    """A service of these systems, each at its server."""

    def make(servers: dict[UserSource, RawServer]) -> UserService:
        at = {
            name.value: getattr(settings, name.value).model_copy(update={"base_url": server.url})
            for name, server in servers.items()
        }
        send = transport().send
        systems = [build(name, settings.model_copy(update=at), send) for name in servers]
        return UserService(Sources(systems), once=IdempotentChanges(MemoryIdempotency()))

    return make


@pytest.mark.parametrize("done", DONE, ids=["204", "200", "201"])
@pytest.mark.parametrize(("source", "method", "verb"), UPDATES, ids=["softwareone", "reseller"])
async def test_a_change_without_an_answer(
    service: Any, raw: Any, *, source: UserSource, method: str, verb: str, done: bytes
) -> None:
    """A change that is answered without a body is done: the user is read back once, and a repeat makes no call."""
    server = await raw(done, said({"id": "u1", "firstName": "Now"}))
    users = service({source: server})
    for _ in range(2):
        user = await getattr(users, method)("u1", {"first_name": "Now"}, idempotency_key="k")
        assert (user.source_id, user.first_name) == ("u1", "Now")
    assert server.methods == [verb, "GET"]


@pytest.mark.parametrize(
    "back", [said({"message": "gone", "title": "gone"}, 404), said({}), b""], ids=["gone", "nobody", "hung up"]
)
@pytest.mark.parametrize(("source", "method", "verb"), UPDATES, ids=["softwareone", "reseller"])
async def test_nothing_read_back(
    service: Any, raw: Any, *, source: UserSource, method: str, verb: str, back: bytes
) -> None:
    """Where the user cannot be read back the outcome is unknown, and a repeat under the key is sent."""
    server = await raw(DONE[0], back, DONE[0], back)
    users = service({source: server})
    for _ in range(2):
        with pytest.raises(SourceInvalidResponse) as caught:
            await getattr(users, method)("u1", {"first_name": "A"}, idempotency_key="k")
        assert caught.value.outcome is Outcome.UNKNOWN
    assert server.methods == [verb, "GET"] * 2


LIST = said([{"id": "b1", "email": "ada@x.y", "createdAt": "2026-05-10T00:00:00Z"}])


@pytest.mark.parametrize(
    ("code", "param"), [("parameter_invalid", "limit"), ("parameter_invalid", "include[]"), ("parameter_unknown", "q")]
)
async def test_a_question_that_is_not_taken(service: Any, raw: Any, code: str, param: str) -> None:
    """A system that refuses this gateway's own words is unavailable, and the others' users are given."""
    no = said({"error": {"code": code, "type": "invalid_request_error", "message": "No.", "param": param}}, 400)
    users = service({ACCOUNT: await raw(no), RESELLER: await raw(LIST)})
    page, person = await users.list_users(first=1), await users.find_person("ada@x.y")
    assert [edge.node.source_id for edge in page.edges] == [user.source_id for user in person.users] == ["b1"]
    for one in (page, person):
        assert [(gone.source, gone.code) for gone in one.unavailable] == [(ACCOUNT, Code.SOURCE_INVALID_RESPONSE)]


async def test_a_question_that_is_the_callers(service: Any, raw: Any) -> None:
    """What a caller has chosen is the caller's to mend, though it names no field of an input."""
    no = said({"error": {"code": "parameter_invalid", "message": "Bad role type.", "param": "role_type"}}, 400)
    with pytest.raises(BadUserInput, match="Bad role type") as caught:
        await service({ACCOUNT: await raw(no)}).list_users({"role_type": "admin"})
    assert caught.value.violations == ()


async def test_a_small_z(service: Any, raw: Any) -> None:
    """A time that ends in a small letter hides no list, and is given as it was written."""
    rows = [{"id": "b1", "createdAt": "2026-05-10T00:00:00z"}, {"id": "b2", "createdAt": "2026-05-09T00:00:00Z"}]
    page = await service({RESELLER: await raw(said(rows))}).list_users()
    assert [edge.node.created_at for edge in page.edges] == ["2026-05-10T00:00:00z", "2026-05-09T00:00:00Z"]
