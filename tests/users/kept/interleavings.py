"""Runs many interleavings, and describes the first one in which something is wrong."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from redis.asyncio import Redis
from users.kept.scheduling import VirtualClock, VirtualLoop
from users.kept.world import run

from gateway.kit.event_stream import EventStream
from gateway.state.redis.client import connect
from gateway.state.redis.event_stream import RedisEventStream

__all__ = ["Interleavings", "run_over_redis"]

_START = 1000.0
_LINES = 400  # of a trace


class Interleavings:
    """Interleavings in memory, one after the other in one event loop with a virtual clock."""

    def __init__(self) -> None:
        self._clock = VirtualClock()

    def find_failure(self, seeds: Iterable[int]) -> str | None:
        """Run interleavings until one fails, and describe it; None if all are right."""
        with _quiet(), asyncio.Runner(loop_factory=lambda: VirtualLoop(self._clock)) as runner:
            for seed in seeds:
                self._clock.now = _START
                try:
                    runner.get_loop().run_until_complete(run(seed, self._clock))
                except Exception as error:  # noqa: BLE001 - whatever is wrong is a failure
                    return _described(seed, error, self.trace(seed))
        return None

    def trace(self, seed: int) -> list[str]:
        """Return all that happens in one interleaving."""
        trace: list[str] = []
        self._clock.now = _START
        with _quiet(), asyncio.Runner(loop_factory=lambda: VirtualLoop(self._clock)) as runner:
            try:
                runner.run(run(seed, self._clock, trace=trace))
            except Exception as error:  # noqa: BLE001 - as above
                trace.append(repr(error))
        return trace


async def run_over_redis(url: str, seeds: Iterable[int]) -> str | None:
    """Run interleavings of two gateways with an event log in Redis until one fails, and describe it."""
    client = connect(url)
    clock = VirtualClock()
    try:
        with _quiet():
            for seed in seeds:
                clock.now = _START
                trace: list[str] = []
                await client.flushdb()
                try:
                    await run(seed, clock, trace=trace, redis=_streams(client))
                except Exception as error:  # noqa: BLE001 - as above
                    return _described(seed, error, trace)
    finally:
        await client.aclose()
    return None


def _streams(client: Redis) -> Callable[[], EventStream]:
    def open_stream() -> EventStream:
        return RedisEventStream(client)

    return open_stream


def _described(seed: int, error: Exception, trace: list[str]) -> str:
    return "\n".join([*trace[-_LINES:], f"seed {seed}: {type(error).__name__}: {error}"])


@contextmanager
def _quiet() -> Iterator[None]:
    """Log nothing: interleavings have thousands of failures on purpose."""
    loggers = [logging.getLogger(name) for name in ("gateway.changes", "gateway.events", "gateway.users")]
    disabled = [each.disabled for each in loggers]
    for each in loggers:
        each.disabled = True
    try:
        yield
    finally:
        for each, was_disabled in zip(loggers, disabled, strict=True):
            each.disabled = was_disabled
