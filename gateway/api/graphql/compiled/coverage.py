"""Finds what in a document keeps an operation on graphql-core; size and depth are decided in `operation.py`."""

from dataclasses import dataclass

from graphql import (
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    OperationDefinitionNode,
    OperationType,
    Visitor,
    visit,
)

from gateway.api.graphql.skip_include import condition_of

__all__ = ["Coverage", "Uncovered"]

_INTROSPECTION = frozenset({"__schema", "__type"})


@dataclass(frozen=True, slots=True)
class Uncovered:
    """An operation that is not compiled, with the reason."""

    reason: str


class Coverage(Visitor):
    """Visits an operation and all fragments that it uses.

    `uncovered` is the first reason not to compile the operation, None if there is none. `fragments` are all fragments
    of the document by name. `condition_variables` are the variables that `@skip` and `@include` use.
    """

    def __init__(self, document: DocumentNode, operation: OperationDefinitionNode) -> None:
        super().__init__()
        self.fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self.uncovered: str | None = None
        self._condition_variables: set[str] = set()
        self._seen: set[str] = set()
        self._to_visit: list[OperationDefinitionNode | FragmentDefinitionNode] = [operation]
        if operation.operation is OperationType.SUBSCRIPTION:
            self._exclude("subscription")
        while self._to_visit:
            visit(self._to_visit.pop(), self)

    @property
    def condition_variables(self) -> tuple[str, ...]:
        return tuple(sorted(self._condition_variables))

    def enter_field(self, node: FieldNode, *_: object) -> None:
        if node.name.value in _INTROSPECTION:
            self._exclude(node.name.value)

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: object) -> None:
        name = node.name.value
        fragment = self.fragments.get(name)
        if name in self._seen or fragment is None:
            return
        self._seen.add(name)
        self._to_visit.append(fragment)
        if fragment.variable_definitions:
            self._exclude("fragment with variables")

    def enter_directive(self, node: DirectiveNode, *_: object) -> None:
        condition = condition_of(node)
        if condition is None:
            self._exclude(f"@{node.name.value}")
        elif isinstance(condition, tuple):
            self._condition_variables.add(condition[0])

    def _exclude(self, reason: str) -> None:
        self.uncovered = self.uncovered or reason
