"""The endpoint for webhooks of the reseller API (docs/upstreams/reseller.md, "Webhooks").

The response follows as soon as the event is in the event log: 200 states that all subscriptions will get the event, 503
that they may not, so that the sender repeats the webhook.
"""

import asyncio
import hashlib
import hmac
from base64 import b64encode
from collections.abc import Callable, Sequence
from enum import StrEnum
from http import HTTPStatus

import orjson

from gateway.api.web.http import Malformed, Route, TooLarge, WebRequest, WebResponse
from gateway.errors import SourceUnavailable
from gateway.events.log import EventLog
from gateway.users.model import User, UserChange

__all__ = ["RESELLER_PATH", "ReadWebhook", "ResellerWebhooks", "WebhookResult"]

RESELLER_PATH = "/webhooks/reseller"
_MAX_BYTES = 256 * 1024  # a user and its organization are a few KiB
_BODY_TIMEOUT = 10.0  # seconds

ReadWebhook = Callable[[bytes], tuple[UserChange, User] | None]
"""Parses a body; returns the change and the user, None for an event of another kind. Raises ValueError."""


class WebhookResult(StrEnum):
    """The result of one webhook, as metrics count it."""

    ACCEPTED = "accepted"
    """The event was added to the log."""

    REPEATED = "repeated"
    """The event was in the log already."""

    UNKNOWN = "unknown"
    """The event is not about a user: it is acknowledged and ignored."""

    UNSIGNED = "unsigned"
    """There is no valid signature under any of the tokens, or the body could not be decoded."""

    MALFORMED = "malformed"
    """The signature is valid, but the body is not as documented by the reseller API."""

    TOO_LARGE = "too_large"
    REFUSED = "refused"
    """No token is configured, or the body arrived too slowly."""

    UNAVAILABLE = "unavailable"
    """The log did not accept the event in time."""


class ResellerWebhooks:
    """The endpoint; without tokens it responds 404. Of several tokens each is valid, so that one can replace another.

    `read` parses the JSON of the reseller. `observe` is called with the result of each POST, and must not raise.
    """

    def __init__(
        self,
        tokens: Sequence[str],
        read: ReadWebhook,
        log: EventLog,
        *,
        max_bytes: int = _MAX_BYTES,
        observe: Callable[[WebhookResult], None] = lambda _: None,
    ) -> None:
        self._keys = [token.encode() for token in tokens]
        self._read = read
        self._log = log
        self._max_bytes = max_bytes
        self._observe = observe

    @property
    def route(self) -> Route:
        return Route(("POST",), RESELLER_PATH, self)

    async def __call__(self, request: WebRequest) -> WebResponse:
        result, response = await self._receive(request)
        self._observe(result)
        return response

    async def _receive(self, request: WebRequest) -> tuple[WebhookResult, WebResponse]:
        if not self._keys:
            return WebhookResult.REFUSED, _problem(404, "This gateway is not configured to receive webhooks.")
        try:
            async with asyncio.timeout(_BODY_TIMEOUT):
                body = await request.read(self._max_bytes)
        except TimeoutError:
            detail = f"The body did not arrive within {_BODY_TIMEOUT:g} seconds. Send the webhook again."
            return WebhookResult.REFUSED, _problem(408, detail)
        except TooLarge:
            return WebhookResult.TOO_LARGE, _problem(413, f"The body is larger than {self._max_bytes} bytes.")
        except Malformed:
            detail = "The body does not match its Content-Encoding or Transfer-Encoding header."
            return WebhookResult.UNSIGNED, _problem(400, detail)
        if not self._is_signed(body, request.headers.get("webhook-signature", "")):
            detail = (
                "The Webhook-Signature header is missing, or it is not the base64-encoded HMAC-SHA256 of the body, "
                "keyed with the token of the webhook."
            )
            return WebhookResult.UNSIGNED, _problem(401, detail, ("WWW-Authenticate", "Webhook-Signature"))
        return await self._append(body)

    async def _append(self, body: bytes) -> tuple[WebhookResult, WebResponse]:
        try:
            event = self._read(body)
        except ValueError:
            return WebhookResult.MALFORMED, _problem(400, "The body is not an event as documented by the reseller API.")
        if event is None:
            return WebhookResult.UNKNOWN, _acknowledgement(WebhookResult.UNKNOWN)
        try:
            is_new = await self._log.append(*event, name=hashlib.sha256(body).hexdigest())
        except SourceUnavailable as error:
            retry_after = ("Retry-After", str(round(error.retry_after or 1)))
            detail = "The event could not be stored. Send the webhook again."
            return WebhookResult.UNAVAILABLE, _problem(503, detail, retry_after)
        result = WebhookResult.ACCEPTED if is_new else WebhookResult.REPEATED
        return result, _acknowledgement(result)

    def _is_signed(self, body: bytes, signature: str) -> bool:
        """Whether the signature of the body is valid under any key. All keys are tried: the time discloses nothing."""
        signature_bytes = signature.strip().encode(errors="surrogateescape")
        matches = 0
        for key in self._keys:
            matches |= hmac.compare_digest(signature_bytes, b64encode(hmac.digest(key, body, "sha256")))
        return bool(matches)


def _acknowledgement(result: WebhookResult) -> WebResponse:
    return WebResponse(200, orjson.dumps({"result": result}), (("Content-Type", "application/json"),))


def _problem(status: int, detail: str, *headers: tuple[str, str]) -> WebResponse:
    """Return an error as a problem document of RFC 9457."""
    body = orjson.dumps({"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail})
    return WebResponse(status, body, (("Content-Type", "application/problem+json"), *headers))
