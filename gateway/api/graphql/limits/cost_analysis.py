"""Analyses the cost of an operation: its fields, with fragments followed, against the cost model."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    value_from_ast_untyped,
)

from gateway.api.graphql.limits.cost_model import (
    ANY_LIST,
    Conditions,
    CostModel,
    FieldCost,
    Price,
    Size,
    Term,
    Varying,
    count,
)
from gateway.api.graphql.skip_include import conditions_of

__all__ = ["price_of"]

_INTROSPECTION = {"__schema": 100, "__type": 20}  # in total: a limit bounds their depth
_ALWAYS: Conditions = frozenset()
_ONE = Size(1)

_Sets = Iterable[tuple[SelectionSetNode, Conditions]]


@dataclass(frozen=True, slots=True)
class _Group:
    """The fields of one type that have the same response name: they are executed as one."""

    name: str
    cost: FieldCost
    nodes: list[tuple[FieldNode, Conditions]] = field(default_factory=list)


def price_of(cost_model: CostModel, document: DocumentNode, operation: OperationDefinitionNode) -> Price:
    """Return the price of an operation of a document that is valid and within the limits."""
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    root = cost_model.schema.get_root_type(operation.operation)
    defaults = {
        definition.variable.name.value: value_from_ast_untyped(definition.default_value)
        for definition in operation.variable_definitions or ()
        if definition.default_value is not None
    }
    analysis = _Analysis(cost_model, fragments)
    return Price(analysis.selected(root.name if root else "", [(operation.selection_set, _ALWAYS)], {}), defaults)


@dataclass(frozen=True, slots=True)
class _Analysis:
    cost_model: CostModel
    fragments: Mapping[str, FragmentDefinitionNode]

    def selected(self, type: str, sets: _Sets, sizes: Mapping[str, Size]) -> Term:
        """Return the cost of what is selected on one object; `sizes` are those of its lists, from its parent field."""
        groups: dict[tuple[str, str], _Group] = {}
        for on, node, when in self._fields(type, sets):
            name = node.name.value
            cost = self.cost_model.of(on, name) or FieldCost("", _INTROSPECTION.get(name, 0))
            key = (node.alias.value if node.alias else name, on)
            groups.setdefault(key, _Group(name, cost)).nodes.append((node, when))
        term = Term()
        for group in groups.values():
            term += self._group_cost(group, sizes)
        return term

    def _group_cost(self, group: _Group, sizes: Mapping[str, Size]) -> Term:
        cost, (first, _) = group.cost, group.nodes[0]
        term = Term(calls=cost.weight)
        for argument, weight in cost.arguments:
            term += _times(Term(objects=weight), _requested(first, argument, 0))
        if cost.is_object:
            requested = self._size(group, first)
            slicing = cost.slicing
            sizes_below = dict.fromkeys(slicing.fields, requested) if slicing else {}
            is_single = len(group.nodes) == 1  # its conditions are those of the group, and are applied there
            sets = [
                (node.selection_set, _ALWAYS if is_single else when) for node, when in group.nodes if node.selection_set
            ]
            item = Term(objects=1) + self.selected(cost.type, sets, sizes_below)
            size = sizes.get(group.name, requested if slicing and not slicing.fields else Size(ANY_LIST))
            term += _times(item, size if cost.is_list else _ONE)
        when = tuple(dict.fromkeys(conditions for _, conditions in group.nodes))
        return term if _ALWAYS in when else Term(varying=(Varying(term, _ONE, when),))

    def _size(self, group: _Group, node: FieldNode) -> Size:
        slicing = group.cost.slicing
        if slicing is None:
            return Size(ANY_LIST)
        present = {argument.name.value for argument in node.arguments or ()}
        for name, default in slicing.arguments:
            if name in present:
                return _requested(node, name, count(default, slicing.assumed))
        return Size(next((count(default, slicing.assumed) for _, default in slicing.arguments), slicing.assumed))

    def _fields(self, type: str, sets: _Sets) -> Iterator[tuple[str, FieldNode, Conditions]]:
        """Yield the fields of selection sets and of their fragments, each with the type on which it is selected."""
        seen: set[tuple[str, Conditions]] = set()
        stack = [(type, selections, when) for selections, when in sets]
        while stack:
            on, selections, outer = stack.pop()
            for node in selections.selections:
                when = _conditions(node, outer)
                if when is None:
                    continue
                if isinstance(node, FieldNode):
                    yield on, node, when
                elif isinstance(node, InlineFragmentNode):
                    stack.append(
                        (node.type_condition.name.value if node.type_condition else on, node.selection_set, when)
                    )
                elif isinstance(node, FragmentSpreadNode) and (node.name.value, when) not in seen:
                    seen.add((node.name.value, when))
                    fragment = self.fragments[node.name.value]
                    stack.append((fragment.type_condition.name.value, fragment.selection_set, when))


def _times(term: Term, size: Size) -> Term:
    return term.times(size.default) if size.variable is None else Term(varying=(Varying(term, size),))


def _requested(node: FieldNode, argument: str, default: int) -> Size:
    """Return how many items an argument requests."""
    value: ValueNode | None = next((node.value for node in node.arguments or () if node.name.value == argument), None)
    if isinstance(value, VariableNode):
        return Size(default, value.name.value)
    return Size(default if value is None else count(value_from_ast_untyped(value), default))


def _conditions(node: SelectionNode, outer: Conditions) -> Conditions | None:
    """Return the conditions of a selection, including those around it; None where a literal excludes it."""
    conditions = conditions_of(node)
    return None if conditions is None else outer.union(conditions)
