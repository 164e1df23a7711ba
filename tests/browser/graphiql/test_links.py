"""Links to an operation open it in GraphiQL."""

import json
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from browser.graphiql.visit import QUERY_EDITOR, RESULT, Visit
from playwright.async_api import expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

QUERY = """query First { __typename }

query Linked($email: String!) {
  person(email: $email) { email }
}"""
VARIABLES = {"email": "who&where=?#%/ü@example.com"}
VARIABLES_EDITOR = "[aria-label=Variables] .CodeMirror:visible"


def address(url: str, **parameters: str) -> str:
    """Return the URL of GraphiQL with parameters."""
    return f"{url}/graphql?{urlencode(parameters)}"


async def test_a_link_opens_a_tab_and_runs_nothing(
    open_page: Callable[..., Awaitable[Visit]], gateway_url: str
) -> None:
    """A linked operation is in the first tab, the schema is the only request, and Ctrl+Enter runs what was linked."""
    variables = json.dumps(VARIABLES, ensure_ascii=False)
    link = address(gateway_url, query=QUERY, variables=variables, operationName="Linked")
    posted: list[str] = []
    visit = await open_page(link)
    visit.page.on("request", lambda request: posted.append(request.post_data or ""))
    await expect(visit.tabs.first).to_have_text("Linked")
    await expect(visit.tabs.nth(1)).to_have_text("AllUsers")
    await expect(visit.page.locator(QUERY_EDITOR)).to_contain_text("person(email: $email)")
    await expect(visit.page.locator(VARIABLES_EDITOR)).to_contain_text(VARIABLES["email"])
    await visit.stored("localStorage")
    assert posted == []
    assert (urlsplit(visit.page.url).path, urlsplit(visit.page.url).query) == ("/graphql", "")
    await visit.page.click(VARIABLES_EDITOR)  # in the query editor, the cursor selects the operation
    sent = json.loads((await visit.run()).post_data or "")
    assert (sent["query"], sent["variables"], sent["operationName"]) == (QUERY, VARIABLES, "Linked")
    await expect(visit.page.locator(RESULT)).to_contain_text(VARIABLES["email"])


async def test_a_returning_visitor_gets_one_more_tab(visit: Visit, gateway_url: str) -> None:
    """A link opens a tab beside those of earlier visits, without variables if it has none."""
    await visit.open_example("OnePerson")
    before = await visit.tabs.all_inner_texts()
    await visit.stored("localStorage")
    await visit.page.goto(address(gateway_url, query="query Linked { __typename }"))
    await expect(visit.tabs).to_have_text([*before, "Linked"])
    await expect(visit.page.locator(QUERY_EDITOR)).to_contain_text("query Linked")
    await visit.focus()
    assert "variables" not in json.loads((await visit.run()).post_data or "")
    await visit.stored("localStorage")
    await visit.page.reload()
    await expect(visit.tabs).to_have_text([*before, "Linked"])


async def test_the_button_makes_a_link(open_page: Callable[..., Awaitable[Visit]], visit: Visit) -> None:
    """The link of a tab opens the same operation for another visitor, and has no headers."""
    await visit.type_headers('{"X-API-Key": "secret"}')
    await visit.open_example("OnePerson")
    await visit.type_headers('{"X-API-Key": "secret"}')
    await visit.page.click("button[aria-label='Copy a link to this operation']")
    link = visit.page.url
    await visit.page.context.grant_permissions(["clipboard-read"])
    assert await visit.page.evaluate("navigator.clipboard.readText()") == link
    assert set(parse_qs(urlsplit(link).query)) == {"query", "variables", "operationName"}
    assert "secret" not in link
    other = await open_page(link)
    await expect(other.tabs.first).to_have_text("OnePerson")
    runs = []
    for each in (visit, other):
        await each.focus()
        runs.append(json.loads((await each.run()).post_data or ""))
    assert runs[0] == runs[1]


async def test_no_link_is_longer_than_the_server_accepts(visit: Visit) -> None:
    """Of an operation that is too long there is no link, and the button says why."""
    await visit.type_into(QUERY_EDITOR, f"# {'long ' * 2000}\nquery Long {{ __typename }}")
    await visit.page.click("button[aria-label='Copy a link to this operation']")
    await expect(visit.page.locator("button[aria-label='Too long for a link']")).to_be_visible()
    assert urlsplit(visit.page.url).query == ""
