"""Converts the selection of a GraphQL operation into the `Selection` that plans are made of."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
)
from graphql.language import BooleanValueNode

from gateway.api.graphql.skip_include import conditions_of
from gateway.users.planning import Selection, merged

__all__ = ["selection_of"]

_Fragments = Mapping[str, FragmentDefinitionNode]
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def selection_of(
    document: DocumentNode, operation: OperationDefinitionNode, variables: Mapping[str, Any] | None
) -> Selection:
    """Return what the operation selects with these variables, which may be as the client sent them.

    A selection whose `@skip` or `@include` depends on a variable without a boolean value is included.
    """
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    defaults = {
        definition.variable.name.value: definition.default_value.value
        for definition in operation.variable_definitions or ()
        if isinstance(definition.default_value, BooleanValueNode)
    }
    return _set(operation.selection_set, fragments, defaults | dict(variables or {}))


def _set(node: SelectionSetNode | None, fragments: _Fragments, variables: Mapping[str, Any]) -> Selection:
    return merged(_parts(node.selections, fragments, variables)) if node else Selection()


def _parts(nodes: Iterable[SelectionNode], fragments: _Fragments, variables: Mapping[str, Any]) -> Iterable[Selection]:
    for node in nodes:
        if _is_excluded(node, variables):
            continue
        if isinstance(node, FieldNode):
            yield Selection({_snake(node.name.value): _set(node.selection_set, fragments, variables)})
        elif isinstance(node, InlineFragmentNode):
            below = _set(node.selection_set, fragments, variables)
            yield Selection(on={node.type_condition.name.value: below}) if node.type_condition else below
        elif isinstance(node, FragmentSpreadNode) and (fragment := fragments.get(node.name.value)):
            below = _set(fragment.selection_set, fragments, variables)
            yield Selection(on={fragment.type_condition.name.value: below})


def _is_excluded(node: SelectionNode, variables: Mapping[str, Any]) -> bool:
    conditions = conditions_of(node)
    return conditions is None or any(variables.get(name) is (not value) for name, value in conditions)


def _snake(name: str) -> str:
    return name if name.startswith("__") else _HUMP.sub("_", name).lower()
