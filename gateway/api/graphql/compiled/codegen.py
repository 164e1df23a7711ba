"""Writes an operation's code: one function for each place that holds more than a leaf.

`c7(x, v, i0)` gives what the answer has for the value `v` at the place that the index `i0` tells from its like; `x` is
the `Run`. What is not usual goes to graphql-core by `Run.odd`, `Run.field` and `Run.fields`; what fails goes to
`Run.failed`, which gives the null that stands for it, or raises where no null may be.
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
from gateway.api.graphql.compiled.leaves import Constants, leaf, usual
from gateway.api.graphql.compiled.lookups import Lookup
from gateway.api.graphql.schema.fields import IsRecord

__all__ = ["OperationCodegen", "TooLargeError"]

_MOST_PLACES = 1000  # 0.1 s; fragments in fragments multiply, and graphql-core follows them only where there is data


class TooLargeError(Exception):
    """The operation selects more than is worth compiling."""


class OperationCodegen:
    """Writes for one operation with its variables: they decide what `@skip` and `@include` leave."""

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
        self.shared: list[AnswerSlot] = []
        self._schema = schema
        self._fragments = {name: FragmentDetails(node) for name, node in fragments.items()}
        self._operation = operation
        self._variables = variables
        self._hide_suggestions = hide_suggestions
        self._met: set[type] = set()
        self._functions: list[str] = []
        self.places = 0

    @property
    def source(self) -> str:
        return "\n".join(self._functions)

    def roots(self) -> Iterator[AnswerSlot]:
        """The operation's own fields.

        Raises:
            GraphQLError: a variable that decides about one of them is null.
        """
        owner = self._schema.get_root_type(self._operation.operation)
        if owner is None:
            raise GraphQLError("The schema has no such operations.", self._operation)
        selected = collect_fields(
            self._schema, self._fragments, self._variables, owner, self._operation, self._hide_suggestions
        )
        return self._selected(None, owner, selected.grouped_field_set)

    def completion(self, place: AnswerSlot) -> str:
        """Write the function that completes a value at that place; its name."""
        type_ = get_nullable_type(place.type)
        if is_list_type(type_):
            return self._list(place, type_)
        if is_leaf_type(type_):
            return self._leaf(place, type_)
        if is_abstract_type(type_):
            return self._abstract(place, type_)
        return self._object(place, cast("GraphQLObjectType", type_))

    def _selected(
        self, around: AnswerSlot | None, owner: GraphQLObjectType, fields: GroupedFieldSet
    ) -> Iterator[AnswerSlot]:
        for key, details in fields.items():
            field = self._schema.get_field(owner, details[0].node.name.value)
            if field is not None:
                yield self._counted(
                    AnswerSlot(around, key, field.type, owner, field, details, around.depth if around else 0)
                )

    def _counted(self, place: AnswerSlot) -> AnswerSlot:
        self.places += 1
        if self.places > _MOST_PLACES:
            raise TooLargeError
        return place

    def _function(self, place: AnswerSlot, lines: Sequence[str]) -> str:
        name = f"c{len(self._functions)}"
        self._functions.append("\n    ".join([f"def {name}(x, v{place.indices}):", *lines]))
        return name

    def _leaf(self, place: AnswerSlot, type_: GraphQLLeafType) -> str:
        return self._function(
            place,
            [
                "a = v",
                "try:",
                f"    return {leaf(type_, self._met, self.constants)}",
                "except Exception:",
                f"    return {self._odd(place)}",
            ],
        )

    def _list(self, place: AnswerSlot, type_: GraphQLList[Any]) -> str:
        items = self._counted(place.items(type_.of_type))
        item_type = get_nullable_type(items.type)
        none = "None if a is None else " if items.nullable else ""
        if is_leaf_type(item_type):
            return self._function(
                place,
                [
                    "try:",
                    "    if v.__class__ is tuple or v.__class__ is list:",
                    f"        return [{none}{leaf(item_type, self._met, self.constants)} for a in v]",
                    "except Exception:",
                    "    pass",
                    f"return {self._odd(place)}",
                ],
            )
        complete = self.completion(items)
        return self._function(
            place,
            [
                "if v.__class__ is not tuple and v.__class__ is not list:",
                f"    return {self._odd(place)}",
                "r = []",
                f"for i{place.depth}, a in enumerate(v):",
                "    try:",
                f"        r.append({none}{complete}(x, a{items.indices}))",
                "    except Exception as e:",
                f"        r.append(x.failed(e, {self.constants.name(items)}{items.indices}))",
                "return r",
            ],
        )

    def _abstract(self, place: AnswerSlot, type_: GraphQLAbstractType) -> str:
        kinds = {
            self.constants.name(possible.is_type_of.kind): self._object(place, possible)
            for possible in self._schema.get_possible_types(type_)
            if isinstance(possible.is_type_of, IsRecord)
        }
        table = ", ".join(f"{kind}: {complete}" for kind, complete in kinds.items())
        number = len(self._functions)
        self._functions.append(f"t{number} = {{{table}}}")
        return self._function(
            place,
            [
                f"complete = t{number}.get(v.__class__)",
                f"return complete(x, v{place.indices}) if complete else {self._odd(place)}",
            ],
        )

    def _object(self, place: AnswerSlot, type_: GraphQLObjectType) -> str:
        odd = f"    return {self._odd(place)}"
        is_type_of = type_.is_type_of
        if isinstance(is_type_of, IsRecord):
            lines = [f"if v.__class__ is not {self.constants.name(is_type_of.kind)}:", odd]
        elif is_type_of is None:
            met, is_usual = self.constants.name(self._met), self.constants.name(usual)
            lines = [f"if v.__class__ not in {met} and not {is_usual}(v, {met}):", odd]
        else:
            return self._function(place, [odd.strip()])
        try:
            selected = collect_subfields(
                self._schema,
                self._fragments,
                self._variables,
                self._operation,
                type_,
                place.details,
                self._hide_suggestions,
            )
        except GraphQLError:  # a variable that decides about a field is null: that is told where it counts
            return self._function(place, [odd.strip()])
        reading = FieldCodegen(self.constants, self._met, self.lookups, self.shared, self.completion)
        for field in self._selected(place, type_, selected.grouped_field_set):
            reading.add(field)
        return self._function(place, [*lines, "r = {}", *reading.lines(), "return r"])

    def _odd(self, place: AnswerSlot) -> str:
        return f"x.odd(v, {self.constants.name(place)}{place.indices})"
