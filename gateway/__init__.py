"""One API over three user sources, for programs that embed it: `Gateway`, and the classes of its settings."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.app import Gateway
    from gateway.settings import (
        AccountSettings,
        AuthMode,
        AuthSettings,
        CredentialMode,
        DocumentSettings,
        Environment,
        GateSettings,
        LimitSettings,
        LiveSettings,
        PicturedSettings,
        PictureSettings,
        RateLimitSettings,
        ResellerSettings,
        Settings,
        SoftwareOneSettings,
        SourceSettings,
    )

__all__ = [
    "AccountSettings",
    "AuthMode",
    "AuthSettings",
    "CredentialMode",
    "DocumentSettings",
    "Environment",
    "GateSettings",
    "Gateway",
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

_OF_APP = frozenset({"Gateway"})
"""The names that are in `gateway.app`; the others are in `gateway.settings`."""


def __getattr__(name: str) -> Any:
    """Import a public class on first use: the command configures garbage collection before these imports."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("gateway.app" if name in _OF_APP else "gateway.settings"), name)
