"""No caller, and no number of callers, makes a source refuse the calls of the others."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from aiohttp import ClientSession, TCPConnector
from security.attacks.conftest import READ, scaled
from security.outside import Caller, Control, Keys, RecordedProcess, Serve, run_recorded, wait_until

from gateway.users.ids import Kind, Ref, encode
from gateway.users.model import UserSource


@pytest.fixture(scope="module")
def limited_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RecordedProcess]:
    """A sandbox that enforces the rate limits of the sources."""
    file = tmp_path_factory.mktemp("limited") / "printed"
    with run_recorded(file, "sandbox", "--port", "0", last="_sandbox") as running:
        yield running


@pytest.fixture
async def limited(
    limited_sandbox: RecordedProcess, serve: Serve, production_settings: dict[str, str], session: ClientSession
) -> AsyncIterator[Any]:
    """A gateway in front of it, and the control API of the sandbox."""
    sources = dict(re.findall(r"^\s*(GATEWAY_\w+)=(\S+)$", limited_sandbox.printed, re.MULTILINE))
    found = re.search(r"^control\s+(http\S+)", limited_sandbox.printed, re.MULTILINE)
    assert found
    control = Control(session, found[1])
    await control.reset()
    with serve(**production_settings, **sources) as running:
        yield running, control


async def test_a_caller_cannot_exhaust_a_source(limited: Any, caller_of: Callable[..., Caller]) -> None:
    """Three operations that need thousands of calls cause no 429 of the source, and another caller is served."""
    running, control = limited
    ids = [encode(Ref(Kind.USER, UserSource.ACCOUNT, f"acus_{number:012d}")) for number in range(1_800)]
    aliases = [
        f"a{n}: nodes(ids: {json.dumps(ids[n * 100 : n * 100 + 100])}) {{ ... on User {{ name }} }}" for n in range(18)
    ]
    operations = [f"{{ {' '.join(aliases[start::3])} }}" for start in range(3)]
    attackers = [asyncio.create_task(caller_of(running, "reader").execute(operation)) for operation in operations]
    await wait_until(control.has_calls)
    await asyncio.sleep(0.5)
    async with asyncio.timeout(15):
        assert (await caller_of(running, "all").execute(READ))["data"]["user"]["name"]
    await asyncio.wait(attackers, timeout=45)
    for attacker in attackers:
        attacker.cancel()
    calls = [call for call in await control.calls() if call["source"] == "account"]
    assert [call for call in calls if call["status"] == 429] == []
    assert len(calls) > 20


async def test_many_clients_cannot_exhaust_a_source(limited: Any, keys: Keys) -> None:
    """Four hundred clients at once cause no 429 of the source; each is answered or refused by the gateway."""
    running, control = limited
    document = "query ($id: ID!) { user(id: $id, source: ACCOUNT) { name } }"
    headers = {"X-API-Key": keys.by_name["reader"]}
    async with ClientSession(connector=TCPConnector(limit=0)) as session:
        caller = Caller(session, running.address("GraphQL"), headers)
        answers = await asyncio.gather(
            *(caller.execute(document, id=f"acus_{number:012d}") for number in range(scaled(400)))
        )
    codes = {error["extensions"]["code"] for answer in answers for error in answer.get("errors", [])}
    assert codes <= {"RATE_LIMITED"}
    assert [call for call in await control.calls() if call["status"] == 429] == []
