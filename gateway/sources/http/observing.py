"""The events that the steps of the pipeline report to one observer, which by default ignores them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from gateway.errors import FailedCall
from gateway.sources.http.exchange import Request

__all__ = ["CallEvent", "Observer", "PipelineEvent", "ignore_event"]


class PipelineEvent(StrEnum):
    """What a step did to a call. The values are labels of the metric `gateway_source_events_total`."""

    RETRY = "retry"
    """The call is sent again after a wait of `seconds`."""

    GAVE_UP = "gave_up"
    """The call failed transiently and is not sent again because of `detail`: replay, attempts, deadline or budget."""

    WAIT = "wait"
    """The call waited `seconds` for a token of the rate limit."""

    REFUSED = "refused"
    """The call was not sent; `detail` is the step that refused it: deadline, pace or circuit.

    Or spare: nobody waits for the call, and what is left of the rate limit is kept for others.
    """

    EXPIRED = "expired"
    """The deadline passed during the call."""

    OPENED = "opened"
    """The circuit opened."""

    CLOSED = "closed"
    """The circuit closed."""

    SHARED = "shared"
    """The call got the response of an identical call that was under way."""

    HEDGED = "hedged"
    """A second request was sent, after `seconds` without a response."""

    HEDGE_WON = "hedge_won"
    """The response of the second request was used."""


@dataclass(frozen=True, slots=True)
class CallEvent:
    """An event of one call. Every field but `seconds` and `failed_call` can be a label.

    `failed_call` is the last call that failed, where the circuit opened because of it.
    """

    event: PipelineEvent
    source: str
    method: str
    template: str
    seconds: float = 0.0
    detail: str = ""
    failed_call: FailedCall | None = None

    @classmethod
    def of(
        cls,
        event: PipelineEvent,
        request: Request,
        *,
        seconds: float = 0.0,
        detail: str = "",
        failed_call: FailedCall | None = None,
    ) -> "CallEvent":
        """Return the event for the call of a request."""
        return cls(event, request.source, request.method, request.template, seconds, detail, failed_call)


class Observer(Protocol):
    """Receives each event, in the middle of a call. It must return quickly and must not raise."""

    def __call__(self, event: CallEvent, /) -> None: ...


def ignore_event(event: CallEvent, /) -> None:
    """Do nothing: the default observer."""
