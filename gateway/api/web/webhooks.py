"""The endpoint for webhooks of the reseller API (docs/upstreams/reseller.md, "Webhooks").

The response follows as soon as the event is in the event log: 200 states that all subscriptions will get the event, 503
that they may not, so that the sender repeats the webhook. A webhook is only accepted within some time of its
`triggeredAt`, so that a recorded one cannot be sent again later, when the event log no longer recognises it.
"""

import asyncio
import hashlib
import hmac
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from http import HTTPStatus

import orjson

from gateway.api.web.http import Malformed, Route, TooLarge, WebRequest, WebResponse
from gateway.errors import GatewayError
from gateway.events.log import EventLog
from gateway.operation import operation
from gateway.users.source_changes import ReportedChange

__all__ = ["RESELLER_PATH", "CompleteChange", "ReadWebhook", "ResellerWebhooks", "WebhookResult"]

RESELLER_PATH = "/webhooks/reseller"
_MAX_BYTES = 256 * 1024  # a user and its organization are a few KiB
_BODY_TIMEOUT = 10.0  # seconds
_MAX_ARRIVING = 8 * 1024 * 1024  # bytes of all bodies that arrive, from senders that are not known yet
_MAX_BODIES = 256  # that arrive; a connection is not idle meanwhile, so that it could not give way to another one

ReadWebhook = Callable[[bytes], ReportedChange | None]
"""Parses a body; returns the change, None for an event of another kind. Raises ValueError."""

CompleteChange = Callable[[ReportedChange], Awaitable[ReportedChange | None]]
"""Returns the change with all fields of its user; None if the configured reseller has no such user.

Raises GatewayError if that cannot be decided now.
"""


class WebhookResult(StrEnum):
    """The result of one webhook, as metrics count it."""

    ACCEPTED = "accepted"
    """The event was added to the log."""

    REPEATED = "repeated"
    """The event was in the log already."""

    UNKNOWN = "unknown"
    """The event is not about a user: it is acknowledged and ignored."""

    FOREIGN = "foreign"
    """The user belongs to another reseller: the event is acknowledged and ignored."""

    EXPIRED = "expired"
    """The signature is valid, but `triggeredAt` is too far from the present: a replay, or a clock that is wrong."""

    UNSIGNED = "unsigned"
    """There is no valid signature under any of the tokens, or the body could not be decoded."""

    MALFORMED = "malformed"
    """The signature is valid, but the body is not as documented by the reseller API."""

    TOO_LARGE = "too_large"
    REFUSED = "refused"
    """No token is configured, or the body arrived too slowly."""

    UNAVAILABLE = "unavailable"
    """The user could not be read, or the log did not accept the event, in time."""


class _ArrivingBodies:
    """Reads bodies of unknown senders, which may have `limit` bytes in all until each has arrived.

    Beyond that the largest ones are given up, and of too many bodies the oldest one. Those of the vendor are small and
    arrive at once.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._sizes: dict[asyncio.Timeout, int] = {}

    async def read(self, request: WebRequest, max_bytes: int) -> bytes:
        """Return a whole body.

        Raises:
            TimeoutError: it did not arrive in time, or was given up.
            TooLarge, Closed, Malformed: as `WebRequest.read`.
        """
        if isinstance(request.body, bytes):
            return await request.read(max_bytes)
        chunks: list[bytes] = []
        async with asyncio.timeout(_BODY_TIMEOUT) as timeout:
            self._sizes[timeout] = 0
            if len(self._sizes) > _MAX_BODIES:
                self._give_up(next(iter(self._sizes)))
            try:
                async for chunk in request.chunks():
                    self._add(timeout, len(chunk))
                    if self._sizes.get(timeout, 0) > max_bytes:
                        raise TooLarge
                    chunks.append(chunk)
            finally:
                self._size -= self._sizes.pop(timeout, 0)
        return b"".join(chunks)

    def _add(self, timeout: asyncio.Timeout, size: int) -> None:
        if timeout not in self._sizes:  # it was given up
            return
        self._sizes[timeout] += size
        self._size += size
        if self._size > self._limit:
            for largest in sorted(self._sizes, key=self._sizes.__getitem__, reverse=True):
                self._give_up(largest)
                if self._size <= self._limit // 2:
                    break

    def _give_up(self, timeout: asyncio.Timeout) -> None:
        self._size -= self._sizes.pop(timeout)
        if not timeout.expired():
            timeout.reschedule(asyncio.get_running_loop().time())


class ResellerWebhooks:
    """The endpoint; without tokens it responds 404. Of several tokens each is valid, so that one can replace another.

    `tokens` returns the present tokens. `read` parses the JSON of the reseller, and `complete` checks whose user it is
    and reads what it leaves out; without it, every user is taken for one of the configured reseller. `tolerance` is the
    greatest distance of `triggeredAt` from the present, in seconds: more than the 25 minutes for which the vendor
    repeats a webhook (docs/upstreams/reseller.md, "Webhooks"). `observe` is called with the result of each POST, and
    must not raise.
    """

    def __init__(
        self,
        tokens: Callable[[], Sequence[str]],
        read: ReadWebhook,
        log: EventLog,
        *,
        tolerance: float,
        complete: CompleteChange | None = None,
        max_bytes: int = _MAX_BYTES,
        observe: Callable[[WebhookResult], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._tokens = tokens
        self._read = read
        self._log = log
        self._complete = complete
        self._tolerance = tolerance
        self._max_bytes = max_bytes
        self._observe = observe
        self._clock = clock
        self._arriving = _ArrivingBodies(_MAX_ARRIVING)

    @property
    def route(self) -> Route:
        return Route(("POST",), RESELLER_PATH, self)

    async def __call__(self, request: WebRequest) -> WebResponse:
        report = request.report
        with operation(trace=report.trace, calls=report.calls, request_id=report.request_id):
            result, response = await self._receive(request)
        self._observe(result)
        return response

    async def _receive(self, request: WebRequest) -> tuple[WebhookResult, WebResponse]:
        if not self._tokens():
            return WebhookResult.REFUSED, _problem(404, "This gateway is not configured to receive webhooks.")
        try:
            body = await self._arriving.read(request, self._max_bytes)
        except TimeoutError:
            detail = f"The body did not arrive within {_BODY_TIMEOUT:g} seconds, or there were too many. Send it again."
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
            reported = self._read(body)
        except ValueError:
            return WebhookResult.MALFORMED, _problem(400, "The body is not an event as documented by the reseller API.")
        if reported is None:
            return WebhookResult.UNKNOWN, _acknowledgement(WebhookResult.UNKNOWN)
        if self._is_expired(reported):
            detail = (
                f"triggeredAt differs by more than {self._tolerance:g} seconds from the time of this gateway. "
                "A webhook cannot be sent again later; if this is a new one, compare the clocks."
            )
            return WebhookResult.EXPIRED, _problem(400, detail)
        try:
            result = await self._store(reported, hashlib.sha256(body).hexdigest())
        except GatewayError as error:
            return WebhookResult.UNAVAILABLE, _unavailable(error)
        return result, _acknowledgement(result)

    async def _store(self, reported: ReportedChange, name: str) -> WebhookResult:
        """Append the event of a change to the log.

        Raises:
            GatewayError: the user could not be read, or the log is not available.
        """
        change = reported if self._complete is None else await self._complete(reported)
        if change is None:
            return WebhookResult.FOREIGN
        is_new = await self._log.append(change.change, change.user, name=name, occurred_at=change.occurred_at)
        return WebhookResult.ACCEPTED if is_new else WebhookResult.REPEATED

    def _is_expired(self, reported: ReportedChange) -> bool:
        if reported.occurred_at is None:
            return False
        return abs(self._clock() - reported.occurred_at.instant().timestamp()) > self._tolerance

    def _is_signed(self, body: bytes, signature: str) -> bool:
        """Whether the signature is valid under any token. All of them are tried: the time discloses nothing."""
        signature_bytes = signature.strip().encode(errors="surrogateescape")
        matches = 0
        for token in self._tokens():
            matches |= hmac.compare_digest(signature_bytes, b64encode(hmac.digest(token.encode(), body, "sha256")))
        return bool(matches)


def _acknowledgement(result: WebhookResult) -> WebResponse:
    return WebResponse(200, orjson.dumps({"result": result}), (("Content-Type", "application/json"),))


def _unavailable(error: GatewayError) -> WebResponse:
    detail = "The user could not be read, or the event could not be stored. Send the webhook again."
    return _problem(503, detail, ("Retry-After", str(max(1, round(error.retry_after or 1)))))


def _problem(status: int, detail: str, *headers: tuple[str, str]) -> WebResponse:
    """Return an error as a problem document of RFC 9457."""
    body = orjson.dumps({"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail})
    return WebResponse(status, body, (("Content-Type", "application/problem+json"), *headers))
