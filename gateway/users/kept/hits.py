"""Reports the reads that are answered by what is kept: in the metrics, to the caller, and among the calls."""

from collections.abc import Hashable

from gateway.calls import CallKind, CallRecorder, current_calls, endpoint_of
from gateway.freshness import FreshnessReport, StaleRead, StaleReason, current_freshness
from gateway.users.kept.records import Kept, KeptRecords, KeptResult
from gateway.users.model import UserSource

__all__ = ["Hits"]

_HIT, _KEPT = KeptResult.HIT, CallKind.KEPT  # CONTRIBUTING.md, "Speed"


class Hits:
    """Reports hits. `template` is the path template of the call that is not made."""

    def __init__(self, records: KeptRecords) -> None:
        self._records = records

    def fresh(
        self,
        source: UserSource,
        template: str,
        ttl: float,
        report: FreshnessReport | None,
        calls: CallRecorder | None,
    ) -> None:
        """Report what is given within its lifetime, which ends in `ttl` seconds.

        `report` and `calls` are of the operation.
        """
        self.repeated(source, ttl, report)
        _add_call(source, template, calls)

    def repeated(self, source: UserSource, ttl: float, report: FreshnessReport | None) -> None:
        """Do the same for a template that was reported to the operation before: the calls have it once."""
        self._records.results[source, _HIT] += 1
        if report is not None:
            report.hit(ttl)

    def stale(
        self, source: UserSource, template: str, subject: Hashable, kept: Kept, lifetime: float, *, reason: StaleReason
    ) -> StaleRead:
        """Report what is given past its lifetime, and return the report of it."""
        ref = getattr(kept.value, "ref", None)  # a window has none
        read = StaleRead(source, subject, self._records.clock() - kept.read_at, reason, ref)
        self._records.count_stale(source, reason, read.age)
        if (report := current_freshness.get()) is not None:
            report.hit(lifetime - read.age)
            report.stale.append(read)
        _add_call(source, template, current_calls.get())
        return read


def _add_call(source: UserSource, template: str, calls: CallRecorder | None) -> None:
    if calls is not None:
        calls.add(_KEPT, endpoint_of(source, "GET", template), None, 0.0)
