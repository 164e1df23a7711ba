"""All settings. Only this package reads the environment."""

from gateway.settings.callers import AuthMode, AuthSettings
from gateway.settings.sources import AccountSettings, Credentials, ResellerSettings, SoftwareOneSettings, SourceSettings
from gateway.settings.tree import Environment, Settings

__all__ = [
    "AccountSettings",
    "AuthMode",
    "AuthSettings",
    "Credentials",
    "Environment",
    "ResellerSettings",
    "Settings",
    "SoftwareOneSettings",
    "SourceSettings",
]
