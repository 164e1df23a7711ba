"""Generates the code of an operation: one function for each answer slot that holds an object, a list or an interface.

The function `c7(x, v, i0)` returns the JSON form of the value `v` in its answer slot. The generated names:

    c0, c1, …   completion functions; those of inner slots come first
    x           the `Run` of this request
    v           the value to complete: a record, a list, or a leaf if its slot has a function of this kind
    a           the attribute value: the value of one field of `v`, or one item of the list `v`
    r           the result: a dictionary by response key, or a list
    e           a caught exception
    i0, i1, …   the indices of the lists around the slot, outermost first
    k0, k1, …   constants: answer slots, classes, functions, tables of enum members
    t0, t1, …   for an interface: the completion function for each record class

The code handles the values of the fast path. It passes other values and fields to `Run.slow_path`,
`Run.execute_field` and `Run.execute_fields`, and exceptions to `Run.handle_error`, which returns null or raises if the
type is non-null. docs/compiled.md shows the code of an operation.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from graphql import (
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLLeafType,
    GraphQLList,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    get_nullable_type,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
)
from graphql.execution import VariableValues
from graphql.execution.collect_fields import FragmentDetails, GroupedFieldSet, collect_fields, collect_subfields
from graphql.type import GraphQLAbstractType

from gateway.api.graphql.compiled.answer_slots import AnswerSlot
from gateway.api.graphql.compiled.field_codegen import FieldCodegen
from gateway.api.graphql.compiled.leaves import Constants, leaf, on_fast_path
from gateway.api.graphql.compiled.lookups import Lookup
from gateway.api.graphql.schema.fields import IsRecord

__all__ = ["OperationCodegen", "TooLargeError"]

_MAX_SLOTS = 1000  # 0.1 s; nested fragments multiply, and graphql-core follows them only as far as there is data


class TooLargeError(Exception):
    """The operation has too many answer slots to be compiled."""


class OperationCodegen:
    """Generates the code of one operation for one set of variables: they decide `@skip` and `@include`.

    `source` is the code, `constants` are the objects that it needs as globals, `lookups` and `reused_slots` are what
    it refers to by number (`x.needs[0]`, `x.reusable[0]`), and `slot_count` is the number of answer slots.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: Mapping[str, FragmentDefinitionNode],
        operation: OperationDefinitionNode,
        variables: VariableValues,
        *,
        hide_suggestions: bool,
    ) -> None:
        self.constants = Constants()
        self.lookups: list[Lookup] = []
        self.reused_slots: list[AnswerSlot] = []
        self.slot_count = 0
        self._schema = schema
        self._fragments = {name: FragmentDetails(node) for name, node in fragments.items()}
        self._operation = operation
        self._variables = variables
        self._hide_suggestions = hide_suggestions
        self._fast_classes: set[type] = set()
        self._functions: list[str] = []

    @property
    def source(self) -> str:
        return "\n".join(self._functions)

    def roots(self) -> Iterator[AnswerSlot]:
        """Return the slots of the root fields.

        Raises:
            GraphQLError: a variable in `@skip` or `@include` of a root field is null.
        """
        root_type = self._schema.get_root_type(self._operation.operation)
        if root_type is None:
            raise GraphQLError("The schema has no such operations.", self._operation)
        selected = collect_fields(
            self._schema, self._fragments, self._variables, root_type, self._operation, self._hide_suggestions
        )
        return self._field_slots(None, root_type, selected.grouped_field_set)

    def write_completion(self, slot: AnswerSlot) -> str:
        """Write the function that completes a value in this slot, after those for the slots below it.

        Returns:
            The name of the function.

        Raises:
            TooLargeError: the operation has more than 1,000 answer slots.
        """
        type_ = get_nullable_type(slot.type)
        if is_list_type(type_):
            return self._list(slot, type_)
        if is_leaf_type(type_):
            return self._leaf(slot, type_)
        if is_abstract_type(type_):
            return self._abstract(slot, type_)
        return self._object(slot, cast("GraphQLObjectType", type_))

    def _field_slots(
        self, parent: AnswerSlot | None, parent_type: GraphQLObjectType, fields: GroupedFieldSet
    ) -> Iterator[AnswerSlot]:
        for key, details in fields.items():
            field = self._schema.get_field(parent_type, details[0].node.name.value)
            if field is not None:
                yield self._counted(
                    AnswerSlot(parent, key, field.type, parent_type, field, details, parent.depth if parent else 0)
                )

    def _counted(self, slot: AnswerSlot) -> AnswerSlot:
        self.slot_count += 1
        if self.slot_count > _MAX_SLOTS:
            raise TooLargeError
        return slot

    def _function(self, slot: AnswerSlot, lines: Sequence[str]) -> str:
        name = f"c{len(self._functions)}"
        self._functions.append("\n    ".join([f"def {name}(x, v{slot.indices}):", *lines]))
        return name

    def _leaf(self, slot: AnswerSlot, type_: GraphQLLeafType) -> str:
        return self._function(
            slot,
            [
                "a = v",
                "try:",
                f"    return {leaf(type_, self._fast_classes, self.constants)}",
                "except Exception:",
                f"    return {self._slow_path(slot)}",
            ],
        )

    def _list(self, slot: AnswerSlot, type_: GraphQLList[Any]) -> str:
        items = self._counted(slot.items(type_.of_type))
        item_type = get_nullable_type(items.type)
        unless_null = "None if a is None else " if items.nullable else ""
        if is_leaf_type(item_type):
            return self._function(
                slot,
                [
                    "try:",
                    "    if v.__class__ is tuple or v.__class__ is list:",
                    f"        return [{unless_null}{leaf(item_type, self._fast_classes, self.constants)} for a in v]",
                    "except Exception:",
                    "    pass",
                    f"return {self._slow_path(slot)}",
                ],
            )
        complete = self.write_completion(items)
        return self._function(
            slot,
            [
                "if v.__class__ is not tuple and v.__class__ is not list:",
                f"    return {self._slow_path(slot)}",
                "r = []",
                f"for i{slot.depth}, a in enumerate(v):",
                "    try:",
                f"        r.append({unless_null}{complete}(x, a{items.indices}))",
                "    except Exception as e:",
                f"        r.append(x.handle_error(e, {self.constants.name(items)}{items.indices}))",
                "return r",
            ],
        )

    def _abstract(self, slot: AnswerSlot, type_: GraphQLAbstractType) -> str:
        completions = {
            self.constants.name(possible.is_type_of.kind): self._object(slot, possible)
            for possible in self._schema.get_possible_types(type_)
            if isinstance(possible.is_type_of, IsRecord)
        }
        table = ", ".join(f"{record_class}: {complete}" for record_class, complete in completions.items())
        number = len(self._functions)
        self._functions.append(f"t{number} = {{{table}}}")
        return self._function(
            slot,
            [
                f"complete = t{number}.get(v.__class__)",
                f"return complete(x, v{slot.indices}) if complete else {self._slow_path(slot)}",
            ],
        )

    def _object(self, slot: AnswerSlot, type_: GraphQLObjectType) -> str:
        slow_path = f"    return {self._slow_path(slot)}"
        is_type_of = type_.is_type_of
        if isinstance(is_type_of, IsRecord):
            lines = [f"if v.__class__ is not {self.constants.name(is_type_of.kind)}:", slow_path]
        elif is_type_of is None:
            fast_classes, check = self.constants.name(self._fast_classes), self.constants.name(on_fast_path)
            lines = [f"if v.__class__ not in {fast_classes} and not {check}(v, {fast_classes}):", slow_path]
        else:
            return self._function(slot, [slow_path.strip()])
        try:
            selected = collect_subfields(
                self._schema,
                self._fragments,
                self._variables,
                self._operation,
                type_,
                slot.details,
                self._hide_suggestions,
            )
        except GraphQLError:  # a variable in `@skip` or `@include` is null: graphql-core reports it at each object
            return self._function(slot, [slow_path.strip()])
        fields = FieldCodegen(
            self.constants, self._fast_classes, self.lookups, self.reused_slots, self.write_completion
        )
        for field in self._field_slots(slot, type_, selected.grouped_field_set):
            fields.add(field)
        return self._function(slot, [*lines, "r = {}", *fields.lines(), "return r"])

    def _slow_path(self, slot: AnswerSlot) -> str:
        return f"x.slow_path(v, {self.constants.name(slot)}{slot.indices})"
