"""The types of changes and filters that are given as mappings: a type checker finds a name or a value that is wrong.

They have the fields of the models in `changes.py`, with the types before validation.
"""

from collections.abc import Sequence
from typing import Literal, TypedDict

from gateway.users.changes import NotificationPreference, NotificationType, PhoneNumberChange, UserSettingsChange
from gateway.users.icons import Icon
from gateway.users.model import RoleType, UserSource

__all__ = [
    "CreateAccountUserFields",
    "NotificationPreferenceFields",
    "PhoneNumberFields",
    "UpdateAccountUserFields",
    "UpdateResellerUserFields",
    "UpdateSoftwareOneUserFields",
    "UserFilter",
    "UserSettingsFields",
]

NotificationName = Literal["invoice", "order_acknowledgement", "purchase_order_submission"]


class UserFilter(TypedDict, total=False):
    """Which users a list contains. An absent field, or None, does not restrict it.

    `search`: a text that a source looks for in names and addresses. `email`: the whole address, whatever its case.
    `role_type`: only users of the account source with such a role. `include_removed`: also users that were removed.
    `reseller_id`: the reseller of the users of the reseller source, else the configured one. `sources`: else all.
    """

    sources: Sequence[UserSource] | None
    search: str | None
    email: str | None
    role_type: RoleType | None
    include_removed: bool | None
    reseller_id: str | None


class NotificationPreferenceFields(TypedDict):
    """See `NotificationPreference`."""

    notification_type: NotificationType | NotificationName
    enabled: bool


class CreateAccountUserFields(TypedDict, total=False):
    """See `CreateAccountUser`."""

    name: str
    email: str
    username: str
    password: str
    role_id: str
    department_id: str
    preferences: list[NotificationPreference | NotificationPreferenceFields]


class UpdateAccountUserFields(TypedDict, total=False):
    """See `UpdateAccountUser`."""

    name: str
    email: str
    username: str
    role_id: str | None
    department_id: str | None
    preferences: list[NotificationPreference | NotificationPreferenceFields]


class PhoneNumberFields(TypedDict):
    """See `PhoneNumberChange`."""

    prefix: str
    number: str


class UserSettingsFields(TypedDict, total=False):
    """See `UserSettingsChange`."""

    culture_code: str | None
    language_code: str | None


class UpdateSoftwareOneUserFields(TypedDict, total=False):
    """See `UpdateSoftwareOneUser`."""

    first_name: str | None
    last_name: str | None
    email: str | None
    phone: PhoneNumberChange | PhoneNumberFields | None
    settings: UserSettingsChange | UserSettingsFields | None
    current_account_id: str | None
    icon: Icon


class UpdateResellerUserFields(TypedDict, total=False):
    """See `UpdateResellerUser`."""

    first_name: str
    last_name: str
    email: str
    role: str
    company: str
    organization_id: str
    allow_customer_portal_access: bool
