"""Records that are given although their lifetime has ended: the one place that decides, for users and reference data.

There are two cases. The caller accepts such a record (`max-stale`), and it is read again in the background. Or its
source fails, and it is given instead of the error, to every caller that has not refused what is kept. Neither case
concerns a record that is known to have changed: that is dropped at once (`records.py`).
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import Context
from typing import Any

from gateway.errors import GatewayError, RateLimited, SourceTimeout, SourceUnavailable
from gateway.freshness import ANY_FRESHNESS, StaleReason, current_freshness
from gateway.kit.tasks import cancel_and_wait
from gateway.operation import Deadline, background_context, current_deadline, current_principal, uses_spare_budget
from gateway.principal import Principal
from gateway.users.ids import Kind
from gateway.users.kept.lifetimes import Lifetimes
from gateway.users.kept.records import Kept, KeptRecords
from gateway.users.model import UserSource

__all__ = ["BackgroundReads", "FailureOfSource", "StaleRecords", "TraceRead", "reason_of", "shortly_before_deadline"]

_LOG = logging.getLogger("gateway.users")

FailureOfSource = (SourceUnavailable, SourceTimeout, RateLimited)
"""The errors after which a record may be given past its lifetime.

A source that refuses the credential, or responds with something else than it documents, is not one of them."""

_EARLY = 0.25  # seconds before a deadline, in which an answer still arrives at the caller
_EARLY_SHARE = 0.1  # of the time that is left, if that is shorter
_MAX_BACKGROUND = 16  # reads of a source at once: one without a rate limit could get as many as there are readers

TraceRead = Callable[[str], AbstractContextManager[None]]
"""Returns the context in which a read of a source in the background is traced."""


class StaleRecords:
    """Decides which of the kept records are given past their lifetime."""

    def __init__(self, records: KeptRecords, lifetimes: Lifetimes) -> None:
        self._records = records
        self._lifetimes = lifetimes

    def accepts(self, kind: Kind, credential: str, kept: Kept, lifetime: float) -> bool:
        """Return whether the caller of the running operation accepts what is kept past its lifetime."""
        return self._may_be_given(kind, credential, kept) and self._accepts(kept, lifetime, 0.0)

    def accepts_if_error(self, source: UserSource, kind: Kind, credential: str, kept: Kept, lifetime: float) -> bool:
        """Return whether what is kept may be given instead of an error of its source."""
        if_error = self._lifetimes.if_error(source)
        return self._may_be_given(kind, credential, kept) and self._accepts(kept, lifetime, if_error)

    def _may_be_given(self, kind: Kind, credential: str, kept: Kept) -> bool:
        return kept.value is not None and self._lifetimes.may_be_stale(kind, credential)

    def _accepts(self, kept: Kept, lifetime: float, if_error: float) -> bool:
        report = current_freshness.get()
        if report is not None and report.never_stale:
            return False
        wanted = ANY_FRESHNESS if report is None else report.wanted
        return wanted.accepts_stale(self._records.clock() - kept.read_at, lifetime, if_error=if_error)


def reason_of(error: GatewayError) -> StaleReason:
    """Return why a record is given past its lifetime, if its source failed with an error of `FailureOfSource`."""
    if isinstance(error, RateLimited):
        return StaleReason.RATE_LIMITED
    if isinstance(error, SourceTimeout):
        return StaleReason.SOURCE_TIMEOUT
    return StaleReason.SOURCE_UNAVAILABLE


@contextmanager
def shortly_before_deadline() -> Iterator[None]:
    """Let the calls inside end shortly before the deadline of the operation.

    What is given instead of their results then still arrives at the caller in time.
    """
    deadline = current_deadline.get()
    if deadline is None:
        yield
        return
    early = min(_EARLY, deadline.remaining() * _EARLY_SHARE)
    before = current_deadline.set(Deadline(deadline.at - early, deadline.clock))
    try:
        yield
    finally:
        current_deadline.reset(before)


class BackgroundReads:
    """Reads again what was given past its lifetime, with what is left of the rate limit of its source.

    The readers do not wait for it. There is one read at a time for each key, and some at once of each source, so that
    one that does not respond delays no other: where there are more, the record is read again after a later reader.
    """

    def __init__(self, *, trace: TraceRead = lambda _: nullcontext()) -> None:
        self._trace = trace
        self._tasks: dict[Hashable, asyncio.Task[None]] = {}
        self._of_source: Counter[UserSource] = Counter()  # the number of tasks
        self._closed = False

    def start(self, key: Hashable, source: UserSource, read: Callable[[], Coroutine[Any, Any, object]]) -> bool:
        """Begin a read for the current principal, unless one of this key is under way; return whether it began."""
        if self._closed or key in self._tasks or self._of_source[source] >= _MAX_BACKGROUND:
            return False
        task = asyncio.get_running_loop().create_task(
            self._read(source, read), context=_background(current_principal.get())
        )
        self._tasks[key] = task
        self._of_source[source] += 1
        task.add_done_callback(lambda _: self._end(key, source))
        return True

    async def aclose(self) -> None:
        """Cancel the reads, and begin no others."""
        self._closed = True
        await cancel_and_wait(*self._tasks.values())

    def _end(self, key: Hashable, source: UserSource) -> None:
        del self._tasks[key]
        self._of_source[source] -= 1

    async def _read(self, source: UserSource, read: Callable[[], Coroutine[Any, Any, object]]) -> None:
        try:
            with self._trace(source):
                await read()
        except GatewayError as error:  # a reader that does not accept what is kept gets it, or reads successfully
            _LOG.debug("a read of %s in the background failed: %s", source, error.operator_message)
        except Exception:  # noqa: BLE001 - nobody awaits the task
            _LOG.exception("a read of %s in the background failed", source)


def _background(principal: Principal) -> Context:
    context = background_context()
    context.run(current_principal.set, principal)
    context.run(uses_spare_budget.set, True)
    return context
