"""A change whose response the source does not document, through the whole pipeline and over real sockets."""

import asyncio
from typing import Any

import pytest
from moved_time import UNLIMITED, MovedTime

from gateway.app.sources import build
from gateway.errors import GatewayError, Outcome, RateLimited, SourceInvalidResponse
from gateway.settings import Settings
from gateway.sources.http.exchange import pipeline
from gateway.sources.http.retry import RetryBudget, RetrySettings
from gateway.sources.http.steps import StepSettings, steps
from gateway.users.changes import CreateAccountUser, UpdateAccountUser, UpdateResellerUser, UpdateSoftwareOneUser
from gateway.users.ids import Kind, Ref
from gateway.users.model import UserSource

HTML = b"<html><body>sign in</body></html>"
NO_ROUTE = b'{"error":"no route","request_id":"1"}'
PROBLEM = b'{"type":"about:blank","title":"Upstream reset","status":502}'
STATUSES = [
    301,
    303,
    307,
    400,
    401,
    403,
    404,
    405,
    407,
    409,
    410,
    413,
    418,
    421,
    422,
    423,
    451,
    499,
    500,
    501,
    502,
    503,
]
STATUSES += [504, 520, 524, 530]

CHANGES: dict[str, tuple[UserSource, Any]] = {
    "create account": (UserSource.ACCOUNT, CreateAccountUser(email="a@b.example")),
    "update account": (UserSource.ACCOUNT, UpdateAccountUser(name="A")),
    "update softwareone": (UserSource.SOFTWAREONE, UpdateSoftwareOneUser(first_name="A")),
    "update reseller": (UserSource.RESELLER, UpdateResellerUser(company="A")),
}


async def result_of(name: str, url: str, transport: Any, settings: Settings) -> GatewayError | None:
    """Execute the change against the source at this URL."""
    source_name, change = CHANGES[name]
    configured = getattr(settings, source_name.value).model_copy(update={"base_url": url})
    step_settings = StepSettings(timeout=1e6, retry=RetrySettings(first_wait=0.001, max_wait=0.001))
    send = pipeline(transport, steps(step_settings, budget=RetryBudget()))
    source: Any = build(source_name, settings.model_copy(update={source_name.value: configured}), send)
    tenant = "t1" if source_name is UserSource.RESELLER else ""
    try:
        if isinstance(change, CreateAccountUser):
            await source.create_user(change, "k")
        else:
            await source.update_user(Ref(Kind.USER, source_name, "u1", tenant), change, "k")
    except GatewayError as error:
        return error
    return None


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("body", [b"", HTML, NO_ROUTE, PROBLEM], ids=["empty", "html", "json", "problem"])
async def test_unknown(raw: Any, transport: Any, settings: Settings, name: str, body: bytes) -> None:
    """After a redirect, a proxy's page or an undocumented status the outcome is unknown, and no repetition is refused.

    Only a change with an idempotency key is sent again, where the failure is transient.
    """
    for status in STATUSES:
        head = (
            f"HTTP/1.1 {status} X\r\nLocation: /elsewhere\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        server = await raw(head.encode() + body)
        error = await result_of(name, server.url, transport(), settings)
        assert error is not None, status
        assert error.outcome is Outcome.UNKNOWN, status
        repeated = "account" in name and status in {502, 503, 504}
        assert len(server.requests) == (3 if repeated else 1), status


@pytest.mark.parametrize("name", CHANGES)
async def test_too_many_requests(raw: Any, transport: Any, settings: Settings, name: str) -> None:
    """A 429 with any body is a refusal: the change was not executed, and is sent again."""
    head = f"HTTP/1.1 429 X\r\nRetry-After: 0\r\nContent-Length: {len(HTML)}\r\nConnection: close\r\n\r\n"
    server = await raw(head.encode() + HTML)
    error = await result_of(name, server.url, transport(), settings)
    assert isinstance(error, RateLimited)
    assert (error.outcome, len(server.requests)) == (None, 3)


@pytest.mark.parametrize("name", ["update softwareone", "update reseller"])
@pytest.mark.parametrize("reply", [b"", (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", None), None])
async def test_without_keys(
    raw: Any, transport: Any, settings: Settings, moved_time: MovedTime, *, name: str, reply: Any
) -> None:
    """After a lost connection or a timeout, a change in a source without keys is not sent again by the gateway."""
    server = await raw(reply)
    calling = asyncio.ensure_future(result_of(name, server.url, transport(**UNLIMITED | {"total": 200}), settings))
    await server.received(1)
    if reply != b"":
        await moved_time.expire(calling)
    error = await calling
    assert error is not None
    assert (error.outcome, len(server.requests)) == (Outcome.UNKNOWN, 1)


@pytest.mark.parametrize("source_name", UserSource)
@pytest.mark.parametrize("body", [b"", HTML, NO_ROUTE])
async def test_reads(raw: Any, transport: Any, settings: Settings, source_name: UserSource, body: bytes) -> None:
    """A 404 without the documented body is not reported as a missing user."""
    server = await raw(f"HTTP/1.1 404 X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    configured = getattr(settings, source_name.value).model_copy(update={"base_url": server.url})
    source = build(source_name, settings.model_copy(update={source_name.value: configured}), transport().send)
    tenant = "t1" if source_name is UserSource.RESELLER else ""
    with pytest.raises(SourceInvalidResponse) as caught:
        await source.fetch_user(Ref(Kind.USER, source_name, "u1", tenant), frozenset())
    assert (caught.value.origin.http_status, caught.value.outcome) == (404, None)
