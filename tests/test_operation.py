"""The running operation."""

import asyncio

from gateway.freshness import FreshnessReport, current_freshness
from gateway.operation import operation


async def test_an_operation_has_no_wishes_of_another_one() -> None:
    """Tasks of an operation inherit its report; an operation inside it has a separate one, or none."""
    outer, inner = FreshnessReport(), FreshnessReport()

    async def read() -> FreshnessReport | None:
        return current_freshness.get()

    with operation(freshness=outer):
        assert await asyncio.create_task(read()) is outer
        with operation():
            assert await asyncio.create_task(read()) is None
        with operation(freshness=inner):
            assert current_freshness.get() is inner
        assert current_freshness.get() is outer
    assert current_freshness.get() is None
