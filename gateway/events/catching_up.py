"""Waits until a process has read what the other replicas have written to the stream by now."""

import asyncio
from dataclasses import dataclass

from gateway.errors import SourceUnavailable
from gateway.events.reader import EventStreamReader
from gateway.events.recent import RecentEvents
from gateway.kit.event_stream import EventStream
from gateway.kit.tasks import cancel_and_wait
from gateway.operation import background_context, seconds_left

__all__ = ["CatchingUp"]

_TIMEOUT = 1.0  # seconds that a caller waits
_SHARE = 0.5  # of the time that a caller has left: with the rest, it reads from the source
_LONG = 0.25  # seconds after which a wait that was in vain is a failure
_PAUSE = 1.0  # seconds after a failure in which nobody waits for another one


@dataclass(frozen=True, slots=True)
class _End:
    """The name of the log and the number of its last entry at an instant."""

    log: str
    number: int


class CatchingUp:
    """Reads the number of the last entry, once for all callers that wait, and waits until that entry was read.

    A call needs a number that was read after it began: callers that come while one is being read wait for the next one.
    """

    def __init__(self, stream: EventStream, reader: EventStreamReader, recent: RecentEvents) -> None:
        self._stream = stream
        self._reader = reader
        self._recent = recent
        self._next: asyncio.Future[_End | None] | None = None  # of the callers whose number is not being read yet
        self._task: asyncio.Task[None] | None = None
        self._failed_at = float("-inf")

    async def __call__(self) -> bool:
        """Return whether all entries were read that the stream has now; False where that cannot be found out soon."""
        loop = asyncio.get_running_loop()
        # During an outage other replicas may have answered changes whose events they write after it.
        if not self._reader.is_connected or loop.time() < max(self._failed_at + _PAUSE, self._reader.is_complete_from):
            return False
        found = self._next
        if found is None:
            found = self._next = loop.create_future()
            if self._task is None:
                self._task = loop.create_task(self._run(), context=background_context())
        left = seconds_left()
        seconds = _TIMEOUT if left is None else min(left * _SHARE, _TIMEOUT)
        try:
            async with asyncio.timeout(seconds):
                end = await asyncio.shield(found)
                return end is not None and await self._reader.wait_for(end.number, end.log)
        except TimeoutError:
            if seconds >= _LONG:  # else callers without patience could let all others use nothing that is kept
                self._failed_at = loop.time()
            return False

    async def aclose(self) -> None:
        """Let all callers return False."""
        if self._task is not None:
            await cancel_and_wait(self._task)
        self._fail(self._next)  # a task that had not begun does nothing when it is cancelled

    async def _run(self) -> None:
        """Read the number as long as callers wait for it."""
        current: asyncio.Future[_End | None] | None = None
        try:
            while self._next is not None:
                current, self._next = self._next, None
                current.set_result(await self._read_end())
        finally:
            self._task = None
            self._fail(current, self._next)

    def _fail(self, *futures: "asyncio.Future[_End | None] | None") -> None:
        for future in futures:
            if future is not None and not future.done():
                future.set_result(None)
        self._next = None

    async def _read_end(self) -> _End | None:
        """Return the end of the log; None if it cannot be reached, or has lost entries that were read here."""
        number_read, check_read = self._recent.last, self._reader.check
        try:
            async with asyncio.timeout(_TIMEOUT):
                log, _, last, check = await self._stream.bounds()
        except (SourceUnavailable, TimeoutError):
            self._failed_at = asyncio.get_running_loop().time()
            return None
        differs = last == number_read and check and check_read and check != check_read
        return None if last < number_read or differs else _End(log, last)
