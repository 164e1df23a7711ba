"""The validation rule for a subgraph whose schema clients cannot read."""

from typing import Any

from graphql import ASTValidationRule, FieldNode, GraphQLError

__all__ = ["NoSubgraphSchema"]


class NoSubgraphSchema(ASTValidationRule):
    """Validation rule: no document reads `_service`, which shows as much as introspection does."""

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        if node.name.value == "_service":
            message = (
                "Introspection is disabled, and `_service` with it: compose the schema that "
                "`gateway schema --federation` prints."
            )
            self.report_error(GraphQLError(message, node))
