from typing import Any

import pytest

from gateway.api.graphql.schema.build import build_schema, executable
from gateway.errors import SourceInvalidResponse
from gateway.users.model import Actor, Location


@pytest.mark.parametrize("record", [Location("", "Hall", "building"), Actor("")])
def test_a_record_without_an_id(record: Any) -> None:
    """A record that its source sent without an id has none here: clients would take all such records for one."""
    type_: Any = executable(build_schema()).type_map[type(record).__name__]
    with pytest.raises(SourceInvalidResponse, match=f"sent a record of the type {type_.name} without its id"):
        type_.fields["id"].resolve(record, None)
