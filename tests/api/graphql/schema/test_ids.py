import re
from typing import Any

import pytest
from conftest import ROOT
from graphql import is_object_type

from gateway.api.graphql.schema.build import build_schema, executable
from gateway.errors import SourceInvalidResponse
from gateway.users.model import Actor, Location

SCHEMA = executable(build_schema())
OBJECTS: dict[str, Any] = {
    name: type_
    for name, type_ in SCHEMA.type_map.items()
    if is_object_type(type_) and not name.startswith("__") and name not in {"Query", "Mutation", "Subscription"}
}


@pytest.mark.parametrize("record", [Location("", "Hall", "building"), Actor("")])
def test_a_record_without_an_id(record: Any) -> None:
    """A record that its source sent without an id has none here: clients would take all such records for one."""
    type_ = OBJECTS[type(record).__name__]
    with pytest.raises(SourceInvalidResponse, match=f"sent a record of the type {type_.name} without its id"):
        type_.fields["id"].resolve(record, None)


def test_the_documented_ids() -> None:
    """The page on the schema lists which types can be fetched by an id, which have one, and which have none."""
    rows = re.findall(r"^\| (`.+?) \| (yes|no)", (ROOT / "docs" / "schema.md").read_text(), re.MULTILINE)
    nodes, inner, parts, _ = (set(re.findall(r"`(\w+)`", names)) for names, _ in rows)
    with_id = {name for name, type_ in OBJECTS.items() if "id" in type_.fields}
    assert nodes == {type_.name for type_ in SCHEMA.get_possible_types(SCHEMA.type_map["Node"])}
    assert inner == with_id - nodes - {"UserEvent"}
    of_a_response = re.compile(r"\w+(Connection|Edge|List)|PageInfo|Person|SourceError")
    assert parts == {name for name in OBJECTS if name not in with_id and not of_a_response.fullmatch(name)}


def test_the_documented_policies() -> None:
    """The page on the schema tells Apollo's cache to merge each type without an id that is a part of a record."""
    merged = set(re.findall(r"(\w+): { merge: true }", (ROOT / "docs" / "schema.md").read_text()))
    assert merged == {
        name
        for name, type_ in OBJECTS.items()
        if not re.search(r"Connection$|Edge$|PageInfo|Person|Error", name) and "id" not in type_.fields
    }
