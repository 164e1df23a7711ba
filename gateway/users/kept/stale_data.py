"""What an operation was given although its lifetime had ended, as the callers of all typed surfaces get it."""

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.freshness import FreshnessReport, StaleRead, StaleReason
from gateway.users.ids import Ref, encode
from gateway.users.model import UserSource

__all__ = ["StaleData", "stale_data"]


@dataclass(frozen=True, slots=True)
class StaleData:
    """A record or a list that was given although its lifetime had ended.

    `id` is the global id of the record, None for the list of a source, whose users may be out of date as a whole.
    `age` is how many seconds ago it was read.
    """

    source: UserSource
    id: str | None
    age: float
    reason: StaleReason


def stale_data(report: FreshnessReport) -> list[StaleData]:
    """Return what the report has, the oldest of each record and list, in the order in which they were given first."""
    oldest: dict[object, StaleRead] = {}
    for read in report.stale:
        subject = read.ref or read.subject
        before = oldest.get(subject)
        if before is None or before.age < read.age:
            oldest[subject] = read
    return list(_of(oldest.values()))


def _of(reads: Iterable[StaleRead]) -> Iterable[StaleData]:
    for read in reads:
        ref = read.ref or read.subject
        record_id = encode(ref) if isinstance(ref, Ref) else None
        yield StaleData(UserSource(read.source), record_id, read.age, read.reason)
