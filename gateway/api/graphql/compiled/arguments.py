"""Arguments of root fields and variables of operations: the usual ones without graphql-core's general way.

The general way costs microseconds for each of them, and is taken wherever a value is not plainly right.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from graphql import (
    FieldNode,
    GraphQLBoolean,
    GraphQLError,
    GraphQLField,
    GraphQLID,
    GraphQLInputObjectType,
    GraphQLInt,
    GraphQLNonNull,
    GraphQLSchema,
    GraphQLString,
    OperationDefinitionNode,
    VariableNode,
    Visitor,
    visit,
)
from graphql.execution import VariableValues, get_argument_values, get_variable_values
from graphql.execution.get_variable_signature import get_variable_signature
from graphql.execution.values import VariableValueSource
from graphql.pyutils import Undefined
from graphql.type import GRAPHQL_MAX_INT, GRAPHQL_MIN_INT

__all__ = ["Arguments", "Variables"]

_MOST_ERRORS = 50  # graphql-core's own

_PLAIN: Mapping[Any, Callable[[Any], bool]] = {
    GraphQLString: lambda value: value.__class__ is str,
    GraphQLID: lambda value: value.__class__ is str,
    GraphQLBoolean: lambda value: value.__class__ is bool,
    GraphQLInt: lambda value: value.__class__ is int and GRAPHQL_MIN_INT <= value <= GRAPHQL_MAX_INT,
}


class Variables:
    """Coerces the variables of one operation."""

    def __init__(self, schema: GraphQLSchema, operation: OperationDefinitionNode, *, hide_suggestions: bool) -> None:
        self._schema = schema
        self._definitions = tuple(operation.variable_definitions or ())
        self._hide_suggestions = hide_suggestions
        self._plain: list[tuple[Any, Callable[[Any], bool] | None, bool]] = []
        for definition in self._definitions:
            signature = get_variable_signature(schema, definition)
            type_ = None if isinstance(signature, GraphQLError) else signature.type
            required = isinstance(type_, GraphQLNonNull)
            plain = _plain(type_.of_type if isinstance(type_, GraphQLNonNull) else type_)
            self._plain.append((signature, plain, required or definition.default_value is not None))

    def coerced(self, given: Mapping[str, Any]) -> VariableValues | list[GraphQLError]:
        """The variables as resolvers get them, or what is wrong with them."""
        sources: dict[str, VariableValueSource] = {}
        coerced: dict[str, Any] = {}
        for signature, plain, wanted in self._plain:
            if plain is None:
                return self._generally(given)
            name = signature.name
            if name in given:
                value = given[name]
                if not plain(value):
                    return self._generally(given)
                sources[name] = VariableValueSource(signature, value)
                coerced[name] = value
            elif wanted:
                return self._generally(given)
            else:
                sources[name] = VariableValueSource(signature)
        return VariableValues(sources, coerced)

    def _generally(self, given: Mapping[str, Any]) -> VariableValues | list[GraphQLError]:
        return get_variable_values(
            self._schema, self._definitions, dict(given), _MOST_ERRORS, hide_suggestions=self._hide_suggestions
        )


class Arguments:
    """Makes the arguments of one field: constants and whole variables are put together, all else is coerced anew."""

    def __init__(self, field: GraphQLField, node: FieldNode, *, hide_suggestions: bool) -> None:
        self._field = field
        self._node = node
        self._hide_suggestions = hide_suggestions
        self._constant: dict[str, Any] | None = None
        self._variables: list[tuple[str, str]] = []
        given = {argument.name.value: argument.value for argument in node.arguments or ()}
        for name, value in given.items():
            if isinstance(value, VariableNode):
                self._variables.append((field.args[name].out_name or name, value.name.value))
            elif _has_variables(value):
                return
        rest = {name: one for name, one in field.args.items() if not isinstance(given.get(name), VariableNode)}
        try:
            constant = get_argument_values(GraphQLField(field.type, args=rest), node)
        except GraphQLError:  # it will be raised again where it belongs: in an answer
            return
        if all(isinstance(value, str | int | float | Enum | None) for value in constant.values()):
            self._constant = constant

    def of(self, variables: VariableValues) -> dict[str, Any]:
        """The arguments.

        Raises:
            GraphQLError: a variable's null where none may be.
        """
        if self._constant is None:
            return self._generally(variables)
        arguments = self._constant.copy()
        coerced = variables.coerced
        for name, variable in self._variables:
            value = coerced.get(variable)
            if value is None:
                return self._generally(variables)
            arguments[name] = value
        return arguments

    def _generally(self, variables: VariableValues) -> dict[str, Any]:
        return get_argument_values(self._field, self._node, variables, hide_suggestions=self._hide_suggestions)


def _plain(type_: Any) -> Callable[[Any], bool] | None:
    """What tells whether a value of the type is its own coercion; None where that cannot be seen so easily."""
    if not isinstance(type_, GraphQLInputObjectType):
        return _PLAIN.get(type_)
    fields = type_.fields.values()
    if type_.is_one_of or any(one.default_value is not Undefined or one.out_name for one in fields):
        return None
    return _plain_object({name: one.type for name, one in type_.fields.items()})


def _plain_object(fields: Mapping[str, Any]) -> Callable[[Any], bool]:
    required = frozenset(name for name, type_ in fields.items() if isinstance(type_, GraphQLNonNull))
    known = {name: _PLAIN.get(type_.of_type if name in required else type_) for name, type_ in fields.items()}

    def plain(value: Any) -> bool:
        if value.__class__ is not dict or not required <= value.keys():
            return False
        for name, one in value.items():
            right = known.get(name)
            if right is None or not (right(one) or (one is None and name not in required)):
                return False
        return True

    return plain


def _has_variables(node: Any) -> bool:
    finder = _Finder()
    visit(node, finder)
    return finder.found


class _Finder(Visitor):
    found = False

    def enter_variable(self, *_: object) -> None:
        self.found = True
