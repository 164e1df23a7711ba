"""Coerces the variables of an operation and the arguments of its root fields, with a fast path for plain values.

Coercion by graphql-core costs microseconds for each value. It is used for every value that is not plainly right.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

import msgspec
from graphql import (
    FieldNode,
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLError,
    GraphQLField,
    GraphQLID,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInt,
    GraphQLNonNull,
    GraphQLSchema,
    GraphQLString,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    ValueNode,
    VariableNode,
    get_nullable_type,
)
from graphql.execution import VariableValues, get_argument_values, get_variable_values
from graphql.execution.get_variable_signature import get_variable_signature
from graphql.execution.values import VariableValueSource
from graphql.pyutils import Undefined
from graphql.type import GRAPHQL_MAX_INT, GRAPHQL_MIN_INT
from graphql.utilities.coerce_input_value import coerce_default_value, coerce_input_literal

__all__ = ["Arguments", "CoercedVariables", "Variables"]

_MAX_ERRORS = 50  # the default of graphql-core

_IsPlain = Callable[[Any], bool]
"""Returns whether a value of the type is equal to its coerced form."""

_PLAIN: Mapping[Any, _IsPlain] = {
    GraphQLString: lambda value: value.__class__ is str,
    GraphQLID: lambda value: value.__class__ is str,
    GraphQLBoolean: lambda value: value.__class__ is bool,
    GraphQLInt: lambda value: value.__class__ is int and GRAPHQL_MIN_INT <= value <= GRAPHQL_MAX_INT,
}


_PLAIN_CLASSES: Mapping[Any, type] = {GraphQLString: str, GraphQLID: str, GraphQLBoolean: bool}
"""The types whose values of one class are all plain: `_PLAIN` need not be called for those."""


class CoercedVariables(msgspec.Struct, eq=False):
    """The variables of one execution after coercion: `coerced` has those with a value, by their names."""

    coerced: Mapping[str, Any]
    _variables: "Variables"
    _for_core: VariableValues | None = None

    def for_core(self) -> VariableValues:
        """Return them as graphql-core takes them, which is needed for few executions."""
        if self._for_core is None:
            self._for_core = VariableValues(self._variables.sources(self.coerced), dict(self.coerced))
        return self._for_core


class Variables:
    """Coerces the variables of one operation."""

    def __init__(self, schema: GraphQLSchema, operation: OperationDefinitionNode, *, hide_suggestions: bool) -> None:
        self._schema = schema
        self._definitions = tuple(operation.variable_definitions or ())
        self._hide_suggestions = hide_suggestions
        self._plain: list[tuple[Any, _IsPlain | None, type | None, bool]] = []
        for definition in self._definitions:
            signature = get_variable_signature(schema, definition)
            type_ = None if isinstance(signature, GraphQLError) else signature.type
            required = isinstance(type_, GraphQLNonNull)
            nullable = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
            is_required = required or definition.default_value is not None
            self._plain.append((signature, _plain_check(nullable), _PLAIN_CLASSES.get(nullable), is_required))

    def coerce(self, sent: Mapping[str, Any]) -> CoercedVariables | list[GraphQLError]:
        """Return the coerced variables, or all errors in them."""
        coerced: dict[str, Any] = {}
        for signature, is_plain, plain_class, required_or_default in self._plain:
            if is_plain is None:
                return self._coerce_by_core(sent)
            name = signature.name
            if name in sent:
                value = sent[name]
                if value.__class__ is not plain_class and not is_plain(value):
                    return self._coerce_by_core(sent)
                coerced[name] = value
            elif required_or_default:
                return self._coerce_by_core(sent)
        return CoercedVariables(coerced, self)

    def sources(self, coerced: Mapping[str, Any]) -> dict[str, VariableValueSource]:
        """Return the declarations of the variables with those of the values that `coerce` has left as they were."""
        signatures = [signature for signature, *_ in self._plain]
        return {each.name: VariableValueSource(each, coerced.get(each.name, Undefined)) for each in signatures}

    def _coerce_by_core(self, sent: Mapping[str, Any]) -> CoercedVariables | list[GraphQLError]:
        values = get_variable_values(
            self._schema, self._definitions, dict(sent), _MAX_ERRORS, hide_suggestions=self._hide_suggestions
        )
        return values if isinstance(values, list) else CoercedVariables(values.coerced, self, values)


class Arguments:
    """Computes the arguments of one field.

    Constants are coerced once, and variables are filled in: as whole arguments, or as fields of objects. If the field
    has other arguments, such as lists, graphql-core coerces all of them in each request.
    """

    def __init__(self, field: GraphQLField, node: FieldNode, *, hide_suggestions: bool) -> None:
        self._field = field
        self._node = node
        self._hide_suggestions = hide_suggestions
        nodes = {argument.name.value: argument.value for argument in node.arguments or ()}
        self._prepared = _prepare(field.args, nodes)

    def values(self, variables: CoercedVariables) -> dict[str, Any]:
        """Return the arguments as `GraphQLField.resolve` takes them.

        Raises:
            GraphQLError: an argument cannot be coerced, for example a variable is null and the argument non-null.
        """
        values = None if self._prepared is None else self._prepared.fill(variables.coerced)
        return self._coerce_by_core(variables) if values is None else values

    def _coerce_by_core(self, variables: CoercedVariables) -> dict[str, Any]:
        values = variables.for_core()
        return get_argument_values(self._field, self._node, values, hide_suggestions=self._hide_suggestions)


class _Prepared(msgspec.Struct, eq=False):
    """The arguments of a field, or the fields of an object in them: constants, variables and objects of these.

    `variables` has the name of the argument or field, that of the variable, whether null is allowed, and the default.
    Objects are made anew for each request, which may change them.
    """

    constants: dict[str, Any]
    variables: list[tuple[str, str, bool, Any]]
    objects: list[tuple[str, "_Prepared"]]

    def fill(self, coerced: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the values with these variables; None if graphql-core has to say what is wrong with one."""
        values = self.constants.copy()
        for name, variable, nullable, default in self.variables:
            value = coerced.get(variable)
            if value is None:
                if variable not in coerced:
                    value = default
                if not nullable and (value is None or value is Undefined):
                    return None
                if value is Undefined:
                    continue
            values[name] = value
        for name, prepared in self.objects:
            value = prepared.fill(coerced)
            if value is None:
                return None
            values[name] = value
        return values


def _prepare(
    definitions: Mapping[str, GraphQLArgument] | Mapping[str, GraphQLInputField], nodes: Mapping[str, ValueNode]
) -> _Prepared | None:
    """Return the arguments, or fields of an object, with these definitions; None if graphql-core has to coerce them."""
    prepared = _Prepared({}, [], [])
    for name, definition in definitions.items():
        node, type_, out_name = nodes.get(name), definition.type, definition.out_name or name
        default = coerce_default_value(definition)
        nullable = not isinstance(type_, GraphQLNonNull)
        object_type = get_nullable_type(type_)
        if isinstance(node, VariableNode) and _is_constant(default):
            prepared.variables.append((out_name, node.name.value, nullable, default))
        elif isinstance(node, ObjectValueNode) and isinstance(object_type, GraphQLInputObjectType):
            fields = {field.name.value: field.value for field in node.fields}
            inner = None if object_type.is_one_of else _prepare(object_type.fields, fields)
            if inner is None:
                return None
            prepared.objects.append((out_name, inner))
        elif isinstance(node, VariableNode | ListValueNode | ObjectValueNode):
            return None
        else:
            value = default if node is None else coerce_input_literal(node, type_)
            if not _is_constant(value) or (value is Undefined and not (node is None and nullable)):
                return None  # where the value is wrong, `Arguments.values` raises the error in each request
            if value is not Undefined:
                prepared.constants[out_name] = value
    return prepared if nodes.keys() <= definitions.keys() else None


def _is_constant(value: Any) -> bool:
    """Return whether several requests may get the same value, because nobody can change it."""
    return value is Undefined or isinstance(value, str | int | float | Enum | None)


def _plain_check(type_: Any) -> _IsPlain | None:
    """Return the check for values of an input type that need no coercion; None if there is no cheap check."""
    if not isinstance(type_, GraphQLInputObjectType):
        return _PLAIN.get(type_)
    fields = type_.fields.values()
    if type_.is_one_of or any(field.default_value is not Undefined or field.out_name for field in fields):
        return None
    return _object_check({name: field.type for name, field in type_.fields.items()})


def _object_check(fields: Mapping[str, Any]) -> _IsPlain:
    required = frozenset(name for name, type_ in fields.items() if isinstance(type_, GraphQLNonNull))
    checks = {name: _PLAIN.get(type_.of_type if name in required else type_) for name, type_ in fields.items()}

    def is_plain(value: Any) -> bool:
        if value.__class__ is not dict or not required <= value.keys():
            return False
        for name, field_value in value.items():
            check = checks.get(name)
            if check is None or not (check(field_value) or (field_value is None and name not in required)):
                return False
        return True

    return is_plain
