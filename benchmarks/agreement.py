"""Checks before the measurements that all servers return equal data with the expected number of source calls."""

import os
from collections.abc import Iterable
from typing import Any

import orjson

from benchmarks.fleet import RunningServer
from benchmarks.operations import Operation

__all__ = ["DisagreementError", "check"]


class DisagreementError(Exception):
    """Two servers return different data, or one makes another number of calls, so their figures are not comparable."""


def check(operation: Operation, fleet: Iterable[RunningServer]) -> None:
    """Compare the data of each server with that of the first one, and its calls with those of the operation.

    Raises:
        DisagreementError: a server differs.
    """
    expected: Any = None
    for running in fleet:
        name = f"{operation.title}: {running.server.title}"
        before = running.sources.calls()
        data = running.fetch(operation)
        calls = running.sources.calls() - before
        if operation.calls is not None and calls != operation.calls:
            raise DisagreementError(f"{name} makes {calls} source calls instead of {operation.calls}")
        if expected is None:
            expected = data
        if data != expected:
            raise DisagreementError(f"{name} returns other data than the first server:\n{_difference(data, expected)}")


def _difference(actual: Any, expected: Any) -> str:
    """Return both as JSON, from a little before the first difference."""
    texts = [orjson.dumps(data, option=orjson.OPT_SORT_KEYS).decode() for data in (actual, expected)]
    start = max(0, len(os.path.commonprefix(texts)) - 120)  # noqa: RUF071 - the texts are not paths
    return "\n".join(f"…{text[start : start + 400]}" for text in texts)
