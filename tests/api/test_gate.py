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
    ends: asyncio.Event = field(default_factory=asyncio.Event)
    refused: Overloaded | None = None

    def start(self) -> None:
        self.task = asyncio.create_task(self.run())

    async def run(self) -> None:
        try:
            async with self.gate:
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
    async with gate:
        with pytest.raises(Overloaded) as refused:
            async with gate:
                pytest.fail("got a slot")
    assert seen == ["full"]
    assert refused.value.message == "The gateway is overloaded. Retry after 3 s."
    assert extensions(refused.value, "r") == {
        "code": "SOURCE_UNAVAILABLE",
        "retryable": True,
        "retryAfter": 3,
        "requestId": "r",
    }
    async with gate:
        assert gate.inside == 1


async def test_late() -> None:
    """An execution that has waited for the maximum is refused and leaves the queue."""
    seen: list[str] = []
    gate = Gate(1, queue=1, max_wait=0.01, observe=seen.append)
    async with gate:
        with pytest.raises(Overloaded):
            async with gate:
                pytest.fail("got a slot")
        assert gate.waiting == 0
    assert (gate.inside, seen) == (0, ["late"])


async def test_no_time_left() -> None:
    """An execution whose deadline ends before the maximum wait is refused at its deadline and leaves the queue."""
    gate = Gate(1, queue=1, max_wait=60)
    async with gate, asyncio.timeout(30):
        with operation(timeout=0.01), pytest.raises(Overloaded):
            async with gate:
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
        async with gate:
            1 / 0  # noqa: B018 - it fails
    assert gate.inside == 0
