"""Describes values that do not fit an input type, as violations that never repeat a value.

graphql-core decides whether values fit. Its messages quote them, so a password in a misspelt field would be in a
response, and in the log of every client. They are only computed where it has found an error.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from graphql import (
    BREAK,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLEnumType,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    IntValueNode,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    ValueNode,
    VariableNode,
    Visitor,
    visit,
)
from graphql.execution.get_variable_signature import get_variable_signature
from graphql.pyutils import Undefined, suggestion_list
from graphql.type import GRAPHQL_MAX_INT, GRAPHQL_MIN_INT
from graphql.utilities.coerce_input_value import coerce_input_literal, coerce_input_value

from gateway.api.graphql.execution.errors import ClientName, field_path
from gateway.errors import BadUserInput, Rule, Violation

__all__ = ["argument_path", "literal_violations", "variables_error"]

_MAX_VIOLATIONS = 50
_Path = tuple[str | int, ...]
# By the name of a scalar: the message, the rule and its bounds.
_SCALARS: Mapping[str, tuple[str, Rule, Mapping[str, Any]]] = {
    "String": ("must be a string", Rule.TYPE, {"type": "string"}),
    "ID": ("must be a string", Rule.TYPE, {"type": "string"}),
    "Boolean": ("must be true or false", Rule.TYPE, {"type": "boolean"}),
    "Int": ("must be an integer", Rule.TYPE, {"type": "integer"}),
    "Float": ("must be a number", Rule.TYPE, {"type": "number"}),
    "DateTime": ("must be an RFC 3339 time with an offset", Rule.FORMAT, {"format": "dateTime"}),
    "Upload": ("must be a file, uploaded by a multipart request", Rule.TYPE, {"type": "file"}),
}
_INT_RANGE = {"min": GRAPHQL_MIN_INT, "max": GRAPHQL_MAX_INT}


class _Variable:
    """A variable inside a literal, whose value is not known: it fits everywhere."""


_VARIABLE = _Variable()


def variables_error(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    sent: Mapping[str, Any],
    *,
    suggestions: bool,
) -> GraphQLError | None:
    """Return the error for variables that cannot be coerced, with a violation for each value; None if all fit.

    A violation names the argument that the variable stands for, and the path in it, as the violations of the service
    do: `input.email`, whatever the name of the variable is.
    """
    violations: list[Violation] = []
    nodes = []
    messages = []
    for definition in operation.variable_definitions or ():
        signature = get_variable_signature(schema, definition)
        if isinstance(signature, GraphQLError):
            continue
        name = signature.name
        if name not in sent and definition.default_value is not None:
            continue
        path = argument_path(document, operation, name)
        found = _violations(sent.get(name, Undefined), signature.type, path, suggestions=suggestions)
        of_variable = list(islice(found, _MAX_VIOLATIONS - len(violations)))
        if of_variable:
            nodes.append(definition)
            violations += of_variable
            note = "" if path[0] == name else f" (variable ${name})"
            messages += [f"{field_path(violation)}{note} {violation.message}" for violation in of_variable]
    if not violations:
        return None
    message = f"{'; '.join(messages)}."
    return GraphQLError(message, nodes, original_error=BadUserInput(message, violations=violations))


def literal_violations(node: ValueNode, type_: Any, path: _Path, *, suggestions: bool) -> Iterable[Violation]:
    """Return the violations in a literal of a document; variables in it fit everywhere."""
    return _violations(_as_value(node), type_, path, suggestions=suggestions)


def argument_path(document: DocumentNode, operation: OperationDefinitionNode, variable: str) -> _Path:
    """Return the path of an argument, with fields of its object, that a variable stands for.

    It is the first one in the operation, or else in the fragments. Where there is none, for example if the variable is
    only in `@include`, it is the name of the variable.
    """
    finder = _ArgumentFinder(variable)
    visit(operation, finder)
    for definition in document.definitions:
        if isinstance(definition, FragmentDefinitionNode) and not finder.path:
            visit(definition, finder)
    return finder.path or (ClientName.of(variable),)


def _violations(value: Any, type_: Any, path: _Path, *, suggestions: bool) -> Iterator[Violation]:
    if isinstance(type_, GraphQLNonNull):
        if value is Undefined:
            yield Violation(path, "is required", Rule.REQUIRED)
            return
        if value is None:
            yield Violation(path, "must not be null", Rule.NOT_NULL)
            return
        type_ = type_.of_type
    if value is None or value is Undefined or value is _VARIABLE:
        return
    if isinstance(type_, GraphQLList):
        if isinstance(value, list):
            for index, item in enumerate(value):
                yield from _violations(item, type_.of_type, (*path, index), suggestions=suggestions)
        else:  # a list of one
            yield from _violations(value, type_.of_type, path, suggestions=suggestions)
    elif isinstance(type_, GraphQLInputObjectType):
        yield from _object_violations(value, type_, path, suggestions=suggestions)
    elif not _fits(value, type_):
        yield _leaf_violation(value, type_, path, suggestions=suggestions)


def _object_violations(
    value: Any, type_: GraphQLInputObjectType, path: _Path, *, suggestions: bool
) -> Iterator[Violation]:
    if not isinstance(value, dict):
        yield Violation(path, "must be an object", Rule.TYPE, {"type": "object"})
        return
    for name, field in type_.fields.items():
        if name in value or field.default_value is Undefined:
            yield from _violations(value.get(name, Undefined), field.type, (*path, name), suggestions=suggestions)
    for name in value:
        if name not in type_.fields:
            message = f"is not a field of {type_.name}"
            if suggestions and (similar := suggestion_list(name, list(type_.fields))):
                message += f" (similar: {', '.join(similar)})"
            yield Violation((*path, ClientName.of(name)), message, Rule.UNKNOWN)


def _fits(value: Any, type_: Any) -> bool:
    try:
        coerce = coerce_input_literal if isinstance(value, ValueNode) else coerce_input_value
        return coerce(value, type_) is not Undefined
    except Exception:  # noqa: BLE001 - a scalar may raise anything; graphql-core treats it as a refusal
        return False


def _leaf_violation(value: Any, type_: Any, path: _Path, *, suggestions: bool) -> Violation:
    if isinstance(type_, GraphQLEnumType):
        if not suggestions:
            return Violation(path, f"must be a value of {type_.name}", Rule.ENUM)
        values = list(type_.values)
        return Violation(path, f"must be one of {', '.join(values)}", Rule.ENUM, {"values": values})
    if type_.name == "Int" and (type(value) is int or isinstance(value, IntValueNode)):
        return Violation(path, f"must be from {GRAPHQL_MIN_INT} to {GRAPHQL_MAX_INT}", Rule.RANGE, _INT_RANGE)
    message, rule, bounds = _SCALARS.get(type_.name, (f"is not a valid {type_.name}", Rule.INVALID, {}))
    return Violation(path, message, rule, bounds)


def _as_value(node: ValueNode) -> Any:
    """Return a literal with its objects and lists as those of Python, and its other values as nodes."""
    if isinstance(node, ObjectValueNode):
        return {field.name.value: _as_value(field.value) for field in node.fields}
    if isinstance(node, ListValueNode):
        return [_as_value(item) for item in node.values]
    if isinstance(node, NullValueNode):
        return None
    return _VARIABLE if isinstance(node, VariableNode) else node


class _ArgumentFinder(Visitor):
    """Finds the first argument of a field with a variable in it. `path` is that of the variable, empty at first."""

    def __init__(self, variable: str) -> None:
        super().__init__()
        self._variable = variable
        self.path: _Path = ()

    def enter_field(self, node: FieldNode, *_: object) -> object:
        for argument in node.arguments or ():
            if found := self._find(argument.value, (argument.name.value,)):
                self.path = found
                return BREAK
        return None

    def _find(self, node: ValueNode, path: _Path) -> _Path:
        if isinstance(node, VariableNode):
            return path if node.name.value == self._variable else ()
        children: Iterable[tuple[str | int, ValueNode]] = ()
        if isinstance(node, ObjectValueNode):
            children = ((field.name.value, field.value) for field in node.fields)
        elif isinstance(node, ListValueNode):
            children = enumerate(node.values)
        return next(filter(None, (self._find(child, (*path, key)) for key, child in children)), ())
