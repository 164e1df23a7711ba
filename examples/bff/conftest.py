"""A client of the application, in front of the simulated sources."""

from collections.abc import Iterator

import pytest
from bff import create_app
from fastapi.testclient import TestClient

from gateway.testing import Sandbox


@pytest.fixture
def client(gateway_sandbox: Sandbox) -> Iterator[TestClient]:
    """A browser that is not signed in."""
    settings = gateway_sandbox.settings(account={"max_attempts": 1})
    with TestClient(create_app(settings), base_url="https://bff.example") as client:
        yield client
