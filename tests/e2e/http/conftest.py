"""Everything in here runs over each of the servers."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, get_args

import pytest
from conftest import SERVER, Running, command

from gateway.api.web.servers import ServerName


@pytest.fixture(scope="session", params=get_args(ServerName))
def http_server(request: pytest.FixtureRequest) -> str:
    """The server, as the setting names it."""
    return str(request.param)


@pytest.fixture(scope="session")
def demo(http_server: str) -> Iterator[Running]:
    """`gateway demo` over that server."""
    options = ("--http-port", "0", "--grpc-port", "off", "--no-rate-limits")
    with command("demo", *options, last="{ user(", **{SERVER: http_server}) as running:
        yield running


@pytest.fixture
def fresh(fresh: Any, http_server: str) -> Callable[..., Any]:
    """Makes worlds of a test's own over that server."""
    return partial(fresh, http_server=http_server)
