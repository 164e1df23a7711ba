"""The errors of documents without the values in them, which graphql-core quotes in messages on syntax and literals."""

import re
from typing import Any

from graphql import (
    ArgumentNode,
    GraphQLError,
    GraphQLSyntaxError,
    ListValueNode,
    ObjectValueNode,
    ValueNode,
    ValuesOfCorrectTypeRule,
    VariableDefinitionNode,
)
from graphql.language import SKIP
from graphql.utilities.validate_input_value import validate_input_literal

from gateway.api.graphql.execution.errors import field_path
from gateway.api.graphql.execution.input_values import literal_violations
from gateway.errors import GatewayError, OperationNotFound, ParseFailed, ValidationFailed

__all__ = ["LiteralsOfCorrectType", "operation_not_found", "syntax_error", "validation_error"]

# A token in a message, with its value: `Name 'x'`. The value may contain anything, also quotation marks and lines.
_TOKEN = re.compile(r"\b(Name|Int|Float|String|BlockString|Comment) (['\"]).*\2", re.DOTALL)
# What the lexer found instead of what it expected: a character, an escape sequence or digits.
_FOUND = re.compile(r"(?: but got)?: (?:U\+|['\"]).*|, did you mean '[\d.]+'\?", re.DOTALL)


class LiteralsOfCorrectType(ValuesOfCorrectTypeRule):
    """Validation rule in place of graphql-core's, with the same decisions and with messages without values."""

    _subject = ""

    def enter_argument(self, node: ArgumentNode, *_: Any) -> None:
        self._subject = node.name.value

    def enter_variable_definition(self, node: VariableDefinitionNode, *_: Any) -> None:
        self._subject = f"${node.variable.name.value}"

    def is_valid_value_node(self, node: ValueNode, input_type: Any) -> Any:
        """Check a whole literal; its parts are not visited then."""
        if input_type and not _fits(node, input_type):
            suggestions = not self.context.hide_suggestions
            for violation in literal_violations(node, input_type, (self._subject,), suggestions=suggestions):
                message = f"{field_path(violation)} {violation.message}."
                self.report_error(GraphQLError(message, _node_at(node, violation.path[1:])))
        return SKIP


def syntax_error(error: GraphQLSyntaxError) -> GraphQLError:
    """Return the error of a document that cannot be parsed, with the kind of the token instead of its text."""
    return _located(error, ParseFailed(_FOUND.sub(".", _TOKEN.sub(r"\1", error.message))))


def validation_error(error: GraphQLError) -> GraphQLError:
    """Return the error of a document that is not valid for the schema."""
    return _located(error, ValidationFailed(error.message))


def operation_not_found(message: str) -> GraphQLError:
    """Return the error of a document without the requested operation."""
    return GraphQLError(message, original_error=OperationNotFound(message))


def _located(error: GraphQLError, cause: GatewayError) -> GraphQLError:
    return GraphQLError(
        cause.message, error.nodes, source=error.source, positions=error.positions, original_error=cause
    )


def _fits(node: ValueNode, type_: Any) -> bool:
    errors: list[GraphQLError] = []
    validate_input_literal(node, type_, lambda error, _path: errors.append(error))
    return not errors


def _node_at(node: ValueNode, path: tuple[str | int, ...]) -> ValueNode:
    """Return the node at a path in a literal, or the innermost one of that path."""
    for key in path:
        children: dict[str | int, ValueNode] = {}
        if isinstance(node, ObjectValueNode):
            children = {field.name.value: field.value for field in node.fields}
        elif isinstance(node, ListValueNode):
            children = dict(enumerate(node.values))
        if key not in children:
            break
        node = children[key]
    return node
