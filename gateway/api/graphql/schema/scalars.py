"""The scalars of the API, and the enums of the domain as GraphQL enums."""

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any, NewType

import strawberry

from gateway.users import model
from gateway.users.changes import NotificationType as _NotificationType

__all__ = [
    "JSON",
    "SCALARS",
    "DateTime",
    "NotificationType",
    "OwnerType",
    "RoleType",
    "UserChange",
    "UserSource",
    "UserStatus",
]

DateTime = NewType("DateTime", str)
JSON = NewType("JSON", object)


def _parse_datetime(value: Any) -> str:
    """Check that a client's value is an RFC 3339 time, and return it unchanged."""
    time = datetime.fromisoformat(value) if isinstance(value, str) else None
    if time is None or time.tzinfo is None:
        raise ValueError("a DateTime must be an RFC 3339 string with an offset")
    return str(value)


SCALARS: dict[object, Any] = {
    DateTime: strawberry.scalar(
        name="DateTime",
        description=(
            "An RFC 3339 time with an offset, exactly as the source sent it: it is not converted to another time zone."
        ),
        serialize=str,
        parse_value=_parse_datetime,
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
    ),
    JSON: strawberry.scalar(
        name="JSON",
        description="Any JSON value: the source does not document its structure.",
        serialize=lambda value: value,
        parse_value=lambda value: value,
    ),
}


def _enum(domain: type[Enum], description: str, values: Mapping[str, str]) -> Any:
    """Return an enum of the domain as a GraphQL enum; `values` has the description of each value, by its name."""
    enum: Any = strawberry.enum(domain, description=description)
    for value in enum.__strawberry_definition__.values:
        value.description = values[value.name]
    return enum


UserChange = _enum(
    model.UserChange,
    "What happened to a user.",
    {"CREATED": "The user was created.", "UPDATED": "The user was changed.", "DELETED": "The user was deleted."},
)
UserSource = _enum(
    model.UserSource,
    "The API in which a user record is stored.",
    {
        "ACCOUNT": "The identity API of OpenMRP (formerly Augno).",
        "SOFTWAREONE": "The SoftwareOne Marketplace.",
        "RESELLER": "The reseller API (Cryptlex).",
    },
)
UserStatus = _enum(
    model.UserStatus,
    "The status of a user in one vocabulary for all sources; `sourceStatus` has the value of the source. "
    "Users of `reseller` have no status.",
    {
        "NEW": "Created, but not invited yet.",
        "INVITED": "Invited, but the invitation is not accepted yet.",
        "INVITATION_EXPIRED": "The invitation has expired.",
        "ACTIVE": "The user can use the source.",
        "BLOCKED": "The user is blocked.",
        "DISABLED": "The user is disabled.",
        "REMOVED": "The user was removed; the source still has the record.",
    },
)
RoleType = _enum(
    model.RoleType,
    "The type of a role. Some behaviour of the `account` source depends on it.",
    {
        "ADMIN": "Administrators.",
        "USER": "Users.",
        "SCANNER": "Scanning stations.",
        "SALES_REP": "Sales representatives.",
        "AGENT": "Agents.",
    },
)
OwnerType = _enum(
    model.OwnerType,
    "The provider of a role.",
    {"SYSTEM": "The platform provides the role for all accounts.", "ACCOUNT": "One account provides the role."},
)
NotificationType = _enum(
    _NotificationType,
    "A kind of notification for a user of another account.",
    {
        "INVOICE": "Invoices.",
        "ORDER_ACKNOWLEDGEMENT": "Acknowledgements of orders.",
        "PURCHASE_ORDER_SUBMISSION": "Submissions of purchase orders.",
    },
)
