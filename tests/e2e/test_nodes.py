"""Global ids: every record with an id in its source has one, and many can be fetched by it."""

from collections.abc import Iterator
from typing import Any

import pytest
from graphql import get_named_type, is_leaf_type

from gateway.api.graphql.schema.build import build_schema, executable
from gateway.users.ids import Kind, Ref, encode
from gateway.users.model import UserSource

ADA = "acus_adalovelace1"
ADA_IN_SOFTWAREONE = "ada.lovelace@example.com"

# One record of each type that only another record contains, by the path to it.
RECORDS = f"""{{
  user(id: "{ADA}", source: ACCOUNT) {{
    platformUser {{ id sourceId }}
    department {{
      location {{ id sourceId name }}
      machines {{ nodes {{ id sourceId name }} }}
      scanningStations {{ nodes {{ id sourceId name productionSteps {{ nodes {{ id sourceId name }} }} }} }}
    }}
  }}
  roles(search: "Planner") {{ nodes {{ owner {{ account {{
    id sourceId name branding {{ id sourceId }} portal {{ id sourceId }}
    defaultBillingAddress {{ id sourceId geolocation {{ id sourceId }} }}
  }} }} }} }}
  person(email: "{ADA_IN_SOFTWAREONE}") {{ users {{
    accounts {{ id sourceId name }} currentAccount {{ id sourceId name }} createdBy {{ id sourceId name }}
  }} }}
}}"""
NODE = """query ($id: ID!) { node(id: $id) { id __typename
  ... on Account { name portal { slug } }
  ... on Location { name type }
  ... on Machine { name serialNumber }
  ... on ScanningStation { name type }
  ... on ProductionStep { name levelingFactor }
} }"""


async def found(world: Any) -> dict[str, Any]:
    """Return one record of each type, by the name of the type."""
    data = await world.data(RECORDS)
    department = data["user"]["department"]
    station = department["scanningStations"]["nodes"][0]
    account = data["roles"]["nodes"][0]["owner"]["account"]
    [member] = [user for user in data["person"]["users"] if user["currentAccount"]]
    return {
        "Account": account,
        "Location": department["location"],
        "Machine": department["machines"]["nodes"][0],
        "ScanningStation": station,
        "ProductionStep": station["productionSteps"]["nodes"][0],
        "PlatformUser": data["user"]["platformUser"],
        "Branding": account["branding"],
        "Portal": account["portal"],
        "Address": account["defaultBillingAddress"],
        "Geolocation": account["defaultBillingAddress"]["geolocation"],
        "MarketplaceAccount": member["currentAccount"],
        "Actor": member["createdBy"],
    }


async def test_ids_are_global(fresh: Any) -> None:
    """The records inside users and roles have ids that differ from each other and from those in sources."""
    records = await found(await fresh())
    ids = {record["id"] for record in records.values()}
    assert len(ids) == len(records)
    assert not ids & {record["sourceId"] for record in records.values()}


@pytest.mark.parametrize("type_", ["Account", "Location", "Machine", "ScanningStation", "ProductionStep"])
async def test_a_record_is_fetched_again(fresh: Any, type_: str) -> None:
    """A record that its source returns by itself is fetched by its global id, by one call where none is kept."""
    world = await fresh(reference_ttl=0)
    record = (await found(world))[type_]
    await world.forget()
    [node] = (await world.data(NODE, {"id": record["id"]})).values()
    assert (node["__typename"], node["id"], node["name"]) == (type_, record["id"], record["name"])
    assert all(node.values())
    assert [call["path"].rpartition("/")[2] for call in await world.calls()] == [record["sourceId"]]


@pytest.mark.parametrize(
    "type_", ["PlatformUser", "Branding", "Portal", "Address", "Geolocation", "MarketplaceAccount", "Actor"]
)
async def test_a_record_that_is_only_inside_another(fresh: Any, type_: str) -> None:
    """The id of a record that is only read inside another one finds nothing, and takes no call."""
    world = await fresh()
    record = (await found(world))[type_]
    await world.forget()
    assert await world.data(NODE, {"id": record["id"]}) == {"node": None}
    assert not await world.calls()


async def test_an_id_that_was_made_up_affects_no_other_record(fresh: Any) -> None:
    """Of several accounts, of which the source has no list, one that it refuses leaves the others as they are."""
    world = await fresh()
    account = (await found(world))["Account"]
    made_up = [encode(Ref(Kind.ACCOUNT, UserSource.ACCOUNT, f"ac_other{number}")) for number in range(3)]
    ids = [made_up[0], account["id"], *made_up[1:]]
    result = await world.graphql("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": ids})
    assert result["data"]["nodes"] == [None, {"id": account["id"]}, None, None]
    assert [error["path"] for error in result["errors"]] == [["nodes", 0], ["nodes", 2], ["nodes", 3]]


async def test_records_are_fetched_in_batches(fresh: Any) -> None:
    """Several records of one kind are one call, and the price of `nodes` counts each."""
    world = await fresh()
    data = await world.data("{ departments { nodes { machines { nodes { id } } scanningStations { nodes { id } } } } }")
    ids = [
        record["id"]
        for department in data["departments"]["nodes"]
        for name in ("machines", "scanningStations")
        for record in department[name]["nodes"]
    ]
    assert len(ids) > 3
    await world.forget()
    query = "query ($ids: [ID!]!) { nodes(ids: $ids) { id ... on Machine { notes } ... on ScanningStation { notes } } }"
    result = await world.graphql(query, {"ids": ids})
    assert [node["id"] for node in result["data"]["nodes"]] == ids
    paths = sorted(call["path"] for call in await world.calls())
    assert paths == ["/v1/operations/machines", "/v1/operations/scanning-stations"]


def everything(type_: Any, depth: int) -> str:
    """Return a selection of all fields of a type, and of those of the types inside it down to a depth."""
    fields = ["__typename"]
    for name, field in type_.fields.items():
        inner = get_named_type(field.type)
        if is_leaf_type(inner):
            fields.append(name)
        elif depth:
            fields.append(f"{name} {everything(inner, depth - 1)}")
    return f"{{ {' '.join(fields)} }}"


def facts(value: Any) -> Iterator[tuple[tuple[str, str, str], Any]]:
    """Yield type, id and name of each field of a record in an answer, with its value."""
    if isinstance(value, list):
        for item in value:
            yield from facts(item)
    elif isinstance(value, dict) and "__typename" in value:
        for name, inner in value.items():
            if "id" in value and not isinstance(inner, dict | list):
                yield (value["__typename"], value["id"], name), inner
            yield from facts(inner)


async def test_a_record_has_the_same_values_in_every_position(fresh: Any) -> None:
    """A field of a record does not depend on where the record occurs: clients merge all occurrences in their caches."""
    world = await fresh()
    types: Any = executable(build_schema()).type_map
    known: dict[tuple[str, str, str], Any] = {}

    async def read(root: str, selection: str, variables: dict[str, Any] | None = None) -> None:
        [answer] = (await world.data(f"{root} {selection} }}", variables)).values()
        for fact, value in facts(answer.get("nodes") if isinstance(answer, dict) else answer):
            assert known.setdefault(fact, value) == value, (root, fact)

    for root, type_, depth in (("departments", "Department", 4), ("roles", "Role", 3), ("users(first: 20)", "User", 2)):
        await read(f"{{ {root} {{ nodes", f"{everything(types[type_], depth)} }}")
    for type_ in ("Location", "Machine", "ScanningStation", "ProductionStep"):
        ids = sorted({record for name, record, _ in known if name == type_})
        assert ids
        selection = f"{{ ... on {type_} {everything(types[type_], 2)} }}"
        await read("query ($ids: [ID!]!) { nodes(ids: $ids)", selection, {"ids": ids[:20]})
    assert len({record for _, record, _ in known}) > 100


async def test_an_id_as_the_argument_of_a_change(fresh: Any) -> None:
    """The current account of a user is changed by the global id of one of its accounts."""
    world = await fresh()
    selection = "users { id source accounts { id } currentAccount { id } }"
    data = await world.data(f'{{ person(email: "{ADA_IN_SOFTWAREONE}") {{ {selection} }} }}')
    users = data["person"]["users"]
    [user] = [user for user in users if user["source"] == "SOFTWAREONE"]
    [other] = [account["id"] for account in user["accounts"] if account != user["currentAccount"]]
    variables = "$id: ID!, $input: UpdateSoftwareOneUserInput!"
    field = "updateSoftwareOneUser(id: $id, input: $input) { currentAccount { id } }"
    change = f"mutation ({variables}) {{ {field} }}"
    changed = await world.data(change, {"id": user["id"], "input": {"currentAccountId": other}})
    assert changed == {"updateSoftwareOneUser": {"currentAccount": {"id": other}}}
    wrong = await world.graphql(change, {"id": user["id"], "input": {"currentAccountId": user["id"]}})
    [violation] = wrong["errors"][0]["extensions"]["violations"]
    assert violation["field"] == "input.currentAccountId"
    assert "is the id of a User, not of a MarketplaceAccount" in violation["message"]
