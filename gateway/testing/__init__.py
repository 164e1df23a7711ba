"""For the tests of programs that embed the gateway: simulated sources, faults, recorded calls. Part of the public API.

The pytest fixtures `gateway_sandbox`, `gateway_settings` and `gateway` come with the package (docs/testing.md).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.sandbox import LANDMARKS
    from gateway.sandbox.seeding import (
        AccountDepartment,
        AccountRole,
        AccountUser,
        ResellerOrganization,
        ResellerUser,
        SeedRecord,
        SoftwareOneUser,
    )
    from gateway.testing.calls import ReceivedCall, ReceivedCalls
    from gateway.testing.clock import AdjustableClock
    from gateway.testing.names import CallSource, FaultKind, SourceName, WebhookChange, WebhookFaultKind
    from gateway.testing.recording import RecordingTransport
    from gateway.testing.sandbox import Sandbox, SignedWebhook

__all__ = [
    "LANDMARKS",
    "AccountDepartment",
    "AccountRole",
    "AccountUser",
    "AdjustableClock",
    "CallSource",
    "FaultKind",
    "ReceivedCall",
    "ReceivedCalls",
    "RecordingTransport",
    "ResellerOrganization",
    "ResellerUser",
    "Sandbox",
    "SeedRecord",
    "SignedWebhook",
    "SoftwareOneUser",
    "SourceName",
    "WebhookChange",
    "WebhookFaultKind",
]

_MODULES = {
    "gateway.sandbox": ("LANDMARKS",),
    "gateway.sandbox.seeding": (
        "AccountDepartment",
        "AccountRole",
        "AccountUser",
        "ResellerOrganization",
        "ResellerUser",
        "SeedRecord",
        "SoftwareOneUser",
    ),
    "gateway.testing.calls": ("ReceivedCall", "ReceivedCalls"),
    "gateway.testing.clock": ("AdjustableClock",),
    "gateway.testing.names": ("CallSource", "FaultKind", "SourceName", "WebhookChange", "WebhookFaultKind"),
    "gateway.testing.recording": ("RecordingTransport",),
    "gateway.testing.sandbox": ("Sandbox", "SignedWebhook"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a name on first use: every run of pytest imports this package for its plugin."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULE_OF[name]), name)
