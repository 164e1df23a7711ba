"""Prepares the operations of requests: finds their documents, and takes the prepared operations from the cache."""

from collections.abc import Collection
from contextlib import suppress

import msgspec
from graphql import OperationType
from msgspec.structs import replace

from gateway.api.graphql.execution.charging import Charging
from gateway.api.graphql.execution.documents import Documents, InvalidDocument
from gateway.api.graphql.execution.error_behavior import ERROR_BEHAVIORS
from gateway.api.graphql.execution.errors import public_errors
from gateway.api.graphql.execution.incoming import Incoming
from gateway.api.graphql.execution.input_values import argument_path
from gateway.api.graphql.execution.prepared import Prepared
from gateway.api.graphql.execution.reporting import report_invalid, report_operation
from gateway.api.graphql.execution.request import GraphQLRequest, RefusedError, refusal, refused_for
from gateway.api.graphql.execution.result import Result
from gateway.api.graphql.trusted.named import NamedDocuments, Resolved
from gateway.errors import BadUserInput, GatewayError, Rule
from gateway.kit.long_steps import LongSteps

__all__ = [
    "ANY_OPERATION",
    "QUERY_ONLY",
    "QUERY_OR_MUTATION",
    "QUERY_OR_SUBSCRIPTION",
    "FoundOperation",
    "Preparation",
]

QUERY_ONLY = frozenset({OperationType.QUERY})
QUERY_OR_SUBSCRIPTION = frozenset({OperationType.QUERY, OperationType.SUBSCRIPTION})
QUERY_OR_MUTATION = frozenset({OperationType.QUERY, OperationType.MUTATION})
ANY_OPERATION = frozenset(OperationType)


class FoundOperation(msgspec.Struct, frozen=True, eq=False):
    """A prepared operation, and its document if that was looked up."""

    prepared: Prepared
    document: Resolved | None


class Preparation:
    """Prepares the operations of requests, and reports them. Without `named` documents, clients send each document."""

    def __init__(self, documents: Documents, charging: Charging, named: NamedDocuments | None = None) -> None:
        self._documents = documents
        self._charging = charging
        self._named = named or NamedDocuments()
        self._looks_up_all = named is not None
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
            await self._charging.preparation(request, incoming)
            await self._long_steps.wait(incoming.principal.identity)  # the document is parsed and validated next
        if may_store and found is not None and found.sha256 is not None:
            with suppress(InvalidDocument):
                self._prepared(request)
                await self._named.keep(found)
        return request

    def try_prepare(self, request: GraphQLRequest) -> FoundOperation | None:
        """Return the operation of a request without doing anything; call `accept` before it is executed.

        None: it is not compiled (yet), or `resolve` has to wait or finds an error.
        """
        text, document = request.query, None
        if self._looks_up_all or not text:
            document = self._named.try_find(request.document, text or None)
            if document is None:
                return None
            text = document.text
        prepared = self._documents.find(text, request.operation_name)
        if prepared is None or prepared.compiled is None or request.on_error not in ERROR_BEHAVIORS:
            return None
        return FoundOperation(prepared, document)

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

    def _prepared(self, request: GraphQLRequest) -> Prepared:
        return self._documents.prepare(request.query, request.operation_name, trusted=bool(request.trusted))


def _check_error_behavior(request: GraphQLRequest) -> None:
    if request.on_error not in ERROR_BEHAVIORS:
        values = tuple(ERROR_BEHAVIORS.values())
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
