"""Expressions for leaves (scalars and enums): the JSON form of a value on the fast path, `SlowPathError` for others.

A value that is not on the fast path is not an error yet: graphql-core coerces it, or reports the error.
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

__all__ = ["Constants", "SlowPathError", "leaf", "on_fast_path"]


class Constants:
    """The constants of generated code: gives each object one name, `k0`, `k1` and so on."""

    def __init__(self) -> None:
        self.named: dict[str, Any] = {}
        self._names: dict[int, str] = {}

    def name(self, value: Any) -> str:
        """Return the name of the object in generated code."""
        known = self._names.get(id(value))
        if known is None:
            known = self._names[id(value)] = f"k{len(self.named)}"
            self.named[known] = value  # keeps the object alive, so that its id stays unique
        return known


class SlowPathError(Exception):
    """A value that the fast path does not cover."""


def leaf(type_: GraphQLLeafType, fast_classes: set[type], constants: Constants) -> str:
    """Return the expression for a leaf whose value is in the variable `a`; null takes the slow path.

    `fast_classes` are the classes for which `on_fast_path` has already been decided.
    """
    name = constants.name
    if isinstance(type_, GraphQLEnumType):
        return f"{name(_enum_names(type_))}[a]"
    coerce = type_.coerce_output_value
    if coerce in _EXPRESSIONS:
        return _EXPRESSIONS[coerce](name)
    convert = coerce if isinstance(coerce, type) else partial(_coerced, coerce)
    return f"{name(convert)}(a) if {name(on_fast_path)}(a, {name(fast_classes)}) else {name(_slow_path)}(a)"


def on_fast_path(value: Any, fast_classes: set[type]) -> bool:
    """Return whether graphql-core would complete the value as it is. The class decides, and is added to the set."""
    if value.__class__ in fast_classes:
        return True
    if value is None or value is Undefined or isinstance(value, Exception) or is_awaitable(value):
        return False
    fast_classes.add(value.__class__)
    return True


def _enum_names(type_: GraphQLEnumType) -> dict[Any, str]:
    members = getattr(type_, "wrapped_cls", None)
    if not (isinstance(members, type) and issubclass(members, Enum)):
        return {}  # every value takes the slow path
    return {member: type_.coerce_output_value(member) for member in members}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else _slow_path(value)


def _coerced(coerce: Callable[[Any], Any], value: Any) -> Any:
    coerced = coerce(value)
    return _slow_path(value) if coerced is None or coerced is Undefined else coerced


def _slow_path(_value: Any) -> NoReturn:
    raise SlowPathError


# By the function that coerces them and not by name: a schema may replace a specified scalar by another one.
_EXPRESSIONS: dict[Callable[[Any], Any], Callable[[Callable[[Any], str]], str]] = {
    GraphQLString.coerce_output_value: lambda name: f"a if a.__class__ is str else {name(_text)}(a)",
    GraphQLID.coerce_output_value: lambda name: f"a if a.__class__ is str else {name(_text)}(a)",
    GraphQLBoolean.coerce_output_value: lambda name: f"a if a.__class__ is bool else {name(_slow_path)}(a)",
    GraphQLInt.coerce_output_value: lambda name: (
        f"a if a.__class__ is int and {GRAPHQL_MIN_INT} <= a <= {GRAPHQL_MAX_INT} else {name(_slow_path)}(a)"
    ),
    GraphQLFloat.coerce_output_value: lambda name: (
        f"a if a.__class__ is float and {name(isfinite)}(a) else {name(_slow_path)}(a)"
    ),
}
