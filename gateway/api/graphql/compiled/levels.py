"""What a level of an answer waits for."""

from asyncio import Future
from collections.abc import Awaitable, Hashable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gateway.api.graphql.compiled.answer_slots import AnswerSlot
from gateway.api.graphql.compiled.lookups import Lookup
from gateway.api.graphql.compiled.program import Complete
from gateway.users.ids import Kind, Ref, ref_of
from gateway.users.loaders import Loaders

__all__ = ["Late", "Taker", "Wanted"]


class Late(NamedTuple):
    """A place whose value graphql-core is still waiting for."""

    awaitable: Awaitable[Any]
    place: AnswerSlot
    indices: tuple[int, ...]


Taker = tuple[Lookup, Complete, dict[str, Any], tuple[int, ...]]
"""The field that is looked up, what completes it, the answer that it is added to, and the indices of its place.

Made for every object, so it is a bare tuple.
"""


@dataclass(slots=True)
class Wanted:
    """The records of one kind that a level wants, each with those who take it."""

    _kind: Kind
    _takers: dict[Hashable, tuple[Ref, list[Taker]]] = field(default_factory=dict)
    _found: list[Future[Any]] = field(default_factory=list)

    def add(self, record: Any, taker: Taker) -> None:
        """Want the whole of a record."""
        key = taker[0].identity(record)
        known = self._takers.get(key)
        if known is None:
            known = self._takers[key] = (ref_of(record), [])
        known[1].append(taker)

    def ask(self, loaders: Loaders) -> None:
        """Ask for every record."""
        self._found = loaders.load_many(self._kind, (ref for ref, _ in self._takers.values()))

    async def arrive(self) -> None:
        """Wait until every record, or the error in its place, is there."""
        for found in self._found:
            if not found.done():
                with suppress(Exception):  # it is told where the record is taken
                    await found

    def leave(self) -> None:
        """Hear of the errors that nobody will be told of: asyncio complains of those that nobody heard of."""
        for found in self._found:
            found.add_done_callback(_heard)

    def arrived(self) -> Iterator[tuple[Future[Any], list[Taker]]]:
        """Every record with those who take it."""
        return zip(self._found, (takers for _, takers in self._takers.values()), strict=True)


def _heard(found: Future[Any]) -> None:
    if not found.cancelled():
        found.exception()
