"""The schema of the subgraph: which types are entities, by which keys, and what else it states."""

import re
from typing import Any

import pytest
from conftest import ROOT
from graphql import ObjectTypeDefinitionNode, Visitor, parse, print_ast, visit
from graphql.language import REMOVE

from gateway.api.graphql.federation.entities import SubgraphQueryObject
from gateway.api.graphql.federation.subgraph import subgraph_sdl
from gateway.api.graphql.schema.build import build_schema, executable

PLAIN: Any = executable(build_schema())
SUBGRAPH: Any = executable(build_schema(SubgraphQueryObject))
TYPES = {
    node.name.value: node for node in parse(subgraph_sdl()).definitions if isinstance(node, ObjectTypeDefinitionNode)
}
ENTITIES = {type_.name for type_ in SUBGRAPH.get_possible_types(SUBGRAPH.type_map["Node"])}


def keys(node: ObjectTypeDefinitionNode) -> list[str]:
    """Return the keys of an entity."""
    return [each.arguments[0].value.value for each in node.directives or () if each.name.value == "key"]


def test_every_record_of_node_is_an_entity() -> None:
    """What `node` finds, other subgraphs can refer to: by the global id, and by the id in the source."""
    assert {type_.name for type_ in SUBGRAPH.type_map["_Entity"].types} == ENTITIES
    assert len(ENTITIES) == 9
    for name in ENTITIES:
        assert keys(TYPES[name]) == ["id", "source sourceId" if name in {"User", "Role"} else "sourceId"]


def test_every_other_object_type_is_shareable() -> None:
    """Other subgraphs may have the value types too; the roots are not shared."""
    shareable = {name for name, node in TYPES.items() if [d.name.value for d in node.directives or ()] == ["shareable"]}
    assert shareable == TYPES.keys() - ENTITIES - {"Query", "Mutation", "Subscription"}


class _Reduced(Visitor):
    """Removes what the subgraph has and `schema.graphql` has not, and the reverse."""

    def enter_directive(self, node: Any, *_: Any) -> Any:
        return REMOVE if node.name.value in {"key", "shareable", "inaccessible", "cost", "listSize"} else None

    def enter_schema_definition(self, *_: Any) -> Any:
        return REMOVE

    def enter_schema_extension(self, *_: Any) -> Any:
        return REMOVE

    def enter_directive_definition(self, node: Any, *_: Any) -> Any:
        return REMOVE if node.name.value in {"defer", "stream", "cost", "listSize"} else None


def test_nothing_else_differs() -> None:
    """It is `schema.graphql` with those directives, and without what some composers and routers refuse."""
    plain, subgraph = (
        visit(parse(text), _Reduced()) for text in ((ROOT / "schema.graphql").read_text(), subgraph_sdl())
    )
    assert print_ast(subgraph) == print_ast(plain)
    assert not re.search(r"@(defer|stream|cost|listSize)\b", subgraph_sdl().replace("`@cost`", ""))
    assert subgraph_sdl().startswith("extend schema\n")


@pytest.mark.parametrize("added", [{"Query": {"_entities", "_service"}}])
def test_what_is_served_in_addition(added: dict[str, set[str]]) -> None:
    """Served with federation, the schema has two more fields and their three types, all of them described."""
    assert SUBGRAPH.type_map.keys() - PLAIN.type_map.keys() == {"_Any", "_Entity", "_Service"}
    for name, type_ in PLAIN.type_map.items():
        more = getattr(SUBGRAPH.type_map[name], "fields", {}).keys() - getattr(type_, "fields", {}).keys()
        assert more == added.get(name, set())
    fields = [
        *(SUBGRAPH.query_type.fields[name] for name in added["Query"]),
        SUBGRAPH.type_map["_Service"].fields["sdl"],
    ]
    described = [*fields, *fields[0].args.values(), *(SUBGRAPH.type_map[f"_{name}"] for name in ("Any", "Entity"))]
    assert all((each.description or "").endswith(".") for each in described)
