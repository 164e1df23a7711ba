"""The gate: how many operations are executed and wait at the same time."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api.gate import Gate, Overloaded
from gateway.api.graphql.execution.errors import extensions
from gateway.operation import operation

STEPS = st.lists(
    st.tuples(st.sampled_from(["arrive", "arrive", "arrive", "leave", "cancel"]), st.integers(0, 9)), max_size=40
)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@dataclass
class Caller:
    """One execution, which ends when `ends` is set."""

    gate: Gate
    entered: list["Caller"]
    name: str = ""
    ends: asyncio.Event = field(default_factory=asyncio.Event)
    refused: Overloaded | None = None

    def start(self) -> None:
        self.task = asyncio.create_task(self.run())

    async def run(self) -> None:
        try:
            async with self.gate.slot(self.name):
                self.entered.append(self)
                await self.ends.wait()
        except Overloaded as refused:
            self.refused = refused


@settings(deadline=None)
@given(slots=st.integers(1, 3), queue=st.integers(0, 3), steps=STEPS)
def test_model(slots: int, queue: int, steps: list[tuple[str, int]]) -> None:
    """In any order of arrivals, departures and cancellations all slots are used, in order of arrival."""

    async def run() -> None:
        gate = Gate(slots, queue=queue, max_wait=60)
        entered: list[Caller] = []
        inside: list[Caller] = []
        waiting: list[Caller] = []
        for step, number in steps:
            if step == "arrive":
                caller = Caller(gate, entered)
                caller.start()
                if len(inside) < slots:
                    inside.append(caller)
                elif len(waiting) < queue:
                    waiting.append(caller)
                else:
                    await settle()
                    assert caller.refused is not None
            elif callers := inside + waiting:
                caller = callers[number % len(callers)]
                if step == "leave" and caller in inside:
                    caller.ends.set()
                else:
                    caller.task.cancel()
                (inside if caller in inside else waiting).remove(caller)
                if len(inside) < slots and waiting:
                    inside.append(waiting.pop(0))
            await settle()
            assert (gate.inside, gate.waiting) == (len(inside), len(waiting))
            assert [caller for caller in entered if caller in inside] == inside
        for caller in inside + waiting:
            caller.ends.set()
        await asyncio.gather(*(caller.task for caller in inside + waiting))
        assert (gate.inside, gate.waiting) == (0, 0)

    asyncio.run(run())


async def test_cancelled_when_assigned_a_slot() -> None:
    """An execution that is cancelled at the moment at which it gets a slot passes the slot on."""
    gate = Gate(1, queue=2, max_wait=60)
    entered: list[Caller] = []
    first, second, third = (Caller(gate, entered) for _ in range(3))
    for caller in (first, second, third):
        caller.start()
    await settle()
    first.ends.set()
    await asyncio.sleep(0)  # the slot is assigned, and the second has not run yet
    second.task.cancel()
    await settle()
    assert entered[-1] is third
    third.ends.set()
    await third.task
    with suppress(asyncio.CancelledError):
        await second.task
    assert (gate.inside, gate.waiting) == (0, 0)


async def test_full() -> None:
    """An execution beyond the queue is refused at once, and the refusal states when to retry."""
    seen: list[str] = []
    gate = Gate(1, queue=0, max_wait=3, observe=seen.append)
    async with gate.slot():
        with pytest.raises(Overloaded) as refused:
            async with gate.slot():
                pytest.fail("got a slot")
    assert seen == ["full"]
    assert refused.value.message == "The gateway is overloaded. Retry after 3 s."
    assert extensions(refused.value, "r") == {
        "code": "SOURCE_UNAVAILABLE",
        "retryable": True,
        "retryAfter": 3,
        "requestId": "r",
    }
    async with gate.slot():
        assert gate.inside == 1


async def test_late() -> None:
    """An execution that has waited for the maximum is refused and leaves the queue."""
    seen: list[str] = []
    gate = Gate(1, queue=1, max_wait=0.01, observe=seen.append)
    async with gate.slot():
        with pytest.raises(Overloaded):
            async with gate.slot():
                pytest.fail("got a slot")
        assert gate.waiting == 0
    assert (gate.inside, seen) == (0, ["late"])


async def test_no_time_left() -> None:
    """An execution whose deadline ends before the maximum wait is refused at its deadline and leaves the queue."""
    gate = Gate(1, queue=1, max_wait=60)
    async with gate.slot(), asyncio.timeout(30):
        with operation(timeout=0.01), pytest.raises(Overloaded):
            async with gate.slot():
                pytest.fail("got a slot")
        assert gate.waiting == 0
    assert gate.inside == 0


async def test_waited() -> None:
    """An execution that waited gets a slot, and is counted separately from those that did not wait."""
    seen: list[str] = []
    gate = Gate(1, queue=1, max_wait=60, observe=seen.append)
    entered: list[Caller] = []
    callers = [Caller(gate, entered) for _ in range(2)]
    for caller in callers:
        caller.start()
    await settle()
    for caller in callers:
        caller.ends.set()
    await asyncio.gather(*(caller.task for caller in callers))
    assert (entered, seen) == (callers, ["waited"])


async def test_failure_inside() -> None:
    """An execution that fails releases its slot."""
    gate = Gate(1, queue=0, max_wait=1)
    with pytest.raises(ZeroDivisionError):
        async with gate.slot():
            1 / 0  # noqa: B018 - it fails
    assert gate.inside == 0


@settings(deadline=None)
@given(slots=st.integers(1, 4), queue=st.integers(0, 6), share=st.floats(0.1, 1), steps=STEPS, data=st.data())
def test_shares(slots: int, queue: int, share: float, steps: list[tuple[str, int]], data: st.DataObject) -> None:
    """No caller exceeds its share, no slot is free while a caller below its share waits, each caller is in order."""

    async def run() -> None:
        gate = Gate(slots, queue=queue, max_wait=60, share=share)
        entered: list[Caller] = []
        callers: list[Caller] = []  # that were neither refused nor have ended, in order of arrival
        for step, number in steps:
            if step == "arrive":
                callers.append(Caller(gate, entered, name=data.draw(st.sampled_from("abc"))))
                callers[-1].start()
                await settle()
                if callers[-1].refused is not None:
                    refused = callers.pop()
                    waiting = [caller.name for caller in callers if caller not in entered]
                    assert len(waiting) == queue or waiting.count(refused.name) >= int(queue * share)
            elif callers:
                caller = callers.pop(number % len(callers))
                if step == "leave" and caller in entered:
                    caller.ends.set()
                else:
                    caller.task.cancel()
                await settle()
            inside = [caller for caller in callers if caller in entered]
            waiting = [caller for caller in callers if caller not in entered]
            assert (gate.inside, gate.waiting) == (len(inside), len(waiting))
            assert gate.inside <= slots
            names = [caller.name for caller in inside]
            most = max(1, int(slots * share))
            assert all(names.count(name) <= most for name in names)
            assert gate.inside == slots or all(names.count(caller.name) == most for caller in waiting)
            for name in "abc":
                arrived = [caller for caller in callers if caller.name == name]
                assert [caller in entered for caller in arrived] == sorted(
                    (caller in entered for caller in arrived), reverse=True
                )
        for caller in callers:
            caller.ends.set()
        await asyncio.gather(*(caller.task for caller in callers))
        assert (gate.inside, gate.waiting) == (0, 0)

    asyncio.run(run())


async def test_one_caller_leaves_room() -> None:
    """A caller with more operations than the gate has slots delays nobody else, and fills half of the queue at most."""
    gate = Gate(4, queue=4, max_wait=60, share=0.5)
    entered: list[Caller] = []
    greedy = [Caller(gate, entered, "greedy") for _ in range(20)]
    for caller in greedy:
        caller.start()
    await settle()
    assert (gate.inside, gate.waiting) == (2, 2)
    assert sum(caller.refused is not None for caller in greedy) == 16
    other = Caller(gate, entered, "other")
    other.start()
    await settle()
    assert entered[-1] is other
    for caller in (*greedy, other):
        caller.ends.set()
    await asyncio.gather(*(caller.task for caller in (*greedy, other)))


async def test_callers_get_slots_round_robin() -> None:
    """A caller whose first operation waits gets the next but one slot, however many another caller has in the queue."""
    gate = Gate(2, queue=10, max_wait=60)
    entered: list[Caller] = []
    greedy = [Caller(gate, entered, "greedy") for _ in range(6)]
    other = Caller(gate, entered, "other")
    for caller in (*greedy, other):
        caller.start()
    await settle()
    for caller in greedy[:2]:
        caller.ends.set()
    await settle()
    assert entered == [*greedy[:3], other]
    for caller in (*greedy, other):
        caller.ends.set()
    await asyncio.gather(*(caller.task for caller in (*greedy, other)))


async def test_callers_that_are_not_distinguished() -> None:
    """Operations without a caller's name may use all slots and the whole queue."""
    gate = Gate(4, queue=4, max_wait=60, share=0.5)
    entered: list[Caller] = []
    callers = [Caller(gate, entered) for _ in range(8)]
    for caller in callers:
        caller.start()
    await settle()
    assert (gate.inside, gate.waiting) == (4, 4)
    for caller in callers:
        caller.ends.set()
    await asyncio.gather(*(caller.task for caller in callers))
