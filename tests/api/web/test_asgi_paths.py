"""The paths of requests to the ASGI application of a site, alone and mounted in others."""

from typing import Any

import pytest

from gateway.api.web.asgi import Asgi
from gateway.api.web.http import Route, WebRequest, WebResponse
from gateway.api.web.site import Site


async def _respond(request: WebRequest) -> WebResponse:
    return WebResponse(200, f"{request.mount or '-'} {request.path} {request.peer or '-'}".encode())


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ({"path": "/graphql"}, "- /graphql -"),
        ({"path": "/people/graphql", "root_path": "/people"}, "/people /graphql -"),  # Starlette
        ({"path": "/graphql", "root_path": "/people"}, "/people /graphql -"),  # before the present specification
        ({"path": "/graphql/", "root_path": "", "raw_path": b"/pe%20ople/graphql"}, "/pe ople /graphql -"),  # Litestar
        ({"path": "/graphql", "client": None}, "- /graphql -"),  # a Unix socket
        ({"path": "/graphql", "client": ("10.0.0.1", 9)}, "- /graphql 10.0.0.1"),
    ],
)
async def test_a_mounted_application(scope: dict[str, Any], expected: str) -> None:
    """The route is found wherever a framework mounts the application, and what is in front of it is the mount."""
    assert await _get(scope) == (200, expected)


@pytest.mark.parametrize("raw_path", [b"/graphql/", None])
async def test_a_slash_that_the_client_has_sent(raw_path: bytes | None) -> None:
    """A path with a further slash is no route: links of the page would lead elsewhere."""
    status, _ = await _get({"path": "/graphql/", "raw_path": raw_path})
    assert status == 404


async def _get(scope: dict[str, Any]) -> tuple[int, str]:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    application = Asgi(lambda: Site([Route(("GET",), "/graphql", _respond)]))
    await application({"type": "http", "method": "GET", "headers": [], "query_string": b"", **scope}, receive, send)
    return sent[0]["status"], sent[1]["body"].decode()
