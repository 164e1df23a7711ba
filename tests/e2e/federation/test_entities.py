"""The fields of a subgraph: `_entities`, with representations as a router sends them and as an attacker does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.api.graphql.federation.subgraph import subgraph_sdl
from gateway.callers.api_keys import new_api_key
from gateway.principal import scopes as all_scopes
from gateway.users.ids import Kind, Ref, encode
from gateway.users.model import UserSource

ADA = {"__typename": "User", "source": "ACCOUNT", "sourceId": "acus_adalovelace1"}
NAMED = {"sourceId": "admin"}
SOFTWAREONE = {"source": "SOFTWAREONE", "sourceId": "USR-0000-0001"}
GLOBAL_ID = encode(Ref(Kind.USER, UserSource.ACCOUNT, "acus_adalovelace1"))
ENTITIES = """query ($r: [_Any!]!) { _entities(representations: $r) { __typename
  ... on User { name role { permissions } department { location { name } } }
} }"""
NAMES = "query ($r: [_Any!]!) { _entities(representations: $r) { ... on User { name } } }"
SERVICE = "{ _service { sdl } }"


async def test_off(fresh: Callable[..., Any]) -> None:
    """By default there are no fields of a subgraph."""
    world = await fresh()
    for query in (SERVICE, '{ _entities(representations: [{__typename: "User"}]) { __typename } }'):
        [error] = (await world.graphql(query))["errors"]
        assert error["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


async def test_service(fresh: Callable[..., Any]) -> None:
    """`_service` gives the schema that `gateway schema --federation` prints."""
    assert (await (await fresh(federation=True)).data(SERVICE)) == {"_service": {"sdl": subgraph_sdl()}}


@pytest.mark.parametrize(("introspection", "code"), [(None, "GRAPHQL_VALIDATION_FAILED"), (True, None)])
async def test_in_production(
    fresh: Callable[..., Any], tmp_path: Path, *, introspection: bool | None, code: str | None
) -> None:
    """In production `_service` is refused as introspection is, unless that is enabled; entities are not."""
    key, entry = new_api_key("router", ["users:read"], all_scopes(UserSource))
    (tmp_path / "keys.toml").write_text(entry.to_toml())
    auth = {"mode": "api_key", "keys_file": str(tmp_path / "keys.toml")}
    world = await fresh(federation=True, environment="production", introspection=introspection, auth=auth)
    errors = (await world.graphql(SERVICE, **{"X-API-Key": key})).get("errors", [{"extensions": {"code": None}}])
    assert [error["extensions"]["code"] for error in errors] == [code]
    assert (await world.data(NAMES, {"r": [ADA]}, **{"X-API-Key": key}))["_entities"] == [{"name": "Ada Lovelace"}]


async def test_the_same_price_and_calls_as_nodes(fresh: Callable[..., Any]) -> None:
    """Records by their representations cost what records by their ids cost, and take the same calls."""
    found = []
    selection = "... on User { name role { permissions } }"
    listing = "{ users(first: 9, filter: {sources: [ACCOUNT, RESELLER]}) { nodes { id source sourceId } } }"
    for query, name in (
        (f"query ($r: [ID!]!) {{ nodes(ids: $r) {{ {selection} }} }}", "nodes"),
        (f"query ($r: [_Any!]!) {{ _entities(representations: $r) {{ {selection} }} }}", "_entities"),
    ):
        world = await fresh(federation=True)
        users = (await world.data(listing))["users"]["nodes"]
        await world.forget()
        representations = [{"__typename": "User", **user} for user in users]
        variables = {"r": [user["id"] for user in users] if name == "nodes" else representations}
        body = {"query": query, "variables": variables, "extensions": {"cost": True}}
        async with world.session.post(f"{world.url}/graphql", json=body) as response:
            result = await response.json()
        calls = sorted((call["source"], call["path"], call["query"]) for call in await world.calls())
        found.append((result["data"][name], result["extensions"]["cost"], calls))
    assert found[0] == found[1]
    assert len(found[0][0]) == 9


async def test_compiled_as_graphql_core(fresh: Callable[..., Any]) -> None:
    """The compiled operation gives what graphql-core gives, which executes it beside introspection."""
    world = await fresh(federation=True)
    representations = [ADA, {"__typename": "User", "id": "x"}, {"__typename": "Role", "source": "RESELLER", **NAMED}]
    representations += [{"__typename": "User", **SOFTWAREONE}, {"__typename": "User", "source": "ACCOUNT", **NAMED}]
    compiled = await world.graphql(ENTITIES, {"r": representations})
    core = await world.graphql(
        ENTITIES.replace("{ _ent", '{ __type(name: "User") { name } _ent'), {"r": representations}
    )
    assert compiled["data"]["_entities"] == core["data"]["_entities"]
    assert [each and each["__typename"] for each in compiled["data"]["_entities"]] == [
        "User",
        None,
        "Role",
        "User",
        None,
    ]
    assert [(e["path"], e["message"]) for e in compiled["errors"]] == [
        (e["path"], e["message"]) for e in core["errors"]
    ]


WRONG: dict[str, tuple[Any, str, str]] = {
    "no object": (5, "representations.1", "type"),
    "a list": ([ADA], "representations.1", "type"),
    "no type": ({"id": GLOBAL_ID}, "representations.1.__typename", "enum"),
    "no name of a type": (ADA | {"__typename": {"a": 1}}, "representations.1.__typename", "enum"),
    "no entity": ({"__typename": "PageInfo", "id": GLOBAL_ID}, "representations.1.__typename", "enum"),
    "a root": ({"__typename": "Query"}, "representations.1.__typename", "enum"),
    "a type of introspection": ({"__typename": "__Schema"}, "representations.1.__typename", "enum"),
    "a record inside others": ({"__typename": "Actor", "sourceId": "a"}, "representations.1.__typename", "enum"),
    "no key": ({"__typename": "User"}, "representations.1.source", "required"),
    "half a key": ({"__typename": "User", "source": "ACCOUNT"}, "representations.1.sourceId", "required"),
    "no text": (ADA | {"sourceId": 7}, "representations.1.sourceId", "type"),
    "no source": (ADA | {"source": "account"}, "representations.1.source", "enum"),
    "an id of another type": ({"__typename": "Role", "id": GLOBAL_ID}, "representations.1.id", "format"),
    "no global id": ({"__typename": "Machine", "id": "m"}, "representations.1.id", "format"),
    "no path of a URL": (ADA | {"sourceId": ".."}, "representations.1.sourceId", "format"),
}


async def test_wrong_representations(fresh: Callable[..., Any]) -> None:
    """A representation that is wrong is null with an error that names its part, and the others are resolved."""
    world = await fresh(federation=True)
    for kind, (wrong, field, rule) in WRONG.items():
        result = await world.graphql(NAMES, {"r": [ADA, wrong, {"__typename": "User", "id": GLOBAL_ID}]})
        assert result["data"]["_entities"] == [{"name": "Ada Lovelace"}, None, {"name": "Ada Lovelace"}], kind
        [error] = result["errors"]
        violations = [(each["field"], each["rule"]) for each in error["extensions"]["violations"]]
        assert (error["path"], violations) == (["_entities", 1], [(field, rule)]), kind


async def test_more_fields_than_a_key(fresh: Callable[..., Any]) -> None:
    """Fields that are in no key are ignored, also those of the type itself; the id precedes the other key."""
    world = await fresh(federation=True)
    more = {"name": "Eve", "tenant": "..", "__proto__": {}, "self": [{}], "loaders": 1, "email": None}
    found = await world.data(NAMES, {"r": [ADA | more, {"__typename": "User", "id": GLOBAL_ID, "sourceId": "x"}]})
    assert found["_entities"] == [{"name": "Ada Lovelace"}] * 2


async def test_many_representations(fresh: Callable[..., Any]) -> None:
    """As many as the limits allow are resolved, a record that occurs often by one call; more are refused before any."""
    world = await fresh(federation=True)
    assert len((await world.data(NAMES, {"r": [ADA] * 400}))["_entities"]) == 400
    assert len(await world.calls()) == 1
    refused = (([ADA] * 700, "document.values"), ([5] * 1_900, "document.cost"), ([5] * 1_001, "representations"))
    for representations, field in refused:
        result = await world.graphql(NAMES, {"r": representations})
        assert [each["field"] for each in result["errors"][0]["extensions"]["violations"]] == [field]
    assert len(await world.calls()) == 1


async def test_literals_in_the_document(fresh: Callable[..., Any]) -> None:
    """Representations in the document itself are resolved too, with variables inside them."""
    world = await fresh(federation=True)
    query = """query ($id: String!) { _entities(representations: [
      {__typename: "User", source: "ACCOUNT", sourceId: $id}, {__typename: "User", source: ACCOUNT, sourceId: $id}
    ]) { ... on User { name } } }"""
    assert (await world.data(query, {"id": ADA["sourceId"]}))["_entities"] == [{"name": "Ada Lovelace"}] * 2


async def test_a_source_that_is_not_configured(fresh: Callable[..., Any]) -> None:
    """A record of a source without settings is null with that error, and the others are resolved."""
    world = await fresh(federation=True, softwareone={"base_url": None, "token": None})
    result = await world.graphql(NAMES, {"r": [{"__typename": "User", **SOFTWAREONE}, ADA]})
    assert result["data"]["_entities"] == [None, {"name": "Ada Lovelace"}]
    assert [error["extensions"]["code"] for error in result["errors"]] == ["SOURCE_NOT_CONFIGURED"]


async def test_trusted_documents_alone(fresh: Callable[..., Any]) -> None:
    """Where only trusted documents are executed, those of a router are refused as any others."""
    world = await fresh(federation=True, documents={"trust": "enforce"})
    [error] = (await world.graphql(NAMES, {"r": [ADA]}))["errors"]
    assert "trusted" in error["message"]
