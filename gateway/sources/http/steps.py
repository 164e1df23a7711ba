"""The steps of a source's pipeline and their order. No other module depends on the order.

The steps from the outermost to the innermost, each with the reason why it is outside of the next one:

1. `Forwarding`       replaces the configured credential with the caller's. It is first, because single flight compares
                      credentials, and pacing has a bucket for each.
2. `WithinDeadline`   is outside of single flight, so that each caller of a shared call keeps its deadline.
3. `Rotation`         replaces the configured credential with the present one, or with one that the embedding program
                      provides for the caller. It is outside of single flight for the same reason as forwarding, and
                      inside the deadline, because the provider may take long.
4. `SingleFlight`     is outside of retry, so that the callers of a shared call share its retries as well, which
                      then take from the retry budget once.
5. `Retry`            is outside of the circuit, so that the circuit counts every attempt, and an open circuit ends
                      the attempts.
6. `Circuit`          is outside of pacing, so that a call that it refuses neither waits nor takes a token. A refusal
                      by pacing is no evidence about the source, so the circuit does not count it.
7. `Pacing`           is outside of the handover, because a call that waits for a token has not been sent.
8. `Handover`         is outside of hedging, because the two calls of a hedged read are one attempt.
9. `Hedging`          is next to the transport, so that it measures the source without the wait for a token. Its second
                      call passes neither retry nor pacing, so it takes from the retry budget and the bucket directly.
10. `Rotation.renew`  replaces the credential once more: it may have changed while the call waited.

`Timing` comes after these, where the composition root wants attempts to be measured (`gateway/app/sources.py`).

No outer step retries or counts what an inner step refuses itself: `Retry` does not repeat a call that the circuit or
pacing refused, and `Circuit` does not count a call that pacing refused.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from gateway.sources.http.bucket import Rate
from gateway.sources.http.circuit import Circuit, CircuitSettings
from gateway.sources.http.deadline import WithinDeadline
from gateway.sources.http.exchange import Request, Response, Send, Step
from gateway.sources.http.forwarding import Forwarding
from gateway.sources.http.handover import Handover
from gateway.sources.http.hedging import Hedging, HedgingSettings
from gateway.sources.http.observing import Observer, ignore_event
from gateway.sources.http.pacing import Pacing, by_source
from gateway.sources.http.retry import Retry, RetryBudget, RetrySettings
from gateway.sources.http.rotation import Rotation
from gateway.sources.http.single_flight import SingleFlight

__all__ = ["PACING_KEYS", "RATES", "StepSettings", "steps"]

RATES = {
    "account": Rate(20, 1.0),  # docs/upstreams/account.md, "Rate limits"
    "reseller": Rate(50, 5.0),  # docs/upstreams/reseller.md, "Rate limits"
}
"""The documented rate limits of the sources. softwareone has none (docs/upstreams/softwareone.md, "Rate limits")."""

PACING_KEYS: dict[str, Callable[[Request], str]] = {"account": by_source, "reseller": by_source}
"""The bucket of a call, where it is not one for each credential: these limits count the calls of a client address."""


@dataclass(frozen=True, slots=True)
class StepSettings:
    """The settings of one source's steps.

    `timeout` is in seconds, for a call with its retries. Without a `rate` calls are not paced, but a 429 still pauses
    them. `forwarding` is for a source that is called with the credentials of the callers, `rotation` for one whose
    credential changes.
    """

    timeout: float = 10.0
    rate: Rate | None = None
    retry: RetrySettings = field(default_factory=RetrySettings)
    single_flight: bool = True
    hedging: HedgingSettings | None = None
    forwarding: Forwarding | None = None
    rotation: Rotation | None = None


def steps(
    settings: StepSettings,
    *,
    budget: RetryBudget,
    circuit: Circuit | None = None,
    single_flight: SingleFlight | None = None,
    pacing: Pacing | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    observe: Observer = ignore_event,
) -> list[Step]:
    """Return the steps of one source, for `exchange.pipeline`.

    `budget` is the one of the whole process. A `circuit`, a `single_flight` and a `pacing` are passed where they are
    used from outside as well; the others are those of this pipeline, with `clock`. `sleep` waits between two attempts.
    """
    pacing = pacing or Pacing(settings.rate, clock=clock, observe=observe)
    order: list[Step] = [] if settings.forwarding is None else [settings.forwarding]
    order.append(WithinDeadline(settings.timeout, clock=clock, observe=observe))
    if settings.rotation is not None:
        order.append(settings.rotation)
    if settings.single_flight:
        order.append(single_flight or SingleFlight(clock=clock, observe=observe))
    order += [
        Retry(settings.retry, budget=budget, sleep=sleep, observe=observe),
        circuit or Circuit(CircuitSettings(), clock=clock, observe=observe),
        pacing,
        Handover(clock=clock),
    ]
    if settings.hedging is not None:

        def try_second(request: Request, send: Send) -> asyncio.Task[Response] | None:
            return pacing.try_call(request, send) if budget.try_spend() else None

        order.append(Hedging(settings.hedging, try_second=try_second, clock=clock, observe=observe))
    if settings.rotation is not None:
        order.append(settings.rotation.renew)
    return order
