"""A defect of the gateway is reported to the caller with an id only; the log has the details under that id."""

import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession, web
from api.graphql.defaults import live_options

from gateway import Gateway, Settings
from gateway.api.graphql.execution.incoming import IncomingFactory
from gateway.api.graphql.http.endpoint import GraphQLEndpoint
from gateway.api.graphql.http.options import EndpointOptions
from gateway.api.graphql.http.parsing import RequestLimits
from gateway.api.graphql.http.uploads import UploadLimits
from gateway.api.graphql.live.live import Live
from gateway.api.web.aiohttp_server import aiohttp_application
from gateway.api.web.http import Route, WebRequest, WebResponse
from gateway.api.web.site import Site
from gateway.callers.authentication import anyone
from gateway.callers.revocation import CredentialWatch
from gateway.events.memory import MemoryEventLog
from gateway.users.model import UserSource
from gateway.users.service import UserService
from gateway.users.source import Sources

SECRET = "leak-defect"
USER = '{ user(id: "x", source: ACCOUNT) { name } }'


class Broken:
    """A source of an embedding program whose code has a defect, with a secret in the exception."""

    name = UserSource.ACCOUNT
    tenant = ""
    directories: dict[Any, Any] = {}  # noqa: RUF012 - an attribute of the protocol

    async def fetch_user(self, *_: Any) -> Any:
        raise ZeroDivisionError(SECRET)

    page_users = update_user = create_user = fetch_user


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """The URL of a server with GraphQL in front of that source, and with a route that raises."""

    async def broken(_: WebRequest) -> WebResponse:
        raise ZeroDivisionError(SECRET)

    async with Gateway(Settings()) as gateway:
        events, executor = MemoryEventLog(), gateway._parts.executor
        assert executor is not None
        incoming = IncomingFactory(UserService(Sources([Broken()])), events, CredentialWatch(anyone), 5)
        live = Live(executor, incoming, live_options(), admits=lambda _: True)
        endpoint = GraphQLEndpoint(
            executor, incoming, live, EndpointOptions(RequestLimits(100_000, UploadLimits(file=1000)))
        )
        site = Site([*endpoint.routes(), Route(("GET",), "/broken", broken)], [live.route()])
        runner = web.AppRunner(aiohttp_application(site), access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await live.drain()
            await runner.cleanup()
            await events.aclose()


@pytest.mark.parametrize(
    "query",
    [
        USER,
        "{ users { nodes { name } } }",
        'mutation { updateAccountUser(id: "x", input: {name: "x"}) { name } }',
        'mutation { createAccountUser(input: {email: "a@b.example"}) { name } }',
    ],
)
@pytest.mark.parametrize("media_type", ["application/json", "text/event-stream", "multipart/mixed, application/json"])
async def test_masked(
    url: str, session: ClientSession, caplog: pytest.LogCaptureFixture, query: str, media_type: str
) -> None:
    """For every operation and media type the error is masked, and the log has the details under the request id."""
    headers = {"X-Request-ID": "find-me", "Accept": media_type}
    async with session.post(f"{url}/graphql", json={"query": query}, headers=headers) as response:
        body = await response.text()
        assert response.headers["X-Request-ID"] == "find-me"
    assert "INTERNAL" in body
    assert "find-me" in body
    assert SECRET not in body
    assert "ZeroDivisionError" not in body
    _logged(caplog)


async def test_masked_on_a_socket(url: str, session: ClientSession, caplog: pytest.LogCaptureFixture) -> None:
    """An operation on a WebSocket has a request id under which the log has the defect."""
    async with session.ws_connect(f"{url}/graphql", protocols=["graphql-transport-ws"]) as socket:
        await socket.send_json({"type": "connection_init"})
        assert (await socket.receive_json(timeout=20))["type"] == "connection_ack"
        await socket.send_json({"type": "subscribe", "id": "1", "payload": {"query": USER}})
        message = await socket.receive_json(timeout=20)
    [error] = message["payload"]["errors"]
    assert error["extensions"]["code"] == "INTERNAL"
    assert SECRET not in str(message)
    _logged(caplog, error["extensions"]["requestId"])


async def test_a_broken_endpoint(url: str, session: ClientSession, caplog: pytest.LogCaptureFixture) -> None:
    """A defect outside GraphQL is a 500 with a request id and no details."""
    async with session.get(f"{url}/broken", headers={"X-Request-ID": "find-me"}) as response:
        assert response.status == 500
        assert (await response.json())["requestId"] == "find-me"
        assert SECRET not in await response.text()
    _logged(caplog)


def _logged(caplog: pytest.LogCaptureFixture, request_id: str = "find-me") -> None:
    found = [
        record for record in caplog.records if request_id in record.getMessage() and record.levelno == logging.ERROR
    ]
    assert found
    text = caplog.text
    assert "ZeroDivisionError" in text
    assert SECRET in text
