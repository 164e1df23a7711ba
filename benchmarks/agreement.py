"""Before anything is measured: all servers say the same, and need as many source calls as they should."""

import os
from collections.abc import Iterable
from typing import Any

import orjson

from benchmarks.fleet import Running
from benchmarks.operations import Operation

__all__ = ["DisagreementError", "check"]


class DisagreementError(Exception):
    """Two servers that answer the same request differently: a comparison would mean nothing."""


def check(operation: Operation, fleet: Iterable[Running]) -> None:
    """Each answers as the first one does, with the calls that the operation must cost.

    Raises:
        DisagreementError: one does not.
    """
    expected: Any = None
    for one in fleet:
        name = f"{operation.title}: {one.server.title}"
        before = one.sources.calls()
        answer = one.answer(operation)
        calls = one.sources.calls() - before
        if operation.calls is not None and calls != operation.calls:
            raise DisagreementError(f"{name} makes {calls} source calls instead of {operation.calls}")
        if expected is None:
            expected = answer
        if answer != expected:
            raise DisagreementError(f"{name} answers otherwise than the first:\n{_difference(answer, expected)}")


def _difference(one: Any, other: Any) -> str:
    """Both as JSON, from a little before the first place where they differ."""
    texts = [orjson.dumps(answer, option=orjson.OPT_SORT_KEYS).decode() for answer in (one, other)]
    start = max(0, len(os.path.commonprefix(texts)) - 120)  # noqa: RUF071 - these are no paths
    return "\n".join(f"…{text[start : start + 400]}" for text in texts)
