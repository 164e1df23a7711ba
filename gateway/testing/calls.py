"""The calls that a sandbox received."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast, overload
from urllib.parse import parse_qsl

from gateway.sandbox.calls import LoggedCall
from gateway.sandbox.faults import KINDS
from gateway.testing.names import CallSource, SourceName

__all__ = ["ReceivedCall", "ReceivedCalls", "received_call"]


@dataclass(frozen=True, slots=True)
class ReceivedCall:
    """A request to a source, or a webhook that the sandbox sent (its path is the URL of the receiver).

    `path` is as it was sent, without the prefix of the sandbox; `query` is the text after the question mark. The names
    of headers are in lower case. `status` is that of the response; None: the connection was closed instead.
    """

    source: CallSource
    method: str
    path: str
    query: str
    status: int | None
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def parameters(self) -> dict[str, list[str]]:
        """The values of each parameter of the query, in order."""
        values: dict[str, list[str]] = {}
        for name, value in parse_qsl(self.query, keep_blank_values=True):
            values.setdefault(name, []).append(value)
        return values

    @property
    def json(self) -> Any:
        """The body as JSON; None without a body. Raises ValueError if it is something else."""
        return json.loads(self.body) if self.body else None


class ReceivedCalls(Sequence[ReceivedCall]):
    """The calls since the last `clear()`, oldest first. It grows while calls are received."""

    def __init__(self, read: Callable[[], list[ReceivedCall]], clear: Callable[[], None]) -> None:
        self._read = read
        self._clear = clear

    def clear(self) -> None:
        """Forget all calls."""
        self._clear()

    def to(self, source: SourceName | CallSource) -> list[ReceivedCall]:
        """Return the calls to one source, or the sent webhooks.

        Raises:
            ValueError: there is no such source, so that a test without calls to it would always pass.
        """
        if source not in KINDS:
            raise ValueError(f"'source' must be one of {', '.join(KINDS)}.")
        return [call for call in self if call.source == source]

    def __len__(self) -> int:
        return len(self._read())

    @overload
    def __getitem__(self, index: int) -> ReceivedCall: ...

    @overload
    def __getitem__(self, index: slice) -> list[ReceivedCall]: ...

    def __getitem__(self, index: int | slice) -> ReceivedCall | list[ReceivedCall]:
        return self._read()[index]

    def __iter__(self) -> Iterator[ReceivedCall]:
        return iter(self._read())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._read() == list(other)

    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # as of a list: it changes

    def __repr__(self) -> str:
        return repr(self._read())


def received_call(logged: LoggedCall) -> ReceivedCall:
    """Return a call as tests see it."""
    request = logged.request
    source = cast("CallSource", logged.source)
    return ReceivedCall(
        source, request.method, request.path, request.query, logged.status, dict(request.headers), request.body
    )
