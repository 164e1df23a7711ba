"""The changes of users: models that check every rule, and types of the mappings that may be given instead.

Part of the public API. An icon has its bytes as a `Blob`: `Icon(content=Blob.of(content), filename="ada.png",
content_type="image/png")`.
"""

from gateway.kit.blob import Blob
from gateway.users.changes import (
    CreateAccountUser,
    NotificationPreference,
    NotificationType,
    PhoneNumberChange,
    UpdateAccountUser,
    UpdateResellerUser,
    UpdateSoftwareOneUser,
    UserSettingsChange,
)
from gateway.users.fields import (
    CreateAccountUserFields,
    NotificationPreferenceFields,
    PhoneNumberFields,
    UpdateAccountUserFields,
    UpdateResellerUserFields,
    UpdateSoftwareOneUserFields,
    UserSettingsFields,
)
from gateway.users.icons import Icon

__all__ = [
    "Blob",
    "CreateAccountUser",
    "CreateAccountUserFields",
    "Icon",
    "NotificationPreference",
    "NotificationPreferenceFields",
    "NotificationType",
    "PhoneNumberChange",
    "PhoneNumberFields",
    "UpdateAccountUser",
    "UpdateAccountUserFields",
    "UpdateResellerUser",
    "UpdateResellerUserFields",
    "UpdateSoftwareOneUser",
    "UpdateSoftwareOneUserFields",
    "UserSettingsChange",
    "UserSettingsFields",
]
