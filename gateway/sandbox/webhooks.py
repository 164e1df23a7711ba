"""The webhooks: what has changed in the reseller system, told to who asked for it (reseller.md, section 4)."""

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

__all__ = ["Webhooks"]

_LOG = logging.getLogger(__name__)
_SECONDS = 5.0
_MOST_AT_ONCE = 8
_MOST_WAITING = 10_000
_SUCCESS = range(200, 300)


@dataclass(frozen=True, slots=True)
class _Receiver:
    url: str
    token: str


class Webhooks:
    """Tells a receiver of events, in the background. To be made inside a running loop, and closed.

    One user's events arrive in their order: the next is not sent before one is delivered, or given up after
    a retry for each of the `pauses` (seconds). Other users' events pass them.
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
            connector=aiohttp.TCPConnector(limit=_MOST_AT_ONCE), timeout=aiohttp.ClientTimeout(total=_SECONDS)
        )

    def send_to(self, url: str, token: str) -> None:
        """Send what happens from now on, signed with the token, to this address; it replaces the one before."""
        self._receiver = _Receiver(url, token)

    def tell(self, event: SandboxEvent) -> None:
        """Deliver an event some time after this; without a receiver, never."""
        if self._receiver is None:
            return
        if self._waiting >= _MOST_WAITING:
            _LOG.warning("%d webhooks wait: %s of %s is not sent", self._waiting, event.name, event.subject)
            return
        self._waiting += 1
        queue = self._queues.setdefault(event.subject, deque())
        queue.append(event)
        if len(queue) == 1:
            self._start(self._deliver_all(event.subject, queue))

    async def aclose(self) -> None:
        """Drop what waits, and end."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._session.close()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver_all(self, subject: str, queue: deque[SandboxEvent]) -> None:
        while queue:
            await self._deliver(queue[0])
            queue.popleft()
            self._waiting -= 1
        del self._queues[subject]

    async def _deliver(self, event: SandboxEvent) -> None:
        for pause in (*self._pauses, None):
            fault = self._faults.take("webhooks", "POST", f"{event.name}/{event.subject}")
            if await self._try(event, fault):
                return
            if pause is not None:
                await asyncio.sleep(pause)
        _LOG.warning("The receiver did not take %s of %s: given up", event.name, event.subject)

    async def _try(self, event: SandboxEvent, fault: Fault | None) -> bool:
        """Whether there is nothing more to do in the event's turn."""
        match fault:
            case Fault(kind="lost"):
                return True
            case Fault(kind="late"):
                self._start(self._deliver_later(event, fault.delay))
                return True
            case Fault(kind="repeated"):
                self._start(self._deliver_later(event, fault.delay))
            case Fault(kind="forged"):
                return await self._send(event, forged=True)
        return await self._send(event)

    async def _deliver_later(self, event: SandboxEvent, delay: float) -> None:
        await asyncio.sleep(delay)
        await self._send(event)

    async def _send(self, event: SandboxEvent, *, forged: bool = False) -> bool:
        receiver = self._receiver
        assert receiver is not None  # noqa: S101 - `tell` sees to it
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Webhook-Signature": _signature("not the token" if forged else receiver.token, event.body),
        }
        logged = self._calls.add("webhooks", SandboxRequest("POST", receiver.url, "", _lower(headers), event.body))
        try:
            async with self._session.post(
                receiver.url, data=event.body, headers=headers, allow_redirects=False
            ) as response:
                logged.status = response.status
        except (aiohttp.ClientError, TimeoutError, ValueError):  # ValueError: the address is none
            return False
        return logged.status in _SUCCESS


def _signature(token: str, body: bytes) -> str:
    return base64.b64encode(hmac.digest(token.encode(), body, hashlib.sha256)).decode()


def _lower(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
