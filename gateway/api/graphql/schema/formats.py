"""The schema as text, in the formats that clients and their tools take."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from graphql import get_introspection_query, is_abstract_type

from gateway.api.graphql.schema.build import build_schema, executable, sdl

__all__ = ["FORMATS"]


def _introspection() -> str:
    """Return the response to the introspection query, without descriptions: they are of no use to a cache."""
    query = get_introspection_query(
        descriptions=False, specified_by_url=True, directive_is_repeatable=True, input_value_deprecation=True
    )
    return _json(build_schema().execute_sync(query).data)


def _possible_types() -> str:
    """Return the object types of each interface and union, by its name."""
    schema = executable(build_schema())
    abstract = [type_ for type_ in schema.type_map.values() if is_abstract_type(type_)]
    return _json({type_.name: [each.name for each in schema.get_possible_types(type_)] for type_ in abstract})


def _json(value: Any) -> str:
    return json.dumps(value, indent=2) + "\n"


FORMATS: Mapping[str, Callable[[], str]] = {
    "sdl": sdl,
    "introspection": _introspection,
    "possible-types": _possible_types,
}
"""By name: the schema definition language; introspection, as graphcache takes it; `possibleTypes` of Apollo Client."""
