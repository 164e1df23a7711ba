"""What every answer is checked against: the history of the source, and where the answer comes from.

The rules are those of docs/freshness.md, computed from what the test has seen and not from what is kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from users.kept.connection import Provenance, ReadRecord
from users.kept.history import History, Question
from users.kept.replica import ABSENCE, IF_ERROR, KEEP, LIST, REFERENCE, SHORT, Replica
from users.kept.scheduling import Scheduler
from users.kept.upstream import CONFIGURED, Upstream

from gateway.errors import GatewayError
from gateway.freshness import ANY_FRESHNESS, Freshness, FreshnessReport
from gateway.principal import Principal
from gateway.users.kept.records import KeptRecords
from gateway.users.model import User
from gateway.users.reading import KeepMode
from gateway.users.source import Window

__all__ = ["Answered", "Checks", "Reading", "ViolationError"]

_EPSILON = 0.01  # seconds: some steps of the scheduler


class ViolationError(AssertionError):
    """An answer that the rules do not allow."""


class Answered(NamedTuple):
    """An answer: what it shows, and the records that it consists of."""

    shown: Any
    records: Sequence[Any]


@dataclass(eq=False)
class Reading:
    """A read of a test: who reads what, with which wishes, and what held when it began."""

    replica: Replica
    principal: Principal
    credential: str
    question: Question
    wish: Freshness
    needs: frozenset[str]
    kind: str
    source_id: str = ""
    began_at: float = 0.0
    was_reported: bool = False
    refused_at: float = -1.0
    expected: Provenance | None = None  # where it certainly is kept, the response that it was read from
    responses: list[Provenance] = field(default_factory=list)
    ended_at: float = -1.0


class Checks:
    """Checks answers, and holds the first one that is wrong."""

    def __init__(self, upstream: Upstream, scheduler: Scheduler) -> None:
        self.readings: list[Reading] = []  # of users
        self._all: list[Reading] = []
        self._upstream = upstream
        self._scheduler = scheduler
        self._failure: BaseException | None = None

    def begin(self, reading: Reading) -> None:
        """Note what holds before a read."""
        now = self._scheduler.clock.now
        replica = reading.replica
        reading.began_at = now
        reading.was_reported = replica.is_reported(now)
        reading.refused_at = replica.connection.refusals.get(reading.credential, -1.0)
        self._all.append(reading)
        if reading.kind == "user":
            reading.expected = self._kept_response(reading)
            self.readings.append(reading)

    def check(
        self,
        reading: Reading,
        answer: Answered | GatewayError,
        record: ReadRecord,
        report: FreshnessReport,
        known: set[int],
    ) -> None:
        """Check the answer to a read that began when these changes were known."""
        reading.responses, reading.ended_at = record.responses, self._scheduler.clock.now
        if reading.wish.only_if_cached and reading.kind != "role" and reading.replica.mode is KeepMode.ON:
            self.require(record.calls == 0, "a source was called against the wish of the caller")
        if isinstance(answer, GatewayError):
            return
        history = self._upstream.roles if reading.kind == "role" else self._upstream.history
        self._check_value(reading, history, answer, record, known)
        for value in answer.records:
            if value is not None:
                self._check_record(reading, value, record, report)
        is_stale = bool(report.stale)
        self.require(
            not (is_stale and reading.wish.no_cache), "a stale answer was given to a caller that wants none", answer
        )
        self.require(not (is_stale and reading.kind == "role"), "a role was given stale", answer)
        if answer.records == [None] and not record.calls:
            self.require(not is_stale, "an absence was given stale")
            if reading.kind == "user":
                read_at = reading.replica.connection.absences[reading.credential, reading.source_id]
                age = reading.began_at - read_at
                self.require(
                    age <= ABSENCE + _EPSILON, f"an absence is older than {ABSENCE} s: {age}", reading.source_id
                )
        stale_calls = is_stale and report.stale[0].reason == "revalidating" and reading.kind == "user"
        self.require(not (stale_calls and record.calls), "a caller that accepts stale answers waited for a call")
        expected = reading.expected
        if expected is not None and record.caught_up and expected.sent_at > reading.replica.disturbed_at:
            is_reported = reading.was_reported and reading.replica.is_reported(reading.ended_at)
            lifetime = KEEP if is_reported and reading.credential == CONFIGURED else SHORT
            is_young = reading.ended_at - expected.began_at < lifetime
            self.require(record.calls == 0 or not is_young, "a kept user was read again without need", answer.shown)

    def check_changed(self, user: User, record: ReadRecord) -> None:
        """Check the user that a change returned: it is as the change, or a later one, left it."""
        self.require(record.executed is not None, "a change was confirmed and not executed", user)
        history, shown = self._upstream.history, (user.source_id, user.name, user.email)
        index = history.latest_with(lambda state: _row(state, user.source_id), shown)
        self.require(
            index is not None and index >= (record.executed or 0), "a change returned the user before it", shown
        )

    def audit_closed(self, replica: Replica) -> None:
        """Check that nothing is left of a gateway that was closed."""
        records = replica.records
        self.require(not records and not records.size, "something is kept of a gateway that was closed")
        self.require(
            not records._generations._reads and not records._generations._of_tags, "reads that ended are still noted"
        )

    def audit_kept(self, replica: Replica) -> None:
        """Check what is kept at the end, and that the bookkeeping of the keeper is right."""
        records: KeptRecords = replica.records
        known = replica.connection.provenance
        for key, entry in records._entries.items():
            value = entry.kept.value
            if value is None:
                continue
            source = known.get(id(value))
            self.require(source is not None and source.value is value, "something is kept that no source returned", key)
            assert source is not None
            forwards = key.credential.startswith("forwarded:")
            self.require(
                forwards == (source.credential != CONFIGURED), "a record is kept for another credential", key, source
            )
            self.require(
                entry.kept.read_at <= source.executed_at + self._upstream.longest,
                "a record counts as younger than it is",
                key,
                source,
            )
            if not isinstance(value, Window) and key.ref.kind == "User":
                has = frozenset({"department"}) if value.department is not None else frozenset[str]()
                self.require(entry.kept.needs <= has, "a record is kept with needs that it lacks", key)
            self.require(replica.mode is not KeepMode.OFF or key.ref.kind != "User", "users are kept in mode off")
        tagged = {key for keys in records._tagged.values() for key in keys}
        self.require(tagged == set(records._entries), "the tags of the keeper do not match its entries")
        self.require(records.size == sum(entry.size for entry in records._entries.values()), "the size is wrong")

    def require(self, holds: Any, rule: str, *details: Any) -> None:
        """Fail if a rule does not hold."""
        if not holds:
            raise ViolationError(f"{rule}: {' '.join(str(detail) for detail in details)}")

    def failed(self, error: BaseException) -> None:
        """Note that an operation failed a check."""
        self._scheduler.note("VIOLATION", repr(error))
        self._failure = self._failure or error

    def raise_failure(self) -> None:
        """Raise the first failure of an operation."""
        if self._failure is not None:
            raise self._failure

    def _check_value(
        self, reading: Reading, history: History, answer: Answered, record: ReadRecord, known: set[int]
    ) -> None:
        """Check that the answer was right at an instant after all known changes, and after what a poll must report."""
        first = 0 if reading.kind == "role" else history.first_valid(reading.question, known)
        index = history.latest_with(reading.question, answer.shown)
        self.require(index is not None, "the source never was like that", answer.shown)
        assert index is not None
        self.require(
            index >= first, f"the answer is older than change {first}, which was known", answer.shown, record.calls
        )

    def _check_record(self, reading: Reading, value: Any, record: ReadRecord, report: FreshnessReport) -> None:
        source = reading.replica.connection.provenance.get(id(value))
        self.require(source is not None and source.value is value, "no source returned this record", value)
        assert source is not None
        self.require(source.credential == reading.credential, "another credential returned this record", value)
        if isinstance(value, User):
            self.require(value.company == reading.credential, "this record is of another credential", value)
            has_all = "department" not in reading.needs or value.department is not None
            self.require(has_all or reading.kind != "user", "the record lacks something that was requested", value)
        if any(response is source for response in record.responses):
            return
        if reading.kind == "role" and source.responded_at >= reading.began_at:  # several reads have one call in common
            return
        self.require(
            source.executed_at > reading.refused_at,
            "a record was given to a caller whose credential was refused",
            value,
        )
        self.require(
            reading.replica.mode is KeepMode.ON or reading.kind in {"role", "list"}, "a record was kept", value
        )
        self.require(not reading.wish.no_cache, "a kept record was given to a caller that wants none", value)
        is_stale = bool(report.stale)
        limit = self._lifetime(reading)
        if is_stale:
            self.require(reading.credential == CONFIGURED, "a record of a caller's credential was given stale", value)
            limit += max(reading.wish.max_stale, IF_ERROR if record.faults else 0.0)
            age = report.stale[0].age
            is_right = age >= reading.began_at - source.began_at - _EPSILON
            self.require(is_right or reading.kind == "list", "a stale record is older than its age", age, value)
        limit = min(limit, reading.wish.max_age)
        age_before = reading.began_at - source.began_at
        self.require(age_before <= limit + _EPSILON, f"a record is older than {limit} s: {age_before}", value)

    def _lifetime(self, reading: Reading) -> float:
        if reading.kind == "role":
            return REFERENCE
        if reading.kind in {"page", "list"}:
            return LIST
        is_reported = reading.was_reported or reading.replica.is_reported(self._scheduler.clock.now)
        return KEEP if is_reported and reading.credential == CONFIGURED else SHORT

    def _kept_response(self, reading: Reading) -> Provenance | None:
        """Return the response that a user was read from who is certainly kept: nothing happened that could drop it."""
        replica = reading.replica
        if replica.mode is not KeepMode.ON or reading.wish is not ANY_FRESHNESS or replica.evicts:
            return None
        same = [earlier for earlier in self.readings if _is_same(earlier, reading)]
        read = [earlier for earlier in same if earlier.responses]
        if not read or any(earlier.ended_at < 0 for earlier in same):
            return None
        # A read at the same time, of a page for example, may have put a younger record there that has less.
        for other in self._all:
            is_later = other.ended_at < 0 or (other.responses and other.ended_at >= read[-1].began_at)
            if is_later and other.replica is replica and other is not read[-1] and other is not reading:
                return None
        *others, response = read[-1].responses
        is_kept = (
            not others
            and response.value is not None
            and reading.needs <= response.needs
            and response.sent_at > replica.disturbed_at
            and response.index == self._upstream.history.last
            and reading.credential not in replica.connection.refusals
        )
        return response if is_kept else None


def _is_same(one: Reading, other: Reading) -> bool:
    return (
        one.source_id == other.source_id
        and one.credential == other.credential
        and one.principal is other.principal
        and one.replica is other.replica
    )


def _row(state: Any, source_id: str) -> Any:
    row = state.get(source_id)
    return None if row is None else (row.source_id, row.name, row.email)
