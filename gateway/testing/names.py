"""The names of sources, faults and webhooks that the functions for tests take."""

from typing import Literal

from gateway.users.model import UserSource

__all__ = ["CallSource", "FaultKind", "SourceName", "WebhookChange", "WebhookFaultKind"]

SourceName = UserSource | Literal["account", "softwareone", "reseller"]
"""A source of users."""

CallSource = Literal["account", "softwareone", "reseller", "webhooks"]
"""What a recorded call was sent to; `webhooks`: to the receiver of webhooks, by the sandbox."""

FaultKind = Literal[
    "slow",
    "status",
    "hangup-before",
    "hangup-after",
    "html",
    "other-api",
    "redirect",
    "clock",
    "garbage",
    "half-body",
]
"""How a call to a source fails (docs/testing.md)."""

WebhookFaultKind = Literal["forged", "late", "repeated", "lost"]
"""What happens to a webhook instead of being delivered once and at once (docs/testing.md)."""

WebhookChange = Literal["created", "updated", "deleted"]
"""What a webhook reports about a user of the reseller."""
