"""The self-test of the receiver of webhooks: events that are signed as the vendor signs them."""

import hmac
from base64 import b64encode
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import UTC, datetime
from typing import Any

import orjson

from gateway.api.web.webhooks import RESELLER_PATH
from gateway.app.checks.row import CheckRow
from gateway.settings import ResellerSettings

__all__ = ["check_webhooks"]

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
App = Callable[[_Message, _Receive, _Send], Awaitable[None]]
"""An ASGI application: all routes of the gateway."""

_VARIABLE = "GATEWAY_RESELLER__WEBHOOK_TOKEN"
_EVENT = "gateway.check"  # no event of the vendor: it is acknowledged, and nothing is read or stored
_OK, _UNAUTHORIZED = 200, 401
_QUOTES = ('"', "'")


async def check_webhooks(row: CheckRow, settings: ResellerSettings, app: App) -> None:
    """Send an event under each token, and one with another signature, to the receiver in this process.

    Whether the vendor signs with the same token cannot be found out: it has to send a webhook.
    """
    tokens = settings.webhook_token.get_secret_value().split() if settings.webhook_token else []
    if not tokens:
        row.notes.append(f"webhooks are refused: {_VARIABLE} is not set")
        return
    for number, token in enumerate(tokens, 1):
        named = _VARIABLE if len(tokens) == 1 else f"token {number} of {_VARIABLE}"
        if token[:1] in _QUOTES:
            row.fail("webhooks", f"{named} has quotes around it", "remove them", url=RESELLER_PATH)
            return
        if (status := await _post(app, token)) != _OK:
            row.fail("webhooks", f"an event signed with {named} got status {status}", url=RESELLER_PATH)
            return
    if (status := await _post(app, f"not {tokens[0]}")) != _UNAUTHORIZED:
        row.fail("webhooks", f"an event with another signature got status {status}", url=RESELLER_PATH)
        return
    row.works.append("webhooks")


async def _post(app: App, token: str) -> int:
    """Send a signed event to the receiver, and return the status of its response."""
    triggered_at = datetime.now(UTC).isoformat()
    body = orjson.dumps({"event": _EVENT, "data": {}, "triggeredAt": triggered_at})
    signature = b64encode(hmac.digest(token.encode(), body, "sha256"))
    scope: _Message = {
        "type": "http",
        "method": "POST",
        "path": RESELLER_PATH,
        "query_string": b"",
        "headers": [(b"content-type", b"application/json"), (b"webhook-signature", signature)],
    }
    status = 0

    async def receive() -> _Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: _Message) -> None:
        nonlocal status
        status = message.get("status", status)

    await app(scope, receive, send)
    return status
