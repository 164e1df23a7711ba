"""The gate of all executions."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api.gate import Gate, Overloaded
from gateway.api.graphql.execution.errors import extensions
from gateway.operation import operation

STEPS = st.lists(st.tuples(st.sampled_from(["come", "come", "come", "go", "cancel"]), st.integers(0, 9)), max_size=40)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@dataclass
class Caller:
    """One execution, which ends when it is told to."""

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
    """In any order of comings, goings and cancellations as many are inside as may be, in their order."""

    async def run() -> None:
        gate = Gate(slots, queue=queue, max_wait=60)
        entered: list[Caller] = []
        inside: list[Caller] = []
        waiting: list[Caller] = []
        for step, number in steps:
            if step == "come":
                caller = Caller(gate, entered)
                caller.start()
                if len(inside) < slots:
                    inside.append(caller)
                elif len(waiting) < queue:
                    waiting.append(caller)
                else:
                    await settle()
                    assert caller.refused is not None
            elif alive := inside + waiting:
                caller = alive[number % len(alive)]
                if step == "go" and caller in inside:
                    caller.ends.set()
                else:
                    caller.task.cancel()
                (inside if caller in inside else waiting).remove(caller)
                if len(inside) < slots and waiting:
                    inside.append(waiting.pop(0))
            await settle()
            assert (gate.inside, gate.waiting) == (len(inside), len(waiting))
            assert [one for one in entered if one in inside] == inside
        for caller in inside + waiting:
            caller.ends.set()
        await asyncio.gather(*(caller.task for caller in inside + waiting))
        assert (gate.inside, gate.waiting) == (0, 0)

    asyncio.run(run())


async def test_cancelled_with_its_turn() -> None:
    """Who is cancelled in the moment in which its turn comes hands the place on."""
    gate = Gate(1, queue=2, max_wait=60)
    entered: list[Caller] = []
    first, second, third = (Caller(gate, entered) for _ in range(3))
    for caller in (first, second, third):
        caller.start()
    await settle()
    first.ends.set()
    await asyncio.sleep(0)  # the turn is given, and not taken yet
    second.task.cancel()
    await settle()
    assert entered[-1] is third
    third.ends.set()
    await third.task
    with suppress(asyncio.CancelledError):
        await second.task
    assert (gate.inside, gate.waiting) == (0, 0)


async def test_full() -> None:
    """Beyond the queue nobody waits, and the refusal says when to come back."""
    seen: list[str] = []
    gate = Gate(1, queue=0, max_wait=3, observe=seen.append)
    async with gate:
        with pytest.raises(Overloaded) as refused:
            async with gate:
                pytest.fail("let in")
    assert seen == ["full"]
    assert extensions(refused.value, "r") == {
        "code": "SOURCE_UNAVAILABLE",
        "retryable": True,
        "retryAfter": 3,
        "requestId": "r",
    }
    async with gate:
        assert gate.inside == 1


async def test_late() -> None:
    """Whoever has waited as long as it may is refused, and its place in the queue is free."""
    seen: list[str] = []
    gate = Gate(1, queue=1, max_wait=0.01, observe=seen.append)
    async with gate:
        with pytest.raises(Overloaded):
            async with gate:
                pytest.fail("let in")
        assert gate.waiting == 0
    assert (gate.inside, seen) == (0, ["late"])


async def test_no_time_left() -> None:
    """Whoever has less time than the gate has patience is refused when it is over, and leaves the queue to others."""
    gate = Gate(1, queue=1, max_wait=60)
    async with gate, asyncio.timeout(30):
        with operation(timeout=0.01), pytest.raises(Overloaded):
            async with gate:
                pytest.fail("let in")
        assert gate.waiting == 0
    assert gate.inside == 0


async def test_waited() -> None:
    """Whoever waited gets in, and is counted apart from those who did not have to."""
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
    """An execution that fails gives its place back like any other."""
    gate = Gate(1, queue=0, max_wait=1)
    with pytest.raises(ZeroDivisionError):
        async with gate:
            1 / 0  # noqa: B018 - it fails
    assert gate.inside == 0
