"""One list, one person: what a frontend gets, and what it costs the sources."""

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
def crowd() -> Any:
    """A demo of its own with ten thousand people in each system."""
    with command(
        "demo", "--http-port", "0", "--grpc-port", "0", "--no-rate-limits", "--users", "10000", last="{ user("
    ) as running:
        yield running


@pytest.fixture
async def large(crowd: Any, world_of: Any) -> AsyncIterator[Any]:
    async with ClientSession() as session:
        world = world_of(session, crowd)
        await world.forget()
        yield world


async def test_first_page_costs_one_call_a_system(world: Any) -> None:
    """Fifty users with role and department names are three calls, one a system."""
    data = await world.data(f"{{ users(first: 50) {{ {PLAIN} unavailable {{ code }} }} }}")
    assert len(data["users"]["nodes"]) == 50
    assert data["users"]["unavailable"] == []
    assert Counter(call["source"] for call in await world.calls()) == Counter(FIRST_PAGE)


async def test_nested_costs_one_list_a_kind_and_is_reused(world_of: Any) -> None:
    """Locations, machines, owners and permissions add one list a kind; again within the TTL they add nothing."""
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
    """However many users and departments, the lookups are at most one list a kind beside the sources' pages."""
    await large.data(f"{{ users(first: 200) {{ {NESTED} }} }}")
    paths = Counter(call["path"] for call in await large.calls())
    assert paths["/v1/identity/roles"] <= 1
    assert paths["/v1/operations/departments"] <= 1


async def test_a_whole_walk(large: Any) -> None:
    """Thirty thousand users by pages of 200: each once, in order, by hardly more calls than the largest pages need."""
    seen: list[tuple[str, str]] = []
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
        seen += [(node["source"], node["sourceId"]) for node in page["nodes"]]
        created += [node["createdAt"][:19] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert len(seen) == len(set(seen))
    people = Counter(source for source, _ in seen)
    assert min(people[name] for name in ("SOFTWAREONE", "RESELLER")) >= 10_000
    assert people["ACCOUNT"] >= 9_000  # less those who were removed
    assert all(newer >= older for newer, older in itertools.pairwise(created))
    needed = sum(
        -(-people[name] // size) for name, size in (("ACCOUNT", 1000), ("SOFTWAREONE", 100), ("RESELLER", 100))
    )
    made = len(await large.calls())
    assert made <= needed * 1.1, (made, needed)


async def test_pages_of_any_size_while_somebody_joins(world: Any) -> None:
    """Pages of different sizes give everybody once, also when a user is created in between."""
    everybody = await _walk(world, itertools.repeat(200))
    seen, after = [], None
    for number, size in enumerate(itertools.cycle([1, 7, 3, 20])):
        if number == 2:
            await world.data('mutation { createAccountUser(input: {email: "late-comer@lists.example"}) { sourceId } }')
        page = await _page(world, size, after)
        seen += [node["sourceId"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == everybody


async def test_a_system_that_is_down_is_told_and_caught_up(fresh: Any) -> None:
    """A failing system is missing and named; the cursor goes on with it when it is back, and nobody is lost."""
    world = await fresh()
    everybody = set(await _walk(world, itertools.repeat(200)))
    await world.fault(source="reseller", kind="status", status=503, times=20)
    page = await _page(world, 20, None)
    assert [(one["source"], one["code"]) for one in page["unavailable"]] == [("RESELLER", "SOURCE_UNAVAILABLE")]
    assert len(page["nodes"]) == 20
    await world.forget()
    seen = {node["sourceId"] for node in page["nodes"]}
    while page["pageInfo"]["hasNextPage"]:
        page = await _page(world, 50, page["pageInfo"]["endCursor"])
        seen |= {node["sourceId"] for node in page["nodes"]}
    assert seen == everybody


async def test_all_systems_down_is_an_error(fresh: Any) -> None:
    """When no system answers there is no list, but an error."""
    world = await fresh()
    for source in ("account", "softwareone", "reseller"):
        await world.fault(source=source, kind="status", status=503, times=20)
    answer = await world.graphql("{ users { nodes { id } } }")
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["SOURCE_UNAVAILABLE"]


@pytest.mark.parametrize(
    ("narrowed", "sources"),
    [
        ({"sources": ["RESELLER"]}, {"RESELLER"}),
        ({"roleType": "ADMIN"}, {"ACCOUNT"}),
        ({"email": "ADA.Lovelace@example.com"}, {"ACCOUNT", "SOFTWAREONE", "RESELLER"}),
        ({"search": "lovelace", "sources": ["ACCOUNT", "SOFTWAREONE"]}, {"ACCOUNT", "SOFTWAREONE"}),
    ],
)
async def test_filters(world: Any, narrowed: Any, sources: set[str]) -> None:
    """A filter narrows the list to the users that it means, in the systems that have any."""
    document = "query ($f: UserFilter) { users(filter: $f) { nodes { source email role { type } } } }"
    found = (await world.data(document, {"f": narrowed}))["users"]["nodes"]
    assert {node["source"] for node in found} == sources
    assert {call["source"].upper() for call in await world.calls()} == sources
    if "email" in narrowed:
        assert {node["email"].casefold() for node in found} == {narrowed["email"].casefold()}
    if "roleType" in narrowed:
        assert {node["role"]["type"] for node in found} == {"ADMIN"}


async def test_removed_users_are_listed_when_asked_for(world: Any) -> None:
    """Who was removed is left out unless `includeRemoved` is set."""
    document = """query ($all: Boolean) { users(first: 200, filter: {sources: [ACCOUNT], includeRemoved: $all}) {
      nodes { sourceId }
    } }"""
    listed = [
        {node["sourceId"] for node in (await world.data(document, {"all": every}))["users"]["nodes"]}
        for every in (False, True)
    ]
    assert "acus_removeduser1" not in listed[0]
    assert "acus_removeduser1" in listed[1]


async def test_person(world: Any) -> None:
    """One human's records are found in every system at once, in any case, by one call each."""
    found = (
        await world.data(
            '{ person(email: "ADA.lovelace@Example.com") { users { source sourceId } unavailable { code } } }'
        )
    )["person"]
    assert [user["source"] for user in found["users"]] == ["ACCOUNT", "SOFTWAREONE", "RESELLER"]
    assert Counter(call["source"] for call in await world.calls()) == Counter(FIRST_PAGE)


async def test_person_with_a_system_down(fresh: Any) -> None:
    """A system that cannot be asked is named beside the records of the others."""
    world = await fresh()
    await world.fault(source="softwareone", kind="status", status=401, times=20)
    found = await world.data(
        '{ person(email: "ada.lovelace@example.com") { users { source } unavailable { source code } } }'
    )
    assert [user["source"] for user in found["person"]["users"]] == ["ACCOUNT", "RESELLER"]
    assert found["person"]["unavailable"] == [{"source": "SOFTWAREONE", "code": "SOURCE_CREDENTIALS"}]


@pytest.mark.parametrize("kind", ["roles", "departments"])
async def test_pickers(world: Any, kind: str) -> None:
    """Roles and departments page forwards by Relay's rules: each once, cursors of edges good to go on from."""
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
    after, seen = None, []
    while True:
        page = (await world.data(document, {"first": 3, "after": after}))[kind]
        assert page["pageInfo"]["hasPreviousPage"] is (after is not None)
        assert page["pageInfo"]["startCursor"] == page["edges"][0]["cursor"]
        seen += [edge["node"]["sourceId"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == ids
    second = (await world.data(document, {"first": 1, "after": whole["edges"][0]["cursor"]}))[kind]
    assert second["edges"][0]["node"]["sourceId"] == ids[1]
    name = whole["nodes"][0]["name"]
    found = (await world.data(document, {"search": name}))[kind]
    assert name in [node["name"] for node in found["nodes"]]


@pytest.mark.parametrize("field", ["users", "roles", "departments"])
@pytest.mark.parametrize(
    ("arguments", "named"), [("first: -1", "first"), ("first: 201", "first"), ('after: "no"', "after")]
)
async def test_bad_pages(world: Any, field: str, arguments: str, named: str) -> None:
    """A negative page, one over the cap, and a cursor that is none are BAD_USER_INPUT, naming the argument."""
    answer = await world.graphql(f"{{ {field}({arguments}) {{ nodes {{ id }} }} }}")
    [error] = answer["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert [one["field"] for one in error["extensions"]["violations"]] == [named]
    assert await world.calls() == []


async def test_a_cursor_is_good_for_its_list_only(world: Any) -> None:
    """A cursor of another list, and one that was altered, are refused."""
    cursor = (await _page(world, 3, None))["pageInfo"]["endCursor"]
    for after, narrowed in ((cursor, 'filter: {search: "a"}'), (cursor[:-2] + "AA", ""), (cursor[2:], "")):
        answer = await world.graphql(f'{{ users(first: 3, after: "{after}" {narrowed}) {{ nodes {{ id }} }} }}')
        assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


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
    """What was read ahead for the next page does not hide a change made through the gateway."""
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
