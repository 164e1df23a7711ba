"""The bodies of webhooks about reseller users (docs/upstreams/reseller.md, "Webhooks")."""

from typing import Any, Literal

import orjson

from gateway.sandbox.clock import now, ticks_time
from gateway.sandbox.exchange import SandboxEvent

__all__ = ["user_event"]


def user_event(change: Literal["created", "updated", "deleted"], user: dict[str, Any]) -> SandboxEvent:
    """Return the event of a change that was just made; `user` is the user as GET returns it.

    For a deletion it is the user as GET returned it before.
    """
    name = f"reseller.user.{change}"
    body = orjson.dumps({"event": name, "data": user, "triggeredAt": ticks_time(now())})
    return SandboxEvent(name, user["id"], body)
