"""Compares compiled code with graphql-core, with random documents, variables and sources.

`COMPARED_DOCUMENTS` is the number of documents (default: 1,000), and `COMPARED_FROM` the first seed. If the number is
given and the seed is not, a random seed is used and printed. The message of a failure contains its seed.
"""

import asyncio
import gc
import os
import random

import pytest
from api.graphql.compiled.comparison import SCHEMA, answer_of, case_in, case_of, parse_operation
from api.graphql.compiled.documents import GeneratedDocument, generate
from api.graphql.compiled.records import fake_sources
from graphql import OperationType, validate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis_graphql import queries

from gateway.api.graphql.compiled import Compiled, compile_operation
from gateway.api.graphql.execution.error_behavior import ErrorBehavior

_DOCUMENTS = int(os.environ.get("COMPARED_DOCUMENTS", "1000"))
_DEFAULT_SEED = random.randrange(10**9) if "COMPARED_DOCUMENTS" in os.environ else 0  # noqa: S311 - no secret
_DOCUMENTS_PER_COMPETITION = 5_000  # one of so many may have competing errors; one in 14,000 had them
_FIRST_SEED = int(os.environ.get("COMPARED_FROM", _DEFAULT_SEED))


# graphql-core itself sometimes drops a coroutine below a propagated null.
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited", "ignore::pytest.PytestUnraisableExceptionWarning")
async def test_equal_answers() -> None:
    """Data with the order of its keys, errors with their paths, and changes are those of graphql-core."""
    print(f"comparing {_DOCUMENTS} documents from seed {_FIRST_SEED} on")  # noqa: T201 - to repeat a run
    compared, competitions, seed = 0, 0, _FIRST_SEED
    while compared < _DOCUMENTS:
        case = await case_of(seed)
        if case is not None:
            difference = await case.difference(compile_operation)
            if difference is not None and competitions < _DOCUMENTS // _DOCUMENTS_PER_COMPETITION:
                competitions += 1
                difference = await case.difference(compile_operation, competing=True)
            assert difference is None, f"seed {seed}: {difference}"
            compared += 1
        seed += 1


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("on_error", [ErrorBehavior.NULL, ErrorBehavior.HALT])
async def test_equal_answers_of_the_other_error_behaviors(on_error: ErrorBehavior) -> None:
    """With `NULL` all data and errors are those of graphql-core; with `HALT` it is null and one of its errors."""
    for seed in range(_FIRST_SEED, _FIRST_SEED + _DOCUMENTS // 4):
        case = await case_of(seed, on_error)
        difference = case and await case.difference(compile_operation)
        assert not difference, f"seed {seed}: {difference}"


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited", "ignore::pytest.PytestUnraisableExceptionWarning")
async def test_equal_answers_with_kept_records() -> None:
    """A query whose records are kept has the same answer: they are completed at once, and not level by level."""
    for seed in range(_FIRST_SEED, _FIRST_SEED + _DOCUMENTS // 10):
        case = await case_of(seed)
        if case is not None and case.operation.operation is OperationType.QUERY:
            difference = await case.difference(compile_operation, kept=True)
            assert not difference, f"seed {seed}: {difference}"


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited", "ignore::pytest.PytestUnraisableExceptionWarning")
@settings(max_examples=100, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(text=queries(SCHEMA), seed=st.integers(0, 10))
def test_equal_answers_to_documents_of_hypothesis(text: str, seed: int) -> None:
    """The answers are equal for documents that hypothesis-graphql generates, too."""

    async def difference() -> str | None:
        case = await case_in(fake_sources(seed), GeneratedDocument(text, ({},)))
        return await case.difference(compile_operation) if case else None

    assert asyncio.run(difference()) is None


@pytest.mark.parametrize(("on_error", "documents"), [(ErrorBehavior.PROPAGATE, 200), (ErrorBehavior.HALT, 60)])
async def test_leaves_nothing_behind(on_error: ErrorBehavior, documents: int, caplog: pytest.LogCaptureFixture) -> None:
    """After an answer, no task is running, and no coroutine or exception is left that nobody has awaited."""
    for seed in range(documents):
        generated = generate(SCHEMA, seed)
        document, operation = parse_operation(generated.text)
        if validate(SCHEMA, document, max_errors=1):
            continue
        compiled = compile_operation(SCHEMA, document, operation)
        assert isinstance(compiled, Compiled)
        await answer_of(
            compiled, document, operation, generated.variables[0], fake_sources(seed // 10), on_error=on_error
        )
        for _ in range(5):  # a cancelled task takes a few iterations to end
            await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}, f"seed {seed}"
    gc.collect()  # now a coroutine that was never awaited warns, and warnings are errors
    # asyncio logs an exception that was never retrieved; a change of unknown outcome is logged on purpose.
    assert not [record for record in caplog.records if record.name != "gateway.changes"]
