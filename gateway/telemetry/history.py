"""What a process did in the last ten minutes, for `/status`: requests, calls to sources, callers and operations.

Everything is bounded, whatever clients send: the numbers of intervals are fixed, and so are those of the names in one.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from heapq import nlargest
from http import HTTPStatus
from typing import Generic, TypeVar

from gateway.calls import CANCELLED
from gateway.errors import Code, GatewayError
from gateway.telemetry.durations import Durations, add_to_each
from gateway.telemetry.intervals import RecentIntervals
from gateway.telemetry.log_fields import log_time
from gateway.telemetry.report import CLIENT_LEFT, RequestReport
from gateway.telemetry.status import CallerStatus, FailureStatus, OperationStatus
from gateway.telemetry.traffic import INTERVAL_SECONDS, INTERVALS, Interval, Traffic, median_and_p95

__all__ = ["ANONYMOUS", "NOT_EXECUTED", "OTHERS", "UNNAMED", "History"]

ANONYMOUS = "(anonymous)"
"""Stands for callers that are not distinguished."""

NOT_EXECUTED = "(not executed)"
"""Stands for operations of unknown callers and of invalid documents: their names are whatever somebody sends."""

UNNAMED = "(unnamed)"
"""Stands for operations without a name."""

OTHERS = "(others)"
"""Stands for the names beyond those that an interval can hold."""

_MINUTE, _MINUTES = 60.0, 10  # the intervals of names, which are longer because they take more memory
_NAMES = 200  # of an interval
_NAME_LENGTH = 300  # characters; the name of a caller contains the URL of its issuer
_TOP = 10
_REFUSING = frozenset(
    str(status.value)
    for status in (
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.PAYMENT_REQUIRED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.TOO_MANY_REQUESTS,
    )
)
_LONG = frozenset({"subscription", "stream"})  # which take as long as their clients want


class _Caller:
    __slots__ = ("calls", "codes", "failed", "operations")

    def __init__(self) -> None:
        self.operations = self.failed = 0
        self.calls: dict[str, int] = {}
        self.codes: Counter[str] = Counter()


class _Operation:
    __slots__ = ("codes", "count", "durations", "failed")

    def __init__(self) -> None:
        self.count = self.failed = 0
        self.durations = Durations()
        self.codes: Counter[str] = Counter()


Entry = TypeVar("Entry", _Caller, _Operation)


class _Names(Generic[Entry]):
    """Entries by name; beyond the limit all further names have one entry."""

    __slots__ = ("_create", "entries")

    def __init__(self, create: Callable[[], Entry]) -> None:
        self._create: Callable[[], Entry] = create
        self.entries: dict[tuple[str, str], Entry] = {}

    def of(self, name: str, kind: str = "") -> Entry:
        """Return the entry of a name."""
        entry = self.entries.get((name, kind))
        if entry is None:
            key = (name[:_NAME_LENGTH], kind) if len(self.entries) < _NAMES else (OTHERS, "")
            entry = self.entries.setdefault(key, self._create())
        return entry


class History:
    """Counts the requests and calls of a process. It is a sink of `Telemetry`. `clock` is monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.requests = Traffic(clock)
        self.overhead = Traffic(clock)
        self._sources: dict[str, Traffic] = {}
        self._failures: dict[str, FailureStatus] = {}
        self._feed_results: dict[str, str] = {}
        self._lags = RecentIntervals[list[float]](lambda: [0.0], length=INTERVAL_SECONDS, count=INTERVALS, clock=clock)
        self._last_lag = 0.0
        self._codes = RecentIntervals[Counter[str]](Counter, length=_MINUTE, count=_MINUTES, clock=clock)
        self._callers = RecentIntervals(lambda: _Names(_Caller), length=_MINUTE, count=_MINUTES, clock=clock)
        self._operations = RecentIntervals(lambda: _Names(_Operation), length=_MINUTE, count=_MINUTES, clock=clock)
        self._interval_end = 0.0
        self._begin_minute(clock())

    def __call__(self, reports: Sequence[RequestReport]) -> None:
        now = self._clock()
        for report in reports:
            if report.kind or report.operation or report.codes:
                self._count(report, now)

    def _count(self, report: RequestReport, now: float) -> None:
        """Count an operation that has ended. Other requests are left out, for example for pictures and by webhooks."""
        codes, kind = report.codes, report.kind
        if now >= self._minute_end:
            self._begin_minute(now)
        name = report.shown_caller if report.caller else ANONYMOUS
        caller = self._present_callers.entries.get((name, "")) or self._present_callers.of(name)
        caller.operations += 1
        calls = caller.calls
        for source, count in report.summary.requests.items():
            calls[source] = calls.get(source, 0) + count
        if not kind or (codes and Code.UNAUTHENTICATED in codes):
            name, of_kind = NOT_EXECUTED, ""
        else:
            name, of_kind = report.operation or UNNAMED, kind
        operation = self._present_operations.entries.get((name, of_kind)) or self._present_operations.of(name, of_kind)
        operation.count += 1
        failed = bool(codes) or _is_error(report.status)
        if kind not in _LONG:
            if now >= self._interval_end:
                self._begin_interval(now)
            requests, overhead = self._present_requests, self._present_overhead
            if report.summary.source_seconds:
                add_to_each((requests.durations, operation.durations), report.duration)
                overhead.durations.add(report.overhead)
            else:  # all of it is overhead
                add_to_each((requests.durations, operation.durations, overhead.durations), report.duration)
            if failed:
                requests.failed += 1
                overhead.failed += 1
        if failed:
            caller.failed += 1
            operation.failed += 1
            for counter in (caller.codes, operation.codes, self._codes.present(now)):
                counter.update(codes)

    def _begin_interval(self, now: float) -> None:
        self._present_requests: Interval = self.requests.present(now)
        self._present_overhead: Interval = self.overhead.present(now)
        self._interval_end = (int(now / INTERVAL_SECONDS) + 1) * INTERVAL_SECONDS

    def _begin_minute(self, now: float) -> None:
        self._present_callers, self._present_operations = self._callers.present(now), self._operations.present(now)
        self._minute_end = (int(now / _MINUTE) + 1) * _MINUTE

    def call(self, source: str, status: str, seconds: float, now: float | None = None) -> None:
        """Count an attempt of a call, by its HTTP status or the code of its error. `now` saves reading the clock."""
        if status != CANCELLED:  # that is no evidence about the source
            traffic = self._sources.get(source) or self.calls_of(source)
            traffic.add(seconds, failed=_is_failed(status), now=now)

    def call_failed(self, source: str, error: GatewayError) -> None:
        """Keep the cause of a call that failed, with all its attempts.

        Only its body showed that some responses are of another program: these are counted as failed here.
        """
        cause = error.message if error.failed_call is None else str(error.failed_call)
        self._failures[source] = FailureStatus(log_time(time.time()), error.code.value, cause)
        status = error.origin.http_status
        if error.code is Code.SOURCE_INVALID_RESPONSE and status is not None and not _is_failed(str(status)):
            self.calls_of(source).add_failed()

    def feed(self, source: str, result: str) -> None:
        """Keep the result of a poll or a webhook."""
        self._feed_results[source] = result

    def loop_lag(self, seconds: float) -> None:
        """Keep how late the event loop was."""
        self._last_lag = seconds
        interval = self._lags.present()
        interval[0] = max(interval[0], seconds)

    def calls_of(self, source: str) -> Traffic:
        """Return the calls of a source."""
        traffic = self._sources.get(source)
        if traffic is None:
            traffic = self._sources[source] = Traffic(self._clock, self.requests.started)
        return traffic

    def last_failure(self, source: str) -> FailureStatus | None:
        """Return the last call of a source that failed."""
        return self._failures.get(source)

    def feed_result(self, source: str) -> str | None:
        """Return the result of the last poll or webhook of a source."""
        return self._feed_results.get(source)

    def loop_lags(self) -> tuple[float, float]:
        """Return the last lag of the event loop, and the longest one."""
        return self._last_lag, max((interval[0] for _, interval in self._lags.recent()), default=0.0)

    def codes(self) -> Mapping[str, int]:
        """Return how many requests had an error of each code, most of them first."""
        return _sorted(_sum(interval for _, interval in self._codes.recent()))

    def callers(self) -> list[CallerStatus]:
        """Return the callers with the most calls to sources, and with the most operations of those that cause none."""
        found = [
            CallerStatus(
                name,
                sum(entry.operations for entry in entries),
                sum(entry.failed for entry in entries),
                _sorted(_sum(entry.calls for entry in entries)),
                _sorted(_sum(entry.codes for entry in entries)),
            )
            for (name, _), entries in _grouped(interval.entries for _, interval in self._callers.recent()).items()
        ]
        return nlargest(_TOP, found, key=lambda caller: (sum(caller.calls.values()), caller.operations))

    def operations(self) -> list[OperationStatus]:
        """Return the operations that fail most often, then the slowest ones."""
        found = []
        for (name, kind), entries in _grouped(interval.entries for _, interval in self._operations.recent()).items():
            durations = Durations(entry.durations for entry in entries)
            found.append(
                OperationStatus(
                    name,
                    kind,
                    sum(entry.count for entry in entries),
                    sum(entry.failed for entry in entries),
                    *median_and_p95(durations),
                    _sorted(_sum(entry.codes for entry in entries)),
                )
            )
        failing = nlargest(_TOP, (each for each in found if each.failed), key=lambda each: each.failed)
        slowest = nlargest(_TOP, (each for each in found if not each.failed), key=lambda each: each.p95_ms or 0.0)
        return failing + slowest[: max(_TOP - len(failing), _TOP // 2)]


@lru_cache(128)
def _is_error(status: int | str) -> bool:
    return isinstance(status, int) and status >= HTTPStatus.BAD_REQUEST and status != CLIENT_LEFT


@lru_cache(128)
def _is_failed(status: str) -> bool:
    """Return whether an attempt failed because of the source, its limit or our credentials, by its status or code.

    A 404 and most other statuses of 4xx are normal results of lookups and changes.
    """
    return not status.isdecimal() or status in _REFUSING or int(status) >= HTTPStatus.INTERNAL_SERVER_ERROR


def _sum(counters: Iterable[Mapping[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for counter in counters:
        total.update(counter)
    return total


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(counts.most_common())


def _grouped(intervals: Iterable[Mapping[tuple[str, str], Entry]]) -> dict[tuple[str, str], list[Entry]]:
    """Return the entries of all intervals by name."""
    grouped: dict[tuple[str, str], list[Entry]] = {}
    for interval in intervals:
        for name, entry in interval.items():
            grouped.setdefault(name, []).append(entry)
    return grouped
