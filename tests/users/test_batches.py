"""Users that many wait for are read by pages, with a source in memory on virtual time that counts its calls."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from sources.http.steps.virtual import clock, run

from gateway.calls import CallKind, CallList, Endpoint, current_calls
from gateway.errors import Forbidden, SourceTimeout, SourceUnavailable
from gateway.freshness import Freshness, FreshnessReport, current_freshness
from gateway.operation import acting_as, current_principal, operation
from gateway.principal import Action, Principal
from gateway.users import batches
from gateway.users.ids import Kind, Ref
from gateway.users.kept.lifetimes import KeepRule, Lifetimes
from gateway.users.kept.records import KeptRecords, KeptResult
from gateway.users.model import User, UserChange, UserSource
from gateway.users.reading import CatchUp, KeepMode, UserReader
from gateway.users.source import Sources, UserQuery, Window

ACCOUNT = UserSource.ACCOUNT
NEEDS = frozenset({"profile"})
ALONE = 10  # users that are read by a call each
SECONDS = 1.0  # of a call

Found = User | BaseException | None


class Api:
    """A source of numbered users, with pages of `size`. `calls` are the ids, and the positions of pages."""

    name, tenant, user_template, list_template = ACCOUNT, "", "/users/{id}", "/users"
    constant_needs: frozenset[str] = frozenset()

    def __init__(self, count: int = 300, size: int = 100) -> None:
        self.users = {f"u{number}": f"version {0}" for number in range(count)}
        self.size = size
        self.calls: list[str | int] = []
        self.queries: list[tuple[UserQuery, frozenset[str]]] = []
        self.principals: list[str] = []
        self.page_error: Exception | None = None
        self.rows: frozenset[str] | None = NEEDS

    @property
    def pages(self) -> list[int]:
        return [call for call in self.calls if isinstance(call, int)]

    @property
    def alone(self) -> list[str]:
        return [call for call in self.calls if isinstance(call, str)]

    def row_needs(self, user: User, needs: frozenset[str]) -> frozenset[str] | None:  # noqa: ARG002 - it is the same for all
        return None if self.rows is None else needs & self.rows

    async def fetch_user(self, ref: Ref, _: frozenset[str]) -> User | None:
        self.calls.append(ref.source_id)
        await asyncio.sleep(SECONDS)
        return self._user(ref.source_id) if ref.source_id in self.users else None

    async def page_users(self, query: UserQuery, position: str | None, limit: int, needs: frozenset[str]) -> Window:
        start, size = int(position or 0), min(limit, self.size)
        self.calls.append(start)
        self.queries.append((query, needs))
        self.principals.append(current_principal.get().name)
        rows = tuple(map(self._user, list(self.users)[start : start + size]))  # as it is when the call begins
        recorder = current_calls.get()
        attempt = None if recorder is None else recorder.begin(CallKind.CALL, Endpoint(ACCOUNT, "GET", "/users"))
        status: int | str = "cancelled"
        try:
            await asyncio.sleep(SECONDS)
            status = 200
        finally:
            if attempt is not None:
                attempt.is_written = True
                attempt.on_end(attempt, status, SECONDS)
        if self.page_error is not None:
            raise self.page_error
        return Window(rows, str(start + size) if start + size < len(self.users) else None)

    def _user(self, source_id: str) -> User:
        return User(ACCOUNT, source_id, name=self.users[source_id])


class Reads:
    """A reader of a source, on the virtual time of the running loop."""

    def __init__(
        self, api: Api | None = None, *, mode: KeepMode = KeepMode.ON, catch_up: CatchUp | None = None, **room: int
    ) -> None:
        self.api = api or Api()
        self.records = KeptRecords(clock=clock, **room)
        lifetimes = Lifetimes({ACCOUNT: KeepRule(600, 0)}, is_reported=lambda _: True)
        sources = Sources([self.api])  # type: ignore[list-item]  # it has the methods that are used
        self.users = UserReader(sources, self.records, lifetimes, mode=mode, catch_up=catch_up)

    def read(self, *source_ids: str, needs: frozenset[str] = NEEDS, **wanted: Any) -> "list[asyncio.Task[Found]]":
        """Begin to read users, each in an operation of its own."""
        return [asyncio.ensure_future(self._user(source_id, needs, wanted)) for source_id in source_ids]

    async def _user(self, source_id: str, needs: frozenset[str], wanted: dict[str, Any]) -> Found:
        with operation(freshness=FreshnessReport(Freshness(**wanted))):
            return await self.users.user(Ref(Kind.USER, ACCOUNT, source_id), needs)


def ids(*numbers: int) -> list[str]:
    return [f"u{number}" for number in range(*numbers)]


async def names(tasks: "Sequence[asyncio.Task[Found]]") -> list[Any]:
    """Return the names of the users that were read, or the types of the errors."""
    found = await asyncio.gather(*tasks, return_exceptions=True)
    return [type(each) if isinstance(each, BaseException) else each and each.name for each in found]


async def begin(reads: Reads, *more: str, **options: Any) -> "tuple[list[Any], list[asyncio.Task[Found]]]":
    """Begin to read as many users as are read alone, and then others; return their tasks."""
    few = reads.read(*ids(290, 290 + ALONE))
    await asyncio.sleep(0)
    return few, reads.read(*more, **options)


def test_few() -> None:
    """As many users as a source permits calls at once are one call each, and take as long as one call."""

    async def scenario() -> None:
        reads, started = Reads(), clock()
        assert set(await names(reads.read(*ids(ALONE)))) == {"version 0"}
        assert (sorted(reads.api.alone), reads.api.pages) == (sorted(ids(ALONE)), [])
        assert clock() == started + SECONDS

    run(scenario())


def test_many() -> None:
    """Further ones are read by pages of all users, also those who are removed, as long as somebody waits."""

    async def scenario() -> None:
        reads = Reads()
        few, more = await begin(reads, *ids(150))
        assert set(await names(few + more)) == {"version 0"}
        assert (len(reads.api.alone), reads.api.pages) == (ALONE, [0, 100])
        assert reads.api.queries == [(UserQuery(include_removed=True), NEEDS)] * 2
        assert reads.records.results == {(ACCOUNT, KeptResult.MISS): ALONE + 150}
        assert set(await names(reads.read(*ids(200)))) == {"version 0"}  # those beside them are kept as well
        assert len(reads.api.calls) == ALONE + 2

    run(scenario())


def test_needs() -> None:
    """A page is read with the needs of all who wait. Who needs what no row has reads alone, and later at once."""

    async def scenario() -> None:
        reads = Reads()
        few, more = await begin(reads, *ids(5))
        unmet = reads.read("u5", needs=frozenset({"phone"}))
        await names(few + more + unmet)
        assert reads.api.queries == [(UserQuery(include_removed=True), NEEDS | {"phone"})]
        assert (reads.api.alone[ALONE:], clock()) == (["u5"], 1000 + 2 * SECONDS)
        await names([*reads.read(*ids(250, 250 + ALONE)), *reads.read("u5", "u6", needs=frozenset({"phone"}))])
        assert (reads.api.pages, clock()) == ([0], 1000 + 3 * SECONDS)

    async def of_no_row() -> None:
        reads = Reads()
        reads.api.rows = None
        few, more = await begin(reads, *ids(5))
        assert set(await names(few + more)) == {"version 0"}
        assert (reads.api.pages, len(reads.api.alone)) == ([0], ALONE + 5)
        await names(reads.read(*ids(100, 150)))
        assert (reads.api.pages, len(reads.api.alone)) == ([0], ALONE + 55)

    run(scenario())
    run(of_no_row())


@pytest.mark.parametrize("mistake", ["", "planted"])
def test_a_page_that_began_before(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that came after the call of a page gets no older user than it accepts; a planted mistake is found."""
    if mistake:
        made = batches._Lookup.__init__

        def early(self: Any, *values: Any, **options: Any) -> None:
            made(self, *values, **options)
            self.is_early = True

        monkeypatch.setattr(batches._Lookup, "__init__", early)

    async def scenario() -> None:
        reads = Reads()
        few, more = await begin(reads, *ids(5))
        await asyncio.sleep(SECONDS / 2)
        reads.api.users["u7"] = "version 1"
        later = reads.read("u7", max_age=0.1)
        await names(few + more)
        assert await names(later) == ["version 0" if mistake else "version 1"]
        assert reads.api.alone[ALONE:] == ([] if mistake else ["u7"])

    run(scenario())


def test_a_reader_that_came_later() -> None:
    """A reader that accepts what is kept gets it from a page whose call began earlier, unless a change is known."""

    async def scenario() -> None:
        reads = Reads()
        few, more = await begin(reads, *ids(5))
        await asyncio.sleep(SECONDS / 2)
        reads.api.users["u7"] = "version 1"
        reads.users.kept_users.user_changed(User(ACCOUNT, "u7", name="version 1"), UserChange.UPDATED)
        later = reads.read("u7", "u8")
        await names(few + more)
        assert await names(later) == ["version 1", "version 0"]
        assert (reads.api.alone[ALONE:], reads.api.pages) == (["u7"], [0])
        assert await names(reads.read("u7", "u8")) == ["version 1", "version 0"]
        assert len(reads.api.calls) == ALONE + 2

    run(scenario())


def test_changed_meanwhile() -> None:
    """Who waited before the page gets it as by a call; after a change of several users, it is read again for others."""

    async def scenario() -> None:
        reads = Reads()
        few, more = await begin(reads, *ids(5))
        await asyncio.sleep(SECONDS / 2)
        for source_id in ids(10):
            reads.api.users[source_id] = "version 1"
        reads.users.kept_users.source_changed(ACCOUNT)
        later = reads.read(*ids(10))
        assert set(await names(few + more)) == {"version 0"}
        assert set(await names(later)) == {"version 1"}
        assert (reads.api.pages, reads.api.alone[ALONE:]) == ([0, 0], [])
        assert set(await names(reads.read(*ids(10)))) == {"version 1"}
        assert len(reads.api.calls) == ALONE + 2

    run(scenario())


def test_not_in_the_list() -> None:
    """Who is in no page is read alone, and pages are no more than those who wait."""

    async def scenario() -> None:
        reads = Reads()
        few, more = await begin(reads, "x1", "x2", "u250")
        assert await names(few + more) == ["version 0"] * ALONE + [None, None, "version 0"]
        assert (reads.api.pages, sorted(reads.api.alone[ALONE:])) == ([0, 100, 200], ["x1", "x2"])

    async def of_one() -> None:
        reads = Reads()
        few, more = await begin(reads, "x1")
        assert (await names(few + more))[ALONE:] == [None]
        assert (reads.api.pages, reads.api.alone[ALONE:]) == ([0], ["x1"])

    run(scenario())
    run(of_one())


def test_an_address() -> None:
    """A user who is read by an e-mail address is never waited for: no list has the address as an id."""

    async def scenario() -> None:
        reads = Reads()
        few, more = await begin(reads, "ada@example.com")
        await names(few + more)
        assert (reads.api.pages, reads.api.alone[ALONE:]) == ([], ["ada@example.com"])

    run(scenario())


def test_useless_pages() -> None:
    """Where pages find hardly anybody, they end after some, and are not tried again for some seconds."""

    async def scenario() -> None:
        reads = Reads(Api(count=10_000))
        few, more = await begin(reads, *[f"x{number}" for number in range(40)])
        assert set(await names(few + more)) == {"version 0", None}
        assert (len(reads.api.pages), len(reads.api.alone)) == (11, ALONE + 40)
        await names(reads.read(*[f"y{number}" for number in range(40)]))
        assert len(reads.api.pages) == 11
        await asyncio.sleep(10)
        await names(reads.read(*ids(1500, 1540)))
        assert len(reads.api.pages) == 2 * 11

    run(scenario())


def test_a_source_that_fails() -> None:
    """The error of a page is that of each who waited for it; none of them calls the source again."""

    async def scenario() -> None:
        reads = Reads()
        reads.api.page_error = SourceUnavailable("503")
        few, more = await begin(reads, *ids(40))
        await asyncio.sleep(SECONDS / 2)
        later = reads.read("u50")
        assert await names(few + more) == ["version 0"] * ALONE + [SourceUnavailable] * 40
        reads.api.page_error = None
        assert await names(later) == ["version 0"]
        assert (len(reads.api.alone), reads.api.pages) == (ALONE, [0, 0])

    run(scenario())


def test_a_list_that_fails() -> None:
    """Where only the list is refused, each user is read alone."""

    async def scenario() -> None:
        for error in (Forbidden("no list"), ValueError("unexpected")):
            reads = Reads()
            reads.api.page_error = error
            few, more = await begin(reads, *ids(40))
            assert set(await names(few + more)) == {"version 0"}
            assert (len(reads.api.alone), reads.api.pages) == (ALONE + 40, [0])

    run(scenario())


def test_a_reader_that_leaves() -> None:
    """A reader that leaves does not end the page for others; the last one does."""

    async def scenario() -> None:
        reads = Reads()
        few, (first, *others) = await begin(reads, *ids(5))
        await asyncio.sleep(SECONDS / 2)
        first.cancel()
        assert await names(others) == ["version 0"] * 4
        assert reads.api.pages == [0]
        await names(few)
        few, more = await begin(reads, "u150")
        more += reads.read("u151")
        del few
        await asyncio.sleep(0)
        for task in more:
            task.cancel()
        await asyncio.sleep(0)
        assert await names(reads.read("u152")) == ["version 0"]
        assert set(await names(more)) == {asyncio.CancelledError}

    run(scenario())


def test_deadlines() -> None:
    """Each reader waits as long as its deadline allows; that of the first one does not apply to the others."""

    async def scenario() -> None:
        reads = Reads()
        few, _ = await begin(reads)
        with operation(timeout=SECONDS / 4, clock=clock):
            hasty = asyncio.ensure_future(reads.users.user(Ref(Kind.USER, ACCOUNT, "u0"), NEEDS))
        patient = reads.read("u1")
        started = clock()
        assert await names([hasty]) == [SourceTimeout]
        assert clock() == started + SECONDS / 4
        assert await names(patient + few) == ["version 0"] * (1 + ALONE)
        assert reads.api.pages == [0]

    run(scenario())


def test_who_does_not_wait() -> None:
    """Callers that accept nothing that is kept, changes, reads in the background, and all in shadow mode call alone."""

    async def scenario(reads: Reads, **wanted: Any) -> int:
        few, more = await begin(reads, *ids(5), **wanted)
        assert set(await names(few + more)) == {"version 0"}
        return len(reads.api.pages)

    async def of_a_change(reads: Reads) -> int:
        few, _ = await begin(reads)
        token = current_freshness.set(FreshnessReport.of_change())
        more = [asyncio.ensure_future(reads.users.user(Ref(Kind.USER, ACCOUNT, id_), NEEDS)) for id_ in ids(5)]
        current_freshness.reset(token)
        await names(few + more)
        return len(reads.api.pages)

    assert run(scenario(Reads())) == 1
    assert run(scenario(Reads(), no_cache=True)) == 0
    assert run(scenario(Reads(mode=KeepMode.SHADOW))) == 0
    assert run(scenario(Reads(mode=KeepMode.OFF))) == 0
    assert run(of_a_change(Reads())) == 0


def test_without_the_changes_of_others() -> None:
    """While the event log cannot be read, users are read by pages that begin after their readers, and not earlier."""

    async def scenario() -> None:
        async def catch_up() -> bool:
            return False

        reads = Reads(catch_up=catch_up)
        few, more = await begin(reads, *ids(5))
        await asyncio.sleep(SECONDS / 2)
        for source_id in ids(10):
            reads.api.users[source_id] = "version 1"
        later = reads.read(*ids(10))
        assert set(await names(few + more)) == {"version 0"}
        assert set(await names(later)) == {"version 1"}
        assert (reads.api.pages, reads.api.alone[ALONE:]) == ([0, 0], [])

    run(scenario())


def test_credentials() -> None:
    """Callers with different credentials do not wait for the same pages; those with the configured one do."""

    async def scenario() -> None:
        reads = Reads()
        with acting_as(Principal("bff", frozenset(Action))):
            few, more = await begin(reads, "u0")
        with acting_as(Principal("web", frozenset(Action))):
            more += reads.read("u1")
        forwarded = Principal("eve", frozenset(Action), forwarded={ACCOUNT: {"Authorization": "eve"}})
        with acting_as(forwarded):
            alone = reads.read("u2")
        assert set(await names(few + more + alone)) == {"version 0"}
        assert (reads.api.pages, reads.api.alone[ALONE:], reads.api.principals) == ([0], ["u2"], ["bff"])

    run(scenario())


def test_recorded_calls() -> None:
    """A page is a batched call of the operation that waited first, and shared by the others."""

    async def scenario() -> None:
        reads = Reads()
        few, _ = await begin(reads)
        lists = [CallList(clock, clock()), CallList(clock, clock())]
        more = []
        for calls, source_ids in zip(lists, (ids(2), ids(2, 5)), strict=True):
            with operation(calls=calls):
                more += reads.read(*source_ids)
        current_calls.set(None)
        await names(few + more)
        kinds = [[(record.kind, record.endpoint.template) for record in calls.records] for calls in lists]
        assert kinds == [[(CallKind.BATCHED, "/users")], [(CallKind.SHARED, "/users")]]

    run(scenario())


def test_the_report() -> None:
    """A user of a page counts as one miss that is kept now."""

    async def scenario() -> None:
        reads = Reads()
        few, _ = await begin(reads)
        report = FreshnessReport()
        with operation(freshness=report):
            user = asyncio.ensure_future(reads.users.user(Ref(Kind.USER, ACCOUNT, "u0"), NEEDS))
        await names([*few, user])
        assert (report.hits, report.misses, report.stored) == (0, 1, 1)
        assert reads.records.results == {(ACCOUNT, KeptResult.MISS): ALONE + 1}

    run(scenario())


def test_little_room() -> None:
    """The users who are waited for are kept although there is no room for the others of their page."""

    async def scenario() -> None:
        reads = Reads(Api(count=1000, size=1000), max_bytes=80_000)
        few, more = await begin(reads, *ids(5))
        await names(few + more)
        calls = len(reads.api.calls)
        assert await names(reads.read(*ids(5))) == ["version 0"] * 5
        assert len(reads.api.calls) == calls == ALONE + 1
        assert reads.records.size <= 80_000

    run(scenario())


def test_closed() -> None:
    """A reader that is closed ends its pages, and leaves nothing behind."""

    async def scenario() -> None:
        reads = Reads()
        few, more = await begin(reads, *ids(5))
        await asyncio.sleep(SECONDS / 2)
        await reads.users.aclose()
        assert set(await names(few + more)) == {"version 0"}
        assert (reads.users._batches._batches, len(reads.records)) == ({}, 0)

    run(scenario())
