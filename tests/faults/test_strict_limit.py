"""Bursts of reads in front of a source that refuses every call above its rate limit, by its own clock."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from faults.strict_source import LIMIT

from gateway import Gateway, Settings
from gateway.sources.http.clients import CLIENTS
from gateway.users.ids import Kind, Ref, encode
from gateway.users.model import UserSource

SECONDS = 6  # the timeout of the source: calls that would wait longer are refused by the gateway


@pytest.fixture
def strict_source() -> Iterator[str]:
    """The URL of the source."""
    script = Path(__file__).parent / "strict_source.py"
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.kill()


async def statistics(url: str) -> dict[str, int]:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/statistics") as response:
        numbers: dict[str, int] = await response.json(content_type=None)
        return numbers


def settings(url: str, client: str) -> Settings:
    account = {"base_url": url, "token": "t", "account_id": "ac", "timeout": SECONDS}
    return Settings.model_validate({"http_client": client, "account": account})


async def codes(gateway: Gateway, document: str, variables: dict[str, Any] | None = None) -> set[str]:
    """Execute a document and return the codes of its errors."""
    result = await gateway.execute(document, variables or {})
    return {str((error.extensions or {})["code"]) for error in result.errors or ()}


def one_user(name: str) -> str:
    return f'{{ user(id: "acus_{name}", source: ACCOUNT) {{ name }} }}'


@pytest.mark.parametrize("client", CLIENTS)
async def test_many_lookups_of_one_operation(strict_source: str, client: str) -> None:
    """The source refuses no call of three operations with 600 lookups each, and other operations are still served."""
    aliases = range(6)  # more lookups take so much time of a busy machine that the calls of others time out
    document = f"query({','.join(f'$v{n}: [ID!]!' for n in aliases)}) {{"
    document += " ".join(f"a{n}: nodes(ids: $v{n}) {{ id }}" for n in aliases) + "}"

    def variables(operation: int) -> dict[str, Any]:
        names = {n: [f"acus_no{operation}x{n}x{i}" for i in range(100)] for n in aliases}
        return {f"v{n}": [encode(Ref(Kind.USER, UserSource.ACCOUNT, name)) for name in names[n]] for n in aliases}

    async with Gateway(settings(strict_source, client)) as gateway:
        burst = [asyncio.create_task(codes(gateway, document, variables(operation))) for operation in range(3)]
        await asyncio.sleep(0.1)
        others = await asyncio.gather(*(codes(gateway, one_user(f"other{n}")) for n in range(3)))
        # On a busy machine the time for a call, or for its connection, may also pass.
        busy = {"SOURCE_TIMEOUT", "SOURCE_UNAVAILABLE"}
        assert set().union(*await asyncio.gather(*burst)) - busy == {"RATE_LIMITED"}
    assert others == [set()] * 3
    numbers = await statistics(strict_source)
    assert numbers["refused"] == 0
    assert numbers["most"] >= LIMIT // 2  # otherwise the machine was too busy for the source to count
    assert numbers["calls"] >= LIMIT * 2


@pytest.mark.parametrize("client", CLIENTS)
async def test_many_operations(strict_source: str, client: str) -> None:
    """The source refuses no call of 400 operations at once, and as many as the rate limit allows are served."""
    async with Gateway(settings(strict_source, client)) as gateway:
        results = await asyncio.gather(*(codes(gateway, one_user(f"nobody{n}")) for n in range(400)))
    numbers = await statistics(strict_source)
    assert numbers["refused"] == 0
    assert numbers["most"] >= LIMIT // 2  # otherwise the machine was too busy for the source to count
    assert results.count(set()) >= LIMIT * 2
