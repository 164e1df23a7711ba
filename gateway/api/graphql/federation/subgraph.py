"""The schema definition language of the subgraph: that of the API, with the directives of Apollo Federation 2.

Strawberry would print these directives as a part of the types only, so that `schema.graphql` would have them as well.
What they say follows from the types, so that a new type needs no decision:

- A record that can be looked up (it implements `Node`) is an entity. Its keys are its global id, and its id in the
  source, by which other subgraphs know it.
- Every other object type is a value type: shareable, so that other subgraphs may have it too.
- Two fields of `PageInfo` that Relay does not define are inaccessible: with them, no subgraph with a `PageInfo` of its
  own could be composed with this one. Routers leave them out.

Left out is what no router uses, and what some of them refuse:

- the description of the schema: it would be that of the whole API behind the router. Hive Router cannot parse one.
- `@defer` and `@stream`: routers execute them by themselves, if at all, and send neither to a subgraph.
- `@cost` and `@listSize`: they are not composed, and WunderGraph Cosmo takes them for directives of the same names in
  Federation 2.9, whose arguments are others.
"""

from collections.abc import Iterator
from functools import cache

from graphql import (
    DirectiveDefinitionNode,
    FieldDefinitionNode,
    InputValueDefinitionNode,
    Node,
    ObjectTypeDefinitionNode,
    SchemaDefinitionNode,
    parse,
)

from gateway.api.graphql.schema.build import sdl

__all__ = ["subgraph_sdl"]

_VERSION = "v2.0"  # the oldest one that has all of these directives, so that every router of version 2 takes it
_LINK = f"""\
extend schema
  @link(
    url: "https://specs.apollo.dev/federation/{_VERSION}"
    import: ["@inaccessible", "@key", "@shareable"]
  )"""
_ROOTS = frozenset({"Query", "Mutation", "Subscription"})
_PRICES = frozenset({"cost", "listSize"})
_LEFT_OUT = _PRICES | {"defer", "stream"}
_NOT_OF_RELAY = frozenset({"nextCursor", "previousCursor"})

_Edit = tuple[int, int, str]
"""Replaces the text from one position to another one."""


@cache
def subgraph_sdl() -> str:
    """Return the schema of the subgraph, as `_service` gives it to routers. It takes about 0.1 s at the first time."""
    text = sdl()
    edited, end = [], 0
    for start, stop, replacement in sorted(_edits(text)):
        edited += [text[end:start], replacement]
        end = stop
    return "".join([*edited, text[end:]])


def _edits(text: str) -> Iterator[_Edit]:
    for node in parse(text).definitions:
        if isinstance(node, SchemaDefinitionNode):
            yield *_range_of(node), _LINK
        elif isinstance(node, DirectiveDefinitionNode) and node.name.value in _LEFT_OUT:
            start, end = _range_of(node)
            yield start, end + len("\n\n"), ""
        elif isinstance(node, ObjectTypeDefinitionNode):
            fields = {field.name.value: field for field in node.fields or ()}
            for field in fields.values():
                yield from _without_prices(field)
            if node.name.value not in _ROOTS:
                *_, head = (node.name, *(node.interfaces or ()))
                yield _after(head, _directives(node, of_several_sources="source" in fields))
            if node.name.value == "PageInfo":
                yield from (_after(fields[name], " @inaccessible") for name in _NOT_OF_RELAY)


def _directives(node: ObjectTypeDefinitionNode, *, of_several_sources: bool) -> str:
    if not node.interfaces:
        return " @shareable"
    return f' @key(fields: "id") @key(fields: "{"source sourceId" if of_several_sources else "sourceId"}")'


def _without_prices(field: FieldDefinitionNode) -> Iterator[_Edit]:
    priced: list[FieldDefinitionNode | InputValueDefinitionNode] = [field, *(field.arguments or ())]
    for node in priced:
        for directive in node.directives or ():
            if directive.name.value in _PRICES:
                start, end = _range_of(directive)
                yield start - len(" "), end, ""


def _after(node: Node, text: str) -> _Edit:
    _, end = _range_of(node)
    return end, end, text


def _range_of(node: Node) -> tuple[int, int]:
    if node.loc is None:
        raise ValueError("the schema was parsed without locations")
    return node.loc.start, node.loc.end
