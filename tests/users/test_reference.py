import asyncio
from typing import Any

import pytest

from gateway.errors import SourceInvalidResponse, SourceUnavailable
from gateway.freshness import Freshness, FreshnessReport, current_freshness
from gateway.principal import ANYONE, Principal
from gateway.users.ids import Kind, Ref
from gateway.users.kept.lifetimes import Lifetimes
from gateway.users.kept.records import KeptRecords
from gateway.users.model import Role, UserSource
from gateway.users.reference import ReferenceData
from gateway.users.source import Sources

NEEDS = frozenset({"permissions"})


def role(number: int) -> Ref:
    return Ref(Kind.ROLE, UserSource.ACCOUNT, f"r{number}")


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reference(make_source: Any, roles: Any, clock: Clock) -> ReferenceData:
    """Reference data that is cached for thirty seconds."""
    account = make_source(UserSource.ACCOUNT, directories={Kind.ROLE: roles})
    return ReferenceData(Sources([account]), KeptRecords(clock=clock), Lifetimes(reference=30))


async def test_cached_until_it_expires(reference: ReferenceData, roles: Any, clock: Clock) -> None:
    """A record is fetched again only after its time in the cache."""
    for now, calls in ((0, 1), (29, 1), (30, 2)):
        clock.now = now
        assert (await reference.look_up([role(1)], NEEDS))[role(1)].source_id == "r1"
        assert len(roles.calls) == calls


@pytest.mark.parametrize(
    ("control", "now", "more", "forward"),
    [
        ("", 31, set(), "stale"),
        ("max-age=5", 10, set(), "request"),
        ("no-cache", 0, set(), "request"),
        ("", 0, {"owner"}, "partial"),
    ],
)
async def test_why_a_source_is_called(
    reference: ReferenceData, clock: Clock, *, control: str, now: float, more: set[str], forward: str
) -> None:
    """The reason for a call for a record that is kept is that it was not accepted, not that it was not kept."""
    await reference.look_up([role(1)], NEEDS)
    clock.now = now
    report = FreshnessReport(Freshness.parse(control))
    token = current_freshness.set(report)
    try:
        await reference.look_up([role(1)], NEEDS | more)
    finally:
        current_freshness.reset(token)
    assert report.cache_status == f"usergateway; fwd={forward}; stored"


async def test_a_missing_record_is_cached(reference: ReferenceData, roles: Any) -> None:
    """The fact that a source has no such record is cached like a record."""
    for _ in range(2):
        assert await reference.look_up([role(9)], NEEDS) == {role(9): None}
    assert len(roles.calls) == 1


async def test_a_kind_that_the_source_lacks(reference: ReferenceData, roles: Any) -> None:
    """Records of a kind that their source does not have are not kept: they cost no call, and would displace others."""
    made_up = [Ref(Kind.BRANDING, UserSource.ACCOUNT, f"b{number}") for number in range(10)]
    await reference.look_up([role(1)], NEEDS)
    assert await reference.look_up(made_up, NEEDS) == dict.fromkeys(made_up)
    found = [reference.fresh(ref.kind, NEEDS, ANYONE).find(ref) for ref in (made_up[0], role(1))]
    assert [bool(each) for each in found] == [False, True]


async def test_not_shared_between_principals_nor_with_more_needs(reference: ReferenceData, roles: Any) -> None:
    """Principals with forwarded credentials, and lookups with more needs, use separate calls and kept records."""
    ada, grace = (Principal(name, forwarded={UserSource.ACCOUNT: {"Authorization": name}}) for name in ("ada", "grace"))
    await reference.look_up([role(1)], NEEDS, ada)
    await reference.look_up([role(1)], NEEDS, grace)
    await reference.look_up([role(1)], NEEDS | {"owner"}, ada)
    await reference.look_up([role(1)], NEEDS)
    assert len(roles.calls) == 4
    await reference.look_up([role(1)], frozenset(), ada)
    for principal in (ada, grace, ANYONE):
        await reference.look_up([role(1)], NEEDS, principal)
    assert len(roles.calls) == 4


async def test_shared_without_forwarded_credentials(reference: ReferenceData, roles: Any) -> None:
    """Callers for whom the source is called with the same credential share a call."""
    for name in ("ada", "grace"):
        await reference.look_up([role(1)], NEEDS, Principal(name))
    assert len(roles.calls) == 1


async def test_waiting_operations_share_a_call(reference: ReferenceData, roles: Any) -> None:
    """A hundred operations that look up the same record at once make one call."""
    found = await asyncio.gather(*(reference.look_up([role(1)], NEEDS) for _ in range(100)))
    assert {records[role(1)].source_id for records in found} == {"r1"}
    assert len(roles.calls) == 1


async def test_the_next_batch(reference: ReferenceData, roles: Any) -> None:
    """Lookups of different records that arrive while one is under way are one call for a page after it."""
    roles.gate = asyncio.Event()
    lookups = [asyncio.ensure_future(reference.look_up([role(5)], NEEDS))]
    await roles.requested.wait()
    lookups += [asyncio.ensure_future(reference.look_up([role(number)], NEEDS)) for number in (1, 2)]
    await asyncio.sleep(0)
    roles.gate.set()
    await asyncio.gather(*lookups)
    assert [call[0] for call in roles.calls] == ["fetch", "page"]


async def test_the_rest_of_a_page_is_cached(make_source: Any, roles: Any) -> None:
    """What is on the pages that a batch reads needs no call when it is looked up later."""
    reference = ReferenceData(
        Sources([make_source(UserSource.ACCOUNT, directories={Kind.ROLE: roles})]), lifetimes=Lifetimes(reference=30)
    )
    await reference.look_up([role(1), role(3)], NEEDS)
    found = await reference.look_up([role(2)], NEEDS)
    assert found[role(2)].source_id == "r2"
    await reference.look_up([role(4)], NEEDS)
    assert [call[0] for call in roles.calls] == ["page", "fetch", "fetch"]


async def test_the_rest_of_a_page_does_not_displace_what_was_requested(reference: ReferenceData, roles: Any) -> None:
    """If the cache is full, the requested records are in it, and not those that happened to be on their pages."""
    for _ in range(2):
        await reference.look_up([role(2), role(4), role(5)], NEEDS)
    assert [call[0] for call in roles.calls] == ["page", "page", "fetch"]


async def test_an_error_is_not_cached(reference: ReferenceData, roles: Any) -> None:
    """A failed lookup fails for all that waited for it, and the next one calls again."""
    roles.failing = {"r1": (down := SourceUnavailable("down"))}
    found = await asyncio.gather(*(reference.look_up([role(1)], NEEDS) for _ in range(2)))
    assert [records[role(1)] for records in found] == [down, down]
    roles.failing = {}
    assert (await reference.look_up([role(1)], NEEDS))[role(1)].source_id == "r1"


async def test_a_cancelled_caller(reference: ReferenceData) -> None:
    """If one of two waiting callers is cancelled, the other one gets the record."""
    first, second = (asyncio.ensure_future(reference.look_up([role(1)], NEEDS)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second)[role(1)].source_id == "r1"


async def test_bounded(make_source: Any, roles: Any) -> None:
    """The number of cached records is bounded: the least recently used are removed first."""
    account = make_source(UserSource.ACCOUNT, directories={Kind.ROLE: roles})
    reference = ReferenceData(Sources([account]), KeptRecords(max_bytes=3 * 1450), Lifetimes(reference=30))
    for number in (1, 2, 3, 1, 4, 1, 2):
        await reference.look_up([role(number)], NEEDS)
    assert [call[2] for call in roles.calls] == ["r1", "r2", "r3", "r4", "r2"]


async def test_dropped(reference: ReferenceData, roles: Any) -> None:
    """Dropped records are fetched again."""
    await reference.look_up([role(1)], NEEDS)
    reference.drop(UserSource.ACCOUNT, Kind.DEPARTMENT)
    await reference.look_up([role(1)], NEEDS)
    assert len(roles.calls) == 1
    reference.drop(UserSource.ACCOUNT, Kind.ROLE)
    await reference.look_up([role(1)], NEEDS)
    assert len(roles.calls) == 2


async def test_dropped_during_a_lookup(reference: ReferenceData, roles: Any) -> None:
    """A lookup that started before a drop is not cached, and a lookup after the drop does not share its call."""
    roles.gate = asyncio.Event()
    early = asyncio.ensure_future(reference.look_up([role(1)], NEEDS))
    await roles.requested.wait()
    reference.drop(UserSource.ACCOUNT, Kind.ROLE)
    late = asyncio.ensure_future(reference.look_up([role(1)], NEEDS))
    await asyncio.sleep(0)
    roles.gate.set()
    assert await early == await late
    assert len(roles.calls) == 2
    await reference.look_up([role(1)], NEEDS)
    assert len(roles.calls) == 2


async def test_not_cached_without_a_ttl(make_source: Any, roles: Any) -> None:
    """With a TTL of 0 every lookup calls the source."""
    account = make_source(UserSource.ACCOUNT, directories={Kind.ROLE: roles})
    reference = ReferenceData(Sources([account]), lifetimes=Lifetimes(reference=0))
    for _ in range(2):
        await reference.look_up([role(1)], NEEDS)
    assert len(roles.calls) == 2


async def test_a_page_that_refers_to_itself(make_source: Any, roles: Any) -> None:
    """A lookup ends if a source returns the same position again."""
    roles.stuck = True
    account = make_source(UserSource.ACCOUNT, directories={Kind.ROLE: roles})
    found = await ReferenceData(Sources([account])).look_up([role(4), role(5)], NEEDS)
    assert found == {role(4): None, role(5): None}


async def test_another_record(make_source: Any, make_directory: Any) -> None:
    """A response with another record than the one that was requested is an error, and is not cached."""
    roles = make_directory({"r1": Role(UserSource.ACCOUNT, "r2", "Another")})
    reference = ReferenceData(
        Sources([make_source(UserSource.ACCOUNT, directories={Kind.ROLE: roles})]), lifetimes=Lifetimes(reference=30)
    )
    for calls in (1, 2):
        assert isinstance((await reference.look_up([role(1)], NEEDS))[role(1)], SourceInvalidResponse)
        assert len(roles.calls) == calls
