"""The scalars of the API, and the domain's enums as GraphQL's."""

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


def _instant(value: Any) -> str:
    """An RFC 3339 time that a client wrote, kept as written."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    if moment is None or moment.tzinfo is None:
        raise ValueError("a DateTime is an RFC 3339 string with an offset")
    return str(value)


SCALARS: dict[object, Any] = {
    DateTime: strawberry.scalar(
        name="DateTime",
        description="RFC 3339, always with an offset; exactly what the source sent, never moved to another zone.",
        serialize=str,
        parse_value=_instant,
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
    ),
    JSON: strawberry.scalar(
        name="JSON",
        description="A value whose shape the source does not document.",
        serialize=lambda value: value,
        parse_value=lambda value: value,
    ),
}


def _enum(of: type[Enum], description: str) -> Any:
    """The domain's enum; GraphQL writes the names in capitals, the domain the values."""
    return strawberry.enum(of, description=description)


UserChange = _enum(model.UserChange, "What happened to a user.")
UserSource = _enum(model.UserSource, "Where a user record lives.")
UserStatus = _enum(
    model.UserStatus,
    "One vocabulary for three; the source's own word is in `sourceStatus`. Reseller users have none.",
)
RoleType = _enum(model.RoleType, "What kind of role it is; it gates some behaviour of the account system.")
OwnerType = _enum(model.OwnerType, "Who provides a role: the platform, for every account, or one account.")
NotificationType = _enum(_NotificationType, "What a user of another account can be notified of.")
