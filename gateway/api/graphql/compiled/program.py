"""The code of an operation, ready to run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import FragmentDefinitionNode, GraphQLFieldResolver, GraphQLSchema, OperationDefinitionNode
from graphql.execution import VariableValues

from gateway.api.graphql.compiled.answer_slots import AnswerSlot
from gateway.api.graphql.compiled.arguments import Arguments
from gateway.api.graphql.compiled.codegen import OperationCodegen
from gateway.api.graphql.compiled.lookups import Lookup
from gateway.api.graphql.compiled.resolvers import resolver_of

__all__ = ["Complete", "Program", "Root", "write_program"]

Complete = Callable[..., Any]
"""Completes a value at a place: `(run, value, *indices)` → what the answer has there."""


@dataclass(frozen=True, slots=True)
class Root:
    """One of the operation's own fields; one that is `direct` takes a `Light` info."""

    place: AnswerSlot
    resolve: GraphQLFieldResolver
    direct: bool
    arguments: Arguments
    complete: Complete


@dataclass(frozen=True, slots=True)
class Program:
    """The operation's own fields in their order, what is below them, and how many places an answer can have.

    Below are lookups, and places that are `shared`: one record may stand at many of their like.
    """

    roots: Sequence[Root]
    lookups: Sequence[Lookup]
    shared: Sequence[AnswerSlot]
    places: int


def write_program(
    schema: GraphQLSchema,
    fragments: Mapping[str, FragmentDefinitionNode],
    operation: OperationDefinitionNode,
    variables: VariableValues,
    *,
    hide_suggestions: bool,
) -> Program:
    """Write and compile the operation as these variables have it.

    Raises:
        GraphQLError: a variable that decides about one of the operation's own fields is null.
        TooLargeError: it selects too much.
    """
    writer = OperationCodegen(schema, fragments, operation, variables, hide_suggestions=hide_suggestions)
    roots = [(place, writer.completion(place)) for place in writer.roots()]
    code: dict[str, Any] = dict(writer.constants.named)
    # What a client wrote stands in the source as the `repr` of a string and as nothing else.
    exec(compile(writer.source, "<operation>", "exec"), code)  # noqa: S102 - code of our own, as said above
    return Program(
        [
            Root(
                place,
                *resolver_of(place.field),
                Arguments(place.field, place.details[0].node, hide_suggestions=hide_suggestions),
                code[complete],
            )
            for place, complete in roots
        ],
        writer.lookups,
        writer.shared,
        writer.places,
    )
