"""A transport that the embedding program passes, on real sockets and in memory."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from yarl import URL

from gateway import Gateway, Settings
from gateway.errors import GatewayError, Outcome, SourceTimeout, SourceUnavailable
from gateway.models import UserSource
from gateway.sandbox import SandboxServer
from gateway.sources import Request, Response, Transport, TransportLimits

ACCOUNT = UserSource.ACCOUNT
ADA = "acus_adalovelace1"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


class PlainTransport:
    """A client as a program may have it: it neither calls `on_write` nor catches the exceptions of its library."""

    def __init__(self, source: str, limits: TransportLimits) -> None:
        self.source = source
        self.requests: list[str] = []
        self.is_closed = False
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(limits.total))

    async def send(self, request: Request) -> Response:
        self.requests.append(f"{request.method} {request.template}")
        url, body = URL(request.url, encoded=True), request.body
        assert not isinstance(body, tuple)
        async with self._session.request(request.method, url, headers=request.headers, data=body) as response:
            return Response(response.status, dict(response.headers), await response.read())

    async def aclose(self) -> None:
        await self._session.close()
        self.is_closed = True


class MemoryTransport:
    """A transport without network: `respond` is called for each request, after `on_write` if it `reports` that."""

    def __init__(self, respond: Callable[[Request], Any], *, reports: bool = True) -> None:
        self.respond = respond
        self.reports = reports
        self.requests: list[Request] = []

    def __call__(self, *_: object) -> Transport:
        return self

    async def send(self, request: Request) -> Response:
        self.requests.append(request)
        if self.reports and request.on_write is not None:
            request.on_write()
        result = self.respond(request)
        if asyncio.isfuture(result):
            result = await result
        if isinstance(result, BaseException):
            raise result
        return result

    async def aclose(self) -> None:
        """Do nothing: there are no connections."""


def _user(request: Request) -> Response:
    return Response(200, {"content-type": "application/json"}, b'{"id": "u", "name": "Ann"}')


def _settings(**account: Any) -> Settings:
    given = {"base_url": "https://account.test", "token": "t"} | account
    return Settings(account=given, softwareone={}, reseller={})


async def _error(awaitable: Any) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        await awaitable
    return caught.value


async def test_on_real_sockets(sandbox: SandboxServer, sandbox_settings: Callable[..., Settings]) -> None:
    """Each source gets a transport with its limits, which makes all of its calls and is closed at the end."""
    opened: dict[str, tuple[PlainTransport, TransportLimits]] = {}

    def transport(source: str, limits: TransportLimits) -> PlainTransport:
        opened[source] = (created := PlainTransport(source, limits)), limits
        return created

    settings = sandbox_settings(account={"timeout": 8, "max_connections": 7})
    async with Gateway(settings, transport=transport) as gateway:
        assert len((await gateway.users.list_users(first=20)).users) == 20
        changed = await gateway.users.update_account_user(ADA, {"name": "Ada King"})
        assert changed.name == "Ada King"
        assert not any(created.is_closed for created, _ in opened.values())
    assert list(opened) == ["account", "softwareone", "reseller"]
    assert all(created.requests and created.is_closed for created, _ in opened.values())
    assert (opened["account"][1].total, opened["account"][1].connections) == (4.0, 7)


async def test_the_exceptions_of_a_library(raw: Any) -> None:
    """An exception that is none of `gateway.errors` becomes one: a change is repeated only under its key."""
    server = await raw(b"")  # which closes the connection after the request
    async with Gateway(_settings(base_url=server.url), transport=PlainTransport) as gateway:
        error = await _error(gateway.users.get_user("u", ACCOUNT))
        assert isinstance(error, SourceUnavailable)
        assert error.origin.source == "account"
        assert error.failed_call is not None
        assert error.failed_call.cause.startswith("the transport raised aiohttp.")
        assert server.methods == ["GET"] * len(server.methods)
        assert len(server.methods) >= 3  # aiohttp itself repeats a read as well
        server.requests.clear()
        error = await _error(gateway.users.update_account_user("u", {"name": "x"}))
        assert isinstance(error, SourceUnavailable)
        assert error.outcome is Outcome.UNKNOWN
        assert set(server.methods) == {"PATCH"}  # also repeated ones, which the source recognises by their key


async def test_a_deadline_in_a_transport_without_on_write(raw: Any) -> None:
    """A change that hangs in a transport that reports no writing has an unknown outcome."""
    server = await raw(None)
    async with Gateway(
        _settings(base_url=server.url, timeout=0.4, try_timeout=0.4), transport=PlainTransport
    ) as gateway:
        error = await _error(gateway.users.update_account_user("u", {"name": "x"}))
    assert isinstance(error, SourceTimeout)
    assert error.outcome is Outcome.UNKNOWN


async def test_a_deadline_before_the_writing() -> None:
    """A change that waits for a connection in a transport that reports writing was not sent."""
    transport = MemoryTransport(_user)
    async with Gateway(_settings(timeout=1), transport=transport) as gateway:
        assert await gateway.users.get_user("u", ACCOUNT) is not None
        transport.reports = False
        transport.respond = lambda _: asyncio.get_running_loop().create_future()
        error = await _error(gateway.users.update_account_user("u", {"name": "x"}))
    assert isinstance(error, SourceTimeout)
    assert error.outcome is None


@pytest.mark.parametrize(
    ("result", "kind", "cause"),
    [
        (TimeoutError("t0ken"), SourceTimeout, "the transport raised TimeoutError"),
        (KeyError("t0ken"), SourceUnavailable, "the transport raised KeyError"),
        (None, SourceUnavailable, "the transport returned NoneType instead of a Response"),
        (Response(200, {}, "text"), SourceUnavailable, "the transport returned a Response whose body is str"),  # type: ignore[arg-type]  # what the test is about
        (Response(503, {"Retry-After": 5}, b""), SourceUnavailable, "the transport returned a Response whose headers"),  # type: ignore[dict-item]  # the same
        (asyncio.CancelledError(), SourceUnavailable, "the transport was cancelled"),
        (SourceUnavailable("down"), SourceUnavailable, None),
    ],
)
async def test_what_no_transport_may_do(result: Any, kind: type, cause: str | None, caplog: Any) -> None:
    """Whatever a transport raises or returns is an error of `gateway.errors` with the source, and never its text."""
    transport = MemoryTransport(lambda _: result)
    async with Gateway(_settings(max_attempts=1), transport=transport) as gateway:
        for operation, outcome in (
            (gateway.users.get_user("u", ACCOUNT), None),
            (gateway.users.update_account_user("u", {"name": "x"}), Outcome.UNKNOWN),
        ):
            error = await _error(operation)
            assert type(error) is kind
            assert (error.origin.source, error.outcome) == ("account", outcome)
            assert cause is None or (error.failed_call and error.failed_call.cause.startswith(cause))
            assert "t0ken" not in repr((error.message, error.failed_call))
        answer = await gateway.execute('{ user(id: "u", source: ACCOUNT) { name } }')
        assert answer.errors
        assert "t0ken" not in json.dumps(answer.errors[0].extensions) + caplog.text


async def test_headers_in_any_case() -> None:
    """The names of response headers are found in any case, for example a `retry-after`."""
    answers = [Response(429, {"retry-after": "0"}, b""), _user]

    def respond(request: Request) -> Any:
        answer = answers.pop(0)
        return answer if isinstance(answer, Response) else answer(request)

    async with Gateway(_settings(), transport=MemoryTransport(respond)) as gateway:
        user = await gateway.users.get_user("u", ACCOUNT)
    assert user is not None
    assert user.name == "Ann"
