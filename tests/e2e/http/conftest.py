"""Fixtures that run every test of this folder with each of the HTTP servers."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, get_args

import pytest
from conftest import SERVER, Running, command

from gateway.api.web.servers import ServerName


@pytest.fixture(scope="session", params=get_args(ServerName))
def http_server(request: pytest.FixtureRequest) -> str:
    """The name of the server, as in the setting."""
    return str(request.param)


@pytest.fixture(scope="session")
def demo(http_server: str) -> Iterator[Running]:
    """`gateway demo` with that server."""
    options = ("--http-port", "0", "--grpc-port", "off", "--no-rate-limits")
    with command("demo", *options, last="{ user(", **{SERVER: http_server}) as running:
        yield running


@pytest.fixture
def fresh(fresh: Any, http_server: str) -> Callable[..., Any]:
    """Starts gateways for one test, with that server."""
    return partial(fresh, http_server=http_server)
