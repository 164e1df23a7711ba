"""One change that is told twice, by who made it and by its system, in both forms of the log."""

from typing import Any

import pytest
from events.reading import settled, waiting
from msgspec.structs import replace

from gateway.events.deduplication import RecentChanges, deduplication_keys
from gateway.events.log import LogEvent
from gateway.users.model import Organization, Role, Timestamp, User, UserChange, UserSource

CREATED, UPDATED, DELETED = UserChange
RESELLER = UserSource.RESELLER
NOON, LATER = Timestamp("2026-11-22T12:00:00.0000001Z"), Timestamp("2026-11-22T12:00:00.0000002Z")
ADA = User(RESELLER, "Id-1", "t1", first_name="Ada", role=Role.named(RESELLER, "user"), updated_at=NOON)


@pytest.mark.parametrize("own_first", [True, False])
async def test_an_echo(logs: Any, own_first: bool) -> None:  # noqa: FBT001 - a parameter
    """A change through the gateway and its system's news of it are one event, whichever comes first, on any replica."""
    log = await logs.new()
    other = await logs.replica(log)
    async with log.subscribe() as here, other.subscribe() as there:
        if own_first:
            log.publish(UPDATED, ADA)
            await settled(log)
        assert await other.append(UPDATED, ADA) is not own_first
        if not own_first:
            log.publish(UPDATED, ADA)
        log.publish(UPDATED, replace(ADA, source_id="end"))
        for subscription in (here, there):
            assert [(await anext(subscription)).user.source_id for _ in range(2)] == ["Id-1", "end"]
    await settled(log)
    assert sorted(logs.happenings) == [(LogEvent.PUBLISHED, "reseller")] * 2 + [(LogEvent.REPEATED, "reseller")]


@pytest.mark.parametrize(
    "echo",
    [
        replace(ADA, source_id="iD-1"),
        replace(ADA, last_active_at=LATER),
        replace(ADA, created_at=NOON, role=replace(ADA.role, created_at=NOON)),
    ],
)
async def test_what_an_echo_may_add(logs: Any, echo: User) -> None:
    """The other case of an id, and what changes by itself or was left out, make no other change of it."""
    log = await logs.new()
    assert await log.append(UPDATED, ADA)
    assert not await log.append(UPDATED, echo)


@pytest.mark.parametrize(
    ("change", "user"),
    [
        (UPDATED, replace(ADA, updated_at=LATER)),
        (UPDATED, replace(ADA, first_name="Eve")),
        (UPDATED, replace(ADA, source_id="id-2")),
        (UPDATED, replace(ADA, tenant="t2")),
        (UPDATED, replace(ADA, organization=Organization("t1", "o1"))),
        (DELETED, ADA),
        (CREATED, ADA),
    ],
)
async def test_what_is_no_echo(logs: Any, change: UserChange, user: User) -> None:
    """Another time, another user, another content or another kind of change is news."""
    log = await logs.new()
    assert await log.append(UPDATED, ADA)
    assert await log.append(change, user)
    assert not await log.append(change, user)


async def test_without_a_time(logs: Any) -> None:
    """Where a system answers a change without its time, the last thing told of the user decides, not an earlier one."""
    log = await logs.new()
    answered = [replace(ADA, first_name=name, updated_at=None) for name in ("Ada", "Eve", "Ada")]
    async with log.subscribe() as subscription:
        for user in answered:
            log.publish(UPDATED, user)
        await settled(log)
        assert len(await waiting(subscription)) == 3
        assert not await log.append(UPDATED, ADA)  # found by a poll
        assert await log.append(UPDATED, replace(ADA, first_name="Eve"))
        assert await log.append(UPDATED, replace(ADA, updated_at=LATER))
        await settled(log)
        assert len(await waiting(subscription)) == 2


async def test_one_echo_for_one_change(logs: Any) -> None:
    """After a change of ours without a time the first news of it is its echo; the same at another time is news."""
    log = await logs.new()
    log.publish(UPDATED, replace(ADA, updated_at=None))
    await settled(log)
    assert not await log.append(UPDATED, ADA)
    assert not await log.append(UPDATED, ADA)
    assert await log.append(UPDATED, replace(ADA, updated_at=LATER))


async def test_our_own_without_a_time(logs: Any) -> None:
    """Every change of our own is an event, also when it leaves everything as it is."""
    log = await logs.new()
    undated = replace(ADA, updated_at=None)
    async with log.subscribe() as subscription:
        for _ in range(3):
            log.publish(UPDATED, undated)
        await settled(log)
        assert len(await waiting(subscription)) == 3


async def test_by_name(logs: Any) -> None:
    """What was heard of a user without a time of change is known by the name that its teller gives it."""
    log = await logs.new()
    undated = replace(ADA, updated_at=None)
    heard = [await log.append(UPDATED, undated, name=name) for name in ("n1", "n2", "n1")]
    assert heard == [True, True, False]


async def test_after_a_while(logs: Any) -> None:
    """A change is known again within the window only."""
    log = await logs.new(window=0.02)
    assert await log.append(UPDATED, ADA)
    assert not await log.append(UPDATED, ADA)
    while not await log.append(UPDATED, ADA):
        pass


def test_what_is_remembered_is_bounded() -> None:
    """However much is told, no more is remembered than it may be; the oldest goes."""
    told = RecentChanges(60.0, most=3)
    marks = [deduplication_keys(UPDATED, replace(ADA, source_id=str(number))) for number in range(10)]
    assert all(told.is_news(one, heard=True) for one in marks)
    assert len(told) == 3
    assert [told.is_news(one, heard=True) for one in (marks[-1], marks[0])] == [False, True]
