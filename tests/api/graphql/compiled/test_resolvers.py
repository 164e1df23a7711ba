"""Arguments converted without Strawberry are the same for our resolvers as those that Strawberry converts."""

from typing import Any

import pytest
from graphql.utilities import coerce_input_value
from strawberry.types.arguments import convert_argument

from gateway.api.graphql.compiled.resolvers import conversion_of
from gateway.api.graphql.execution.file import File
from gateway.api.graphql.schema.build import build_schema, executable
from gateway.api.graphql.schema.inputs import to_plain
from gateway.users.icons import Icon

DECLARED = build_schema()
SCHEMA = executable(DECLARED)
ICON = Icon(content=b"GIF89a")
PREFERENCES = [{"notificationType": "INVOICE", "enabled": True}]


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("UpdateAccountUserInput", {}),
        ("UpdateAccountUserInput", {"name": "Ada", "roleId": None, "preferences": None}),
        ("CreateAccountUserInput", {"email": "a@b.example", "departmentId": "dep_1", "preferences": PREFERENCES}),
        ("UpdateSoftwareOneUserInput", {"phone": {"prefix": "+1", "number": "2"}, "settings": {"cultureCode": None}}),
        ("UpdateSoftwareOneUserInput", {"phone": None, "icon": File(ICON)}),
        ("UpdateResellerUserInput", {"allowCustomerPortalAccess": False, "organizationId": "o"}),
        ("UserFilter", {}),
        ("UserFilter", {"sources": ["ACCOUNT", "RESELLER"], "search": "a", "includeRemoved": True}),
    ],
)
def test_same(name: str, given: dict[str, Any]) -> None:
    """A coerced input object becomes the same plain values in both ways, including absent fields."""
    type_ = SCHEMA.type_map[name]
    coerced = coerce_input_value(given, type_)  # type: ignore[arg-type]  # the library's type is narrower than what it takes
    convert = conversion_of(type_)
    assert convert is not None
    declared = DECLARED.get_type_by_name(name)
    registry, config = DECLARED.schema_converter.scalar_registry, DECLARED.config
    by_strawberry = convert_argument(coerced, declared.origin, registry, config)
    assert to_plain(convert(coerced)) == to_plain(by_strawberry)
