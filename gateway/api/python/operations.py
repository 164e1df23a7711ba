"""What the methods have in common: the deadline, the report for operators, loaders, and errors with their paths."""

import asyncio
import copy
import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from gateway.api.python.freshness import FreshnessOptions
from gateway.api.python.partial import all_as_loaded, as_loaded
from gateway.callers.revocation import CredentialWatch
from gateway.errors import BadUserInput, GatewayError, Internal, Rule
from gateway.events.log import EventLog
from gateway.events.watching import OpenSubscriptions
from gateway.freshness import FreshnessReport
from gateway.operation import operation
from gateway.principal import Principal
from gateway.telemetry.report import RequestReport
from gateway.telemetry.telemetry import Telemetry
from gateway.users.filling import Filler
from gateway.users.loaders import Loaders
from gateway.users.model import Record
from gateway.users.planning import Plan
from gateway.users.read_plan import MAX_PATHS, ReadPlan, View, read_plan_of_paths, read_plan_of_view
from gateway.users.rules import at_fields
from gateway.users.service import UserService
from gateway.users.validation import member_of

__all__ = ["MethodCall", "PythonSurface", "read_plan_for", "running"]

R = TypeVar("R", bound=Record)

_LOG = logging.getLogger("gateway.python")


@dataclass(frozen=True, slots=True)
class PythonSurface:
    """The parts of the gateway that the methods use; `timeout` is that of an operation, in seconds.

    `bind` adds to a principal the keys of the credentials that are provided for it, as the authentication does on the
    other surfaces. `require_open` raises RuntimeError once the gateway is closed.
    """

    service: UserService
    bind: Callable[[Principal], Principal]
    events: EventLog
    credentials: CredentialWatch
    telemetry: Telemetry
    require_open: Callable[[], None]
    timeout: float
    now: Callable[[], float] = time.time
    subscriptions: OpenSubscriptions = field(default_factory=OpenSubscriptions)

    def by(self, principal: Principal) -> UserService:
        """Return the service for a principal of the embedding program."""
        return self.service.by(self.bind(principal))


@dataclass(slots=True)
class MethodCall:
    """One call of a method."""

    service: UserService
    report: RequestReport
    _loaders: list[Loaders] = field(default_factory=list)

    def loaders(self, plan: Plan) -> Loaders:
        """Return loaders, which are closed when the call ends."""
        loaders = self.service.loaders(plan)
        self._loaders.append(loaders)
        return loaders

    async def load(self, records: Sequence[R], read_plan: ReadPlan, loaders: Loaders) -> tuple[R, ...]:
        """Look up what the plan requires of the records, and return them as far as they are loaded then."""
        if not read_plan.lookups.fields:
            return all_as_loaded(records, read_plan)
        # At the same time, so that all lookups of one kind are one batch.
        return tuple(await asyncio.gather(*(self._load(record, read_plan, loaders) for record in records)))

    async def load_one(self, record: R | None, read_plan: ReadPlan, loaders: Loaders) -> R | None:
        """Do the same for one record, or none."""
        return None if record is None else await self._load(record, read_plan, loaders)

    def close(self) -> None:
        for loaders in self._loaders:
            loaders.close()

    async def _load(self, record: R, read_plan: ReadPlan, loaders: Loaders) -> R:
        filler = Filler(loaders)
        filled: R = await filler.fill(record, read_plan.lookups)
        failures = {path: self.failure(error, path) for path, error in filler.failures}
        return as_loaded(filled, read_plan, failures)

    def failure(self, error: Exception, path: str) -> GatewayError:
        """Return the error that the program gets for an exception at a path; a defect is logged, and masked."""
        self.report.add_error(error)
        if isinstance(error, GatewayError) and not isinstance(error, Internal):
            return error
        fields = {"request_id": self.report.request_id}
        _LOG.error("defect in request %s at %s", self.report.request_id, path, exc_info=error, extra=fields)
        return Internal.masking(error)


@contextmanager
def running(
    surface: PythonSurface,
    name: str,
    principal: Principal,
    timeout: float | None,
    freshness: FreshnessOptions | None = None,
) -> Iterator[MethodCall]:
    """Run one call of the method of that name; without `freshness` it is a change, whose users are read anew.

    Raises:
        Unauthenticated: the principal has expired.
    """
    report = RequestReport("python", caller=principal.name, operation=name, label=name, kind="method")
    surface.require_open()
    method = MethodCall(surface.by(principal), report)
    failure: GatewayError | None = None
    given: FreshnessReport | None = None
    with surface.telemetry.reporting(report, {}):
        seconds = surface.timeout if timeout is None else timeout
        try:
            principal.require_valid(surface.now())
            given = FreshnessReport.of_change() if freshness is None else freshness.new_report()
            with operation(
                timeout=seconds,
                trace=report.trace,
                calls=report.calls,
                request_id=report.request_id,
                freshness=given,
            ):
                yield method
        except Exception as error:  # noqa: BLE001 - as a defect of any operation
            failure = method.failure(error, name)
            if failure is not error:
                failure.__cause__ = error
        finally:
            method.close()
    if failure is not None:
        raise _as_called(failure)
    if freshness is not None:
        freshness.notify(given)


def _as_called(error: GatewayError) -> GatewayError:
    """Return the error with the fields of a change at the top. Other paths begin with an argument."""
    violations = tuple(at_fields(error.violations))
    if violations == error.violations:
        return error
    renamed = copy.copy(error)  # a result that is stored, or shared with other operations, stays as it is
    renamed.violations = violations
    return renamed.with_traceback(error.__traceback__)


def read_plan_for(name: str, view: View, fields: Collection[str]) -> ReadPlan:
    """Return how to read records of that type, in a view or with the fields at these paths.

    Raises:
        BadUserInput: a path is not a field, the view does not exist, or there are both a view and paths.
    """
    known = member_of(View, view, "view")
    if isinstance(fields, str):
        raise BadUserInput.at(("fields",), "must be a list of paths", Rule.TYPE, type="list")
    if not fields:
        return read_plan_of_view(name, known)
    if known is View.FULL and name == "User":
        raise BadUserInput.at(("view",), "must not be given together with fields", Rule.NOT_ALLOWED)
    if len(fields) > MAX_PATHS:
        raise BadUserInput.at(("fields",), f"may have {MAX_PATHS} paths at most", Rule.MAX_ITEMS, max=MAX_PATHS)
    return read_plan_of_paths(name, tuple(fields))
