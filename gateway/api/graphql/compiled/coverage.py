"""What is compiled and what stays on graphql-core: decided on the document, before anything is executed."""

from dataclasses import dataclass

from graphql import (
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    OperationDefinitionNode,
    OperationType,
    VariableNode,
    Visitor,
    visit,
)

__all__ = ["Reach", "Uncovered"]

_SWITCHES = frozenset({"skip", "include"})
_INTROSPECTION = frozenset({"__schema", "__type"})


@dataclass(frozen=True, slots=True)
class Uncovered:
    """An operation that is not compiled, and why."""

    reason: str


class Reach(Visitor):
    """What an operation reaches, its fragments followed.

    `uncovered` is the first reason not to compile it, None where there is none. `switches` are the variables that
    decide which fields are selected.
    """

    def __init__(self, document: DocumentNode, operation: OperationDefinitionNode) -> None:
        super().__init__()
        self.fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self.uncovered: str | None = None
        self._names: set[str] = set()
        self._seen: set[str] = set()
        self._ahead: list[OperationDefinitionNode | FragmentDefinitionNode] = [operation]
        if operation.operation is OperationType.SUBSCRIPTION:
            self._leave("subscription")
        while self._ahead:
            visit(self._ahead.pop(), self)

    @property
    def switches(self) -> tuple[str, ...]:
        return tuple(sorted(self._names))

    def enter_field(self, node: FieldNode, *_: object) -> None:
        if node.name.value in _INTROSPECTION:
            self._leave(node.name.value)

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: object) -> None:
        name = node.name.value
        fragment = self.fragments.get(name)
        if name in self._seen or fragment is None:
            return
        self._seen.add(name)
        self._ahead.append(fragment)
        if fragment.variable_definitions:
            self._leave("fragment with variables")

    def enter_directive(self, node: DirectiveNode, *_: object) -> None:
        if node.name.value not in _SWITCHES:
            self._leave(f"@{node.name.value}")
            return
        for argument in node.arguments or ():
            if isinstance(argument.value, VariableNode):
                self._names.add(argument.value.name.value)

    def _leave(self, reason: str) -> None:
        self.uncovered = self.uncovered or reason
