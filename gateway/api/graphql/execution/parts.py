"""Computes the parts of a response with `@defer` or `@stream`, by graphql-core."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from graphql import ExecutionResult
from msgspec.structs import replace

from gateway.api.capacity import Capacity
from gateway.api.gate import Overloaded
from gateway.api.graphql.execution.context import Context, freshness_of
from gateway.api.graphql.execution.core import CoreExecution
from gateway.api.graphql.execution.error_behavior import ERROR_BEHAVIORS
from gateway.api.graphql.execution.errors import public_part
from gateway.api.graphql.execution.incoming import Incoming
from gateway.api.graphql.execution.incremental import StartedCoroutines
from gateway.api.graphql.execution.prepared import Prepared
from gateway.api.graphql.execution.request import GraphQLRequest
from gateway.api.graphql.execution.requested import RequestedExtensions
from gateway.api.graphql.execution.result import error_result, replay_extensions, result_of

__all__ = ["ComputedParts"]


class ComputedParts:
    """Executes operations in parts, each within the capacity that all operations share."""

    def __init__(self, core: CoreExecution, capacity: Capacity) -> None:
        self._core = core
        self._capacity = capacity

    async def of(
        self,
        prepared: Prepared,
        request: GraphQLRequest,
        incoming: Incoming,
        requested: RequestedExtensions | None,
    ) -> AsyncGenerator[dict[str, Any]]:
        """Compute the parts of a response inside a slot. Whoever iterates must not wait for the client meanwhile.

        The last part has the extensions that the client requested, and all positions of records past their lifetime,
        the first one those that are known by then.
        """
        freshness = freshness_of(prepared.operation_type, request, incoming)
        plan, on_error = prepared.plan(request.variables), ERROR_BEHAVIORS[request.on_error]
        context = Context.of(incoming, plan, prepared.mutations, on_error, freshness)
        coroutines = StartedCoroutines()
        try:
            with incoming.operation(requested.recorder if requested else incoming.report.calls, freshness):
                async with self._capacity.slot(incoming.principal.identity):
                    document = prepared.incremental or prepared.document
                    executed = await self._core.begin(document, request, context, coroutines=coroutines)
                    request.close()  # only root fields take files, and those are never deferred
                    if isinstance(executed, ExecutionResult):
                        result = result_of(executed, context, prepared, request, self._core)
                        if requested is not None:
                            context.loaders.close()
                            await requested.settle()
                            result = replace(result, extensions=requested.added_to(result.extensions))
                        yield result.payload() | {"hasNext": False}
                        return
                    first = public_part(executed.initial_result, incoming.report)
                    extensions = context.stale.added_to(replay_extensions(context))
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
            yield error_result(overloaded, incoming).payload() | {"hasNext": False}
        finally:
            context.loaders.close()
            await coroutines.close_unstarted()
