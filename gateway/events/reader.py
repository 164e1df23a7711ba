"""Reads the shared stream, so that one process holds its latest events and tells them to who follows."""

import asyncio
import logging

from gateway.errors import SourceUnavailable
from gateway.events.entries import EventStream, read_entry
from gateway.events.log import LogEvent, NoLongerHeld, Observe, UserEvent
from gateway.events.outbox import pauses
from gateway.events.recent import Recent
from gateway.events.resume_tokens import ResumeTokens

__all__ = ["StreamReader"]

_LOG = logging.getLogger("gateway.events")


class StreamReader:
    """Goes on where it was when the stream comes back. Where entries were lost, all who follow are ended.

    `held` is how far back it begins.
    """

    def __init__(self, stream: EventStream, recent: Recent, *, held: int, observe: Observe) -> None:
        self._stream = stream
        self._recent = recent
        self._held = held
        self._observe = observe
        self._log = ""
        self._newest = b""  # the entry of the number `recent.last`
        self._begins_at = 0  # once that is read, nothing that happened before is missing
        self._ready = asyncio.Event()
        self._moved = asyncio.Event()
        self.tokens = ResumeTokens()

    async def run(self) -> None:
        """Read until it is cancelled."""
        pause, away = pauses(), False
        while True:
            try:
                await self._join()
                pause, away = pauses(), False
                while await self._step():
                    pass
            except SourceUnavailable as error:
                if not away:
                    _LOG.warning("the event log cannot be read for now: %s", error)
                away = True
            except Exception:  # noqa: BLE001 - an end here would leave all who follow waiting
                _LOG.exception("the event log cannot be read")
            await asyncio.sleep(next(pause))

    async def ready(self) -> None:
        """Wait until what the stream holds was read."""
        await self._ready.wait()

    async def reached(self, number: int) -> None:
        """Wait until the event of that number was read."""
        while self._recent.last < number:
            await self._moved.wait()

    async def _join(self) -> None:
        """Begin to read, or find that reading can go on."""
        log, since, last = await self._stream.place()
        if log == self._log:
            if await self._agrees(last):
                return
            await self._stream.renew(log)
            log, since, last = await self._stream.place()
        held = last > since and await self._stream.entry(last) is not None
        if self._log:
            self._lose()
        self._ready.clear()
        self._log, self.tokens = log, ResumeTokens(log)
        self._newest, self._begins_at = b"", last
        self._recent.restart(max(since, last - self._held) if held else last)
        self._tell_ready()

    async def _agrees(self, last: int) -> bool:
        """Whether the stream still is what was read of it: it may have been restored from an older copy."""
        if last < self._recent.last:
            return False
        entry = await self._stream.entry(self._recent.last) if self._newest else None
        return entry is None or entry == self._newest

    async def _step(self) -> bool:
        """Read on; False where it has to be joined anew."""
        entries = await self._stream.read(self._recent.last)
        if not entries:
            log, _, last = await self._stream.place()
            if log != self._log or last < self._recent.last:
                return False
            if last > self._recent.last and await self._stream.entry(last) is None:
                self._pass_over(last)  # it is not that they came just now: they are gone
        for at, (log, number, content) in enumerate(entries):
            if log != self._log:
                return False
            if number != self._recent.last + 1:  # the stream was cut faster than it was read
                self._pass_over(number - 1)
            self._add(number, content)
            if self._recent.subscribers or at % 50 == 0:
                await asyncio.sleep(0)  # for those who follow: a queue is not to fill up by itself
        return True

    def _add(self, number: int, content: bytes) -> None:
        self._newest = content
        try:
            entry = read_entry(content)
        except (ValueError, KeyError, TypeError):  # a newer version of the gateway wrote it
            _LOG.warning("an event in the log cannot be read by this version")
            self._recent.add(None)
        else:
            token = self.tokens.write(number)
            self._recent.add(UserEvent(token, entry.change, entry.user, entry.occurred_at))
        self._moved.set()
        self._moved = asyncio.Event()
        self._tell_ready()

    def _pass_over(self, last: int) -> None:
        if self._ready.is_set():
            self._lose()
        self._recent.restart(last)
        self._newest = b""
        self._tell_ready()

    def _tell_ready(self) -> None:
        if self._recent.last >= self._begins_at:
            self._ready.set()

    def _lose(self) -> None:
        _LOG.error("events were lost before this process read them: all who follow are told")
        self._observe(LogEvent.GAP, "")
        self._recent.end(NoLongerHeld())
