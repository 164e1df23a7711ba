"""Executes an operation by compiled code and by graphql-core, with the same fake sources, and compares the results."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Any

from api.graphql.compiled.documents import GeneratedDocument, generate
from api.graphql.compiled.records import FakeSources, fake_sources
from graphql import DocumentNode, GraphQLError, OperationDefinitionNode, get_operation_ast, parse, validate
from graphql.execution import experimental_execute_incrementally

from gateway.api.graphql.compiled import Compiled
from gateway.api.graphql.execution.context import Context
from gateway.api.graphql.execution.error_behavior import INCREMENTAL_EXECUTORS, ErrorBehavior
from gateway.api.graphql.execution.halting import until_first_error
from gateway.api.graphql.execution.incoming import Incoming
from gateway.api.graphql.execution.selections import selection_of
from gateway.api.graphql.schema.build import build_schema, executable
from gateway.telemetry.report import RequestReport
from gateway.users.kept.lifetimes import Lifetimes
from gateway.users.listing.cursor import Cursors
from gateway.users.planning import plan
from gateway.users.reference import ReferenceData
from gateway.users.service import UserService
from gateway.users.source import Sources

__all__ = ["SCHEMA", "Answer", "Case", "answer_of", "case_in", "case_of", "parse_operation"]

SCHEMA = executable(build_schema())
_SECRET = b"the same for both executors, since responses contain cursors"

Compile = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of one executor: data, errors, and the changes that were sent to the sources."""

    data: Any
    errors: list["ComparedError"]
    changes: list[Any]


@dataclass(frozen=True, slots=True)
class ComparedError:
    """The parts of an error that are compared."""

    path: tuple[str | int, ...]
    message: str
    locations: tuple[Any, ...]
    original: tuple[str, str]

    @classmethod
    def of(cls, error: GraphQLError) -> "ComparedError":
        original = (type(error.original_error).__name__, str(error.original_error))
        return cls(tuple(error.path or ()), error.message, tuple(error.locations or ()), original)


@dataclass(frozen=True, slots=True)
class Case:
    """A valid document with its sets of variables, the fake sources, and the answer of graphql-core for each set.

    With `HALT`, which of several errors is the first one depends on what happens to be awaited: `possible` has those
    that graphql-core reports for each set if it does not halt.
    """

    generated: GeneratedDocument
    document: DocumentNode
    operation: OperationDefinitionNode
    sources: FakeSources
    expected: list[Answer]
    on_error: ErrorBehavior = ErrorBehavior.PROPAGATE
    possible: list[Answer] = field(default_factory=list)

    async def difference(
        self, compile_operation: Compile, *, competing: bool = False, kept: bool = False
    ) -> str | None:
        """Return how the answer of compiled code differs; None if it does not.

        With `kept`, the records that it looks up are kept since an earlier execution of the same operation. With
        `competing`, a null may have been propagated by another one of several errors: which error was first depends on
        what happened to be awaited, and the specification leaves it open (GraphQL, 6.4.4).
        """
        compiled = compile_operation(SCHEMA, self.document, self.operation)
        if not hasattr(compiled, "execute"):
            return f"not compiled: {compiled}"
        for number, (variables, expected) in enumerate(zip(self.generated.variables, self.expected, strict=True)):
            actual = await answer_of(
                compiled, self.document, self.operation, variables, self.sources, on_error=self.on_error, kept=kept
            )
            if self.on_error is ErrorBehavior.HALT and any(error.path for error in expected.errors):
                found = _halted_difference(expected, actual, self.possible[number])
            else:
                found = _difference(expected, actual, competing=competing)
            if found:
                return f"{found}\nwith {variables} in\n{self.generated.text}"
        return None


async def case_of(seed: int, on_error: ErrorBehavior = ErrorBehavior.PROPAGATE) -> Case | None:
    """Return the case of that seed; None if there is none. Ten seeds have the same fake sources."""
    return await case_in(fake_sources(seed // 10), generate(SCHEMA, seed), on_error)


async def case_in(
    sources: FakeSources, generated: GeneratedDocument, on_error: ErrorBehavior = ErrorBehavior.PROPAGATE
) -> Case | None:
    """Return the case of a document; None if the document is not valid, or graphql-core gives no answer."""
    document, operation = parse_operation(generated.text)
    if validate(SCHEMA, document, max_errors=1):
        return None

    async def execute_by_core(context: Context, variables: Mapping[str, Any]) -> Any:
        executor_class = INCREMENTAL_EXECUTORS[context.on_error]
        result = experimental_execute_incrementally(
            SCHEMA, document, None, context, dict(variables), executor_class=executor_class
        )
        return await result if isawaitable(result) else result

    async def answers(behavior: ErrorBehavior) -> list[Answer]:
        found = []
        for variables in generated.variables:
            found.append(
                await _answer(execute_by_core, document, operation, variables, sources.fresh(), on_error=behavior)
            )
            # graphql-core does not stop the tasks whose results an error has made needless.
            while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
                await asyncio.wait(tasks)
        return found

    try:
        expected = await answers(on_error)
        possible = await answers(ErrorBehavior.NULL) if on_error is ErrorBehavior.HALT else []
    except asyncio.CancelledError:
        # No caller cancelled: a field that failed cancels what its siblings await too, and graphql-core with it.
        for task in (remaining := asyncio.all_tasks() - {asyncio.current_task()}):
            task.cancel()
        await asyncio.gather(*remaining, return_exceptions=True)
        return None
    return Case(generated, document, operation, sources, expected, on_error, possible)


async def answer_of(
    compiled: Compiled,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    variables: Mapping[str, Any],
    sources: FakeSources,
    *,
    on_error: ErrorBehavior = ErrorBehavior.PROPAGATE,
    kept: bool = False,
) -> Answer:
    """Return the answer of compiled code, with the sources in their initial state.

    With `kept`, it is that of a second execution, for which the records that the first one looked up are kept.
    """
    fresh = sources.fresh()
    reference = ReferenceData(Sources(fresh.sources), lifetimes=Lifetimes(reference=600)) if kept else None
    found = await _answer(
        compiled.execute, document, operation, variables, fresh, on_error=on_error, reference=reference
    )
    if kept:
        found = await _answer(
            compiled.execute, document, operation, variables, fresh, on_error=on_error, reference=reference
        )
    return found


def parse_operation(text: str) -> tuple[DocumentNode, OperationDefinitionNode]:
    """Return the document and its only operation."""
    document = parse(text)
    operation = get_operation_ast(document)
    assert operation is not None
    return document, operation


async def _answer(
    execute: Callable[[Context, Mapping[str, Any]], Any],
    document: DocumentNode,
    operation: OperationDefinitionNode,
    variables: Mapping[str, Any],
    sources: FakeSources,
    *,
    on_error: ErrorBehavior,
    reference: ReferenceData | None = None,
) -> Answer:
    cursors = Cursors(_SECRET, new_walk=lambda: "walk")
    service = UserService(Sources(sources.sources), reference=reference, cursors=cursors)
    planned = plan(selection_of(document, operation, variables), operation.operation.value.title())
    context = Context.of(Incoming(service, RequestReport(request_id="request")), planned, 2, on_error)
    execution = execute(context, variables)
    try:
        result = await (until_first_error(execution, context) if on_error is ErrorBehavior.HALT else execution)
    finally:
        context.loaders.close()
    return Answer(result.data, [ComparedError.of(error) for error in result.errors or ()], sources.changes)


def _difference(expected: Answer, actual: Answer, *, competing: bool) -> str | None:
    if _typed(expected.data) != _typed(actual.data):
        return f"data: expected {expected.data}\n   actual {actual.data}"
    if expected.changes != actual.changes:
        return f"changes: expected {expected.changes}\n   actual {actual.changes}"
    expected_errors, actual_errors = _by_null(expected), _by_null(actual)
    for null in {*expected_errors, *actual_errors}:
        by_core, by_code = expected_errors[null], actual_errors[null]
        if by_core == by_code:
            continue
        # Of the errors below a null that was propagated, only the one that propagated it is certain to be reported;
        # the others are those found before (GraphQL, 6.4.4). So both executors must have that one in common.
        propagated = any(len(error.path) > len(null) for error in by_core)
        common = by_core & by_code or (competing and _competes(null, by_core, by_code))
        if not (propagated and common):
            return f"errors: missing {by_core - by_code}\n   too many {by_code - by_core}"
    return None


def _halted_difference(expected: Answer, actual: Answer, possible: Answer) -> str | None:
    if actual.data is not None or actual.changes != expected.changes:
        return f"halted: expected null and {expected.changes}\n   actual {actual.data} and {actual.changes}"
    if len(actual.errors) != 1 or actual.errors[0] not in possible.errors:
        return f"halted: expected one of {possible.errors}\n   actual {actual.errors}"
    return None


def _competes(null: tuple[str | int, ...], by_core: Counter[ComparedError], by_code: Counter[ComparedError]) -> bool:
    """Return whether another error may have caused the null: graphql-core has several, or one of the same cause."""
    below = [error for error in by_code if len(error.path) > len(null)]
    return bool(below) and (
        by_core.total() > 1 or {error.original for error in below} <= {error.original for error in by_core}
    )


def _typed(value: Any) -> Any:
    """Return the value in a form that is equal only if types and the order of keys are equal too."""
    if isinstance(value, dict):
        return [(key, _typed(inner)) for key, inner in value.items()]
    if isinstance(value, list):
        return [_typed(item) for item in value]
    return (type(value), repr(value))


def _by_null(answer: Answer) -> defaultdict[tuple[str | int, ...], Counter[ComparedError]]:
    """Return the errors by the path of the null that the answer has for them."""
    errors: defaultdict[tuple[str | int, ...], Counter[ComparedError]] = defaultdict(Counter)
    for error in answer.errors:
        errors[_null(answer.data, error.path)][error] += 1
    return errors


def _null(data: Any, path: tuple[str | int, ...]) -> tuple[str | int, ...]:
    node = data
    for length, key in enumerate(path):
        if node is None:
            return path[:length]
        node = node[key]
    return path
