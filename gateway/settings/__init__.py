"""All settings. Only this package reads the environment."""

from gateway.settings.callers import AuthMode, AuthSettings
from gateway.settings.operations import (
    DocumentSettings,
    GateSettings,
    LimitSettings,
    LiveSettings,
    PictureSettings,
    RateLimitSettings,
)
from gateway.settings.sources import (
    AccountSettings,
    CredentialMode,
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
    "CredentialMode",
    "DocumentSettings",
    "Environment",
    "GateSettings",
    "LimitSettings",
    "LiveSettings",
    "PictureSettings",
    "PicturedSettings",
    "RateLimitSettings",
    "ResellerSettings",
    "Settings",
    "SoftwareOneSettings",
    "SourceSettings",
]
