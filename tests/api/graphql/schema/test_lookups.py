from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from gateway.api.graphql.definitions import definition_of
from gateway.api.graphql.schema.build import build_schema, executable
from gateway.api.graphql.schema.fields import ExpandedReference, Expansion, Reference
from gateway.users.planning import EXPANSIONS, REFERENCES


def declared(kind: tuple[type, ...]) -> Iterator[tuple[str, str]]:
    """Yield type and name of each field of the schema that is declared by a lookup of that kind."""
    for type_name, type_ in executable(build_schema()).type_map.items():
        for field in getattr(type_, "fields", {}).values():
            metadata: Any = getattr(definition_of(field), "metadata", {})
            if isinstance(metadata.get("how"), kind):
                yield type_name, metadata["how"].name


@pytest.mark.parametrize(
    ("kind", "table"),
    [((Expansion, ExpandedReference), EXPANSIONS), ((Reference, ExpandedReference), REFERENCES)],
)
def test_lookups(kind: tuple[type, ...], table: Mapping[str, frozenset[str]]) -> None:
    """The schema declares lookups for exactly the expansions and references of the table that planning uses."""
    assert sorted(declared(kind)) == sorted((type_name, name) for type_name, names in table.items() for name in names)
