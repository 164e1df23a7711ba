"""GraphiQL in front of a gateway that requires authentication."""

import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from browser.graphiql.visit import RESULT, Visit, is_post
from callers.issuing import AUDIENCE, ISSUER, Issuer
from conftest import command
from playwright.async_api import expect

from gateway.callers.api_keys import new_api_key
from gateway.principal import scopes as all_scopes
from gateway.users.model import UserSource

pytestmark = pytest.mark.asyncio(loop_scope="session")

HEADERS = "[aria-label=Headers]"
DOCS = "[aria-label='Documentation Explorer']"
SCOPES = {"reader": ["users:read"], "watcher": ["users:read", "calls:read"]}


@dataclass(frozen=True, slots=True)
class Guarded:
    """The URL of GraphiQL in production, an API key for each kind of caller, and a token."""

    url: str
    keys: dict[str, str]
    token: str


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """A gateway with the settings of production, GraphiQL and an allowance for each caller."""
    created = {name: new_api_key(name, scopes, all_scopes(UserSource)) for name, scopes in SCOPES.items()}
    file = tmp_path_factory.mktemp("keys") / "keys.toml"
    file.write_text("\n".join(entry.to_toml() for _, entry in created.values()))
    issuer = Issuer()
    (file.parent / "jwks.json").write_bytes(issuer.key_set())
    environment = {
        "GATEWAY_ENVIRONMENT": "production",
        "GATEWAY_INTROSPECTION": "true",
        "GATEWAY_GRAPHIQL": "true",
        "GATEWAY_AUTH__MODE": "api_key jwt",
        "GATEWAY_AUTH__KEYS_FILE": str(file),
        "GATEWAY_AUTH__JWKS_FILE": str(file.parent / "jwks.json"),
        "GATEWAY_AUTH__ISSUER": ISSUER,
        "GATEWAY_AUTH__AUDIENCE": AUDIENCE,
        "GATEWAY_RATE_LIMIT__COST": "1000000",
    }
    with command("demo", "--http-port", "0", "--grpc-port", "off", last="{ user(", **environment) as running:
        yield Guarded(running.address("GraphQL"), {name: key for name, (key, _) in created.items()}, issuer.token())


@pytest_asyncio.fixture(loop_scope="session")
async def refused(open_page: Callable[..., Awaitable[Visit]], guarded: Guarded) -> Visit:
    """A new visitor, whose page could not fetch the schema; Chromium has reported that as an error."""
    visit = await open_page(guarded.url)
    await expect(visit.page.locator(RESULT)).to_contain_text("UNAUTHENTICATED")
    forget_refusals(visit)
    return visit


def forget_refusals(visit: Visit) -> None:
    """Remove the errors that Chromium has reported of requests without a credential: there may be no others."""
    assert all("401" in problem for problem in visit.problems)
    visit.problems.clear()


async def fill_in(visit: Visit, key: str = "", token: str = "") -> None:
    """Fill in the template in the Headers editor, and wait for the schema.

    The page requests the schema half a second after a change; on a busy machine that may be before the next one.
    """
    async with visit.page.expect_response(lambda response: is_post(response) and response.ok):
        await visit.type_headers(json.dumps({"X-API-Key": key, "Authorization": f"Bearer {token}"}))
    forget_refusals(visit)


async def test_docs_state_why_there_is_no_schema(refused: Visit, guarded: Guarded) -> None:
    """The docs contain the reason, and the schema as soon as the header of the template is filled in."""
    page = refused.page
    for header in ('"X-API-Key": ""', '"Authorization": "Bearer "'):
        await expect(page.locator(HEADERS)).to_contain_text(header)
    await page.click("button[aria-label='Show Documentation Explorer']")
    await expect(page.locator(DOCS)).to_contain_text("X-API-Key: …")
    await fill_in(refused, guarded.keys["reader"])
    await expect(page.locator(DOCS)).to_contain_text("Root Types")


async def test_a_key_is_typed_once(refused: Visit, guarded: Guarded) -> None:
    """The other tabs have the key too, it is sent over the WebSocket, and after a reload also for the schema."""
    await fill_in(refused, guarded.keys["reader"])
    await refused.open_example("OnePerson")
    await expect(refused.page.locator(HEADERS)).to_contain_text(guarded.keys["reader"])
    assert (await refused.run_to_its_end())["data"]["person"]["users"]
    await refused.open_example("FollowUsers")
    await refused.start()
    await refused.until_received()
    async with refused.page.expect_response(is_post) as schema:
        await refused.stored("sessionStorage")
        assert [message["type"] for message in refused.received] == ["connection_ack"]
        await refused.page.reload()
    assert (await schema.value).ok
    assert guarded.keys["reader"] not in await refused.stored("localStorage")


async def test_only_filled_in_headers_are_sent(refused: Visit, guarded: Guarded) -> None:
    """A credential that is not filled in is not sent; a token works as a key does."""
    await refused.focus()
    request = await refused.run()
    assert {"x-api-key", "authorization"} & set(await request.all_headers()) == set()
    await expect(refused.page.locator(RESULT)).to_contain_text("Authentication required")
    refused.problems.clear()
    await fill_in(refused, token=guarded.token)
    await refused.focus()
    request = await refused.run()
    assert "x-api-key" not in await request.all_headers()
    await expect(refused.page.locator(RESULT)).to_contain_text('"nodes"')


@pytest.mark.parametrize(("caller", "shown"), [("reader", False), ("watcher", True)])
async def test_calls_in_production(refused: Visit, guarded: Guarded, caller: str, *, shown: bool) -> None:
    """A caller without `calls:read` sees the price and what is left of its allowance, one with it also the calls."""
    await fill_in(refused, guarded.keys[caller])
    await refused.focus()
    await refused.run()
    panel = refused.page.locator(".calls")
    await expect(panel).to_contain_text(" left")
    await expect(panel.locator("li")).to_have_count(5 if shown else 0)
