"""The cost model: the cost of each field, and sums of costs that depend on an operation's variables.

A call to a source costs the `@cost` of its field, once: lookups inside a list are made in one batch. Each object of the
answer costs 1, and nested lists multiply. Scalars cost nothing. The cost is an upper bound: a list counts with as many
items as are requested, and selections on several types behind an interface are added up.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLSchema,
    get_named_type,
    get_nullable_type,
    is_composite_type,
    is_list_type,
)
from graphql.pyutils import Undefined

from gateway.api.graphql.definitions import definition_of
from gateway.api.graphql.limits.directives import Cost, ListSize
from gateway.api.graphql.skip_include import Condition

__all__ = ["ANY_LIST", "Conditions", "CostModel", "FieldCost", "Price", "Size", "Slicing", "Term", "Varying", "count"]

ANY_LIST = 5  # objects of a list whose size the schema does not state
_MAX_COST = 10**9  # larger costs make no difference
_Directive = TypeVar("_Directive", Cost, ListSize)

Conditions = frozenset[Condition]
"""The conditions of one selection; all of them have to hold."""


@dataclass(frozen=True, slots=True)
class Size:
    """A number of items: that of the variable if it has a value, else `default`."""

    default: int
    variable: str | None = None

    def __call__(self, variables: Mapping[str, Any]) -> int:
        return self.default if self.variable is None else count(variables.get(self.variable), self.default)


@dataclass(frozen=True, slots=True)
class Varying:
    """A cost that depends on variables: `term`, `size` times. With `when`, only if one of its alternatives holds."""

    term: "Term"
    size: Size
    when: tuple[Conditions, ...] = ()


@dataclass(frozen=True, slots=True)
class Term:
    """A cost in three parts: calls; objects, which alone multiply with the lists around them; and what varies."""

    calls: int = 0
    objects: int = 0
    varying: tuple[Varying, ...] = ()

    def times(self, size: int) -> "Term":
        """Return the cost inside a list of that many items."""
        return Term(
            self.calls,
            min(_MAX_COST, self.objects * size),
            tuple(Varying(part.term.times(size), part.size, part.when) for part in self.varying),
        )

    def __add__(self, other: "Term") -> "Term":
        return Term(
            min(_MAX_COST, self.calls + other.calls),
            min(_MAX_COST, self.objects + other.objects),
            self.varying + other.varying,
        )

    def evaluate(self, variables: Mapping[str, Any]) -> tuple[int, int]:
        """Return the cost of the calls and that of the objects, with these variables."""
        calls, objects = self.calls, self.objects
        for part in self.varying:
            if part.when and not any(_holds(conditions, variables) for conditions in part.when):
                continue
            part_calls, part_objects = part.term.evaluate(variables)
            calls += part_calls
            objects += part_objects * part.size(variables)
        return min(_MAX_COST, calls), min(_MAX_COST, objects)


class Price:
    """Computes the cost of one operation from its variables. `defaults` are those of the operation.

    `fixed` is the cost if it does not depend on variables, else None.
    """

    def __init__(self, term: Term, defaults: Mapping[str, Any]) -> None:
        self._term = term
        self._defaults = defaults
        self.fixed = None if term.varying else min(_MAX_COST, sum(term.evaluate({})))

    def __call__(self, variables: Mapping[str, Any] | None = None) -> int:
        """Return the cost; the variables are as the client sent them, and invalid values raise no error here."""
        if self.fixed is not None:
            return self.fixed
        return min(_MAX_COST, sum(self._term.evaluate({**self._defaults, **(variables or {})})))


def count(value: Any, default: int) -> int:
    """Return how many items a value requests: a number itself, a list its length, null the default."""
    if value is None:
        return default
    if isinstance(value, int | float):  # JSON may spell an Int as 5.0
        return int(min(_MAX_COST, max(0, value)))
    return len(value) if isinstance(value, list | tuple) else 1


def _holds(conditions: Conditions, variables: Mapping[str, Any]) -> bool:
    return all(variables.get(name) is required for name, required in conditions)


@dataclass(frozen=True, slots=True)
class Slicing:
    """The size of a list by `@listSize`: the first of the arguments that has a value, else `assumed`."""

    assumed: int = ANY_LIST
    arguments: tuple[tuple[str, Any], ...] = ()  # with their defaults
    fields: frozenset[str] = frozenset()  # the fields that are the list; none: the field itself


@dataclass(frozen=True, slots=True)
class FieldCost:
    """The cost of one field: `weight` for its call, whether it returns objects, and by argument the cost of an item."""

    type: str
    weight: int = 0
    is_object: bool = False
    is_list: bool = False
    slicing: Slicing | None = None
    arguments: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class CostModel:
    """The cost of each field of a schema."""

    schema: GraphQLSchema
    _costs: dict[tuple[str, str], FieldCost] = field(default_factory=dict, init=False, repr=False)

    def of(self, type_name: str, field_name: str) -> FieldCost | None:
        """Return the cost of a field; None for a field that the type does not define, such as `__schema`."""
        found = self._costs.get((type_name, field_name))
        if found is None:
            fields: dict[str, GraphQLField] = getattr(self.schema.get_type(type_name), "fields", {})
            if field_name not in fields:
                return None
            found = self._costs[type_name, field_name] = _field_cost(fields[field_name])
        return found


def _field_cost(field: GraphQLField) -> FieldCost:
    cost, size = _directive(Cost, field), _directive(ListSize, field)
    weights = ((name, _directive(Cost, argument)) for name, argument in field.args.items())
    return FieldCost(
        type=get_named_type(field.type).name,
        weight=int(cost.weight) if cost else 0,
        is_object=is_composite_type(get_named_type(field.type)),
        is_list=is_list_type(get_nullable_type(field.type)),
        slicing=_slicing(size, field) if size else None,
        arguments=tuple((name, int(weight.weight)) for name, weight in weights if weight),
    )


def _slicing(size: ListSize, field: GraphQLField) -> Slicing:
    return Slicing(
        size.assumed_size or ANY_LIST,
        tuple((name, _default(field, name)) for name in size.slicing_arguments or ()),
        frozenset(size.sized_fields or ()),
    )


def _default(field: GraphQLField, argument: str) -> Any:
    value = field.args[argument].default_value
    return None if value is Undefined else value


def _directive(type: type[_Directive], priced: GraphQLField | GraphQLArgument) -> _Directive | None:
    directives: Iterable[object] = getattr(definition_of(priced), "directives", None) or ()
    return next((directive for directive in directives if isinstance(directive, type)), None)
