"""The changes of users, as models that check every rule. Part of the public API.

An icon has its bytes as a `Blob`: `Icon(content=Blob.of(content), filename="ada.png", content_type="image/png")`.
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
from gateway.users.icons import Icon

__all__ = [
    "Blob",
    "CreateAccountUser",
    "Icon",
    "NotificationPreference",
    "NotificationType",
    "PhoneNumberChange",
    "UpdateAccountUser",
    "UpdateResellerUser",
    "UpdateSoftwareOneUser",
    "UserSettingsChange",
]
