"""All settings. Only this package reads the environment."""

from gateway.settings.callers import AuthMode, AuthSettings
from gateway.settings.sources import (
    AccountSettings,
    Credentials,
    PicturedSettings,
    ResellerSettings,
    SoftwareOneSettings,
    SourceSettings,
)
from gateway.settings.tree import Environment, Settings

__all__ = [
    "AccountSettings",
    "AuthMode",
    "AuthSettings",
    "Credentials",
    "Environment",
    "PicturedSettings",
    "ResellerSettings",
    "Settings",
    "SoftwareOneSettings",
    "SourceSettings",
]
