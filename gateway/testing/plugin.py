"""The pytest plugin: the fixtures `gateway_sandbox`, `gateway_settings` and `gateway`.

Every run of pytest in an environment with this package imports it, so it imports nothing but pytest until a fixture is
used. A project replaces a fixture by one of the same name in its `conftest.py`.
"""

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from gateway import Gateway, Settings
    from gateway.testing.sandbox import Sandbox

try:
    from pytest_asyncio import fixture as asyncio_fixture
except ImportError:  # `gateway` does not request the fixture then
    asyncio_fixture = pytest.fixture  # type: ignore[assignment]  # of the same signature, where it is used

__all__ = ["gateway", "gateway_sandbox", "gateway_settings"]


@pytest.fixture
def gateway_sandbox() -> "Iterator[Sandbox]":
    """The three sources, simulated for one test (docs/testing.md)."""
    from gateway.testing.sandbox import Sandbox  # noqa: PLC0415 - as the docstring of the module states

    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def gateway_settings(gateway_sandbox: "Sandbox") -> "Settings":
    """The settings of the fixture `gateway`; a project that wants others replaces this fixture."""
    return gateway_sandbox.settings()


@pytest.fixture
def gateway(request: pytest.FixtureRequest) -> "Gateway":
    """A gateway in front of `gateway_sandbox`, with its clock, in the event loop of the test.

    The loop is that of pytest-asyncio or of anyio.
    """
    if "anyio_backend" in request.fixturenames:
        if request.getfixturevalue("anyio_backend_name") != "asyncio":
            pytest.fail("The gateway needs asyncio: let the fixture `anyio_backend` return 'asyncio'.", pytrace=False)
        name = "_gateway_by_anyio"
    elif request.config.pluginmanager.has_plugin("asyncio"):
        name = "_gateway_by_asyncio"
    else:
        problem = (
            "The fixture `gateway` needs the plugin pytest-asyncio or that of anyio; `gateway_sandbox` needs none."
        )
        pytest.fail(problem, pytrace=False)
    entered: Gateway = request.getfixturevalue(name)
    return entered


@pytest.fixture
async def _gateway_by_anyio(gateway_settings: "Settings", gateway_sandbox: "Sandbox") -> "AsyncIterator[Gateway]":
    from gateway import Gateway  # noqa: PLC0415 - as the docstring of the module states

    async with Gateway(gateway_settings, clock=gateway_sandbox.clock) as entered:
        yield entered


@asyncio_fixture
async def _gateway_by_asyncio(gateway_settings: "Settings", gateway_sandbox: "Sandbox") -> "AsyncIterator[Gateway]":
    from gateway import Gateway  # noqa: PLC0415 - as the docstring of the module states

    async with Gateway(gateway_settings, clock=gateway_sandbox.clock) as entered:
        yield entered
