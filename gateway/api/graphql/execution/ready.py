"""Answers operations without a wait: those whose only record is a user that is kept."""

import msgspec
from msgspec.structs import replace

from gateway.api.capacity import Capacity
from gateway.api.graphql.execution.charging import Charging
from gateway.api.graphql.execution.context import Context
from gateway.api.graphql.execution.core import CoreExecution
from gateway.api.graphql.execution.error_behavior import ERROR_BEHAVIORS, ErrorBehavior
from gateway.api.graphql.execution.incoming import Incoming
from gateway.api.graphql.execution.prepared import Executed, Prepared
from gateway.api.graphql.execution.request import GraphQLRequest
from gateway.api.graphql.execution.result import Result, result_of
from gateway.errors import GatewayError
from gateway.freshness import FreshnessReport
from gateway.users.ids import Kind
from gateway.users.kept.fresh_users import FreshUser

__all__ = ["ReadyAnswers", "ReadyResult"]

_HALT = ErrorBehavior.HALT  # CONTRIBUTING.md, "Speed"
_USER = Kind.USER


class ReadyResult(msgspec.Struct, frozen=True, eq=False):
    """The result of an operation with a user that is kept, which was not counted yet: see `ReadyAnswers.answer`."""

    executed: Executed
    user: FreshUser
    context: Context


class ReadyAnswers:
    """Answers operations that need no wait; the results are those of `Executor.answer`."""

    def __init__(self, charging: Charging, capacity: Capacity, core: CoreExecution) -> None:
        self._charging = charging
        self._capacity = capacity
        self._has_allowances = capacity.has_allowances
        self._core = core

    def try_find(self, prepared: Prepared, request: GraphQLRequest, incoming: Incoming) -> ReadyResult | None:
        """Return the result of an operation if `Executor.answer` would now need no wait: for a user that is kept.

        Nothing is done or counted; call `answer` with it, or forget it.
        """
        service = incoming.service
        if not service.gives_at_once or request.extensions or request.on_error == _HALT:
            return None
        variables = request.variables or {}
        call = None if prepared.compiled is None else prepared.compiled.user_call(variables)
        if call is None or not self._capacity.is_immediate(incoming.principal.identity):
            return None
        arguments, plan = call.arguments, prepared.plan(variables)
        try:
            ref = service.ref(_USER, arguments["id"], arguments.get("source"))
        except GatewayError:  # the execution finds the same
            return None
        user = service.find_fresh_user(ref, plan, incoming.freshness)
        if user is None:
            return None
        context = Context.of(incoming, plan, 0, ERROR_BEHAVIORS[request.on_error], FreshnessReport(incoming.freshness))
        executed = call.try_complete(user.value, context)
        return None if executed is None else ReadyResult(executed, user, context)

    def answer(self, ready: ReadyResult, prepared: Prepared, request: GraphQLRequest, incoming: Incoming) -> Result:
        """Charge for an operation, and count what was given for it; do the same as `Executor.answer`, without a wait.

        The slot that `Executor.answer` would take is free, and would be so again before anything else can happen.

        Raises:
            RefusedError: it costs too much.
        """
        allowance = None
        if self._has_allowances:
            allowance = self._charging.at_once(prepared, request, incoming)
        else:
            self._charging.cost(prepared, request)
        incoming.service.count_hit(ready.user, ready.context.stale.report, incoming.report.calls)
        result = result_of(ready.executed, ready.context, prepared, request, self._core)
        return result if allowance is None else replace(result, allowance=allowance)
