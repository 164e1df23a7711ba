"""Systems that answer what nobody documented: told as their mistake, never a defect of ours."""

from collections.abc import AsyncIterator, Callable
from itertools import product
from random import Random

import pytest
from security.altering import VALUES, Altering
from security.fuzzing import REQUESTS, SEED
from security.outside import Caller, Recorded, Serve
from security.specified import check

from gateway.sandbox import LANDMARKS

USER = """
id source sourceId name firstName lastName email emailVerifiedAt username imageUrl phone { prefix number }
omittedFields status sourceStatus company twoFactorEnabled googleSsoEnabled
lastActiveAt invitationAcceptedAt createdAt updatedAt
role { id source name type permissions owner { type account { name branding { logoUrl } portal { slug } } } createdAt }
department { id name notes createdAt location { name type parent { name } children { nodes { name } } }
  machines { nodes { name department { name } } }
  scanningStations { nodes { name type department { name } productionSteps { nodes { name levelingFactor laborRate
    laborTime overheadRate production consumptions machines { name } inSteps { name } department { name } } } } } }
organization { id name allowedUsers address { city } createdAt }
accounts { sourceId name type } currentAccount { sourceId } settings { cultureCode } createdBy { name imageUrl }
"""
ADA = {source: there["ada"] for source, there in LANDMARKS.items()}
OPERATIONS = [
    *(f'{{ user(id: "{ADA[source]}", source: {source.upper()}) {{ {USER} }} }}' for source in ADA),
    f"{{ users(first: 20) {{ nodes {{ {USER} }} pageInfo {{ endCursor hasNextPage }} unavailable {{ code }} }} }}",
    "{ roles(first: 9) { nodes { name owner { type } } } departments(first: 9) { nodes { name location { name } } } }",
    '{ person(email: "ada@example.com") { users { name } unavailable { code } } }',
    f'mutation {{ updateAccountUser(id: "{ADA["account"]}", input: {{name: "A"}}) {{ {USER} }} }}',
    f'mutation {{ updateSoftwareOneUser(id: "{ADA["softwareone"]}", input: {{firstName: "A"}}) {{ {USER} }} }}',
    f'mutation {{ updateResellerUser(id: "{ADA["reseller"]}", input: {{firstName: "A"}}) {{ {USER} }} }}',
    'mutation { createAccountUser(input: {email: "somebody@a.example"}) { id role { name } } }',
]


@pytest.fixture
async def altering(serve: Serve, apart: dict[str, str]) -> AsyncIterator[tuple[Altering, Recorded]]:
    """A gateway in front of systems whose answers are altered."""
    base = apart["GATEWAY_ACCOUNT__BASE_URL"].rpartition("/")[0]
    async with Altering(base).served() as altering:
        settings = {name: value.replace(base, altering.url) for name, value in apart.items()}
        for source in ("ACCOUNT", "SOFTWAREONE", "RESELLER"):
            settings |= {f"GATEWAY_{source}__RATE_LIMIT": "10000", f"GATEWAY_{source}__MAX_ATTEMPTS": "1"}
        with serve(**settings, GATEWAY_REFERENCE_TTL="0") as running:
            yield altering, running


async def test_altered_answers(altering: tuple[Altering, Recorded], at: Callable[..., Caller]) -> None:
    """Whatever stands in the place of whichever value, the answer is as specified, and nothing is a defect."""
    system, running = altering
    caller = at(running)
    for query in OPERATIONS[:6]:
        said = await caller.ask(query)
        assert "errors" not in said, said
    print(f"GATEWAY_FUZZ_SEED={SEED}")  # noqa: T201 - for whoever repeats it
    chance = Random(SEED)  # noqa: S311 - no secret
    altered = chance.choices(list(product(sorted(system.names - {"data"}), VALUES)), k=REQUESTS // 5)
    for system.name, system.value in altered:
        status, said, _ = await caller.send({"query": chance.choice(OPERATIONS)})
        check(status, said)
    assert "defect" not in running.said


@pytest.mark.parametrize("value", [2**31, 2**53 + 1, 2**64, -(10**30)])
async def test_large_numbers(altering: tuple[Altering, Recorded], at: Callable[..., Caller], value: int) -> None:
    """A number that does not fit, where a number is documented or anything at all, breaks no answer."""
    system, running = altering
    for system.name in ("labor_rate", "production", "allowedUsers", "permissions"):
        system.value = value
        for query in OPERATIONS[:4]:
            check(*(await at(running).send({"query": query}))[:2])
    assert "defect" not in running.said
