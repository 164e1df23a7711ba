"""An operation of a valid document, prepared to be executed any number of times."""

from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import msgspec
from graphql import DocumentNode, FieldNode, GraphQLError, OperationDefinitionNode, OperationType

from gateway.api.graphql.execution.context import Context
from gateway.api.graphql.execution.selections import selection_of
from gateway.api.graphql.execution.stream_counts import StreamCounts
from gateway.api.graphql.limits.cost_model import Price
from gateway.api.graphql.skip_include import condition_variables
from gateway.users.planning import Plan, plan

__all__ = ["Executable", "Executed", "Prepared", "SingleUser", "prepare_operation"]

_ROOTS = {OperationType.QUERY: "Query", OperationType.MUTATION: "Mutation", OperationType.SUBSCRIPTION: "Subscription"}
_SINGLE_USERS = frozenset({"user", "node"})  # the root fields that fetch one user at most
_MAX_PLANS = 64  # of one document: each variable of `@skip` and `@include` doubles the number of possible plans


class Executed(msgspec.Struct, frozen=True):
    """The result of executing a compiled operation.

    `data` consists of dictionaries, lists and JSON scalars; it is None if a null was propagated to the root. Several
    positions of it may have the same object, so it must not be changed.
    """

    data: dict[str, Any] | None
    errors: list[GraphQLError] = []


class SingleUser(Protocol):
    """The only root field of an operation is `user`, to be called with these arguments."""

    @property
    def arguments(self) -> Mapping[str, Any]: ...

    def try_complete(self, user: Any, context: Context) -> Executed | None:
        """Return the result of the operation with this user; None if it has an error or must be awaited."""


class Executable(Protocol):
    """A compiled operation (`compiled/operation.py`). `weight` is the approximate maximum of its memory, in bytes."""

    @property
    def weight(self) -> int: ...

    def needs_compiling(self, variables: Mapping[str, Any]) -> bool:
        """Return whether its execution with these variables begins with the compilation of another program."""

    def user_call(self, variables: Mapping[str, Any]) -> SingleUser | None:
        """Return the call of `user` if that is the only root field, and no field below it may need a lookup.

        Else, and for variables that are wrong or need another program, return None.
        """

    def execute(self, context: Context, variables: Mapping[str, Any]) -> Coroutine[Any, Any, Executed]:
        """Return the execution, with the result that graphql-core would give, for variables as the client sent them."""


@dataclass(slots=True, eq=False)
class Prepared:
    """A prepared operation.

    `price` computes its cost from the variables. `compiled` is None if graphql-core executes it. `document` is without
    `@defer` and `@stream`; if it has them, `incremental` is the document as the client wrote it, and `stream_counts`
    checks the variables of `@stream` in it. `mutations` is how many mutations it may have. `variable_names` are those
    of the variables that it declares. `sha256` is the hash of the document's text. `name` is empty for an operation
    without one; `kind` is query, mutation or subscription. `may_have_parts`: a client may get its result in parts, or
    its events.
    """

    document: DocumentNode
    operation: OperationDefinitionNode
    price: Price
    compiled: Executable | None
    incremental: DocumentNode | None
    stream_counts: StreamCounts | None
    mutations: int
    variable_names: tuple[str, ...]
    sha256: str
    _plan_variables: tuple[str, ...]
    _plans: dict[tuple[Any, ...], Plan] = field(default_factory=dict)
    operation_type: OperationType = field(init=False)
    name: str = field(init=False)
    kind: str = field(init=False)
    may_have_parts: bool = field(init=False)

    def __post_init__(self) -> None:
        self.name = "" if self.operation.name is None else self.operation.name.value
        self.operation_type = self.operation.operation
        self.kind = self.operation_type.value
        self.may_have_parts = self.incremental is not None or self.operation_type is OperationType.SUBSCRIPTION

    def declared(self, variables: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return those of the variables that the operation declares; the others have no effect."""
        return {name: variables[name] for name in self.variable_names if name in variables} if variables else {}

    def plan(self, variables: Mapping[str, Any] | None) -> Plan:
        """Return the plan for these variables: it depends on those that `@skip` and `@include` name."""
        if not self._plan_variables and (only := self._plans.get(())) is not None:
            return only
        values = variables or {}
        key = tuple(value if isinstance(value := values.get(name), bool) else None for name in self._plan_variables)
        found = self._plans.get(key)
        if found is None:
            selection = selection_of(self.document, self.operation, values)
            found = replace(plan(selection, _ROOTS[self.operation_type]), single_user=_selects_one_user(self.operation))
            if len(self._plans) < _MAX_PLANS:
                self._plans[key] = found
        return found


def prepare_operation(
    document: DocumentNode,
    operation: OperationDefinitionNode,
    price: Price,
    compiled: Executable | None,
    incremental: DocumentNode | None = None,
    *,
    sha256: str = "",
) -> Prepared:
    """Return the prepared operation of a valid document; the parameters are the attributes of `Prepared`."""
    variables = tuple(sorted(condition_variables(document)))
    names = tuple(definition.variable.name.value for definition in operation.variable_definitions or ())
    stream_counts = StreamCounts(incremental, operation) if incremental is not None else None
    mutations = _count_mutations(operation)
    return Prepared(
        document, operation, price, compiled, incremental, stream_counts, mutations, names, sha256, variables
    )


def _selects_one_user(operation: OperationDefinitionNode) -> bool:
    selected = operation.selection_set.selections
    return len(selected) == 1 and isinstance(selected[0], FieldNode) and selected[0].name.value in _SINGLE_USERS


def _count_mutations(operation: OperationDefinitionNode) -> int:
    """Return how many mutations the operation may have; a fragment counts as several."""
    if operation.operation is not OperationType.MUTATION:
        return 0
    return sum(1 if node.kind == "field" else 2 for node in operation.selection_set.selections)
