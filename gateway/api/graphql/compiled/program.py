"""Programs: the compiled code of an operation, with all that a run of it needs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import FragmentDefinitionNode, GraphQLFieldResolver, GraphQLSchema, OperationDefinitionNode, OperationType
from graphql.execution import VariableValues
from graphql.pyutils import Path

from gateway.api.graphql.compiled.answer_slots import AnswerSlot
from gateway.api.graphql.compiled.arguments import Arguments
from gateway.api.graphql.compiled.codegen import OperationCodegen
from gateway.api.graphql.compiled.lookups import Lookup
from gateway.api.graphql.compiled.resolvers import resolver_of

__all__ = ["Completion", "Program", "RootField", "build_program"]

Completion = Callable[..., Any]
"""Completes a value in an answer slot: `(run, value, *indices)` returns the JSON form of the value."""


@dataclass(frozen=True, slots=True)
class RootField:
    """A root field of the operation, and its path in the response.

    If it is `direct`, its resolver takes a `LiteInfo` instead of an `info`.
    """

    slot: AnswerSlot
    path: Path
    resolve: GraphQLFieldResolver
    direct: bool
    arguments: Arguments
    complete: Completion


@dataclass(frozen=True, slots=True)
class Program:
    """The compiled code of an operation for one combination of its `@skip` and `@include` variables.

    `roots` are the root fields in the order of the response, `lookups` the fields below them that may need a lookup,
    `reused_slots` the slots inside lists in which one record may occur several times, and `slot_count` the number of
    all answer slots. `only_user` is the root field if it is `user` and the only one, and nothing is looked up.
    """

    only_user: RootField | None
    roots: Sequence[RootField]
    lookups: Sequence[Lookup]
    reused_slots: Sequence[AnswerSlot]
    slot_count: int
    without_values: dict[str, None]
    """The response before its root fields have values."""


def build_program(
    schema: GraphQLSchema,
    fragments: Mapping[str, FragmentDefinitionNode],
    operation: OperationDefinitionNode,
    variables: VariableValues,
    *,
    hide_suggestions: bool,
) -> Program:
    """Generate and compile the code of the operation for these variables.

    Raises:
        GraphQLError: a variable in `@skip` or `@include` of a root field is null.
        TooLargeError: the operation has too many answer slots.
    """
    codegen = OperationCodegen(schema, fragments, operation, variables, hide_suggestions=hide_suggestions)
    roots = [(slot, codegen.write_completion(slot)) for slot in codegen.roots()]
    code: dict[str, Any] = dict(codegen.constants.named)
    # Text of a client is in the source as the `repr` of a string only.
    exec(compile(codegen.source, "<operation>", "exec"), code)  # noqa: S102 - generated here, as the comment above states
    fields = [
        RootField(
            slot,
            slot.path(()),
            *resolver_of(slot.field),
            Arguments(slot.field, slot.details[0].node, hide_suggestions=hide_suggestions),
            code[complete],
        )
        for slot, complete in roots
    ]
    is_user = (
        len(fields) == 1
        and not codegen.lookups
        and operation.operation is OperationType.QUERY
        and fields[0].slot.nodes[0].name.value == "user"
    )
    return Program(
        fields[0] if is_user else None,
        fields,
        codegen.lookups,
        codegen.reused_slots,
        codegen.slot_count,
        {root.slot.key: None for root in fields},
    )
