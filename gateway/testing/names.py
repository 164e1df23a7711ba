"""The names of sources, faults and webhooks that the functions for tests take."""

from typing import Literal

from gateway.sandbox.faults import FaultKind, WebhookFaultKind
from gateway.sandbox.reseller.events import WebhookChange
from gateway.users.model import UserSource

__all__ = ["CallSource", "FaultKind", "SourceName", "WebhookChange", "WebhookFaultKind"]

SourceName = UserSource | Literal["account", "softwareone", "reseller"]
"""A source of users."""

CallSource = Literal["account", "softwareone", "reseller", "webhooks"]
"""What a recorded call was sent to; `webhooks`: to the receiver of webhooks, by the sandbox."""
