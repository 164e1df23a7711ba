"""Both executors, side by side: the same document in the same world."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any

from api.graphql.compiled.documents import Written, written
from api.graphql.compiled.records import World, world
from graphql import DocumentNode, GraphQLError, OperationDefinitionNode, get_operation_ast, parse, validate
from graphql.execution import experimental_execute_incrementally

from gateway.api.graphql.compiled import Compiled
from gateway.api.graphql.execution.context import Context, Incoming
from gateway.api.graphql.execution.selections import selection_of
from gateway.api.graphql.schema.build import build_schema
from gateway.users.listing.cursor import Cursors
from gateway.users.planning import plan
from gateway.users.service import UserService
from gateway.users.source import Sources

__all__ = ["SCHEMA", "Answer", "Case", "answer_of", "case_in", "case_of", "read"]

SCHEMA = build_schema()._schema
_SECRET = b"the same for both executors: cursors are a part of answers"

Compile = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What one executor answered, and what it changed in its world."""

    data: Any
    errors: list["Told"]
    changes: list[Any]


@dataclass(frozen=True, slots=True)
class Told:
    """What counts of an error."""

    path: tuple[str | int, ...]
    message: str
    locations: tuple[Any, ...]
    original: tuple[str, str]

    @classmethod
    def of(cls, error: GraphQLError) -> "Told":
        original = (type(error.original_error).__name__, str(error.original_error))
        return cls(tuple(error.path or ()), error.message, tuple(error.locations or ()), original)


@dataclass(frozen=True, slots=True)
class Case:
    """A valid document, its variables, a world, and what graphql-core answers there: once for each of the variables."""

    written: Written
    document: DocumentNode
    operation: OperationDefinitionNode
    world: World
    expected: list[Answer]

    async def difference(self, compile_operation: Compile, *, competing: bool = False) -> str | None:
        """How a compiler's answer differs; None where it does not.

        With `competing`, another of several errors may have brought a null up: which one was first depends on what
        happened to be awaited, and the specification leaves it open (GraphQL, 6.4.4).
        """
        compiled = compile_operation(SCHEMA, self.document, self.operation)
        if not hasattr(compiled, "execute"):
            return f"not compiled: {compiled}"
        for variables, expected in zip(self.written.variables, self.expected, strict=True):
            given = await answer_of(compiled, self.document, self.operation, variables, self.world)
            if found := _difference(expected, given, competing=competing):
                return f"{found}\nwith {variables} in\n{self.written.text}"
        return None


async def case_of(seed: int) -> Case | None:
    """The case of that seed; None where there is none. Ten cases share a world."""
    return await case_in(world(seed // 10), written(SCHEMA, seed))


async def case_in(here: World, one: Written) -> Case | None:
    """The case of a document in a world; None where the document is not valid, or graphql-core gives no answer."""
    document, operation = read(one.text)
    if validate(SCHEMA, document, max_errors=1):
        return None

    async def by_core(context: Context, variables: Mapping[str, Any]) -> Any:
        result = experimental_execute_incrementally(SCHEMA, document, None, context, dict(variables))
        answer = await result if isawaitable(result) else result
        # It lets go on in the background what an error has made needless.
        while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(tasks)
        return answer

    try:
        expected = [await _answered(by_core, document, operation, each, here.fresh()) for each in one.variables]
    except asyncio.CancelledError:
        # Nobody cancelled: a field that failed ends what its siblings wait for together, and graphql-core with it.
        for task in (leftovers := asyncio.all_tasks() - {asyncio.current_task()}):
            task.cancel()
        await asyncio.gather(*leftovers, return_exceptions=True)
        return None
    return Case(one, document, operation, here, expected)


async def answer_of(
    compiled: Compiled,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    variables: Mapping[str, Any],
    world: World,
) -> Answer:
    """What compiled code answers in a world where nothing has happened yet."""
    return await _answered(compiled.execute, document, operation, variables, world.fresh())


def read(text: str) -> tuple[DocumentNode, OperationDefinitionNode]:
    """The document and its only operation."""
    document = parse(text)
    operation = get_operation_ast(document)
    assert operation is not None
    return document, operation


async def _answered(
    execute: Callable[[Context, Mapping[str, Any]], Any],
    document: DocumentNode,
    operation: OperationDefinitionNode,
    variables: Mapping[str, Any],
    here: World,
) -> Answer:
    service = UserService(Sources(here.sources), cursors=Cursors(_SECRET))
    planned = plan(selection_of(document, operation, variables), operation.operation.value.title())
    context = Context.of(Incoming(service, "request"), planned, mutations=2)
    try:
        result = await execute(context, variables)
    finally:
        context.loaders.close()
    return Answer(result.data, [Told.of(error) for error in result.errors or ()], here.changes)


def _difference(expected: Answer, given: Answer, *, competing: bool) -> str | None:
    if _json(expected.data) != _json(given.data):
        return f"data: expected {expected.data}\n   given {given.data}"
    if expected.changes != given.changes:
        return f"changes: expected {expected.changes}\n   given {given.changes}"
    wanted, got = _by_null(expected), _by_null(given)
    for null in {*wanted, *got}:
        if wanted[null] == got[null]:
            continue
        # Of what is told below a null that came up from there, only the error that brought it up is certain: the
        # rest is what was found before (GraphQL, 6.4.4). So both must at least share that one.
        swallowing = any(len(told.path) > len(null) for told in wanted[null])
        shared = wanted[null] & got[null] or (competing and _competed(null, wanted[null], got[null]))
        if not (swallowing and shared):
            return f"errors: missing {wanted[null] - got[null]}\n   too many {got[null] - wanted[null]}"
    return None


def _competed(null: tuple[str | int, ...], wanted: Counter[Told], got: Counter[Told]) -> bool:
    """Whether another error below that null may have come first: core tells several, or one for the same reason."""
    below = [told for told in got if len(told.path) > len(null)]
    return bool(below) and (
        wanted.total() > 1 or {told.original for told in below} <= {told.original for told in wanted}
    )


def _json(value: Any) -> Any:
    """The value with its types and the order of its keys."""
    if isinstance(value, dict):
        return [(key, _json(inner)) for key, inner in value.items()]
    if isinstance(value, list):
        return [_json(item) for item in value]
    return (type(value), repr(value))


def _by_null(answer: Answer) -> defaultdict[tuple[str | int, ...], Counter[Told]]:
    """The errors, by the null that stands in the answer for them."""
    errors: defaultdict[tuple[str | int, ...], Counter[Told]] = defaultdict(Counter)
    for told in answer.errors:
        errors[_null(answer.data, told.path)][told] += 1
    return errors


def _null(data: Any, path: tuple[str | int, ...]) -> tuple[str | int, ...]:
    node = data
    for length, key in enumerate(path):
        if node is None:
            return path[:length]
        node = node[key]
    return path
