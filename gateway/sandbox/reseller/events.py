"""What happened to a reseller user, as its webhook tells it (reseller.md, section 4)."""

from typing import Any, Literal

import orjson

from gateway.sandbox.clock import now, ticks_time
from gateway.sandbox.exchange import SandboxEvent

__all__ = ["user_event"]


def user_event(change: Literal["created", "updated", "deleted"], user: dict[str, Any]) -> SandboxEvent:
    """The event of a change that has just been made; `user` is what GET answers, or would have before it went."""
    name = f"reseller.user.{change}"
    body = orjson.dumps({"event": name, "data": user, "triggeredAt": ticks_time(now())})
    return SandboxEvent(name, user["id"], body)
