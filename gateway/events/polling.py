"""Asks a system for its users' changes, over and over, and puts them into the log."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import StrEnum
from typing import Protocol

from gateway.errors import GatewayError, SourceUnavailable
from gateway.events.log import EventLog
from gateway.kit.tasks import cancel_and_wait
from gateway.users.model import UserSource
from gateway.users.source import PolledSource

__all__ = ["Poll", "Poller", "PollingLock"]


class PollingLock(Protocol):
    """One replica's at a time; what it notes is there for the next. Every method may raise SourceUnavailable."""

    async def take(self) -> tuple[int, str | None] | None:
        """The turn's number and what was noted last, or None while it is another's.

        Who has the turn keeps it by taking it again before the lease ends. A later turn's number is greater.
        """

    async def note(self, number: int, text: str) -> bool:
        """Note where to go on; False where another has had the turn since: then it is theirs to say."""

    async def give_up(self, number: int) -> None:
        """Let another have the turn at once."""


_LOG = logging.getLogger("gateway.events")
_LONGEST = 300.0  # seconds between two tries at a system that fails
_DOUBLINGS = 10  # of an interval of a second or more: past the longest, and far from what a float cannot hold


class Poll(StrEnum):
    """How one round ended, for who counts."""

    NOTHING = "nothing"
    NEWS = "news"

    STANDBY = "standby"
    """It is another replica's turn."""

    FAILED = "failed"
    """The system, or the shared state, could not be asked, or the log took nothing: what there is stays there."""

    OVERTAKEN = "overtaken"
    """It took so long that another replica has the turn; the log knows what both told."""


class Poller:
    """Polls one system every `interval` seconds, less often while it fails. Two that overlap tell nothing twice.

    It begins with what happens from then on, or where the one before it noted.
    """

    def __init__(
        self,
        source: PolledSource,
        log: EventLog,
        turn: PollingLock,
        *,
        interval: float,
        observe: Callable[[UserSource, Poll], None] = lambda *_: None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._source = source
        self._log = log
        self._turn = turn
        self._interval = interval
        self._observe = observe
        self._sleep = sleep
        self._number: int | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, in this event loop."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """End, and let another replica go on at once."""
        if self._task is not None:
            await cancel_and_wait(self._task)
        if self._number is not None:
            with suppress(SourceUnavailable):
                await self._turn.give_up(self._number)
            self._number = None

    async def _run(self) -> None:
        failures = 0
        while True:
            told, wait = Poll.FAILED, 0.0
            try:
                told = await self._round()
            except GatewayError as error:
                wait = error.retry_after or 0.0
                _LOG.warning("polling the %s system failed: %s", self._source.name, error)
            except Exception:  # noqa: BLE001 - a defect of ours must not end it for good
                _LOG.exception("polling the %s system failed", self._source.name)
            self._observe(self._source.name, told)
            failures = min(failures + 1, _DOUBLINGS) if told is Poll.FAILED else 0
            await self._sleep(max(wait, min(self._interval * 2**failures, max(self._interval, _LONGEST))))

    async def _round(self) -> Poll:
        taken = await self._turn.take()
        if taken is None:
            self._number = None
            return Poll.STANDBY
        self._number, position = taken
        news = await self._source.changes_since(position)
        told = [await self._log.append(change, user) for change, user in news.changes]
        if not await self._turn.note(self._number, news.position):
            return Poll.OVERTAKEN
        return Poll.NEWS if any(told) else Poll.NOTHING
