"""Executes GraphQL operations for every transport: HTTP, WebSockets, event streams and the embedding API."""

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, suppress
from typing import Any

import msgspec
from graphql import ExecutionResult, GraphQLSchema, OperationType
from msgspec.structs import replace

from gateway.api.capacity import Capacity
from gateway.api.gate import Overloaded
from gateway.api.graphql.execution.charging import Charging
from gateway.api.graphql.execution.context import Context
from gateway.api.graphql.execution.core import CoreExecution
from gateway.api.graphql.execution.documents import Documents, InvalidDocument
from gateway.api.graphql.execution.error_behavior import ErrorBehavior
from gateway.api.graphql.execution.errors import (
    as_graphql_error,
    public_errors,
    public_part,
)
from gateway.api.graphql.execution.halting import until_first_error
from gateway.api.graphql.execution.incoming import Incoming
from gateway.api.graphql.execution.incremental import StartedCoroutines, deliver
from gateway.api.graphql.execution.input_values import argument_path
from gateway.api.graphql.execution.prepared import Executed, Prepared
from gateway.api.graphql.execution.reporting import report_invalid, report_operation
from gateway.api.graphql.execution.request import GraphQLRequest, RefusedError, refusal, refused_for
from gateway.api.graphql.execution.requested import RequestedExtensions
from gateway.api.graphql.execution.result import Result
from gateway.api.graphql.limits.limits import Guard
from gateway.api.graphql.trusted.named import NamedDocuments, Resolved
from gateway.calls import CallList
from gateway.errors import BadUserInput, GatewayError, Rule, SourceTimeout
from gateway.freshness import Freshness, FreshnessReport
from gateway.kit.long_steps import LongSteps
from gateway.principal import READ_CALLS
from gateway.users.ids import Kind
from gateway.users.reading import FreshUser

__all__ = [
    "ANY_OPERATION",
    "QUERY_ONLY",
    "QUERY_OR_MUTATION",
    "QUERY_OR_SUBSCRIPTION",
    "Executor",
    "FoundOperation",
    "ReadyResult",
]

QUERY_ONLY = frozenset({OperationType.QUERY})
QUERY_OR_SUBSCRIPTION = frozenset({OperationType.QUERY, OperationType.SUBSCRIPTION})
QUERY_OR_MUTATION = frozenset({OperationType.QUERY, OperationType.MUTATION})
ANY_OPERATION = frozenset(OperationType)

_ERROR_BEHAVIORS = {behavior.value: behavior for behavior in ErrorBehavior}


class FoundOperation(msgspec.Struct, frozen=True, eq=False):
    """A prepared operation, and its document if that was looked up."""

    prepared: Prepared
    document: Resolved | None


class ReadyResult(msgspec.Struct, frozen=True, eq=False):
    """The result of an operation with a user that is kept, which was not counted yet: see `Executor.answer_ready`."""

    executed: Executed
    user: FreshUser
    context: Context


class Executor:
    """Executes operations against one schema.

    Compiled operations run as generated code; graphql-core executes the others, incremental delivery and events. All
    errors in results are such as a client may see. `shows_calls`: every caller may see the calls to sources that its
    operations caused, and not only those with the scope for it.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        documents: Documents,
        guard: Guard,
        capacity: Capacity,
        *,
        named: NamedDocuments | None = None,
        suggestions: bool = True,
        shows_calls: bool = False,
    ) -> None:
        self.charging = Charging(guard, capacity)
        self._core = CoreExecution(schema, suggestions=suggestions)
        self._documents = documents
        self._capacity = capacity
        self._named = named or NamedDocuments()
        self._looks_up_all = named is not None
        self._shows_calls = shows_calls
        self._has_allowances = capacity.has_allowances
        self._long_steps = LongSteps()

    async def resolve(self, request: GraphQLRequest, incoming: Incoming, *, may_store: bool = True) -> GraphQLRequest:
        """Return the request with the text of its document; a request that was resolved before is not changed.

        `may_store`: keep the document as an automatic persisted query, if the request is one that registers it.

        Raises:
            RefusedError: the document is unknown or not trusted, its preparation exceeds the caller's allowance, or
                there is no such error behavior.
        """
        _check_error_behavior(request)
        found = None
        if request.trusted is None and (self._looks_up_all or not request.query):
            try:
                found = await self._named.resolve(request.document, request.query or None)
            except GatewayError as error:
                raise refused_for(error) from None
            request = replace(request, query=found.text, trusted=found.trusted)
        if not request.trusted and not self._documents.is_prepared(request.query, request.operation_name):
            await self.charging.preparation(request, incoming)
            await self._long_steps.wait(incoming.principal.identity)  # the document is parsed and validated next
        if may_store and found is not None and found.sha256 is not None:
            with suppress(InvalidDocument):
                self._prepared(request)
                await self._named.keep(found)
        return request

    def try_prepare(self, request: GraphQLRequest) -> FoundOperation | None:
        """Return the operation of a request without doing anything; call `accept` before `answer`.

        None: it is not compiled (yet), or `resolve` has to wait or finds an error.
        """
        text, document = request.query, None
        if self._looks_up_all or not text:
            document = self._named.try_find(request.document, text or None)
            if document is None:
                return None
            text = document.text
        prepared = self._documents.find(text, request.operation_name)
        if prepared is None or prepared.compiled is None or request.on_error not in _ERROR_BEHAVIORS:
            return None
        return FoundOperation(prepared, document)

    def try_ready(self, prepared: Prepared, request: GraphQLRequest, incoming: Incoming) -> ReadyResult | None:
        """Return the result of an operation if `answer` would now need no wait: for a user that is kept.

        Nothing is done or counted; call `answer_ready` with it, or forget it.
        """
        service = incoming.service
        if not service.gives_at_once or request.extensions or request.on_error == ErrorBehavior.HALT:
            return None
        variables = request.variables or {}
        call = None if prepared.compiled is None else prepared.compiled.user_call(variables)
        if call is None or not self._capacity.is_immediate(incoming.principal.identity):
            return None
        arguments, plan = call.arguments, prepared.plan(variables)
        try:
            ref = service.ref(Kind.USER, arguments["id"], arguments.get("source"))
        except GatewayError:  # the execution finds the same
            return None
        user = service.find_fresh_user(ref, plan, incoming.freshness)
        if user is None:
            return None
        context = Context.of(incoming, plan, 0, _ERROR_BEHAVIORS[request.on_error], FreshnessReport(incoming.freshness))
        executed = call.try_complete(user.value, context)
        return None if executed is None else ReadyResult(executed, user, context)

    def answer_ready(
        self, ready: ReadyResult, prepared: Prepared, request: GraphQLRequest, incoming: Incoming
    ) -> Result:
        """Charge for an operation, and count what was given for it; do the same as `answer`, without a wait.

        The slot that `answer` would take is free, and would be so again before anything else can happen.

        Raises:
            RefusedError: it costs too much.
        """
        allowance = None
        if self._has_allowances:
            allowance = self.charging.at_once(prepared, request, incoming)
        else:
            self.charging.cost(prepared, request)
        incoming.service.count_hit(ready.user, ready.context.stale.report, incoming.report.calls)
        result = self._result(ready.executed, ready.context, prepared, request)
        return result if allowance is None else replace(result, allowance=allowance)

    def accept(self, found: FoundOperation, request: GraphQLRequest, incoming: Incoming) -> GraphQLRequest:
        """Report the caller and the operation, which `try_prepare` does not; return the resolved request."""
        incoming.report.caller = incoming.principal.name
        document = found.document
        if document is not None:
            self._named.found(document)
            request = replace(request, query=document.text, trusted=document.trusted)
        report_operation(found.prepared, request, incoming.report)
        return request

    def check(self, request: GraphQLRequest, allowed: Collection[OperationType]) -> None:
        """Check the type of a resolved request's operation; an invalid document is left to `prepare`.

        Raises:
            RefusedError: the type is not among the allowed ones.
        """
        with suppress(InvalidDocument):
            _check_type(self._prepared(request), allowed)

    def argument_path(self, request: GraphQLRequest, path: tuple[str | int, ...]) -> tuple[str | int, ...]:
        """Return the path of the argument that a path in the variables of a resolved request stands for."""
        try:
            prepared = self._prepared(request)
        except InvalidDocument:
            return path
        variable, *rest = path
        return (*argument_path(prepared.document, prepared.operation, str(variable)), *rest)

    async def execute(
        self, request: GraphQLRequest, incoming: Incoming, *, allowed: Collection[OperationType] = QUERY_OR_MUTATION
    ) -> Result:
        """Execute a query or a mutation.

        Raises:
            RefusedError: it is not executed, for a reason that has an HTTP status.
        """
        request = await self.resolve(request, incoming)
        prepared = self.prepare(request, incoming, allowed=allowed)
        if isinstance(prepared, Result):
            return prepared
        return await self.answer(prepared, request, incoming)

    def prepare(
        self, request: GraphQLRequest, incoming: Incoming, *, allowed: Collection[OperationType]
    ) -> Prepared | Result:
        """Return the prepared operation of a resolved request, or a result with the errors of an invalid document.

        Raises:
            RefusedError: the operation's type is not among the allowed ones.
        """
        try:
            prepared = self._prepared(request)
        except InvalidDocument as invalid:
            report_invalid(request, incoming.report)
            return Result(
                errors=public_errors(invalid.errors, incoming.report),
                executed=False,
                readable=not invalid.syntax,
            )
        report_operation(prepared, request, incoming.report)
        _check_type(prepared, allowed)
        return prepared

    def events(
        self, prepared: Prepared, request: GraphQLRequest, incoming: Incoming
    ) -> AbstractAsyncContextManager[AsyncIterator[Any]]:
        """Open a subscription and yield its events, each to be passed to `answer`. Nothing is charged: see `charging`.

        Raises:
            Exception: the subscription cannot be opened, or ends while it is read; for `error_result`.
        """
        return self._core.events(prepared, request, _context(prepared, request, incoming, FreshnessReport()))

    def error_result(self, error: Exception, incoming: Incoming) -> Result:
        """Return the result of an operation that was refused, or of a subscription that ends with this error."""
        return Result(errors=public_errors([as_graphql_error(error)], incoming.report), executed=False)

    async def execute_incrementally(
        self, request: GraphQLRequest, incoming: Incoming, *, allowed: Collection[OperationType] = QUERY_OR_MUTATION
    ) -> Result | AsyncGenerator[dict[str, Any]]:
        """Return one result, or the parts of it if the document requests them with `@defer` or `@stream`.

        The parts end at the timeout of the operation, also if they are read slowly.

        Raises:
            RefusedError: it is not executed, for a reason that has an HTTP status.
        """
        request = await self.resolve(request, incoming)
        prepared = self.prepare(request, incoming, allowed=allowed)
        if isinstance(prepared, Result):
            return prepared
        if prepared.stream_counts is None or request.on_error == ErrorBehavior.HALT:  # which no part can precede
            return await self.answer(prepared, request, incoming)
        try:
            prepared.stream_counts.check(request.variables or {})
        except BadUserInput as error:
            raise refused_for(error) from None
        requested, calls = self._requested(request, incoming)
        cost, allowance = await self.charging.operation(prepared, request, incoming)
        if requested is not None:
            requested.charged(cost, self.charging.max_cost, allowance)

        def timed_out() -> Mapping[str, Any]:
            error = SourceTimeout(f"The response was not complete within {incoming.timeout:g} s.")
            return public_errors([as_graphql_error(error)], incoming.report)[0].formatted

        parts = self._computed_parts(prepared, request, incoming, requested=requested, calls=calls)
        return deliver(parts, max_seconds=incoming.timeout, timed_out=timed_out)

    async def answer(
        self, prepared: Prepared, request: GraphQLRequest, incoming: Incoming, event: object = None
    ) -> Result:
        """Execute a query, a mutation, or a subscription for one event, with new loaders.

        Raises:
            RefusedError: it costs too much, or there is no slot for it.
        """
        requested, calls = self._requested(request, incoming) if request.extensions else (None, incoming.report.calls)
        allowance = None
        if event is None:
            if self._has_allowances:
                cost, allowance = await self.charging.execution(prepared, request, incoming)
            else:
                cost = self.charging.cost(prepared, request)
            if requested is not None:
                requested.charged(cost, self.charging.max_cost, allowance)
        freshness = _freshness(prepared, request, incoming)
        capacity, identity = self._capacity, incoming.principal.identity
        try:
            with incoming.operation(calls, freshness):
                if not capacity.try_enter(identity):
                    await capacity.enter(identity)  # the timeout includes the wait
                try:
                    context = _context(prepared, request, incoming, freshness)
                    try:
                        executed = await self._execution(prepared, request, context, event)
                    finally:
                        context.loaders.close()
                    if requested is not None:
                        await requested.settle()
                    result = self._result(executed, context, prepared, request)
                finally:
                    capacity.leave(identity)
        except Overloaded as overloaded:
            raise refused_for(overloaded) from None
        if event is None and request.files:
            request.close()
        if allowance is None and requested is None:
            return result
        extensions = requested.added_to(result.extensions) if requested is not None else result.extensions
        return replace(result, allowance=allowance, extensions=extensions)

    def _execution(
        self, prepared: Prepared, request: GraphQLRequest, context: Context, event: object
    ) -> Coroutine[Any, Any, Executed | ExecutionResult]:
        """Return the execution of an operation by generated code, or by graphql-core."""
        execution: Coroutine[Any, Any, Executed | ExecutionResult]
        if prepared.compiled is not None and event is None:
            execution = prepared.compiled.execute(context, request.variables or {})
        else:
            execution = self._core.execute(prepared.document, request, context, event)
        return until_first_error(execution, context) if context.on_error is ErrorBehavior.HALT else execution

    def _requested(
        self, request: GraphQLRequest, incoming: Incoming
    ) -> tuple[RequestedExtensions | None, CallList | None]:
        """Return the extensions that the client may have requested, None without a trace of that; and the call list."""
        calls = incoming.report.calls
        if not request.extensions:
            return None, calls
        may_see_calls = self._shows_calls or READ_CALLS in incoming.principal.scopes
        requested = RequestedExtensions(request, calls, may_see_calls=may_see_calls)
        return requested, requested.calls or calls

    def _prepared(self, request: GraphQLRequest) -> Prepared:
        return self._documents.prepare(request.query, request.operation_name, trusted=bool(request.trusted))

    def _result(
        self, executed: Executed | ExecutionResult, context: Context, prepared: Prepared, request: GraphQLRequest
    ) -> Result:
        errors = executed.errors
        extensions = _replay_extensions(context) if context.replayed else None
        freshness = context.stale.report
        if freshness.stale and executed.data is not None:
            extensions = context.stale.added_to(extensions, executed.data)
        status = freshness.cache_status
        if not errors:
            return Result(executed.data, None, extensions, cache_status=status)
        refused = executed.data is None and all(error.path is None for error in errors)
        if refused:
            errors = self._core.without_values(errors, prepared, request)
        shown = public_errors(errors, context.incoming.report)
        return Result(executed.data, shown, extensions, executed=not refused, cache_status=status)

    async def _computed_parts(
        self,
        prepared: Prepared,
        request: GraphQLRequest,
        incoming: Incoming,
        *,
        requested: RequestedExtensions | None,
        calls: CallList | None,
    ) -> AsyncGenerator[dict[str, Any]]:
        """Compute the parts of a response inside a slot. Whoever iterates must not wait for the client meanwhile.

        The last part has the extensions that the client requested, and all positions of records past their lifetime,
        the first one those that are known by then.
        """
        freshness = _freshness(prepared, request, incoming)
        context, coroutines = _context(prepared, request, incoming, freshness), StartedCoroutines()
        try:
            with incoming.operation(calls, freshness):
                async with self._capacity.slot(incoming.principal.identity):
                    document = prepared.incremental or prepared.document
                    executed = await self._core.begin(document, request, context, coroutines=coroutines)
                    request.close()  # only root fields take files, and those are never deferred
                    if isinstance(executed, ExecutionResult):
                        result = self._result(executed, context, prepared, request)
                        if requested is not None:
                            context.loaders.close()
                            await requested.settle()
                            result = replace(result, extensions=requested.added_to(result.extensions))
                        yield result.payload() | {"hasNext": False}
                        return
                    first = public_part(executed.initial_result, incoming.report)
                    extensions = context.stale.added_to(_replay_extensions(context))
                    yield first | {"extensions": extensions} if extensions else first
                    async with aclosing(executed.subsequent_results) as subsequent:
                        async for each in subsequent:
                            part = public_part(each, incoming.report)
                            if not part["hasNext"] and (requested is not None or freshness.stale):
                                extensions = context.stale.added_to(part.get("extensions"))
                                if requested is not None:
                                    extensions = requested.added_to(extensions)
                                part |= {"extensions": extensions} if extensions else {}
                            yield part
        except Overloaded as overloaded:  # the response has begun, so its status cannot be changed
            yield self.error_result(overloaded, incoming).payload() | {"hasNext": False}
        finally:
            context.loaders.close()
            await coroutines.close_unstarted()


def _context(prepared: Prepared, request: GraphQLRequest, incoming: Incoming, freshness: FreshnessReport) -> Context:
    plan = prepared.plan(request.variables)
    return Context.of(incoming, plan, prepared.mutations, _ERROR_BEHAVIORS[request.on_error], freshness)


def _freshness(prepared: Prepared, request: GraphQLRequest, incoming: Incoming) -> FreshnessReport:
    """Return the report for one execution, with what the caller accepts.

    `cacheControl` in the `extensions` of the request replaces the header: a WebSocket has none for each operation.
    """
    wanted = incoming.freshness
    if request.extensions and isinstance(directives := request.extensions.get("cacheControl"), str):
        wanted = Freshness.parse(directives)
    operation_type = prepared.operation_type
    if operation_type is OperationType.QUERY:
        return FreshnessReport(wanted)
    if operation_type is OperationType.SUBSCRIPTION:
        return FreshnessReport.of_event()
    return FreshnessReport.of_change(wanted)


def _check_error_behavior(request: GraphQLRequest) -> None:
    if request.on_error not in _ERROR_BEHAVIORS:
        values = tuple(ErrorBehavior)
        unknown = BadUserInput.at(("onError",), "must be NULL, PROPAGATE or HALT", Rule.ENUM, values=values)
        raise RefusedError(400, unknown, draft_status=422)


def _check_type(prepared: Prepared, allowed: Collection[OperationType]) -> None:
    operation_type = prepared.operation_type
    if operation_type in allowed:
        return
    if operation_type is OperationType.SUBSCRIPTION:
        raise refusal(
            400, "Subscribe over a WebSocket, or accept text/event-stream or multipart/mixed;subscriptionSpec=1.0."
        )
    raise refusal(405, f"Send a {operation_type.value} by POST.", ("Allow", "POST"))


def _replay_extensions(context: Context) -> dict[str, Any] | None:
    return {"idempotency": {"replayed": context.replayed}} if context.replayed else None
