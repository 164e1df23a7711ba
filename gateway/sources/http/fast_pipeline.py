"""Puts the fast path of a pipeline together, out of the steps that the pipeline has."""

from collections.abc import Sequence

from gateway.sources.http.circuit import Circuit
from gateway.sources.http.deadline import WithinDeadline
from gateway.sources.http.exchange import Send, Step, pipeline
from gateway.sources.http.fast_call import FastCalls
from gateway.sources.http.forwarding import Forwarding
from gateway.sources.http.handover import Handover
from gateway.sources.http.lean.transport import LeanTransport
from gateway.sources.http.pacing import Pacing
from gateway.sources.http.retry import Retry
from gateway.sources.http.rotation import Rotation
from gateway.sources.http.single_flight import SingleFlight
from gateway.sources.http.timing import Timing

__all__ = ["fast_pipeline"]


def fast_pipeline(transport: LeanTransport, steps: Sequence[Step], timing: Timing) -> Send:
    """Return a function that sends a request as `pipeline` does, by the fast path where that is possible.

    With a step that has no form for the fast path it is `pipeline` itself.
    """
    rotation = next((step for step in steps if isinstance(step, Rotation)), None)
    # Between the check and the sending there is no time in which a credential could change.
    chosen = [step for step in steps if rotation is None or (step is not rotation and step != rotation.renew)]
    forwarding = chosen.pop(0) if isinstance(chosen[0], Forwarding) else None
    match chosen:
        case [
            WithinDeadline() as deadline,
            SingleFlight() as flights,
            Retry() as retry,
            Circuit() as circuit,
            Pacing() as pacing,
            Handover(),
        ]:
            pass
        case _:
            return pipeline(transport, [*steps, timing])

    def pipeline_from(step: Step) -> Send:
        return pipeline(transport, [*steps[steps.index(step) :], timing])

    return FastCalls(
        transport,
        pipeline_from(steps[0]),
        pipeline_from(flights),
        pipeline_from(circuit),
        forwarding=forwarding if isinstance(forwarding, Forwarding) else None,
        deadline=deadline,
        rotation=rotation,
        flights=flights,
        retry=retry,
        circuit=circuit,
        pacing=pacing,
        timing=timing,
    )
