"""Sends webhooks about changes of reseller users (docs/upstreams/reseller.md, "Webhooks")."""

import asyncio
import base64
import hashlib
import hmac
import logging
from collections import deque
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from gateway.sandbox.calls import CallLog
from gateway.sandbox.exchange import SandboxEvent, SandboxRequest
from gateway.sandbox.faults import Fault, Faults

__all__ = ["Webhooks", "signature"]

_LOG = logging.getLogger(__name__)
_TIMEOUT = 5.0
_MAX_CONNECTIONS = 8
_MAX_WAITING = 10_000
_SUCCESS = range(200, 300)


@dataclass(frozen=True, slots=True)
class _Receiver:
    url: str
    token: str


class Webhooks:
    """Sends events to one receiver, in the background. Create it inside a running event loop, and close it.

    The events of one user arrive in order: an event is sent only after the one before was delivered or dropped,
    which happens after one retry for each of the `pauses` (seconds). Events of other users do not wait for it.
    """

    def __init__(self, calls: CallLog, faults: Faults, pauses: Sequence[float]) -> None:
        self._calls = calls
        self._faults = faults
        self._pauses = pauses
        self._receiver: _Receiver | None = None
        self._queues: dict[str, deque[SandboxEvent]] = {}
        self._waiting = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_MAX_CONNECTIONS), timeout=aiohttp.ClientTimeout(total=_TIMEOUT)
        )

    def send_to(self, url: str, token: str) -> None:
        """Send all events from now on to `url`, signed with `token`; this replaces the receiver."""
        self._receiver = _Receiver(url, token)

    @property
    def has_receiver(self) -> bool:
        """Whether it is known where webhooks are sent to."""
        return self._receiver is not None

    async def idle(self) -> None:
        """Wait until nothing is queued or under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def send_once(self, event: SandboxEvent, *, delay: float = 0.0, forged: bool = False) -> None:
        """Make one attempt to deliver an event, after `delay` seconds and beside the queue; forged: badly signed."""
        if self._receiver is not None:
            self._start_task(self._deliver_later(event, delay, forged=forged))

    def deliver(self, event: SandboxEvent) -> None:
        """Queue an event for delivery; without a receiver, drop it."""
        if self._receiver is None:
            return
        if self._waiting >= _MAX_WAITING:
            _LOG.warning(
                "Dropped %s of user %s: %d webhooks are queued already", event.name, event.subject, self._waiting
            )
            return
        self._waiting += 1
        queue = self._queues.setdefault(event.subject, deque())
        queue.append(event)
        if len(queue) == 1:
            self._start_task(self._deliver_all(event.subject, queue))

    async def aclose(self) -> None:
        """Drop the queued events and cancel deliveries."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._session.close()

    def _start_task(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver_all(self, subject: str, queue: deque[SandboxEvent]) -> None:
        while queue:
            await self._deliver_with_retries(queue[0])
            queue.popleft()
            self._waiting -= 1
        del self._queues[subject]

    async def _deliver_with_retries(self, event: SandboxEvent) -> None:
        for pause in (*self._pauses, None):
            fault = self._faults.take("webhooks", "POST", f"{event.name}/{event.subject}")
            if await self._attempt(event, fault):
                return
            if pause is not None:
                await asyncio.sleep(pause)
        _LOG.warning("Dropped %s of user %s: every attempt to deliver it failed", event.name, event.subject)

    async def _attempt(self, event: SandboxEvent, fault: Fault | None) -> bool:
        """Make one attempt to deliver the event; return whether no retry is needed."""
        match fault:
            case Fault(kind="lost"):
                return True
            case Fault(kind="late"):
                self._start_task(self._deliver_later(event, fault.delay))
                return True
            case Fault(kind="repeated"):
                self._start_task(self._deliver_later(event, fault.delay))
            case Fault(kind="forged"):
                return await self._send(event, forged=True)
        return await self._send(event)

    async def _deliver_later(self, event: SandboxEvent, delay: float, *, forged: bool = False) -> None:
        await asyncio.sleep(delay)
        await self._send(event, forged=forged)

    async def _send(self, event: SandboxEvent, *, forged: bool = False) -> bool:
        receiver = self._receiver
        assert receiver is not None  # noqa: S101 - `deliver` queues no event without a receiver
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Webhook-Signature": signature("not the token" if forged else receiver.token, event.body),
        }
        logged = self._calls.add("webhooks", SandboxRequest("POST", receiver.url, "", _lower_case(headers), event.body))
        try:
            async with self._session.post(
                receiver.url, data=event.body, headers=headers, allow_redirects=False
            ) as response:
                logged.status = response.status
        except (aiohttp.ClientError, TimeoutError, ValueError):  # ValueError: the URL is invalid
            return False
        return logged.status in _SUCCESS


def signature(token: str, body: bytes) -> str:
    """Return the header `Webhook-Signature` for a body."""
    return base64.b64encode(hmac.digest(token.encode(), body, hashlib.sha256)).decode()


def _lower_case(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
