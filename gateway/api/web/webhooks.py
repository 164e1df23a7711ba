"""Webhooks of the reseller API: what its users had happen to them, told by it (reseller.md, 4).

A webhook is answered as soon as the event log has it, and before anything else is done with it: 200 says that it
will reach everyone who follows, 503 that it may not, so that the sender tries again.
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

__all__ = ["RESELLER_PATH", "Read", "ResellerWebhooks", "WebhookResult"]

RESELLER_PATH = "/webhooks/reseller"
_MOST = 256 * 1024  # bytes: a user and its organization are a few KiB

Read = Callable[[bytes], tuple[UserChange, User] | None]
"""Reads a body: what happened to which user, None where it is an event of another kind. Raises ValueError."""


_SECONDS = 10.0  # that a body may take to arrive


class WebhookResult(StrEnum):
    """What became of a webhook, for who counts."""

    ACCEPTED = "accepted"
    """The event is in the log."""

    REPEATED = "repeated"
    """It was there already."""

    UNKNOWN = "unknown"
    """An event that tells of no user: acknowledged, and that is all."""

    UNSIGNED = "unsigned"
    """No signature, or not one under any of our tokens."""

    MALFORMED = "malformed"
    """Signed, but not what the reseller API documents."""

    TOO_LARGE = "too_large"
    REFUSED = "refused"
    """Not a POST, or no token is configured."""

    UNAVAILABLE = "unavailable"
    """The log did not take it in time."""


class ResellerWebhooks:
    """The endpoint. Without tokens there is none; with several each is as good, so that one can replace another.

    `read` knows the reseller's JSON. `observe` hears of every request, and must not raise.
    """

    def __init__(
        self,
        tokens: Sequence[str],
        read: Read,
        log: EventLog,
        *,
        most: int = _MOST,
        observe: Callable[[WebhookResult], None] = lambda _: None,
    ) -> None:
        self._keys = [token.encode() for token in tokens]
        self._read = read
        self._log = log
        self._most = most
        self._observe = observe

    @property
    def route(self) -> Route:
        """Where it is served."""
        return Route(("POST",), RESELLER_PATH, self)

    async def __call__(self, request: WebRequest) -> WebResponse:
        result, response = await self._taken(request)
        self._observe(result)
        return response

    async def _taken(self, request: WebRequest) -> tuple[WebhookResult, WebResponse]:
        if not self._keys:
            return WebhookResult.REFUSED, _problem(404, "No webhooks are received here.")
        try:
            async with asyncio.timeout(_SECONDS):
                body = await request.read(self._most)
        except TimeoutError:
            return WebhookResult.REFUSED, _problem(408, f"The body took longer than {_SECONDS:g} seconds.")
        except TooLarge:
            return WebhookResult.TOO_LARGE, _problem(413, f"A webhook has no more than {self._most} bytes.")
        except Malformed:
            return WebhookResult.UNSIGNED, _problem(400, "The body is not what its header fields say.")
        if not self._is_signed(body, request.headers.get("webhook-signature", "")):
            detail = "The Webhook-Signature is missing, or is not this body's under the webhook's token."
            return WebhookResult.UNSIGNED, _problem(401, detail, ("WWW-Authenticate", "Webhook-Signature"))
        return await self._logged(body)

    async def _logged(self, body: bytes) -> tuple[WebhookResult, WebResponse]:
        try:
            event = self._read(body)
        except ValueError:
            return WebhookResult.MALFORMED, _problem(400, "The body is no event as the reseller API documents it.")
        if event is None:
            return WebhookResult.UNKNOWN, _done(WebhookResult.UNKNOWN)
        try:
            news = await self._log.append(*event, name=hashlib.sha256(body).hexdigest())
        except SourceUnavailable as away:
            again = ("Retry-After", str(round(away.retry_after or 1)))
            return WebhookResult.UNAVAILABLE, _problem(503, "The event could not be kept. Send it again.", again)
        result = WebhookResult.ACCEPTED if news else WebhookResult.REPEATED
        return result, _done(result)

    def _is_signed(self, body: bytes, signature: str) -> bool:
        """Whether it is the body's signature under any of the keys. All are tried, so that time tells nothing."""
        sent = signature.strip().encode(errors="surrogateescape")
        matches = 0
        for key in self._keys:
            matches |= hmac.compare_digest(sent, b64encode(hmac.digest(key, body, "sha256")))
        return bool(matches)


def _done(result: WebhookResult) -> WebResponse:
    return WebResponse(200, orjson.dumps({"result": result}), (("Content-Type", "application/json"),))


def _problem(status: int, detail: str, *headers: tuple[str, str]) -> WebResponse:
    """A refusal as RFC 9457 has it."""
    body = orjson.dumps({"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail})
    return WebResponse(status, body, (("Content-Type", "application/problem+json"), *headers))
