"""The log in memory: what it holds, and that nothing is lost or repeated whatever is done with it."""

from events.reading import Reader
from hypothesis import given
from hypothesis import strategies as st

from gateway.events.log import EventLogSettings
from gateway.events.memory import MemoryEventLog
from gateway.users.model import User, UserChange, UserSource

ACCOUNT, SOFTWAREONE, RESELLER = UserSource


def small(held: int, queue: int) -> MemoryEventLog:
    """A log that holds little."""
    return MemoryEventLog(EventLogSettings(held=held, queue=queue))


@given(st.integers(1, 6), st.integers(0, 40))
async def test_no_more_is_held(held: int, published: int) -> None:
    """However much happens, the log holds what it may and a queue no more than it may."""
    log = small(held, queue=4)
    async with log.subscribe() as subscription:
        for number in range(published):
            log.publish(UserChange.UPDATED, User(ACCOUNT, str(number)))
            assert len(log) <= held
            assert len(subscription._queue) <= 4
    assert len(log) == min(held, published)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.integers(1, 5)),
        st.tuples(st.sampled_from(["read", "leave", "enter"]), st.integers(0, 2)),
    ),
    max_size=60,
)


@given(STEPS, st.integers(1, 30), st.integers(1, 6))
async def test_nothing_is_lost_or_repeated(steps: list[tuple[str, int]], held: int, queue: int) -> None:
    """Readers that read, leave, are thrown out and resume as they like get every event of theirs once, in order.

    Or are told that a part is gone, and then start anew.
    """
    log = small(held, queue)
    readers = [Reader(log, only) for only in (None, ACCOUNT, RESELLER)]
    for number, (step, which) in enumerate(steps):
        if step == "publish":
            for turn in range(which):
                source = (ACCOUNT, SOFTWAREONE, RESELLER)[(number + turn) % 3]
                user = User(source, str(number * 10 + turn))
                log.publish(UserChange.UPDATED, user)
                for reader in readers:
                    reader.happened(user)
        else:
            await getattr(readers[which], step)()
    for reader in readers:
        await reader.enter()
        while reader.expected:
            await reader.read()
        await reader.leave()
