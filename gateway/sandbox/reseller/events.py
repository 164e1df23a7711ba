"""The bodies of webhooks about reseller users (docs/upstreams/reseller.md, "Webhooks")."""

from typing import Any, Literal

import orjson

from gateway.sandbox.clock import ticks_time
from gateway.sandbox.exchange import SandboxEvent

__all__ = ["WebhookChange", "event_of", "user_event"]

WebhookChange = Literal["created", "updated", "deleted"]
"""What a webhook reports about a user of the reseller."""


def user_event(change: WebhookChange, user: dict[str, Any], instant: int) -> SandboxEvent:
    """Return the event of a change that was just made; `user` is the user as GET returns it.

    For a deletion it is the user as GET returned it before. `instant` is in microseconds since 1970.
    """
    return event_of({"event": f"reseller.user.{change}", "data": user}, instant)


def event_of(document: Any, instant: int) -> SandboxEvent:
    """Return the event of a document with `event` and `data`; `triggeredAt` is `instant` unless it is given.

    Raises:
        ValueError: it is not such a document.
    """
    if not isinstance(document, dict) or not isinstance(document.get("event"), str):
        raise ValueError("The body must be a JSON object with `event` and `data`.")  # noqa: TRY004 - as for invalid JSON
    data = document.get("data")
    subject = data.get("id", "") if isinstance(data, dict) else ""
    return SandboxEvent(
        document["event"],
        str(subject),
        orjson.dumps(document | {"triggeredAt": document.get("triggeredAt", ticks_time(instant))}),
    )
