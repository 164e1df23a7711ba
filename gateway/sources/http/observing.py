"""What the steps of the pipeline tell whoever counts: one event, one hook; by default nobody listens."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from gateway.sources.http.exchange import Request

__all__ = ["CallEvent", "Observer", "PipelineEvent", "unobserved"]


class PipelineEvent(StrEnum):
    """What a step did to a call."""

    RETRY = "retry"
    """It is sent again; `seconds` is the wait before."""

    GAVE_UP = "gave_up"
    """A transient failure is not tried again; `detail` says why: replay, attempts, deadline or budget."""

    WAIT = "wait"
    """It waited `seconds` for its turn under the rate limit."""

    REFUSED = "refused"
    """It was never sent; `detail` says by whom: deadline, pace or circuit."""

    EXPIRED = "expired"
    """Its time ran out while it was under way."""

    OPENED = "opened"
    """The circuit opened."""

    CLOSED = "closed"
    """The circuit closed."""

    SHARED = "shared"
    """It got the answer of a call that was under way."""

    HEDGED = "hedged"
    """A second call was sent after `seconds` without an answer."""

    HEDGE_WON = "hedge_won"
    """The second call's answer was the one given."""


@dataclass(frozen=True, slots=True)
class CallEvent:
    """One happening: never with a URL, an id or a header, so that all of it may be a label."""

    happening: PipelineEvent
    source: str
    method: str
    template: str
    seconds: float = 0.0
    detail: str = ""

    @classmethod
    def of(cls, happening: PipelineEvent, request: Request, *, seconds: float = 0.0, detail: str = "") -> "CallEvent":
        """The event about a call."""
        return cls(happening, request.source, request.method, request.template, seconds, detail)


class Observer(Protocol):
    """Called with each event, in the middle of a call: quick, and never raising."""

    def __call__(self, event: CallEvent, /) -> None: ...


def unobserved(event: CallEvent, /) -> None:
    """The observer of a pipeline that nobody watches."""
