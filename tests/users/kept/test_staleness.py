import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sources.http.steps.virtual import clock, run

from gateway.calls import CallList, current_calls
from gateway.errors import GatewayError, RateLimited, SourceTimeout, SourceUnavailable
from gateway.events.feeds import ChangeFeeds
from gateway.freshness import Freshness, FreshnessReport, StaleRead, StaleReason, current_freshness
from gateway.operation import current_deadline, current_operation, operation, uses_spare_budget
from gateway.principal import ANYONE
from gateway.users.ids import Kind, Ref
from gateway.users.kept.lifetimes import KeepRule, Lifetimes
from gateway.users.kept.record_keys import RecordKey
from gateway.users.kept.records import KeptRecords, KeptResult
from gateway.users.kept.staleness import BackgroundReads
from gateway.users.model import Department, Role, User, UserChange, UserSource
from gateway.users.reading import KeepMode, UserReader
from gateway.users.reference import ReferenceData
from gateway.users.source import Sources

ACCOUNT = UserSource.ACCOUNT
ADA = Ref(Kind.USER, ACCOUNT, "ada")
NEEDS = frozenset({"profile"})
LIFETIMES = Lifetimes({ACCOUNT: KeepRule(5, 60)}, reference=5)


class Api:
    """A source that has the user Ada and some departments and roles; a call takes `seconds` and raises `error`."""

    name, tenant, list_template, user_template = ACCOUNT, "", "/users", "/users/{id}"
    constant_needs: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.seconds, self.version, self.calls, self.spare = 0.0, 1, 0, 0
        self.error: Exception | None = None
        roles = _Directory(self, lambda id_, name: Role(ACCOUNT, id_, name))
        departments = _Directory(self, lambda id_, name: Department(id_, name=name))
        self.directories = {Kind.DEPARTMENT: departments, Kind.ROLE: roles}

    async def fetch_user(self, ref: Ref, _needs: frozenset[str]) -> User | None:
        await self.call()
        return User(ACCOUNT, ref.source_id, name=f"version {self.version}") if ref == ADA else None

    async def call(self) -> None:
        self.calls += 1
        self.spare += uses_spare_budget.get()
        deadline = current_deadline.get()
        try:
            async with asyncio.timeout(None if deadline is None else deadline.remaining()):
                await asyncio.sleep(self.seconds)
        except TimeoutError:
            raise SourceTimeout("in time") from None
        if self.error is not None:
            raise self.error


class _Directory:
    template = "/records/{id}"

    def __init__(self, api: Api, make: Callable[[str, str], Any]) -> None:
        self._api, self._make = api, make

    async def fetch(self, ref: Ref, _needs: frozenset[str]) -> Any:
        await self._api.call()
        return self._make(ref.source_id, f"version {self._api.version}")

    async def page(self, _tenant: str, _needs: frozenset[str], _after: str | None, **_: Any) -> Any:
        raise NotImplementedError


class Reads:
    """A reader and reference data with one keeper, on the virtual time of the running loop."""

    def __init__(self, lifetimes: Lifetimes = LIFETIMES, **more: Any) -> None:
        self.api = Api()
        sources, self.records = Sources([self.api]), KeptRecords(clock=clock)  # type: ignore[list-item]  # a part of it
        self.background = background = BackgroundReads(**more)
        self.users = UserReader(sources, self.records, lifetimes, mode=KeepMode.ON, background=background)
        self.reference = ReferenceData(sources, self.records, lifetimes, background=background)

    async def user(self, ref: Ref = ADA, **wanted: Any) -> tuple[Any, FreshnessReport]:
        return await _with(lambda: self.users.user(ref, NEEDS), wanted)

    async def record(self, kind: Kind, **wanted: Any) -> tuple[Any, FreshnessReport]:
        ref = Ref(kind, ACCOUNT, "r")

        async def read() -> Any:
            fresh = self.reference.fresh(ref.kind, NEEDS, ANYONE)
            assert fresh is not None
            kept = fresh.find(ref) or self.reference.stale(ref, NEEDS, ANYONE)
            found = kept[0] if kept else (await self.reference.look_up([ref], NEEDS, ANYONE))[ref]
            if isinstance(found, Exception):
                raise found
            return found

        return await _with(read, wanted)


async def _with(read: Callable[[], Any], wanted: Any) -> tuple[Any, FreshnessReport]:
    """Return the name of a record, or the error, and the report of the read."""
    report = FreshnessReport(Freshness(**wanted))
    before = current_freshness.set(report)
    try:
        found = await read()
    except GatewayError as error:
        return error, report
    finally:
        current_freshness.reset(before)
    return getattr(found, "name", None), report


def test_given_while_it_is_read_again() -> None:
    """A caller that accepts a user past its lifetime gets it at once; it is read again, once, with the spare budget."""

    async def scenario() -> None:
        reads = Reads()
        await reads.user()
        reads.api.version, reads.api.seconds = 2, 3.0
        await asyncio.sleep(6)
        started = clock()
        for _ in range(3):
            name, report = await reads.user(max_stale=10)
            assert (name, clock()) == ("version 1", started)
            assert report.stale == [StaleRead(ACCOUNT, ADA, 6.0, StaleReason.REVALIDATING, ADA)]
            assert (report.hits, report.misses, report.ttl) == (1, 0, -1.0)
        await asyncio.sleep(3.1)
        assert (reads.api.calls, reads.api.spare) == (2, 1)
        name, report = await reads.user()
        assert (name, report.stale, reads.api.calls) == ("version 2", [], 2)
        assert report.ttl == pytest.approx(1.9)

    run(scenario())


def test_not_given() -> None:
    """What a caller does not accept past its lifetime is read, before the caller goes on."""

    async def scenario() -> None:
        for wanted in ({}, {"max_stale": 0.5}, {"max_stale": 10, "max_age": 5.5}, {"max_stale": 10, "no_cache": True}):
            reads = Reads()
            await reads.user()
            reads.api.version = 2
            await asyncio.sleep(6)
            name, report = await reads.user(**wanted)
            assert (name, report.stale, reads.api.calls) == ("version 2", [], 2)

    run(scenario())


def test_one_caller_that_accepts_more() -> None:
    """That one caller accepts older users makes those of the others no older, also where its read ends last."""

    async def scenario() -> None:
        reads = Reads()
        await reads.user()
        await asyncio.sleep(6)
        reads.api.seconds = 5.0
        assert (await reads.user(max_stale=100, max_age=100))[0] == "version 1"  # it is read again for 5 seconds
        await asyncio.sleep(1)
        reads.api.version, reads.api.seconds = 2, 1.0
        for wanted in ({}, {"max_age": 1}):
            assert (await reads.user(**wanted))[0] == "version 2"
        reads.api.version = 1  # as the slow response has it
        await asyncio.sleep(3.5)
        assert (await reads.user())[0] == "version 2"

    run(scenario())


def test_never_given() -> None:
    """Neither a role nor the absence of a user is given past its lifetime, whatever the caller accepts."""

    async def scenario() -> None:
        reads = Reads()
        nobody = Ref(Kind.USER, ACCOUNT, "nobody")
        assert (await reads.user(nobody))[0] is None
        await reads.record(Kind.ROLE)
        await asyncio.sleep(6)
        reads.api.error = SourceUnavailable("away")
        assert (await reads.user(nobody, max_stale=100))[0] is reads.api.error
        assert (await reads.record(Kind.ROLE, max_stale=100))[0] is reads.api.error

    run(scenario())


def test_reference_data() -> None:
    """Reference data is given and read again by the same rules, several records in one task."""

    async def scenario() -> None:
        reads = Reads()
        await reads.record(Kind.DEPARTMENT)
        reads.api.version = 2
        await asyncio.sleep(6)
        for _ in range(3):
            name, report = await reads.record(Kind.DEPARTMENT, max_stale=10)
            subject = Ref(Kind.DEPARTMENT, ACCOUNT, "r")
            stale = StaleRead(ACCOUNT, subject, 6.0, StaleReason.REVALIDATING, subject)
            assert (name, report.stale) == ("version 1", [stale])
        await asyncio.sleep(0.1)
        assert (reads.api.calls, reads.api.spare) == (2, 1)
        assert (await reads.record(Kind.DEPARTMENT))[0] == "version 2"
        reads.api.error = RateLimited("no token")
        await asyncio.sleep(6)
        name, report = await reads.record(Kind.DEPARTMENT)
        assert (name, [read.reason for read in report.stale]) == ("version 2", [StaleReason.RATE_LIMITED])
        counts = [
            reads.records.results[ACCOUNT, result] for result in (KeptResult.MISS, KeptResult.HIT, KeptResult.STALE)
        ]
        assert counts == [1, 1, 4]  # each read once, also the one that called the source in vain

    run(scenario())


@pytest.mark.parametrize("kind", [Kind.USER, Kind.DEPARTMENT])
def test_deadline(kind: Kind) -> None:
    """What is given because the source does not respond is there shortly before the deadline of the caller."""

    async def scenario() -> None:
        reads = Reads()
        read = reads.user if kind is Kind.USER else (lambda: reads.record(kind))
        await read()
        await asyncio.sleep(6)
        reads.api.seconds = 60.0
        for timeout, expected in ((10, 9.75), (1, 0.9)):
            started = clock()
            with operation(timeout=timeout, clock=clock):
                name, report = await read()
            assert (name, clock() - started) == ("version 1", pytest.approx(expected))
            assert [stale.reason for stale in report.stale] == [StaleReason.SOURCE_TIMEOUT]
        reads.records.drop()
        started = clock()
        with operation(timeout=10, clock=clock):
            assert isinstance((await read())[0], SourceTimeout)
        assert clock() - started == pytest.approx(10)

    run(scenario())


def test_a_source_that_does_not_report_any_more() -> None:
    """A user whose changes were reported until its source failed is given from that instant on, however old it is."""

    async def scenario() -> None:
        feeds = ChangeFeeds({ACCOUNT: 10.0}, clock)
        reads = Reads(
            Lifetimes(
                {ACCOUNT: KeepRule(600, 60)}, is_reported=feeds.is_reported, known_until=feeds.known_until, reference=5
            )
        )
        feeds.complete(ACCOUNT, clock())
        await reads.user()
        await asyncio.sleep(400)
        feeds.complete(ACCOUNT, clock())
        assert (await reads.user())[1].stale == []
        reads.api.error = SourceUnavailable("away")
        for seconds, given in ((19, True), (2, True), (38, True), (2, False)):
            await asyncio.sleep(seconds)
            assert (await reads.user())[0] == ("version 1" if given else reads.api.error)
        assert reads.api.calls == 4

    run(scenario())


def test_changed_while_the_source_failed() -> None:
    """A user that changes while the read of its source fails is not given."""

    async def scenario() -> None:
        reads = Reads()
        await reads.user()
        await asyncio.sleep(6)
        reads.api.seconds, reads.api.error = 1.0, SourceUnavailable("away")
        reading = asyncio.ensure_future(reads.user())
        await asyncio.sleep(0.5)
        reads.users.kept_users.user_changed(User(ACCOUNT, "ada", name="changed"), UserChange.UPDATED)
        assert (await reading)[0] is reads.api.error

    run(scenario())


def test_few_reads_in_the_background() -> None:
    """Many users past their lifetime are not all read again at once, and no read outlives the reader of users."""

    async def scenario() -> None:
        reads = Reads()
        refs = [Ref(Kind.USER, ACCOUNT, f"u{number}") for number in range(100)]
        for ref in refs:
            read = reads.records.begin(ACCOUNT, Kind.USER)
            reads.records.store(RecordKey("", ref), read, User(ACCOUNT, ref.source_id, name="kept"), NEEDS)
            reads.records.end(read)
        await asyncio.sleep(6)
        reads.api.seconds = 60.0
        calls = CallList()
        before = current_calls.set(calls)
        for ref in refs:
            assert (await reads.user(ref, max_stale=100))[0] == "kept"
        current_calls.reset(before)
        await asyncio.sleep(0.1)
        assert (reads.api.calls, {record.kind for record in calls.records}) == (16, {"kept"})
        others = [reads.background.start(number, UserSource.RESELLER, reads.api.call) for number in range(17)]
        assert others == [True] * 16 + [False], "each source has as many"
        await reads.users.aclose()  # `run` finds the tasks that are left

    run(scenario())


def test_traced() -> None:
    """Each read in the background is traced, by its source, and with nothing of the operation that caused it."""
    traced: list[tuple[str, Any]] = []

    @contextmanager
    def trace(source: str) -> Iterator[None]:
        traced.append((source, current_operation.get()))
        yield

    async def scenario() -> None:
        reads = Reads(trace=trace)
        with operation(timeout=1000, clock=clock):
            await reads.user()
            await reads.record(Kind.DEPARTMENT)
            assert traced == []
            await asyncio.sleep(6)
            await reads.user(max_stale=10)
            await reads.record(Kind.DEPARTMENT, max_stale=10)
            await asyncio.sleep(0.1)
        assert traced == [(ACCOUNT, None)] * 2

    run(scenario())


def test_log(caplog: pytest.LogCaptureFixture) -> None:
    """A read in the background that fails is no error in the log, except where that shows a defect."""
    caplog.set_level(logging.DEBUG, "gateway")

    async def scenario() -> None:
        reads = Reads()
        await reads.user()
        await asyncio.sleep(6)
        for reads.api.error in (SourceUnavailable("away"), RuntimeError("a defect")):
            assert (await reads.user(max_stale=100))[0] == "version 1"
            await asyncio.sleep(0.1)

    run(scenario())
    assert [record.levelname for record in caplog.records if record.name == "gateway.users"] == ["DEBUG", "ERROR"]
