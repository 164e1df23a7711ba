"""What a run waits for between two levels of an answer: batches of lookups, and values that graphql-core awaits.

The docstring of run.py explains the levels.
"""

from asyncio import Future
from collections.abc import Awaitable, Hashable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gateway.api.graphql.compiled.answer_slots import AnswerSlot
from gateway.api.graphql.compiled.lookups import Lookup
from gateway.api.graphql.compiled.program import Completion
from gateway.users.ids import Kind, Ref, ref_of
from gateway.users.loaders import Loaders

__all__ = ["Consumer", "LookupBatch", "Pending"]


class Pending(NamedTuple):
    """A position of the answer whose value graphql-core still awaits."""

    awaitable: Awaitable[Any]
    slot: AnswerSlot
    indices: tuple[int, ...]


Consumer = tuple[Lookup, Completion, dict[str, Any], tuple[int, ...]]
"""One field that waits for a record: lookup, function that completes the value, dictionary to put it into, indices.

A plain tuple, since one is created for each object.
"""


@dataclass(slots=True)
class LookupBatch:
    """The records of one kind that a level needs, each with its consumers."""

    _kind: Kind
    _consumers: dict[Hashable, tuple[Ref, list[Consumer]]] = field(default_factory=dict)
    _futures: list[Future[Any]] = field(default_factory=list)

    def add(self, record: Any, consumer: Consumer) -> None:
        """Add a consumer of a record, and the record if the batch does not have it yet."""
        key = consumer[0].identity(record)
        known = self._consumers.get(key)
        if known is None:
            known = self._consumers[key] = (ref_of(record), [])
        known[1].append(consumer)

    def start(self, loaders: Loaders) -> None:
        """Request all records from the loader of their kind."""
        self._futures = loaders.load_many(self._kind, (ref for ref, _ in self._consumers.values()))

    async def wait(self) -> None:
        """Wait until each record has been loaded or has failed."""
        for future in self._futures:
            if not future.done():
                with suppress(Exception):  # each consumer of the record reports it
                    await future

    def abandon(self) -> None:
        """Retrieve the exceptions that no consumer will report, since asyncio logs those that nobody retrieved."""
        for future in self._futures:
            future.add_done_callback(_retrieve_exception)

    def consumers(self) -> Iterable[tuple[Ref, list[Consumer]]]:
        """Return the reference of each record with the consumers of the record."""
        return self._consumers.values()

    def loaded(self) -> Iterator[tuple[Future[Any], list[Consumer]]]:
        """Return the future of each record, which is done, with the consumers of the record."""
        return zip(self._futures, (consumers for _, consumers in self._consumers.values()), strict=True)


def _retrieve_exception(future: Future[Any]) -> None:
    if not future.cancelled():
        future.exception()
