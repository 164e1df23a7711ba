"""Kept records: the independent source, the comparison of answers with its history, the load, and the tables."""

import asyncio
from array import array
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from aiohttp.test_utils import TestClient, TestServer

from benchmarks import history, hits, kept
from benchmarks.history import (
    HistoryConfiguration,
    build,
    configuration_json,
    email_of,
    popularity,
    user_id_of,
    version_of,
)
from benchmarks.operations import Lookups
from benchmarks.pairs import Spent, ratios
from benchmarks.readers import Answers
from benchmarks.tailcall import configuration as tailcall_configuration

USER = {"id": "", "status": "active", "user": {"name": "Ada", "email": ""}, "updated_at": "2026-01-01T00:00:00Z"}
QUIET = HistoryConfiguration([USER], count=50, rate=20, latency=0.0, changes=0.0, lateness=0.0)
USERS = "/v1/identity/account-users"


def with_source(configuration: HistoryConfiguration, scenario: Callable[[TestClient], Awaitable[None]]) -> None:
    """Run a scenario with a client of the source."""

    async def run() -> None:
        async with TestClient(TestServer(build(configuration))) as client:
            await scenario(client)

    asyncio.run(run())


def answers(*given: tuple[float, int, int], known: tuple[tuple[float, int, int], ...] = ()) -> Answers:
    """Return answers with a time, a user and a version each, which were received at the same time."""
    times = array("d", [at for at, _, _ in given])
    return Answers(
        sent_at=times,
        received_at=times,
        users=array("i", [user for _, user, _ in given]),
        versions=array("i", [version for _, _, version in given]),
        known=list(known),
    )


def test_versions() -> None:
    """The address of a user shows its number and its version, in the same length for all."""
    assert version_of(email_of(123, 45)) == (123, 45)
    assert len({len(email_of(n, n * 7)) for n in (0, 9, 10, 9999)}) == 1


def test_a_change_has_its_time_and_an_event() -> None:
    """A change raises the version, is in the history, and is reported by an audit event."""

    async def scenario(client: TestClient) -> None:
        before = await (await client.get(f"{USERS}/{user_id_of(7)}")).json()
        after = await (await client.patch(f"{USERS}/{user_id_of(7)}")).json()
        events = await (await client.get("/v1/core/audit-events?limit=10")).json()
        changed = await (await client.get("/history")).json()
        assert [version_of(user["user"]["email"]) for user in (before, after)] == [(7, 0), (7, 1)]
        assert [event["resource_id"] for event in events["data"]] == [user_id_of(7)]
        assert list(changed["changed_at"]) == ["7"]
        assert changed["counts"] == {"reads": 1, "writes": 1, "polls": 1}

    with_source(QUIET, scenario)


def test_a_late_event() -> None:
    """An event can be read later than its change."""

    async def scenario(client: TestClient) -> None:
        await client.patch(f"{USERS}/{user_id_of(7)}")
        events = await (await client.get("/v1/core/audit-events?limit=10")).json()
        assert events["data"] == []

    with_source(replace(QUIET, lateness=1e9), scenario)


def test_the_limit_of_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """More calls than the source accepts in its window, a second, are refused, and count as refused only."""
    assert history._WINDOW == 1
    monkeypatch.setattr(history, "_WINDOW", 3600.0)  # so that it does not matter how long the calls take

    async def scenario(client: TestClient) -> None:
        statuses = [(await client.get(f"{USERS}/{user_id_of(n)}")).status for n in range(3)]
        counts = (await (await client.get("/history")).json())["counts"]
        assert statuses == [200, 200, 429]
        assert counts == {"reads": 2, "refused": 1}

    with_source(replace(QUIET, rate=2), scenario)


def test_pages_have_each_user_once() -> None:
    """A walk over the pages of the source has every user, once."""

    async def scenario(client: TestClient) -> None:
        found, cursor = [], "0"
        while cursor:
            page = await (await client.get(f"{USERS}?limit=20&cursor={cursor}")).json()
            found += [user["id"] for user in page["data"]]
            cursor = (page["page_info"]["next_page_url"] or "").rpartition("=")[2]
        assert found == [user_id_of(number) for number in range(50)]

    with_source(QUIET, scenario)


def test_the_source_changes_users_by_itself() -> None:
    """The source changes users without a request, the popular ones most."""

    async def scenario(client: TestClient) -> None:
        counts = {}
        while counts.get("changes", 0) < 20:
            await asyncio.sleep(0.01)
            counts = (await (await client.get("/history")).json())["counts"]
        changed_at = (await (await client.get("/history")).json())["changed_at"]
        assert sum(map(len, changed_at.values())) >= 20
        assert "0" in changed_at

    with_source(replace(QUIET, changes=1000.0, exponent=2.0), scenario)


def test_the_configuration_is_json() -> None:
    """The source is configured by a file."""
    assert b'"rate":20' in configuration_json(QUIET)


def test_popularity() -> None:
    """The n-th user is read in proportion to 1/n."""
    weights = popularity(4, 1.0)
    assert weights == pytest.approx([1, 1.5, 1 + 1 / 2 + 1 / 3, 1 + 1 / 2 + 1 / 3 + 1 / 4])


def test_ages() -> None:
    """An answer is as old as the end of the version that it has, before its request was sent."""
    changed_at = {1: [10.0, 20.0]}
    given = answers((9.0, 1, 0), (12.0, 1, 0), (12.0, 1, 1), (25.0, 1, 0), (25.0, 1, 1), (25.0, 1, 2), (99.0, 2, 0))
    assert kept.compare(given, changed_at) == [0, 2, 0, 15, 5, 0, 0]


def test_a_version_that_does_not_exist_yet() -> None:
    """An answer with a version that the source never had at that time is a defect of the measurement."""
    with pytest.raises(ValueError, match="version 2 of user 1"):
        kept.compare(answers((15.0, 1, 2)), {1: [10.0, 20.0]})


def test_changes_that_were_answered() -> None:
    """An answer lacks a change if it is older than one that was answered before its request was sent."""
    given = answers((4.0, 1, 0), (6.0, 1, 0), (6.0, 1, 1), (6.0, 1, 2), (6.0, 2, 0), known=((5.0, 1, 1),))
    assert kept.unseen(given) == 1


def measured(**changes: object) -> kept.Measured:
    base = kept.Measured(
        title="users read as a list",
        seconds=60,
        reads=60_000,
        calls=0.003,
        hits=0.999,
        p50=2,
        p99=9,
        slowest=50,
        rejected=0,
        stale=0,
        refused=0,
        changes=40,
        oldest=6.1,
        p99_age=6,
        bound=9,
        broken=0,
        unseen_changes=0,
        cpu=100,
        resident=120,
        errors={},
        samples={},
        counts={},
    )
    return replace(base, **changes)  # type: ignore[arg-type] - fields by name


@pytest.mark.parametrize(
    ("changes", "missed"),
    [({}, 0), ({"calls": 0.03}, 1), ({"rejected": 1}, 1), ({"broken": 1}, 1), ({"unseen_changes": 2}, 1)],
)
def test_the_targets_of_the_reads(changes: dict[str, object], missed: int) -> None:
    """A target that is missed is marked."""
    text = kept.markdown(kept.KeptOutcome({"cpu": "any"}, [measured(**changes)]))
    assert text.count("**missed**") == missed
    assert "60,000" in text


def test_a_rejected_read_is_no_hit() -> None:
    """Of ten reads, six are rejected and three are calls, so that one is a hit."""
    assert kept.hit_ratio(10, 6, 3) == 0.1
    assert kept.hit_ratio(10, 0, 0) == 1


def test_the_targets_of_the_hits() -> None:
    """A hit is compared with the same without keeping, and with the best peer in JavaScript."""
    spent = {hits.KEEPING_NOTHING: 100, hits.KEEPING: 50, "mercurius": 60, "apollo": 40, "tailcall": 10}
    by_server = ratios({name: [Spent(cpu * 1e-6, 1)] * 2 for name, cpu in spent.items()}, hits.KEEPING_NOTHING)
    outcome = hits.HitsOutcome({}, 2, 0.1, titles={name: name.title() for name in spent})
    outcome.results["user(id)"], outcome.calls["user(id)"] = by_server, dict.fromkeys(spent, 0.0)
    text = hits.markdown(outcome)
    assert "| user(id): a hit at most 0.6 of the cost without keeping, lean HTTP | 0.50 | met |" in text
    assert "| 1.25 of Apollo | **missed** |" in text


def test_tailcall_keeps_on_request() -> None:
    """The configuration of Tailcall has its cache only where it is to keep results."""
    plain, keeping = (tailcall_configuration(1, "http://127.0.0.1:2", Lookups.BEST, keep) for keep in (0, 600))
    assert "@CACHE@" not in plain + keeping
    assert "@cache" not in plain
    assert keeping.count("@cache(maxAge: 600000)") == 4
