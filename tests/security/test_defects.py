"""A defect of ours tells its caller nothing but an id, and the log everything under that id."""

import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession, web
from api.graphql.defaults import live_options

from gateway import Gateway, Settings
from gateway.api.graphql.execution.incoming import IncomingFactory
from gateway.api.graphql.http.endpoint import EndpointOptions, GraphQLEndpoint
from gateway.api.graphql.http.parsing import RequestLimits
from gateway.api.graphql.http.uploads import UploadLimits
from gateway.api.graphql.live.live import Live
from gateway.api.web.aiohttp_server import aiohttp_application
from gateway.api.web.http import Route, WebRequest, WebResponse
from gateway.api.web.site import Site
from gateway.callers.authentication import anyone
from gateway.events.memory import MemoryEventLog
from gateway.users.model import UserSource
from gateway.users.service import UserService
from gateway.users.source import Sources

SECRET = "leak-defect"
USER = '{ user(id: "x", source: ACCOUNT) { name } }'


class Broken:
    """A system of an embedding program, whose code has a defect with a secret in its words."""

    name = UserSource.ACCOUNT
    tenant = ""
    directories: dict[Any, Any] = {}  # noqa: RUF012 - a protocol's attribute

    async def fetch_user(self, *_: Any) -> Any:
        raise ZeroDivisionError(SECRET)

    page_users = update_user = create_user = fetch_user


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """GraphQL in front of that system, behind a socket; and a route that is broken itself."""

    async def broken(_: WebRequest) -> WebResponse:
        raise ZeroDivisionError(SECRET)

    async with Gateway(Settings()) as gateway:
        events, executor = MemoryEventLog(), gateway._executor
        assert executor is not None
        reception = IncomingFactory(UserService(Sources([Broken()])), events, anyone, 5)
        live = Live(executor, reception, live_options())
        endpoint = GraphQLEndpoint(
            executor, reception, live, EndpointOptions(RequestLimits(100_000, UploadLimits(file=1000)))
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
@pytest.mark.parametrize("kind", ["application/json", "text/event-stream", "multipart/mixed, application/json"])
async def test_masked(
    url: str, session: ClientSession, caplog: pytest.LogCaptureFixture, query: str, kind: str
) -> None:
    """Whatever the operation and the form of the answer: the request id finds the whole of it in the log."""
    sent = {"X-Request-ID": "find-me", "Accept": kind}
    async with session.post(f"{url}/graphql", json={"query": query}, headers=sent) as answer:
        said = await answer.text()
        assert answer.headers["X-Request-ID"] == "find-me"
    assert "INTERNAL" in said
    assert "find-me" in said
    assert SECRET not in said
    assert "ZeroDivisionError" not in said
    _logged(caplog)


async def test_masked_on_a_socket(url: str, session: ClientSession, caplog: pytest.LogCaptureFixture) -> None:
    """An operation on a WebSocket has an id of its own, which finds its defect too."""
    async with session.ws_connect(f"{url}/graphql", protocols=["graphql-transport-ws"]) as socket:
        await socket.send_json({"type": "connection_init"})
        assert (await socket.receive_json(timeout=5))["type"] == "connection_ack"
        await socket.send_json({"type": "subscribe", "id": "1", "payload": {"query": USER}})
        message = await socket.receive_json(timeout=5)
    [error] = message["payload"]["errors"]
    assert error["extensions"]["code"] == "INTERNAL"
    assert SECRET not in str(message)
    _logged(caplog, error["extensions"]["requestId"])


async def test_a_broken_endpoint(url: str, session: ClientSession, caplog: pytest.LogCaptureFixture) -> None:
    """A defect outside of GraphQL is a 500 with an id, and nothing else."""
    async with session.get(f"{url}/broken", headers={"X-Request-ID": "find-me"}) as answer:
        assert answer.status == 500
        assert (await answer.json())["requestId"] == "find-me"
        assert SECRET not in await answer.text()
    _logged(caplog)


def _logged(caplog: pytest.LogCaptureFixture, request_id: str = "find-me") -> None:
    found = [one for one in caplog.records if request_id in one.getMessage() and one.levelno == logging.ERROR]
    assert found
    text = caplog.text
    assert "ZeroDivisionError" in text
    assert SECRET in text
