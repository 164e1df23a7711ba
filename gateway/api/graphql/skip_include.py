"""The directives `@skip` and `@include`: the only module that interprets them without executing a document."""

from collections.abc import Sequence
from typing import Any, TypeVar

from graphql import DirectiveNode, Node, SelectionNode, VariableNode, Visitor, visit
from graphql.language import REMOVE

__all__ = ["Condition", "condition_of", "condition_variables", "conditions_of", "without_conditions"]

Condition = tuple[str, bool]
"""The name of a variable, and the value with which the directive includes its selection."""

_INCLUDING = {"skip": False, "include": True}
_UNCONDITIONAL: tuple[Condition, ...] = ()
_Node = TypeVar("_Node", bound=Node)


def condition_of(directive: DirectiveNode) -> Condition | bool | None:
    """Return the condition that `@skip` or `@include` in a valid document sets; None for another directive.

    With a literal instead of a variable, return whether the selection is included.
    """
    including = _INCLUDING.get(directive.name.value)
    if including is None:
        return None
    for argument in directive.arguments or ():
        if isinstance(argument.value, VariableNode):
            return argument.value.name.value, including
        return getattr(argument.value, "value", None) is including
    return True


def conditions_of(node: SelectionNode) -> Sequence[Condition] | None:
    """Return the conditions that must all hold for a selection to be included; None where a literal excludes it."""
    if not node.directives:
        return _UNCONDITIONAL
    conditions = []
    for directive in node.directives:
        condition = condition_of(directive)
        if condition is False:
            return None
        if isinstance(condition, tuple):
            conditions.append(condition)
    return conditions


def condition_variables(node: Node) -> set[str]:
    """Return the names of all variables in `@skip` and `@include` anywhere below a node."""
    collector = _VariableCollector()
    visit(node, collector)
    return collector.names


def without_conditions(node: _Node) -> _Node:
    """Return a node without `@skip` and `@include`, so that everything is selected."""
    whole: _Node = visit(node, _ConditionRemover())
    return whole


class _VariableCollector(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
        condition = condition_of(node)
        if isinstance(condition, tuple):
            self.names.add(condition[0])


class _ConditionRemover(Visitor):
    def enter_directive(self, node: DirectiveNode, *_: Any) -> Any:
        return REMOVE if condition_of(node) is not None else None
