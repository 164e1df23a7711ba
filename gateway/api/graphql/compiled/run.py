"""One execution of an operation: what its code calls, and what waits for others.

All that is not usual, and every error, is graphql-core's affair: its `Executor` completes the value in hand and keeps
the errors. Asked twice about one place it tells the error once, so reading a record again does no harm.

What is usual depends on the record alone, so records that many refer to are completed once, and the one answer stands
in all those places. Where something odd turns up each place is completed by itself: errors have paths.
"""

from asyncio import CancelledError, Future, TaskGroup, gather
from collections import defaultdict
from collections.abc import Callable, Mapping
from inspect import iscoroutine
from typing import Any

from graphql import GraphQLError, GraphQLResolveInfo
from graphql.execution import Executor, VariableValues, default_field_resolver, get_argument_values
from graphql.pyutils import is_awaitable

from gateway.api.graphql.compiled.answer_slots import AnswerSlot
from gateway.api.graphql.compiled.levels import Late, Wanted
from gateway.api.graphql.compiled.lookups import Lookup
from gateway.api.graphql.compiled.program import Complete, Program, Root
from gateway.api.graphql.compiled.resolvers import LiteInfo
from gateway.api.graphql.execution.context import Context
from gateway.users.ids import Kind
from gateway.users.model import Record

__all__ = ["Run"]

_DATA = (Record, tuple)  # nobody can wait for it, which is seen at once


class Run:
    """Runs a program for one caller; `core` makes graphql-core's executor, which most answers never need."""

    def __init__(
        self, program: Program, core: Callable[[], Executor[Any]], context: Context, variables: VariableValues
    ) -> None:
        self._loaders = context.loaders
        self.needs = [lookup.need(self._loaders.plan) for lookup in program.lookups]
        self._program = program
        self._made_core = core
        self._context = context
        self._variables = variables
        self._answer: dict[str, Any] = {root.place.key: None for root in program.roots}
        self._wanted: dict[Kind, Wanted] = {}
        self._late: list[Late] = []
        self.shared: list[dict[int, Any]] = [{} for _ in program.shared]
        self._held: list[Any] = []
        self._executor: Executor[Any] | None = None
        self._odd = 0

    @property
    def _core(self) -> Executor[Any]:
        """What completes the unusual: whoever asks for it, it counts as that."""
        self._odd += 1
        if self._executor is None:
            self._executor = self._made_core()
        return self._executor

    @property
    def errors(self) -> list[GraphQLError]:
        """What went wrong."""
        return self._executor.collected_errors.errors if self._executor else []

    async def concurrently(self) -> dict[str, Any]:
        """The answer to a query.

        Raises:
            GraphQLError: a null came up to the root.
        """
        asked = []
        for root in self._program.roots:
            try:
                asked.append((root, root.arguments.of(self._variables)))
            except GraphQLError as error:
                self.failed(error, root.place)
        if len(asked) == 1:
            await self._root(*asked[0])
        else:
            try:
                async with TaskGroup() as running:
                    for root, arguments in asked:
                        running.create_task(self._root(root, arguments))
            except ExceptionGroup as failed:  # the others were cancelled: nothing will be left of the answer
                raise failed.exceptions[0] from None
        return self._answer

    async def serially(self) -> dict[str, Any]:
        """The answer to a mutation: each change is carried out, and answered, before the next is begun.

        Raises:
            GraphQLError: a null came up to the root.
        """
        for root in self._program.roots:
            try:
                arguments = root.arguments.of(self._variables)
            except GraphQLError as error:
                self.failed(error, root.place)
            else:
                await self._root(root, arguments)
        return self._answer

    def fail(self, error: GraphQLError) -> None:
        """Keep the error that left nothing of the answer."""
        self._core.collected_errors.add(error, None)

    def close(self) -> None:
        """Let go of what nobody will wait for any more."""
        for late in self._late:
            if iscoroutine(late.awaitable):
                late.awaitable.close()

    def want(self, lookup: Lookup, complete: Complete, record: Any, answer: dict[str, Any], *indices: int) -> None:
        """Have a record looked up with its like; null stands in the answer until it is there."""
        wanted = self._wanted.get(lookup.kind)
        if wanted is None:
            wanted = self._wanted[lookup.kind] = Wanted(lookup.kind)
        wanted.add(record, (lookup, complete, answer, indices))

    def share(self, number: int, complete: Complete, record: Any, *indices: int) -> Any:
        """Complete a record for all who refer to it in this level, unless something was odd."""
        before = self._odd
        completed = complete(self, record, *indices)
        if before == self._odd:
            self.shared[number][id(record)] = completed
            self._held.append(record)  # as long as its id counts
        return completed

    def resolve(self, source: Any, place: AnswerSlot, *indices: int) -> Any:
        """What the field's resolver gives."""
        arguments = get_argument_values(
            place.field, place.nodes[0], self._variables, hide_suggestions=self._core.hide_suggestions
        )
        return (place.field.resolve or default_field_resolver)(source, self._info(place, indices), **arguments)

    def field(self, source: Any, place: AnswerSlot, *indices: int) -> Any:
        """A field, read and completed by graphql-core."""
        completed = self._core.execute_field(place.owner, source, place.details, place.path(indices), None)
        return self._settled(completed, place, indices)

    def fields(self, answer: dict[str, Any], source: Any, places: tuple[AnswerSlot, ...], *indices: int) -> None:
        """Several fields of one object, each by itself."""
        for place in places:
            answer[place.key] = self.field(source, place, *indices)

    def odd(self, value: Any, place: AnswerSlot, *indices: int) -> Any:
        """A value that is not usual, completed by graphql-core."""
        if not is_awaitable(value):
            return self._by_core(value, place, indices)
        info = self._info(place.whole(), indices)
        completed = self._core.complete_awaitable_value(
            place.type, place.details, info, place.path(indices), value, None
        )
        return self._settled(completed, place, indices)

    def failed(self, error: Exception, place: AnswerSlot, *indices: int) -> None:
        """The null for what failed, its error kept.

        Raises:
            GraphQLError: no null may be there.
        """
        self._core.handle_field_error(error, place.type, place.details, place.path(indices))

    async def _root(self, root: Root, arguments: dict[str, Any]) -> None:
        place = root.place
        try:
            info = LiteInfo(self._context, place.path(())) if root.direct else self._info(place, ())
            value = root.resolve(None, info, **arguments)
            if is_awaitable(value):
                value = await value
            self._answer[place.key] = self._completed(place, root.complete, value, ())
        except Exception as error:  # noqa: BLE001 - as above
            self.failed(error, place)
        while self._wanted or self._late:
            await self._level()

    async def _level(self) -> None:
        """Fetch all that is missing at once, then go on from there."""
        wanted, self._wanted = list(self._wanted.values()), {}
        late, self._late = self._late, []
        for completed in self.shared:  # what becomes of these is settled for those who share them now
            completed.clear()
        self._held.clear()
        for one in wanted:
            one.ask(self._loaders)
        try:
            values = await gather(*(one.awaitable for one in late), return_exceptions=True) if late else []
            for one in wanted:
                await one.arrive()
        except CancelledError:
            for one in wanted:
                one.leave()
            raise
        for one in wanted:
            self._hand_out(one)
        for (_, place, indices), value in zip(late, values, strict=True):
            if isinstance(value, Exception):
                self._null(value, place, indices)
            elif isinstance(value, BaseException):
                raise value
            else:
                self._put(value, place, indices)

    def _hand_out(self, wanted: Wanted) -> None:
        """Complete what was looked up: once for all who wanted the same of a record, unless something was odd."""
        standing: dict[AnswerSlot, Mapping[int, list[tuple[int, ...]]]] = {}
        for found, takers in wanted.arrived():
            clean: dict[Lookup, Any] = {}
            for lookup, complete, answer, indices in takers:
                key = lookup.place.key
                if lookup in clean:
                    answer[key] = clean[lookup]
                    continue
                before = self._odd
                answer[key] = self._taken(found, lookup, complete, indices)
                if before == self._odd:
                    clean[lookup] = answer[key]
                    continue
                if lookup.place not in standing:
                    standing[lookup.place] = self._standing(lookup.place)
                for other in standing[lookup.place][id(answer)]:
                    if other != indices:
                        answer[key] = self._taken(found, lookup, complete, other)

    def _taken(self, found: "Future[Any]", lookup: Lookup, complete: Complete, indices: tuple[int, ...]) -> Any:
        try:
            return self._completed(lookup.place, complete, lookup.of(found.result()), indices)
        except Exception as error:  # noqa: BLE001 - as above
            self._null(error, lookup.place, indices)
            return None

    def _standing(self, place: AnswerSlot) -> Mapping[int, list[tuple[int, ...]]]:
        """Where every answer stands that has such a field, by its id."""
        found: defaultdict[int, list[tuple[int, ...]]] = defaultdict(list)
        for answer, indices in place.parent.standing(self._answer) if place.parent else ():
            found[id(answer)].append(indices)
        return found

    def _completed(self, place: AnswerSlot, complete: Complete, value: Any, indices: tuple[int, ...]) -> Any:
        """A value that has been awaited: it is not awaited again, whatever it is."""
        if value is None and place.nullable:
            return None
        if not isinstance(value, _DATA) and is_awaitable(value):
            return self._by_core(value, place, indices)
        return complete(self, value, *indices)

    def _by_core(self, value: Any, place: AnswerSlot, indices: tuple[int, ...]) -> Any:
        info = self._info(place.whole(), indices)
        try:
            completed = self._core.complete_value(place.type, place.details, info, place.path(indices), value, None)
        except Exception as error:  # noqa: BLE001 - whatever is raised fails this place alone
            return self.failed(error, place, *indices)
        return self._settled(completed, place, indices)

    def _settled(self, completed: Any, place: AnswerSlot, indices: tuple[int, ...]) -> Any:
        """What graphql-core has completed; where it is waiting itself, a null until it is done."""
        if not is_awaitable(completed):
            return completed
        self._late.append(Late(completed, place, indices))
        return None

    def _null(self, error: Exception, place: AnswerSlot, indices: tuple[int, ...]) -> None:
        """A null for what failed when its surroundings were answered: there, or at the nearest place that allows it."""
        at: AnswerSlot | None = place
        while at is not None:
            try:
                self.failed(error, at, *indices)
            except GraphQLError as located:
                error, at = located, at.parent
            else:
                self._put(None, at, indices)
                return
        raise error

    def _put(self, value: Any, place: AnswerSlot, indices: tuple[int, ...]) -> None:
        """Put a value into the answer, unless a null has taken its surroundings."""
        *around, last = place.path(indices).as_list()
        node: Any = self._answer
        for key in around:
            node = node[key]
            if node is None:
                return
        node[last] = value

    def _info(self, place: AnswerSlot, indices: tuple[int, ...]) -> GraphQLResolveInfo[Any]:
        return self._core.build_resolve_info(place.field, place.nodes, place.owner, place.path(indices))
