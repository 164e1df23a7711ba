"""Leaves: an expression that gives a usual value as JSON has it, and raises `SlowPathError` for what is not usual.

What is odd is no error yet: graphql-core's own coercion then has the last word.
"""

from collections.abc import Callable
from enum import Enum
from functools import partial
from math import isfinite
from typing import Any, NoReturn

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLLeafType,
    GraphQLString,
    Undefined,
)
from graphql.pyutils import is_awaitable
from graphql.type import GRAPHQL_MAX_INT, GRAPHQL_MIN_INT

__all__ = ["Constants", "SlowPathError", "leaf", "usual"]


class Constants:
    """Names for objects; the same object has one name."""

    def __init__(self) -> None:
        self.named: dict[str, Any] = {}
        self._names: dict[int, str] = {}

    def name(self, value: Any) -> str:
        """The name under which generated code finds the object."""
        known = self._names.get(id(value))
        if known is None:
            known = self._names[id(value)] = f"k{len(self.named)}"
            self.named[known] = value  # which keeps it, and with it its id
        return known


# By what coerces them: a schema may have specified scalars of its own making.
_USUAL = {
    GraphQLString.coerce_output_value: "a if a.__class__ is str else {text}(a)",
    GraphQLID.coerce_output_value: "a if a.__class__ is str else {text}(a)",
    GraphQLBoolean.coerce_output_value: "a if a.__class__ is bool else {odd}(a)",
    GraphQLInt.coerce_output_value: f"a if a.__class__ is int and {GRAPHQL_MIN_INT} <= a <= {GRAPHQL_MAX_INT}"
    " else {odd}(a)",
    GraphQLFloat.coerce_output_value: "a if a.__class__ is float and {isfinite}(a) else {odd}(a)",
}


class SlowPathError(Exception):
    """A value that the straight way does not cover."""


def leaf(type_: GraphQLLeafType, met: set[type], constants: Constants) -> str:
    """The expression of the leaf whose value is in the variable `a`; null counts as odd.

    `met` are the classes that are known to be `usual`.
    """
    name = constants.name
    if isinstance(type_, GraphQLEnumType):
        return f"{name(_names(type_))}[a]"
    coerce = type_.coerce_output_value
    if coerce in _USUAL:
        return _USUAL[coerce].format(text=name(_text), odd=name(_odd), isfinite=name(isfinite))
    whole = coerce if isinstance(coerce, type) else partial(_whole, coerce)
    return f"{name(whole)}(a) if {name(usual)}(a, {name(met)}) else {name(_odd)}(a)"


def usual(value: Any, met: set[type]) -> bool:
    """Whether graphql-core would take the value for what it is; that is decided by its class, which is kept."""
    if value.__class__ in met:
        return True
    if value is None or value is Undefined or isinstance(value, Exception) or is_awaitable(value):
        return False
    met.add(value.__class__)
    return True


def _names(type_: GraphQLEnumType) -> dict[Any, str]:
    members = getattr(type_, "wrapped_cls", None)
    if not (isinstance(members, type) and issubclass(members, Enum)):
        return {}  # every value is odd
    return {member: type_.coerce_output_value(member) for member in members}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else _odd(value)


def _whole(coerce: Callable[[Any], Any], value: Any) -> Any:
    coerced = coerce(value)
    return _odd(value) if coerced is None or coerced is Undefined else coerced


def _odd(_value: Any) -> NoReturn:
    raise SlowPathError
