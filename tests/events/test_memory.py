"""The event log in memory: its bounds, and that no event is lost or repeated in any order of steps."""

from events.reading import Reader
from hypothesis import given
from hypothesis import strategies as st

from gateway.events.log import EventLogSettings
from gateway.events.memory import MemoryEventLog
from gateway.users.model import User, UserChange, UserSource

ACCOUNT, SOFTWAREONE, RESELLER = UserSource


def small_log(max_events: int, queue_size: int) -> MemoryEventLog:
    """Return a log that holds few events."""
    return MemoryEventLog(EventLogSettings(max_events=max_events, queue_size=queue_size))


@given(st.integers(1, 6), st.integers(0, 40))
async def test_bounds(max_events: int, published: int) -> None:
    """However many events there are, the log and a queue hold no more than their maximum."""
    log = small_log(max_events, queue_size=4)
    async with log.subscribe() as subscription:
        for number in range(published):
            log.publish(UserChange.UPDATED, User(ACCOUNT, str(number)))
            assert len(log) <= max_events
            assert len(subscription._queue) <= 4
    assert len(log) == min(max_events, published)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.integers(1, 5)),
        st.tuples(st.sampled_from(["read", "leave", "enter"]), st.integers(0, 2)),
    ),
    max_size=60,
)


@given(STEPS, st.integers(1, 30), st.integers(1, 6))
async def test_nothing_is_lost_or_repeated(steps: list[tuple[str, int]], max_events: int, queue_size: int) -> None:
    """Readers that read, leave, overflow and resume in any order get each event once and in order.

    Or they get an error that events were dropped, and subscribe without a token.
    """
    log = small_log(max_events, queue_size)
    readers = [Reader(log, source) for source in (None, ACCOUNT, RESELLER)]
    for number, (step, argument) in enumerate(steps):
        if step == "publish":
            for offset in range(argument):
                source = (ACCOUNT, SOFTWAREONE, RESELLER)[(number + offset) % 3]
                user = User(source, str(number * 10 + offset))
                log.publish(UserChange.UPDATED, user)
                for reader in readers:
                    reader.expect(user)
        else:
            await getattr(readers[argument], step)()
    for reader in readers:
        await reader.enter()
        while reader.expected:
            await reader.read()
        await reader.leave()
