"""Logs when something that operators should know begins, and when it is over, once each."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import NamedTuple

import msgspec

from gateway.errors import FailedCall

__all__ = ["QUIET", "ActiveState", "StateChanges", "StateKind"]

_LOG = logging.getLogger("gateway.states")
_MAX_STATES = 256  # active ones and ended ones; there are fewer kinds and sources
_MAX_DETAILS = 32  # of one state
_FLAPPING = 60.0  # seconds: a state that begins again within them flaps
_MIN_HOLD, _MAX_HOLD = 5.0, 300.0  # seconds without an occurrence, after which a state that flaps ends


class StateKind(StrEnum):
    """What operators should know while it lasts. The values are in the log, in the field `state`."""

    CIRCUIT_OPEN = "circuit_open"
    CALLS_FAIL = "calls_fail"
    OUT_OF_BUDGET = "out_of_budget"
    CREDENTIALS_REFUSED = "credentials_refused"
    RESPONSES_INVALID = "responses_invalid"
    FEED_FAILS = "feed_fails"
    WEBHOOKS_REFUSED = "webhooks_refused"
    REDIS_LOST = "redis_lost"


_STEADY = frozenset({StateKind.CIRCUIT_OPEN, StateKind.REDIS_LOST})
"""These are reported as over once, by what has waited already until it is sure."""

QUIET = {StateKind.OUT_OF_BUDGET: 30.0, StateKind.WEBHOOKS_REFUSED: 60.0}
"""Seconds without an occurrence, after which states of these kinds are over. Nothing else shows that they are."""


class _Texts(NamedTuple):
    """The two messages, with the subject in place of `%s`."""

    begun: str
    over: str


_TEXTS = {
    StateKind.CIRCUIT_OPEN: _Texts(
        "the circuit of %s opened: it is not called for some seconds at a time, because too many calls failed",
        "the circuit of %s closed: it is called again",
    ),
    StateKind.CALLS_FAIL: _Texts("calls to %s fail, one after the other", "a call to %s succeeded again"),
    StateKind.OUT_OF_BUDGET: _Texts(
        "%s is out of budget: calls are refused because its rate limit is reached",
        "%s has budget again: for a while no call was refused because of its rate limit",
    ),
    StateKind.CREDENTIALS_REFUSED: _Texts(
        "%s refused the credential of the gateway, or its permission", "%s accepted the credential of the gateway again"
    ),
    StateKind.RESPONSES_INVALID: _Texts(
        "the response of %s is not as documented", "the responses of %s are as documented again"
    ),
    StateKind.FEED_FAILS: _Texts(
        "polling the changes of %s failed and is repeated: subscriptions get them late",
        "polling the changes of %s succeeds again",
    ),
    StateKind.WEBHOOKS_REFUSED: _Texts("a webhook of %s was refused", "for a while no webhook of %s was refused"),
    StateKind.REDIS_LOST: _Texts(
        "%s cannot be used. Until it can, changes and webhooks are refused, subscriptions get no events, and each "
        "replica counts rate limits alone",
        "%s can be used again",
    ),
}


class ActiveState(msgspec.Struct):
    """A state that lasts. `since` is in seconds since 1970; `count` is how often it was reported in that time."""

    kind: StateKind
    source: str
    since: float
    cause: str = ""
    url: str = ""
    count: int = 1


class _State(msgspec.Struct):
    active: ActiveState | None = None
    begun: float = 0.0
    latest: float = 0.0
    over: float = float("-inf")
    hold: float = 0.0
    details: dict[str, None] = {}
    timer: asyncio.TimerHandle | None = None


class StateChanges:
    """The states of one gateway. All methods return quickly and start no task; `close` stops the timers.

    A state is identified by its kind, its source and its `subject`, which is how a sentence names what it is about. It
    begins with a WARNING. It ends with an INFO when `end` is called, or where its kind has a time of quiet, after that.
    One that begins again shortly after its end ends only after some seconds without an occurrence, more each time: what
    fails by turns is not logged each time.
    """

    def __init__(
        self, *, quiet: Mapping[StateKind, float] = QUIET, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._quiet = quiet
        self._clock = clock
        self._states: dict[tuple[StateKind, str, str], _State] = {}
        self.active_count = 0

    def begin(
        self,
        kind: StateKind,
        source: str,
        subject: str,
        *,
        detail: str = "",
        cause: str = "",
        failed_call: FailedCall | None = None,
    ) -> None:
        """Report an occurrence. `detail` is the part of the source that is affected, for `end`."""
        now = self._clock()
        state = self._state((kind, source, subject))
        state.latest = now
        if detail and len(state.details) < _MAX_DETAILS:
            state.details[detail] = None
        if state.active is not None:
            state.active.count += 1
            return
        flaps = now - state.over < _FLAPPING and kind not in _STEADY
        state.hold = min(max(_MIN_HOLD, 2 * state.hold), _MAX_HOLD) if flaps else 0.0
        state.begun = now
        url = ""
        fields = {"state": kind.value, "change": "begun", "source": source}
        if failed_call is not None:
            cause = failed_call.cause
            url = f"{failed_call.method} {failed_call.url}"
            fields["url"] = url
        if cause:
            fields["cause"] = cause
        if failed_call is not None and failed_call.advice:
            fields["advice"] = failed_call.advice
        state.active = ActiveState(kind, source, time.time(), cause, url)
        self.active_count += 1
        _LOG.warning(_TEXTS[kind].begun, subject, extra={name: value for name, value in fields.items() if value})
        if kind in self._quiet:
            state.timer = self._call_later(self._quiet[kind], state, subject)

    def end(self, kind: StateKind, source: str, subject: str, *, detail: str = "") -> None:
        """Report that it works. Of a state with details, all have to, or those that fail are not used any more."""
        state = self._states.get((kind, source, subject))
        if state is None or state.active is None or kind in self._quiet:
            return
        state.details.pop(detail, None)
        quiet = self._clock() - state.latest
        if quiet >= (_FLAPPING if state.details else state.hold):
            self._end(state, subject)

    def active(self) -> list[ActiveState]:
        """Return the states that last, the latest one first."""
        found = [state.active for state in self._states.values() if state.active is not None]
        return sorted(found, key=lambda active: -active.since)

    def close(self) -> None:
        """Stop the timers. No state is logged as over."""
        for state in self._states.values():
            if state.timer is not None:
                state.timer.cancel()

    def _state(self, key: tuple[StateKind, str, str]) -> _State:
        state = self._states.get(key)
        if state is None:
            if len(self._states) >= _MAX_STATES:
                ended = next((key for key, state in self._states.items() if state.active is None), None)
                del self._states[ended or next(iter(self._states))]
            state = self._states[key] = _State()
        return state

    def _end(self, state: _State, subject: str) -> None:
        active = state.active
        if active is None:
            return
        now = self._clock()
        state.active, state.over = None, now
        state.details.clear()
        self.active_count -= 1
        fields: dict[str, str | float] = {"state": active.kind.value, "change": "over"}
        if active.source:
            fields["source"] = active.source
        fields |= {"count": active.count, "seconds": round(now - state.begun, 1)}
        _LOG.info(_TEXTS[active.kind].over, subject, extra=fields)

    def _call_later(self, seconds: float, state: _State, subject: str) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(seconds, self._end_if_quiet, state, subject)

    def _end_if_quiet(self, state: _State, subject: str) -> None:
        state.timer = None
        active = state.active
        if active is None:
            return
        left = self._quiet[active.kind] + state.latest - self._clock()
        if left > 0:
            state.timer = self._call_later(left, state, subject)
        else:
            self._end(state, subject)
