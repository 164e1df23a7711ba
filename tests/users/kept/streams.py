"""The event stream of two replicas: in memory, or in a real Redis, with steps of the scheduler in between."""

import asyncio
from collections.abc import Sequence

from users.kept.scheduling import Scheduler, no_fault

from gateway.errors import SourceUnavailable
from gateway.events.deduplication import DeduplicationKeys, RecentChanges
from gateway.events.log import LogEvent
from gateway.kit.event_stream import EventStream, Report

__all__ = ["MemoryStream", "ReplicaStream", "SteppedRedisStream", "Stream"]

_NUMBERS = {LogEvent.REPEATED: 0, LogEvent.SUPERSEDED: -1}


class Stream:
    """What the connections of all replicas have in common; `away`: none of them reaches it at present."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.away = False
        self.troubled_at = -1.0  # when a call failed last
        self.last = 0
        self._grown = asyncio.Event()

    def grow(self, last: int) -> None:
        """Wake the readers because there are entries up to a number."""
        if last > self.last:
            self.last = last
            self._grown.set()
            self._grown = asyncio.Event()

    async def wait_beyond(self, number: int) -> None:
        """Wait until there is an entry after a number."""
        while self.last <= number:
            await self._grown.wait()

    def check(self, fault: str) -> None:
        """Fail if the stream is away, or this step has a fault."""
        if self.away or fault != no_fault:
            self.troubled_at = self.scheduler.clock.now
            raise SourceUnavailable("Redis is away")


class MemoryStream(Stream):
    """A stream in memory, which recognises repeated reports by the rules of the event log in memory."""

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__(scheduler)
        self.entries: list[tuple[bytes, str]] = []
        self._changes = RecentChanges(3600.0, clock=scheduler.clock.monotonic)
        self._reports: dict[str, int] = {}

    def append(self, report: Report) -> int:
        """Append a report and return its number."""
        if report.report and report.report in self._reports:
            return self._reports[report.report]
        keys = DeduplicationKeys(report.event, report.user, report.content, report.dated, report.order, report.deletion)
        # Without content there are only unknown changes.
        result = self._changes.add(keys, external=not report.report) if report.content else LogEvent.PUBLISHED
        number = _NUMBERS.get(result, 0)
        if result is LogEvent.PUBLISHED:
            self.entries.append((report.entry, report.check))
            number = len(self.entries)
            self.grow(number)
        if report.report:
            self._reports[report.report] = number
        return number


class ReplicaStream:
    """The connection of one replica to the stream in memory: an `EventStream`."""

    def __init__(self, stream: MemoryStream, label: str) -> None:
        self._stream = stream
        self._label = label

    async def bounds(self) -> tuple[str, int, int, str]:
        stream = self._stream
        before = stream.scheduler.random.random() < 0.5
        if before:
            await self._pass("bounds")
        last = len(stream.entries)
        if not before:
            await self._pass("bounds reply")
        stream.check(no_fault)
        return "log", 0, last, stream.entries[last - 1][1] if last else ""

    async def append(self, reports: Sequence[Report]) -> Sequence[int]:
        await self._pass("append")
        numbers = [self._stream.append(report) for report in reports]
        self._stream.scheduler.note(self._label, "appended", numbers)
        await self._pass("append reply")
        return numbers

    async def read(self, after: int) -> Sequence[tuple[str, int, bytes, str]]:
        stream = self._stream
        await stream.wait_beyond(after)
        await self._pass("read")
        entries = stream.entries
        return [
            ("log", number, entries[number - 1][0], entries[number - 2][1] if number > 1 else "")
            for number in range(after + 1, len(entries) + 1)
        ]

    async def get(self, number: int) -> bytes | None:
        await self._pass("get")
        return self._stream.entries[number - 1][0] if 0 < number <= len(self._stream.entries) else None

    async def rename(self, log: str) -> None:
        raise AssertionError(f"the log {log} is never lost")

    async def _pass(self, label: str) -> None:
        self._stream.check(await self._stream.scheduler.step((self._label, "stream", label), "away"))


class SteppedRedisStream:
    """The connection of one replica to a stream in Redis: an `EventStream`.

    The scheduler decides when a command is sent, and waits for its reply. A read is sent when there is something to
    read, since it would block.
    """

    def __init__(self, stream: Stream, redis: EventStream, label: str) -> None:
        self._stream = stream
        self._redis = redis
        self._label = label

    async def bounds(self) -> tuple[str, int, int, str]:
        await self._pass("bounds")
        with _Sent(self._stream.scheduler):
            return await self._redis.bounds()

    async def append(self, reports: Sequence[Report]) -> Sequence[int]:
        await self._pass("append")
        with _Sent(self._stream.scheduler):
            numbers = await self._redis.append(reports)
        self._stream.grow(max(numbers))
        await self._pass("append reply")
        return numbers

    async def read(self, after: int) -> Sequence[tuple[str, int, bytes, str]]:
        await self._stream.wait_beyond(after)
        await self._pass("read")
        with _Sent(self._stream.scheduler):
            return await self._redis.read(after)

    async def get(self, number: int) -> bytes | None:
        with _Sent(self._stream.scheduler):
            return await self._redis.get(number)

    async def rename(self, log: str) -> None:
        await self._redis.rename(log)

    async def _pass(self, label: str) -> None:
        await self._stream.scheduler.step((self._label, "stream", label))


class _Sent:
    """Counts a command whose reply the scheduler waits for."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def __enter__(self) -> None:
        self._scheduler.external += 1

    def __exit__(self, *_: object) -> None:
        self._scheduler.external -= 1
