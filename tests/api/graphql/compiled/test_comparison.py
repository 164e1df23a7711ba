"""Compiled code against graphql-core: documents, variables and systems at random.

`COMPARED_DOCUMENTS` says how many documents (1,000 by default) and `COMPARED_FROM` from which seed on; with a number of
documents and no seed one is chosen, and printed. A failure names its seed.
"""

import asyncio
import gc
import os
import random

import pytest
from api.graphql.compiled.comparison import SCHEMA, answer_of, case_in, case_of, read
from api.graphql.compiled.documents import Written, written
from api.graphql.compiled.records import world
from graphql import validate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis_graphql import queries

from gateway.api.graphql.compiled import Compiled, compile_operation

_DOCUMENTS = int(os.environ.get("COMPARED_DOCUMENTS", "1000"))
_ANYWHERE = random.randrange(10**9) if "COMPARED_DOCUMENTS" in os.environ else 0  # noqa: S311 - no secret
_A_COMPETITION = 5_000  # documents, of which one may have errors that compete: it was one in 14,000
_FROM = int(os.environ.get("COMPARED_FROM", _ANYWHERE))


# graphql-core itself sometimes drops a coroutine below a null that came up.
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited", "ignore::pytest.PytestUnraisableExceptionWarning")
async def test_equal_answers() -> None:
    """Data with its order, errors with their paths, and what was changed are those of graphql-core."""
    print(f"comparing {_DOCUMENTS} documents from seed {_FROM} on")  # noqa: T201 - to be able to do it again
    compared, competed, seed = 0, 0, _FROM
    while compared < _DOCUMENTS:
        case = await case_of(seed)
        if case is not None:
            difference = await case.difference(compile_operation)
            if difference is not None and competed < _DOCUMENTS // _A_COMPETITION:
                competed += 1
                difference = await case.difference(compile_operation, competing=True)
            assert difference is None, f"seed {seed}: {difference}"
            compared += 1
        seed += 1


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited", "ignore::pytest.PytestUnraisableExceptionWarning")
@settings(max_examples=100, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(text=queries(SCHEMA), seed=st.integers(0, 10))
def test_equal_answers_to_foreign_documents(text: str, seed: int) -> None:
    """So they are for documents that a generator of somebody else's writes."""

    async def difference() -> str | None:
        case = await case_in(world(seed), Written(text, ({},)))
        return await case.difference(compile_operation) if case else None

    assert asyncio.run(difference()) is None


async def test_leaves_nothing_behind() -> None:
    """When an answer is there, no task goes on for it and no coroutine waits for somebody to await it."""
    for seed in range(200):
        one = written(SCHEMA, seed)
        document, operation = read(one.text)
        if validate(SCHEMA, document, max_errors=1):
            continue
        compiled = compile_operation(SCHEMA, document, operation)
        assert isinstance(compiled, Compiled)
        await answer_of(compiled, document, operation, one.variables[0], world(seed // 10))
        for _ in range(5):  # what was cancelled takes a few turns to end
            await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}, f"seed {seed}"
    gc.collect()  # a coroutine that was never awaited warns now, and warnings are errors
