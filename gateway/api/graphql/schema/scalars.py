"""The scalars of the API, and the enums of the domain as GraphQL enums."""

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any, NewType

import strawberry
from strawberry.file_uploads import Upload

from gateway.api.graphql.execution.file import File
from gateway.errors import Code
from gateway.users import model
from gateway.users.changes import NotificationType as _NotificationType

__all__ = [
    "JSON",
    "SCALARS",
    "DateTime",
    "ErrorCode",
    "NotificationType",
    "OwnerType",
    "Representation",
    "RoleType",
    "UserChange",
    "UserSource",
    "UserStatus",
]

DateTime = NewType("DateTime", str)
JSON = NewType("JSON", object)
Representation = NewType("Representation", object)


def _parse_upload(value: Any) -> File:
    """Return a file of a multipart request; no other value can be one."""
    if not isinstance(value, File):
        raise TypeError("an Upload must be a file of a multipart request")
    return value


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
        description="Any JSON value, exactly as the source sent it: the source does not document its structure.",
        serialize=lambda value: value,
        parse_value=lambda value: value,
        specified_by_url="https://www.rfc-editor.org/rfc/rfc8259",
    ),
    Representation: strawberry.scalar(
        name="_Any",
        description="What a router knows of an entity: an object with `__typename` and the fields of one of its keys.",
        serialize=lambda value: value,
        parse_value=lambda value: value,
    ),
    Upload: strawberry.scalar(
        name="Upload",
        description="A file, sent as a part of a multipart request: the variable itself is null.",
        serialize=lambda value: value,
        parse_value=_parse_upload,
        specified_by_url="https://github.com/jaydenseric/graphql-multipart-request-spec",
    ),
}


def _enum(domain: type[Enum], description: str, values: Mapping[str, str], name: str | None = None) -> Any:
    """Return an enum of the domain as a GraphQL enum, by default of the same name.

    `values` has the description of each value, by its name.
    """
    enum: Any = strawberry.enum(domain, name=name, description=description)
    for value in enum.__strawberry_definition__.values:
        value.description = values[value.name]
    return enum


ErrorCode = _enum(
    Code,
    "The code of an error: of `SourceError.code`, and of `extensions.code` in `errors`. "
    "What a client may do is in docs/errors.md.",
    {
        "BAD_USER_INPUT": "The input breaks a rule of the gateway or of a source; `violations` lists each.",
        "GRAPHQL_PARSE_FAILED": "The document has a syntax error.",
        "GRAPHQL_VALIDATION_FAILED": "The document is not valid for this schema.",
        "OPERATION_RESOLUTION_FAILURE": "The document has no operation of that name, or several and none was named.",
        "UNAUTHENTICATED": "The request has no credential, or one that is not valid.",
        "FORBIDDEN": "The caller lacks the scope for this operation.",
        "NOT_FOUND": "The target of a change does not exist.",
        "CONFLICT": "The change conflicts with an existing record, for example by an e-mail address in use.",
        "IDEMPOTENCY_CONFLICT": "The idempotency key was used before with another change.",
        "IDEMPOTENCY_IN_PROGRESS": "The first request with this idempotency key is still running.",
        "RATE_LIMITED": "The rate limit of the source, or of the gateway, is exceeded.",
        "SOURCE_NOT_CONFIGURED": "The gateway is not connected to this source.",
        "SOURCE_CREDENTIALS": "The source refused the credential of the gateway.",
        "SOURCE_TIMEOUT": "The source did not respond in time.",
        "SOURCE_UNAVAILABLE": "The source, or something else that the operation needs, is unavailable.",
        "SOURCE_INVALID_RESPONSE": "The response of the source is not as documented.",
        "INTERNAL": "A defect of the gateway; its log has the details under the request id.",
    },
    "ErrorCode",
)
UserChange = _enum(
    model.UserChange,
    "What happened to a user, in an event.",
    {"CREATED": "The user was created.", "UPDATED": "The user was changed.", "DELETED": "The user was deleted."},
)
UserSource = _enum(
    model.UserSource,
    "The API in which a user is stored: users of one source cannot be moved to another one.",
    {
        "ACCOUNT": "The identity API of OpenMRP, formerly Augno: the users of one account there.",
        "SOFTWAREONE": "The SoftwareOne Marketplace: the users that the token of this gateway may read.",
        "RESELLER": "The reseller API of Cryptlex: the users of one reseller.",
    },
)
UserStatus = _enum(
    model.UserStatus,
    "The status of a user in one vocabulary for all sources; `sourceStatus` has the value of the source. "
    "Users of `RESELLER` have no status.",
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
    "The type of a role in the `ACCOUNT` source, some behaviour of which depends on it.",
    {
        "ADMIN": "A role for administrators.",
        "USER": "A role for ordinary users.",
        "SCANNER": "A role for scanning stations.",
        "SALES_REP": "A role for sales representatives.",
        "AGENT": "A role for agents.",
    },
)
OwnerType = _enum(
    model.OwnerType,
    "Who provides a role: the platform or one account.",
    {"SYSTEM": "The platform provides the role for all accounts.", "ACCOUNT": "One account provides the role."},
)
NotificationType = _enum(
    _NotificationType,
    "A kind of notification for a user of another account.",
    {
        "INVOICE": "Notifications about new invoices.",
        "ORDER_ACKNOWLEDGEMENT": "Notifications about acknowledgements of orders.",
        "PURCHASE_ORDER_SUBMISSION": "Notifications about submissions of purchase orders.",
    },
)
