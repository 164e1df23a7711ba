"""The changes of users, as models that check every rule. Part of the public API."""

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

__all__ = [
    "CreateAccountUser",
    "NotificationPreference",
    "NotificationType",
    "PhoneNumberChange",
    "UpdateAccountUser",
    "UpdateResellerUser",
    "UpdateSoftwareOneUser",
    "UserSettingsChange",
]
