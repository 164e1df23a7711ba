"""Everything that can be set. Only in here is the environment read."""

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
