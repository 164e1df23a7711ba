"""The inputs of the four mutations. They define shapes only; the rules are in `gateway.users.changes`.

A field may be absent, null or a value. A field that the client left out is UNSET here.
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
    "to_plain",
]

_NAME = "The full name"
_EMAIL = "The e-mail address: at most 255 characters."
_USERNAME = "The user name: 3 to 255 letters, digits, `_` and `-`."
_ROLE = "The role of the user: its global id, or its id in the source."
_DEPARTMENT = "The department of the user: its global id, or its id in the source."
_PREFERENCES = (
    "The notifications that the user gets or does not get. Only effective for a user of another account that your "
    "account manages."
)


def _optional(description: str) -> Any:
    """Declare a field that may be left out."""
    return strawberry.field(default=UNSET, description=description)


@strawberry.input(description="Whether a user of another account gets one kind of notification.")
class NotificationPreferenceInput:
    notification_type: NotificationType = strawberry.field(description="The kind of notification.")
    enabled: bool = strawberry.field(description="Whether the user gets notifications of this kind.")


@strawberry.input(
    description=(
        "A new user of the `ACCOUNT` source. Either an email or a username is required. A user with a username and no "
        "email is a scanning-station user: it requires a password, which is not allowed for other users."
    )
)
class CreateAccountUserInput:
    name: str | None = _optional(f"{_NAME}: at most 255 characters.")
    email: str | None = _optional(_EMAIL)
    username: str | None = _optional(_USERNAME)
    password: str | None = _optional(
        "The first password: 8 to 72 characters with an uppercase letter, a lowercase letter, a digit and a special "
        "character."
    )
    role_id: strawberry.ID | None = _optional(f"{_ROLE} Ignored for scanning-station users.")
    department_id: strawberry.ID | None = _optional(_DEPARTMENT)
    preferences: list[NotificationPreferenceInput] | None = _optional(_PREFERENCES)


@strawberry.input(
    description=(
        "Changes to a user of the `ACCOUNT` source. An absent field is left unchanged. Null clears `roleId` and "
        "`departmentId`, and is an error elsewhere."
    )
)
class UpdateAccountUserInput:
    name: str | None = _optional(f"{_NAME}: 1 to 255 characters, not only blanks.")
    email: str | None = _optional(_EMAIL)
    username: str | None = _optional(_USERNAME)
    role_id: strawberry.ID | None = _optional(_ROLE)
    department_id: strawberry.ID | None = _optional(_DEPARTMENT)
    preferences: list[NotificationPreferenceInput] | None = _optional(_PREFERENCES)


@strawberry.input(description="The whole phone number of a user of the Marketplace: both parts are replaced.")
class PhoneNumberInput:
    prefix: str = strawberry.field(description="The country code, for example `+34`. At most 10 characters.")
    number: str = strawberry.field(description="The number without the country code. At most 15 characters.")


@strawberry.input(description="The language settings of a user of the Marketplace. An absent field is left unchanged.")
class UserSettingsInput:
    culture_code: str | None = _optional(
        "How numbers and dates are written, for example `en-US`. At most 5 characters."
    )
    language_code: str | None = _optional("The language of texts, for example `en-US`. At most 5 characters.")


@strawberry.input(
    description=(
        "Changes to a user of the `SOFTWAREONE` source. An absent field is left unchanged; null is sent to the source "
        "as null, except for `icon`."
    )
)
class UpdateSoftwareOneUserInput:
    first_name: str | None = _optional("The first name: not empty.")
    last_name: str | None = _optional("The last name: not empty.")
    email: str | None = _optional(_EMAIL)
    phone: PhoneNumberInput | None = _optional("The phone number, which is replaced as a whole.")
    settings: UserSettingsInput | None = _optional("The language settings of the user.")
    current_account_id: strawberry.ID | None = _optional(
        "The account in which the user works, one of those that the user belongs to: its global id, or its id in the "
        "source."
    )
    icon: Upload | None = _optional(
        "The picture of the user, uploaded by a multipart request. Null is an error: there is no way to remove an icon."
    )


@strawberry.input(
    description="Changes to a user of the `RESELLER` source. An absent field is left unchanged; null is an error."
)
class UpdateResellerUserInput:
    first_name: str | None = _optional("The first name: 1 to 256 characters.")
    last_name: str | None = _optional("The last name: at most 256 characters; may be empty.")
    email: str | None = _optional("The e-mail address, with which the user signs in.")
    role: str | None = _optional("The role of the user, by its name.")
    company: str | None = _optional("The company of the user: at most 256 characters; may be empty.")
    organization_id: strawberry.ID | None = _optional(
        "The customer organization of the user: its global id, or its id in the source."
    )
    allow_customer_portal_access: bool | None = _optional(
        "Whether the user may sign in to the customer portal. No query returns it, because the source does not."
    )


def to_plain(value: Any) -> Any:
    """Return an input as plain values under the names of the domain, without the fields that the client left out.

    An input object is an object of its class, or a dict of the given attributes (`compiled/resolvers.py`).
    """
    kind = value.__class__
    if kind is str or value is None:
        return value
    if isinstance(value, Enum):  # before the next test: a class of an enum has a definition, too
        return value.value
    if kind is not dict and hasattr(kind, "__strawberry_definition__"):
        given = ((field.name, getattr(value, field.name)) for field in fields(kind))
        value = {name: item for name, item in given if item is not UNSET}
    if isinstance(value, dict):
        return {name: item if item.__class__ is str else to_plain(item) for name, item in value.items()}
    if isinstance(value, File):
        return value.icon()
    if isinstance(value, list):
        return [to_plain(item) for item in value]
    return value
