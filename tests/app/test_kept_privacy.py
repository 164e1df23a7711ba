"""Who gets what is kept: callers with different credentials and scopes, and those whose access was withdrawn."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import ClientSession
from still_clock import StillClock

from gateway import Gateway
from gateway.auth import Credential, Principal
from gateway.errors import GatewayError, SourceCredentials, Unauthenticated
from gateway.models import UserSource
from gateway.testing import Sandbox

ACCOUNT, SOFTWAREONE, RESELLER = UserSource.ACCOUNT, UserSource.SOFTWAREONE, UserSource.RESELLER
ADA = "acus_adalovelace1"
SCOPES = frozenset({"users:read", "users:write"})
ON = {"keep_mode": "on"}
FORWARD = ON | {"account": {"credentials": "forward"}}
READ_ADA = f'{{ user(id: "{ADA}", source: ACCOUNT) {{ id name email role {{ name permissions }} }} }}'


@pytest.fixture
def sandbox() -> Any:
    with Sandbox(users=6, clock=StillClock()) as running:
        for name in ("ann", "ben"):
            running.accept_token("account", name)
        yield running


@pytest.fixture
async def opened(sandbox: Sandbox) -> AsyncIterator[Callable[..., Any]]:
    async with AsyncExitStack() as stack:

        async def make(changes: Any = ON, **given: Any) -> Gateway:
            gateway = Gateway(sandbox.settings(**changes), clock=sandbox.clock, **given)
            return await stack.enter_async_context(gateway)

        yield make


def caller(name: str, scopes: Any = SCOPES, *, token: str | None = None) -> Principal:
    """Return a caller with a credential for the account source."""
    return Principal(name, frozenset(scopes), {"account": {"authorization": f"Bearer {token or name}"}})


def calls(sandbox: Sandbox, source: Any = "account") -> int:
    return len(sandbox.calls.to(source))


def codes(result: Any) -> list[str]:
    return [error.extensions["code"] for error in result.errors or ()]


async def test_callers_with_different_credentials(opened: Any, sandbox: Sandbox) -> None:
    """What was read with the credential of one caller is kept for that caller alone, whatever the name says."""
    gateway = await opened(FORWARD)
    callers = [caller("ann"), caller("ben"), caller("ann", token="ben"), caller("ben#ann", token="ann")]
    for number, each in enumerate(callers, 1):
        for _ in range(2):
            assert (await gateway.users.by(each).get_user(ADA, ACCOUNT)).name
            assert calls(sandbox) == number
    assert (await gateway.users.get_user(ADA, ACCOUNT)).name
    assert calls(sandbox) == len(callers) + 1
    with pytest.raises(Unauthenticated):
        await gateway.users.by(Principal("ann", SCOPES)).get_user(ADA, ACCOUNT)


async def test_callers_with_the_configured_credential(opened: Any, sandbox: Sandbox) -> None:
    """Callers for whom a source is called with the configured credential share what is kept."""
    gateway = await opened()
    for name in ("ann", "ben"):
        assert (await gateway.users.by(Principal(name, SCOPES)).get_user(ADA, ACCOUNT)).name
    assert calls(sandbox) == 1


async def test_provided_credentials(opened: Any, sandbox: Sandbox) -> None:
    """What was read with a credential that the program provides for one caller is not given to another one."""

    async def provide(_source: str, principal: Principal) -> Credential | None:
        return Credential({"Authorization": f"Bearer {principal.name}"}) if principal.name else None

    gateway = await opened(credentials=provide)
    for number, name in enumerate(("ann", "ben"), 1):
        for _ in range(2):
            assert (await gateway.users.by(Principal(name, SCOPES)).get_user(ADA, ACCOUNT)).name
            assert calls(sandbox) == number
    sandbox.refuse_token("account", "ann")
    await gateway.execute("{ roles { nodes { id } } }", principal=Principal("ann", SCOPES))
    with pytest.raises(SourceCredentials):
        await gateway.users.by(Principal("ann", SCOPES)).get_user(ADA, ACCOUNT)


@pytest.mark.parametrize(
    "operation",
    [
        "{ users(filter: { sources: [ACCOUNT] }) { nodes { id } } }",
        '{ person(email: "ada@example.com") { unavailable { code } } }',
        "{ roles { nodes { id } } }",
        "{ departments { nodes { id } } }",
        '{ role(id: "role_none") { name } }',
        '{ user(id: "acus_nobody", source: ACCOUNT) { id } }',
        'mutation { updateAccountUser(id: "acus_adalovelace1", input: { name: "Ada" }) { id } }',
    ],
)
async def test_a_credential_that_is_refused(opened: Any, sandbox: Sandbox, operation: str) -> None:
    """As soon as a source refuses the credential of a caller for anything, the caller gets nothing that was kept."""
    gateway = await opened(FORWARD)
    for name in ("ann", "ben"):
        assert not codes(await gateway.execute(READ_ADA, principal=caller(name)))
    sandbox.refuse_token("account", "ann")
    refused = await gateway.execute(operation, principal=caller("ann"))
    assert "SOURCE_CREDENTIALS" in [*codes(refused), *str(refused.data).split("'")]
    result = await gateway.execute(READ_ADA, principal=caller("ann"))
    assert (codes(result), result.data) == (["SOURCE_CREDENTIALS"], {"user": None})
    before = calls(sandbox)
    assert not codes(await gateway.execute(READ_ADA, principal=caller("ben")))
    assert calls(sandbox) == before


async def test_a_page_that_was_read_before(opened: Any, sandbox: Sandbox) -> None:
    """After a credential was refused, the next page is not taken from what was read for the page before it."""
    gateway = await opened(FORWARD | {"softwareone": None, "reseller": None})
    query = "query ($after: String) { users(first: 2, after: $after) { nodes { id } pageInfo { endCursor } } }"
    cursor: str | None = None
    for _ in range(2):
        page = await gateway.execute(query, {"after": cursor}, principal=caller("ann"))
        cursor = page.data["users"]["pageInfo"]["endCursor"]
    sandbox.refuse_token("account", "ann")
    await gateway.execute("{ roles { nodes { id } } }", principal=caller("ann"))
    page = await gateway.execute(query, {"after": cursor}, principal=caller("ann"))
    assert codes(page) == ["SOURCE_CREDENTIALS"]


async def test_a_caller_that_is_revoked(opened: Any, sandbox: Sandbox) -> None:
    """What was read with the credential of a caller is dropped when the program revokes the caller."""
    gateway = await opened(FORWARD)
    for name in ("ann", "joann"):
        await gateway.users.by(caller(name, token="ann")).get_user(ADA, ACCOUNT)
    gateway.revoke("ann")
    before = calls(sandbox)
    await gateway.users.by(caller("joann", token="ann")).get_user(ADA, ACCOUNT)
    assert calls(sandbox) == before
    await gateway.users.by(caller("ann")).get_user(ADA, ACCOUNT)
    assert calls(sandbox) == before + 1


async def test_the_configured_credential_for_one_endpoint(opened: Any, sandbox: Sandbox) -> None:
    """That the configured credential may not read roles drops no users: every such call would empty what is kept."""
    gateway = await opened()
    await gateway.users.by(Principal("ann", SCOPES)).get_user(ADA, ACCOUNT)
    sandbox.fail("account", times=None, path="/roles", status=403)
    assert codes(await gateway.execute("{ roles { nodes { id } } }", principal=Principal("ann", SCOPES)))
    before = calls(sandbox)
    await gateway.users.by(Principal("ann", SCOPES)).get_user(ADA, ACCOUNT)
    assert calls(sandbox) == before


@pytest.mark.parametrize("scopes", [{"users:read:softwareone"}, {"users:write"}, {"calls:read"}, set()])
async def test_scopes(opened: Any, sandbox: Sandbox, scopes: Any) -> None:
    """A caller without the scope gets a kept user in no way, and is refused without a call."""
    gateway = await opened(ON | {"federation": True})
    user = await gateway.users.by(Principal("ann", SCOPES)).get_user(ADA, ACCOUNT)
    await gateway.execute("{ users { nodes { id name email } } }", principal=Principal("ann", SCOPES))
    before = calls(sandbox)
    queries = [
        f'{{ user(id: "{ADA}", source: ACCOUNT) {{ name }} }}',
        f'{{ user(id: "{user.id}") {{ name }} }}',
        f'{{ node(id: "{user.id}") {{ ... on User {{ name }} }} }}',
        f'{{ nodes(ids: ["{user.id}", "{user.id}"]) {{ ... on User {{ name }} }} }}',
        "{ users(filter: { sources: [ACCOUNT] }) { nodes { name } } }",
        f'{{ _entities(representations: [{{ __typename: "User", id: "{user.id}" }}]) {{ ... on User {{ name }} }} }}',
    ]
    for query in queries:
        result = await gateway.execute(query, principal=Principal("ben", frozenset(scopes)))
        assert "FORBIDDEN" in codes(result), query
        assert user.name not in str(result.data)
    person = await gateway.execute(
        f'{{ person(email: "{user.email}") {{ users {{ source name }} }} }}',
        principal=Principal("ben", frozenset(scopes)),
    )
    assert "ACCOUNT" not in str(person.data)
    assert calls(sandbox) == before


async def test_ids_that_resemble_others(opened: Any, sandbox: Sandbox) -> None:
    """An id in other letters, of another tenant or with odd characters gives no kept user but that of the id."""
    gateway = await opened()
    ada = await gateway.users.get_user(ADA, ACCOUNT)
    of_reseller = next(user for user in (await gateway.users.list_users()).users if user.source is RESELLER)
    await gateway.users.get_user(of_reseller.id)
    odd = [ADA.upper(), f"{ADA} ", f"{ADA}\u0000", f"{ADA}/../{ADA}", f"{ADA}?x=1", ada.email, "", "../users", "%2e%2e"]
    for text in odd:
        for source in (ACCOUNT, SOFTWAREONE, RESELLER):
            try:
                found = await gateway.users.get_user(text, source)
            except GatewayError:
                continue
            if found is not None:  # some sources accept ids in any case, or an address
                assert text.casefold() in {found.source_id.casefold(), (found.email or "").casefold()}
                assert found.source is source
    assert await gateway.users.get_user(ADA, ACCOUNT) == ada


async def test_the_price(opened: Any, sandbox: Sandbox) -> None:
    """An operation costs the same whether what it reads is kept or not."""
    gateway = await opened()
    http = await gateway.serve_http(grace=0)
    url, prices, counts = f"http://127.0.0.1:{http.address[1]}/graphql", [], []
    try:
        async with ClientSession() as session:
            for headers in ({}, {}, {"Cache-Control": "no-cache"}):
                body = {"query": READ_ADA, "extensions": {"cost": True}}
                async with session.post(url, json=body, headers=headers) as response:
                    prices.append((await response.json())["extensions"]["cost"]["requested"])
                counts.append(calls(sandbox))
    finally:
        await http.stop()
    assert len(set(prices)) == 1
    first, kept, anew = counts
    assert first == kept < anew
