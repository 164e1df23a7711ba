"""A virtual clock, and a scheduler that decides which step of a call or of the event log goes on next.

Nothing here waits for real time: the clock of the event loop is the virtual one, which only the scheduler moves on. An
interleaving is therefore the same each time that it is run with the same seed.
"""

import asyncio
import selectors
from collections.abc import Sequence
from random import Random
from typing import Any

__all__ = ["Scheduler", "VirtualClock", "VirtualLoop", "no_fault"]

_TICK = 0.001  # seconds between two steps, so that no two of them are at the same instant
_EPOCH = 1_780_000_000.0

no_fault = ""


class VirtualClock:
    """A `gateway.kit.clock.Clock` that stands still until a test moves it on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def time(self) -> float:
        return _EPOCH + self.now

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float, /) -> None:
        await asyncio.sleep(seconds)


class _IdleSelector(selectors.SelectSelector):
    """A selector for a loop without input and output: it never waits."""

    def select(self, timeout: float | None = None) -> list[Any]:  # noqa: ARG002 - the interface of a selector
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose timers run on a virtual clock."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        super().__init__(_IdleSelector())

    def time(self) -> float:
        return self.clock.now


class _Step:
    __slots__ = ("faults", "future", "label")

    def __init__(self, label: Any, faults: Sequence[str]) -> None:
        self.label = label
        self.faults = faults
        self.future: asyncio.Future[str] = asyncio.get_running_loop().create_future()


class Scheduler:
    """Holds the steps that could go on, and lets one go on after the other.

    `fault_ratio` is how many of the steps that can fail do so. `trace` gets a line for everything that happens, if it
    is a list.
    """

    def __init__(self, random: Random, clock: VirtualClock, *, trace: list[str] | None = None) -> None:
        self.random = random
        self.clock = clock
        self.fault_ratio = 0.0
        self.trace = trace
        self.external = 0  # calls of a real server under way, which the scheduler waits for
        self._steps: list[_Step] = []

    def __len__(self) -> int:
        return len(self._steps)

    async def step(self, label: Any, *faults: str) -> str:
        """Wait until the scheduler lets this step go on; return the fault that it is to have, or no_fault."""
        step = _Step(label, faults)
        self._steps.append(step)
        try:
            return await step.future
        finally:
            if step in self._steps:  # cancelled
                self._steps.remove(step)

    def note(self, *parts: Any) -> None:
        """Add a line to the trace."""
        if self.trace is not None:
            self.trace.append(f"{self.clock.now:9.3f}  " + " ".join(str(part) for part in parts))

    def advance(self, seconds: float) -> None:
        """Move the clock on."""
        self.clock.now += seconds

    def resolve(self) -> None:
        """Let one of the waiting steps go on, more often one that has waited long."""
        random = self.random
        index = min(random.randrange(len(self._steps)), random.randrange(len(self._steps)))
        step = self._steps.pop(index)
        fault = no_fault
        if step.faults and self.fault_ratio and random.random() < self.fault_ratio:
            fault = random.choice(step.faults)
        self.note("step", step.label, fault)
        if not step.future.done():
            step.future.set_result(fault)

    async def settle(self) -> None:
        """Run all callbacks that can run without another step."""
        self.clock.now += _TICK
        ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]  # the loop has no public name for it
        await asyncio.sleep(0)
        while ready or self.external:  # noqa: ASYNC110 - an event would be one more callback that could run
            await asyncio.sleep(0)
