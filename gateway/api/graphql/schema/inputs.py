"""The inputs of the four changes: shapes only. Their rules are the domain's (`gateway.users.changes`).

Absent, null and a value stay three things: a field that the client left out is UNSET here.
"""

from dataclasses import fields
from enum import Enum
from typing import Any

import strawberry
from strawberry import UNSET
from strawberry.file_uploads import Upload

from gateway.api.graphql.execution.file import File
from gateway.api.graphql.schema.scalars import NotificationType

__all__ = [
    "CreateAccountUserInput",
    "UpdateAccountUserInput",
    "UpdateResellerUserInput",
    "UpdateSoftwareOneUserInput",
    "given",
]


@strawberry.input(description="Whether a user of another account is notified of something.")
class NotificationPreferenceInput:
    notification_type: NotificationType
    enabled: bool


@strawberry.input(
    description=(
        "Either an email or a username is needed. A username without an email makes a scanning-station user, "
        "which needs a password; nobody else may be given one."
    )
)
class CreateAccountUserInput:
    name: str | None = UNSET
    email: str | None = UNSET
    username: str | None = strawberry.field(default=UNSET, description="3 to 255 of letters, digits, `_` and `-`.")
    password: str | None = strawberry.field(
        default=UNSET,
        description="8 to 72 characters with an upper- and a lowercase letter, a digit and a special character.",
    )
    role_id: strawberry.ID | None = strawberry.field(default=UNSET, description="Ignored for scanning-station users.")
    department_id: strawberry.ID | None = UNSET
    preferences: list[NotificationPreferenceInput] | None = strawberry.field(
        default=UNSET, description="Only counts for a user of another account that you manage."
    )


@strawberry.input(
    description="An absent field is left unchanged. Null clears roleId and departmentId, and is an error elsewhere."
)
class UpdateAccountUserInput:
    name: str | None = UNSET
    email: str | None = UNSET
    username: str | None = UNSET
    role_id: strawberry.ID | None = UNSET
    department_id: strawberry.ID | None = UNSET
    preferences: list[NotificationPreferenceInput] | None = UNSET


@strawberry.input
class PhoneNumberInput:
    prefix: str
    number: str


@strawberry.input
class UserSettingsInput:
    culture_code: str | None = UNSET
    language_code: str | None = UNSET


@strawberry.input(description="An absent field is left unchanged, an explicit null is sent as null.")
class UpdateSoftwareOneUserInput:
    first_name: str | None = UNSET
    last_name: str | None = UNSET
    email: str | None = UNSET
    phone: PhoneNumberInput | None = UNSET
    settings: UserSettingsInput | None = UNSET
    current_account_id: strawberry.ID | None = strawberry.field(
        default=UNSET, description="One of the user's own accounts."
    )
    icon: Upload | None = strawberry.field(default=UNSET, description="A picture, by a multipart request.")


@strawberry.input(description="An absent field is left unchanged; null is an error.")
class UpdateResellerUserInput:
    first_name: str | None = UNSET
    last_name: str | None = strawberry.field(default=UNSET, description="May be empty.")
    email: str | None = UNSET
    role: str | None = strawberry.field(default=UNSET, description="The role's name.")
    company: str | None = strawberry.field(default=UNSET, description="May be empty.")
    organization_id: strawberry.ID | None = UNSET
    allow_customer_portal_access: bool | None = strawberry.field(
        default=UNSET,
        description="Can be set here and is told by no query: the source does not tell it either.",
    )


def given(value: Any) -> Any:
    """An input as plain values under the domain's names, without what the client left out."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, File):
        return value.icon()
    if isinstance(value, list):
        return [given(item) for item in value]
    if hasattr(value, "__strawberry_definition__"):
        return {field.name: given(item) for field in fields(value) if (item := getattr(value, field.name)) is not UNSET}
    return value
