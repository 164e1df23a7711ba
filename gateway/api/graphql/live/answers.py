"""An answer as it is written to any number of clients."""

from dataclasses import dataclass
from typing import Self

import orjson

from gateway.api.graphql.execution.result import Result

__all__ = ["Answer"]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as JSON. `errors` are there where it is the last one, instead of data: their list as JSON.

    `event` is the id of what it answers, where that is an event.
    """

    text: str
    errors: str | None = None
    event: str = ""

    @classmethod
    def of(cls, result: Result, event: str = "") -> Self:
        """The answer that a result is."""
        payload = result.payload()
        errors = None if result.executed else orjson.dumps(payload["errors"]).decode()
        return cls(orjson.dumps(payload).decode(), errors, event)
