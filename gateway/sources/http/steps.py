"""The steps of a source's pipeline and their order: the one place that knows it.

Outermost first, each with the reason why it is outside of the next:

1. `Forwarding`       before all that shares or counts by credential: it puts in the caller's own.
2. `WithinDeadline`   before sharing: each caller of a shared call keeps its own time.
3. `SingleFlight`     before retrying: those who share a call share its retries, and spend one budget.
4. `Retry`            before the circuit: every try is counted, and an open circuit ends the tries.
5. `Circuit`          before pacing: a call that will be refused neither queues nor takes a token.
                      What pacing itself refuses says nothing about the source and is not counted.
6. `Pacing`           before the hand-over: a call in the queue has not been sent.
7. `Handover`         before hedging: a pair is one attempt.
8. `Hedging`          next to the wire: it measures the source, not our own queue. Its second call is
                      no retry and passes no queue, so it asks the budget and the bucket itself.

What a step refuses on its own is final for the steps around it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.sources.http.bucket import Rate
from gateway.sources.http.circuit import Circuit, CircuitSettings
from gateway.sources.http.deadline import WithinDeadline
from gateway.sources.http.exchange import Request, Step
from gateway.sources.http.forwarding import Forwarding
from gateway.sources.http.handover import Handover
from gateway.sources.http.hedging import Hedging, HedgingSettings
from gateway.sources.http.observing import Observer, unobserved
from gateway.sources.http.pacing import Pacing, by_credential
from gateway.sources.http.retry import Retry, RetryBudget, RetrySettings
from gateway.sources.http.single_flight import SingleFlight

__all__ = ["RATES", "StepSettings", "steps"]

RATES = {
    "account": Rate(20, 1.0),  # account.md, 8
    "reseller": Rate(50, 5.0),  # reseller.md, 3
}
"""The rate limits that the sources document; softwareone documents none (softwareone.md, 3)."""


@dataclass(frozen=True, slots=True)
class StepSettings:
    """How one source is treated. `timeout` is in seconds; without a rate it is not paced, only paused on 429.

    `forwarding` is the step of a source that is called with its callers' own credentials.
    """

    timeout: float = 10.0
    rate: Rate | None = None
    retry: RetrySettings = field(default_factory=RetrySettings)
    share: bool = True
    hedging: HedgingSettings | None = None
    forwarding: Forwarding | None = None


def steps(
    settings: StepSettings,
    *,
    budget: RetryBudget,
    circuit: Circuit | None = None,
    pacing_key: Callable[[Request], str] = by_credential,
    clock: Callable[[], float] = time.monotonic,
    observe: Observer = unobserved,
) -> list[Step]:
    """The steps of one source, for `exchange.pipeline`.

    `budget` is the process's. `circuit` is given by whoever wants to see its state.
    """
    pacing = Pacing(settings.rate, key=pacing_key, clock=clock, observe=observe)
    order: list[Step] = [] if settings.forwarding is None else [settings.forwarding]
    order.append(WithinDeadline(settings.timeout, clock=clock, observe=observe))
    if settings.share:
        order.append(SingleFlight(observe=observe))
    order += [
        Retry(settings.retry, budget=budget, observe=observe),
        circuit or Circuit(CircuitSettings(), clock=clock, observe=observe),
        pacing,
        Handover(clock=clock),
    ]
    if settings.hedging is not None:

        def may(request: Request) -> bool:
            # The token last: one that is taken and not used is lost.
            return budget.spend() and pacing.spare(request)

        order.append(Hedging(settings.hedging, may=may, clock=clock, observe=observe))
    return order
