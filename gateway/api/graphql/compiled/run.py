"""Executes a program for one request: resolves the root fields, then fetches missing records, level by level.

Generated code never waits. A record that is kept and within its lifetime is completed at once, by the fast path of the
loaders (`Loaders.finder`). Where a record is missing, the code leaves null, and adds the record to the batch of its
kind (`Run.request_lookup`). After that the run handles one *level* after the other, until nothing is missing. For each
it

1. takes all batches, and all values that graphql-core still awaits;
2. starts all lookups, and waits until each of them has succeeded or failed;
3. completes each record by the function of its slot, and puts the result where null was. This code may request
   lookups again: they are the next level.

So the lookups below a list are one batch for each kind of record and level, however many items the list has.

The slow path: graphql-core's `Executor` completes every value that the fast path does not cover, and collects all
errors. It keeps one error for a position, so a record may be read again.

Reuse: on the fast path a result depends on the record alone. So a record that several list items refer to is completed
once in a level, and all of them get the same result. If it took the slow path it is completed for each position,
because each error needs its path.
"""

from asyncio import Future, TaskGroup, gather
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from inspect import iscoroutine
from types import CoroutineType
from typing import Any

import msgspec
from graphql import GraphQLError, GraphQLResolveInfo
from graphql.execution import Executor as CoreExecutor
from graphql.execution import default_field_resolver, get_argument_values
from graphql.pyutils import is_awaitable

from gateway.api.graphql.compiled.answer_slots import AnswerSlot
from gateway.api.graphql.compiled.arguments import CoercedVariables
from gateway.api.graphql.compiled.levels import LookupBatch, Pending
from gateway.api.graphql.compiled.lookups import Lookup
from gateway.api.graphql.compiled.program import Completion, Program, RootField
from gateway.api.graphql.compiled.resolvers import LiteInfo
from gateway.api.graphql.execution.context import Context
from gateway.api.graphql.execution.prepared import Executed
from gateway.users.ids import Kind
from gateway.users.loaders import Finder
from gateway.users.model import Record

__all__ = ["Run"]


def _derived(base: Any) -> Iterator[type]:
    for derived in base.__subclasses__():
        yield derived
        yield from _derived(derived)


_NEVER_AWAITABLE = frozenset({tuple, *_derived(Record)})
"""The classes of most values: a cheaper test than `is_awaitable`, and than `isinstance` of a class with a metaclass."""


class Run(msgspec.Struct, eq=False):  # one is created for each execution
    """One execution of a program.

    `needs`, `reusable`, `context` and the methods from `request_lookup` to `handle_error` are called by generated code.
    `make_core` creates graphql-core's executor when it is first needed, which is never for most requests.
    """

    _program: Program
    _make_core: Callable[[Context, CoercedVariables], CoreExecutor[Any]]
    context: Context
    _variables: CoercedVariables
    _answer: dict[str, Any]
    needs: list[Any] = []
    reusable: list[dict[int, Any]] = []
    _batches: dict[Kind, LookupBatch] = {}
    _pending: list[Pending] = []
    _kept_alive: list[Any] = []
    _finders: dict[Kind, Finder | None] = {}
    _found: dict[int, tuple[Any, tuple[Any] | None]] = {}  # by id: a record, and what is kept of it
    _executor: CoreExecutor[Any] | None = None
    _slow_path_uses: int = 0

    @classmethod
    def of(
        cls,
        program: Program,
        make_core: Callable[[Context, CoercedVariables], CoreExecutor[Any]],
        context: Context,
        variables: CoercedVariables,
    ) -> "Run":
        """Return a new execution of a program."""
        run = cls(program, make_core, context, variables, program.without_values.copy())
        if program.lookups:
            plan = context.loaders.plan
            run.needs = [lookup.need(plan) for lookup in program.lookups]
        if program.reused_slots:
            run.reusable = [{} for _ in program.reused_slots]
        return run

    @property
    def _core(self) -> CoreExecutor[Any]:
        """graphql-core's executor; each access counts as a use of the slow path."""
        self._slow_path_uses += 1
        if self._executor is None:
            self._executor = self._make_core(self.context, self._variables)
        return self._executor

    @property
    def errors(self) -> list[GraphQLError]:
        """The errors of the execution so far."""
        return self._executor.collected_errors.errors if self._executor else []

    async def concurrently(self) -> Executed:
        """Execute the root fields of a query at the same time."""
        try:
            roots = [root for root in self._program.roots if self._arguments(root) is not None]
            try:
                async with TaskGroup() as tasks:
                    for root in roots:
                        tasks.create_task(self.serially((root,), is_part=True))
            except ExceptionGroup as failed:  # the group cancelled the other tasks: the data of the response is null
                raise failed.exceptions[0] from None
        except GraphQLError as error:
            return self._failed(error)
        finally:
            self._close()
        return Executed(self._answer, self.errors)

    async def serially(self, roots: Sequence[RootField], *, is_part: bool = False) -> Executed:
        """Execute root fields one after the other, each with all that is below it: without a task.

        They are those of a mutation, the only one of a query, or one of several (`is_part`), whose caller handles a
        null that was propagated to the root. A change is executed, and its result completed, before the next one.
        """
        try:
            for root in roots:
                arguments = self._arguments(root)
                if arguments is None:
                    continue
                slot = root.slot
                try:
                    info = LiteInfo(self.context, root.path) if root.direct else self._info(slot, ())
                    value = root.resolve(None, info, **arguments)
                    if value.__class__ is CoroutineType or is_awaitable(value):
                        value = await value
                    if value.__class__ in _NEVER_AWAITABLE:
                        self._answer[slot.key] = root.complete(self, value)
                    else:
                        self._answer[slot.key] = self._complete(slot, root.complete, value, ())
                except Exception as error:  # noqa: BLE001 - whatever a resolver raises is the error of its field alone
                    self.handle_error(error, slot)
                while self._batches or self._pending:
                    await self._level()
        except GraphQLError as error:
            if is_part:
                raise
            return self._failed(error)
        finally:
            if self._pending and not is_part:
                self._close()
        return Executed(self._answer, [] if self._executor is None else self.errors)

    def try_complete(self, root: RootField, value: Any) -> Executed | None:
        """Complete the value of the only root field; return None if there is an error, or anything to be awaited."""
        try:
            completed = self._complete(root.slot, root.complete, value, ())
        except Exception:  # noqa: BLE001 - the execution that waits finds the same, and reports it
            return None
        if self._batches or self._pending or (self._executor is not None and self.errors):
            self._close()
            return None
        return Executed({root.slot.key: completed})

    def _failed(self, error: GraphQLError) -> Executed:
        """Return the result with the error that made the data of the response null."""
        self._core.collected_errors.add(error, None)
        return Executed(None, self.errors)

    def _close(self) -> None:
        """Close the coroutines that will not be awaited any more."""
        for pending in self._pending:
            if iscoroutine(pending.awaitable):
                pending.awaitable.close()

    def request_lookup(
        self, lookup: Lookup, complete: Completion, record: Any, result: dict[str, Any], *indices: int
    ) -> Any:
        """Return the value from a record that is kept, else null, until the record has been looked up in a batch."""
        kind = lookup.kind
        if kind not in self._finders:
            self._finders[kind] = self.context.loaders.finder(kind)
        find = self._finders[kind]
        if find is not None:
            found = self._found.get(id(record))
            if found is None:
                found = self._found[id(record)] = (record, find(record))
            if (kept := found[1]) is not None:
                value = lookup.value_from(kept[0])
                if value.__class__ in _NEVER_AWAITABLE:
                    return complete(self, value, *indices)
                return self._complete(lookup.slot, complete, value, indices)
        batch = self._batches.get(kind)
        if batch is None:
            batch = self._batches[kind] = LookupBatch(kind)
        batch.add(record, (lookup, complete, result, indices))
        return None

    def complete_reusable(self, number: int, complete: Completion, record: Any, *indices: int) -> Any:
        """Complete a record, and keep the result for this level unless the slow path was used."""
        uses = self._slow_path_uses
        completed = complete(self, record, *indices)
        if uses == self._slow_path_uses:
            self.reusable[number][id(record)] = completed
            self._kept_alive.append(record)  # so that its id stays unique
        return completed

    def resolve(self, source: Any, slot: AnswerSlot, *indices: int) -> Any:
        """Call the resolver of a field."""
        arguments = get_argument_values(
            slot.field, slot.nodes[0], self._variables.for_core(), hide_suggestions=self._core.hide_suggestions
        )
        return (slot.field.resolve or default_field_resolver)(source, self._info(slot, indices), **arguments)

    def execute_field(self, source: Any, slot: AnswerSlot, *indices: int) -> Any:
        """Resolve and complete a field by graphql-core."""
        completed = self._core.execute_field(slot.parent_type, source, slot.details, slot.path(indices), None)
        return self._unless_pending(completed, slot, indices)

    def execute_fields(self, result: dict[str, Any], source: Any, slots: tuple[AnswerSlot, ...], *indices: int) -> None:
        """Resolve and complete several fields of one object by graphql-core."""
        for slot in slots:
            result[slot.key] = self.execute_field(source, slot, *indices)

    def slow_path(self, value: Any, slot: AnswerSlot, *indices: int) -> Any:
        """Complete a value by graphql-core."""
        if not is_awaitable(value):
            return self._complete_by_core(value, slot, indices)
        info = self._info(slot.field_slot(), indices)
        completed = self._core.complete_awaitable_value(slot.type, slot.details, info, slot.path(indices), value, None)
        return self._unless_pending(completed, slot, indices)

    def handle_error(self, error: Exception, slot: AnswerSlot, *indices: int) -> None:
        """Add the error to the response and return null.

        Raises:
            GraphQLError: the type is non-null, so the null is propagated to the parent.
        """
        self._core.handle_field_error(error, slot.type, slot.details, slot.path(indices))

    def _arguments(self, root: RootField) -> dict[str, Any] | None:
        """Return the arguments of a root field, None if they are wrong.

        Raises:
            GraphQLError: a null was propagated to the root.
        """
        try:
            return root.arguments.values(self._variables)
        except GraphQLError as error:
            self.handle_error(error, root.slot)
            return None

    async def _level(self) -> None:
        """Fetch everything that is missing at the same time, and complete it."""
        batches, self._batches = list(self._batches.values()), {}
        pending, self._pending = self._pending, []
        for results in self.reusable:  # a later position would miss the errors that this level adds for others
            results.clear()
        self._kept_alive.clear()
        for batch in batches:
            batch.start(self.context.loaders)
        try:
            values = await gather(*(each.awaitable for each in pending), return_exceptions=True) if pending else []
            for batch in batches:
                await batch.wait()
            for batch in batches:
                self._complete_batch(batch)
            if self.context.stale.report.stale:
                for batch in batches:
                    self._mark_stale(batch)
            for (_, slot, indices), value in zip(pending, values, strict=True):
                self._put_awaited(value, slot, indices)
        except BaseException:  # a cancellation, or an error that ends the execution
            for batch in batches:
                batch.abandon()
            raise

    def _put_awaited(self, value: Any, slot: AnswerSlot, indices: tuple[int, ...]) -> None:
        """Put a value that graphql-core awaited into the answer, or null if it is an exception."""
        if isinstance(value, Exception):
            self._propagate_null(value, slot, indices)
        elif isinstance(value, BaseException):
            raise value
        else:
            self._put(value, slot, indices)

    def _complete_batch(self, batch: LookupBatch) -> None:
        """Complete the records of a batch: once for each field, unless the slow path was used."""
        occurrences: dict[AnswerSlot, Mapping[int, list[tuple[int, ...]]]] = {}
        for future, consumers in batch.loaded():
            reusable: dict[Lookup, Any] = {}
            for lookup, complete, result, indices in consumers:
                key = lookup.slot.key
                if lookup in reusable:
                    result[key] = reusable[lookup]
                    continue
                uses = self._slow_path_uses
                result[key] = self._complete_lookup(future, lookup, complete, indices)
                if uses == self._slow_path_uses:
                    reusable[lookup] = result[key]
                    continue
                # Where `result` itself is reused, every position that has it gets its errors.
                if lookup.slot not in occurrences:
                    occurrences[lookup.slot] = self._parent_occurrences(lookup.slot)
                for other in occurrences[lookup.slot][id(result)]:
                    if other != indices:
                        result[key] = self._complete_lookup(future, lookup, complete, other)

    def _mark_stale(self, batch: LookupBatch) -> None:
        """Mark each position for which a record past its lifetime was looked up, also where a result is reused."""
        occurrences: dict[AnswerSlot, Mapping[int, list[tuple[int, ...]]]] = {}
        for ref, consumers in batch.consumers():
            for lookup, _, result, _ in consumers:
                if lookup.slot not in occurrences:
                    occurrences[lookup.slot] = self._parent_occurrences(lookup.slot)
                for indices in occurrences[lookup.slot][id(result)]:
                    self.context.stale.mark(ref, lookup.slot.path(indices))

    def _complete_lookup(
        self, future: "Future[Any]", lookup: Lookup, complete: Completion, indices: tuple[int, ...]
    ) -> Any:
        try:
            return self._complete(lookup.slot, complete, lookup.value_from(future.result()), indices)
        except Exception as error:  # noqa: BLE001 - whatever a lookup raises is the error of this field alone
            self._propagate_null(error, lookup.slot, indices)
            return None

    def _parent_occurrences(self, slot: AnswerSlot) -> Mapping[int, list[tuple[int, ...]]]:
        """Return the indices of all positions of each object that has this slot, by the id of its result."""
        found: defaultdict[int, list[tuple[int, ...]]] = defaultdict(list)
        for result, indices in slot.parent.occurrences(self._answer) if slot.parent else ():
            found[id(result)].append(indices)
        return found

    def _complete(self, slot: AnswerSlot, complete: Completion, value: Any, indices: tuple[int, ...]) -> Any:
        """Complete a value that has been awaited. If it is an awaitable nevertheless, it is not awaited again."""
        if value is None and slot.nullable:
            return None
        if value.__class__ not in _NEVER_AWAITABLE and is_awaitable(value):
            return self._complete_by_core(value, slot, indices)
        return complete(self, value, *indices)

    def _complete_by_core(self, value: Any, slot: AnswerSlot, indices: tuple[int, ...]) -> Any:
        info = self._info(slot.field_slot(), indices)
        try:
            completed = self._core.complete_value(slot.type, slot.details, info, slot.path(indices), value, None)
        except Exception as error:  # noqa: BLE001 - whatever is raised is the error of this position alone
            return self.handle_error(error, slot, *indices)
        return self._unless_pending(completed, slot, indices)

    def _unless_pending(self, completed: Any, slot: AnswerSlot, indices: tuple[int, ...]) -> Any:
        """Return what graphql-core completed. If that is an awaitable, return null: the next level awaits it."""
        if not is_awaitable(completed):
            return completed
        self._pending.append(Pending(completed, slot, indices))
        return None

    def _propagate_null(self, error: Exception, slot: AnswerSlot, indices: tuple[int, ...]) -> None:
        """Put null for a failed value whose parents are completed already: there, or at the nearest nullable parent."""
        nearest: AnswerSlot | None = slot
        while nearest is not None:
            try:
                self.handle_error(error, nearest, *indices)
            except GraphQLError as located:
                error, nearest = located, nearest.parent
            else:
                self._put(None, nearest, indices)
                return
        raise error

    def _put(self, value: Any, slot: AnswerSlot, indices: tuple[int, ...]) -> None:
        """Put a value into the answer, unless one of its parents has become null."""
        *parents, last = slot.path(indices).as_list()
        node: Any = self._answer
        for key in parents:
            node = node[key]
            if node is None:
                return
        node[last] = value

    def _info(self, slot: AnswerSlot, indices: tuple[int, ...]) -> GraphQLResolveInfo[Any]:
        return self._core.build_resolve_info(slot.field, slot.nodes, slot.parent_type, slot.path(indices))
