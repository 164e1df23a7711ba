"""A disk that is full while a client uploads a file."""

import json
import resource
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import FormData


@pytest.fixture
def full_disk() -> Any:
    """Files of this process can have 200,000 bytes: writing more fails as on a full disk, after a partial write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("full_disk")
async def test_a_full_disk(faulty_world: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    """An upload for which there is no room is refused as retryable, nothing is sent, and no defect is logged."""
    world = await faulty_world()
    form = FormData()
    operations = {
        "query": "mutation ($input: UpdateSoftwareOneUserInput!) "
        '{ updateSoftwareOneUser(id: "USR-0000-0001", input: $input) { id } }',
        "variables": {"input": {"icon": None}},
    }
    form.add_field("operations", json.dumps(operations))
    form.add_field("map", json.dumps({"0": ["variables.input.icon"]}))
    form.add_field("0", b"x" * 300_000, filename="ada.png", content_type="image/png")
    headers = {"GraphQL-Require-Preflight": "1"}
    async with world.session.post(f"{world.url}/graphql", data=form, headers=headers) as response:
        assert response.status == 503
        [error] = (await response.json())["errors"]
    assert (error["extensions"]["code"], error["extensions"]["retryable"]) == ("SOURCE_UNAVAILABLE", True)
    assert "outcome" not in error["extensions"]
    assert await world.calls() == []
    assert all(record.levelname != "ERROR" for record in caplog.records)
