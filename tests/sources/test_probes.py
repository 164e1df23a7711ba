"""The probes of the sources: what they request, and which responses are not those of the source."""

from typing import Any

import orjson
import pytest

from gateway.errors import BadUserInput, GatewayError, SourceCredentials, SourceInvalidResponse
from gateway.users.model import UserSource

USERS = {
    UserSource.ACCOUNT: {"data": [{"id": "acus_1", "status": "active"}], "page_info": {}},
    UserSource.SOFTWAREONE: {"data": [{"id": "USR-1", "email": "a@b.example"}], "$meta": {"pagination": {"total": 1}}},
    UserSource.RESELLER: [{"id": "1", "firstName": "Ada"}],
}
REMAINING = {"RateLimit-Remaining": "41", "X-Rate-Limit-Remaining": "41", "Date": "Thu, 01 Jan 1970 00:01:40 GMT"}
NOTHING: dict[UserSource, Any] = {
    UserSource.ACCOUNT: {"data": [], "page_info": {}},
    UserSource.SOFTWAREONE: {"data": [], "$meta": {}},
    UserSource.RESELLER: [],
}


@pytest.mark.parametrize("name", UserSource)
@pytest.mark.parametrize("bodies", [USERS, NOTHING], ids=["one user", "no user"])
async def test_users(source: Any, fake: Any, name: UserSource, bodies: Any) -> None:
    """The first probe is one call for a list of one user; it shows what is left of the rate limit, and the clock."""
    fake.respond(bodies[name], headers=REMAINING)
    probe = source(name).probes[0]
    response = await probe.call()
    assert (probe.part, response.calls_left, response.date) == ("users", 41, REMAINING["Date"])
    [request] = fake.requests
    assert request.method == "GET"
    assert request.url.partition("?")[0] == probe.url
    assert "limit=1" in request.url


@pytest.mark.parametrize("name", UserSource)
@pytest.mark.parametrize("others", UserSource)
async def test_another_source(source: Any, fake: Any, name: UserSource, others: UserSource) -> None:
    """A list of the users of another source is not one of this source."""
    fake.respond(USERS[others])
    probe = source(name).probes[0]
    if name is others:
        await probe.call()
        return
    with pytest.raises(SourceInvalidResponse) as caught:
        await probe.call()
    assert "JSON of another form" in str(caught.value.failed_call)


@pytest.mark.parametrize("name", UserSource)
async def test_another_api(source: Any, fake: Any, name: UserSource) -> None:
    """Objects with ids and none of the fields of users are not users, whatever they are in."""
    text = orjson.dumps(USERS[name]).decode()
    for field in ("status", "email", "firstName"):
        text = text.replace(f'"{field}"', '"title"')
    for body in (text.encode(), b"{}", b'{"status":"running"}', b"null", b"[1]", b'"text"'):
        fake.responses.clear()
        fake.respond(body)
        with pytest.raises(SourceInvalidResponse):
            await source(name).probes[0].call()


@pytest.mark.parametrize("name", UserSource)
@pytest.mark.parametrize(
    "response",
    [
        (404, {"error": {"code": "resource_not_found"}, "message": "none", "title": "Not Found"}, None),
        (400, {"error": {"code": "validation_failed"}, "message": "empty", "title": "Bad Request"}, BadUserInput),
        (405, {}, SourceInvalidResponse),
        (200, {"id": "x"}, SourceInvalidResponse),
        (403, {"error": {"code": "insufficient_permissions"}, "message": "no", "title": "No"}, SourceCredentials),
        (503, {}, GatewayError),
    ],
)
async def test_changes(
    source: Any, fake: Any, name: UserSource, response: tuple[int, Any, type[GatewayError] | None]
) -> None:
    """The probe of changes has no values and no existing user; only the answer that there is none is a success."""
    status, body, raised = response
    fake.respond(body, status)
    [probe] = [probe for probe in source(name).probes if probe.part == "changes"]
    if raised is None:
        await probe.call()
    else:
        with pytest.raises(raised):
            await probe.call()
    [request] = fake.requests
    assert request.url.rpartition("/")[2] in {"gateway-check", "USR-0000-0000", "00000000-0000-0000-0000-000000000000"}
    content = request.body if isinstance(request.body, bytes) else request.body.parts[0].content
    assert content == b"{}"
    assert "Idempotency-Key" not in request.headers


@pytest.mark.parametrize("status", [400, 404])
async def test_a_reseller_that_does_not_exist(source: Any, fake: Any, status: int) -> None:
    """The reseller API refuses an id that it does not know, or that has another form: the setting is named."""
    fake.respond({"message": "no such reseller"}, status)
    with pytest.raises(GatewayError) as caught:
        await source(UserSource.RESELLER).probes[0].call()
    assert caught.value.failed_call is not None
    assert caught.value.failed_call.advice == "check GATEWAY_RESELLER__RESELLER_ID"


async def test_polling(source: Any, fake: Any) -> None:
    """Every source has a probe of polling; that of the reseller reads one page of its users, and not all of them."""
    fake.respond([{"id": str(number), "firstName": "Ada"} for number in range(100)])
    [probe] = [each for each in source(UserSource.RESELLER).probes if each.part == "polling"]
    await probe.call()
    [request] = fake.requests
    assert (request.method, request.url.partition("?")[0]) == ("GET", probe.url)
    assert probe.permission == "reseller:user:read"
    assert all(any(each.part == "polling" for each in source(name).probes) for name in UserSource)
