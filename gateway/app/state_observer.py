"""The observer that logs what operators should know, when it begins and when it is over."""

from collections import Counter

from gateway.api.web.webhooks import WebhookResult
from gateway.app.metrics_observer import MetricsObserver
from gateway.errors import (
    FailedCall,
    GatewayError,
    SourceCredentials,
    SourceInvalidResponse,
    SourceTimeout,
    SourceUnavailable,
)
from gateway.events.polling import PollResult
from gateway.kit.source_titles import titled
from gateway.operation import current_principal
from gateway.sources.http.circuit import CircuitOpenError
from gateway.sources.http.errors import NoTimeError, OutOfDescriptorsError
from gateway.sources.http.exchange import Request
from gateway.sources.http.observing import CallEvent, PipelineEvent
from gateway.sources.http.pictures import PICTURE_TEMPLATE
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.state_changes import StateChanges, StateKind
from gateway.users.model import UserSource

__all__ = ["StateObserver"]

_UNAUTHORIZED = 401
_FAILURES = 3  # calls that fail one after the other: one alone may be chance
_NOT_SENT = (CircuitOpenError, NoTimeError, OutOfDescriptorsError)
_REDIS, _LOST, _RECOVERED = "Redis", "lost", "recovered"  # values of `RedisEvent`, whose module loads the client
_REFUSED_WEBHOOKS = {
    WebhookResult.UNSIGNED: "it is not signed with the token of GATEWAY_RESELLER__WEBHOOK_TOKEN",
    WebhookResult.EXPIRED: "it was triggered too long ago, or the clocks differ",
    WebhookResult.MALFORMED: "its body is not as documented by the reseller API",
    WebhookResult.TOO_LARGE: "its body is too large",
    WebhookResult.REFUSED: "no token is configured (GATEWAY_RESELLER__WEBHOOK_TOKEN), or its body arrived too slowly",
    WebhookResult.UNAVAILABLE: "its user could not be read, or its event not be stored; the vendor sends it again",
}


class StateObserver(MetricsObserver):
    """Counts what the parts of a gateway report, and passes on to `states` what begins or is over by it."""

    def __init__(self, metrics: Metrics, states: StateChanges) -> None:
        super().__init__(metrics)
        self._states = states
        self._failures: Counter[str] = Counter()  # calls of each source that failed since the last one that did not
        self._last_failure: FailedCall | None = None

    def pipeline_event(self, event: CallEvent) -> None:
        """Report that the circuit of a source opened or closed, or that its budget is spent."""
        super().pipeline_event(event)
        if event.event is PipelineEvent.OPENED:
            subject = _subject(event.source, event.template)
            self._states.begin(StateKind.CIRCUIT_OPEN, event.source, subject, failed_call=event.failed_call)
        elif event.event is PipelineEvent.CLOSED:
            self._states.end(StateKind.CIRCUIT_OPEN, event.source, _subject(event.source, event.template))
        elif event.event is PipelineEvent.REFUSED and event.detail == "pace":
            self._begin_budget(event.source, "the wait for the rate limit would pass the deadline of the operation")

    def call_limited(self, request: Request) -> None:
        """Report that a source responded 429."""
        if request.template != PICTURE_TEMPLATE:  # which may be at another host
            self._begin_budget(request.source, "the source responded with status 429")

    def call_result(self, request: Request, error: GatewayError | None) -> None:
        """Report that calls to a source fail, or how; and after that, that one succeeded."""
        if error is None:
            if self._states.active_count or self._failures:
                self._succeeded(request)
            return
        super().call_result(request, error)
        source, failed_call = request.source, error.failed_call
        subject, endpoint = _subject(source), f"{request.method} {request.template}"
        if isinstance(error, SourceCredentials):
            if _is_of_caller(source):
                return
            # A credential may lack the permission for some endpoints only.
            detail = "" if error.origin.http_status == _UNAUTHORIZED else endpoint
            kind = StateKind.CREDENTIALS_REFUSED
            self._states.begin(kind, source, subject, detail=detail, failed_call=failed_call)
        elif isinstance(error, SourceInvalidResponse):
            kind = StateKind.RESPONSES_INVALID
            self._states.begin(kind, source, subject, detail=endpoint, failed_call=failed_call)
        elif isinstance(error, SourceUnavailable | SourceTimeout) and not isinstance(error, _NOT_SENT):
            if failed_call is not self._last_failure:  # several operations may have the same call in common
                self._last_failure = failed_call
                self._failures[source] += 1
            if self._failures[source] >= _FAILURES:
                self._states.begin(StateKind.CALLS_FAIL, source, subject, failed_call=failed_call)

    def poll(self, source: UserSource, result: PollResult, error: GatewayError | None = None) -> None:
        """Report that polling fails or succeeds again."""
        super().poll(source, result, error)
        if result != PollResult.FAILED:
            self._states.end(StateKind.FEED_FAILS, source, _subject(source))
            return
        failed_call = error.failed_call if error is not None else None
        cause = "a defect of the gateway, which is logged separately" if error is None else error.message
        self._states.begin(StateKind.FEED_FAILS, source, _subject(source), cause=cause, failed_call=failed_call)

    def redis_event(self, event: str, cause: str = "") -> None:
        """Report that Redis was lost, or is back."""
        super().redis_event(event, cause)
        if event == _LOST:
            self._states.begin(StateKind.REDIS_LOST, "", _REDIS, cause=cause)
        elif event == _RECOVERED:
            self._states.end(StateKind.REDIS_LOST, "", _REDIS)

    def webhook(self, result: WebhookResult) -> None:
        """Report that webhooks are refused."""
        super().webhook(result)
        cause = _REFUSED_WEBHOOKS.get(result)
        if cause is not None:
            subject = f"{_subject('reseller')} ({result})"
            self._states.begin(StateKind.WEBHOOKS_REFUSED, "reseller", subject, cause=cause)

    def _begin_budget(self, source: str, cause: str) -> None:
        self._states.begin(StateKind.OUT_OF_BUDGET, source, _subject(source), cause=cause)

    def _succeeded(self, request: Request) -> None:
        source, subject = request.source, _subject(request.source)
        self._failures.pop(source, None)
        endpoint = f"{request.method} {request.template}"
        self._states.end(StateKind.CALLS_FAIL, source, subject)
        if not _is_of_caller(source):
            self._states.end(StateKind.CREDENTIALS_REFUSED, source, subject, detail=endpoint)
        self._states.end(StateKind.RESPONSES_INVALID, source, subject, detail=endpoint)


def _is_of_caller(source: str) -> bool:
    """Whether the source was called with a credential of the caller: refusing that is none of the operators' states."""
    return current_principal.get().brings_credential(source)


def _subject(source: str, template: str = "") -> str:
    """Return what a sentence names: the source or, as its circuit is another one, the pictures of the source."""
    of_source = f"the {titled(source)} source"
    return f"the pictures of {of_source}" if template == PICTURE_TEMPLATE else of_source
