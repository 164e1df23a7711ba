"""What an operation costs: worked out once a document, then a sum over its variables.

A call to a source costs its `@cost`, once: what is looked up inside a list is looked up in one batch. Each
object of the answer costs 1, and lists inside lists multiply. Scalars cost nothing. The price is an upper
bound: a list counts for as many as were asked for, and what is asked of several types behind an interface
is added up.
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

__all__ = ["ANY_LIST", "Charge", "Conditions", "Price", "Size", "Slicing", "Tariff", "Term", "Varying", "count"]

_MOST = 10**9  # as good as any larger number

Conditions = frozenset[Condition]
"""The conditions of one selection; all of them have to hold."""


@dataclass(frozen=True, slots=True)
class Size:
    """How many: what the variable says if it is given, else so many."""

    known: int
    variable: str | None = None

    def __call__(self, variables: Mapping[str, Any]) -> int:
        return self.known if self.variable is None else count(variables.get(self.variable), self.known)


@dataclass(frozen=True, slots=True)
class Varying:
    """A part of the price that depends on variables: so many times, where one of the conditions holds."""

    term: "Term"
    size: Size
    when: tuple[Conditions, ...] = ()


@dataclass(frozen=True, slots=True)
class Term:
    """A price in two parts: calls, and objects, which alone multiply with the lists around them."""

    calls: int = 0
    objects: int = 0
    varying: tuple[Varying, ...] = ()

    def times(self, size: int) -> "Term":
        """The price inside a list of that many."""
        return Term(
            self.calls,
            min(_MOST, self.objects * size),
            tuple(Varying(one.term.times(size), one.size, one.when) for one in self.varying),
        )

    def __add__(self, other: "Term") -> "Term":
        return Term(
            min(_MOST, self.calls + other.calls),
            min(_MOST, self.objects + other.objects),
            self.varying + other.varying,
        )

    def priced(self, variables: Mapping[str, Any]) -> tuple[int, int]:
        """Calls and objects, with these variables."""
        calls, objects = self.calls, self.objects
        for one in self.varying:
            if one.when and not any(_holds(conditions, variables) for conditions in one.when):
                continue
            more_calls, more_objects = one.term.priced(variables)
            calls += more_calls
            objects += more_objects * one.size(variables)
        return min(_MOST, calls), min(_MOST, objects)


class Price:
    """The price of one operation of one document."""

    def __init__(self, term: Term, defaults: Mapping[str, Any]) -> None:
        self._term = term
        self._defaults = defaults
        self._fixed = None if term.varying else min(_MOST, sum(term.priced({})))

    def __call__(self, variables: Mapping[str, Any] | None = None) -> int:
        """The price with these variables, which may be as the client sent them: a wrong one is never an error here."""
        if self._fixed is not None:
            return self._fixed
        return min(_MOST, sum(self._term.priced({**self._defaults, **(variables or {})})))


def count(value: Any, otherwise: int) -> int:
    """How many a value asks for: a number itself, a list its length; one that is not given, the other."""
    if value is None:
        return otherwise
    if isinstance(value, int | float):  # 5.0 is an Int too, as JSON writes it
        return int(min(_MOST, max(0, value)))
    return len(value) if isinstance(value, list | tuple) else 1


def _holds(conditions: Conditions, variables: Mapping[str, Any]) -> bool:
    return all(variables.get(name) is wanted for name, wanted in conditions)


ANY_LIST = 5  # objects of a list of which the schema does not say how long it is
_D = TypeVar("_D", Cost, ListSize)


@dataclass(frozen=True, slots=True)
class Slicing:
    """How many objects a list counts for: by the first of the arguments that is given, else as assumed."""

    assumed: int = ANY_LIST
    arguments: tuple[tuple[str, Any], ...] = ()  # with their defaults
    fields: frozenset[str] = frozenset()  # those that are the list; none: the field itself


@dataclass(frozen=True, slots=True)
class Charge:
    """One field: what asking costs, whether it answers objects and how many, and what an item of an argument costs."""

    type: str
    weight: int = 0
    is_object: bool = False
    is_list: bool = False
    slicing: Slicing | None = None
    arguments: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Tariff:
    """The charges of a schema, by type and field."""

    schema: GraphQLSchema
    _charges: dict[tuple[str, str], Charge] = field(default_factory=dict, init=False, repr=False)

    def of(self, type_name: str, field_name: str) -> Charge | None:
        """The charge of a field; None for one that is not the schema's own, as introspection's are not."""
        known = self._charges.get((type_name, field_name))
        if known is None:
            fields: dict[str, GraphQLField] = getattr(self.schema.get_type(type_name), "fields", {})
            if field_name not in fields:
                return None
            known = self._charges[type_name, field_name] = _charge(fields[field_name])
        return known


def _charge(field: GraphQLField) -> Charge:
    cost, size = _one(Cost, field), _one(ListSize, field)
    weights = ((name, _one(Cost, argument)) for name, argument in field.args.items())
    return Charge(
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


def _one(kind: type[_D], priced: GraphQLField | GraphQLArgument) -> _D | None:
    directives: Iterable[object] = getattr(definition_of(priced), "directives", None) or ()
    return next((one for one in directives if isinstance(one, kind)), None)
