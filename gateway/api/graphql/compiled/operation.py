"""An operation that has become code."""

from collections import OrderedDict
from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec
from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    Visitor,
    visit,
)
from graphql.execution import Executor, VariableValues, default_field_resolver, default_type_resolver
from graphql.execution.collect_fields import FragmentDetails
from graphql.language import REMOVE

from gateway.api.graphql.compiled.arguments import Variables
from gateway.api.graphql.compiled.codegen import TooLargeError
from gateway.api.graphql.compiled.coverage import Reach, Uncovered
from gateway.api.graphql.compiled.program import Program, write_program
from gateway.api.graphql.compiled.run import Run
from gateway.api.graphql.execution.context import Context

__all__ = ["Compiled", "Executed", "compile_operation"]

_MOST_PROGRAMS = 8  # of one operation: each switch doubles what is possible; one more costs what a new document does
_A_PLACE = 1200  # bytes, about: its share of the code, and what tells its errors
_NO_VARIABLES = VariableValues({}, {})


class Executed(msgspec.Struct, frozen=True):
    """What executing gave: `data` is JSON's plain values, None where a null came up to the root.

    Parts of `data` may be one and the same object in several places: it is there to be read.
    """

    data: dict[str, Any] | None
    errors: list[GraphQLError] = []


class Compiled:
    """An operation of a valid document. It becomes a program for every way to set its `@skip` and `@include`."""

    def __init__(
        self,
        schema: GraphQLSchema,
        operation: OperationDefinitionNode,
        reach: Reach,
        *,
        hide_suggestions: bool,
    ) -> None:
        self._schema = schema
        self._operation = operation
        self._fragments = reach.fragments
        self._fragment_details = {name: FragmentDetails(node) for name, node in reach.fragments.items()}
        self._switches = reach.switches
        self._hide_suggestions = hide_suggestions
        self._variables = Variables(schema, operation, hide_suggestions=hide_suggestions)
        self._programs: OrderedDict[tuple[Any, ...], Program] = OrderedDict()
        self._places = 0

    @property
    def weight(self) -> int:
        """The bytes that it may come to hold, about."""
        return self._places * _A_PLACE * min(1 << len(self._switches), _MOST_PROGRAMS)

    async def execute(self, context: Context, variables: Mapping[str, Any]) -> Executed:
        """Answer the operation, once; `variables` are as they were sent."""
        values = self._variables.coerced(variables)
        if isinstance(values, list):
            return Executed(None, values)
        try:
            program = self._program(values)
        except GraphQLError as error:
            return Executed(None, [error])
        run = Run(program, partial(self._core, context, values), context, values)
        try:
            mutation = self._operation.operation is OperationType.MUTATION
            data = await (run.serially() if mutation else run.concurrently())
        except GraphQLError as error:
            run.fail(error)
            data = None
        finally:
            run.close()
        return Executed(data, run.errors)

    def prepare(self) -> None:
        """Write all that the operation can ever select.

        Raises:
            TooLargeError, RecursionError: it is not to be compiled.
        """
        if not self._switches:
            self._places = self._program(_NO_VARIABLES).places
            return
        everything = _Unswitched()
        fragments = {name: visit(node, everything) for name, node in self._fragments.items()}
        operation = visit(self._operation, everything)
        whole = write_program(
            self._schema, fragments, operation, _NO_VARIABLES, hide_suggestions=self._hide_suggestions
        )
        self._places = whole.places

    def _program(self, values: VariableValues) -> Program:
        key = tuple(values.coerced.get(name) for name in self._switches)
        program = self._programs.get(key)
        if program is None:
            program = self._programs[key] = write_program(
                self._schema, self._fragments, self._operation, values, hide_suggestions=self._hide_suggestions
            )
            if len(self._programs) > _MOST_PROGRAMS:
                self._programs.popitem(last=False)
        return program

    def _core(self, context: Context, values: VariableValues) -> Executor[Any]:
        return Executor(
            self._schema,
            self._fragments,
            self._fragment_details,
            None,
            context,
            self._operation,
            values,
            default_field_resolver,
            default_type_resolver,
            default_field_resolver,
            hide_suggestions=self._hide_suggestions,
        )


def compile_operation(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    *,
    hide_suggestions: bool = False,
) -> Compiled | Uncovered:
    """Compile an operation of a valid document, or say why it stays on graphql-core.

    `hide_suggestions` keeps the schema's names out of the errors that wrong variables make.
    """
    reach = Reach(document, operation)
    if reach.uncovered is not None:
        return Uncovered(reach.uncovered)
    compiled = Compiled(schema, operation, reach, hide_suggestions=hide_suggestions)
    try:
        compiled.prepare()
    except TooLargeError:
        return Uncovered("size")
    except RecursionError:
        return Uncovered("depth")
    return compiled


class _Unswitched(Visitor):
    """Takes `@skip` and `@include` out: everything is selected."""

    def enter_directive(self, *_: Any) -> Any:
        return REMOVE
