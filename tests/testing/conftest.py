"""A sandbox for each test."""

from collections.abc import Iterator

import pytest

from gateway.testing import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox
