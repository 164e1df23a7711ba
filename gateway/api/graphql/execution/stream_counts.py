"""Checks `initialCount` of `@stream`: graphql-core raises an unexpected exception for null and negative numbers."""

from collections.abc import Iterator, Mapping
from typing import Any

from graphql import (
    ASTValidationRule,
    DirectiveNode,
    DocumentNode,
    GraphQLError,
    IntValueNode,
    NullValueNode,
    OperationDefinitionNode,
    ValueNode,
    VariableNode,
    Visitor,
    value_from_ast_untyped,
    visit,
)

from gateway.errors import BadUserInput

__all__ = ["StreamCounts", "StreamInitialCount"]

_MESSAGE = "`initialCount` of `@stream` must be 0 or more."


class StreamInitialCount(ASTValidationRule):
    """Validation rule: a literal `initialCount` is 0 or more."""

    def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
        for value in _initial_counts(node):
            if isinstance(value, NullValueNode) or (isinstance(value, IntValueNode) and int(value.value) < 0):
                self.report_error(GraphQLError(_MESSAGE, value))


class StreamCounts:
    """The variables that an operation with `@stream` uses as `initialCount`."""

    def __init__(self, document: DocumentNode, operation: OperationDefinitionNode) -> None:
        finder = _VariableFinder()
        visit(document, finder)
        self._defaults = {
            definition.variable.name.value: value_from_ast_untyped(definition.default_value)
            for definition in operation.variable_definitions or ()
            if definition.default_value is not None
        }
        self._names = tuple(finder.names)

    def check(self, variables: Mapping[str, Any]) -> None:
        """Check the values of the variables, which are as the client sent them.

        Raises:
            BadUserInput: one is null or negative.
        """
        given = self._defaults | dict(variables)
        for name in self._names:
            value = given.get(name, 0)
            if value is None or (isinstance(value, int | float) and value < 0):
                raise BadUserInput(f"{_MESSAGE} It is the variable `${name}`.")


class _VariableFinder(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.names: dict[str, None] = {}

    def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
        self.names |= {value.name.value: None for value in _initial_counts(node) if isinstance(value, VariableNode)}


def _initial_counts(node: DirectiveNode) -> Iterator[ValueNode]:
    if node.name.value == "stream":
        yield from (argument.value for argument in node.arguments or () if argument.name.value == "initialCount")
