"""Decides which subscriptions are equal, so that one feed can serve them.

Subscriptions are equal if they have the same operation of the same document, the same caller, the same error behavior,
and the same variables, of those that the operation declares, and if both or neither request the calls to sources
(`extensions.calls`).
The position at which a subscription resumes (the argument `after`) makes no difference: the response to an event does
not depend on it.
"""

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
from gateway.principal import ANYONE, Principal

__all__ = ["Sharing", "sharing_of"]

_RESUME_ARGUMENT = "after"


@dataclass(frozen=True, slots=True)
class Sharing:
    """How far the feed of a subscription can be shared.

    `key` is equal for subscriptions that give the same response to the same event. `resumes`: the subscription begins
    with past events. `live_variables`: the variables with which it would begin with the next event; None if the
    document itself states the position, or uses its variable elsewhere too.
    """

    key: Hashable
    resumes: bool
    live_variables: dict[str, Any] | None


def sharing_of(prepared: Prepared, request: GraphQLRequest, principal: Principal, base_url: str = "") -> Sharing:
    """Compare document, caller, error behavior and declared variables, but not the one with the resume position.

    `base_url` is the URL of the gateway as the client reaches it: the URLs in a response begin with it.
    """
    position = _ResumePosition(prepared.document)
    variables = prepared.declared(request.variables)
    others = {name: value for name, value in variables.items() if name not in position.variables - position.reused}
    resumes = position.fixed or any(variables.get(name) is not None for name in position.variables)
    caller = (principal is ANYONE, principal.identity, principal.scopes, base_url)
    requested = (request.on_error, request.extensions.get("calls") is True)
    key = (prepared, orjson.dumps(others, option=orjson.OPT_SORT_KEYS), caller, requested)
    return Sharing(key, resumes, None if position.fixed or position.variables & position.reused else others)


class _ResumePosition(Visitor):
    """Where a document states the position at which it resumes.

    `fixed`: as a literal, or by a variable that is non-null or has a default. `variables`: the names of the variables
    that hold the position. `reused`: the names of the variables that are used elsewhere.
    """

    def __init__(self, document: DocumentNode) -> None:
        super().__init__()
        self.fixed = False
        self.variables: set[str] = set()
        self.reused: set[str] = set()
        self._with_value: set[str] = set()
        visit(document, self)
        self.fixed = self.fixed or not self.variables.isdisjoint(self._with_value)

    def enter_variable_definition(self, node: VariableDefinitionNode, *_: Any) -> VisitorAction:
        default = node.default_value
        if isinstance(node.type, NonNullTypeNode) or not (default is None or isinstance(default, NullValueNode)):
            self._with_value.add(node.variable.name.value)
        return SKIP

    def enter_argument(self, node: ArgumentNode, *_: Any) -> VisitorAction:
        if node.name.value != _RESUME_ARGUMENT:
            return None
        if isinstance(node.value, VariableNode):
            self.variables.add(node.value.name.value)
        elif not isinstance(node.value, NullValueNode):
            self.fixed = True
        return SKIP

    def enter_variable(self, node: VariableNode, *_: Any) -> None:
        self.reused.add(node.name.value)
