"""The schema definition language of the subgraph: that of the API, with the directives of Apollo Federation 2.

Strawberry would print these directives as a part of the types only, so that `schema.graphql` would have them as well.
What they say follows from the types, so that a new type needs no decision:

- A record that can be looked up (it implements `Node`) is an entity. Its keys are its global id, and its id in the
  source, by which other subgraphs know it.
- Every other object type is a value type: shareable, so that other subgraphs may have it too.
- Two fields of `PageInfo` that Relay does not define are inaccessible: with them, no subgraph with a `PageInfo` of its
  own could be composed with this one. Routers leave them out.
"""

from collections.abc import Iterator
from functools import cache

from graphql import DirectiveDefinitionNode, ObjectTypeDefinitionNode, SchemaDefinitionNode, parse

from gateway.api.graphql.schema.build import sdl

__all__ = ["subgraph_sdl"]

_VERSION = "v2.0"  # the oldest one that has all of these directives, so that every router of version 2 takes it
_LINK = f"""

extend schema
  @link(
    url: "https://specs.apollo.dev/federation/{_VERSION}"
    import: ["@inaccessible", "@key", "@shareable"]
  )"""
_ROOTS = frozenset({"Query", "Mutation", "Subscription"})
_IN_DOCUMENTS = frozenset({"FIELD", "FRAGMENT_SPREAD"})
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
        if node.loc is None:
            continue
        if isinstance(node, SchemaDefinitionNode):
            yield node.loc.end, node.loc.end, _LINK
        elif isinstance(node, DirectiveDefinitionNode) and _is_executable(node):
            # Routers define `@defer` and `@stream` by themselves, if at all, and send none of them to a subgraph.
            yield node.loc.start, node.loc.end + len("\n\n"), ""
        elif isinstance(node, ObjectTypeDefinitionNode):
            yield from _edits_of_type(node)


def _edits_of_type(node: ObjectTypeDefinitionNode) -> Iterator[_Edit]:
    name = node.name.value
    if name in _ROOTS:
        return
    *_, head = (node.name, *(node.interfaces or ()))
    fields = {field.name.value: field for field in node.fields or ()}
    if node.interfaces:
        keys = ("id", "source sourceId" if "source" in fields else "sourceId")
        directives = "".join(f' @key(fields: "{key}")' for key in keys)
    else:
        directives = " @shareable"
    if head.loc is not None:
        yield head.loc.end, head.loc.end, directives
    if name == "PageInfo":
        for field in (fields[name] for name in _NOT_OF_RELAY):
            if field.loc is not None:
                yield field.loc.end, field.loc.end, " @inaccessible"


def _is_executable(node: DirectiveDefinitionNode) -> bool:
    return not {location.value for location in node.locations}.isdisjoint(_IN_DOCUMENTS)
