import asyncio
from typing import Any

import pytest

from gateway.errors import SourceUnavailable
from gateway.operation import ANYONE, Principal
from gateway.users.ids import Kind, Ref
from gateway.users.model import UserSource
from gateway.users.reference import ReferenceData
from gateway.users.source import Sources

NEEDS = frozenset({"permissions"})


def role(number: int) -> Ref:
    return Ref(Kind.ROLE, UserSource.ACCOUNT, f"r{number}")


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reference(system: Any, roles: Any, clock: Clock) -> ReferenceData:
    """Roles that may be reused for thirty seconds, three at the most."""
    account = system(UserSource.ACCOUNT, directories={Kind.ROLE: roles})
    return ReferenceData(Sources([account]), ttl=30, most=3, clock=clock)


async def test_reused_until_it_is_too_old(reference: ReferenceData, roles: Any, clock: Clock) -> None:
    """A record is asked for again only when its time is over."""
    for now, calls in ((0, 1), (29, 1), (30, 2)):
        clock.now = now
        assert (await reference.look_up([role(1)], NEEDS))[role(1)].source_id == "r1"
        assert len(roles.calls) == calls


async def test_nothing_there_is_remembered_too(reference: ReferenceData, roles: Any) -> None:
    """That a source has no such record is worth remembering as much as a record is."""
    for _ in range(2):
        assert await reference.look_up([role(9)], NEEDS) == {role(9): None}
    assert len(roles.calls) == 1


async def test_not_shared_between_principals_nor_needs(reference: ReferenceData, roles: Any) -> None:
    """Who forwards a credential of its own, and who has other needs, gets a call of their own."""
    ada, grace = (Principal(name, forwarded={UserSource.ACCOUNT: {"Authorization": name}}) for name in ("ada", "grace"))
    await reference.look_up([role(1)], NEEDS, ada)
    await reference.look_up([role(1)], NEEDS, grace)
    await reference.look_up([role(1)], frozenset(), ada)
    await reference.look_up([role(1)], NEEDS)
    assert len(roles.calls) == 4
    for principal in (grace, ANYONE):
        await reference.look_up([role(1)], NEEDS, principal)
    assert len(roles.calls) == 4


async def test_shared_by_those_who_forward_nothing(reference: ReferenceData, roles: Any) -> None:
    """Callers for whom the source is called with one and the same credential share a call."""
    for name in ("ada", "grace"):
        await reference.look_up([role(1)], NEEDS, Principal(name))
    assert len(roles.calls) == 1


async def test_whoever_waits_shares_the_call(reference: ReferenceData, roles: Any) -> None:
    """A hundred operations that want the same record at once cost one call."""
    found = await asyncio.gather(*(reference.look_up([role(1)], NEEDS) for _ in range(100)))
    assert {one[role(1)].source_id for one in found} == {"r1"}
    assert len(roles.calls) == 1


async def test_what_comes_in_meanwhile_goes_together_next(reference: ReferenceData, roles: Any) -> None:
    """Lookups of different records that come in while one is under way are one list call after it."""
    roles.gate = asyncio.Event()
    asked = [asyncio.ensure_future(reference.look_up([role(5)], NEEDS))]
    await roles.asked.wait()
    asked += [asyncio.ensure_future(reference.look_up([role(number)], NEEDS)) for number in (1, 2)]
    await asyncio.sleep(0)
    roles.gate.set()
    await asyncio.gather(*asked)
    assert [call[0] for call in roles.calls] == ["fetch", "page"]


async def test_an_error_is_not_kept(reference: ReferenceData, roles: Any) -> None:
    """A failed lookup is everybody's who waited for it, and the next one asks again."""
    roles.failing = {"r1": (down := SourceUnavailable("down"))}
    found = await asyncio.gather(*(reference.look_up([role(1)], NEEDS) for _ in range(2)))
    assert [one[role(1)] for one in found] == [down, down]
    roles.failing = {}
    assert (await reference.look_up([role(1)], NEEDS))[role(1)].source_id == "r1"


async def test_a_caller_that_goes_away_takes_nothing_from_the_others(reference: ReferenceData) -> None:
    """One of two waiters that is cancelled leaves the other its answer."""
    first, second = (asyncio.ensure_future(reference.look_up([role(1)], NEEDS)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second)[role(1)].source_id == "r1"


async def test_bounded(reference: ReferenceData, roles: Any) -> None:
    """No more records are kept than allowed: the least recently used go first."""
    for number in (1, 2, 3, 1, 4, 1, 2):
        await reference.look_up([role(number)], NEEDS)
    assert [call[2] for call in roles.calls] == ["r1", "r2", "r3", "r4", "r2"]


async def test_dropped(reference: ReferenceData, roles: Any) -> None:
    """What a change may have altered is asked for again."""
    await reference.look_up([role(1)], NEEDS)
    reference.drop(UserSource.ACCOUNT, Kind.DEPARTMENT)
    await reference.look_up([role(1)], NEEDS)
    assert len(roles.calls) == 1
    reference.drop(UserSource.ACCOUNT, Kind.ROLE)
    await reference.look_up([role(1)], NEEDS)
    assert len(roles.calls) == 2


async def test_dropped_while_it_is_looked_up(reference: ReferenceData, roles: Any) -> None:
    """What was asked for before a change is answered, not kept; who asks after it shares no call from before."""
    roles.gate = asyncio.Event()
    early = asyncio.ensure_future(reference.look_up([role(1)], NEEDS))
    await roles.asked.wait()
    reference.drop(UserSource.ACCOUNT, Kind.ROLE)
    late = asyncio.ensure_future(reference.look_up([role(1)], NEEDS))
    await asyncio.sleep(0)
    roles.gate.set()
    assert await early == await late
    assert len(roles.calls) == 2
    await reference.look_up([role(1)], NEEDS)
    assert len(roles.calls) == 2


async def test_never_reused_where_the_ttl_is_nought(system: Any, roles: Any) -> None:
    """With a TTL of 0 every lookup asks the source."""
    account = system(UserSource.ACCOUNT, directories={Kind.ROLE: roles})
    reference = ReferenceData(Sources([account]), ttl=0)
    for _ in range(2):
        await reference.look_up([role(1)], NEEDS)
    assert len(roles.calls) == 2


async def test_a_page_that_leads_to_itself_ends_the_lookup(system: Any, roles: Any) -> None:
    """A source that gives the same position again and again is not followed for ever."""
    roles.stuck = True
    account = system(UserSource.ACCOUNT, directories={Kind.ROLE: roles})
    found = await ReferenceData(Sources([account])).look_up([role(4), role(5)], NEEDS)
    assert found == {role(4): None, role(5): None}
