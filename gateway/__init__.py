"""One API over three user sources, for programs that embed it: `Gateway`, what it returns, and its settings."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.api.graphql.execution.result import Result
    from gateway.api.python.users import Users
    from gateway.api.web.servers import HttpServer
    from gateway.app import Gateway
    from gateway.app.public_types import GrpcServer, Pictures, PublishedMetrics
    from gateway.kit.clock import Clock
    from gateway.kit.rate_limit import Allowance
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
    "Allowance",
    "AuthMode",
    "AuthSettings",
    "Clock",
    "CredentialMode",
    "DocumentSettings",
    "Environment",
    "GateSettings",
    "Gateway",
    "GrpcServer",
    "HttpServer",
    "LimitSettings",
    "LiveSettings",
    "PictureSettings",
    "PicturedSettings",
    "Pictures",
    "PublishedMetrics",
    "RateLimitSettings",
    "ResellerSettings",
    "Result",
    "Settings",
    "SoftwareOneSettings",
    "SourceSettings",
    "Users",
]

_SETTINGS = "gateway.settings"
_MODULES = {
    "Allowance": "gateway.kit.rate_limit",
    "Clock": "gateway.kit.clock",
    "Gateway": "gateway.app",
    "GrpcServer": "gateway.app.public_types",
    "HttpServer": "gateway.api.web.servers",
    "Pictures": "gateway.app.public_types",
    "PublishedMetrics": "gateway.app.public_types",
    "Result": "gateway.api.graphql.execution.result",
    "Users": "gateway.api.python.users",
}
"""The modules of the names that are not settings."""


def __getattr__(name: str) -> Any:
    """Import a public class on first use: the command configures garbage collection before these imports."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES.get(name, _SETTINGS)), name)
