"""A document's operation → its price."""

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
    Charge,
    Conditions,
    Price,
    Size,
    Tariff,
    Term,
    Varying,
    count,
)
from gateway.api.graphql.skip_include import conditions_of

__all__ = ["price_of"]

_INTROSPECTION = {"__schema": 100, "__type": 20}  # by itself: how deep it goes is limited
_ALWAYS: Conditions = frozenset()
_ONE = Size(1)

_Sets = Iterable[tuple[SelectionSetNode, Conditions]]


@dataclass(frozen=True, slots=True)
class _Group:
    """The fields of one answer's name, on one type: they are executed as one."""

    name: str
    charge: Charge
    nodes: list[tuple[FieldNode, Conditions]] = field(default_factory=list)


def price_of(tariff: Tariff, document: DocumentNode, operation: OperationDefinitionNode) -> Price:
    """The price of an operation; the document is valid, and within the limits."""
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    root = tariff.schema.get_root_type(operation.operation)
    defaults = {
        one.variable.name.value: value_from_ast_untyped(one.default_value)
        for one in operation.variable_definitions or ()
        if one.default_value is not None
    }
    term = _Pricing(tariff, fragments).selected(root.name if root else "", [(operation.selection_set, _ALWAYS)], {})
    return Price(term, defaults)


@dataclass(frozen=True, slots=True)
class _Pricing:
    tariff: Tariff
    fragments: Mapping[str, FragmentDefinitionNode]

    def selected(self, type: str, sets: _Sets, sizes: Mapping[str, Size]) -> Term:
        """What is selected on one object of the type; `sizes` are those that its own field said of its lists."""
        groups: dict[tuple[str, str], _Group] = {}
        for on, node, when in self._fields(type, sets):
            name = node.name.value
            charge = self.tariff.of(on, name) or Charge("", _INTROSPECTION.get(name, 0))
            key = (node.alias.value if node.alias else name, on)
            groups.setdefault(key, _Group(name, charge)).nodes.append((node, when))
        term = Term()
        for group in groups.values():
            term += self._priced(group, sizes)
        return term

    def _priced(self, group: _Group, sizes: Mapping[str, Size]) -> Term:
        charge, (first, _) = group.charge, group.nodes[0]
        term = Term(calls=charge.weight)
        for argument, weight in charge.arguments:
            term += _times(Term(objects=weight), _asked(first, argument, 0))
        if charge.is_object:
            own = self._size(group, first)
            slicing = charge.slicing
            below = dict.fromkeys(slicing.fields, own) if slicing else {}
            alone = len(group.nodes) == 1  # then its own condition is the group's, and told there
            sets = [
                (node.selection_set, _ALWAYS if alone else when) for node, when in group.nodes if node.selection_set
            ]
            item = Term(objects=1) + self.selected(charge.type, sets, below)
            size = sizes.get(group.name, own if slicing and not slicing.fields else Size(ANY_LIST))
            term += _times(item, size if charge.is_list else _ONE)
        when = tuple(dict.fromkeys(conditions for _, conditions in group.nodes))
        return term if _ALWAYS in when else Term(varying=(Varying(term, _ONE, when),))

    def _size(self, group: _Group, node: FieldNode) -> Size:
        slicing = group.charge.slicing
        if slicing is None:
            return Size(ANY_LIST)
        given = {argument.name.value for argument in node.arguments or ()}
        for name, default in slicing.arguments:
            if name in given:
                return _asked(node, name, count(default, slicing.assumed))
        return Size(next((count(default, slicing.assumed) for _, default in slicing.arguments), slicing.assumed))

    def _fields(self, type: str, sets: _Sets) -> Iterator[tuple[str, FieldNode, Conditions]]:
        """The fields of selection sets with those of their fragments, each with the type that it is asked of."""
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
    return term.times(size.known) if size.variable is None else Term(varying=(Varying(term, size),))


def _asked(node: FieldNode, argument: str, otherwise: int) -> Size:
    """How many an argument asks for."""
    value: ValueNode | None = next((one.value for one in node.arguments or () if one.name.value == argument), None)
    if isinstance(value, VariableNode):
        return Size(otherwise, value.name.value)
    return Size(otherwise if value is None else count(value_from_ast_untyped(value), otherwise))


def _conditions(node: SelectionNode, outer: Conditions) -> Conditions | None:
    """The variables that decide on a selection, beside those around it; None where it is left out for certain."""
    conditions = conditions_of(node)
    return None if conditions is None else outer.union(conditions)
