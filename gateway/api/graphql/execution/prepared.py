"""A document's operation, ready to be executed any number of times."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import msgspec
from graphql import DocumentNode, FieldNode, GraphQLError, OperationDefinitionNode, OperationType

from gateway.api.graphql.execution.context import Context
from gateway.api.graphql.execution.selections import selection_of
from gateway.api.graphql.limits.cost_model import Price
from gateway.api.graphql.skip_include import condition_variables
from gateway.users.planning import Plan, plan

__all__ = ["Executable", "Executed", "Prepared", "prepared"]

_ROOTS = {OperationType.QUERY: "Query", OperationType.MUTATION: "Mutation", OperationType.SUBSCRIPTION: "Subscription"}
_MOST_PLANS = 64  # of one document: each switch doubles what is possible


class Executed(msgspec.Struct, frozen=True):
    """The result of executing a compiled operation.

    `data` consists of dictionaries, lists and JSON scalars; it is None if a null was propagated to the root. Several
    positions of it may have the same object, so it must not be changed.
    """

    data: dict[str, Any] | None
    errors: list[GraphQLError] = []


class Executable(Protocol):
    """A compiled operation (`compiled/operation.py`). `weight` is the approximate maximum of its memory, in bytes."""

    @property
    def weight(self) -> int: ...

    async def execute(self, context: Context, variables: Mapping[str, Any]) -> Executed:
        """Return the result that graphql-core would give, for variables as the client sent them."""


@dataclass(slots=True, eq=False)
class Prepared:
    """One operation of a valid document.

    `price` is a function of the variables. `compiled` is None where graphql-core executes it. `incremental` is the
    document as its client wrote it, where it holds `@defer` or `@stream`; `document` is without them, for clients that
    take one answer. `mutations` is how many changes it may hold.
    """

    document: DocumentNode
    operation: OperationDefinitionNode
    price: Price
    compiled: Executable | None
    incremental: DocumentNode | None
    mutations: int
    _switches: tuple[str, ...]
    _plans: dict[tuple[Any, ...], Plan] = field(default_factory=dict)

    @property
    def kind(self) -> OperationType:
        return self.operation.operation

    def plan(self, variables: Mapping[str, Any] | None) -> Plan:
        """What is to be fetched: it depends on the document and on the variables that `@skip` and `@include` name."""
        given = variables or {}
        key = tuple(value if isinstance(value := given.get(name), bool) else None for name in self._switches)
        known = self._plans.get(key)
        if known is None:
            selection = selection_of(self.document, self.operation, given)
            known = replace(plan(selection, _ROOTS[self.kind]), single_user=_is_about_one_user(self.operation))
            if len(self._plans) < _MOST_PLANS:
                self._plans[key] = known
        return known


def prepared(
    document: DocumentNode,
    operation: OperationDefinitionNode,
    price: Price,
    compiled: Executable | None,
    incremental: DocumentNode | None = None,
) -> Prepared:
    """The operation with what can be known before it is executed."""
    variables = tuple(sorted(condition_variables(document)))
    return Prepared(document, operation, price, compiled, incremental, _mutations(operation), variables)


def _is_about_one_user(operation: OperationDefinitionNode) -> bool:
    selected = operation.selection_set.selections
    return len(selected) == 1 and isinstance(selected[0], FieldNode) and selected[0].name.value == "user"


def _mutations(operation: OperationDefinitionNode) -> int:
    """How many changes the operation may hold; a fragment counts as several."""
    if operation.operation is not OperationType.MUTATION:
        return 0
    return sum(1 if node.kind == "field" else 2 for node in operation.selection_set.selections)
