"""Compiled operations: compile an operation, keep its programs, and execute it."""

from collections import OrderedDict
from collections.abc import Coroutine, Mapping
from typing import Any

import msgspec
from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
)
from graphql.execution import Executor as CoreExecutor
from graphql.execution import VariableValues, default_field_resolver, default_type_resolver
from graphql.execution.collect_fields import FragmentDetails

from gateway.api.graphql.compiled.arguments import CoercedVariables, Variables
from gateway.api.graphql.compiled.codegen import TooLargeError
from gateway.api.graphql.compiled.coverage import Coverage, Uncovered
from gateway.api.graphql.compiled.program import Program, RootField, build_program
from gateway.api.graphql.compiled.run import Run
from gateway.api.graphql.execution.context import Context
from gateway.api.graphql.execution.error_behavior import CORE_EXECUTORS
from gateway.api.graphql.execution.prepared import Executed
from gateway.api.graphql.skip_include import without_conditions

__all__ = ["Compiled", "UserCall", "compile_operation"]

_MAX_PROGRAMS = 8  # of one operation: each variable doubles the combinations; another program costs a compilation
_SLOT_BYTES = 1200  # about: the code of one answer slot, and the objects that its errors need
_NO_VARIABLES = VariableValues({}, {})


class Compiled:
    """A compiled operation: one program for each combination of its `@skip` and `@include` variables.

    Programs are built when a request first needs them. The 8 that were used last are kept.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        operation: OperationDefinitionNode,
        coverage: Coverage,
        *,
        hide_suggestions: bool,
    ) -> None:
        self._schema = schema
        self._operation = operation
        self._fragments = coverage.fragments
        self._fragment_details = {name: FragmentDetails(node) for name, node in coverage.fragments.items()}
        self._condition_variables = coverage.condition_variables
        self._hide_suggestions = hide_suggestions
        self._variables = Variables(schema, operation, hide_suggestions=hide_suggestions)
        self._programs: OrderedDict[tuple[Any, ...], Program] = OrderedDict()
        self._only_program: Program | None = None  # of an operation without conditions
        self._slot_count = 0
        self._is_mutation = operation.operation is OperationType.MUTATION

    @property
    def weight(self) -> int:
        """The approximate maximum of its memory, in bytes."""
        return self._slot_count * _SLOT_BYTES * min(1 << len(self._condition_variables), _MAX_PROGRAMS)

    def needs_compiling(self, variables: Mapping[str, Any]) -> bool:
        """Return whether there is no program yet for these variables, which are as the client sent them."""
        if not self._condition_variables:
            return False
        values = self._variables.coerce(variables)
        return not isinstance(values, list) and self._key(values) not in self._programs

    def user_call(self, variables: Mapping[str, Any]) -> "UserCall | None":
        """Return the call of `user` if that is the only root field, and no field below it may need a lookup.

        Else, and for variables that are wrong or need another program, return None.
        """
        values = self._variables.coerce(variables)
        if isinstance(values, list):
            return None
        program = self._only_program or self._programs.get(self._key(values))
        root = None if program is None else program.only_user
        if program is None or root is None:
            return None
        try:
            return UserCall(self, program, root, values, root.arguments.values(values))
        except GraphQLError:
            return None

    def execute(self, context: Context, variables: Mapping[str, Any]) -> Coroutine[Any, Any, Executed]:
        """Return the execution of the operation with the variables as the client sent them."""
        values = self._variables.coerce(variables)
        if isinstance(values, list):
            return _refused(values)
        try:
            program = self._only_program or self._program(values)
        except GraphQLError as error:
            return _refused([error])
        run = Run.of(program, self.graphql_core, context, values)
        roots = program.roots
        return run.serially(roots) if self._is_mutation or len(roots) == 1 else run.concurrently()

    def prepare(self) -> None:
        """Build a program with every field that can be selected, to measure its size.

        Raises:
            TooLargeError: the operation has too many answer slots.
            RecursionError: it is nested too deeply.
        """
        if not self._condition_variables:
            self._only_program = self._program(CoercedVariables({}, self._variables, _NO_VARIABLES))
            self._slot_count = self._only_program.slot_count
            return
        fragments = {name: without_conditions(node) for name, node in self._fragments.items()}
        operation = without_conditions(self._operation)
        whole = build_program(
            self._schema, fragments, operation, _NO_VARIABLES, hide_suggestions=self._hide_suggestions
        )
        self._slot_count = whole.slot_count

    def _program(self, variables: CoercedVariables) -> Program:
        key = self._key(variables)
        program = self._programs.get(key)
        if program is None:
            values = variables.for_core()
            program = self._programs[key] = build_program(
                self._schema, self._fragments, self._operation, values, hide_suggestions=self._hide_suggestions
            )
            if len(self._programs) > _MAX_PROGRAMS:
                self._programs.popitem(last=False)
        elif key:
            self._programs.move_to_end(key)
        return program

    def _key(self, variables: CoercedVariables) -> tuple[Any, ...]:
        if not self._condition_variables:
            return ()
        return tuple(variables.coerced.get(name) for name in self._condition_variables)

    def graphql_core(self, context: Context, variables: CoercedVariables) -> CoreExecutor[Any]:
        """Return the executor of graphql-core for one execution of the operation."""
        return CORE_EXECUTORS[context.on_error](
            self._schema,
            self._fragments,
            self._fragment_details,
            None,
            context,
            self._operation,
            variables.for_core(),
            default_field_resolver,
            default_type_resolver,
            default_field_resolver,
            hide_suggestions=self._hide_suggestions,
        )


class UserCall(msgspec.Struct, frozen=True, eq=False):
    """The only root field of an operation is `user`, to be called with these arguments."""

    _compiled: Compiled
    _program: Program
    _root: RootField
    _variables: CoercedVariables
    arguments: Mapping[str, Any]

    def try_complete(self, user: Any, context: Context) -> Executed | None:
        """Return the result of the operation with this user; None if it has an error or must be awaited."""
        return Run.of(self._program, self._compiled.graphql_core, context, self._variables).try_complete(
            self._root, user
        )


async def _refused(errors: list[GraphQLError]) -> Executed:
    """Return the result of an operation that is not executed."""
    return Executed(None, errors)


def compile_operation(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    *,
    hide_suggestions: bool = False,
) -> Compiled | Uncovered:
    """Compile an operation of a valid document, or return the reason why graphql-core has to execute it.

    `hide_suggestions` keeps the names of the schema out of the errors for wrong variables.
    """
    coverage = Coverage(document, operation)
    if coverage.uncovered is not None:
        return Uncovered(coverage.uncovered)
    compiled = Compiled(schema, operation, coverage, hide_suggestions=hide_suggestions)
    try:
        compiled.prepare()
    except TooLargeError:
        return Uncovered("size")
    except RecursionError:
        return Uncovered("depth")
    return compiled
