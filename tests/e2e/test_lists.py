"""Lists of users, persons, roles and departments, and the calls to sources for them."""

import itertools
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession
from conftest import command

PLAIN = "nodes { source sourceId role { name } department { name } }"
NESTED = """nodes {
  source sourceId role { name owner { type } permissions }
  department { name location { name } machines { nodes { name } } }
}"""
FIRST_PAGE = {"account", "softwareone", "reseller"}


@pytest.fixture(scope="module")
def large_demo() -> Any:
    """A separate demo with ten thousand users in each source."""
    with command(
        "demo", "--http-port", "0", "--grpc-port", "0", "--no-rate-limits", "--users", "10000", last="{ user("
    ) as running:
        yield running


@pytest.fixture
async def large(large_demo: Any, world_of: Any) -> AsyncIterator[Any]:
    """The world of the large demo."""
    async with ClientSession() as session:
        world = world_of(session, large_demo)
        await world.forget()
        yield world


async def test_the_first_page_is_one_call_to_each_source(world: Any) -> None:
    """Fifty users with role and department names are three calls, one to each source."""
    data = await world.data(f"{{ users(first: 50) {{ {PLAIN} unavailable {{ code }} }} }}")
    assert len(data["users"]["nodes"]) == 50
    assert data["users"]["unavailable"] == []
    assert Counter(call["source"] for call in await world.calls()) == Counter(FIRST_PAGE)


async def test_lookups_are_one_list_for_each_kind_and_cached(world_of: Any) -> None:
    """Lookups of roles and departments add one list each, and no calls while they are cached."""
    with command("demo", "--http-port", "0", "--grpc-port", "0", "--no-rate-limits", last="{ user(") as running:
        async with ClientSession() as session:
            world = world_of(session, running)
            counts = []
            for _ in range(2):
                await world.data(f"{{ users(first: 50) {{ {NESTED} }} }}")
                counts.append(len(await world.calls()))
                await world.forget()
    assert counts == [5, 3]


async def test_two_hundred_users_with_their_departments(large: Any) -> None:
    """The lookups of 200 users are at most one list for each kind."""
    await large.data(f"{{ users(first: 200) {{ {NESTED} }} }}")
    paths = Counter(call["path"] for call in await large.calls())
    assert paths["/v1/identity/roles"] <= 1
    assert paths["/v1/operations/departments"] <= 1


async def test_a_whole_walk(large: Any) -> None:
    """A walk over 30,000 users by pages of 200 has each once, in order, with at most 10 % more calls than needed."""
    users: list[tuple[str, str]] = []
    created: list[str] = []
    after = None
    for _ in range(160):
        page = (
            await large.data(
                """query ($after: String) { users(first: 200, after: $after) {
                  nodes { source sourceId createdAt } pageInfo { hasNextPage endCursor } unavailable { code }
                } }""",
                {"after": after},
            )
        )["users"]
        assert page["unavailable"] == []
        users += [(node["source"], node["sourceId"]) for node in page["nodes"]]
        created += [node["createdAt"][:19] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert len(users) == len(set(users))
    count = Counter(source for source, _ in users)
    assert min(count[name] for name in ("SOFTWAREONE", "RESELLER")) >= 10_000
    assert count["ACCOUNT"] >= 9_000  # without removed users
    assert all(newer >= older for newer, older in itertools.pairwise(created))
    needed = sum(-(-count[name] // size) for name, size in (("ACCOUNT", 1000), ("SOFTWAREONE", 100), ("RESELLER", 100)))
    made = len(await large.calls())
    assert made <= needed * 1.1, (made, needed)


async def test_pages_of_any_size_while_a_user_is_created(world: Any) -> None:
    """Pages of different sizes have each user once, also if a user is created in between."""
    all_ids = await _walk(world, itertools.repeat(200))
    seen, after = [], None
    for number, size in enumerate(itertools.cycle([1, 7, 3, 20])):
        if number == 2:
            await world.data('mutation { createAccountUser(input: {email: "late-comer@lists.example"}) { sourceId } }')
        page = await _page(world, size, after)
        seen += [node["sourceId"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == all_ids


async def test_a_failing_source_continues_on_later_pages(fresh: Any) -> None:
    """A failing source is reported as unavailable, and later pages have its users, without losing any."""
    world = await fresh()
    all_ids = set(await _walk(world, itertools.repeat(200)))
    await world.fault(source="reseller", kind="status", status=503, times=20)
    page = await _page(world, 20, None)
    assert [(missing["source"], missing["code"]) for missing in page["unavailable"]] == [
        ("RESELLER", "SOURCE_UNAVAILABLE")
    ]
    assert len(page["nodes"]) == 20
    await world.forget()
    seen = {node["sourceId"] for node in page["nodes"]}
    while page["pageInfo"]["hasNextPage"]:
        page = await _page(world, 50, page["pageInfo"]["endCursor"])
        seen |= {node["sourceId"] for node in page["nodes"]}
    assert seen == all_ids


async def test_all_sources_failing(fresh: Any) -> None:
    """A list of which all sources fail is an error."""
    world = await fresh()
    for source in ("account", "softwareone", "reseller"):
        await world.fault(source=source, kind="status", status=503, times=20)
    result = await world.graphql("{ users { nodes { id } } }")
    assert [error["extensions"]["code"] for error in result["errors"]] == ["SOURCE_UNAVAILABLE"]


@pytest.mark.parametrize(
    ("criteria", "sources"),
    [
        ({"sources": ["RESELLER"]}, {"RESELLER"}),
        ({"roleType": "ADMIN"}, {"ACCOUNT"}),
        ({"email": "ADA.Lovelace@example.com"}, {"ACCOUNT", "SOFTWAREONE", "RESELLER"}),
        ({"search": "lovelace", "sources": ["ACCOUNT", "SOFTWAREONE"]}, {"ACCOUNT", "SOFTWAREONE"}),
    ],
)
async def test_filters(world: Any, criteria: Any, sources: set[str]) -> None:
    """A filter limits the list to the matching users and sources."""
    document = "query ($f: UserFilter) { users(filter: $f) { nodes { source email role { type } } } }"
    found = (await world.data(document, {"f": criteria}))["users"]["nodes"]
    assert {node["source"] for node in found} == sources
    assert {call["source"].upper() for call in await world.calls()} == sources
    if "email" in criteria:
        assert {node["email"].casefold() for node in found} == {criteria["email"].casefold()}
    if "roleType" in criteria:
        assert {node["role"]["type"] for node in found} == {"ADMIN"}


async def test_removed_users(world: Any) -> None:
    """Removed users are listed only with `includeRemoved`."""
    document = """query ($all: Boolean) { users(first: 200, filter: {sources: [ACCOUNT], includeRemoved: $all}) {
      nodes { sourceId }
    } }"""
    listed = [
        {node["sourceId"] for node in (await world.data(document, {"all": include}))["users"]["nodes"]}
        for include in (False, True)
    ]
    assert "acus_removeduser1" not in listed[0]
    assert "acus_removeduser1" in listed[1]


async def test_person(world: Any) -> None:
    """The users of a person are found in all sources, with case ignored, by one call to each."""
    found = (
        await world.data(
            '{ person(email: "ADA.lovelace@Example.com") { users { source sourceId } unavailable { code } } }'
        )
    )["person"]
    assert [user["source"] for user in found["users"]] == ["ACCOUNT", "SOFTWAREONE", "RESELLER"]
    assert Counter(call["source"] for call in await world.calls()) == Counter(FIRST_PAGE)


async def test_person_with_a_failing_source(fresh: Any) -> None:
    """A failing source is reported beside the users of the others."""
    world = await fresh()
    await world.fault(source="softwareone", kind="status", status=401, times=20)
    found = await world.data(
        '{ person(email: "ada.lovelace@example.com") { users { source } unavailable { source code } } }'
    )
    assert [user["source"] for user in found["person"]["users"]] == ["ACCOUNT", "RESELLER"]
    assert found["person"]["unavailable"] == [{"source": "SOFTWAREONE", "code": "SOURCE_CREDENTIALS"}]


@pytest.mark.parametrize("kind", ["roles", "departments"])
async def test_reference_data(world: Any, kind: str) -> None:
    """Roles and departments have forward pagination by the rules of Relay: each once, with a cursor for each edge."""
    document = f"""query ($first: Int, $after: String, $search: String) {{
      {kind}(first: $first, after: $after, search: $search) {{
        edges {{ cursor node {{ sourceId name }} }} nodes {{ name }}
        pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }}
      }}
    }}"""
    whole = (await world.data(document, {"first": 200}))[kind]
    assert whole["pageInfo"]["hasNextPage"] is False
    ids = [edge["node"]["sourceId"] for edge in whole["edges"]]
    assert len(ids) == len(set(ids)) >= 8
    after, paged = None, []
    while True:
        page = (await world.data(document, {"first": 3, "after": after}))[kind]
        assert page["pageInfo"]["hasPreviousPage"] is (after is not None)
        assert page["pageInfo"]["startCursor"] == page["edges"][0]["cursor"]
        paged += [edge["node"]["sourceId"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert paged == ids
    second = (await world.data(document, {"first": 1, "after": whole["edges"][0]["cursor"]}))[kind]
    assert second["edges"][0]["node"]["sourceId"] == ids[1]
    name = whole["nodes"][0]["name"]
    found = (await world.data(document, {"search": name}))[kind]
    assert name in [node["name"] for node in found["nodes"]]


@pytest.mark.parametrize("field", ["users", "roles", "departments"])
@pytest.mark.parametrize(
    ("arguments", "name"), [("first: -1", "first"), ("first: 201", "first"), ('after: "no"', "after")]
)
async def test_page_arguments_that_are_not_valid(world: Any, field: str, arguments: str, name: str) -> None:
    """A negative or too large size and an unknown cursor are BAD_USER_INPUT at the argument."""
    result = await world.graphql(f"{{ {field}({arguments}) {{ nodes {{ id }} }} }}")
    [error] = result["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert [violation["field"] for violation in error["extensions"]["violations"]] == [name]
    assert await world.calls() == []


async def test_a_cursor_requires_the_same_list(world: Any) -> None:
    """A cursor of another list and a modified cursor are refused."""
    cursor = (await _page(world, 3, None))["pageInfo"]["endCursor"]
    # Not the last character, of which some bits are no part of the signature.
    modified = f"{cursor[:-4]}{'B' if cursor[-4] == 'A' else 'A'}{cursor[-3:]}"
    for after, filter_ in ((cursor, 'filter: {search: "a"}'), (modified, ""), (cursor[2:], "")):
        result = await world.graphql(f'{{ users(first: 3, after: "{after}" {filter_}) {{ nodes {{ id }} }} }}')
        assert result["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def _page(world: Any, first: int, after: str | None) -> Any:
    document = """query ($first: Int, $after: String) { users(first: $first, after: $after) {
      nodes { sourceId } pageInfo { hasNextPage endCursor } unavailable { source code }
    } }"""
    return (await world.data(document, {"first": first, "after": after}))["users"]


async def _walk(world: Any, sizes: Any) -> list[str]:
    seen, after = [], None
    for size in sizes:
        page = await _page(world, size, after)
        seen += [node["sourceId"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return seen
    return seen


async def test_a_change_is_seen_on_the_next_page(fresh: Any) -> None:
    """Prefetched users do not hide a change that was made through the gateway."""
    world = await fresh()
    document = """query ($after: String) { users(first: 1, after: $after, filter: {sources: [ACCOUNT]}) {
      nodes { sourceId name } pageInfo { endCursor }
    } }"""
    whole = await world.data("{ users(filter: {sources: [ACCOUNT]}) { nodes { sourceId } } }")
    second = whole["users"]["nodes"][1]["sourceId"]
    first = (await world.data(document))["users"]
    await world.data(
        'mutation ($id: ID!) { updateAccountUser(id: $id, input: {name: "Renamed"}) { id } }', {"id": second}
    )
    page = (await world.data(document, {"after": first["pageInfo"]["endCursor"]}))["users"]
    assert page["nodes"] == [{"sourceId": second, "name": "Renamed"}]
