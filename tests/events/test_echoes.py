"""One change that is reported twice, by the gateway and by its source: with the log in memory and in Redis."""

from typing import Any

import pytest
from events.reading import queued_ids, settled
from msgspec.structs import replace

from gateway.events.deduplication import RecentChanges, deduplication_keys
from gateway.events.log import LogEvent
from gateway.users.model import Organization, Role, Timestamp, User, UserChange, UserSource

CREATED, UPDATED, DELETED = UserChange
RESELLER = UserSource.RESELLER
NOON, LATER = Timestamp("2021-11-22T12:00:00.0000010Z"), Timestamp("2021-11-22T12:00:00.0000020Z")
PICTURE = "https://storage.example/ada"
ADA = User(
    *(RESELLER, "Id-1", "t1"),
    first_name="Ada",
    image_url=f"{PICTURE}?X-Signature=1",
    role=Role.named(RESELLER, "user"),
    updated_at=NOON,
)


@pytest.mark.parametrize("published_first", [True, False])
async def test_an_echo(logs: Any, published_first: bool) -> None:  # noqa: FBT001 - a parameter
    """A published change and the report of it by its source are one event, in either order and on any replica."""
    log = await logs.new()
    other = await logs.replica(log)
    async with log.subscribe() as here, other.subscribe() as there:
        if published_first:
            log.publish(UPDATED, ADA)
            await settled(log)
        assert await other.append(UPDATED, ADA) is not published_first
        if not published_first:
            log.publish(UPDATED, ADA)
        log.publish(UPDATED, replace(ADA, source_id="end"))
        for subscription in (here, there):
            assert [(await anext(subscription)).user.source_id for _ in range(2)] == ["Id-1", "end"]
    await settled(log)
    assert sorted(logs.log_events) == [(LogEvent.PUBLISHED, "reseller")] * 2 + [(LogEvent.REPEATED, "reseller")]


@pytest.mark.parametrize(
    "echo",
    [
        replace(ADA, source_id="iD-1"),
        replace(ADA, last_active_at=LATER),
        replace(ADA, image_url=f"{PICTURE}?X-Signature=2"),
        replace(ADA, created_at=NOON, role=replace(ADA.role, created_at=NOON)),
    ],
)
async def test_differences_of_an_echo(logs: Any, echo: User) -> None:
    """A report is an echo although the case of the id or fields that a source omits or changes by itself differ."""
    log = await logs.new()
    assert await log.append(UPDATED, ADA)
    assert not await log.append(UPDATED, echo)


@pytest.mark.parametrize(
    ("change", "user"),
    [
        (UPDATED, replace(ADA, updated_at=LATER)),
        (UPDATED, replace(ADA, first_name="Eve")),
        (UPDATED, replace(ADA, image_url=f"{PICTURE}2?X-Signature=1")),
        (UPDATED, replace(ADA, source_id="id-2")),
        (UPDATED, replace(ADA, tenant="t2")),
        (UPDATED, replace(ADA, organization=Organization("t1", "o1"))),
        (DELETED, ADA),
        (CREATED, ADA),
    ],
)
async def test_another_change(logs: Any, change: UserChange, user: User) -> None:
    """A report with another time, user, content or kind of change is a new event."""
    log = await logs.new()
    assert await log.append(UPDATED, ADA)
    assert await log.append(change, user)
    assert not await log.append(change, user)


async def test_without_a_time(logs: Any) -> None:
    """Where a source omits the time of a change, it is compared with the latest report about the user only."""
    log = await logs.new()
    undated = [replace(ADA, first_name=name, updated_at=None) for name in ("Ada", "Eve", "Ada")]
    async with log.subscribe() as subscription:
        for user in undated:
            log.publish(UPDATED, user)
        await settled(log)
        assert len(await queued_ids(subscription)) == 3
        assert not await log.append(UPDATED, ADA)  # found by polling
        assert await log.append(UPDATED, replace(ADA, first_name="Eve"))
        assert await log.append(UPDATED, replace(ADA, updated_at=LATER))
        await settled(log)
        assert len(await queued_ids(subscription)) == 2


async def test_one_echo_for_one_change(logs: Any) -> None:
    """After a published change without a time, the first report is its echo; one with another time is a new event."""
    log = await logs.new()
    log.publish(UPDATED, replace(ADA, updated_at=None))
    await settled(log)
    assert not await log.append(UPDATED, ADA)
    assert not await log.append(UPDATED, ADA)
    assert await log.append(UPDATED, replace(ADA, updated_at=LATER))


async def test_published_without_a_time(logs: Any) -> None:
    """Every published change is an event, also one that leaves the user as it was."""
    log = await logs.new()
    undated = replace(ADA, updated_at=None)
    async with log.subscribe() as subscription:
        for _ in range(3):
            log.publish(UPDATED, undated)
        await settled(log)
        assert len(await queued_ids(subscription)) == 3


async def test_by_name(logs: Any) -> None:
    """A report about a user without a time of change is recognised by its name."""
    log = await logs.new()
    undated = replace(ADA, updated_at=None)
    appended = [await log.append(UPDATED, undated, name=name) for name in ("n1", "n2", "n1")]
    assert appended == [True, True, False]


async def test_to_and_fro(logs: Any) -> None:
    """Changes of the gateway from A to B and back to A within one instant are three events; their echoes are none."""
    log = await logs.new()
    states = [ADA, replace(ADA, first_name="Eve"), ADA, ADA]
    async with log.subscribe() as subscription:
        for user in states:
            log.publish(UPDATED, user)
        await settled(log)
        assert [await log.append(UPDATED, user) for user in states] == [False] * 4
        assert [(await anext(subscription)).user.first_name for _ in states] == ["Ada", "Eve", "Ada", "Ada"]
        assert await queued_ids(subscription) == []


async def test_to_and_fro_with_early_echoes(logs: Any) -> None:
    """Where the source reports the changes first, each report of the gateway is matched with one of them."""
    log = await logs.new()
    eve = replace(ADA, first_name="Eve")
    async with log.subscribe() as subscription:
        assert [await log.append(UPDATED, user) for user in (ADA, eve, ADA)] == [True, True, False]
        for user in (ADA, eve, ADA):
            log.publish(UPDATED, user)
        await settled(log)
        assert [(await anext(subscription)).user.first_name for _ in range(3)] == ["Ada", "Eve", "Ada"]
        assert await queued_ids(subscription) == []


@pytest.mark.parametrize("external", [True, False])
async def test_superseded(logs: Any, external: bool) -> None:  # noqa: FBT001 - a parameter
    """A report that is older than the last event of its user is no event; one of the same instant is."""
    log = await logs.new()
    other = await logs.replica(log)
    older, same = replace(ADA, first_name="Old"), replace(ADA, first_name="Same", updated_at=LATER)
    newest = replace(ADA, updated_at=LATER)
    async with log.subscribe() as subscription:
        log.publish(UPDATED, newest)
        await settled(log)
        for user in (older, same, replace(older, source_id="id-2")):
            if external:
                await other.append(UPDATED, user)
            else:
                other.publish(UPDATED, user)
        await settled(other)
        log.publish(UPDATED, replace(ADA, source_id="end"))
        received = [(await anext(subscription)).user for _ in range(4)]
    assert [user.first_name for user in received] == ["Ada", "Same", "Old", "Ada"]
    assert [user.source_id for user in received] == ["Id-1", "Id-1", "id-2", "end"]
    assert logs.log_events.count((LogEvent.SUPERSEDED, "reseller")) == 1


async def test_a_deletion_is_final(logs: Any) -> None:
    """A deletion is an event also with an older time; changes up to the time of the last event then are none."""
    log = await logs.new()
    assert await log.append(UPDATED, replace(ADA, updated_at=LATER))
    assert await log.append(DELETED, ADA)
    assert not await log.append(UPDATED, replace(ADA, first_name="Late", updated_at=LATER))
    restored = Timestamp("2021-11-22T12:00:01Z")
    assert await log.append(UPDATED, replace(ADA, updated_at=restored))


@pytest.mark.parametrize("time", ["2999-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "yesterday"])
async def test_a_time_that_cannot_be_true(logs: Any, time: str) -> None:
    """A report with a time in the future, long ago or without meaning is an event, and supersedes no later ones."""
    log = await logs.new()
    assert await log.append(UPDATED, replace(ADA, first_name="Odd", updated_at=Timestamp(time)))
    assert await log.append(UPDATED, ADA)


async def test_window(logs: Any) -> None:
    """A change is recognised within the window only."""
    log = await logs.new(window=3600.0)
    assert [await log.append(UPDATED, ADA) for _ in range(2)] == [True, False]
    log = await logs.new(window=0.02)
    assert await log.append(UPDATED, ADA)
    while not await log.append(UPDATED, ADA):
        pass


def test_bounded_memory() -> None:
    """No more changes are remembered than the maximum; the oldest is dropped first."""
    changes = RecentChanges(60.0, max_entries=3)
    events = [deduplication_keys(UPDATED, replace(ADA, source_id=str(number))) for number in range(10)]
    assert {changes.add(keys, external=True) for keys in events} == {LogEvent.PUBLISHED}
    assert len(changes) == 3
    again = [changes.add(keys, external=True) for keys in (events[-1], events[0])]
    assert again == [LogEvent.REPEATED, LogEvent.PUBLISHED]
