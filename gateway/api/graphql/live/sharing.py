"""Which subscriptions are told the same."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import orjson
from graphql import (
    SKIP,
    ArgumentNode,
    DocumentNode,
    NonNullTypeNode,
    NullValueNode,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    VisitorAction,
    visit,
)

from gateway.api.graphql.execution.prepared import Prepared
from gateway.api.graphql.execution.request import GraphQLRequest
from gateway.operation import ANYONE, Principal

__all__ = ["Sharing", "sharing"]

_PLACE = "after"  # the argument that says where to resume


@dataclass(frozen=True, slots=True)
class Sharing:
    """`alike` is equal where an event is answered alike; `resumes` where it begins with what has happened already.

    `fresh` are the variables with which it would not; None where the document does not leave that open.
    """

    alike: Hashable
    resumes: bool
    fresh: dict[str, Any] | None


def sharing(prepared: Prepared, asked: GraphQLRequest, principal: Principal) -> Sharing:
    """What a subscription has in common with others: its document, who asks, and all variables but the place."""
    places = _Places(prepared.document)
    given = asked.variables or {}
    rest = {name: value for name, value in given.items() if name not in places.variables - places.others}
    resumes = places.fixed or any(given.get(name) is not None for name in places.variables)
    who = (principal is ANYONE, principal.identity, principal.scopes, principal.expires)
    alike = (prepared, orjson.dumps(rest, option=orjson.OPT_SORT_KEYS), who)
    return Sharing(alike, resumes, None if places.fixed or places.variables & places.others else rest)


class _Places(Visitor):
    """How a document says where to resume: by `variables`, or in itself. `others` are used for something else."""

    def __init__(self, document: DocumentNode) -> None:
        super().__init__()
        self.fixed = False
        self.variables: set[str] = set()
        self.others: set[str] = set()
        self._set: set[str] = set()
        visit(document, self)
        self.fixed = self.fixed or not self.variables.isdisjoint(self._set)

    def enter_variable_definition(self, node: VariableDefinitionNode, *_: Any) -> VisitorAction:
        default = node.default_value
        if isinstance(node.type, NonNullTypeNode) or not (default is None or isinstance(default, NullValueNode)):
            self._set.add(node.variable.name.value)
        return SKIP

    def enter_argument(self, node: ArgumentNode, *_: Any) -> VisitorAction:
        if node.name.value != _PLACE:
            return None
        if isinstance(node.value, VariableNode):
            self.variables.add(node.value.name.value)
        elif not isinstance(node.value, NullValueNode):
            self.fixed = True
        return SKIP

    def enter_variable(self, node: VariableNode, *_: Any) -> None:
        self.others.add(node.name.value)
