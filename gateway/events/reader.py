"""Reads the stream that replicas have in common into the memory of one process, for its subscriptions."""

import asyncio
import logging

from gateway.errors import SourceUnavailable
from gateway.events.entries import Entry, check_of, decode_entry
from gateway.events.log import LogEvent, LogObserver, NoLongerHeld, UnknownChanges, UserEvent
from gateway.events.outbox import backoff
from gateway.events.recent import RecentEvents
from gateway.events.resume_tokens import ResumeTokens
from gateway.kit.event_stream import EventStream

__all__ = ["EventStreamReader"]

_LOG = logging.getLogger("gateway.events")
_SECONDS_TO_WRITE = 3.0  # after an outage, until each replica has repeated an attempt to write that hangs, and waited


class EventStreamReader:
    """Copies the entries of a stream to `recent`, and continues after interruptions.

    Where entries were lost, it ends all subscriptions. It starts at most `max_events` before the last entry.
    """

    def __init__(self, stream: EventStream, recent: RecentEvents, *, max_events: int, observe: LogObserver) -> None:
        self._stream = stream
        self._recent = recent
        self._max_events = max_events
        self._observe = observe
        self._log = ""
        self.check = ""  # of the entry of the number `recent.last`, if it was read
        self._ready_at = 0  # the number up to which must be read before a subscription can start
        self._ready = asyncio.Event()
        self._advanced = asyncio.Event()
        self.is_connected = False
        """Whether the last attempt to read succeeded."""
        self.is_complete_from = 0.0
        """The time of the event loop until which other replicas may have events that they could not write."""
        self.tokens = ResumeTokens()

    async def run(self) -> None:
        """Read until it is cancelled."""
        delays = backoff()
        interrupted = False
        while True:
            try:
                await self._synchronize()
                if interrupted:
                    self.is_complete_from = asyncio.get_running_loop().time() + _SECONDS_TO_WRITE
                    interrupted = False
                self.is_connected = True
                delays = backoff()
                while await self._read_batch():
                    pass
            except SourceUnavailable:  # the client of the stream reports it
                interrupted = True
            except Exception:  # noqa: BLE001 - without a reader all subscriptions would wait for ever
                _LOG.exception("reading the event log failed and will be repeated")
            self.is_connected = False
            await asyncio.sleep(next(delays))

    async def wait_ready(self) -> None:
        """Wait until all entries that the stream had at the start were read."""
        await self._ready.wait()

    async def wait_for(self, number: int, log: str | None = None) -> bool:
        """Wait until the entry of that number was read; return False where `log` is not the name of the log any more.

        None stands for any name.
        """
        while log in {None, self._log} and self._recent.last < number:
            await self._advanced.wait()
        return log in {None, self._log}

    async def _synchronize(self) -> None:
        """Start to read the stream, or check that it still is the one that was read before."""
        log, first, last, _ = await self._stream.bounds()
        if log == self._log:
            if await self._is_unchanged(last):
                return
            await self._stream.rename(log)
            log, first, last, _ = await self._stream.bounds()
        has_entries = last > first and await self._stream.get(last) is not None
        if self._log:
            self._report_gap()
        self._ready.clear()
        self._log, self.tokens = log, ResumeTokens(log)
        self.check, self._ready_at = "", last
        self._recent.restart(max(first, last - self._max_events) if has_entries else last)
        self._wake_waiting()
        self._update_ready()

    async def _is_unchanged(self, last: int) -> bool:
        """Whether the stream still has what was read: it may have been restored from an older copy."""
        if last < self._recent.last:
            return False
        entry = await self._stream.get(self._recent.last) if self.check else None
        return entry is None or check_of(entry) == self.check

    async def _read_batch(self) -> bool:
        """Read the next entries; return False where it has to synchronize again."""
        entries = await self._stream.read(self._recent.last)
        if not entries:
            log, _, last, check = await self._stream.bounds()
            if log != self._log or last < self._recent.last:
                return False
            if last == self._recent.last and self._differs(check):
                return False
            if last > self._recent.last and await self._stream.get(last) is None:
                self._skip_to(last)  # the entries have not just arrived: they are gone
        for index, (log, number, content, previous_check) in enumerate(entries):
            if log != self._log:
                return False
            if number != self._recent.last + 1:  # the stream was trimmed faster than it was read
                self._skip_to(number - 1)
            elif self._differs(previous_check):
                return False
            self._add(number, content)
            if self._recent.subscribers or index % 50 == 0:
                await asyncio.sleep(0)  # lets the subscriptions read, so that one batch does not fill their queues
        return True

    def _differs(self, check: str) -> bool:
        """Whether this check, if it is known, is not that of the entry that was read last.

        A failover to a server that had not received the last entries is noticed by it: the client connects anew without
        an error, and their numbers are given again.
        """
        return bool(check and self.check) and check != self.check

    def _add(self, number: int, content: bytes) -> None:
        self.check = check_of(content)
        try:
            entry = decode_entry(content)
        except (ValueError, KeyError, TypeError):  # a newer version of the gateway wrote it
            _LOG.warning("an event was skipped: a newer version wrote it to the event log; update this replica")
            entry = UnknownChanges()
        if isinstance(entry, Entry):
            token = self.tokens.encode(number, self.check)
            self._recent.add(UserEvent(token, entry.change, entry.user, entry.occurred_at))
        else:
            self._recent.add(entry)
        self._wake_waiting()
        self._update_ready()

    def _wake_waiting(self) -> None:
        """Let those who wait for an entry look again."""
        self._advanced.set()
        self._advanced = asyncio.Event()

    def _skip_to(self, last: int) -> None:
        if self._ready.is_set():
            self._report_gap()
        self._recent.restart(last)
        self.check = ""
        self._wake_waiting()
        self._update_ready()

    def _update_ready(self) -> None:
        if self._recent.last >= self._ready_at:
            self._ready.set()

    def _report_gap(self) -> None:
        _LOG.error(
            "events were lost before this replica read them: its subscriptions end, clients must read users again"
        )
        self._observe(LogEvent.GAP, "")
        self._recent.end(NoLongerHeld())
